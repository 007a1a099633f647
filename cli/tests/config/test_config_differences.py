"""What differs, by names; and that what is exported differs in nothing."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from centralino.config.differences import Change, differences, shown
from centralino.config.documents import read_configuration_files
from centralino.config.exported import Form, exported
from contracts.configuration import TenantConfiguration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Json = dict[str, Any]  # Any: JSON


def document(**changes: Any) -> Json:  # Any: JSON
    return {
        "clients": ["shop"],
        "skills": ["es", "tech"],
        "domains": [
            {"id": "main", "dispositions": [{"id": "solved", "label": "Solved"}, {"id": "sold", "label": "S"}]}
        ],
        "queues": [{"id": "help", "domain": "main", "name": "Help", "requirements": [{"skill": "es", "minimum": 3}]}],
        "agents": [{"id": "ana", "domain": "main", "name": "Ana", "skills": {"es": 3}}],
        **changes,
    }


def lines(before: Json | None, after: Json) -> list[str]:
    old = TenantConfiguration.model_validate(before) if before else None
    return [line for change in differences(old, TenantConfiguration.model_validate(after)) for line in change.lines()]


def test_the_first_document_is_all_new() -> None:
    assert lines(None, document()) == [
        *["+ client shop", "+ skill es", "+ skill tech", "+ domain main", "+ queue main/help", "+ agent ana"]
    ]


def test_fields_are_named_by_what_they_are_about_never_by_an_index() -> None:
    after = document(
        agents=[
            {"id": "ben", "domain": "main", "name": "Ben"},
            {"id": "ana", "domain": "main", "name": "Ana", "skills": {"es": 4, "tech": 1}, "capacity": 2},
        ],
        queues=[
            {
                "id": "help",
                "domain": "main",
                "name": "Help",
                "requirements": [{"skill": "tech"}, {"skill": "es", "minimum": 2}],
            }
        ],
        skills=["tech", "es"],
    )

    assert lines(document(), after) == [
        "~ queue main/help: requirements.es.minimum 3 -> 2",
        '~ queue main/help: requirements.tech none -> {"minimum": 1, "maximum": 5}',
        "~ agent ana: skills.es 3 -> 4",
        "~ agent ana: skills.tech none -> 1",
        "~ agent ana: capacity 3 -> 2",
        "+ agent ben",
    ]


def test_what_goes_is_told() -> None:
    assert lines(document(), document(agents=[], skills=["es"])) == ["- skill tech", "- agent ana"]


def test_the_order_of_an_inner_list_is_a_change() -> None:
    domain = document()["domains"][0]
    turned = {**domain, "dispositions": domain["dispositions"][::-1]}

    assert lines(document(), document(domains=[turned])) == [
        '~ domain main: dispositions order ["solved", "sold"] -> ["sold", "solved"]'
    ]


def test_the_order_of_rules_is_a_change_and_that_of_other_parts_is_none() -> None:
    def later(rules: list[str], band: int) -> TenantConfiguration:
        steps = [{"after_seconds": 0, "band": 5}, {"after_seconds": 20, "band": band}]
        return TenantConfiguration.model_validate(
            document(
                rules=[{"id": name, "domain": "main", "when": "true"} for name in rules],
                plans=[{"id": "usual", "domain": "main", "steps": steps}],
            )
        )

    found = differences(later(["vip", "es", "old"], 4), later(["es", "new", "vip"], 2))

    assert [line for change in found for line in change.lines()] == [
        "~ plan main/usual: steps.20.band 4 -> 2",
        "+ rule main/new",
        "- rule main/old",
        '~ rules: order ["main/vip", "main/es"] -> ["main/es", "main/vip"]',
    ]


def test_items_that_cannot_be_told_apart_are_shown_as_a_whole() -> None:
    def later(*minimums: int) -> TenantConfiguration:
        groups = [[{"skill": "es", "minimum": minimum}] for minimum in minimums]
        queue = {"id": "usual", "domain": "main", "name": "Usual", "any_of": groups}
        return TenantConfiguration.model_validate(document(queues=[queue]))

    (found,) = differences(later(3, 5), later(4, 5))

    assert [field.path for field in found.fields] == ["any_of"]


def test_nothing_that_a_terminal_would_obey_is_shown() -> None:
    assert shown("\x1b[31m\x9b31m\u202e") == '"\\u001b[31m\\u009b31m\\u202e"'
    assert len(shown("x" * 500)) == 60


# The first draw of text builds tables, on a busy machine for seconds.
SLOW_START = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
CODES = st.sampled_from(
    ["no", "on", "y", "1", "017", "0x1f", "1.5", "1e3", "12_3", "null", "true", "support", "es", "b"]
)
PLAIN = st.characters(exclude_categories=["Cc", "Cs"])
LABELS = st.one_of(
    st.text(PLAIN, min_size=1, max_size=12), st.sampled_from(["~", "17:00", "- a", "<<", "#", "no", " ", "'"])
)
MESSAGES = st.one_of(
    st.text(PLAIN | st.sampled_from("\t\n\r"), min_size=1, max_size=12), st.sampled_from(["\n", " \n", "a\n\n", "\r\n"])
)


@st.composite
def configurations(draw: st.DrawFn) -> TenantConfiguration:
    skills = draw(st.lists(CODES, unique=True, max_size=4))
    domains = draw(st.lists(CODES, unique=True, min_size=1, max_size=2))
    queues = draw(st.lists(st.tuples(st.sampled_from(domains), CODES), unique=True, max_size=4))
    some_skills = st.lists(st.sampled_from(skills), unique=True, max_size=3) if skills else st.just([])
    clients = draw(st.lists(CODES, unique=True, min_size=1, max_size=2))
    return TenantConfiguration.model_validate(
        {
            "clients": clients,
            "skills": skills,
            "domains": [
                {"id": each, "costs": draw(st.dictionaries(st.sampled_from(["no", "voice"]), st.integers(1, 9)))}
                for each in domains
            ],
            "queues": [
                {
                    "id": name,
                    "domain": domain,
                    "name": draw(LABELS),
                    "priority": draw(st.integers(0, 9)),
                    "closed": {"to": "message", "message": draw(MESSAGES)},
                    "requirements": [
                        {"skill": skill, "minimum": draw(st.integers(1, 5))} for skill in draw(some_skills)
                    ],
                }
                for domain, name in queues
            ],
            "agents": [
                {
                    "id": name,
                    "domain": draw(st.sampled_from(domains)),
                    "name": draw(LABELS),
                    "skills": {skill: draw(st.integers(1, 5)) for skill in draw(some_skills)},
                }
                for name in draw(st.lists(CODES, unique=True, max_size=4))
            ],
            "channels": [
                {
                    "address": f"web:{number}",
                    "channel": "webchat",
                    "client": clients[0],
                    "domain": domain,
                    "queue": name,
                    "origins": draw(st.lists(st.just("https://shop.example"), max_size=2)),
                }
                for number, (domain, name) in enumerate(queues)
            ],
        }
    )


@SLOW_START
@given(configurations(), st.sampled_from(["yaml", "json"]))
def test_pain_20_what_is_exported_plans_to_no_changes_and_is_exported_the_same_again(
    configuration: TenantConfiguration, form: Form
) -> None:
    text = exported(configuration, form)
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"tenant.{form}"
        file.write_text(text)
        _, read = read_configuration_files([file])

    assert differences(configuration, read) == []
    assert exported(read, form) == text


@SLOW_START
@given(configurations(), st.randoms(use_true_random=False))
def test_the_order_of_the_document_s_lists_is_no_change_and_makes_no_other_export(
    configuration: TenantConfiguration, random: Random
) -> None:
    shuffled = {part: random.sample(items, len(items)) for part, items in configuration.model_dump().items()}
    other = TenantConfiguration.model_validate(shuffled)

    assert differences(configuration, other) == []
    assert exported(configuration, "yaml") == exported(other, "yaml")


@SLOW_START
@given(configurations(), configurations())
def test_only_equal_documents_have_no_differences(first: TenantConfiguration, second: TenantConfiguration) -> None:
    found = differences(first, second)

    assert (found == []) == (exported(first, "json") == exported(second, "json"))
    back = {"add": "remove", "remove": "add", "change": "change"}
    assert [(each.kind, each.name, back[each.action]) for each in differences(second, first)] == [
        (each.kind, each.name, each.action) for each in found
    ]
    assert all(isinstance(each, Change) and list(each.lines()) for each in found)
