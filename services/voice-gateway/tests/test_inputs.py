"""What an owner reads from Kafka, and from where."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from contracts import Event, encode
from contracts.call_commands import AttachTranscript, MuteCall
from contracts.tasks import TaskAssigned
from contracts.topics import COMMANDS_VOICE, ROUTING_EVENTS
from servicekit.ports import Outgoing, Partition
from servicekit.store import Position
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual
from voice_gateway.inputs import HELD_MAX, Inputs
from voice_gateway.routed import is_wanted
from voice_gateway.store import KeptCall
from voice_gateway.testing.owning import DOMAIN, NOW_MS, TENANT

ROUTING, COMMANDS = Partition(ROUTING_EVENTS.name, 1), Partition(COMMANDS_VOICE.name, 0)
KEPT = KeptCall(tenant_id=TENANT, interaction_id="i9", node="n1", state="{}", to_do="[]", over_at_ms=1)


def assigned(interaction_id: str, *, kind: str = "contact", channel: str = "voice") -> TaskAssigned:
    return TaskAssigned(
        task_id="t",
        interaction_id=interaction_id,
        domain=DOMAIN,
        queue="sales",
        channel=channel,
        assignment_id="a",
        offer_id="o",
        agent_id="ada",
        assigned_at_ms=NOW_MS,
        waited_ms=0,
        kind=kind,  # type: ignore[arg-type]  # a TaskKind
    )


def mute(interaction_id: str, sequence: str) -> MuteCall:
    return MuteCall(
        command_id=f"c-{interaction_id}",
        interaction_id=interaction_id,
        domain=DOMAIN,
        agent_id="ada",
        assignment_id="a",
        assignment_sequence=sequence,
        requested_at_ms=NOW_MS,
    )


class Desk:
    """Inputs over a log of four partitions each."""

    def __init__(self) -> None:
        self.log = MemoryLog({ROUTING_EVENTS.name: 4, COMMANDS_VOICE.name: 1})
        self.news = asyncio.Event()
        self.inputs: Inputs
        self.asked: list[str] = []

    @asynccontextmanager
    async def reading(self, positions: Mapping[Partition, Position] | None = None) -> AsyncIterator[None]:
        self.inputs = Inputs(
            "n1",
            self.log,
            positions or {},
            wanted=is_wanted,
            find=self._find,
            partition_of=lambda tenant_id, domain: 1,
            news=self.news,
            clock=VirtualClock(),
            chance=SeededChance(1),
        )
        task = asyncio.create_task(self.inputs.run())
        await asyncio.sleep(1)
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _find(self, tenant_id: str, interaction_id: str) -> KeptCall | None:
        self.asked.append(interaction_id)
        return KEPT if interaction_id == KEPT.interaction_id else None

    async def say(self, data: TaskAssigned | MuteCall | AttachTranscript, sequence: str | None = None) -> None:
        event = Event(
            id="e", source="/r", tenant_id=TENANT, subject=data.interaction_id, time_ms=1, data=data, sequence=sequence
        )
        value, headers = encode(event)
        at = ROUTING if isinstance(data, TaskAssigned) else COMMANDS
        async with self.log.writer("test") as writer:
            await writer.append(
                Outgoing(topic=at.topic, key=None, value=value, headers=tuple(headers), partition=at.number)
            )

    async def taken(self, after_seconds: float = 1) -> list[str]:
        """The interactions of what can be taken so much later."""
        await asyncio.sleep(after_seconds)
        return [each.event.subject for each in self.inputs.take(100) if each.event]


def test_a_node_that_was_never_run_begins_with_what_comes_from_now_on_and_goes_on_behind_what_was_taken() -> None:
    async def story() -> None:
        desk = Desk()
        await desk.say(assigned("before"), "0001")
        async with desk.reading():
            await desk.say(assigned("i1"), "0002")
            first = await desk.taken()
            await desk.say(assigned("i2"), "0003")
            await asyncio.sleep(1)
            kept = dict(desk.inputs.positions)
        await desk.say(assigned("i3"), "0004")
        async with desk.reading(kept):
            second = await desk.taken()

        assert (first, second) == (["i1"], ["i2", "i3"])
        assert kept[ROUTING] == Position(2, "0002")

    run_virtual(story())


def test_a_routing_event_that_is_published_again_is_passed_over() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.reading():
            for sequence in ("0002", "0003", "0002", "0003", "0004"):
                await desk.say(assigned(f"i{sequence}"), sequence)

            assert await desk.taken() == ["i0002", "i0003", "i0004"]
            assert desk.inputs.positions[ROUTING] == Position(5, "0004")

    run_virtual(story())


def test_a_command_waits_for_the_routing_events_that_its_agent_had_seen() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.reading():
            await desk.say(mute("i1", "0005"))
            await desk.say(mute("i2", "0001"))
            assert await desk.taken() == []
            assert desk.inputs.positions[COMMANDS] == Position(0, None)
            await desk.say(assigned("i1"), "0004")
            assert await desk.taken() == ["i1"]
            await desk.say(assigned("i3"), "0005")

            assert await desk.taken() == ["i3", "i1", "i2"]

    run_virtual(story())


def test_a_command_waits_five_seconds_at_most() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.reading():
            await desk.say(mute("i1", "0005"))
            assert await desk.taken(4) == []
            assert await desk.taken(2) == ["i1"]

    run_virtual(story())


def test_the_call_before_is_looked_up_for_what_may_be_about_one_that_is_over() -> None:
    async def story() -> None:
        desk = Desk()
        transcript = AttachTranscript(
            command_id="c",
            interaction_id="i8",
            domain=DOMAIN,
            transcript_id="t",
            language="it",
            requested_at_ms=NOW_MS,
            by="bot",
        )
        async with desk.reading():
            await desk.say(assigned("i9", kind="callback"), "0001")
            await desk.say(assigned("i7", kind="callback", channel="webchat"), "0002")
            await desk.say(assigned("i6"), "0003")
            await desk.say(transcript)
            await desk.say(assigned("i9", kind="callback"), "0004")
            await asyncio.sleep(1)
            found = [(each.event.subject, each.kept, each.may_be_over) for each in desk.inputs.take(9) if each.event]

        assert sorted(desk.asked) == ["i8", "i9", "i9"]
        assert sorted(found, key=lambda each: each[0]) == [
            ("i6", None, False),
            ("i7", None, False),
            ("i8", None, True),
            ("i9", KEPT, True),
            ("i9", KEPT, True),
        ]

    run_virtual(story())


def test_what_was_deleted_before_it_was_read_is_passed_over() -> None:
    async def story() -> None:
        desk = Desk()
        for number in range(5):
            await desk.say(assigned(f"i{number}"), f"000{number}")
        await desk.log.delete_before(ROUTING, 3)
        async with desk.reading({ROUTING: Position(1, "0000")}):
            assert await desk.taken(5) == ["i3", "i4"]

    run_virtual(story())


def test_no_more_is_read_than_memory_may_hold() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.reading():
            for number in range(HELD_MAX + 1500):
                await desk.say(assigned("i"), f"{number:06}")
            await asyncio.sleep(60)
            held = sum(1 for _ in desk.inputs.take(100_000))
            later = 0
            for _ in range(20):
                await asyncio.sleep(1)
                later += sum(1 for _ in desk.inputs.take(100_000))

        assert HELD_MAX <= held < HELD_MAX + 500
        assert held + later == HELD_MAX + 1500

    run_virtual(story())
