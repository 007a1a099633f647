"""The in-memory twin of what is kept of prompts; passes the same suite."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from servicekit.errors import RetryLaterError
from servicekit.store import MemoryDatabase, MemoryTransaction, Tenant

from voice_gateway.prompts_tables import PromptTransaction


@dataclass(frozen=True, slots=True)
class PromptTables:
    """The table, by tenant and blob id."""

    sounds: dict[tuple[str, str], int] = field(default_factory=dict)


class MemoryPromptStore:
    """The twin of PostgresPromptStore; `away` makes it unreachable."""

    def __init__(self) -> None:
        self.database = MemoryDatabase(PromptTables())
        self.away = False

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[PromptTransaction, None]:
        """See PromptStore."""
        if self.away:
            raise RetryLaterError("away")
        async with self.database.transaction(tenant, MemoryPrompts) as transaction:
            yield transaction


class MemoryPrompts(MemoryTransaction[PromptTables]):
    """The twin of PostgresPrompts."""

    async def keep_sound(self, tenant_id: str, blob_id: str, *, until_ms: int) -> None:
        """See PromptTransaction."""
        key = (tenant_id, blob_id)
        self.tables.sounds[key] = max(until_ms, self.tables.sounds.get(key, 0))

    async def expired_sounds(self, *, now_ms: int, rows_max: int) -> Sequence[tuple[str, str]]:
        """See PromptTransaction."""
        due = sorted((until_ms, key) for key, until_ms in self.tables.sounds.items() if until_ms <= now_ms)
        return [key for _, key in due[:rows_max]]

    async def forget_sound(self, tenant_id: str, blob_id: str) -> None:
        """See PromptTransaction."""
        self.tables.sounds.pop((tenant_id, blob_id), None)
