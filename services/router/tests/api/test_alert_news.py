"""Alerts on their way to supervisors: as they change, and those that stand to whoever comes later."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from contracts import Event
from contracts.queues import AlertChanged, QueueOverridden
from router.api.alerts import HEARD_MAX, AlertNews
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from websockets.asyncio.client import ClientConnection, connect

Json = dict[str, Any]


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path) as running:
        await running.configure()
        await running.project("ann")
        # Whoever gets a result reads the log: what is published from here on is not passed over.
        async with running.client(running.token("ann", "agent")) as ann:
            (await ann.put("/me/state", json={"state": "ready"})).raise_for_status()
        yield running


@asynccontextmanager
async def live_socket(api: RunningApi, **claims: Any) -> AsyncGenerator[ClientConnection]:
    """A supervisor's, who has been shown the view."""
    async with api.client(api.token("sue", "supervisor", **claims)) as client:
        ticket = (await client.post("/socket-tickets")).json()["ticket"]
    async with connect(f"{api.url.replace('http:', 'ws:')}/router/v1/live-socket?ticket={ticket}") as connection:
        yield connection


async def frame(connection: ClientConnection) -> Json:
    received: Json = json.loads(await asyncio.wait_for(connection.recv(), 5))
    return received


def alert(domain: str, *, raised: bool = True, at_ms: int = 7) -> AlertChanged:
    return AlertChanged(
        alert="long",
        queue="help",
        domain=domain,
        measure="waiting",
        raised=raised,
        value=12,
        limit=10,
        changed_at_ms=at_ms,
    )


def event(data: AlertChanged, number: int, tenant_id: str = "acme") -> Event:
    sequence = f"0001-{number:015}-00000"
    return Event(
        id=sequence, source="/router", tenant_id=tenant_id, subject="help", time_ms=0, data=data, sequence=sequence
    )


async def test_alerts_are_pushed_to_the_supervisors_of_their_tenant_once_each(api: RunningApi) -> None:
    raised, cleared = alert(api.place.domain), alert(api.place.domain, raised=False, at_ms=8)
    async with live_socket(api) as ours, live_socket(api, tenant_id="rival") as theirs:
        views = [(await frame(socket))["type"] for socket in (ours, theirs)]
        await api.engine.publish("rival", alert("rival.main", at_ms=1))
        await api.engine.publish(api.tenant_id, raised)
        await api.engine.publish(api.tenant_id, raised, again=True)
        await api.engine.publish(api.tenant_id, cleared)
        await api.engine.publish("rival", alert("rival.main", raised=False, at_ms=2))
        got = [await frame(ours) for _ in range(2)]
        got_there = [await frame(theirs) for _ in range(2)]

    assert views == ["live", "live"]
    assert got == [{"type": "alert.changed", "data": asdict(each)} for each in (raised, cleared)]
    assert [(each["data"]["domain"], each["data"]["changed_at_ms"]) for each in got_there] == [
        ("rival.main", 1),
        ("rival.main", 2),
    ]


async def test_alerts_that_stand_and_overrides_are_listed_to_whoever_comes_later(api: RunningApi) -> None:
    standing = alert(api.place.domain)
    closed = QueueOverridden(
        queue="help",
        domain=api.place.domain,
        closed=True,
        message="Back at noon.",
        priority=None,
        until_ms=9,
        by="sue",
        overridden_at_ms=7,
    )
    await api.project_queue(position=1, alerts=[standing], override=closed)
    async with live_socket(api) as connection, api.client(api.token("sue", "supervisor")) as client:
        shown = [(await frame(connection))["data"], (await client.get("/live")).json()]
        await api.project_queue(position=2)
        shown.append((await frame(connection))["data"])

    queues = [view["domains"][0]["queues"][0] for view in shown]
    assert [queue["alerts"] for queue in queues] == [[asdict(standing)], [asdict(standing)], []]
    assert [queue["override"] for queue in queues] == [asdict(closed), asdict(closed), None]


def test_a_socket_that_does_not_take_its_alerts_has_a_bounded_number_of_them_the_newest() -> None:
    news = AlertNews()
    with news.hearing("acme") as ear:
        for number in range(HEARD_MAX + 2):
            news.changed(event(alert("acme.main", at_ms=number), number), 0)
        first, waiting = json.loads(ear.get_nowait()), ear.qsize()
    news.changed(event(alert("acme.main"), HEARD_MAX + 2), 0)

    assert (first["data"]["changed_at_ms"], waiting) == (2, HEARD_MAX - 1)
    assert ear.qsize() == waiting


def test_what_a_new_owner_publishes_again_is_passed_over_in_its_own_partition() -> None:
    news = AlertNews()
    with news.hearing("acme") as ear:
        for number, partition in ((5, 0), (6, 0), (5, 0), (6, 0), (7, 0), (5, 1)):
            news.changed(event(alert("acme.main", at_ms=number), number), partition)
        told = [json.loads(ear.get_nowait())["data"]["changed_at_ms"] for _ in range(ear.qsize())]

    assert told == [5, 6, 7, 5]
