"""The consumer loop on MemoryLog under virtual time: hours of retries pass in a moment."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from contracts import Event, encode
from contracts.messages import MessageDelivered, MessageReceived
from servicekit.consume import ConsumerLimits, ConsumerLoop, Delivery, Reactions, ReactionsProcessor
from servicekit.errors import RejectError, RetryLaterError
from servicekit.ports import GroupMember, GroupReader, LogAwayError, Outgoing, Partition, Record
from servicekit.reactions import PartitionProcessor
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual
from typing_extensions import override

GROUP = "tests"
DLQ = f"messages.{GROUP}.dlq"


@dataclass
class World:
    """A log, and what the handler saw."""

    log: MemoryLog = field(default_factory=lambda: MemoryLog({"messages": 2, DLQ: 1}))
    seen: list[str] = field(default_factory=list)
    tried: list[float] = field(default_factory=list)
    telemetry: Telemetry = field(default_factory=lambda: Telemetry("tests"))

    def loop(self, processor: PartitionProcessor, **limits: float) -> ConsumerLoop:
        return ConsumerLoop(
            group=GROUP,
            topics=["messages"],
            processor=processor,
            log=self.log,
            clock=VirtualClock(),
            chance=SeededChance(1),
            telemetry=self.telemetry,
            limits=ConsumerLimits(**limits),  # type: ignore[arg-type]  # the float fields only
        )

    def reacting(self, handle: Callable[[Delivery[MessageReceived]], Awaitable[None]]) -> ConsumerLoop:
        return self.loop(ReactionsProcessor(Reactions().on(MessageReceived, handle), self.telemetry))

    async def note(self, delivery: Delivery[MessageReceived]) -> None:
        self.tried.append(asyncio.get_running_loop().time())
        self.seen.append(delivery.data.message_id)

    def dead_letters(self) -> float | None:
        """What Prometheus is told; nothing, if that."""
        labels = {"group": GROUP, "topic": "messages"}
        return self.telemetry.registry.get_sample_value("centralino_dead_letters_total", labels)

    def put(self, event_or_value: Event | bytes, *, partition: int = 0) -> Record:
        if isinstance(event_or_value, Event):
            value, encoded = encode(event_or_value)
        else:
            value, encoded = event_or_value, [("ce_id", b"1"), ("ce_type", b"message.received")]
        at = Partition("messages", partition)
        return self.log.land(Outgoing(topic="messages", key=b"k", value=value, headers=tuple(encoded)), at)


def received(message_id: str) -> Event:
    data = MessageReceived(
        message_id=message_id,
        interaction_id="i1",
        domain="acme.main",
        channel="chat",
        number=1,
        received_at_ms=1,
        personal={"text": "hello"},
    )
    return Event(id=message_id, source="/test", tenant_id="acme", subject="i1", time_ms=1, data=data)


def delivered() -> Event:
    data = MessageDelivered(interaction_id="i1", domain="acme.main", number=1, delivered_at_ms=1)
    return Event(id="d1", source="/test", tenant_id="acme", subject="i1", time_ms=1, data=data)


async def running(loop: ConsumerLoop, until: Callable[[], object], *, timeout_seconds: float = 100) -> None:
    """Run the loop until the condition holds, then stop it as the shell does."""
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    condition = asyncio.create_task(eventually(until, timeout_seconds=timeout_seconds))
    await asyncio.wait({task, condition}, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await task
    await condition


def test_records_are_handled_in_order_and_committed() -> None:
    world = World()
    for number in range(250):
        world.put(received(f"m{number}"))

    run_virtual(running(world.reacting(world.note), lambda: len(world.seen) == 250))

    assert world.seen == [f"m{number}" for number in range(250)]
    assert world.log.committed(GROUP)[Partition("messages", 0)] == 250


def test_a_malformed_record_goes_to_the_dead_letters_with_its_context_and_the_partition_goes_on() -> None:
    world = World()
    world.put(received("m1"))
    world.put(b'{"message_id": 5}')
    world.put(received("m2"))

    run_virtual(running(world.reacting(world.note), lambda: world.seen == ["m1", "m2"]))
    [letter] = world.log.records(DLQ)
    context = dict(letter.headers)

    assert letter.value == b'{"message_id": 5}'
    assert letter.key == b"k"
    assert letter.headers[:2] == (("ce_id", b"1"), ("ce_type", b"message.received"))
    assert (context["dlq_topic"], context["dlq_partition"], context["dlq_offset"]) == (b"messages", b"0", b"1")
    assert context["dlq_group"] == GROUP.encode()
    assert context["dlq_error"] == b"MalformedEventError"
    assert context["dlq_reason"].startswith(b"CloudEvents attribute missing")


def test_dead_letters_are_counted_from_0_so_that_an_alert_sees_the_first_one_come() -> None:
    world = World()
    counts: list[float | None] = []

    async def reject(delivery: Delivery[MessageReceived]) -> None:
        counts.append(world.dead_letters())
        raise RejectError("channel_unknown")

    world.put(received("m1"))
    run_virtual(running(world.reacting(reject), lambda: world.log.records(DLQ)))
    counts.append(world.dead_letters())

    assert counts == [0, 1]


def test_a_rejected_record_is_parked_at_once_with_its_reason() -> None:
    world = World()
    world.put(received("m1"))

    async def reject(delivery: Delivery[MessageReceived]) -> None:
        await world.note(delivery)
        raise RejectError("channel_unknown")

    run_virtual(running(world.reacting(reject), lambda: world.log.records(DLQ)))

    assert len(world.tried) == 1
    assert dict(world.log.records(DLQ)[0].headers)["dlq_reason"] == b"channel_unknown"


def test_a_bug_is_tried_a_few_times_with_pauses_and_then_parked_without_its_message() -> None:
    world = World()
    world.put(received("m1"))
    world.put(received("m2"))

    async def break_on_first(delivery: Delivery[MessageReceived]) -> None:
        await world.note(delivery)
        if delivery.data.message_id == "m1":
            raise KeyError("the customer's words")

    run_virtual(running(world.reacting(break_on_first), lambda: "m2" in world.seen))
    [letter] = world.log.records(DLQ)
    pauses = [after - before for before, after in zip(world.tried, world.tried[1:-1], strict=False)]

    assert world.seen == ["m1"] * 5 + ["m2"]
    assert all(0.1 <= pause <= 10 for pause in pauses)
    assert b"words" not in b"".join(value for _, value in letter.headers)
    assert b"break_on_first" in dict(letter.headers)["dlq_reason"]


def test_each_record_has_its_own_attempts() -> None:
    """The one before it used up some of the batch's: that does not count against it."""
    world = World()
    world.put(received("m1"))
    world.put(received("m2"))

    async def break_on_the_second_for_ever(delivery: Delivery[MessageReceived]) -> None:
        await world.note(delivery)
        if delivery.data.message_id == "m2" or world.seen.count("m1") < 4:
            raise RuntimeError("a bug")

    run_virtual(running(world.reacting(break_on_the_second_for_ever), lambda: world.log.records(DLQ)))

    assert (world.seen.count("m1"), world.seen.count("m2")) == (4, 5)
    assert dict(world.log.records(DLQ)[0].headers)["dlq_offset"] == b"1"


