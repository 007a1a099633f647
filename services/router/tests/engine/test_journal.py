"""The fold rule: which batches of a journal count."""

from collections.abc import Sequence

import pytest
from contracts.tasks import TaskQueued
from contracts.topics import ROUTING_JOURNAL
from router.domain import internal
from router.domain.facts import INTERNAL, Fact
from router.domain.internal import InteractionParked
from router.engine.errors import JournalDamagedError
from router.engine.journal import BatchRecord, EpochRecord, JournalFold, confirmed, journaled, to_append
from router.engine.traces import Traces
from servicekit.ports import Record


def records(*entries: EpochRecord | BatchRecord) -> list[Record]:
    return [
        Record(
            topic=ROUTING_JOURNAL.name,
            partition=0,
            offset=offset,
            key=None,
            value=to_append(0, entry).value,
            headers=(),
            timestamp_ms=0,
        )
        for offset, entry in enumerate(entries)
    ]


def epoch(owner: str, generation: int = 1) -> EpochRecord:
    return EpochRecord(owner=owner, nonce=f"nonce-{owner}", generation=generation)


def parked(interaction_id: str) -> Fact:
    return Fact(
        "acme",
        InteractionParked(
            interaction_id=interaction_id,
            domain="acme.main",
            client="acme",
            channel="webchat",
            address="web",
            queue_hint=None,
            request_id=None,
            asked_at_ms=5,
        ),
    )


def batch(of_epoch: int, number: int, *names: str, published: int = 0) -> BatchRecord:
    facts = [parked(name) for name in names]
    return BatchRecord(
        epoch=of_epoch,
        number=number,
        causes=(("interactions", 0, number * 10),),
        now=1000 + number,
        facts=tuple(journaled(facts)),
        origins=((len(facts), None, None),),
        published=published,
    )


def folded(journal: Sequence[Record]) -> tuple[JournalFold, list[bool]]:
    fold = JournalFold()
    return fold, [fold.apply(record) for record in journal]


def waiting(fold: JournalFold) -> list[str]:
    return sorted(fold.state.domains["acme/acme.main"].parked) if fold.state.domains else []


def test_batches_in_order_count_and_say_where_to_read_on() -> None:
    fold, counted = folded(records(epoch("a"), batch(0, 1, "x"), batch(0, 2, "y")))

    assert counted == [True, True, True]
    assert waiting(fold) == ["x", "y"]
    assert fold.next_inputs == {("interactions", 0): 20}
    assert (fold.epoch, fold.number, fold.next_offset, fold.now_ms) == (0, 2, 3, 1002)


def test_a_batch_of_an_old_epoch_is_void() -> None:
    fold, counted = folded(records(epoch("a"), batch(0, 1, "x"), epoch("b"), batch(0, 2, "zombie"), batch(2, 1, "y")))

    assert counted == [True, True, True, False, True]
    assert waiting(fold) == ["x", "y"]
    assert fold.void == 1


def test_a_batch_whose_predecessor_was_lost_is_void_and_so_are_all_after_it() -> None:
    fold, counted = folded(records(epoch("a"), batch(0, 2, "y"), batch(0, 3, "z")))

    assert counted == [True, False, False]
    assert waiting(fold) == []


def test_a_doubled_batch_counts_once() -> None:
    fold, counted = folded(records(epoch("a"), batch(0, 1, "x"), batch(0, 1, "x"), batch(0, 2, "y")))

    assert counted == [True, True, False, True]
    assert fold.number == 2


def test_an_overtaken_batch_is_void() -> None:
    _, counted = folded(records(epoch("a"), batch(0, 2, "y"), batch(0, 1, "x"), batch(0, 3, "z")))

    assert counted == [True, False, True, False]


def test_a_doubled_epoch_record_voids_what_follows_under_the_first() -> None:
    _, counted = folded(records(epoch("a"), epoch("a"), batch(0, 1, "x")))

    assert counted == [True, True, False]


def test_a_void_batch_moves_no_input_position() -> None:
    fold, _ = folded(records(epoch("a"), epoch("b"), batch(0, 1, "x")))

    assert fold.next_inputs == {}


def test_batches_from_the_watermark_on_are_to_be_published_again() -> None:
    fold, _ = folded(records(epoch("a"), batch(0, 1, "x"), batch(0, 2, "y"), batch(0, 3, "z", published=2)))

    assert [each.offset for each in fold.unpublished] == [2, 3]
    assert fold.watermark == 2


def test_sequences_count_public_facts_and_order_as_text() -> None:
    queued = Fact(
        "acme",
        TaskQueued(
            task_id="t",
            interaction_id="i",
            domain="d",
            client="c",
            channel="webchat",
            queue="q",
            priority=5,
            cost=1,
            requirements=(),
            queued_at_ms=1,
        ),
    )
    facts = [parked("x"), queued, queued]
    record = BatchRecord(
        epoch=0,
        number=1,
        causes=(),
        now=99,
        facts=tuple(journaled(facts)),
        origins=((1, "e1", None), (2, "e2", "trace")),
        published=0,
    )
    out = confirmed(facts, record, Traces(), 3, 12)

    assert [event.sequence for event in out.events] == ["0003-000000000000012-00000", "0003-000000000000012-00001"]
    assert {(event.causation_id, event.traceparent) for event in out.events} == {("e2", "trace")}


def test_a_record_that_is_no_journal_record_is_damage() -> None:
    [record] = records(epoch("a"))
    damaged = Record(
        topic=record.topic, partition=0, offset=7, key=None, value=b'{"kind":"x"}', headers=(), timestamp_ms=0
    )

    with pytest.raises(JournalDamagedError, match="@7"):
        JournalFold().apply(damaged)


def test_every_internal_fact_has_a_name_in_the_journal() -> None:
    made = {
        value for value in vars(internal).values() if isinstance(value, type) and value.__module__ == internal.__name__
    }

    assert made == set(INTERNAL.values())
