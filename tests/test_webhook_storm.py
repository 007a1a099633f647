"""The storm of deliveries: its plan, what counts as broken, and that its checker finds each thing that it looks for."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from centralino.proof.history import Stood
from contracts import Event
from contracts.interactions import InteractionStarted
from contracts.messages import MessageReceived
from servicekit.ports import Partition

from benchmarks.webhook_storm.checker import Wrote, storm_faults
from benchmarks.webhook_storm.deliveries import Writers
from benchmarks.webhook_storm.figures import Window, windows
from benchmarks.webhook_storm.plan import Blow, Size, blows, contents, turns
from benchmarks.webhook_storm.sender import Sent
from benchmarks.webhook_storm.storm import Passed, Struck, written

SIZE = Size(deliveries=400, rate=20, shuffle_seconds=3, kills=2, restarts=1, outage_seconds=2)
ANN, BEN = ("whatsapp", 1), ("whatsapp", 2)


def message(interaction: str, number: int, text: str, message_id: str | None = None) -> Event:
    name = message_id or f"{interaction}.{number}"
    data = MessageReceived(
        message_id=name,
        interaction_id=interaction,
        domain="acme.main",
        channel="whatsapp",
        number=number,
        received_at_ms=1,
        personal={"text": text},
    )
    return Event(id=name, source="/chat", tenant_id="acme", subject=interaction, time_ms=1, data=data)


def began(interaction: str, event_id: str | None = None) -> Event:
    data = InteractionStarted(
        interaction_id=interaction,
        domain="acme.main",
        client="shop",
        channel="whatsapp",
        address="whatsapp",
        started_at_ms=1,
    )
    name = event_id or f"{interaction}.started"
    return Event(id=name, source="/chat", tenant_id="acme", subject=interaction, time_ms=1, data=data)


WROTE = {
    "one": Wrote(customer=ANN, first_sent=1, acked=2),
    "two": Wrote(customer=ANN, first_sent=3, acked=4),
    "three": Wrote(customer=BEN, first_sent=1, acked=9),
    "four": Wrote(customer=BEN, first_sent=8, acked=None),
}
MESSAGES = [message("a", 1, "one"), message("a", 2, "two"), message("b", 1, "four"), message("b", 2, "three")]
STARTED = [began("a"), began("b")]


def found(messages: list[Event], started: list[Event]) -> list[str]:
    return [fault.text for fault in storm_faults(WROTE, _stood("messages", messages), _stood("interactions", started))]


def _stood(topic: str, events: list[Event]) -> list[Stood]:
    return [Stood(Partition(topic, 0), offset, event, 1) for offset, event in enumerate(events)]


def test_repeats_of_a_record_and_words_that_overtake_before_their_acknowledgement_are_sound() -> None:
    assert found([*MESSAGES, MESSAGES[0]], [*STARTED, STARTED[0]]) == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda m: [m[0], *m[2:]], "'two' was acknowledged and is lost"),
        (lambda m: [*m, message("a", 3, "two")], "'two' was told before, at messages[0]@1"),
        (lambda m: [*m, message("a", 3, "five")], "'five' was written by nobody"),
        (lambda m: [m[1], m[0], *m[2:]], "a has number 2 where 1 is next"),
        (lambda m: [message("a", 1, "two"), message("a", 2, "one"), *m[2:]], "'one' was acknowledged before"),
        (lambda m: [m[0], message("c", 1, "two"), *m[2:]], "('whatsapp', 1) has two conversations"),
        (lambda m: [m[0], message("b", 1, "two"), *m[3:]], "b has words of two customers"),
        (lambda m: [*m, replace(m[0], data=replace(m[0].data, number=7))], "message a.1 differs from its first copy"),
    ],
)
def test_the_checker_sees_what_is_wrong_with_messages(damage: Callable[[list[Event]], list[Event]], fault: str) -> None:
    assert any(text.startswith(fault) for text in found(damage(MESSAGES), STARTED))


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda s: s[:1], "has messages and never began"),
        (lambda s: [*s, began("c")], "began and has no message"),
        (lambda s: [*s, began("a", "again")], "a began twice"),
    ],
)
def test_the_checker_sees_what_is_wrong_with_conversations(
    damage: Callable[[list[Event]], list[Event]], fault: str
) -> None:
    assert found(MESSAGES, damage(STARTED)) == [fault]


def test_deliveries_are_displaced_within_the_bound_and_some_come_twice() -> None:
    planned = contents(SIZE, Random(1))
    order = turns(SIZE, planned, Random(1))

    assert len(order) == SIZE.deliveries
    assert sorted(set(order)) == list(range(len(planned)))
    assert len(order) - len(planned) == SIZE.deliveries * SIZE.duplicates
    assert {content.kind for content in planned} == {"message", "batch", "status"}
    own_turns = [number * SIZE.deliveries / len(planned) for number in order]
    displaced = [abs(turn - own) / SIZE.rate for turn, own in enumerate(own_turns)]
    assert SIZE.shuffle_seconds / 4 < max(displaced) < SIZE.shuffle_seconds


def test_a_delivery_that_comes_twice_is_the_same_to_the_byte_and_no_other_is() -> None:
    deliveries = list(Writers(SIZE).deliveries(SIZE))
    requests = [delivery.request for delivery in deliveries]

    assert len(requests) - len(set(requests)) == SIZE.deliveries * SIZE.duplicates
    sent = [Sent(due=turn, first_sent=turn, acked=turn + 1) for turn in range(len(deliveries))]
    wrote = written(deliveries, sent)
    text = next(text for text in wrote if sum(text in each.says for each in deliveries) == 2)
    first, second = (turn for turn, each in enumerate(deliveries) if text in each.says)
    assert (wrote[text].first_sent, wrote[text].acked) == (first, first + 1)
    sent[first].acked = None
    assert written(deliveries, sent)[text].acked == second + 1


def test_one_gateway_is_killed_amid_the_last_outage() -> None:
    assert blows(SIZE) == [
        Blow(10, "stop_kafka"),
        Blow(11, "kill", 0),
        Blow(12, "start_kafka"),
        Blow(15, "kill", 1),
    ]


def test_something_is_broken_until_the_gateway_acknowledges_again_and_until_all_is_published() -> None:
    sent = [
        Sent(due=1, acked=1.1, replica=0),
        Sent(due=2, acked=2.1, replica=1),
        Sent(due=4, acked=4.1, replica=0),
        Sent(due=9, acked=9.1, replica=0),
    ]
    passed = Passed(
        sent=sent,
        says=[{"one": ANN}, {"two": ANN}, {"three": ANN}, {}],
        struck=[
            Struck(Blow(2, "kill", 0), 2, 2),
            Struck(Blow(2, "stop_kafka"), 2.05, 2.2),
            Struck(Blow(3, "start_kafka"), 3, 3.5),
        ],
        published={"one": 1.2, "two": 3.8, "three": 4.2},
        faults=[],
        repeats=0,
        loads=[0, 0],
    )

    assert windows(passed) == [Window("kill", 2, 4.1), Window("kafka", 2.05, 3.8)]
    assert [any(window.holds(each) for window in windows(passed)) for each in sent] == [False, True, True, False]
