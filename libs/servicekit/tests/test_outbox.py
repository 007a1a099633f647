"""The relay: in order per conversation, at least once, whatever the log and the replicas do."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import replace
from functools import partial

import pytest
from contracts import Event, decode
from contracts.messages import MessageReceived
from servicekit.database import Database
from servicekit.outbox import OutboxRelay, PostgresOutbox, RelayLimits
from servicekit.ports import AppendUnknownError, Outgoing, Record
from servicekit.store import EVERY_TENANT, Outbox
from servicekit.system import SystemChance, SystemClock
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import RECORD_BYTES_MAX, Faults, MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.store_laws import ended, said, waiting_ids
from servicekit.testing.virtual import SeededChance
from typing_extensions import override

TOPICS = {"messages": 4, "interactions": 4}
IN_A_HURRY = RelayLimits(rows_max=20, poll_seconds=0.05, pause_seconds_min=0.01, pause_seconds_max=0.05)


@pytest.fixture
async def database(postgres: FreshDatabase) -> AsyncGenerator[Database, None]:
    async with migrated(postgres.admin_url, "servicekit", pool_size_max=8) as kept:
        yield kept.database


def relay_of(outbox: Outbox, log: MemoryLog, limits: RelayLimits = IN_A_HURRY) -> OutboxRelay:
    return OutboxRelay(
        outbox, log=log, clock=SystemClock(), chance=SystemChance(), telemetry=Telemetry("tests"), limits=limits
    )


async def announce(database: Database, *events: Event) -> None:
    async with database.transaction("acme") as transaction:
        for event in events:
            await transaction.announce(event, partition=1 if event.type.topic.rule == "domain" else None)


async def publish_all(database: Database, log: MemoryLog, *, relays: int = 1) -> None:
    stop, outbox = asyncio.Event(), PostgresOutbox(database)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(relays):
            tasks.create_task(relay_of(outbox, log).run(stop))
        await eventually(partial(is_empty, database), timeout_seconds=30)
        stop.set()


async def is_empty(database: Database) -> bool:
    async with database.transaction(EVERY_TENANT) as transaction:
        return await transaction.one("SELECT 1 FROM outbox WHERE refused IS NULL LIMIT 1") is None


def first_numbers(records: Sequence[Record]) -> dict[str, list[int]]:
    """Per conversation the message numbers in the order of their first copies, as consumers see them."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for record in records:
        data = decode(record.value, record.headers).data
        if isinstance(data, MessageReceived) and data.number not in numbers[data.interaction_id]:
            numbers[data.interaction_id].append(data.number)
    return numbers


async def test_what_was_announced_is_published_as_it_was_and_gone(database: Database) -> None:
    log = MemoryLog(TOPICS)
    await announce(database, said(1), ended())

    await publish_all(database, log)

    (message,) = log.records("messages")
    (end,) = log.records("interactions")
    assert decode(message.value, message.headers) == said(1)
    assert (message.key, end.key, end.partition) == (b"chat-1", b"chat-1", 1)
    assert await waiting_ids(PostgresOutbox(database)) == []


async def test_two_relays_publish_what_two_writers_of_each_conversation_commit_in_order(database: Database) -> None:
    log = MemoryLog(TOPICS, chance=SeededChance(3), faults=Faults(latency_seconds_max=0.005))
    numbers = {f"chat-{n}": iter(range(1, 21)) for n in range(4)}

    async def write(interaction: str) -> None:
        for _ in range(10):
            async with database.transaction("acme") as transaction:
                # The row lock of a conversation, as a gateway takes it to number the next message.
                await transaction.execute("SELECT pg_advisory_xact_lock(hashtext(:key))", key=interaction)
                await transaction.announce(said(next(numbers[interaction]), interaction=interaction))

    async with asyncio.TaskGroup() as tasks:
        for interaction in numbers:
            tasks.create_task(write(interaction))
            tasks.create_task(write(interaction))
        tasks.create_task(publish_all_of(database, log, count=80))

    assert first_numbers(log.records("messages")) == {interaction: list(range(1, 21)) for interaction in numbers}
    assert len(log.records("messages")) == 80


async def publish_all_of(database: Database, log: MemoryLog, *, count: int) -> None:
    stop, outbox = asyncio.Event(), PostgresOutbox(database)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(relay_of(outbox, log).run(stop))
        await eventually(lambda: len(log.records("messages")) >= count, timeout_seconds=30)
        await eventually(partial(is_empty, database), timeout_seconds=30)
        stop.set()


@pytest.mark.parametrize("seed", range(4))
async def test_lost_and_doubled_acknowledgements_lose_nothing_and_keep_the_order(database: Database, seed: int) -> None:
    faults = Faults(lost=0.03, late=0.02, doubled=0.1, latency_seconds_max=0.002, late_seconds_max=0.1)
    log = MemoryLog(TOPICS, chance=SeededChance(seed), faults=faults, delivery_timeout_seconds=0.05)
    for number in range(1, 16):
        await announce(database, *(said(number, interaction=f"chat-{n}") for n in range(4)))

    await publish_all(database, log, relays=2)

    assert first_numbers(log.records("messages")) == {f"chat-{n}": list(range(1, 16)) for n in range(4)}


