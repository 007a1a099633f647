"""Agents split conversations and join them: fenced by their assignment, all in one transaction."""

from collections.abc import Sequence
from typing import Protocol
from uuid import NAMESPACE_URL, uuid5

from contracts.commands import JoinInteraction, SplitInteraction
from servicekit.ports import Clock
from servicekit.reactions import Delivery

from gatewaykit.domain import moving
from gatewaykit.domain.composing import Refusal
from gatewaykit.domain.moving import Movement
from gatewaykit.domain.records import Change, Conversation, Message
from gatewaykit.fence import CHANNEL_AWAY, Fenced, why_refused
from gatewaykit.keep import keep
from gatewaykit.writing import Tx, Tx_contra


class Index(Protocol[Tx_contra]):
    """What else a gateway keeps by interaction and counterpart."""

    async def moved(self, tx: Tx_contra, movement: Movement) -> None:
        """These messages are the other conversation's now."""
        ...

    async def joined(self, tx: Tx_contra, movement: Movement) -> None:
        """So is whatever comes to the one that was left: who answers in it goes on in the other."""
        ...


class Moves(Fenced[Tx]):
    """For channels with several conversations of one customer at an address.

    Both raise RetryLaterError for at most 5 s while routing events are not read as far as the agent had seen.
    """

    def __init__(self, clock: Clock, index: Index[Tx]) -> None:
        super().__init__(clock)
        self._index = index

    async def split(self, tx: Tx, delivery: Delivery[SplitInteraction]) -> None:
        """Make messages a conversation of their own, or say why not."""
        command, tenant_id, now_ms = delivery.data, delivery.event.tenant_id, self.clock.now_ms()
        conversation, allowed = await self.fenced(tx, tenant_id, command, command.request_id, now_ms)
        if not await self.first_time(tx, tenant_id, "interaction.split", command.request_id):
            return
        if conversation is None or not allowed:
            refusal: Refusal | None = why_refused(conversation, command)
        elif conversation.counterpart is None:
            refusal = CHANNEL_AWAY
        else:
            refusal = await self._split(tx, conversation, delivery, now_ms)
        if refusal:
            await self.refuse(tx, tenant_id, command, refusal, delivery.event.id, now_ms)

    async def join(self, tx: Tx, delivery: Delivery[JoinInteraction]) -> None:
        """Put what was said in another conversation into this one, or say why not. Who joins two the other way round at
        once waits: both lock the smaller id first."""
        command, tenant_id, now_ms = delivery.data, delivery.event.tenant_id, self.clock.now_ms()
        for each in sorted((command.interaction_id, command.joined_interaction_id)):
            await tx.lock_conversation(tenant_id, each)
        conversation, allowed = await self.fenced(tx, tenant_id, command, command.request_id, now_ms)
        if not await self.first_time(tx, tenant_id, "interaction.join", command.request_id):
            return
        if conversation is None or not allowed:
            refusal: Refusal | None = why_refused(conversation, command)
        elif conversation.counterpart is None:
            refusal = CHANNEL_AWAY
        else:
            refusal = await self._join(tx, conversation, delivery, now_ms)
        if refusal:
            await self.refuse(tx, tenant_id, command, refusal, delivery.event.id, now_ms)

    async def _split(
        self, tx: Tx, before: Conversation, delivery: Delivery[SplitInteraction], now_ms: int
    ) -> Refusal | None:
        name = f"interaction:{before.tenant_id}/split/{delivery.data.request_id}"
        found = moving.split(
            before,
            await _messages(tx, before),
            delivery.data,
            interaction_id=uuid5(NAMESPACE_URL, name).hex,
            now_ms=now_ms,
        )
        if isinstance(found, Refusal):
            return found
        await tx.open_conversation(found.to)
        await tx.move_messages(found.messages)
        await self._index.moved(tx, found)
        await keep(tx, before, Change(found.left, found.announce), now_ms, causation_id=delivery.event.id)
        return None

    async def _join(
        self, tx: Tx, before: Conversation, delivery: Delivery[JoinInteraction], now_ms: int
    ) -> Refusal | None:
        other = await tx.lock_conversation(before.tenant_id, delivery.data.joined_interaction_id)
        messages = await _messages(tx, other) if other else []
        found = moving.join(before, other, messages, delivery.data, now_ms=now_ms)
        if isinstance(found, Refusal) or other is None:
            return found if isinstance(found, Refusal) else None
        await keep(tx, before, Change(found.to), now_ms)
        await tx.move_messages(found.messages)
        await self._index.moved(tx, found)
        await keep(tx, other, Change(found.left, found.announce), now_ms, causation_id=delivery.event.id)
        left, to = found.left.counterpart, found.to.counterpart
        if left is not None and to is not None:
            await tx.join_counterparts(before.tenant_id, before.address, left, to)
        await self._index.joined(tx, found)
        return None


async def _messages(tx: Tx, conversation: Conversation) -> Sequence[Message]:
    found: list[Message] = []
    while some := await tx.messages_after(
        conversation.tenant_id, conversation.interaction_id, found[-1].number if found else 0
    ):
        found += some
    return found
