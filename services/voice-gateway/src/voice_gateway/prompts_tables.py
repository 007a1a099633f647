"""Keeps which sounds of prompts are kept as files, and until when."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Protocol

from servicekit.database import Database, Transaction
from servicekit.statements import statements
from servicekit.store import Tenant, TransactionBase


class PromptTransaction(TransactionBase, Protocol):
    """One unit of work."""

    async def keep_sound(self, tenant_id: str, blob_id: str, *, until_ms: int) -> None:
        """The file is kept at least until then; waits for who removes it just now."""
        ...

    async def expired_sounds(self, *, now_ms: int, rows_max: int) -> Sequence[tuple[str, str]]:
        """Tenant and blob id of files that need not be kept any more; nobody else may keep them longer before the
        transaction ends. For a transaction of every tenant."""
        ...

    async def forget_sound(self, tenant_id: str, blob_id: str) -> None:
        """The file is gone."""
        ...


class PromptStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[PromptTransaction]:
        """Begin; see TransactionBase."""
        ...


class PostgresPrompts(Transaction):
    """The real PromptTransaction; its methods are described there."""

    async def keep_sound(self, tenant_id: str, blob_id: str, *, until_ms: int) -> None:
        """See PromptTransaction."""
        await self.execute(_sql()["keep_sound"], tenant_id=tenant_id, blob_id=blob_id, until_ms=until_ms)

    async def expired_sounds(self, *, now_ms: int, rows_max: int) -> Sequence[tuple[str, str]]:
        """See PromptTransaction."""
        rows = await self.all(_sql()["expired_sounds"], now_ms=now_ms, rows_max=rows_max)
        return [(row["tenant_id"], row["blob_id"]) for row in rows]

    async def forget_sound(self, tenant_id: str, blob_id: str) -> None:
        """See PromptTransaction."""
        await self.execute(_sql()["forget_sound"], tenant_id=tenant_id, blob_id=blob_id)


class PostgresPromptStore:
    """The real PromptStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[PromptTransaction]:
        """See PromptStore."""
        return self._database.transaction(tenant, PostgresPrompts)


@cache
def _sql() -> Mapping[str, str]:
    return statements("voice_gateway", "sql/prompts.sql")
