"""The audit tells what was asked, by whom, and what became of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from contracts.agents import CommandResult, Refusal
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from sqlalchemy.exc import ProgrammingError

AUDIT = """
SELECT actor, action, target, content, outcome, code
FROM audit LEFT JOIN audit_outcome USING (tenant_id, audit_id)
WHERE action <> 'configuration.activate' ORDER BY audit.at_ms
"""


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, command_wait_seconds=0.5
    ) as running:
        await running.configure()
        yield running


async def audited(api: RunningApi) -> list[dict[str, Any]]:
    async with api.database.transaction(api.tenant_id) as transaction:
        return [dict(row) for row in await transaction.all(AUDIT)]


async def test_what_was_done_can_be_told_from_the_row(api: RunningApi) -> None:
    async with api.client(api.token("sue", "supervisor")) as sue:
        await sue.put("/queues/help/override", json={"closed": True, "message": "Fire."})
        await sue.put("/queues/help/override", json={})
        await sue.put("/agents/ann/state", json={"state": "not_ready", "reason_code": "break"})
    closed, reopened, state = await audited(api)

    target = f"{api.place.domain}/help"
    alike = {"domain": api.place.domain, "queue": "help"}
    assert closed == {
        "actor": "sue",
        "action": "queue.override",
        "target": target,
        "content": alike | {"closed": True, "message": "Fire."},
        "outcome": "done",
        "code": None,
    }
    assert (reopened["target"], reopened["content"]) == (target, alike | {"closed": False})
    assert state["content"] == {
        "domain": api.place.domain,
        "agent_id": "ann",
        "state": "not_ready",
        "reason_code": "break",
        "when": "now",
    }


async def test_a_refused_command_is_told_from_one_that_was_done_and_a_retry_adds_nothing(api: RunningApi) -> None:
    api.engine.refusals["task.reroute"] = Refusal(code="task_gone", detail="It has ended.", http_status=404)
    async with api.client(api.token("sue", "supervisor")) as sue:
        for _ in range(2):
            await sue.post("/tasks/t1/reroute", json={"band": 2}, headers={"idempotency-key": "once"})
        await sue.post("/tasks/t1/finish")

    assert [(row["action"], row["outcome"], row["code"]) for row in await audited(api)] == [
        ("task.reroute", "refused", "task_gone"),
        ("task.finish", "done", None),
    ]


async def test_what_became_of_a_command_is_unknown_until_somebody_learns_it(api: RunningApi) -> None:
    api.engine.away = True
    async with api.client(api.token("sue", "supervisor")) as sue:
        pending = await sue.post("/tasks/t1/finish")
        before = await audited(api)
        result = CommandResult(
            command_id=pending.json()["command_id"],
            domain=api.place.domain,
            agent_id="sue",
            outcome="done",
            refusal=None,
            decided_at_ms=1,
        )
        await api.engine.publish(api.tenant_id, result)

        async def learns() -> bool:
            return (await sue.get(f"/commands/{result.command_id}")).status_code == 200

        await eventually(learns)
    after = await audited(api)

    assert pending.status_code == 202
    assert [row["outcome"] for row in before + after] == [None, "done"]


async def test_requests_have_their_rows_too(api: RunningApi) -> None:
    wish = {"request_id": "r1", "kind": "dial", "client": "brand", "channel": "webchat", "queue": "help"}
    async with api.client(api.token("ann", "agent")) as ann:
        await ann.post("/task-requests", json=wish)
    async with api.client(api.token("sue", "supervisor")) as sue:
        await sue.post("/interactions/i7/callback", json={"request_id": "r2"})
    dialled, kept = await audited(api)

    assert (dialled["actor"], dialled["action"], dialled["target"]) == ("ann", "task.request", "r1")
    assert {"kind": "dial", "client": "brand", "queue": "help"}.items() <= dialled["content"].items()
    assert (kept["actor"], kept["action"], kept["target"]) == ("sue", "callback.request", "i7")


@pytest.mark.parametrize("statement", ["DELETE FROM audit_outcome", "UPDATE audit_outcome SET outcome = 'done'"])
async def test_an_outcome_is_never_changed(api: RunningApi, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with api.database.transaction(api.tenant_id) as transaction:
            await transaction.execute(statement)
