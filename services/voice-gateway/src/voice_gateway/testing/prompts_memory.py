"""The in-memory twin of what is kept of prompts; passes the same suite."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from servicekit.store import MemoryTransaction


@dataclass(frozen=True)  # no slots: a gateway's tables have several such bases
class PromptTables:
    """The table, by tenant and blob id."""

    sounds: dict[tuple[str, str], int] = field(default_factory=dict)


Tables = TypeVar("Tables", bound=PromptTables)


class MemoryPrompts(MemoryTransaction[Tables]):
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