async def test_a_refused_row_stays_for_the_operator_and_the_rest_goes_on(database: Database) -> None:
    log = MemoryLog(TOPICS)
    first, large = said(1), said(2)
    assert isinstance(large.data, MessageReceived)
    large = replace(large, data=replace(large.data, personal={"text": "x" * RECORD_BYTES_MAX}))
    await announce(database, first, large, said(3))

    await publish_all(database, log)

    async with database.transaction(EVERY_TENANT) as transaction:
        kept = await transaction.all("SELECT topic, refused FROM outbox")
    assert first_numbers(log.records("messages")) == {"chat-1": [1, 3]}
    assert [(row["topic"], row["refused"]) for row in kept] == [("messages", "the record is too large")]


async def test_what_has_no_topic_yet_waits_for_it_and_the_other_conversations_go_on(database: Database) -> None:
    log, complete = MemoryLog({"messages": 4}), MemoryLog(TOPICS)
    outbox = PostgresOutbox(database)
    await announce(database, ended(interaction="chat-1"), said(1, interaction="chat-1"), said(1, interaction="chat-2"))

    async with log.writer("relay") as writer:
        with pytest.raises(AppendUnknownError):
            await relay_of(outbox, log).run_once(writer)
    waiting = await waiting_ids(outbox)
    await publish_all(database, complete)

    assert first_numbers(log.records("messages")) == {"chat-2": [1]}
    assert waiting == ["chat-1-ended", "chat-1-1"]
    assert [len(complete.records(topic)) for topic in ("interactions", "messages")] == [1, 1]


class StubbornWriter:
    """A log of which one topic is away: its records are never acknowledged."""

    def __init__(self, topic_away: str) -> None:
        self.topic_away = topic_away
        self.sent: list[Outgoing] = []

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        self.sent.append(outgoing)
        answer: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        if outgoing.topic == self.topic_away:
            answer.set_exception(AppendUnknownError("deadline passed"))
        else:
            record = Record(outgoing.topic, 0, 0, outgoing.key, outgoing.value, outgoing.headers, 0)
            answer.set_result(record)
        return answer

    async def append(self, outgoing: Outgoing) -> Record:
        return await (await self.send(outgoing))

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        for each in outgoing:
            await self.append(each)


async def test_nothing_of_a_conversation_overtakes_what_is_unknown_in_another_topic(database: Database) -> None:
    await announce(database, ended(interaction="chat-1"), said(1, interaction="chat-1"), said(1, interaction="chat-2"))
    writer = StubbornWriter("interactions")
    outbox = PostgresOutbox(database)

    with pytest.raises(AppendUnknownError):
        await relay_of(outbox, MemoryLog(TOPICS)).run_once(writer)

    assert [(each.topic, each.key) for each in writer.sent] == [("interactions", b"chat-1"), ("messages", b"chat-2")]
    assert await waiting_ids(outbox) == ["chat-1-ended", "chat-1-1"]


async def test_the_relay_waits_for_kafka_without_trouble_and_goes_on_when_it_is_back(database: Database) -> None:
    log = MemoryLog(TOPICS, faults=Faults(lost=1.0), delivery_timeout_seconds=0.02)
    relay, stop = relay_of(PostgresOutbox(database), log), asyncio.Event()
    await announce(database, said(1))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run(stop))
        await eventually(lambda: relay.failures >= 3)
        trouble = relay.trouble()
        log.faults = replace(log.faults, lost=0.0)
        await eventually(partial(is_empty, database))
        stop.set()

    assert trouble is None
    assert first_numbers(log.records("messages")) == {"chat-1": [1]}


async def test_a_commit_is_published_without_waiting_for_the_poll(database: Database) -> None:
    log, stop = MemoryLog(TOPICS), asyncio.Event()
    relay = relay_of(PostgresOutbox(database), log, RelayLimits(poll_seconds=20))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run(stop))
        await announce(database, said(1))
        await eventually(lambda: log.records("messages"), timeout_seconds=5)
        stop.set()
        await announce(database, said(2))  # ends the wait

    assert len(log.records("messages")) >= 1


async def test_a_relay_that_does_not_turn_reports_trouble(database: Database) -> None:
    log, stop = MemoryLog(TOPICS, delivery_timeout_seconds=30, faults=Faults(lost=1.0)), asyncio.Event()
    relay = relay_of(PostgresOutbox(database), log, replace(IN_A_HURRY, stuck_seconds=0.1))
    await announce(database, said(1))
    task = asyncio.create_task(relay.run(stop))

    trouble = await eventually(relay.trouble)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert "not turned" in str(trouble)


class SlowWriter(StubbornWriter):
    """Acknowledges nothing before everything was sent."""

    def __init__(self, expected: int) -> None:
        super().__init__(topic_away="")
        self._expected = expected
        self._all_sent = asyncio.Event()

    @override
    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        acknowledged = await super().send(outgoing)
        if len(self.sent) == self._expected:
            self._all_sent.set()

        async def later() -> Record:
            await asyncio.wait_for(self._all_sent.wait(), 5)
            return await acknowledged

        return later()


async def test_records_of_one_partition_do_not_wait_for_each_other_whatever_their_keys(database: Database) -> None:
    async with database.transaction("acme") as transaction:
        for number in range(3):
            event = ended(interaction=f"chat-{number}")
            await transaction.announce(event, partition=1, key=f"key-{number}", order_key="all")

    published = await relay_of(PostgresOutbox(database), MemoryLog(TOPICS)).run_once(SlowWriter(3))

    assert published == 3
    assert await waiting_ids(PostgresOutbox(database)) == []
