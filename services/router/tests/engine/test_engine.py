"""The engine as a whole, in one process under virtual time: what its owners promise whatever fails."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from contracts.agents import AgentPresenceChanged, CommandResult
from contracts.commands import AcceptOffer, SetAgentState
from contracts.offers import OfferAccepted, OfferExpired, OfferIssued, OfferRescinded
from contracts.tasks import TaskAbandoned, TaskAssigned, TaskQueued, TaskRequeued, WrapupStarted
from contracts.topics import INTERACTIONS, ROUTING_INPUTS, ROUTING_JOURNAL, dead_letter_topic
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.inputs import Input, InteractionInput
from router.domain.internal import SnapshotNamed
from router.domain.state import State
from router.engine.journal import BATCH_BYTES_MAX, EpochRecord, decode_record, journal_of, to_append
from router.engine.snapshots import read_snapshots
from router.engine.story import DOMAIN, PLACE, Engine, Story, open_story
from router.engine.takeover import load_fold
from router.engine.testing import Cable
from router.engine.views import all_views
from router.settings import EngineSettings
from servicekit.ports import Outgoing, Partition
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import Faults
from servicekit.testing.virtual import run_virtual

Telling = Callable[[Story], Awaitable[None]]


def told(telling: Telling, *, seed: int = 0, faults: Faults | None = None) -> None:
    """Run a story to its end in virtual time."""

    async def run() -> None:
        async with open_story(seed=seed, faults=faults) as story:
            await telling(story)

    run_virtual(run())


async def ready_agent(story: Story, agent_id: str = "ann") -> Engine:
    """An engine that has a configured domain and one routable agent."""
    await story.configure(agents={agent_id: {"billing": 3}})
    engine = story.start_engine()
    story.device_on(agent_id)
    await story.tell(SetAgentState(command_id=f"ready-{agent_id}", domain=DOMAIN, agent_id=agent_id, state="ready"))
    await eventually(lambda: engine.domain.agents[agent_id].routable, timeout_seconds=60)
    return engine


async def accept(story: Story, offer: OfferIssued) -> None:
    await story.tell(
        AcceptOffer(
            command_id=f"accept-{offer.offer_id}", domain=DOMAIN, agent_id=offer.agent_id, offer_id=offer.offer_id
        )
    )


async def first(story: Story, data: type, *, seconds: float = 60) -> object:
    return (await eventually(lambda: story.of(data), timeout_seconds=seconds))[0]


def test_a_customer_reaches_the_agent_and_every_event_names_its_cause() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        await story.customer_arrives("i1")
        offer = await first(story, OfferIssued)
        assert isinstance(offer, OfferIssued)
        await accept(story, offer)
        await first(story, TaskAssigned)

        [queued] = [event for event in story.seen() if isinstance(event.data, TaskQueued)]
        [arrival] = story.log.records(INTERACTIONS.name, 0)
        assert queued.causation_id == dict(arrival.headers)["ce_id"].decode()
        assert queued.traceparent == f"00-{1:032x}-{1:016x}-01"
        assert queued.id == queued.sequence
        sequences = [event.sequence for event in story.published()]
        assert sequences == sorted(sequences, key=str)

    told(telling)


def test_views_show_the_offer_and_the_assignment_with_the_sequence_of_their_events() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        await story.customer_arrives("i1")
        offer = await first(story, OfferIssued)
        assert isinstance(offer, OfferIssued)
        await accept(story, offer)
        assigned = await first(story, TaskAssigned)
        assert isinstance(assigned, TaskAssigned)
        view = await eventually(lambda: story.live.views(PLACE)["assignments"].get(assigned.assignment_id, b""))

        [event] = [event for event in story.seen() if event.data == assigned]
        assert json.loads(view)["sequence"] == event.sequence
        assert json.loads(story.live.views(PLACE)["agents"]["ann"])["assignments"] == [assigned.assignment_id]
        assert json.loads(story.live.views(PLACE)["queues"]["support"])["assigned"] == 1

    told(telling)


def test_a_repeated_command_gets_the_first_result_after_a_take_over_too() -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        await engine.stop()
        again = story.start_engine()
        await eventually(lambda: again.owner.reign is not None)
        await story.tell(SetAgentState(command_id="ready-ann", domain=DOMAIN, agent_id="ann", state="not_ready"))
        results = await eventually(lambda: story.of(CommandResult)[1:])

        assert results[0].decided_at_ms == story.of(CommandResult)[0].decided_at_ms
        assert again.domain.agents["ann"].state == "ready"

    told(telling)


def test_timers_survive_a_killed_engine() -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        await story.customer_arrives("i1")
        offer = await first(story, OfferIssued)
        assert isinstance(offer, OfferIssued)
        await engine.kill()
        story.start_engine()
        expired = await first(story, OfferExpired)

        assert isinstance(expired, OfferExpired)
        assert expired.expired_at_ms - offer.expires_at_ms < 2000

    told(telling)


@pytest.mark.parametrize("killed", [False, True])
def test_timers_go_on_while_the_clock_is_behind_what_the_journal_says(*, killed: bool) -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        await story.customer_arrives("i1")
        offer = await first(story, OfferIssued)
        assert isinstance(offer, OfferIssued)
        story.clock.step(-90_000)
        begun_ms = story.clock.now_ms()
        if killed:
            await engine.kill()
            story.start_engine()
        await first(story, OfferExpired)

        assert story.clock.now_ms() - begun_ms < offer.expires_at_ms - offer.issued_at_ms + 2000

    told(telling)


def test_after_a_take_over_agents_get_no_offer_before_a_fresh_heartbeat() -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        story.device_off("ann")
        await engine.kill()
        await story.clock.sleep(11)
        story.start_engine()
        await story.customer_arrives("i1")
        await first(story, TaskQueued)
        await story.clock.sleep(5)
        assert not story.of(OfferIssued)

        story.device_on("ann")
        await first(story, OfferIssued)

    told(telling)


def test_pain_05_two_engines_own_a_partition_one_after_the_other() -> None:
    async def telling(story: Story) -> None:
        one = await ready_agent(story)
        two = story.start_engine()
        await story.clock.sleep(20)
        assert two.owner.reign is None

        await one.kill()
        await eventually(lambda: two.owner.reign is not None, timeout_seconds=5)
        await story.customer_arrives("i1")
        await first(story, OfferIssued)

    told(telling)


def test_an_owner_cut_off_from_redis_is_fenced_and_nothing_of_it_counts() -> None:
    async def telling(story: Story) -> None:
        cable = Cable(story.live)
        await story.configure(agents={"ann": {"billing": 3}})
        zombie = story.start_engine(cable)
        story.device_on("ann")
        await story.tell(SetAgentState(command_id="c", domain=DOMAIN, agent_id="ann", state="ready"))
        await eventually(lambda: zombie.domain.agents["ann"].routable)
        cable.cut = True
        heir = story.start_engine()
        await eventually(lambda: heir.owner.reign is not None)
        for number in range(30):
            await story.customer_arrives(f"i{number}")
            await story.clock.sleep(0.1)
        await eventually(lambda: zombie.owner.reign is None)
        await eventually(lambda: len(story.of(TaskQueued)) == 30)

        assert [queued.interaction_id for queued in story.of(TaskQueued)] == [f"i{number}" for number in range(30)]
        assert len({event.sequence for event in story.seen()}) == len(story.seen())

    told(telling)


def test_an_engine_that_stops_leaves_its_partition_free_at_once() -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        assert story.live.owner(0) is not None
        await engine.stop()

        assert story.live.owner(0) is None

    told(telling)


def test_an_engine_that_stops_lets_out_what_it_has_decided() -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        story.log.faults = Faults(latency_seconds_max=1.0)
        await story.customer_arrives("i1")
        await eventually(lambda: "i1.t1" in engine.domain.tasks)
        assert not story.of(TaskQueued)
        await engine.stop()

        assert story.of(TaskQueued)

    told(telling)


def test_an_owner_that_is_fenced_again_and_again_takes_over_a_few_times_a_minute() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        async with story.log.writer("rival") as rival:
            for number in range(600):
                await rival.append(to_append(0, EpochRecord(owner="rival", nonce=f"{number}", generation=1)))
                await story.customer_arrives(f"i{number}")
                await story.clock.sleep(0.2)

        entries = [decode_record(record) for record in story.log.records(ROUTING_JOURNAL.name, 0)]
        begun = sum(isinstance(entry, EpochRecord) and entry.owner != "rival" for entry in entries)
        assert 5 <= begun <= 20

    told(telling)


def test_an_owner_that_is_fenced_now_and_then_is_back_within_a_second() -> None:
    gaps: list[float] = []

    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        async with story.log.writer("rival") as rival:
            for number, reign_seconds in enumerate((1, 12, 12)):
                await story.clock.sleep(reign_seconds)
                await rival.append(to_append(0, EpochRecord(owner="rival", nonce=f"{number}", generation=1)))
                await story.customer_arrives(f"i{number}")
                await eventually(lambda: engine.owner.reign is None)
                begun = asyncio.get_running_loop().time()
                await eventually(lambda: engine.owner.reign is not None)
                gaps.append(asyncio.get_running_loop().time() - begun)

    for seed in range(5):
        told(telling, seed=seed)

    assert max(gaps) < 1


def test_redis_away_the_owner_stays_decides_and_lets_no_grace_run() -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        reign = engine.owner.reign
        story.live.away = True
        await story.clock.sleep(120)
        await story.customer_arrives("i1")
        await first(story, TaskQueued)

        assert engine.owner.reign is reign
        assert not [changed for changed in story.of(AgentPresenceChanged) if changed.presence in ("lost", "absent")]

        story.live.away = False
        await eventually(lambda: story.live.views(PLACE)["queues"], timeout_seconds=5)

    told(telling)


def test_a_wiped_redis_is_written_again_and_costs_no_agent_their_presence() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        await story.customer_arrives("i1")
        await first(story, OfferIssued)
        before = await eventually(lambda: dict(story.live.views(PLACE)["agents"]))
        story.live.wipe()

        await eventually(lambda: dict(story.live.views(PLACE)["agents"]) == before, timeout_seconds=5)
        await story.clock.sleep(12)
        assert not story.of(OfferRescinded)
        assert [changed.presence for changed in story.of(AgentPresenceChanged)][-1] == "present"

    told(telling)


def test_grace_stands_still_while_leases_cannot_be_read() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        story.device_off("ann")
        await eventually(lambda: "lost" in presences(story), timeout_seconds=30)
        story.live.away = True
        await story.clock.sleep(90)
        assert "absent" not in presences(story)

        story.live.away = False
        story.device_on("ann")
        await story.clock.sleep(40)
        assert "absent" not in presences(story)
        assert presences(story)[-1] == "present"

    told(telling)


def presences(story: Story) -> list[str]:
    return [changed.presence for changed in story.of(AgentPresenceChanged)]


def test_an_owner_whose_lease_is_taken_steps_down() -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        story.live.wipe()
        assert await story.live.hold(0, "another", 60_000)

        await eventually(lambda: engine.owner.reign is None, timeout_seconds=2)

    told(telling)


def test_a_new_owner_reads_on_where_the_journal_says() -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        for number in range(5):
            await story.customer_arrives(f"i{number}")
        await eventually(lambda: len(story.of(TaskQueued)) == 5)
        await engine.stop()
        for topic in (INTERACTIONS.name, ROUTING_INPUTS.name):
            at = Partition(topic, 0)
            await story.log.delete_before(at, story.log.partitions[at].end)
        async with story.log.reader("test") as reader:
            fold = await load_fold(reader, 0)

        assert fold.next_inputs[INTERACTIONS.name, 0] == 5
        assert fold.next_inputs[ROUTING_INPUTS.name, 0] == story.log.partitions[Partition(ROUTING_INPUTS.name, 0)].end
        again = story.start_engine()
        await eventually(lambda: again.owner.reign is not None)
        await story.customer_arrives("i5")
        await eventually(lambda: len(story.of(TaskQueued)) == 6)

    told(telling)


def test_a_new_owner_decides_no_input_twice() -> None:
    async def telling(story: Story) -> None:
        decided: list[str] = []

        def noting(state: State, given: Input, now_ms: int) -> list[Fact]:
            if isinstance(given, InteractionInput):
                decided.append(given.data.interaction_id)
            return decide(state, given, now_ms)

        engine = await ready_agent(story)
        await story.customer_arrives("i1")
        await first(story, TaskQueued)
        await engine.stop()
        story.start_engine(decide=noting)
        await story.customer_arrives("i2")
        await eventually(lambda: len(story.of(TaskQueued)) == 2)

        assert decided == ["i2"]

    told(telling)


def test_a_lost_agent_gives_back_the_assignment_after_the_grace() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        await story.customer_arrives("i1")
        offer = await first(story, OfferIssued)
        assert isinstance(offer, OfferIssued)
        await accept(story, offer)
        await first(story, TaskAssigned)
        story.device_off("ann")
        requeued = await first(story, TaskRequeued)

        assert isinstance(requeued, TaskRequeued)
        assert requeued.queued_at_ms == offer.queued_at_ms
        assert 38_000 <= requeued.requeued_at_ms - offer.issued_at_ms <= 46_000

    told(telling)


def test_what_was_published_unconfirmed_is_published_again_under_the_same_sequence() -> None:
    async def telling(story: Story) -> None:
        engine = await ready_agent(story)
        await story.customer_arrives("i1")
        await first(story, OfferIssued)
        await engine.kill()
        published = len(story.published())
        seen = story.seen()
        again = story.start_engine()
        await eventually(lambda: len(story.published()) > published)

        repeats = story.published()[published:]
        assert {event.sequence for event in repeats} & {event.sequence for event in seen}
        assert story.seen()[: len(seen)] == seen
        assert again.owner.reign is not None

    told(telling)


def test_a_malformed_input_is_parked_and_the_partition_goes_on() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        bad = Outgoing(topic=INTERACTIONS.name, key=b"x", value=b"{", headers=(("ce_id", b"1"),), partition=0)
        async with story.log.writer("bad") as writer:
            await writer.append(bad)
        await story.customer_arrives("i1")
        await first(story, OfferIssued)

        [letter] = story.log.records(dead_letter_topic(INTERACTIONS.name, "router-engine"))
        assert letter.value == b"{"
        assert dict(letter.headers)["dlq_offset"] == b"0"

    told(telling)


def test_an_input_that_deciding_fails_on_is_parked_after_three_take_overs() -> None:
    async def telling(story: Story) -> None:
        def buggy(state: State, given: Input, now_ms: int) -> list[Fact]:
            if isinstance(given, InteractionInput) and given.data.interaction_id == "bad":
                raise ZeroDivisionError
            return decide(state, given, now_ms)

        await story.configure(agents={"ann": {"billing": 3}})
        story.start_engine(decide=buggy)
        for name in ("i1", "bad", "i2"):
            await story.customer_arrives(name)
        await eventually(lambda: len(story.of(TaskQueued)) == 2, timeout_seconds=60)

        [letter] = story.log.records(dead_letter_topic(INTERACTIONS.name, "router-engine"))
        assert dict(letter.headers)["dlq_reason"] == b"deciding_failed"
        epochs = [
            record
            for record in story.log.records(ROUTING_JOURNAL.name, 0)
            if b'"epoch","owner"' in (record.value or b"")
        ]
        assert len(epochs) == 4

    told(telling)


def test_an_input_whose_effect_fits_no_record_is_parked_too() -> None:
    async def telling(story: Story) -> None:
        def vast(state: State, given: Input, now_ms: int) -> list[Fact]:
            if isinstance(given, InteractionInput) and given.data.interaction_id == "vast":
                return [Fact("", SnapshotNamed(offset=0, nonce="x" * BATCH_BYTES_MAX, checksum="", chunks=0))]
            return decide(state, given, now_ms)

        await story.configure(agents={"ann": {"billing": 3}})
        story.start_engine(decide=vast)
        for name in ("i1", "vast", "i2"):
            await story.customer_arrives(name)
        await eventually(lambda: len(story.of(TaskQueued)) == 2, timeout_seconds=60)

        assert len(story.log.records(dead_letter_topic(INTERACTIONS.name, "router-engine"))) == 1

    told(telling)


def test_snapshots_bound_the_fold_and_shorten_the_journal() -> None:
    async def telling(story: Story) -> None:
        story.settings = EngineSettings(domain_partitions=1, snapshot_every_records=20)
        engine = await ready_agent(story)
        for number in range(150):
            await story.customer_arrives(f"i{number}")
            await story.clock.sleep(1)
        await engine.kill()
        journal = story.log.partitions[journal_of(0)]
        assert journal.first > 50
        again = story.start_engine()
        await story.customer_arrives("late")
        await eventually(lambda: len(story.of(TaskQueued)) == 151)

        assert len(again.domain.tasks) + len(again.domain.parked) == 151
        async with story.log.reader("test") as reader:
            snapshots = await read_snapshots(reader, 0)
        assert len(snapshots) <= 3

    told(telling)


def test_an_interaction_that_ends_is_abandoned_or_wrapped_up_once() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        await story.customer_arrives("i1")
        offer = await first(story, OfferIssued)
        assert isinstance(offer, OfferIssued)
        await accept(story, offer)
        await first(story, TaskAssigned)
        await story.customer_leaves("i1")
        await story.customer_leaves("i1")
        await story.customer_arrives("i2")
        await story.customer_leaves("i2")
        await first(story, TaskAbandoned)

        assert len(story.of(WrapupStarted)) == 1
        assert len(story.of(TaskAbandoned)) == 1

    told(telling)


async def shows_the_fold(story: Story) -> bool:
    """Whether the views in Redis are those of the journal's state."""
    async with story.log.reader("test") as reader:
        fold = await load_fold(reader, 0)
    return all_views(fold.state, fold.sequences)[PLACE] == story.live.views(PLACE)


