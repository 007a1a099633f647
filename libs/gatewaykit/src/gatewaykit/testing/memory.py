"""The in-memory twin of the conversations' store; passes the same suite."""

from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from servicekit.errors import RetryLaterError
from servicekit.store import MemoryDatabase, MemoryTransaction, Tenant

from gatewaykit.domain.records import Conversation, Message
from gatewaykit.store import MESSAGES_MAX, Key, Pair


@dataclass(frozen=True, slots=True)
class ConversationTables:
    """The tables; keys are tenant and interaction, with the number for messages."""

    conversations: dict[Key, Conversation] = field(default_factory=dict)
    messages: dict[tuple[str, str, int], Message] = field(default_factory=dict)


Tables = TypeVar("Tables", bound=ConversationTables)


class MemoryConversationStore:
    """Conversations and nothing else, for tests of the kit."""

    def __init__(self) -> None:
        self.database = MemoryDatabase(ConversationTables())
        self.outbox = self.database.outbox
        self.told: list[str] = []

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator["MemoryConversations[ConversationTables]", None]:
        """See ConversationStore."""
        async with self.database.transaction(tenant, PlainConversations) as transaction:
            yield transaction
        self.told += sorted(transaction.changed)


class TenantRow(Protocol):
    """A row of a tenant."""

    @property
    def tenant_id(self) -> str:
        """Whose it is."""
        ...


