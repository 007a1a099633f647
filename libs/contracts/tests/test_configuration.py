"""A configuration document is refused with every fault it has, by path."""

import json

import pytest
from contracts.configuration import InvalidConfigurationError, read_configuration

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


def test_every_name_used_twice_is_named_by_its_path() -> None:
    solved = {"id": "solved", "label": "Solved"}
    queue = {"id": "sales", "domain": "acme.main", "name": "Sales", "requirements": [{"skill": "billing"}] * 2}
    document = {
        "clients": ["acme-books", "acme-books"],
        "skills": ["billing", "billing"],
        "domains": [{"id": "acme.main", "dispositions": [solved, solved]}, {"id": "acme.main"}],
        "queues": [queue, queue],
        "agents": [{"id": "ana", "domain": "acme.main", "name": "Ana"}] * 2,
        "channels": [],
    }

    doubled = ["clients", "skills", "domains", "domains/0/dispositions", "queues", "queues/0/requirements", "agents"]
    doubled.append("queues/1/requirements")
    assert _faults(document) == {f"/{part}/{index}" for part in doubled for index in (0, 1)}


def test_the_path_is_a_json_pointer() -> None:
    assert _faults(GOOD | {"a/b~c": 1}) == {"/a~1b~0c"}


def test_bytes_that_are_not_json_are_one_fault_of_the_whole() -> None:
    with pytest.raises(InvalidConfigurationError) as refused:
        read_configuration(b"{")
    assert [fault.path for fault in refused.value.faults] == [""]


def _faults(document: dict[str, object]) -> set[str]:
    with pytest.raises(InvalidConfigurationError) as refused:
        read_configuration(json.dumps(document).encode())
    return {fault.path for fault in refused.value.faults}
