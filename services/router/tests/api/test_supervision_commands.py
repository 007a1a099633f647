"""What people ask for over HTTP reaches the engine whole: every field of every body, and whose command it is."""

from collections.abc import AsyncIterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import pytest
from contracts.commands import (
    CancelCallback,
    ClockAgent,
    CompleteTask,
    EndTask,
    FinishTask,
    MoveTransfer,
    OverrideQueue,
    ParkTask,
    RejectOffer,
    RequestCallback,
    RequestTask,
    RerouteTask,
    SetAgentState,
    TransferTask,
    UnparkTask,
)
from contracts.tasks import Requirement
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.auth import Role
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase

Json = dict[str, Any]  # Any: JSON
DAY_MS: Final = 86_400_000
WHOSE: Final[Json] = {"command_id": "as answered", "domain": "as configured"}
ANNS: Final[Json] = {**WHOSE, "agent_id": "ann"}
SUES: Final[Json] = {**WHOSE, "by": "sue"}
SKILLS: Final = [{"skill": "billing", "minimum": 2, "maximum": 4}, {"skill": "chess", "minimum": 1, "maximum": 5}]
REQUIRED: Final = (Requirement(skill="billing", minimum=2, maximum=4), Requirement(skill="chess"))

OF_SUPERVISORS: list[tuple[str, str, Json | None, object]] = [
    (
        "PUT",
        "/agents/ann/state",
        {"state": "not_ready", "reason_code": "lunch", "when": "when_free"},
        SetAgentState(**ANNS, state="not_ready", reason_code="lunch", when="when_free", by="sue"),
    ),
    ("PUT", "/agents/ann/state", {"state": "ready"}, SetAgentState(**ANNS, state="ready", when="now", by="sue")),
    ("POST", "/agents/ann/drain", None, SetAgentState(**ANNS, state="not_ready", when="when_free", by="sue")),
    ("PUT", "/agents/ann/clock", {"clocked_in": True}, ClockAgent(**ANNS, clocked_in=True, by="sue")),
    (
        "POST",
        "/agents/ann/assignments/a1/reassign",
        {"kind": "consult", "requirements": SKILLS, "priority_add": 3, "forced": True},
        TransferTask(
            **ANNS, assignment_id="a1", kind="consult", requirements=REQUIRED, priority_add=3, forced=True, by="sue"
        ),
    ),
    (
        "POST",
        "/agents/ann/assignments/a1/reassign",
        {"escalate": True},
        TransferTask(**ANNS, assignment_id="a1", escalate=True, by="sue"),
    ),
    (
        "POST",
        "/tasks/t1/reroute",
        {"queue": "help", "agent_id": "bob", "priority": 9, "band": 1},
        RerouteTask(**SUES, task_id="t1", queue="help", to_agent_id="bob", priority=9, band=1),
    ),
    ("POST", "/tasks/t1/finish", {"disposition": "solved"}, FinishTask(**SUES, task_id="t1", disposition="solved")),
    (
        "PUT",
        "/queues/help/override",
        {"closed": True, "message": "Fire.", "priority": 7, "until_ms": 99},
        OverrideQueue(**SUES, queue="help", closed=True, message="Fire.", priority=7, until_ms=99),
    ),
    (
        "PUT",
        "/override",
        {"message": "Fire.", "priority": 2, "until_ms": 98},
        OverrideQueue(**SUES, message="Fire.", priority=2, until_ms=98),
    ),
    (
        "POST",
        "/agents/ann/transfers/t2/cancel",
        None,
        MoveTransfer(**ANNS, transfer_id="t2", move="cancel", by="sue"),
    ),
    ("POST", "/tasks/t1/resume", None, UnparkTask(**SUES, agent_id="sue", task_id="t1")),
    ("DELETE", "/interactions/i1/callback", None, CancelCallback(**SUES, interaction_id="i1")),
]
OF_AGENTS: list[tuple[str, str, Json | None, object]] = [
    (
        "PUT",
        "/me/state",
        {"state": "not_ready", "reason_code": "lunch", "when": "now"},
        SetAgentState(**ANNS, state="not_ready", reason_code="lunch", when="now"),
    ),
    ("PUT", "/me/clock", {"clocked_in": True}, ClockAgent(**ANNS, clocked_in=True)),
    ("POST", "/offers/o1/reject", {"reason": "busy"}, RejectOffer(**ANNS, offer_id="o1", reason="busy")),
    (
        "POST",
        "/assignments/a1/end",
        {"then": "keep_open", "seen_number": 4, "disposition": "solved"},
        EndTask(**ANNS, assignment_id="a1", then="keep_open", seen_number=4, disposition="solved"),
    ),
    (
        "POST",
        "/assignments/a1/complete",
        {"then": "keep_open", "seen_number": 4, "disposition": "solved"},
        CompleteTask(**ANNS, assignment_id="a1", then="keep_open", seen_number=4, disposition="solved"),
    ),
    ("POST", "/assignments/a1/park", {"until_ms": 99}, ParkTask(**ANNS, assignment_id="a1", until_ms=99)),
    (
        "POST",
        "/assignments/a1/transfer",
        {"kind": "consult", "requirements": SKILLS, "priority_add": 3, "forced": True},
        TransferTask(**ANNS, assignment_id="a1", kind="consult", requirements=REQUIRED, priority_add=3, forced=True),
    ),
    (
        "POST",
        "/assignments/a1/transfer",
        {"agent_id": "bob"},
        TransferTask(**ANNS, assignment_id="a1", to_agent_id="bob"),
    ),
    (
        "POST",
        "/assignments/a1/transfer",
        {"queue": "help", "forced": True},
        TransferTask(**ANNS, assignment_id="a1", queue="help", forced=True),
    ),
    ("POST", "/assignments/a1/transfer", {"escalate": True}, TransferTask(**ANNS, assignment_id="a1", escalate=True)),
]


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path) as running:
        await running.configure()
        yield running