def test_a_backend_that_is_away_is_waited_for_and_nothing_is_parked() -> None:
    world = World()
    world.put(received("m1"))
    world.put(received("m2"))

    async def away_for_an_hour(delivery: Delivery[MessageReceived]) -> None:
        if asyncio.get_running_loop().time() < 3600:
            raise RetryLaterError("redis is away")
        await world.note(delivery)

    loop = world.reacting(away_for_an_hour)
    run_virtual(running(loop, lambda: len(world.seen) == 2, timeout_seconds=5000))

    assert world.seen == ["m1", "m2"]
    assert 3600 <= world.tried[0] <= 3611
    assert world.log.records(DLQ) == []


def test_a_handler_that_hangs_is_cancelled_and_tried_again() -> None:
    world = World()
    world.put(received("m1"))

    async def hang_once(delivery: Delivery[MessageReceived]) -> None:
        await world.note(delivery)
        if len(world.seen) == 1:
            await asyncio.Event().wait()

    run_virtual(running(world.reacting(hang_once), lambda: len(world.seen) == 2))

    assert world.tried[1] - world.tried[0] == pytest.approx(30, abs=1)


def test_types_that_nobody_reacts_to_are_passed_over_even_unknown_ones() -> None:
    world = World()
    world.put(delivered())
    headers = (("ce_id", b"1"), ("ce_type", b"message.invented"))
    world.log.land(Outgoing(topic="messages", key=b"k", value=b"?", headers=headers), Partition("messages", 0))
    world.put(received("m1"))

    run_virtual(running(world.reacting(world.note), lambda: world.seen == ["m1"]))

    assert world.log.records(DLQ) == []
    assert world.log.committed(GROUP)[Partition("messages", 0)] == 3