@pytest.mark.parametrize("seed", range(8))
def test_lost_late_and_doubled_appends_lose_and_double_nothing(seed: int) -> None:
    """Whatever the log does to the engine's appends, consumers see each task's life once and in order."""

    async def telling(story: Story) -> None:
        engines = [story.start_engine(), story.start_engine()]
        await story.configure(agents={"ann": {"billing": 3}, "bob": {"billing": 1}}, capacity=5)
        for agent_id in ("ann", "bob"):
            story.device_on(agent_id)
            await story.tell(SetAgentState(command_id=agent_id, domain=DOMAIN, agent_id=agent_id, state="ready"))
        answered: set[str] = set()
        for number in range(40):
            await story.customer_arrives(f"i{number}")
            await story.clock.sleep(0.5)
            for offer in story.of(OfferIssued):
                if offer.offer_id not in answered:
                    answered.add(offer.offer_id)
                    await accept(story, offer)
            if number == 20:
                await engines[0].kill()
                engines.append(story.start_engine())
        story.log.faults = Faults()
        await eventually(lambda: len(story.of(TaskQueued)) == 40, timeout_seconds=120)

        assert sorted(queued.interaction_id for queued in story.of(TaskQueued)) == sorted(f"i{n}" for n in range(40))
        assert len({assigned.task_id for assigned in story.of(TaskAssigned)}) == len(story.of(TaskAssigned))
        held = {"ann": 0, "bob": 0}
        for event in story.seen():
            if isinstance(event.data, OfferIssued):
                held[event.data.agent_id] += 1
            elif isinstance(event.data, OfferExpired | OfferRescinded | TaskRequeued):
                held[event.data.agent_id] -= 1
            assert max(held.values()) <= 5
        assert len(story.of(OfferAccepted)) == len(story.of(TaskAssigned))
        await eventually(lambda: shows_the_fold(story), timeout_seconds=30)

    told(telling, seed=seed, faults=Faults(lost=0.02, late=0.02, doubled=0.02, latency_seconds_max=0.05))


def test_the_journal_holds_no_batch_larger_than_its_bound() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        for number in range(3000):
            await story.customer_arrives(f"i{number}")
        await eventually(lambda: len(story.of(TaskQueued)) == 3000, timeout_seconds=60)

        sizes = [len(record.value or b"") for record in story.log.records(ROUTING_JOURNAL.name, 0)]
        assert max(sizes) <= 512 * 1024

    told(telling)


def test_a_repeated_arrival_makes_no_second_task() -> None:
    async def telling(story: Story) -> None:
        await ready_agent(story)
        await story.customer_arrives("i1")
        await story.customer_arrives("i1")
        await story.customer_arrives("i2")
        await eventually(lambda: len(story.of(TaskQueued)) == 2)

        assert [queued.interaction_id for queued in story.of(TaskQueued)] == ["i1", "i2"]

    told(telling)
