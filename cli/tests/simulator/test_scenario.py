"""The scenario file: what is wrong with it is one sentence, and exit code 2."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from centralino.app import run
from centralino.simulator.driver import Driver
from centralino.simulator.scenario import ScenarioError, read_scenario

Document = dict[str, Any]

GOOD: Document = {
    "configuration": {
        "clients": ["shop"],
        "skills": ["es"],
        "domains": [{"id": "main"}],
        "queues": [
            {"id": "calls", "domain": "main", "name": "Calls", "requirements": [{"skill": "es"}]},
            {"id": "other", "domain": "main", "name": "Other"},
        ],
        "channels": [
            {
                "address": "tel:0",
                "channel": "voice",
                "client": "shop",
                "domain": "main",
                "queue": "calls",
                "queues": ["other"],
            }
        ],
    },
    "contacts": [
        {
            "name": "calls",
            "queue": "calls",
            "per_hour": 60,
            "service": {"distribution": "exponential", "mean_seconds": 120},
        }
    ],
    "groups": [{"name": "agents", "number": 3, "agent": {"skills": {"es": 3}, "capacity": 1}}],
    "days": 2,
    "day": {"periods": 2, "period_seconds": 3600},
}


def changed(**parts: object) -> Callable[[Document], None]:
    return lambda document: document.update(parts)


def contact(**parts: object) -> Callable[[Document], None]:
    return lambda document: document["contacts"][0].update(parts)


def group(**parts: object) -> Callable[[Document], None]:
    return lambda document: document["groups"][0].update(parts)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (contact(per_hour=-1), "/contacts/0/per_hour"),
        (contact(per_hour=[1, 2, 3]), "contacts 'calls': per_hour has 3 rates for 2 periods"),
        (contact(queue="chats"), "domain 'main' has no queue 'chats'"),
        (contact(queue=None), "name an address or a queue"),
        (contact(address="tel:1"), "no channel address 'tel:1'"),
        (
            contact(address="tel:0", queue="cals"),
            "contacts 'calls': tel:0 does not lead to queue 'cals', but to calls, other",
        ),
        (contact(per_hour=1e12), "2e+12 contacts a day are more than 2000000: lower per_hour"),
        (contact(per_hour=[1e308, 1e308]), "inf contacts a day"),
        (
            changed(days=1_000_000, contacts=[GOOD["contacts"][0] | {"per_hour": 101}]),
            "2.02e+08 contacts in 1000000 days",
        ),
        (contact(service={"distribution": "normal"}), "/contacts/0/service"),
        (contact(service_by_group={"seniors": GOOD["contacts"][0]["service"]}), "names no group 'seniors'"),
        (contact(speed=1), "/contacts/0/speed: there is no field 'speed' here; there are name, address"),
        (
            contact(patience={"distribution": "uniform", "least_seconds": 9, "most_seconds": 3}),
            "least_seconds is more than most_seconds",
        ),
        (group(agent={"skills": {"fr": 3}}), "there is no skill 'fr' in this document"),
        (group(agent={"capacity": 0}), "group 'agents': agent/capacity"),
        (group(agents=["ana"]), "the configuration has no agent 'ana'"),
        (group(shifts=[{"from_seconds": 5, "to_seconds": 5}]), "from_seconds is not before to_seconds"),
        (changed(groups=[GOOD["groups"][0]] * 2), "a group's name stands twice"),
        (changed(contacts=[GOOD["contacts"][0]] * 2), "a contact type's name stands twice"),
        (changed(day={"periods": 25, "period_seconds": 3600}), "longer than 24 hours"),
        (changed(day={"periods": 2, "warmup_periods": 2}), "warmup_periods leaves no period to count"),
        (changed(day={"periods": 2, "period_seconds": 60, "warmup_days": 2}), "warmup_days leaves no day to count"),
        (changed(configuration={"clients": [], "domains": []}), "/configuration/clients"),
        (
            lambda document: document["configuration"].update(rules=[{"id": "a", "domain": "main", "when": "tier"}]),
            "configuration/rules/0/when: line 1, column 1: undeclared reference to 'tier'",
        ),
        (changed(configuration="other.json"), "other.json: No such file or directory"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Document], None], sentence: str
) -> None:
    document = deepcopy(GOOD)
    spoil(document)
    file = tmp_path / "centre.json"
    file.write_text(json.dumps(document))

    with pytest.raises(SystemExit) as ended:
        run(["simulate", str(file)], ())

    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert sentence in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.toml", "days = ", "is no TOML"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "holds no object"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    with pytest.raises(ScenarioError, match=sentence):
        read_scenario(file)


def test_the_configuration_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tenant.json").write_text(json.dumps(GOOD["configuration"]))
    file = tmp_path / "centre.json"
    file.write_text(json.dumps({**GOOD, "configuration": "tenant.json"}))

    assert read_scenario(file).configuration.queues[0].id == "calls"


@pytest.mark.parametrize("queue", [None, "calls", "other"])
def test_contacts_may_choose_any_queue_that_their_address_leads_to(tmp_path: Path, queue: str | None) -> None:
    document = deepcopy(GOOD)
    document["contacts"][0] |= {"address": "tel:0", "queue": queue}
    file = tmp_path / "centre.json"
    file.write_text(json.dumps(document))

    assert read_scenario(file).contacts[0].queue == queue


def test_toml_may_be_used_as_well(tmp_path: Path) -> None:
    file = tmp_path / "centre.toml"
    file.write_text(
        """
        days = 3
        [configuration]
        clients = ["shop"]
        domains = [{ id = "main" }]
        queues = [{ id = "calls", domain = "main", name = "Calls" }]
        [[contacts]]
        name = "calls"
        queue = "calls"
        per_hour = 60
        service = { distribution = "fixed", seconds = 120 }
        [[groups]]
        name = "agents"
        number = 2
        """
    )

    scenario = read_scenario(file, seed=7)

    assert (scenario.days, scenario.seed) == (3, 7)
    assert [agent.id for agent in scenario.tenant.agents] == ["agents-1", "agents-2"]


def test_the_example_of_the_documentation_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text()
    file = tmp_path / "example.toml"
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])

    tally = Driver(read_scenario(file, days=1)).run()

    assert tally.contacts > 500
    assert not tally.refused


def test_the_command_prints_figures_for_people_and_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "centre.json"
    file.write_text(json.dumps(GOOD))

    with pytest.raises(SystemExit) as ended:
        run(["simulate", str(file), "--days", "3", "--json"], ())
    told = json.loads(capsys.readouterr().out)
    with pytest.raises(SystemExit):
        run(["simulate", str(file), "--seed", "2"], ())
    text = capsys.readouterr().out

    assert ended.value.code == 0
    assert told["days"] == 3
    assert [(scope["kind"], scope["name"]) for scope in told["scopes"]] == [
        ("contacts", "calls"),
        ("queue", "calls"),
        ("group", "agents"),
    ]
    assert told["scopes"][0]["day"]["offered"]["half_width"] > 0
    assert len(told["scopes"][0]["periods"]) == 2
    assert "2 days, seed 2" in text
    assert "service_level " in text