class MemoryConversations(MemoryTransaction[Tables]):
    """The twin of PostgresConversations. Transactions run one at a time, so every row is as good as locked."""

    source: str

    def __init__(self, database: MemoryDatabase[Tables], tenant: Tenant) -> None:
        super().__init__(database, tenant)
        self.changed: set[str] = set()

    async def open_conversation(self, conversation: Conversation) -> Conversation:
        """See ConversationTransaction."""
        tenant_id, counterpart = conversation.tenant_id, conversation.counterpart
        kept = self.tables.conversations.get((tenant_id, conversation.interaction_id))
        if kept is None and counterpart is not None:
            kept = await self.lock_open(tenant_id, conversation.address, counterpart)
        return kept or self.tables.conversations.setdefault((tenant_id, conversation.interaction_id), conversation)

    async def lock_open(self, tenant_id: str, address: str, counterpart: str) -> Conversation | None:
        """See ConversationTransaction."""
        return next((each for each in self._of(tenant_id, address, counterpart) if each.state != "ended"), None)

    async def lock_open_free(self, tenant_id: str, pairs: Collection[Pair]) -> Mapping[Pair, Conversation | None]:
        """See ConversationTransaction."""
        return {pair: await self.lock_open(tenant_id, *pair) for pair in pairs}

    async def open_new(self, conversations: Sequence[Conversation]) -> None:
        """See ConversationTransaction."""
        for each in conversations:
            if await self.open_conversation(each) is not each:
                raise RetryLaterError("there is a conversation already")

    async def last_ended(self, tenant_id: str, pairs: Collection[Pair]) -> Mapping[Pair, Conversation]:
        """See ConversationTransaction."""
        ended = {pair: [each for each in self._of(tenant_id, *pair) if each.state == "ended"] for pair in pairs}
        return {
            pair: min(found, key=lambda each: (-(each.ended_at_ms or 0), each.interaction_id))
            for pair, found in ended.items()
            if found
        }

    async def lock_conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """See ConversationTransaction."""
        return await self.conversation(tenant_id, interaction_id)

    async def due_conversations(self, now_ms: int, *, rows_max: int) -> Sequence[Conversation]:
        """See ConversationTransaction."""
        due = [each for each in self.tables.conversations.values() if each.check_at_ms <= now_ms and self.sees(each)]
        return sorted(due, key=lambda each: each.check_at_ms)[:rows_max]

    async def save_conversation(self, conversation: Conversation) -> None:
        """See ConversationTransaction."""
        key = (conversation.tenant_id, conversation.interaction_id)
        active_at_ms = max(conversation.active_at_ms, self.tables.conversations[key].active_at_ms)
        saved = replace(conversation, revision=conversation.revision + 1, active_at_ms=active_at_ms)
        self.tables.conversations[key] = saved
        self.changed.add(conversation.interaction_id)

    async def remove_conversation(self, tenant_id: str, interaction_id: str) -> None:
        """See ConversationTransaction."""
        self.tables.conversations.pop((tenant_id, interaction_id), None)
        for key in [key for key in self.tables.messages if key[:2] == (tenant_id, interaction_id)]:
            del self.tables.messages[key]

    async def conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """See ConversationTransaction."""
        kept = self.tables.conversations.get((tenant_id, interaction_id))
        return kept if kept and self.sees(kept) else None

    async def add_message(self, message: Message) -> None:
        """See ConversationTransaction."""
        self.tables.messages[message.tenant_id, message.interaction_id, message.number] = message

    async def put(self, conversations: Sequence[Conversation], messages: Sequence[Message]) -> None:
        """See ConversationTransaction."""
        for conversation in conversations:
            await self.save_conversation(conversation)
        for message in messages:
            await self.add_message(message)

    async def first_messages(self, tenant_id: str, sources: Mapping[str, str]) -> Collection[str]:
        """See ConversationTransaction."""
        taken = [each for each, source in sources.items() if await self.first_time(source, each)]
        return [each for each in taken if await self.message(tenant_id, each) is None]

    async def change_message(self, message: Message) -> None:
        """See ConversationTransaction."""
        key = (message.tenant_id, message.interaction_id, message.number)
        kept = self.tables.messages[key]
        self.tables.messages[key] = replace(
            kept,
            text=message.text,
            html=message.html,
            files=message.files,
            edited_at_ms=message.edited_at_ms,
            erased_at_ms=message.erased_at_ms,
        )

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """See ConversationTransaction."""
        found = (each for each in self.tables.messages.values() if each.message_id == message_id and self.sees(each))
        return next((each for each in found if each.tenant_id == tenant_id), None)

    async def move_messages(self, messages: Sequence[Message]) -> None:
        """See ConversationTransaction."""
        kept = self.tables.messages
        places = {(each.tenant_id, each.message_id): place for place, each in kept.items()}
        for each in messages:
            before = kept.pop(places[each.tenant_id, each.message_id])
            place = (each.tenant_id, each.interaction_id, each.number)
            kept[place] = replace(before, interaction_id=each.interaction_id, number=each.number)

    async def join_counterparts(self, tenant_id: str, address: str, counterpart: str, into: str) -> None:
        """See ConversationTransaction."""
        for each in list(self._of(tenant_id, address, counterpart)):
            if each.state == "ended":
                self.tables.conversations[tenant_id, each.interaction_id] = replace(each, counterpart=into)

    async def messages_after(self, tenant_id: str, interaction_id: str, number: int) -> Sequence[Message]:
        """See ConversationTransaction."""
        found = [
            each
            for each in self.tables.messages.values()
            if (each.tenant_id, each.interaction_id) == (tenant_id, interaction_id)
            and each.number > number
            and self.sees(each)
        ]
        return sorted(found, key=lambda each: each.number)[:MESSAGES_MAX]

    async def revisions(self, keys: Collection[Key]) -> Mapping[Key, int]:
        """See ConversationTransaction."""
        kept = self.tables.conversations
        return {key: kept[key].revision for key in keys if key in kept and self.sees(kept[key])}

    def _of(self, tenant_id: str, address: str, counterpart: str) -> Iterator[Conversation]:
        key = (tenant_id, address, counterpart)
        return (
            each
            for each in self.tables.conversations.values()
            if (each.tenant_id, each.address, each.counterpart) == key and self.sees(each)
        )

    def sees(self, row: TenantRow) -> bool:
        """What row-level security does."""
        return self.tenant_text in ("*", row.tenant_id)


class PlainConversations(MemoryConversations[ConversationTables]):
    """Of no gateway."""

    source = "/gatewaykit"
