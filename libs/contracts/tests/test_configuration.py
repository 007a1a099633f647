"""A configuration document is refused with every fault it has, by path."""

import json

import pytest
from contracts.configuration import TenantConfiguration
from contracts.configuration_faults import InvalidConfigurationError, read_configuration, reference_faults

GOOD: dict[str, object] = {
    "clients": ["acme-books"],
    "skills": ["billing"],
    "domains": [{"id": "acme.main", "dispositions": [{"id": "solved", "label": "Solved"}]}],
    "queues": [
        {
            "id": "billing",
            "domain": "acme.main",
            "name": "Billing",
            "requirements": [{"skill": "billing", "minimum": 3}],
        }
    ],
    "agents": [{"id": "ana", "domain": "acme.main", "name": "Ana", "skills": {"billing": 4}}],
    "channels": [
        {
            "address": "web:acme-books",
            "channel": "webchat",
            "client": "acme-books",
            "domain": "acme.main",
            "queue": "billing",
        }
    ],
}


def test_a_good_document_is_read_with_its_defaults() -> None:
    configuration = read_configuration(json.dumps(GOOD).encode())

    assert configuration.queues[0].offer_timeout_seconds == 20
    assert configuration.agents[0].skills == {"billing": 4}


def test_every_fault_of_form_is_named_by_its_path_and_without_its_value() -> None:
    document = GOOD | {
        "clients": [],
        "surprise": 1,
        "domains": [{"id": "not good", "presence_grace_seconds": 0}],
        "agents": [{"id": "ana", "domain": "acme.main", "name": "Ana", "skills": {"billing": 6}, "capacity": "three"}],
    }

    assert _faults(document) == {
        "/clients",
        "/surprise",
        "/domains/0/id",
        "/domains/0/presence_grace_seconds",
        "/agents/0/skills/billing",
        "/agents/0/capacity",
    }


def test_a_number_written_as_text_is_refused() -> None:
    assert _faults(GOOD | {"domains": [{"id": "acme.main", "presence_grace_seconds": "30"}]}) == {
        "/domains/0/presence_grace_seconds"
    }


def test_every_dangling_reference_is_named_by_its_path() -> None:
    queue = {"id": "sales", "domain": "nowhere", "name": "Sales", "requirements": [{"skill": "charm"}]}
    agent = {"id": "bo", "domain": "nowhere", "name": "Bo", "skills": {"charm": 1}}
    channel = {
        "address": "web:other",
        "channel": "webchat",
        "client": "other",
        "domain": "nowhere",
        "queue": "sales2",
        "queues": ["sales", "sales3"],
    }

    assert _faults(GOOD | {"queues": [queue], "agents": [agent], "channels": [channel]}) == {
        "/queues/0/domain",
        "/queues/0/requirements/0/skill",
        "/agents/0/domain",
        "/agents/0/skills/charm",
        "/channels/0/client",
        "/channels/0/domain",
        "/channels/0/queue",
        "/channels/0/queues/1",
    }


def test_every_dangling_reference_of_a_routing_plan_is_named_by_its_path() -> None:
    overflow = {"to": "queue", "queue": "nowhere"}
    queue = {
        "id": "sales",
        "domain": "acme.main",
        "name": "Sales",
        "any_of": [[{"skill": "charm"}]],
        "none_of": [{"skill": "rude"}],
        "teams": ["north"],
        "plan": "patient",
        "calendar": "always",
        "escalates_to": "tier-2",
        "closed": overflow,
        "waiting_max": 3,
        "full": overflow,
    }
    steps = [
        {"after_seconds": 0, "agents": ["bo"], "requirements": [{"skill": "charm"}], "teams": ["north"]},
        {"after_seconds": 9, "any_of": [[{"skill": "charm"}]], "none_of": [{"skill": "rude"}], "overflow": overflow},
    ]
    document = (
        GOOD
        | {
            "domains": [{"id": "acme.main", "client_shares": [{"client": "other"}]}],
            "queues": [queue, *GOOD["queues"]],  # type: ignore[misc]  # the document above is plain
            "plans": [
                {"id": "slow", "domain": "acme.main", "steps": steps},
                {"id": "x", "domain": "no", "steps": steps[:1]},
            ],
            "teams": [{"id": "south", "domain": "no", "name": "South"}],
            "agents": [
                {
                    "id": "ana",
                    "domain": "acme.main",
                    "name": "Ana",
                    "team": "north",
                    "clients": ["other"],
                    "shift_calendar": "n",
                }
            ],
            "calendars": [{"id": "c", "domain": "no", "time_zone": "UTC", "weekly": {}}],
        }
    )

    assert _faults(document) == {
        "/domains/0/client_shares/0/client",
        "/queues/0/any_of/0/0/skill",
        "/queues/0/none_of/0/skill",
        "/queues/0/teams/0",
        "/queues/0/plan",
        "/queues/0/calendar",
        "/queues/0/escalates_to",
        "/queues/0/closed/queue",
        "/queues/0/full/queue",
        "/plans/0/steps/0/agents/0",
        "/plans/0/steps/0/requirements/0/skill",
        "/plans/0/steps/0/teams/0",
        "/plans/0/steps/1/any_of/0/0/skill",
        "/plans/0/steps/1/none_of/0/skill",
        "/plans/0/steps/1/overflow/queue",
        "/plans/1/domain",
        "/plans/1/steps/0/agents/0",
        "/plans/1/steps/0/requirements/0/skill",
        "/plans/1/steps/0/teams/0",
        "/teams/0/domain",
        "/agents/0/team",
        "/agents/0/shift_calendar",
        "/calendars/0/domain",
        "/agents/0/clients/0",
    }


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("requirements", [{"skill": "billing", "minimum": 4, "maximum": 2}], "nobody has"),
        ("closed", {"to": "queue"}, "`to: queue` needs the `queue`"),
        ("closed", {"to": "callback", "queue": "billing"}, "belongs to"),
        ("closed", {"to": "message"}, "needs the `message`"),
        ("waiting_max", 5, "belong together"),
        ("alerts", [{"id": "long", "measure": "waiting", "above": 1, "below": 2}], "either"),
    ],
)
def test_a_part_that_contradicts_itself_is_refused(part: str, value: object, says: str) -> None:
    queue = {"id": "billing", "domain": "acme.main", "name": "Billing", part: value}

    assert says in _messages(GOOD | {"queues": [queue]})


