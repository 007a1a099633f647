"""Recordings are fetched once, told once, and removed in time, whatever breaks between."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from gatewaykit.blobs import BlobMissingError, Blobs, BlobsAwayError, Content, KeptBlob
from gatewaykit.file_blobs import FileBlobs
from gatewaykit.testing.memory_blobs import MemoryBlobs
from servicekit.errors import RetryLaterError
from servicekit.outbox import PostgresOutbox
from servicekit.store import MemoryDatabase, Outbox, Tenant
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.set_clock import NOW_MS, SetClock
from servicekit.testing.virtual import SeededChance, SeededIds
from typing_extensions import override
from voice_gateway.domain.commands import Answer, Command, Record, StopRecording
from voice_gateway.domain.driver import Capabilities
from voice_gateway.domain.events import Event, Snapshot
from voice_gateway.domain.waves import wave_header
from voice_gateway.domain.words import WITHHELD
from voice_gateway.drivers.simulated import SimulatedDriver
from voice_gateway.recordings import (
    AT_ONCE,
    ATTEMPTS_MAX,
    DAY_MS,
    LEASE_MS,
    Drivers,
    RecordingFetching,
    RecordingMetrics,
    RecordingRetention,
    WhereRecorded,
    wanted,
)
from voice_gateway.recordings_tables import PostgresRecordings, Recording, RecordingStore, RecordingTransaction
from voice_gateway.testing.recordings_memory import MemoryRecordings, RecordingTables

WHERE = WhereRecorded(tenant_id="acme", interaction_id="call-1", domain="acme.main", client="shop", node="n1")
WAVE = wave_header(16_000) + bytes(16_000)


class Node:
    """A node that has recordings; `gives` is what it answers with: bytes, or errors, one after the other at last."""

    name = "fake"
    capabilities = Capabilities()

    def __init__(self, *gives: bytes | Exception) -> None:
        self.gives = list(gives)
        self.forgotten: list[str] = []
        self.forget_fails: list[Exception] = []

    async def do(self, command: Command) -> None:
        raise NotImplementedError

    async def snapshot(self) -> Snapshot:
        raise NotImplementedError

    async def recording(self, recording_id: str) -> AsyncIterator[bytes]:
        given = self.gives.pop(0) if len(self.gives) > 1 else self.gives[0]
        if isinstance(given, Exception):
            yield WAVE[:100]
            raise given
        for at in range(0, len(given), 1000):
            yield given[at : at + 1000]

    async def forget_recording(self, recording_id: str) -> None:
        if self.forget_fails:
            raise self.forget_fails.pop(0)
        self.forgotten.append(recording_id)


class Transaction(MemoryRecordings[RecordingTables]):
    pass


class MemoryStore:
    """`breaks` so many commits: they happen, and say that they did not."""

    def __init__(self) -> None:
        self.database = MemoryDatabase(RecordingTables())
        self.answers_lost = 0

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[RecordingTransaction, None]:
        async with self.database.transaction(tenant, Transaction) as transaction:
            yield transaction
        if transaction.announced and self.answers_lost:
            self.answers_lost -= 1
            raise RetryLaterError("the answer is lost")


@dataclass
class World:
    """All parts, and what they have said."""

    node: Node
    store: RecordingStore
    outbox: Outbox
    blobs: Blobs
    clock: SetClock = field(default_factory=SetClock)

    def __post_init__(self) -> None:
        self.metrics = RecordingMetrics(Telemetry("test"))
        self.drivers: Drivers = lambda: {"n1": self.node}
        self.retention = RecordingRetention(self.store, self.blobs, self.clock, self.metrics)
        self.fetching = self.new_fetching()

    def new_fetching(self) -> RecordingFetching:
        return RecordingFetching(
            self.store,
            self.drivers,
            self.blobs,
            clock=self.clock,
            chance=SeededChance(1),
            metrics=self.metrics,
            bytes_max=100_000,
        )

    async def want(self, recording_id: str = "r1", *, kind: str = "talk", keep_days: int = 30) -> None:
        recording = wanted(
            WHERE,
            recording_id,
            kind=kind,
            begun_at_ms=NOW_MS - 5000,
            seconds=3.5,
            pauses=((1000, 2000),),
            keep_days=keep_days,
            now_ms=self.clock.now_ms(),
        )
        async with self.store.transaction("acme") as tx:
            await tx.want_recording(recording)

    async def row(self, recording_id: str = "r1") -> Recording:
        async with self.store.transaction("acme") as tx:
            found = await tx.recording("acme", recording_id)
        assert found is not None
        return found

    async def told(self) -> list[tuple[str, dict[str, object]]]:
        async with self.outbox.batch(rows_max=100) as batch:
            heads = [dict(row.outgoing.headers) for row in batch.rows]
            return [
                (head["ce_type"].decode(), json.loads(row.outgoing.value or b""))
                for head, row in zip(heads, batch.rows, strict=True)
            ]

    async def event_ids(self) -> set[bytes]:
        async with self.outbox.batch(rows_max=100) as batch:
            return {dict(row.outgoing.headers)["ce_id"] for row in batch.rows}

    async def types_told(self) -> list[str]:
        return [name for name, _ in await self.told()]


@pytest.fixture
def memory() -> World:
    store = MemoryStore()
    return World(Node(WAVE), store, store.database.outbox, MemoryBlobs())


async def test_a_recording_is_kept_and_told_with_its_hash_on_real_parts(
    postgres: FreshDatabase, tmp_path: Path
) -> None:
    class Store:
        @asynccontextmanager
        async def transaction(self, tenant: Tenant) -> AsyncGenerator[RecordingTransaction, None]:
            async with kept.database.transaction(tenant, PostgresRecordings) as transaction:
                yield transaction

    async with migrated(postgres.admin_url, "voice_gateway") as kept:
        world = World(Node(WAVE), Store(), PostgresOutbox(kept.database), FileBlobs(tmp_path, SeededIds()))
        await world.want(kind="voicemail")
        assert await world.fetching.turn() == 1
        assert await world.fetching.turn() == 0

        assert await world.told() == [
            (
                "call.recording_ready",
                {
                    "interaction_id": "call-1",
                    "domain": "acme.main",
                    "recording_id": "r1",
                    "kind": "voicemail",
                    "blob_id": "r1",
                    "size_bytes": len(WAVE),
                    "sha256": hashlib.sha256(WAVE).hexdigest(),
                    "content_type": "audio/wav",
                    "begun_at_ms": NOW_MS - 5000,
                    "seconds": 1.0,
                    "keep_until_ms": NOW_MS - 5000 + 30 * DAY_MS,
                    "pauses": [{"from_ms": 1000, "to_ms": 2000}],
                },
            )
        ]
        assert world.node.forgotten == ["r1"]
        assert await world.blobs.get("acme", "r1") == WAVE

        world.clock.at_ms = NOW_MS - 5000 + 30 * DAY_MS
        assert await world.retention.turn() == 1
        assert await world.retention.turn() == 0
        assert (await world.told())[1:] == [
            (
                "call.recording_removed",
                {
                    "interaction_id": "call-1",
                    "domain": "acme.main",
                    "recording_id": "r1",
                    "reason": "expired",
                    "removed_at_ms": world.clock.at_ms,
                },
            )
        ]
        with pytest.raises(BlobMissingError):
            await world.blobs.info("acme", "r1")


async def test_what_a_simulated_call_said_is_kept(memory: World) -> None:
    class Ready:
        def tell(self, event: Event) -> None: ...

    node = SimulatedDriver("n1", Ready(), memory.clock)
    leg_id = node.phones.call("anna", "+390612345", WITHHELD)
    for command in (Answer(leg_id=leg_id), Record(recording_id="r1", leg_id=leg_id)):
        await node.do(command)
    memory.clock.at_ms += 2000
    await node.do(StopRecording(recording_id="r1"))
    memory.drivers = lambda: {"n1": node}
    await memory.want()
    await memory.new_fetching().turn()

    row = await memory.row()
    assert (row.state, row.seconds, row.size_bytes) == ("kept", 2.0, 32_044)
    with pytest.raises(KeyError):
        await anext(node.recording("r1"))


async def test_a_lost_answer_of_the_commit_tells_it_once(memory: World) -> None:
    assert isinstance(memory.store, MemoryStore)
    memory.store.answers_lost = 1
    await memory.want()
    await memory.fetching.turn()
    assert memory.node.forgotten == []

    memory.clock.at_ms += LEASE_MS
    await memory.new_fetching().turn()

    assert await memory.types_told() == ["call.recording_ready"]
    assert memory.node.forgotten == ["r1"]
    assert (await memory.row()).due_at_ms is None


async def test_who_dies_before_the_commit_is_followed_by_one_who_keeps_the_same_file(memory: World) -> None:
    await memory.want()
    await memory.blobs.put("acme", "r1", WAVE, bytes_max=100_000)
    await memory.fetching.turn()

    assert await memory.types_told() == ["call.recording_ready"]


async def test_other_bytes_that_nobody_was_told_of_give_way(memory: World) -> None:
    await memory.want()
    await memory.blobs.put("acme", "r1", b"half of it", bytes_max=100_000)
    await memory.fetching.turn()
    assert await memory.types_told() == []

    memory.clock.at_ms += 2000
    await memory.fetching.turn()

    assert await memory.blobs.get("acme", "r1") == WAVE
    assert (await memory.row()).sha256 == hashlib.sha256(WAVE).hexdigest()


@pytest.mark.parametrize("error", [RetryLaterError("away"), ConnectionResetError(), TimeoutError()])
async def test_a_node_that_is_away_is_asked_again_with_growing_pauses(memory: World, error: Exception) -> None:
    memory.node = Node(error, error, error, WAVE)
    await memory.want()
    pauses_ms = []
    while (await memory.row()).state == "wanted":
        await memory.fetching.turn()
        row = await memory.row()
        if row.state == "wanted":
            assert row.due_at_ms is not None
            pauses_ms.append(row.due_at_ms - memory.clock.at_ms)
            memory.clock.at_ms = row.due_at_ms

    assert [low <= pause <= 2 * low for pause, low in zip(pauses_ms, (1000, 2000, 4000), strict=True)] == [True] * 3
    assert await memory.types_told() == ["call.recording_ready"]


async def test_what_cannot_be_had_after_a_week_has_failed_and_says_so(memory: World) -> None:
    memory.node = Node(RetryLaterError("away"))
    await memory.want()
    begun_at_ms, turns = memory.clock.at_ms, 0
    while (row := await memory.row()).state == "wanted":
        memory.clock.at_ms = row.due_at_ms or 0
        await memory.fetching.turn()
        turns += 1

    assert turns == ATTEMPTS_MAX + 1
    assert 3 * DAY_MS < memory.clock.at_ms - begun_at_ms < 8 * DAY_MS
    assert [(name, data["state"], data["reason"]) for name, data in await memory.told()] == [
        ("call.recording_changed", "failed", "node_away")
    ]


@pytest.mark.parametrize(
    ("gives", "reason"), [(KeyError("r1"), "recording_gone"), (bytes(100_001), "recording_too_large")]
)
async def test_what_never_comes_fails_at_once_and_is_left_to_the_node_until_its_time_is_over(
    memory: World, gives: bytes | Exception, reason: str
) -> None:
    memory.node = Node(gives)
    await memory.want()
    await memory.fetching.turn()
    assert [(name, data["reason"]) for name, data in await memory.told()] == [("call.recording_changed", reason)]
    assert memory.node.forgotten == []

    memory.clock.at_ms = NOW_MS - 5000 + 30 * DAY_MS
    await memory.fetching.turn()

    assert memory.node.forgotten == ["r1"]
    assert (await memory.row()).due_at_ms is None


async def test_a_node_that_does_not_forget_is_asked_again(memory: World) -> None:
    memory.node.forget_fails = [RetryLaterError("away")]
    await memory.want()
    await memory.fetching.turn()
    assert memory.node.forgotten == []
    memory.clock.at_ms += LEASE_MS
    await memory.fetching.turn()

    assert memory.node.forgotten == ["r1"]
    assert await memory.types_told() == ["call.recording_ready"]


async def test_a_fault_of_ours_with_one_keeps_none_of_the_others_away(memory: World) -> None:
    memory.node = Node(ValueError("a bug"), WAVE)
    await memory.want("r1")
    await memory.want("r2")
    await memory.fetching.turn()

    assert {(await memory.row(name)).state for name in ("r1", "r2")} == {"wanted", "kept"}
    memory.clock.at_ms += LEASE_MS
    await memory.fetching.turn()
    assert await memory.types_told() == ["call.recording_ready"] * 2


async def test_only_so_many_are_fetched_at_once_and_only_of_nodes_that_are_ours(memory: World) -> None:
    for number in range(AT_ONCE + 1):
        await memory.want(f"r{number}")
    assert [await memory.fetching.turn() for _ in range(3)] == [AT_ONCE, 1, 0]

    await memory.want("another")
    memory.drivers = dict
    assert await memory.new_fetching().turn() == 0


async def test_a_slow_one_holds_up_no_other_and_is_waited_for_at_the_end(memory: World) -> None:
    may_go_on, stop = asyncio.Event(), asyncio.Event()

    class Slow(Node):
        @override
        async def recording(self, recording_id: str) -> AsyncIterator[bytes]:
            if recording_id == "first":
                await may_go_on.wait()
            async for piece in super().recording(recording_id):
                yield piece

    memory.node = Slow(WAVE)
    await memory.want("first")
    running = asyncio.create_task(memory.fetching.run(stop))
    for number in range(2 * AT_ONCE):
        await memory.want(f"r{number}")
        memory.fetching.wake.set()
    await eventually(lambda: len(memory.node.forgotten) == 2 * AT_ONCE)
    stop.set()
    may_go_on.set()
    await asyncio.wait_for(running, 10)

    assert (await memory.row("first")).state == "kept"
    assert len(memory.node.forgotten) == 2 * AT_ONCE + 1


async def test_who_comes_late_tells_nothing_of_what_another_has_kept(memory: World) -> None:
    class Late(Node):
        @override
        async def recording(self, recording_id: str) -> AsyncIterator[bytes]:
            if len(self.gives) == 2:
                self.gives.pop()
                memory.clock.at_ms += LEASE_MS
                await memory.new_fetching().turn()
            async for piece in super().recording(recording_id):
                yield piece

    memory.node = Late(WAVE, WAVE)
    await memory.want()
    await memory.fetching.turn()

    assert await memory.types_told() == ["call.recording_ready"]
    assert (await memory.row()).due_at_ms is None
    assert await memory.blobs.get("acme", "r1") == WAVE


async def test_a_store_of_files_that_is_away_loses_nothing(memory: World) -> None:
    class Away(MemoryBlobs):
        @override
        async def put(self, tenant_id: str, blob_id: str, content: Content, *, bytes_max: int) -> KeptBlob:
            raise BlobsAwayError("full")

    memory.blobs = Away()
    await memory.want()
    await memory.new_fetching().turn()

    row = await memory.row()
    assert row.state == "wanted"
    assert row.due_at_ms is not None
    assert row.due_at_ms <= memory.clock.at_ms + 2000


async def test_removing_is_told_once_however_often_it_breaks_off(memory: World) -> None:
    assert isinstance(memory.store, MemoryStore)
    await memory.want(keep_days=1)
    await memory.fetching.turn()
    memory.clock.at_ms += DAY_MS
    memory.store.answers_lost = 1
    with pytest.raises(RetryLaterError):
        await memory.retention.turn()
    await memory.retention.turn()
    await memory.retention.remove(await memory.row(), "asked")

    assert await memory.types_told() == ["call.recording_ready", "call.recording_removed"]
    assert len(await memory.event_ids()) == 2
    assert (await memory.row()).reason == "expired"


async def test_what_never_came_from_a_node_that_is_gone_has_failed_when_its_time_is_over(memory: World) -> None:
    await memory.want()
    memory.drivers = dict
    memory.clock.at_ms += 30 * DAY_MS
    assert [await memory.retention.turn(), await memory.retention.turn()] == [1, 0]

    told = [(name, data["state"], data["reason"]) for name, data in await memory.told()]
    assert told == [("call.recording_changed", "failed", "node_away")]
    assert (await memory.row()).due_at_ms is None


async def test_what_comes_when_its_time_is_over_is_not_kept(memory: World) -> None:
    class Late(Node):
        @override
        async def recording(self, recording_id: str) -> AsyncIterator[bytes]:
            memory.clock.at_ms += 30 * DAY_MS
            await memory.retention.turn()
            async for piece in super().recording(recording_id):
                yield piece

    memory.node = Late(WAVE)
    await memory.want()
    await memory.fetching.turn()

    assert await memory.types_told() == ["call.recording_changed"]
    with pytest.raises(BlobMissingError):
        await memory.blobs.info("acme", "r1")


async def test_what_has_changed_meanwhile_is_not_removed(memory: World) -> None:
    await memory.want()
    wanted_row = await memory.row()
    await memory.fetching.turn()
    kept = await memory.row()
    await memory.retention.remove(wanted_row, "asked")
    await memory.retention.remove(replace(kept, recording_id="r2"), "asked")

    assert (await memory.row()).state == "kept"
    assert await memory.blobs.get("acme", "r1") == WAVE
    assert await memory.types_told() == ["call.recording_ready"]