def asked(api: RunningApi) -> list[Any]:  # Any: commands and requests of several types
    """What the engine was asked for, beside the configuration."""
    return [event.data for event in api.engine.commands if event.type.name != "config.activate"]


@pytest.mark.parametrize(
    ("role", "subject", "method", "path", "body", "command"),
    [("supervisor", "sue", *case) for case in OF_SUPERVISORS] + [("agent", "ann", *case) for case in OF_AGENTS],
)
async def test_a_command_holds_all_that_was_asked_for_and_nothing_else(
    api: RunningApi, role: Role, subject: str, method: str, path: str, body: Json | None, command: Any
) -> None:
    async with api.client(api.token(subject, role)) as caller:
        answer = await caller.request(method, path, json=body)

    assert answer.status_code == 200, answer.text
    command_id = answer.json()["command_id"]
    assert asked(api) == [replace(command, command_id=command_id, domain=api.place.domain)]


async def test_a_requested_task_holds_all_that_was_asked_for(api: RunningApi) -> None:
    now_ms = SystemClock().now_ms()
    wish: Json = {
        "request_id": "r1", "interaction_id": "of-r1", "kind": "callback", "client": "brand", "channel": "webchat",
        "queue": "help", "due_at_ms": now_ms + DAY_MS, "agent_id": "ann", "agent_only_seconds": 90, "priority": 8,
        "labels": ["refund", "vip"], "language": "es",
    }  # fmt: skip
    async with api.client(api.token("sue", "supervisor")) as sue:
        answer = await sue.post("/task-requests", json=wish | {"domain": api.place.domain})
        await eventually(lambda: asked(api) != [])
    [request] = asked(api)

    assert answer.status_code == 202, answer.text
    wanted = RequestTask(
        **wish | {"domain": api.place.domain, "requested_at_ms": request.requested_at_ms, "labels": ("refund", "vip")},
        by="sue",
    )
    assert request == wanted
    assert now_ms <= request.requested_at_ms <= SystemClock().now_ms()
    told = {field.name for field in fields(RequestTask)} - {"requested_at_ms", "by"}
    assert told == wish.keys() | {"domain"}  # a field that is added is asked for here too


async def test_a_place_that_is_kept_is_called_when_it_was_asked_for(api: RunningApi) -> None:
    due_at_ms = SystemClock().now_ms() + DAY_MS
    async with api.client(api.token("sue", "supervisor")) as sue:
        answer = await sue.post("/interactions/i1/callback", json={"request_id": "r2", "due_at_ms": due_at_ms})
        await eventually(lambda: asked(api) != [])
    [request] = asked(api)

    assert answer.status_code == 202, answer.text
    assert request == RequestCallback(
        request_id="r2",
        interaction_id="i1",
        domain=api.place.domain,
        requested_at_ms=request.requested_at_ms,
        due_at_ms=due_at_ms,
        by="sue",
    )
