"""What is kept of recordings: one law for PostgreSQL and for the memory twin."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Protocol

import pytest
from servicekit.database import Transaction
from servicekit.store import EVERY_TENANT, MemoryDatabase, Tenant
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tenants import unguarded_tables
from sqlalchemy.exc import ProgrammingError
from voice_gateway.recordings_tables import PostgresRecordings, Recording, RecordingTransaction, recording_sweeps
from voice_gateway.testing.recordings_memory import MemoryRecordings, RecordingTables

NOW_MS = 1_767_225_600_000
DAY_MS = 86_400_000


class Keeper(Protocol):
    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[RecordingTransaction]: ...


class Memory(MemoryRecordings[RecordingTables]):
    pass


class MemoryKeeper:
    def __init__(self) -> None:
        self._database = MemoryDatabase(RecordingTables())

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[RecordingTransaction, None]:
        async with self._database.transaction(tenant, Memory) as transaction:
            yield transaction


class PostgresKeeper:
    def __init__(self, kept: MigratedDatabase) -> None:
        self._kept = kept

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[RecordingTransaction, None]:
        async with self._kept.database.transaction(tenant, PostgresRecordings) as transaction:
            yield transaction


def wanted(recording_id: str = "r1", *, tenant: str = "acme", node: str = "n1", due_at_ms: int = NOW_MS) -> Recording:
    return Recording(
        tenant_id=tenant,
        recording_id=recording_id,
        interaction_id="call-1",
        domain="acme.main",
        client="shop",
        node=node,
        kind="talk",
        begun_at_ms=NOW_MS - 60_000,
        seconds=58.5,
        pauses="[[1000,2000]]",
        wanted_at_ms=NOW_MS,
        keep_until_ms=NOW_MS + 30 * DAY_MS,
        due_at_ms=due_at_ms,
    )


class RecordingLaws:
    """Inherit and give a fixture `keeper`."""

    async def test_a_wanted_recording_is_known_once(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.want_recording(wanted())
            await tx.want_recording(replace(wanted(), kind="voicemail"))
        async with keeper.transaction("acme") as tx:
            assert await tx.recording("acme", "r1") == wanted()
            assert await tx.recording("acme", "r1", lock=True) == wanted()
            assert await tx.recording("acme", "r2") is None

    async def test_another_tenant_sees_nothing_of_it(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.want_recording(wanted())
        async with keeper.transaction("globex") as tx:
            assert await tx.recording("acme", "r1") is None
            assert await tx.recording("globex", "r1") is None

    async def test_what_is_due_at_a_node_is_claimed_once_until_the_claim_ends(self, keeper: Keeper) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            for recording in (
                wanted("r1"),
                wanted("r2", due_at_ms=NOW_MS - 5, tenant="globex"),
                wanted("r3", due_at_ms=NOW_MS + 1),
                wanted("r4", node="n2"),
                replace(wanted("r5"), due_at_ms=None),
            ):
                await tx.want_recording(recording)

        async def claimed(now_ms: int, rows_max: int = 10) -> list[tuple[str, int]]:
            async with keeper.transaction(EVERY_TENANT) as tx:
                rows = await tx.claim_recordings(["n1"], now_ms=now_ms, until_ms=now_ms + 100, rows_max=rows_max)
                return sorted((row.recording_id, row.attempts) for row in rows)

        assert await claimed(NOW_MS, rows_max=1) == [("r2", 1)]
        assert await claimed(NOW_MS) == [("r1", 1)]
        assert await claimed(NOW_MS) == []
        assert await claimed(NOW_MS + 99) == [("r3", 1)]
        assert await claimed(NOW_MS + 100) == [("r1", 2), ("r2", 2)]

    async def test_what_became_of_it_is_kept(self, keeper: Keeper) -> None:
        kept = replace(
            wanted(),
            state="kept",
            due_at_ms=None,
            attempts=3,
            seconds=57.5,
            size_bytes=920_044,
            sha256="ab" * 32,
            content_type="audio/wav",
        )
        async with keeper.transaction("acme") as tx:
            await tx.want_recording(wanted())
            await tx.put_recording(kept)
        async with keeper.transaction("acme") as tx:
            assert await tx.recording("acme", "r1") == kept

    async def test_what_is_kept_too_long_is_found_the_oldest_first(self, keeper: Keeper) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            for number, state, days in ((1, "kept", 2), (2, "wanted", 1), (3, "failed", 1), (4, "kept", 3)):
                row = replace(wanted(f"r{number}"), keep_until_ms=NOW_MS + days * DAY_MS)
                await tx.want_recording(row)
                await tx.put_recording(replace(row, state=state))  # type: ignore[arg-type]  # each is a State
            found = await tx.expired_recordings(now_ms=NOW_MS + 2 * DAY_MS, rows_max=10)
            first = await tx.expired_recordings(now_ms=NOW_MS + 2 * DAY_MS, rows_max=1)

        assert [row.recording_id for row in found] == ["r2", "r1"]
        assert [row.recording_id for row in first] == ["r2"]

    async def test_what_waits_is_counted(self, keeper: Keeper) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            assert await tx.recordings_waiting() == (0, None)
            await tx.want_recording(wanted("r1"))
            await tx.want_recording(replace(wanted("r2"), wanted_at_ms=NOW_MS - 7))
            await tx.want_recording(replace(wanted("r3"), state="kept", wanted_at_ms=NOW_MS - 9))
            assert await tx.recordings_waiting() == (2, NOW_MS - 7)

    async def test_who_had_a_call_is_known_for_that_call(self, keeper: Keeper) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            for _ in range(2):
                await tx.note_agent("acme", "call-1", "ada", at_ms=NOW_MS)
            asked = [("acme", "call-1", "ada"), ("acme", "call-1", "bert"), ("acme", "call-2", "ada")]
            had = [await tx.had_call(*each) for each in [*asked, ("globex", "call-1", "ada")]]

        assert had == [True, False, False, False]


class TestMemory(RecordingLaws):
    @pytest.fixture
    def keeper(self) -> Keeper:
        return MemoryKeeper()


class TestPostgres(RecordingLaws):
    @pytest.fixture
    async def kept(self, postgres: FreshDatabase) -> AsyncIterator[MigratedDatabase]:
        async with migrated(postgres.admin_url, "voice_gateway") as kept:
            yield kept

    @pytest.fixture
    def keeper(self, kept: MigratedDatabase) -> Keeper:
        return PostgresKeeper(kept)

    async def test_no_row_is_seen_without_its_tenant(self, kept: MigratedDatabase, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.want_recording(wanted())
            await tx.note_agent("acme", "call-1", "ada", at_ms=NOW_MS)
            await tx.audit("acme", "a1", at_ms=NOW_MS, actor="sam", action="recording.listen", target="r1")

        assert await unguarded_tables(application_url=kept.application_url, schema="voice_gateway") == []

    async def test_two_replicas_claim_different_ones(self, kept: MigratedDatabase, keeper: Keeper) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            await tx.want_recording(wanted("r1"))
            await tx.want_recording(wanted("r2"))
        async with keeper.transaction(EVERY_TENANT) as one, keeper.transaction(EVERY_TENANT) as two:
            first = await one.claim_recordings(["n1"], now_ms=NOW_MS, until_ms=NOW_MS + 9, rows_max=1)
            second = await two.claim_recordings(["n1"], now_ms=NOW_MS, until_ms=NOW_MS + 9, rows_max=2)

        assert {row.recording_id for row in first} | {row.recording_id for row in second} == {"r1", "r2"}
        assert len(first) == len(second) == 1

    @pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
    async def test_what_was_done_stays_written_down(
        self, kept: MigratedDatabase, keeper: Keeper, statement: str
    ) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.audit("acme", "a1", at_ms=NOW_MS, actor="sam", action="recording.listen", target="r1")

        with pytest.raises(ProgrammingError, match="permission denied"):
            async with kept.database.transaction("acme", Transaction) as tx:
                await tx.execute(statement)

    async def test_what_is_gone_is_forgotten_at_last(self, kept: MigratedDatabase, keeper: Keeper) -> None:
        past_ms = NOW_MS - 2000 * DAY_MS
        async with keeper.transaction(EVERY_TENANT) as tx:
            for name, state in (("r1", "removed"), ("r2", "kept"), ("r3", "failed"), ("r4", "failed")):
                row = replace(wanted(name), keep_until_ms=past_ms, due_at_ms=None, interaction_id=f"call-{name}")
                await tx.want_recording(row)
                due_at_ms = NOW_MS if name == "r4" else None
                await tx.put_recording(replace(row, state=state, due_at_ms=due_at_ms))  # type: ignore[arg-type]  # each is a State
                await tx.note_agent("acme", f"call-{name}", "ada", at_ms=past_ms)

        assert [await sweep.run_once() for sweep in recording_sweeps(kept.database)] == [2, 3]
        async with keeper.transaction("acme") as tx:
            left = [name for name in ("r1", "r2", "r3", "r4") if await tx.recording("acme", name)]
            had = [await tx.had_call("acme", f"call-{name}", "ada") for name in ("r1", "r2")]
        assert (left, had) == (["r2", "r4"], [False, True])
