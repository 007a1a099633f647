"""Moving messages between conversations, as far as the stores have no part in it."""

from dataclasses import replace

import pytest
from contracts.commands import JoinInteraction, SplitInteraction
from contracts.written import MessagesMoved
from gatewaykit.domain.composing import Refusal
from gatewaykit.domain.moving import MOVED_MAX, Movement, join, split
from gatewaykit.domain.records import Message, Seat
from gatewaykit.testing.conversation_laws import WRITTEN, message
from servicekit.testing.set_clock import NOW_MS

FENCE = {
    "request_id": "r1",
    "interaction_id": "i1",
    "domain": "acme.main",
    "agent_id": "gia",
    "assignment_id": "a1",
    "assignment_sequence": "1",
    "requested_at_ms": NOW_MS,
}
BEFORE = replace(WRITTEN, state="assigned", last_number=7, customer_number=7, customer_message_id="i1-7")
OTHER = replace(WRITTEN, interaction_id="i2", counterpart="other", last_number=3, customer_number=2)
SAID = [message(number) for number in (1, 4, 7)]
ELSEWHERE = [message(number, interaction_id="i2") for number in (1, 2, 3)]


def joined(other: object = OTHER, messages: list[Message] | None = None) -> Movement | Refusal:
    command = JoinInteraction(joined_interaction_id="i2", **FENCE)  # type: ignore[arg-type]  # of many types
    return join(BEFORE, other, ELSEWHERE if messages is None else messages, command, now_ms=NOW_MS)  # type: ignore[arg-type]  # of a parameter


def parted(*names: str, messages: list[Message] | None = None) -> Movement | Refusal:
    command = SplitInteraction(message_ids=names, **FENCE)  # type: ignore[arg-type]  # of many types
    return split(BEFORE, SAID if messages is None else messages, command, interaction_id="i9", now_ms=NOW_MS - 50)


def test_one_event_tells_of_so_many_messages_and_no_more() -> None:
    found = joined(messages=[message(number, interaction_id="i2") for number in range(1, MOVED_MAX + 2)])

    assert isinstance(found, Movement)
    told = [each for each in found.announce if isinstance(each, MessagesMoved)]
    assert [[len(each.moved), each.moved[0].number] for each in told] == [[MOVED_MAX, 8], [1, MOVED_MAX + 8]]
    assert found.to.last_number == MOVED_MAX + 8


def test_what_was_said_aside_calls_nobody_afterwards_either() -> None:
    found = joined()

    assert isinstance(found, Movement)
    assert (found.to.customer_number, found.to.customer_message_id, found.to.last_number) == (9, "i2-2", 10)


def test_moves_are_later_than_what_was_before_whatever_the_clock_says() -> None:
    found = parted("i1-4", "i1-4", "i1-7")

    assert isinstance(found, Movement)
    assert [(each.message_id, each.number) for each in found.messages] == [("i1-4", 1), ("i1-7", 2)]
    assert found.left.active_at_ms == found.to.active_at_ms == BEFORE.active_at_ms + 1
    assert (found.left.customer_number, found.left.customer_message_id) == (1, "i1-1")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"state": "assigned", "agent_id": "gia"}, None),
        ({"state": "assigned", "agent_id": "eve"}, "assigned_to_another"),
        ({"state": "ended"}, "interaction_ended"),
        ({"interaction_id": "i1"}, "interaction_unknown"),
        ({"address": "whatsapp:other"}, "not_the_same_address"),
        ({"domain": "acme.other"}, "not_the_same_address"),
        ({"identifiers": ()}, "not_the_same_customer"),
    ],
)
def test_who_may_join_what(change: dict[str, object], reason: str | None) -> None:
    found = joined(replace(OTHER, **change))  # type: ignore[arg-type]  # of many types

    assert (found.reason if isinstance(found, Refusal) else None) == reason


def test_nobody_joins_what_another_agent_helps_with() -> None:
    helper = Seat(assignment_id="a9", task_id="t9", agent_id="eve", agent_name=None, role="consultant")
    found = joined(replace(OTHER, helpers=(helper,)))

    assert isinstance(found, Refusal)
    assert found.reason == "assigned_to_another"


def test_our_own_words_alone_are_no_conversation() -> None:
    system = replace(message(4), sender="system")
    found = parted("i1-1", messages=[message(1), system])

    assert isinstance(found, Refusal)
    assert found.reason == "nothing_left"
