"""Transfers, parking and shifts of agents, and what supervisors do, over HTTP: which command it becomes, and whose."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.auth import Role
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase

AGENTS_ROUTES: list[tuple[str, str, Any, str, dict[str, object]]] = [
    ("PUT", "/me/clock", {"clocked_in": True}, "agent.clock", {"clocked_in": True, "by": None}),
    ("PUT", "/me/state", {"state": "not_ready"}, "agent.set_state", {"when": "when_free", "by": None}),
    ("POST", "/assignments/a1/hold", None, "task.hold", {"assignment_id": "a1", "held": True}),
    ("POST", "/assignments/a1/retrieve", None, "task.hold", {"assignment_id": "a1", "held": False}),
    ("POST", "/assignments/a1/park", {"until_ms": 99}, "task.park", {"assignment_id": "a1", "until_ms": 99}),
    ("POST", "/tasks/t1/unpark", None, "task.unpark", {"task_id": "t1"}),
    (
        "POST",
        "/assignments/a1/transfer",
        {"kind": "consult", "queue": "tier2", "priority_add": 1},
        "task.transfer",
        {"assignment_id": "a1", "kind": "consult", "queue": "tier2", "priority_add": 1, "by": None},
    ),
    ("POST", "/transfers/t2/conference", None, "transfer.move", {"transfer_id": "t2", "move": "conference"}),
]
SUPERVISORS_ROUTES: list[tuple[str, str, Any, str, dict[str, object], str]] = [
    (
        "PUT",
        "/agents/ann/state",
        {"state": "ready"},
        "agent.set_state",
        {"when": "now", "by": "sue"},
        "agent.set_state",
    ),
    ("POST", "/agents/ann/drain", None, "agent.set_state", {"when": "when_free", "state": "not_ready"}, "agent.drain"),
    ("PUT", "/agents/ann/clock", {"clocked_in": False}, "agent.clock", {"clocked_in": False}, "agent.clock"),
    (
        "POST",
        "/agents/ann/assignments/a1/reassign",
        {"agent_id": "bob"},
        "task.transfer",
        {"assignment_id": "a1", "to_agent_id": "bob", "by": "sue", "agent_id": "ann"},
        "task.reassign",
    ),
    (
        "POST",
        "/agents/ann/transfers/t2/cancel",
        None,
        "transfer.move",
        {"transfer_id": "t2", "move": "cancel", "by": "sue", "agent_id": "ann"},
        "transfer.cancel",
    ),
    ("POST", "/tasks/t1/resume", None, "task.unpark", {"task_id": "t1", "by": "sue"}, "task.unpark"),
    (
        "POST",
        "/tasks/t1/reroute",
        {"priority": 9, "band": 1},
        "task.reroute",
        {"priority": 9, "by": "sue"},
        "task.reroute",
    ),
    ("POST", "/tasks/t1/finish", None, "task.finish", {"task_id": "t1", "by": "sue"}, "task.finish"),
    (
        "PUT",
        "/queues/support/override",
        {"closed": True},
        "queue.override",
        {"queue": "support", "closed": True},
        "queue.override",
    ),
    (
        "PUT",
        "/override",
        {"closed": True, "message": "Fire."},
        "queue.override",
        {"queue": None, "message": "Fire."},
        "queue.override",
    ),
]


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, command_wait_seconds=2
    ) as running:
        await running.configure()
        yield running


def asked(api: RunningApi) -> set[str]:
    """The types of what the engine was asked for, beside the configuration."""
    return {event.type.name for event in api.engine.commands} - {"config.activate"}


def told(api: RunningApi, name: str) -> dict[str, Any]:
    """The command of this type that the engine got last."""
    event = [event for event in api.engine.commands if event.type.name == name][-1]
    return asdict(event.data)  # type: ignore[call-overload,no-any-return]  # a command is a dataclass


@pytest.mark.parametrize(("method", "path", "body", "name", "fields"), AGENTS_ROUTES)
async def test_an_agent_s_act_becomes_their_own_command(
    api: RunningApi, method: str, path: str, body: object, name: str, fields: dict[str, object]
) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.request(method, path, json=body)

    assert answer.status_code == 200, answer.text
    command = told(api, name)
    assert {key: command[key] for key in fields} == fields
    assert (command["agent_id"], command["domain"]) == ("ann", api.place.domain)


@pytest.mark.parametrize(("method", "path", "body", "name", "fields", "action"), SUPERVISORS_ROUTES)
async def test_a_supervisor_s_act_becomes_a_command_with_one_audit_row(
    api: RunningApi, method: str, path: str, body: object, name: str, fields: dict[str, object], action: str
) -> None:
    async with api.client(api.token("sue", "supervisor")) as sue:
        answer = await sue.request(method, path, json=body, headers={"idempotency-key": "once"})
        again = await sue.request(method, path, json=body, headers={"idempotency-key": "once"})
    async with api.database.transaction(api.tenant_id) as transaction:
        rows = await transaction.all("SELECT actor, action FROM audit WHERE actor = 'sue'")

    assert answer.status_code == 200, answer.text
    assert again.json() == answer.json()
    command = told(api, name)
    assert {key: command[key] for key in fields} == fields
    assert [(row["actor"], row["action"]) for row in rows] == [("sue", action)]


@pytest.mark.parametrize(("method", "path", "body"), [route[:3] for route in SUPERVISORS_ROUTES])
async def test_an_agent_may_not_do_what_supervisors_do(api: RunningApi, method: str, path: str, body: object) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.request(method, path, json=body)

    assert answer.status_code == 403
    assert asked(api) == set()


@pytest.mark.parametrize("body", [{}, {"queue": "a", "agent_id": "bob"}, {"escalate": True, "queue": "a"}])
async def test_a_transfer_has_exactly_one_target(api: RunningApi, body: object) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.post("/assignments/a1/transfer", json=body)

    assert answer.status_code == 422
    assert "exactly one" in answer.text


async def test_what_customers_are_told_by_an_override_has_lines_and_no_control_characters(api: RunningApi) -> None:
    async with api.client(api.token("sue", "supervisor")) as sue:
        refused = await sue.put("/override", json={"closed": True, "message": "a\x00b"})
        taken = await sue.put("/override", json={"closed": True, "message": "Fire.\nCall later."})

    assert (refused.status_code, taken.status_code) == (422, 200)
    assert refused.json()["faults"][0]["message"].startswith("character 2 is U+0000")
    assert told(api, "queue.override")["message"] == "Fire.\nCall later."


async def test_an_unknown_domain_is_refused_with_those_there_are(api: RunningApi) -> None:
    async with api.client(api.token("sue", "supervisor")) as sue:
        answer = await sue.post("/tasks/t1/finish", json={"domain": "elsewhere"})

    assert (answer.status_code, answer.json()["code"]) == (422, "domain_unknown")
    assert api.place.domain in answer.json()["detail"]


@pytest.mark.parametrize("role", ["supervisor", "agent"])
async def test_who_hears_that_a_customer_wants_no_callback_cancels_it_once(api: RunningApi, role: Role) -> None:
    path = f"/interactions/i1/callback?domain={api.place.domain}"
    async with api.client(api.token("ann", role)) as caller:
        answers = [await caller.delete(path, headers={"idempotency-key": "once"}) for _ in range(2)]
        elsewhere = await caller.delete("/interactions/i1/callback?domain=elsewhere")
    async with api.database.transaction(api.tenant_id) as transaction:
        rows = await transaction.all("SELECT action, target FROM audit WHERE actor = 'ann'")

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert elsewhere.status_code == 422
    command = told(api, "callback.cancel")
    assert (command["interaction_id"], command["domain"], command["by"]) == ("i1", api.place.domain, "ann")
    assert [(row["action"], row["target"]) for row in rows] == [("callback.cancel", "i1")]


async def test_who_only_administers_cancels_no_callback(api: RunningApi) -> None:
    async with api.client(api.token("ada", "admin")) as ada:
        answer = await ada.delete("/interactions/i1/callback")

    assert answer.status_code == 403
    assert asked(api) == set()