@pytest.mark.parametrize(
    ("reasons", "faults"), [([], set()), (["away"], set()), (["lunch"], {"unanswered_reason_code"})]
)
def test_the_reason_set_for_unanswered_offers_is_one_that_agents_may_have(reasons: list[str], faults: set[str]) -> None:
    known = [{"id": reason, "label": reason} for reason in reasons]
    domain = {"id": "acme.main", "unanswered_reason_code": "away", "not_ready_reasons": known}

    found = reference_faults(TenantConfiguration.model_validate(GOOD | {"domains": [domain]}))

    assert {fault.path for fault in found} == {f"/domains/0/{fault}" for fault in faults}


@pytest.mark.parametrize("times", [[3, 3], [9, 3]])
def test_the_steps_of_a_plan_stand_in_order(times: list[int]) -> None:
    plan = {"id": "patient", "domain": "acme.main", "steps": [{"after_seconds": seconds} for seconds in times]}

    assert "order" in _messages(GOOD | {"plans": [plan]})


def test_no_step_comes_after_an_overflow() -> None:
    steps = [{"after_seconds": 0, "overflow": {"to": "voicemail"}}, {"after_seconds": 9}]

    assert "after an overflow" in _messages(GOOD | {"plans": [{"id": "p", "domain": "acme.main", "steps": steps}]})


def test_every_name_used_twice_is_named_by_its_path() -> None:
    solved = {"id": "solved", "label": "Solved"}
    queue = {
        "id": "sales",
        "domain": "acme.main",
        "name": "Sales",
        "requirements": [{"skill": "billing"}] * 2,
        "alerts": [{"id": "long", "measure": "waiting", "above": limit} for limit in (5, 9)],
    }
    domain = {
        "id": "acme.main",
        "dispositions": [solved, solved],
        "not_ready_reasons": [{"id": "lunch", "label": label} for label in ("Lunch", "Pause")],
        "client_shares": [{"client": "acme-books", "units_max": units} for units in (1, 2)],
    }
    document = {
        "clients": ["acme-books", "acme-books"],
        "skills": ["billing", "billing"],
        "domains": [domain, {"id": "acme.main"}],
        "queues": [queue, queue],
        "agents": [{"id": "ana", "domain": "acme.main", "name": "Ana"}] * 2,
        "channels": [],
    }

    doubled = ["clients", "skills", "domains", "domains/0/dispositions", "queues", "queues/0/requirements", "agents"]
    doubled += ["queues/1/requirements", "queues/0/alerts", "queues/1/alerts"]
    doubled += ["domains/0/not_ready_reasons", "domains/0/client_shares"]
    assert _faults(document) == {f"/{part}/{index}" for part in doubled for index in (0, 1)}


def test_queues_and_domains_may_use_the_same_names() -> None:
    alerts = [{"id": "long", "measure": "waiting", "above": 5}]
    queues = [{"id": name, "domain": "acme.main", "name": name, "alerts": alerts} for name in ("a", "b")]
    domains = [{"id": name, "not_ready_reasons": [{"id": "lunch", "label": "Lunch"}]} for name in ("acme.main", "x")]

    read_configuration(json.dumps(GOOD | {"domains": domains, "queues": queues, "channels": []}).encode())


def test_the_path_is_a_json_pointer() -> None:
    assert _faults(GOOD | {"a/b~c": 1}) == {"/a~1b~0c"}


def test_bytes_that_are_not_json_are_one_fault_of_the_whole() -> None:
    with pytest.raises(InvalidConfigurationError) as refused:
        read_configuration(b"{")
    assert [fault.path for fault in refused.value.faults] == [""]


def _messages(document: dict[str, object]) -> str:
    with pytest.raises(InvalidConfigurationError) as refused:
        read_configuration(json.dumps(document).encode())
    return " ".join(fault.message for fault in refused.value.faults)


def _faults(document: dict[str, object]) -> set[str]:
    with pytest.raises(InvalidConfigurationError) as refused:
        read_configuration(json.dumps(document).encode())
    return {fault.path for fault in refused.value.faults}
