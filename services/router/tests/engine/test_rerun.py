"""A stretch of the journal decided again: identical, or the first difference is found."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from contracts.agents import CommandResult
from contracts.commands import AcceptOffer, CompleteTask, RejectOffer, SetAgentState
from contracts.offers import OfferIssued
from contracts.tasks import TaskAssigned, TaskCompleted, TaskQueued
from contracts.topics import INTERACTIONS, ROUTING_INPUTS, ROUTING_JOURNAL, ROUTING_SNAPSHOTS
from msgspec import structs
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.inputs import CommandInput, Input, PresenceObserved
from router.domain.state import State
from router.engine.errors import JournalGapError
from router.engine.journal import BatchRecord, decode_record, journal_of, to_append
from router.engine.rerun import GONE, NOT_NOTED, Report, rerun
from router.engine.story import DOMAIN, Story, open_story
from router.engine.testing import Cable
from router.settings import EngineSettings
from servicekit.ports import Partition
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual

AGENTS = ("ann", "bob", "cid")
FAULTS = Faults(lost=0.02, late=0.01, doubled=0.02, latency_seconds_max=0.05)


def told(telling: Callable[[Story], Awaitable[None]], *, seed: int = 0, faults: Faults | None = None) -> None:
    async def run() -> None:
        async with open_story(seed=seed, faults=faults) as story:
            await telling(story)

    run_virtual(run())


async def again(story: Story, **how: object) -> Report:
    return await rerun(story.log, 0, **how)  # type: ignore[arg-type]  # what rerun takes, by name


async def busy(story: Story) -> None:
    """Customers come and go, agents answer, decline, fall silent; engines die; the configuration changes."""
    await story.configure(agents={name: {"billing": 3} for name in AGENTS[:2]})
    cable = Cable(story.live)
    engine = story.start_engine(cable)
    for name in AGENTS:
        story.device_on(name)
    answered: set[str] = set()
    for number in range(30):
        await story.customer_arrives(f"i{number}")
        if number == 8:
            await story.configure(2, agents={name: {"billing": 3} for name in AGENTS}, capacity=1)
        if number == 12:
            story.device_off("bob")
        if number == 18:
            cable.cut = True
            await engine.kill()
            engine = story.start_engine()
        if number == 22:
            story.device_on("bob")
        for name in AGENTS:
            await say(story, SetAgentState, name, f"{number}-{name}", state="ready")
        await asyncio.sleep(story.chance.uniform(0, 4))
        await answer(story, answered)
        if number % 5 == 4:
            await story.customer_leaves(f"i{number}")
    story.log.faults = Faults()
    for _ in range(5):
        await asyncio.sleep(8)
        await answer(story, answered)
    await asyncio.sleep(2)
    assert len(story.of(TaskCompleted)) > 5


async def answer(story: Story, answered: set[str]) -> None:
    for offer in story.of(OfferIssued):
        if offer.offer_id not in answered and story.chance.uniform(0, 1) < 0.8:
            answered.add(offer.offer_id)
            kind = AcceptOffer if story.chance.uniform(0, 1) < 0.7 else RejectOffer
            await say(story, kind, offer.agent_id, f"answer-{offer.offer_id}", offer_id=offer.offer_id)
    for assigned in story.of(TaskAssigned):
        if assigned.assignment_id not in answered and story.chance.uniform(0, 1) < 0.5:
            answered.add(assigned.assignment_id)
            name, known = assigned.agent_id, assigned.assignment_id
            await say(story, CompleteTask, name, f"done-{known}", assignment_id=known)


async def say(story: Story, kind: Callable[..., object], agent_id: str, command_id: str, **data: object) -> None:
    await story.tell(kind(command_id=command_id, domain=DOMAIN, agent_id=agent_id, **data))


@pytest.mark.parametrize("seed", range(3))
def test_a_busy_stretch_with_faults_is_decided_identically(seed: int) -> None:
    async def telling(story: Story) -> None:
        await busy(story)
        report = await again(story)

        assert report.difference is None
        assert not report.skipped
        assert report.batches > 30
        assert report.decisions >= len(story.of(CommandResult)) + len(story.of(TaskQueued))
        assert report.facts >= len({event.sequence for event in story.seen()})

    told(telling, seed=seed, faults=FAULTS)


def test_a_decision_that_differs_is_found_with_both_facts() -> None:
    def hastier(state: State, given: Input, now_ms: int) -> list[Fact]:
        """Accepts what was rejected."""
        if isinstance(given, CommandInput) and isinstance(given.data, RejectOffer):
            data = given.data
            accepted = AcceptOffer(
                command_id=data.command_id, domain=data.domain, agent_id=data.agent_id, offer_id=data.offer_id
            )
            given = CommandInput(given.tenant_id, accepted)
        return decide(state, given, now_ms)

    async def telling(story: Story) -> None:
        await busy(story)
        difference = (await again(story, decide=hastier)).difference

        assert difference is not None
        assert difference.source.startswith("routing.inputs@")
        assert "offer.rejected" in str(difference.recorded)
        assert "offer.accepted" in str(difference.decided)
        batch = decode_record(story.log.records(ROUTING_JOURNAL.name, 0)[difference.offset])
        assert isinstance(batch, BatchRecord)

    told(telling)


def test_a_fact_that_is_missing_now_is_a_difference_too() -> None:
    def blind(state: State, given: Input, now_ms: int) -> list[Fact]:
        return [] if isinstance(given, PresenceObserved) else decide(state, given, now_ms)

    async def telling(story: Story) -> None:
        await busy(story)
        difference = (await again(story, decide=blind)).difference

        assert difference is not None
        assert difference.source == "presence"
        assert "agent.presence_changed" in str(difference.recorded)
        assert difference.decided is None

    told(telling)


def test_a_stretch_begins_with_the_snapshot_before_it() -> None:
    async def telling(story: Story) -> None:
        story.settings = EngineSettings(domain_partitions=1, snapshot_every_records=10)
        await busy(story)
        await asyncio.sleep(60)
        async with story.log.reader("test") as reader:
            first, end = await reader.bounds(journal_of(0))
        whole, part = await again(story), await again(story, start=end - 5)

        assert first > 0
        assert (whole.difference, part.difference) == (None, None)
        assert whole.first_offset == first < part.first_offset <= end - 5
        assert part.batches <= 5 < whole.batches

    told(telling)


def test_a_journal_without_beginning_or_snapshot_cannot_be_decided_again() -> None:
    async def telling(story: Story) -> None:
        await busy(story)
        async with story.log.admin() as admin:
            await admin.delete_before(journal_of(0), 5)

        with pytest.raises(JournalGapError):
            await again(story)

    told(telling)


def test_inputs_that_are_gone_from_their_topics_are_said_and_taken_as_they_were_decided() -> None:
    async def telling(story: Story) -> None:
        await busy(story)
        async with story.log.admin() as admin:
            await admin.delete_before(Partition(INTERACTIONS.name, 0), 10)
            await admin.delete_before(Partition(ROUTING_INPUTS.name, 0), 20)
        report = await again(story)

        assert report.difference is None
        assert report.skipped[GONE] >= 20
        assert report.decisions > 50

    told(telling)


def test_batches_of_a_release_that_noted_no_sources_are_said_and_taken_as_they_stand() -> None:
    async def telling(story: Story) -> None:
        await busy(story)
        older = MemoryLog(
            {ROUTING_JOURNAL.name: 1, INTERACTIONS.name: 1, ROUTING_INPUTS.name: 1, ROUTING_SNAPSHOTS.name: 1},
            clock=VirtualClock(),
            chance=SeededChance(0),
        )
        async with older.writer("test") as writer:
            for record in story.log.records(ROUTING_JOURNAL.name, 0):
                entry = decode_record(record)
                if isinstance(entry, BatchRecord):
                    entry = structs.replace(entry, sources=())
                await writer.append(to_append(0, entry))
        report = await rerun(older, 0)

        assert report.difference is None
        assert report.decisions == 0
        assert report.skipped[NOT_NOTED] > 100

    told(telling)
