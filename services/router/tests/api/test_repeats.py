"""An act that is repeated is one act with one audit row; something else under the same name is not taken for it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contracts.commands import FinishTask, OverrideQueue, RequestTask, SetAgentState
from router.api.acts import Acts
from router.api.store import ApiStore, AuditRow
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.auth import Principal
from servicekit.problems import ProblemError
from servicekit.system import SystemIds
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.set_clock import SetClock

KEY = {"idempotency-key": "k1"}
HOUR_MS = 3_600_000
WISH = {"request_id": "r1", "kind": "callback", "client": "brand", "channel": "webchat", "queue": "help"}

WAITING = """
SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, api_key_pepper="p" * 32
    ) as running:
        await running.configure()
        yield running


async def audited(api: RunningApi) -> list[tuple[str, dict[str, object]]]:
    """Action and content of what sue did, oldest first."""
    async with api.database.transaction(api.tenant_id) as transaction:
        rows = await transaction.all("SELECT action, content FROM audit WHERE actor = 'sue' ORDER BY at_ms")
    return [(row["action"], row["content"]) for row in rows]


def overrides(api: RunningApi) -> list[OverrideQueue]:
    return [event.data for event in api.engine.commands if isinstance(event.data, OverrideQueue)]


def row(audit_id: str) -> AuditRow:
    return AuditRow(audit_id=audit_id, at_ms=1, actor="sue", action="task.finish", target="t1")


async def test_a_key_that_closed_one_domain_does_not_close_another_unseen(api: RunningApi) -> None:
    second = await api.add_domain()
    async with api.client(api.token("sue", "supervisor")) as sue:
        answers = [
            await sue.put("/override", json={"domain": domain, "closed": True}, headers=KEY)
            for domain in (api.place.domain, second, api.place.domain)
        ]
        other_key = await sue.put("/override", json={"domain": second, "closed": True})

    assert [answer.status_code for answer in answers] == [200, 422, 200]
    assert answers[1].json()["code"] == "idempotency_key_reused"
    assert answers[2].json() == answers[0].json()
    assert other_key.status_code == 200
    closed = [api.place.domain, api.place.domain, second]
    assert [data.domain for data in overrides(api)] == closed
    assert await audited(api) == [
        ("queue.override", {"domain": domain, "closed": True}) for domain in (api.place.domain, second)
    ]


async def test_a_key_that_closed_a_queue_is_not_answered_done_for_opening_it(api: RunningApi) -> None:
    async with api.client(api.token("sue", "supervisor")) as sue:
        answers = [
            await sue.put("/queues/help/override", json={"domain": api.place.domain, **body}, headers=KEY)
            for body in ({"closed": True}, {"closed": False}, {"priority": 9})
        ]

    assert [answer.status_code for answer in answers] == [200, 422, 422]
    assert [data.closed for data in overrides(api)] == [True]
    assert len(await audited(api)) == 1


async def test_repeats_at_once_are_one_act(api: RunningApi) -> None:
    store = ApiStore(api.database)

    async def note(audit_id: str) -> str | None:
        async with store.transaction(api.tenant_id) as transaction:
            return await transaction.audit_once(row(audit_id), "name", since_ms=0)

    async with store.transaction(api.tenant_id) as transaction:
        first = await transaction.audit_once(row("command:c1"), "name", since_ms=0)
        repeating = asyncio.create_task(note("command:c2"))

        async def waits() -> bool:
            return repeating.done() or await transaction.one(WAITING) is not None

        await eventually(waits)

    assert first == await repeating == "command:c1"
    assert len(await audited(api)) == 1


async def test_a_key_is_known_for_an_hour_and_then_names_a_new_act(api: RunningApi) -> None:
    clock, sue = (
        SetClock(),
        Principal(subject="sue", tenant_id=api.tenant_id, roles=frozenset({"supervisor"}), expires_at_ms=0),
    )
    acts = Acts(ApiStore(api.database), clock, SystemIds())

    async def finish(new_id: str, disposition: str | None = None) -> str:
        command = FinishTask(
            command_id=new_id, domain=api.place.domain, task_id="t1", by="sue", disposition=disposition
        )
        return await acts.command(sue, "task.finish", "t1", command, "key")

    first = await finish("c1")
    clock.at_ms += HOUR_MS - 1
    again = await finish("c2")
    with pytest.raises(ProblemError, match="Take a new key"):
        await finish("c3", "solved")
    clock.at_ms += 1
    later = [await finish("c4", "solved"), await finish("c5", "solved")]

    assert [first, again, *later] == ["c1", "c1", "c4", "c4"]
    assert len(await audited(api)) == 2


async def test_an_agent_s_key_with_another_body_is_another_command(api: RunningApi) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        answers = [
            await ann.put("/me/state", json={"state": state}, headers=KEY) for state in ("ready", "not_ready", "ready")
        ]
    first, second, again = [answer.json()["command_id"] for answer in answers]
    asked = [event.data for event in api.engine.commands if isinstance(event.data, SetAgentState)]

    assert first == again != second
    assert [data.state for data in asked if data.command_id == second] == ["not_ready"]


async def test_a_request_id_names_one_request_in_each_domain(api: RunningApi) -> None:
    second = await api.add_domain()
    async with api.client(api.token("sue", "supervisor")) as sue:
        taken = [
            await sue.post("/task-requests", json=WISH | {"domain": domain})
            for domain in (api.place.domain, api.place.domain, second)
        ]
        other = await sue.post("/task-requests", json=WISH | {"domain": api.place.domain, "priority": 9})
        kept = await sue.post("/interactions/i1/callback", json={"request_id": "r1", "domain": api.place.domain})
    asked = [event.data for event in api.engine.commands if isinstance(event.data, RequestTask)]

    assert [answer.status_code for answer in taken] == [202] * 3
    assert [(answer.status_code, answer.json()["code"]) for answer in (other, kept)] == [(422, "request_id_reused")] * 2
    assert {data.priority for data in asked} == {None}
    assert [content["domain"] for _, content in await audited(api)] == [api.place.domain, second]


async def test_an_integrator_s_key_names_what_it_does_too(api: RunningApi) -> None:
    async with api.client(api.token("root", "admin")) as admin:
        key = (await admin.post("/api-keys", json={"integration": "shop"})).json()["key"]
    async with api.client(key) as shop:
        path = f"/interactions/i1/callback?domain={api.place.domain}"
        answers = [await shop.delete(path, headers=KEY) for _ in range(2)]
        of_task = await shop.delete(f"{path}&task_id=i1.t1", headers=KEY)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert (of_task.status_code, of_task.json()["code"]) == (422, "idempotency_key_reused")
