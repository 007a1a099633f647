"""Messages that come from one conversation to another: an agent splits one, or joins two of the same customer.

A message keeps its id and gets a number behind those of the conversation that it comes to; the numbers that it leaves
behind stay free. Times of moves of one message rise whatever clocks say, for who follows the events takes the latest.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from contracts.commands import JoinInteraction, SplitInteraction
from contracts.written import MessagesMoved, Moved

from gatewaykit.domain.composing import Refusal
from gatewaykit.domain.decisions import ended, started
from gatewaykit.domain.records import QUIET_CHECK_MS, Announced, Conversation, Message, Opening

JOINED: Final = "joined"
"""Cause of the end of a conversation whose messages are another's."""
MOVED_MAX: Final = 200
"""So many messages one event tells of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Both conversations and the messages as they are afterwards, and what to announce in this order."""

    left: Conversation
    to: Conversation
    messages: tuple[Message, ...]
    announce: tuple[Announced, ...]


def split(
    before: Conversation, messages: Sequence[Message], command: SplitInteraction, *, interaction_id: str, now_ms: int
) -> Movement | Refusal:
    """The named of all its messages begin a conversation of the same customer, which asks for an agent: its own
    counterpart, so that what answers them goes on there."""
    wanted = set(command.message_ids)
    leaving = [each for each in messages if each.message_id in wanted]
    staying = [each for each in messages if each.message_id not in wanted]
    if len(leaving) != len(wanted):
        return Refusal("message_unknown", "A message to split off is not of this conversation.")
    if all(each.sender == "system" for each in staying):
        return Refusal("nothing_left", "Nothing would be left of the conversation.")
    at_ms = max(now_ms, before.active_at_ms + 1)
    moved = _renumbered(leaving, interaction_id, 0)
    begun = _begun(before, moved, interaction_id, at_ms)
    said = next((each.text for each in moved if each.sender == "customer"), moved[0].text)
    opening = Opening(
        identifiers=[asdict(each) for each in before.identifiers],
        queue=before.queue_hint,
        attributes={"split_from": before.interaction_id},
    )
    left = replace(before, active_at_ms=at_ms)
    if before.customer_message_id in wanted:
        last = _last_of_customer(staying, before.customer_number)
        left = replace(
            left,
            customer_number=last.number if last else 0,
            customer_message_id=last.message_id if last else before.customer_message_id,
        )
    told = _told(left, begun, moved, command, at_ms, reason="split")
    return Movement(left=left, to=begun, messages=moved, announce=(started(begun, opening, said, at_ms), *told))


def join(
    before: Conversation,
    other: Conversation | None,
    messages: Sequence[Message],
    command: JoinInteraction,
    *,
    now_ms: int,
) -> Movement | Refusal:
    """All that was said in the other one, its `messages`, goes on in this one; the other ends. It must be of the same
    customer at the same address, and nobody's but the agent's."""
    why_not = _why_not(before, other, command)
    if why_not or other is None:
        return why_not or Refusal("interaction_unknown", "There is no such conversation to join.")
    at_ms = max(now_ms, before.active_at_ms + 1, other.active_at_ms + 1)
    moved = _renumbered(messages, before.interaction_id, before.last_number)
    last = _last_of_customer(messages, other.customer_number)
    after = replace(before, last_number=before.last_number + len(moved), active_at_ms=at_ms)
    if last:
        number = next(each.number for each in moved if each.message_id == last.message_id)
        after = replace(after, customer_number=number, customer_message_id=last.message_id)
    told = _told(other, after, moved, command, at_ms, reason="joined")
    over = ended(replace(other, active_at_ms=at_ms), "agent_closed", at_ms, cause=JOINED)
    return Movement(left=over.conversation, to=after, messages=moved, announce=(*told, *over.announce))


def _why_not(before: Conversation, other: Conversation | None, command: JoinInteraction) -> Refusal | None:
    if other is None or other.interaction_id == before.interaction_id:
        return Refusal("interaction_unknown", "There is no such conversation to join.")
    if other.state == "ended":
        return Refusal("interaction_ended", "The conversation to join is over.")
    if (other.domain, other.address) != (before.domain, before.address) or other.counterpart is None:
        return Refusal("not_the_same_address", "The customer wrote to another address of ours there.")
    known = {(each.type, each.value) for each in before.identifiers}
    if known.isdisjoint((each.type, each.value) for each in other.identifiers):
        return Refusal("not_the_same_customer", "Somebody else wrote the conversation to join.")
    agents = {other.agent_id, *(seat.agent_id for seat in other.helpers)} - {None}
    if agents - {command.agent_id}:
        return Refusal("assigned_to_another", "Another agent has the conversation to join.")
    return None


def _begun(before: Conversation, moved: Sequence[Message], interaction_id: str, at_ms: int) -> Conversation:
    last = _last_of_customer(moved, len(moved))
    return Conversation(
        tenant_id=before.tenant_id,
        interaction_id=interaction_id,
        channel=before.channel,
        address=before.address,
        client=before.client,
        domain=before.domain,
        partition=before.partition,
        queue_hint=before.queue_hint,
        idle_close_seconds=before.idle_close_seconds,
        abandon_seconds=before.abandon_seconds,
        idle_release_seconds=before.idle_release_seconds,
        state="waiting",
        active_at_ms=at_ms,
        check_at_ms=at_ms + min(QUIET_CHECK_MS, before.idle_close_seconds * 1000),
        last_number=len(moved),
        customer_number=last.number if last else 0,
        customer_message_id=(last or moved[-1]).message_id,
        counterpart=f"split:{interaction_id}",
        identifiers=before.identifiers,
        subject=before.subject,
        reopen_seconds=before.reopen_seconds,
        reply_window=before.reply_window,
    )


def _renumbered(messages: Sequence[Message], interaction_id: str, behind: int) -> tuple[Message, ...]:
    ordered = sorted(messages, key=lambda each: each.number)
    return tuple(
        replace(each, interaction_id=interaction_id, number=behind + place + 1) for place, each in enumerate(ordered)
    )


def _last_of_customer(messages: Sequence[Message], up_to_number: int) -> Message | None:
    """What is said aside has greater numbers than the last that calls somebody."""
    found = [each for each in messages if each.sender == "customer" and each.number <= up_to_number]
    return max(found, key=lambda each: each.number, default=None)


def _told(  # what is told, each by name
    left: Conversation,
    to: Conversation,
    moved: Sequence[Message],
    command: SplitInteraction | JoinInteraction,
    at_ms: int,
    *,
    reason: Literal["split", "joined"],
) -> tuple[MessagesMoved, ...]:
    return tuple(
        MessagesMoved(
            interaction_id=left.interaction_id,
            to_interaction_id=to.interaction_id,
            domain=to.domain,
            moved=tuple(Moved(message_id=each.message_id, number=each.number) for each in some),
            reason=reason,
            agent_id=command.agent_id,
            moved_at_ms=at_ms,
        )
        for some in _some_at_once(moved)
    )


def _some_at_once(moved: Sequence[Message]) -> list[Sequence[Message]]:
    return [moved[first : first + MOVED_MAX] for first in range(0, len(moved), MOVED_MAX)]