def test_one_partition_that_waits_does_not_hold_up_another() -> None:
    world = World()
    world.put(received("stuck"), partition=0)
    world.put(received("free"), partition=1)

    async def handle(delivery: Delivery[MessageReceived]) -> None:
        if delivery.data.message_id == "stuck":
            raise RetryLaterError
        await world.note(delivery)

    run_virtual(running(world.reacting(handle), lambda: world.seen == ["free"]))

    assert Partition("messages", 0) not in world.log.committed(GROUP)


class Kept:
    """A processor that keeps its position with its state, like one on PostgreSQL."""

    def __init__(self, start: int | None) -> None:
        self.start = start
        self.offsets: list[int] = []

    async def starts_at(self, partition: Partition) -> int | None:
        if asyncio.get_running_loop().time() < 5:
            raise RetryLaterError("the database starts")
        return self.start if partition.number == 0 else None

    async def process(self, records: Sequence[Record]) -> None:
        self.offsets += [record.offset for record in records]

    async def skip(self, record: Record) -> None:
        raise AssertionError("nothing is parked here")


def test_a_position_kept_with_the_state_wins_over_the_committed_one_even_when_it_is_known_late() -> None:
    world, kept = World(), Kept(start=3)
    for number in range(6):
        world.put(received(f"m{number}"))

    run_virtual(running(world.loop(kept), lambda: 5 in kept.offsets))

    assert kept.offsets == [3, 4, 5]


def test_a_position_kept_with_the_state_is_committed_even_when_nothing_comes_after_it() -> None:
    """Whoever died between keeping and committing left a lag behind that only this ends."""
    world, kept, partition = World(), Kept(start=3), Partition("messages", 0)
    for number in range(3):
        world.put(received(f"m{number}"))

    run_virtual(running(world.loop(kept), lambda: world.log.committed(GROUP).get(partition) == 3))

    assert kept.offsets == []


def test_a_commit_that_was_refused_comes_again_though_nothing_new_was_read() -> None:
    world, partition = World(), Partition("messages", 0)
    world.log._groups[GROUP].refusals = 2
    world.put(received("m1"))

    run_virtual(running(world.reacting(world.note), lambda: world.log.committed(GROUP).get(partition) == 1))

    assert world.seen == ["m1"]
    assert world.log._groups[GROUP].refusals == 0


def test_what_is_committed_is_not_committed_again() -> None:
    world = World()
    world.put(received("m1"))

    async def story() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(world.reacting(world.note).run(stop))
        await asyncio.sleep(60)
        stop.set()
        await task

    run_virtual(story())

    assert world.log._groups[GROUP].commits == 1


