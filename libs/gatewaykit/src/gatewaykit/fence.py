"""An agent's command counts while its assignment does: what all of them have in common."""

from typing import Final, Generic

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock

from gatewaykit.domain import decisions
from gatewaykit.domain.composing import Refusal
from gatewaykit.domain.decisions import Command
from gatewaykit.domain.records import Conversation
from gatewaykit.keep import announce
from gatewaykit.writing import Tx

FENCE_WAIT_MS: Final = 5_000
FENCE_WAITS_MAX: Final = 10_000
CHANNEL_AWAY: Final = Refusal("channel_unknown", "This gateway sends nothing by the conversation's channel.")


class Fenced(Generic[Tx]):
    """Handlers of agents' commands extend it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._waiting_since_ms: dict[tuple[str, str], int] = {}

    async def fenced(
        self, tx: Tx, tenant_id: str, command: Command, command_id: str, now_ms: int
    ) -> tuple[Conversation | None, bool]:
        """The conversation, locked, and whether the agent may. Raises RetryLaterError for at most 5 s while routing
        events are not read as far as the agent had seen."""
        conversation = await tx.lock_conversation(tenant_id, command.interaction_id)
        allowed = conversation is not None and decisions.may_say(conversation, command)
        if allowed is None and self._waits((tenant_id, command_id), now_ms):
            raise RetryLaterError("routing events are not read that far yet")
        self._waiting_since_ms.pop((tenant_id, command_id), None)
        return conversation, bool(allowed)

    async def first_time(self, tx: Tx, tenant_id: str, kind: str, command_id: str) -> bool:
        """Whether the command is not done yet. Its id is its sender's choice: another tenant may have the same."""
        return await tx.first_time(f"{kind}:{tenant_id}", command_id)

    async def refuse(
        self, tx: Tx, tenant_id: str, command: Command, refusal: Refusal, causation_id: str, now_ms: int
    ) -> None:
        """Tell the agent why not."""
        failed = decisions.refused(command, reason=refusal.reason, detail=refusal.detail, now_ms=now_ms)
        await announce(tx, failed, tenant_id=tenant_id, now_ms=now_ms, causation_id=causation_id)

    def _waits(self, command: tuple[str, str], now_ms: int) -> bool:
        if len(self._waiting_since_ms) >= FENCE_WAITS_MAX:
            self._waiting_since_ms.clear()  # at worst somebody waits anew
        return now_ms - self._waiting_since_ms.setdefault(command, now_ms) < FENCE_WAIT_MS


def why_refused(conversation: Conversation | None, command: Command) -> Refusal:
    """Why the fence lets the command not pass."""
    if conversation is None:
        return Refusal("interaction_unknown", "There is no such conversation.")
    if conversation.state == "ended":
        return Refusal("interaction_ended", "The conversation is over.")
    if decisions.seat_of(conversation, command.assignment_id, command.agent_id):
        return Refusal("role_forbids", "A consultant talks to the agents only: send it as internal.")
    return Refusal("assignment_gone", "The conversation is not assigned to this agent any more.")
