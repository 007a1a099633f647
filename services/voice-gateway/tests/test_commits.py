"""What is written before the node is told, and what happens while PostgreSQL is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from contracts import decode
from contracts.interactions import InteractionEnded
from servicekit.ports import Partition
from servicekit.store import EVERY_TENANT, Position
from servicekit.testing.eventually import eventually
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual
from voice_gateway.codec import Numbered
from voice_gateway.commits import Commits, LeaseLostError, consumer_of
from voice_gateway.domain.commands import Answer, Command, HangUp
from voice_gateway.domain.step import Said, ToKeep
from voice_gateway.live_calls import Key, LiveCalls
from voice_gateway.store import Lease
from voice_gateway.testing.memory import MemoryVoiceStore
from voice_gateway.testing.owning import DOMAIN, NOW_MS, TENANT, call_of, metrics

KEY = (TENANT, "i1")
ENDED = InteractionEnded(interaction_id="i1", domain=DOMAIN, reason="customer_left", ended_at_ms=NOW_MS)


class Desk:
    """Commits on a memory store; `given` is what the node got."""

    def __init__(self, *, changes_max: int = 100) -> None:
        self.store, self.calls = MemoryVoiceStore(), LiveCalls("n1")
        self.given: list[Command] = []
        self.positions: dict[Partition, Position] = {}
        self._changes_max = changes_max
        self.lease = Lease(node="n1", epoch=1)
        self.commits: Commits

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        async with self.store.transaction(EVERY_TENANT) as tx:
            lease = await tx.take_node("n1", "me", driver="simulated", now_ms=1, until_ms=2)
        assert lease is not None
        self.lease = lease
        self.commits = Commits(
            self.store,
            lease,
            self.calls,
            give=self._give,
            positions=lambda: self.positions,
            partition_of=lambda tenant_id, domain: 1 if domain == DOMAIN else None,
            clock=VirtualClock(),
            chance=SeededChance(1),
            metrics=metrics(),
            changes_max=self._changes_max,
        )
        tasks = [asyncio.create_task(self.commits.run()), asyncio.create_task(self.commits.run_ahead())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _give(self, key: Key, commands: Sequence[Numbered]) -> None:
        self.given += [each.command for each in commands]

    def put(self, *commands: Command, said: Sequence[str] = (), over: bool = False, interaction_id: str = "i1") -> None:
        live, numbered = self.calls.put(call_of(interaction_id, over=over), commands)
        self.commits.put(live, numbered, [Said(data=ENDED, event_id=each) for each in said], [])

    def announced(self) -> list[str]:
        return [decode(row.outgoing.value, row.outgoing.headers).id for row in self.store.outbox.rows]


def test_a_call_is_kept_with_what_is_to_be_done_before_the_node_is_told() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.opened():
            read = Partition("t", 0)
            desk.positions[read] = Position(7, "s7")
            desk.put(Answer(leg_id="a"), said=["e1"])
            assert desk.given == []
            assert await desk.commits.settled(timeout_seconds=1)

            assert (desk.given, desk.announced()) == ([Answer(leg_id="a")], ["e1"])
            [row] = desk.store.outbox.rows
            assert (row.outgoing.partition, row.order_key) == (1, "i1")
            kept = desk.store.database.tables.calls[KEY]
            assert "Answer" in kept.to_do
            assert kept.over_at_ms is None
            assert desk.store.database.positions[consumer_of("n1"), read] == Position(7, "s7")

    run_virtual(story())


def test_what_the_node_has_done_is_taken_from_the_row_and_a_call_that_is_over_says_when() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.opened():
            desk.put(Answer(leg_id="a"), HangUp(leg_id="a"), over=True)
            await desk.commits.settled(timeout_seconds=1)
            for number in (1, 2):
                assert desk.store.database.tables.calls[KEY].over_at_ms is None
                live = desk.calls.done(KEY, number)
                assert live is not None
                desk.commits.put_lazily(live)
                await asyncio.sleep(1)

            kept = desk.store.database.tables.calls[KEY]
            assert kept.to_do == "[]"
            assert kept.over_at_ms is not None
            assert len(desk.calls) == 0

    run_virtual(story())


def test_while_the_store_is_away_the_node_is_told_after_two_seconds_and_all_is_written_later_once() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.opened():
            desk.store.away = True
            desk.put(Answer(leg_id="a"), said=["e1"])
            await asyncio.sleep(1.7)
            assert desk.given == []
            await asyncio.sleep(0.6)
            assert desk.given == [Answer(leg_id="a")]
            desk.put(HangUp(leg_id="a"), said=["e2"])
            desk.store.away = False
            await desk.commits.settled(timeout_seconds=5)

            assert desk.given == [Answer(leg_id="a"), HangUp(leg_id="a")]
            assert desk.announced() == ["e1", "e2"]

    run_virtual(story())


def test_a_commit_whose_answer_was_lost_is_not_made_twice() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.opened():
            desk.store.answers_lost = 2
            desk.put(Answer(leg_id="a"), said=["e1"])
            await desk.commits.settled(timeout_seconds=5)
            desk.put(said=["e2"])
            await desk.commits.settled(timeout_seconds=5)
            await asyncio.sleep(1)

            assert (desk.announced(), desk.given) == (["e1", "e2"], [Answer(leg_id="a")])

    run_virtual(story())


def test_a_row_that_is_written_late_is_not_ahead_of_what_is_announced() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.opened():
            desk.store.away = True
            desk.put(Answer(leg_id="a"), said=["e1"])
            await asyncio.sleep(1)
            desk.put(HangUp(leg_id="a"), said=["e2"])
            desk.store.away, desk.store.answers_lost = False, 1
            await eventually(lambda: desk.announced() == ["e1"])

            assert "HangUp" not in desk.store.database.tables.calls[KEY].to_do

    run_virtual(story())


def test_beyond_its_bound_no_more_is_taken_on_until_the_store_is_back() -> None:
    async def story() -> None:
        desk = Desk(changes_max=3)
        async with desk.opened():
            desk.store.away = True
            desk.put(interaction_id="i1")
            await asyncio.sleep(1)
            desk.put(interaction_id="i2")
            full = [desk.commits.is_full]
            desk.put(interaction_id="i2", said=["e1"])
            full.append(desk.commits.is_full)
            desk.store.away = False
            await asyncio.sleep(2)

            assert [*full, desk.commits.is_full] == [False, True, False]

    run_virtual(story())


def test_an_owner_whose_node_is_anothers_writes_nothing_more() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.opened():
            async with desk.store.transaction(EVERY_TENANT) as tx:
                await tx.take_node("n1", "other", driver="simulated", now_ms=3, until_ms=4)
            desk.put(Answer(leg_id="a"), said=["e1"])
            with pytest.raises(LeaseLostError):
                await desk.commits.flush()

            assert (desk.given, desk.announced(), desk.store.database.tables.calls) == ([], [], {})

    run_virtual(story())


def test_a_recording_that_is_ready_is_written_down_to_be_fetched() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.opened():
            live, _ = desk.calls.put(call_of(), [])
            ready = ToKeep(
                recording_id="r1", kind="talk", begun_at_ms=NOW_MS, seconds=9.5, pauses=((10, 20),), keep_days=2
            )
            desk.commits.put(live, [], [], [ready])
            desk.commits.note_agent(KEY, "ada")
            await asyncio.sleep(1)

            [row] = desk.store.database.tables.recordings.values()
            assert (row.node, row.seconds, row.pauses, row.state) == ("n1", 9.5, "[[10, 20]]", "wanted")
            assert row.keep_until_ms == NOW_MS + 2 * 86_400_000
            assert list(desk.store.database.tables.agents) == [(*KEY, "ada")]

    run_virtual(story())


def test_an_event_of_a_domain_that_nobody_knows_holds_up_nothing() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.opened():
            live, _ = desk.calls.put(replace(call_of(), terms=replace(call_of().terms, domain="gone")), [])
            desk.commits.put(live, [], [Said(data=replace(ENDED, domain="gone"), event_id="e1")], [])
            desk.put(said=["e2"])
            await desk.commits.settled(timeout_seconds=2)
            await asyncio.sleep(1)

            assert desk.announced() == ["e2"]

    run_virtual(story())


def test_an_event_that_breaks_its_contract_holds_up_nothing() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.opened():
            live, _ = desk.calls.put(call_of(), [])
            broken = replace(ENDED, cause="No Code")
            desk.commits.put(live, [], [Said(data=broken, event_id="e1"), Said(data=ENDED, event_id="e2")], [])
            await asyncio.sleep(1)

            assert desk.announced() == ["e2"]
            assert KEY in desk.store.database.tables.calls

    run_virtual(story())
