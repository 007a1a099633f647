"""What agents say: fenced by their assignment, it becomes a message of the conversation."""

from typing import Final

from contracts.commands import AddNote, SendMessage
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.reactions import Delivery

from gatewaykit.domain import decisions
from gatewaykit.domain.records import Conversation
from gatewaykit.keep import announce, keep
from gatewaykit.store import ConversationTransaction

TEXT_MAX: Final = 4000
FENCE_WAIT_MS: Final = 5_000
FENCE_WAITS_MAX: Final = 10_000


class AgentMessages:
    """Takes agents' messages, fenced by their assignment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting_since_ms: dict[str, int] = {}

    async def send(self, tx: ConversationTransaction, delivery: Delivery[SendMessage] | Delivery[AddNote]) -> None:
        """Make it a message or a note of the conversation, or say why not.

        Raises RetryLaterError for at most 5 s while routing events are not read as far as the sender had seen.
        """
        command, tenant_id, now_ms = delivery.data, delivery.event.tenant_id, self._clock.now_ms()
        text = command.personal.get("text")
        conversation = await tx.lock_conversation(tenant_id, command.interaction_id)
        allowed = conversation is not None and decisions.may_say(conversation, command)
        if allowed is None and self._waits(command.message_id, now_ms):
            raise RetryLaterError("routing events are not read that far yet")
        self._waiting_since_ms.pop(command.message_id, None)
        if not await tx.first_time("message.send", command.message_id):
            return
        if conversation and allowed and isinstance(text, str) and 0 < len(text) <= TEXT_MAX and "\x00" not in text:
            if isinstance(command, AddNote):
                change = decisions.agent_notes(conversation, command, text, now_ms)
            else:
                change = decisions.agent_says(conversation, command, text, now_ms)
            await keep(tx, conversation, change, now_ms, causation_id=delivery.event.id)
            return
        reason, detail = _why_refused(conversation, command, allowed=bool(allowed))
        failed = decisions.refused(command, reason=reason, detail=detail, now_ms=now_ms)
        await announce(tx, failed, tenant_id=tenant_id, now_ms=now_ms, causation_id=delivery.event.id)

    def _waits(self, message_id: str, now_ms: int) -> bool:
        if len(self._waiting_since_ms) >= FENCE_WAITS_MAX:
            self._waiting_since_ms.clear()  # at worst somebody waits anew
        return now_ms - self._waiting_since_ms.setdefault(message_id, now_ms) < FENCE_WAIT_MS


def _why_refused(
    conversation: Conversation | None, command: SendMessage | AddNote, *, allowed: bool
) -> tuple[str, str]:
    if conversation is None:
        return "interaction_unknown", "There is no such conversation."
    if conversation.state == "ended":
        return "interaction_ended", "The conversation is over."
    if allowed:
        return "text_invalid", f"A message has 1 to {TEXT_MAX} characters, and no NUL."
    if decisions.seat_of(conversation, command.assignment_id, command.agent_id):
        return "role_forbids", "A consultant talks to the agents only: send it as internal."
    return "assignment_gone", "The conversation is not assigned to this agent any more."
