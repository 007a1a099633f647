"""Keeps what sending needs beside conversations and outgoing parts: whom not to write to, whom we have acknowledged,
what an answer needs of a message, and what supervisors did."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from functools import cache
from typing import Final, Protocol

from pydantic import TypeAdapter
from servicekit.database import Database, Transaction, kept_as
from servicekit.statements import statements
from servicekit.store import Tenant, TransactionBase
from servicekit.sweep import Sweep

from email_gateway.domain.outgoing import Original
from email_gateway.domain.suppression import ACKNOWLEDGE_EVERY_MS, Suppression, hash_of

_ORIGINAL: Final = TypeAdapter(Original)
_KEEP_DAYS: Final = {"suppressions": 0, "acknowledgements": 2, "originals": 90}


class SendingTransaction(TransactionBase, Protocol):
    """One unit of work."""

    async def suppress(self, suppression: Suppression) -> bool:
        """Write to this address no more; false: that was so already, for as long."""
        ...

    async def lift(self, tenant_id: str, address_hash: str) -> bool:
        """Write to it again; false: nothing was in the way."""
        ...

    async def suppressed(self, tenant_id: str, addresses: Collection[str], *, now_ms: int) -> frozenset[str]:
        """Those of the addresses that must not be written to."""
        ...

    async def suppressions(self, tenant_id: str, *, after: str, now_ms: int, rows_max: int) -> Sequence[Suppression]:
        """In the order of their hashes, behind `after`."""
        ...

    async def may_acknowledge(self, tenant_id: str, address: str, sender: str, *, now_ms: int) -> bool:
        """Whether the mailbox has not acknowledged this sender within a day; it has now. At once with others it is true
        for one of them."""
        ...

    async def keep_original(
        self, tenant_id: str, interaction_id: str, message_id: str, original: Original, *, at_ms: int
    ) -> None:
        """What an answer to this message will need; a second time changes nothing."""
        ...

    async def original(self, tenant_id: str, interaction_id: str, message_id: str | None) -> Original | None:
        """That of this message of the conversation, or of its last one."""
        ...

    async def move_originals(self, tenant_id: str, message_ids: Collection[str], interaction_id: str) -> None:
        """These messages are another conversation's now."""
        ...

    async def audit(self, tenant_id: str, audit_id: str, *, at_ms: int, actor: str, action: str, target: str) -> None:
        """Keep who did what."""
        ...


class SendingStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[SendingTransaction]:
        """Begin; see TransactionBase."""
        ...


class PostgresSending(Transaction):
    """The real SendingTransaction; its methods are described there. The gateway's own class extends it."""

    async def suppress(self, suppression: Suppression) -> bool:
        """See SendingTransaction."""
        return await self.execute(_sql()["suppress"], **asdict(suppression)) == 1

    async def lift(self, tenant_id: str, address_hash: str) -> bool:
        """See SendingTransaction."""
        return await self.execute(_sql()["lift"], tenant_id=tenant_id, address_hash=address_hash) == 1

    async def suppressed(self, tenant_id: str, addresses: Collection[str], *, now_ms: int) -> frozenset[str]:
        """See SendingTransaction."""
        by_hash = {hash_of(tenant_id, address): address for address in addresses}
        rows = await self.all(_sql()["suppressed"], tenant_id=tenant_id, hashes=list(by_hash), now_ms=now_ms)
        return frozenset(by_hash[row["address_hash"]] for row in rows)

    async def suppressions(self, tenant_id: str, *, after: str, now_ms: int, rows_max: int) -> Sequence[Suppression]:
        """See SendingTransaction."""
        values = {"tenant_id": tenant_id, "after": after, "now_ms": now_ms, "rows_max": rows_max}
        return [kept_as(Suppression, row) for row in await self.all(_sql()["suppressions"], **values)]

    async def may_acknowledge(self, tenant_id: str, address: str, sender: str, *, now_ms: int) -> bool:
        """See SendingTransaction."""
        changed = await self.execute(
            _sql()["acknowledge"],
            tenant_id=tenant_id,
            address=address,
            sender_hash=hash_of(tenant_id, sender),
            at_ms=now_ms,
            before_ms=now_ms - ACKNOWLEDGE_EVERY_MS,
        )
        return changed == 1

    async def keep_original(
        self, tenant_id: str, interaction_id: str, message_id: str, original: Original, *, at_ms: int
    ) -> None:
        """See SendingTransaction."""
        values = {"tenant_id": tenant_id, "interaction_id": interaction_id, "message_id": message_id}
        text = _ORIGINAL.dump_json(original, ensure_ascii=True).decode("ascii")
        await self.execute(_sql()["keep_original"], **values, at_ms=at_ms, original=text)

    async def original(self, tenant_id: str, interaction_id: str, message_id: str | None) -> Original | None:
        """See SendingTransaction."""
        values = {"tenant_id": tenant_id, "interaction_id": interaction_id}
        if message_id is None:
            row = await self.one(_sql()["last_original"], **values)
        else:
            row = await self.one(_sql()["original"], **values, message_id=message_id)
        return _ORIGINAL.validate_json(row["original"]) if row else None

    async def move_originals(self, tenant_id: str, message_ids: Collection[str], interaction_id: str) -> None:
        """See SendingTransaction."""
        values = {"tenant_id": tenant_id, "message_ids": list(message_ids), "interaction_id": interaction_id}
        await self.execute(_sql()["move_originals"], **values)

    async def audit(self, tenant_id: str, audit_id: str, *, at_ms: int, actor: str, action: str, target: str) -> None:
        """See SendingTransaction."""
        values = {"tenant_id": tenant_id, "audit_id": audit_id, "at_ms": at_ms}
        await self.execute(_sql()["audit"], **values, actor=actor, action=action, target=target)


def sweeps(database: Database) -> list[Sweep]:
    """Forget what has run out."""
    return [
        Sweep(database, f"{name} sweep", _sql()[f"sweep_{name}"], keep_days=days) for name, days in _KEEP_DAYS.items()
    ]


@cache
def _sql() -> Mapping[str, str]:
    return statements("email_gateway", "sql/sending.sql")