def test_more_records_than_are_queued_may_come_while_the_position_is_not_known_yet() -> None:
    world, kept = World(), Kept(start=3)
    for number in range(1200):
        world.put(received(f"m{number}"))

    run_virtual(running(world.loop(kept), lambda: 1199 in kept.offsets))

    assert kept.offsets == list(range(3, 1200))


def test_losing_a_partition_finishes_the_batch_in_flight_and_drops_what_is_queued() -> None:
    world = World()
    for number in range(300):
        world.put(received(f"m{number}"))
    begun = asyncio.Event()

    async def slow(delivery: Delivery[MessageReceived]) -> None:
        begun.set()
        await asyncio.sleep(0.1)
        await world.note(delivery)

    async def story() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(world.reacting(slow).run(stop))
        await begun.wait()
        stop.set()
        await task

    run_virtual(story())

    assert world.seen == [f"m{number}" for number in range(100)]
    assert world.log.committed(GROUP)[Partition("messages", 0)] == 100


def test_two_members_share_the_work_and_nothing_is_missed_when_one_leaves() -> None:
    world = World()

    async def story() -> None:
        stops = [asyncio.Event(), asyncio.Event()]
        tasks = [asyncio.create_task(world.reacting(world.note).run(stop)) for stop in stops]
        for number in range(100):
            world.put(received(f"m{number}"), partition=number % 2)
            await asyncio.sleep(0.05)
            if number == 50:
                stops[0].set()
        await eventually(lambda: len(set(world.seen)) == 100, timeout_seconds=60)
        stops[1].set()
        await asyncio.gather(*tasks)

    run_virtual(story())

    assert len(set(world.seen)) == 100


def test_a_dead_letter_that_cannot_be_written_yet_is_written_later() -> None:
    world = World()
    world.log.faults = Faults(lost=1.0)
    world.put(b"not an event")
    world.put(received("m1"))

    async def story() -> None:
        asyncio.get_running_loop().call_later(60, setattr, world.log, "faults", Faults())
        await running(world.reacting(world.note), lambda: world.seen, timeout_seconds=300)

    run_virtual(story())

    assert world.log.records(DLQ)[-1].value == b"not an event"
    assert world.seen == ["m1"]


def test_records_that_are_there_but_never_read_are_trouble() -> None:
    world = World()
    loop = world.reacting(world.note)

    async def story() -> tuple[str | None, str | None]:
        stop = asyncio.Event()
        task = asyncio.create_task(loop.run(stop))
        world.put(received("m1"))
        await eventually(lambda: world.seen)
        healthy = loop.trouble()
        member = world.log._groups[GROUP]._members[0]
        member.pause(Partition("messages", 0))
        world.put(received("m2"))
        await asyncio.sleep(200)
        stuck = loop.trouble()
        stop.set()
        await task
        return healthy, stuck

    healthy, stuck = run_virtual(story())

    assert healthy is None
    assert stuck == "messages[0] has records that are not read"


def test_records_that_were_there_from_the_beginning_but_never_read_are_trouble_and_lag() -> None:
    world = World()
    loop = world.reacting(world.note)

    async def story() -> str | None:
        stop = asyncio.Event()
        task = asyncio.create_task(loop.run(stop))
        await eventually(lambda: any(member.owned for member in world.log._groups[GROUP]._members))
        world.log._groups[GROUP]._members[0].pause(Partition("messages", 0))
        world.put(received("m1"))
        await asyncio.sleep(200)
        stuck = loop.trouble()
        stop.set()
        await task
        return stuck

    stuck = run_virtual(story())

    assert stuck == "messages[0] has records that are not read"
    assert world.telemetry.lag_records.labels(GROUP, "messages", 0)._value.get() == 1


