"""Batches: their bounds, their one instant, their causes."""

import asyncio

import pytest
from contracts.interactions import InteractionStarted
from contracts.topics import ROUTING_INPUTS
from msgspec import structs
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.inputs import Input, InteractionInput
from router.domain.snapshot import dump
from router.domain.state import State
from router.engine.deciding import Decide, Decider
from router.engine.errors import BatchTooLargeError, DecisionFailedError
from router.engine.inbox import Given, Inbox
from router.engine.journal import JournalFold, to_append
from servicekit.ports import Record


class SteppingClock:
    """Says what it is told, also earlier than before."""

    def __init__(self, *instants_ms: int) -> None:
        self._instants_ms = list(instants_ms)

    def now_ms(self) -> int:
        return self._instants_ms.pop(0) if len(self._instants_ms) > 1 else self._instants_ms[0]

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def arrival(number: int, *, size: int = 0) -> Given:
    data = InteractionStarted(
        interaction_id=f"i{number}{'x' * size}",
        domain="d",
        client="c",
        channel="webchat",
        address="a",
        started_at_ms=number,
    )
    return Given(input=InteractionInput("acme", data), cause=("interactions", 0, number + 1), event_id=f"e{number}")


def inbox_of(*given: Given) -> Inbox:
    inbox = Inbox()
    for each in given:
        inbox.put_nowait(each)
    return inbox


def decider(*instants_ms: int, decide_input: Decide = decide) -> Decider:
    fold = JournalFold(epoch=7, generation=2, next_offset=8, now_ms=1000)
    return Decider(fold, SteppingClock(*instants_ms), watermark=lambda: 5, decide=decide_input)


async def test_a_batch_takes_a_bounded_number_of_inputs() -> None:
    deciding = decider(2000)
    inbox = inbox_of(*(arrival(number) for number in range(450)))

    sizes = []
    while not inbox.empty():
        batch = await deciding.next_batch(inbox)
        assert batch is not None
        sizes.append(len(batch.record.facts))

    assert sizes == [200, 200, 50]


async def test_a_batch_of_large_effects_is_closed_early() -> None:
    deciding = decider(2000)
    inbox = inbox_of(*(arrival(number, size=3000) for number in range(150)))

    batch = await deciding.next_batch(inbox)

    assert batch is not None
    assert len(batch.record.facts) < 60
    assert len(to_append(0, batch.record).value or b"") < 512 * 1024


async def test_an_effect_that_fits_no_record_ends_the_epoch() -> None:
    with pytest.raises(BatchTooLargeError):
        await decider(2000).next_batch(inbox_of(arrival(1, size=600_000)))


async def test_what_is_said_about_the_inputs_counts_towards_the_bound_too() -> None:
    deciding = decider(2000)
    named = [structs.replace(arrival(number), event_id="e" * 3000) for number in range(150)]

    batch = await deciding.next_batch(inbox_of(*named))

    assert batch is not None
    assert len(batch.record.facts) < 60


async def test_a_batch_names_for_each_topic_where_to_read_on() -> None:
    deciding = decider(2000)
    inbox = inbox_of(arrival(1), Given(cause=(ROUTING_INPUTS.name, 0, 9)), arrival(2))

    batch = await deciding.next_batch(inbox)

    assert batch is not None
    assert set(batch.record.causes) == {("interactions", 0, 3), (ROUTING_INPUTS.name, 0, 9)}
    assert (batch.record.epoch, batch.record.number, batch.record.published) == (7, 1, 5)
    assert batch.confirmed.offset == 8


async def test_positions_of_inputs_without_effect_go_with_the_next_batch() -> None:
    deciding = decider(2000)

    assert await deciding.next_batch(inbox_of(Given(cause=(ROUTING_INPUTS.name, 0, 9)))) is None
    batch = await deciding.next_batch(inbox_of(arrival(1)))

    assert batch is not None
    assert (ROUTING_INPUTS.name, 0, 9) in batch.record.causes


async def test_positions_alone_make_a_batch_once_there_are_many() -> None:
    deciding = decider(2000)
    inbox = inbox_of(*(Given(cause=(ROUTING_INPUTS.name, 0, number)) for number in range(201)))

    batch = await deciding.next_batch(inbox)

    assert batch is not None
    assert batch.record.causes == ((ROUTING_INPUTS.name, 0, 199),)


async def test_the_journals_clock_never_steps_back() -> None:
    deciding = decider(3000, 3000, 500)

    instants = []
    for number in range(3):
        batch = await deciding.next_batch(inbox_of(arrival(number)))
        assert batch is not None
        instants.append(batch.record.now)

    assert instants == sorted(instants)
    assert instants[0] >= 1000


async def test_folding_the_batches_gives_the_live_state() -> None:
    deciding = decider(2000)
    inbox = inbox_of(*(arrival(number) for number in range(250)))
    fold = JournalFold(epoch=7, generation=2, next_offset=8)
    for offset in (8, 9):
        batch = await deciding.next_batch(inbox)
        assert batch is not None
        value = to_append(0, batch.record).value
        fold.apply(Record(topic="j", partition=0, offset=offset, key=None, value=value, headers=(), timestamp_ms=0))

    assert dump(fold.state) == dump(deciding.state)


async def test_a_bug_in_deciding_names_the_record() -> None:
    def buggy(state: State, given: Input, now_ms: int) -> list[Fact]:
        raise ZeroDivisionError

    record = Record(topic="interactions", partition=0, offset=3, key=None, value=b"", headers=(), timestamp_ms=0)

    with pytest.raises(DecisionFailedError, match=r"interactions\[0\]@3"):
        await decider(2000, decide_input=buggy).next_batch(inbox_of(structs.replace(arrival(1), record=record)))
