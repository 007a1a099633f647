"""What agents say: fenced by their assignment, it becomes a message of the conversation."""

from typing import Final, Generic

from contracts.commands import AddNote, ResendMessage, SendMessage
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.reactions import Delivery

from gatewaykit.domain import decisions
from gatewaykit.domain.composing import Refusal
from gatewaykit.domain.decisions import Command
from gatewaykit.domain.records import Conversation
from gatewaykit.keep import announce, keep
from gatewaykit.writing import Tx, Writing

TEXT_MAX: Final = 4000
FENCE_WAIT_MS: Final = 5_000
FENCE_WAITS_MAX: Final = 10_000
TEXT_INVALID: Final = Refusal("text_invalid", f"A message has 1 to {TEXT_MAX} characters, and no NUL.")
CHANNEL_AWAY: Final = Refusal("channel_unknown", "This gateway sends nothing by the conversation's channel.")


class AgentMessages(Generic[Tx]):
    """Takes agents' messages, fenced by their assignment; `writing` is for customers of providers."""

    def __init__(self, clock: Clock, writing: Writing[Tx] | None = None) -> None:
        self._clock = clock
        self._writing = writing
        self._waiting_since_ms: dict[str, int] = {}

    async def send(self, tx: Tx, delivery: Delivery[SendMessage] | Delivery[AddNote]) -> None:
        """Make it a message or a note of the conversation, or say why not.

        Raises RetryLaterError for at most 5 s while routing events are not read as far as the sender had seen.
        """
        command, tenant_id, now_ms = delivery.data, delivery.event.tenant_id, self._clock.now_ms()
        conversation, allowed = await self._fenced(tx, tenant_id, command, command.message_id, now_ms)
        if not await tx.first_time("message.send", command.message_id):
            return
        if conversation is None or not allowed:
            refusal: Refusal | None = _why_refused(conversation, command)
        elif isinstance(command, AddNote):
            refusal = await self._note(tx, conversation, command, delivery.event.id, now_ms)
        elif conversation.counterpart is None:
            refusal = await self._say(tx, conversation, command, delivery.event.id, now_ms)
        else:
            refusal = await self._write(tx, conversation, command, delivery.event.id, now_ms)
        if refusal:
            await self._refuse(tx, tenant_id, command, refusal, delivery.event.id, now_ms)

    async def resend(self, tx: Tx, delivery: Delivery[ResendMessage]) -> None:
        """Have sent again what failed, or of what nobody knows; or say why not. Raises RetryLaterError as `send`."""
        command, tenant_id, now_ms = delivery.data, delivery.event.tenant_id, self._clock.now_ms()
        conversation, allowed = await self._fenced(tx, tenant_id, command, command.request_id, now_ms)
        if not await tx.first_time("message.resend", command.request_id):
            return
        if conversation is None or not allowed:
            refusal: Refusal | None = _why_refused(conversation, command)
        elif self._writing is None or conversation.counterpart is None:
            refusal = CHANNEL_AWAY
        else:
            refusal = await self._writing.resend(tx, conversation, command, now_ms)
        if refusal:
            await self._refuse(tx, tenant_id, command, refusal, delivery.event.id, now_ms)

    async def _fenced(
        self, tx: Tx, tenant_id: str, command: Command, command_id: str, now_ms: int
    ) -> tuple[Conversation | None, bool]:
        conversation = await tx.lock_conversation(tenant_id, command.interaction_id)
        allowed = conversation is not None and decisions.may_say(conversation, command)
        if allowed is None and self._waits(command_id, now_ms):
            raise RetryLaterError("routing events are not read that far yet")
        self._waiting_since_ms.pop(command_id, None)
        return conversation, bool(allowed)

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
        change = decisions.agent_says(conversation, command, composed.text, now_ms, files=composed.files)
        await keep(tx, conversation, change, now_ms, causation_id=causation_id)
        if change.message:
            await self._writing.outgoings.put(tx, change.message, change.conversation, composed.parts)
        return None

    async def _refuse(
        self, tx: Tx, tenant_id: str, command: Command, refusal: Refusal, causation_id: str, now_ms: int
    ) -> None:
        failed = decisions.refused(command, reason=refusal.reason, detail=refusal.detail, now_ms=now_ms)
        await announce(tx, failed, tenant_id=tenant_id, now_ms=now_ms, causation_id=causation_id)

    def _waits(self, command_id: str, now_ms: int) -> bool:
        if len(self._waiting_since_ms) >= FENCE_WAITS_MAX:
            self._waiting_since_ms.clear()  # at worst somebody waits anew
        return now_ms - self._waiting_since_ms.setdefault(command_id, now_ms) < FENCE_WAIT_MS


def _text_of(command: SendMessage | AddNote) -> str | None:
    text = command.personal.get("text")
    return text if isinstance(text, str) and 0 < len(text) <= TEXT_MAX and "\x00" not in text else None


def _why_refused(conversation: Conversation | None, command: Command) -> Refusal:
    if conversation is None:
        return Refusal("interaction_unknown", "There is no such conversation.")
    if conversation.state == "ended":
        return Refusal("interaction_ended", "The conversation is over.")
    if decisions.seat_of(conversation, command.assignment_id, command.agent_id):
        return Refusal("role_forbids", "A consultant talks to the agents only: send it as internal.")
    return Refusal("assignment_gone", "The conversation is not assigned to this agent any more.")
