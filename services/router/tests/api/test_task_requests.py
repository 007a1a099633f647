"""Tasks that no customer asks for just now: what is refused at once, and who may learn what became of it."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from contracts.agents import CommandResult
from contracts.commands import CancelCallback, RequestTask
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.system import SystemClock
from servicekit.testing.clients import AsyncClient
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase

WISH = {"request_id": "r1", "kind": "callback", "client": "brand", "channel": "webchat", "queue": "help"}
DAY_MS = 86_400_000


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, api_key_pepper="p" * 32
    ) as running:
        await running.configure()
        yield running


def asked(api: RunningApi) -> dict[str, dict[str, Any]]:
    """What the engine was asked for last, by its type, beside the configuration."""
    commands = [event for event in api.engine.commands if event.type.name != "config.activate"]
    return {event.type.name: asdict(event.data) for event in commands}  # type: ignore[call-overload]  # dataclasses


async def decided(api: RunningApi, command_id: str, agent_id: str | None = None) -> None:
    result = CommandResult(
        command_id=command_id,
        domain=api.place.domain,
        agent_id=agent_id,
        outcome="done",
        refusal=None,
        decided_at_ms=1,
        task_id="r1.t1",
    )
    await api.engine.publish(api.tenant_id, result)


async def learns(caller: AsyncClient, command_id: str) -> bool:
    """Whether the caller is told the result, which this replica has read."""
    return (await caller.get(f"/commands/{command_id}")).status_code == 200


async def test_a_callback_is_asked_for_and_so_is_a_place_kept(api: RunningApi) -> None:
    due_at_ms = SystemClock().now_ms() + DAY_MS
    async with api.client(api.token("sue", "supervisor")) as sue:
        requested = await sue.post("/task-requests", json=WISH | {"due_at_ms": due_at_ms, "agent_id": "ann"})
        kept = await sue.post("/interactions/i1/callback", json={"request_id": "r2", "due_at_ms": due_at_ms})
        await eventually(lambda: asked(api).keys() == {"task.requested", "callback.requested"})

    assert (requested.status_code, kept.status_code) == (202, 202)
    request = asked(api)["task.requested"]
    assert (request["interaction_id"], request["due_at_ms"], request["agent_id"]) == ("r1", due_at_ms, "ann")
    assert asked(api)["callback.requested"]["interaction_id"] == "i1"


@pytest.mark.parametrize(
    ("ahead_ms", "code"), [(-DAY_MS, "due_past"), (-90_000, "due_past"), (367 * DAY_MS, "due_too_far")]
)
async def test_a_time_that_cannot_be_meant_is_refused(api: RunningApi, ahead_ms: int, code: str) -> None:
    due_at_ms = SystemClock().now_ms() + ahead_ms
    async with api.client(api.token("sue", "supervisor")) as sue:
        answers = [
            await sue.post("/task-requests", json=WISH | {"due_at_ms": due_at_ms}),
            await sue.post("/interactions/i1/callback", json={"request_id": "r2", "due_at_ms": due_at_ms}),
        ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, code)] * 2
    assert asked(api) == {}


async def test_a_time_that_has_just_come_is_now(api: RunningApi) -> None:
    """A retry, or a caller whose clock is behind."""
    async with api.client(api.token("sue", "supervisor")) as sue:
        answer = await sue.post("/task-requests", json=WISH | {"due_at_ms": SystemClock().now_ms() - 30_000})

    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"client": "nobody"}, "unknown_client"),
        ({"channel": "telex"}, "unknown_channel"),
        ({"queue": "nowhere"}, "unknown_queue"),
        ({"agent_id": "zoe"}, "unknown_agent"),
    ],
)
async def test_what_the_configuration_does_not_name_is_refused(
    api: RunningApi, wrong: dict[str, str], code: str
) -> None:
    async with api.client(api.token("sue", "supervisor")) as sue:
        refused = await sue.post("/task-requests", json=WISH | wrong)

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert next(iter(wrong.values())) in refused.json()["detail"]
    assert asked(api) == {}


async def test_a_name_counts_from_the_version_on_that_has_it(api: RunningApi) -> None:
    async with api.client(api.token("sue", "supervisor")) as sue:
        before = await sue.post("/task-requests", json=WISH | {"agent_id": "zoe"})
        async with api.client(api.token("root", "admin")) as admin:
            document = api.configuration(agents=["zoe"])
            await admin.put("/configuration", json=document, headers={"if-match": '"1"'})
        after = await sue.post("/task-requests", json=WISH | {"agent_id": "zoe"})

    assert (before.status_code, after.status_code) == (422, 202)


async def test_who_asked_learns_what_became_of_it_and_so_do_supervisors(api: RunningApi) -> None:
    async with api.client(api.token("root", "admin")) as admin:
        key = (await admin.post("/api-keys", json={"integration": "shop"})).json()["key"]
    async with (
        api.client(api.token("ann", "agent")) as ann,
        api.client(api.token("bob", "agent")) as bob,
        api.client(api.token("sue", "supervisor")) as sue,
        api.client(key) as shop,
    ):
        for caller, request_id in ((ann, "of-ann"), (shop, "of-shop")):
            await caller.post("/task-requests", json=WISH | {"request_id": request_id})
            await decided(api, request_id)
        await bob.post("/task-requests", json=WISH | {"request_id": "of-ann"})  # no way to make it one's own
        await eventually(lambda: learns(sue, "of-shop"))

        assert [await learns(caller, "of-ann") for caller in (ann, sue, bob, shop)] == [True, True, False, False]
        assert [await learns(caller, "of-shop") for caller in (shop, sue, ann)] == [True, True, False]


async def test_a_request_under_the_id_of_another_s_command_opens_no_result(api: RunningApi) -> None:
    async with (
        api.client(api.token("bob", "agent")) as bob,
        api.client(api.token("ann", "agent")) as ann,
    ):
        await bob.post("/task-requests", json=WISH | {"request_id": "c1"})
        await decided(api, "c1", agent_id="ann")
        await eventually(lambda: learns(ann, "c1"))

        assert not await learns(bob, "c1")


async def test_an_agent_asks_and_cancels_in_their_own_domain_alone(api: RunningApi) -> None:
    own, other = api.place.domain, await api.add_domain()
    wish = WISH | {"kind": "dial", "priority": 9}
    async with api.client(api.token("ann", "agent")) as ann, api.client(api.token("eve", "agent")) as eve:
        unnamed = await ann.post("/task-requests", json=wish)
        cancelled = await ann.delete("/interactions/i1/callback?task_id=i1.t1")
        elsewhere = [
            await ann.post("/task-requests", json=wish | {"domain": other}),
            await ann.delete(f"/interactions/i1/callback?domain={other}"),
        ]
        nobody = [
            await eve.post("/task-requests", json=wish | {"domain": own}),
            await eve.delete(f"/interactions/i1/callback?domain={own}"),
        ]
    asked = [event.data for event in api.engine.commands if isinstance(event.data, RequestTask | CancelCallback)]

    assert (unnamed.status_code, cancelled.status_code) == (202, 200)
    assert [(answer.status_code, answer.json()["code"]) for answer in elsewhere] == [(422, "domain_unknown")] * 2
    assert all(other not in answer.json()["detail"] for answer in elsewhere)
    assert [(answer.status_code, answer.json()["code"]) for answer in nobody] == [(403, "not_an_agent")] * 2
    assert {(data.domain, data.by) for data in asked} == {(own, "ann")}
    assert [data.task_id for data in asked if isinstance(data, CancelCallback)] == ["i1.t1"]
