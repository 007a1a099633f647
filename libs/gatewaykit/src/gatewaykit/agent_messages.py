"""What agents say: fenced by their assignment, it becomes a message of the conversation."""

from typing import Final

from contracts.commands import AddNote, ResendMessage, SendMessage
from servicekit.ports import Clock
from servicekit.reactions import Delivery

from gatewaykit.domain import decisions
from gatewaykit.domain.composing import Refusal
from gatewaykit.domain.records import Conversation
from gatewaykit.fence import CHANNEL_AWAY, Fenced, why_refused
from gatewaykit.keep import keep
from gatewaykit.writing import Tx, Writing

TEXT_MAX: Final = 4000
ID_TAKEN: Final = Refusal("message_id_taken", "Another message has this id: give each one of its own.")
TEXT_INVALID: Final = Refusal("text_invalid", f"A message has 1 to {TEXT_MAX} characters, and no NUL.")


class AgentMessages(Fenced[Tx]):
    """Takes agents' messages, fenced by their assignment; `writing` is for customers of providers."""

    def __init__(self, clock: Clock, writing: Writing[Tx] | None = None) -> None:
        super().__init__(clock)
        self._writing = writing

    async def send(self, tx: Tx, delivery: Delivery[SendMessage] | Delivery[AddNote]) -> None:
        """Make it a message or a note of the conversation, or say why not.

        Raises RetryLaterError for at most 5 s while routing events are not read as far as the sender had seen.
        """
        command, tenant_id, now_ms = delivery.data, delivery.event.tenant_id, self.clock.now_ms()
        conversation, allowed = await self.fenced(tx, tenant_id, command, command.message_id, now_ms)
        if not await self.first_time(tx, tenant_id, "message.send", command.message_id):
            return
        known = await tx.message(tenant_id, command.message_id)
        if known is not None and known.sender == "agent" and known.interaction_id == command.interaction_id:
            return  # longer ago than is remembered
        if known is not None:
            refusal: Refusal | None = ID_TAKEN
        elif conversation is None or not allowed:
            refusal = why_refused(conversation, command)
        elif isinstance(command, AddNote):
            refusal = await self._note(tx, conversation, command, delivery.event.id, now_ms)
        elif conversation.counterpart is None:
            refusal = await self._say(tx, conversation, command, delivery.event.id, now_ms)
        else:
            refusal = await self._write(tx, conversation, command, delivery.event.id, now_ms)
        if refusal:
            await self.refuse(tx, tenant_id, command, refusal, delivery.event.id, now_ms)

    async def resend(self, tx: Tx, delivery: Delivery[ResendMessage]) -> None:
        """Have sent again what failed, or of what nobody knows; or say why not. Raises RetryLaterError as `send`."""
        command, tenant_id, now_ms = delivery.data, delivery.event.tenant_id, self.clock.now_ms()
        conversation, allowed = await self.fenced(tx, tenant_id, command, command.request_id, now_ms)
        if not await self.first_time(tx, tenant_id, "message.resend", command.request_id):
            return
        if conversation is None or not allowed:
            refusal: Refusal | None = why_refused(conversation, command)
        elif self._writing is None or conversation.counterpart is None:
            refusal = CHANNEL_AWAY
        else:
            refusal = await self._writing.resend(tx, conversation, command, now_ms)
        if refusal:
            await self.refuse(tx, tenant_id, command, refusal, delivery.event.id, now_ms)

    async def _say(
        self, tx: Tx, conversation: Conversation, command: SendMessage, causation_id: str, now_ms: int
    ) -> Refusal | None:
        text = _text_of(command)
        if text is None:
            return TEXT_INVALID
        change = decisions.agent_says(conversation, command, text, now_ms)
        await keep(tx, conversation, change, now_ms, causation_id=causation_id)
        return None

    async def _note(
        self, tx: Tx, conversation: Conversation, command: AddNote, causation_id: str, now_ms: int
    ) -> Refusal | None:
        text = _text_of(command)
        if text is None:
            return TEXT_INVALID
        change = decisions.agent_notes(conversation, command, text, now_ms)
        await keep(tx, conversation, change, now_ms, causation_id=causation_id)
        return None

    async def _write(
        self, tx: Tx, conversation: Conversation, command: SendMessage, causation_id: str, now_ms: int
    ) -> Refusal | None:
        """Kept, announced and handed to the sending in one transaction."""
        if self._writing is None:
            return CHANNEL_AWAY
        composed = await self._writing.compose(tx, conversation, command, now_ms)
        if isinstance(composed, Refusal):
            return composed
        change = decisions.agent_says(
            conversation, command, composed.text, now_ms, files=composed.files, personal=composed.personal
        )
        await keep(tx, conversation, change, now_ms, causation_id=causation_id)
        if change.message:
            await self._writing.outgoings.put(tx, change.message, change.conversation, composed.parts)
        return None


def _text_of(command: SendMessage | AddNote) -> str | None:
    text = command.personal.get("text")
    return text if isinstance(text, str) and 0 < len(text) <= TEXT_MAX and "\x00" not in text else None