def test_a_loop_that_does_not_turn_is_trouble() -> None:
    world = World()
    loop = world.reacting(world.note)

    async def story() -> str | None:
        task = asyncio.create_task(loop.run(asyncio.Event()))
        await asyncio.sleep(1)
        task.cancel()  # stands for a read that never returns
        await asyncio.wait({task})
        await asyncio.sleep(61)
        return loop.trouble()

    assert run_virtual(story()) == "the consumer loop does not turn"


class Away(MemoryLog):
    """A log whose brokers are away for the first hour."""

    @asynccontextmanager
    @override
    async def group(self, group: str, topics: Sequence[str], member: GroupMember) -> AsyncGenerator[GroupReader]:
        if asyncio.get_running_loop().time() < 3600:
            raise LogAwayError
        async with super().group(group, topics, member) as reader:
            yield reader


def test_brokers_that_are_away_for_an_hour_are_waited_for_and_no_trouble_of_this_process() -> None:
    world = World(log=Away({"messages": 1}))
    loop = world.reacting(world.note)
    world.put(received("m1"))

    async def story() -> list[str | None]:
        stop = asyncio.Event()
        task = asyncio.create_task(loop.run(stop))
        troubles = []
        for _ in range(61):
            await asyncio.sleep(60)
            troubles.append(loop.trouble())
        stop.set()
        await task
        return troubles

    assert run_virtual(story()) == [None] * 61
    assert world.seen == ["m1"]


def test_a_loop_that_is_cut_short_commits_nothing_that_is_not_done() -> None:
    world = World()
    world.put(received("m1"))
    begun = asyncio.Event()

    async def hang(delivery: Delivery[MessageReceived]) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def story() -> float:
        task = asyncio.create_task(world.reacting(hang).run(asyncio.Event()))
        await begun.wait()
        task.cancel()
        await asyncio.wait({task})
        return asyncio.get_running_loop().time()

    assert run_virtual(story()) < 1
    assert world.log.committed(GROUP) == {}


def test_a_handler_registered_twice_is_refused() -> None:
    world = World()

    with pytest.raises(ValueError, match="handler already"):
        Reactions().on(MessageReceived, world.note).on(MessageReceived, world.note)


def test_what_handlers_return_is_applied_a_batch_at_once_and_one_that_cannot_be_is_put_aside() -> None:
    world, applied = World(), list[list[str]]()

    async def say(delivery: Delivery[MessageReceived]) -> str | None:
        world.seen.append(delivery.data.message_id)
        return None if delivery.data.message_id == "m1" else delivery.data.message_id

    async def apply(said: Sequence[str]) -> None:
        applied.append(list(said))
        if "m3" in said:
            raise RejectError("m3")

    reactions = Reactions().on(MessageReceived, say)
    loop = world.loop(ReactionsProcessor(reactions, world.telemetry, apply))
    for number in range(6):
        world.put(received(f"m{number}"))
    run_virtual(running(loop, lambda: applied[-1:] == [["m4", "m5"]]))

    assert applied[:4] == [["m0", "m2", "m3", "m4", "m5"], ["m0"], ["m2"], ["m3"]]
    [letter] = world.log.records(DLQ)
    assert (dict(letter.headers)["ce_id"], dict(letter.headers)["dlq_reason"]) == (b"m3", b"m3")


def test_what_was_returned_before_a_handler_fails_is_applied() -> None:
    world, applied = World(), list[list[str]]()

    async def say(delivery: Delivery[MessageReceived]) -> str:
        if delivery.data.message_id == "m2":
            raise RejectError("unwanted")
        return delivery.data.message_id

    async def apply(said: Sequence[str]) -> None:
        applied.append(list(said))

    reactions = Reactions().on(MessageReceived, say)
    loop = world.loop(ReactionsProcessor(reactions, world.telemetry, apply))
    for number in range(4):
        world.put(received(f"m{number}"))
    run_virtual(running(loop, lambda: len(applied) == 2))

    assert applied == [["m0", "m1"], ["m3"]]
    assert len(world.log.records(DLQ)) == 1
