"""Agents' words to customers of providers: checked by what the channel carries, and handed to the sending."""

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from contracts.commands import ResendMessage, SendMessage

from gatewaykit.directory import Directory
from gatewaykit.domain import composing
from gatewaykit.domain.composing import Composed, Refusal, Words
from gatewaykit.domain.outgoing import Part
from gatewaykit.domain.provider import Capabilities
from gatewaykit.domain.records import Conversation, Message
from gatewaykit.store import ConversationTransaction

Tx = TypeVar("Tx", bound=ConversationTransaction)
Tx_contra = TypeVar("Tx_contra", bound=ConversationTransaction, contravariant=True)


class Outgoings(Protocol[Tx_contra]):
    """The sending, as those see it who have something to send: what is put is sent after the commit."""

    async def put(self, tx: Tx_contra, message: Message, conversation: Conversation, parts: Sequence[Part]) -> None:
        """Have these sent, in this order, behind all that goes to the counterpart already."""
        ...

    async def again(
        self, tx: Tx_contra, tenant_id: str, message_id: str, *, request_id: str, agent_id: str, now_ms: int
    ) -> str | None:
        """Send once more what of the message has failed, or of what nobody knows whether it was sent. Returns why not,
        if not: `message_unknown`, `nothing_to_resend`, `words_gone`."""
        ...


class Writing(Generic[Tx]):
    """For conversations that have a counterpart; `capabilities` by provider and channel."""

    def __init__(
        self, directory: Directory, capabilities: Mapping[tuple[str, str], Capabilities], outgoings: Outgoings[Tx]
    ) -> None:
        self._directory = directory
        self._capabilities = capabilities
        self.outgoings = outgoings

    async def compose(
        self, tx: Tx, conversation: Conversation, command: SendMessage, now_ms: int
    ) -> Composed | Refusal:
        """What goes, or why it cannot."""
        capabilities = self._of(conversation)
        if capabilities is None:
            return Refusal("address_unknown", "The conversation's address is not configured any more.")
        words = self._words(conversation, command)
        if isinstance(words, Refusal):
            return words
        reply_to = None
        if command.in_reply_to is not None:
            answered = await tx.message(conversation.tenant_id, command.in_reply_to)
            if answered is None or answered.interaction_id != conversation.interaction_id:
                return Refusal("message_unknown", "The message to answer is not of this conversation.")
            if capabilities.replies and answered.erased_at_ms is None:
                reply_to = answered.provider_message_id
        spoken = Words(text=words.text, files=words.files, template=words.template, reply_to=reply_to)
        return composing.composed(spoken, capabilities, conversation.reply_window, now_ms)

    async def resend(self, tx: Tx, conversation: Conversation, command: ResendMessage, now_ms: int) -> Refusal | None:
        """Send again what of a message failed or is unknown, or say why not."""
        message = await tx.message(conversation.tenant_id, command.message_id)
        why_not: str | None = "message_unknown"
        if message and message.interaction_id == conversation.interaction_id and message.sender != "customer":
            why_not = await self.outgoings.again(
                tx,
                conversation.tenant_id,
                command.message_id,
                request_id=command.request_id,
                agent_id=command.agent_id,
                now_ms=now_ms,
            )
        return Refusal(why_not, "Nothing of this message can be sent again.") if why_not else None

    async def tell(self, tx: Tx, conversation: Conversation, message: Message) -> None:
        """The gateway's own words go to the customer as well."""
        parts = composing.announcing(conversation, message.text)
        if parts:
            await self.outgoings.put(tx, message, conversation, parts)

    def _words(self, conversation: Conversation, command: SendMessage) -> Words | Refusal:
        if command.template is None:
            return composing.words_of(command.personal)
        template = self._directory.template(conversation.tenant_id, conversation.domain, command.template)
        if template is None or template.address != conversation.address:
            return Refusal("template_unknown", "There is no such template for this address.")
        return composing.templated(template, command.personal)

    def _of(self, conversation: Conversation) -> Capabilities | None:
        found = self._directory.address(conversation.address)
        if found is None or found[0] != conversation.tenant_id or found[1].account is None:
            return None
        return self._capabilities.get((found[1].account.provider, found[1].channel))
