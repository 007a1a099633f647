"""The in-memory twin of what sending keeps; passes the same suite."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from servicekit.store import MemoryTransaction

from email_gateway.domain.outgoing import Original
from email_gateway.domain.suppression import ACKNOWLEDGE_EVERY_MS, Suppression, hash_of


@dataclass(frozen=True)  # no slots: a gateway's tables have several such bases
class SendingTables:
    """The tables, by their keys."""

    suppressions: dict[tuple[str, str], Suppression] = field(default_factory=dict)
    acknowledged_at_ms: dict[tuple[str, str, str], int] = field(default_factory=dict)
    originals: dict[tuple[str, str], tuple[str, int, Original]] = field(default_factory=dict)
    audit: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Tenant, actor, action, target."""


Tables = TypeVar("Tables", bound=SendingTables)


class MemorySending(MemoryTransaction[Tables]):
    """The twin of PostgresSending."""

    async def suppress(self, suppression: Suppression) -> bool:
        """See SendingTransaction."""
        key = (suppression.tenant_id, suppression.address_hash)
        kept = self.tables.suppressions.get(key)
        until_ms = suppression.until_ms
        if kept and (kept.until_ms is None or (until_ms is not None and until_ms <= kept.until_ms)):
            return False
        self.tables.suppressions[key] = suppression
        return True

    async def lift(self, tenant_id: str, address_hash: str) -> bool:
        """See SendingTransaction."""
        return self.tables.suppressions.pop((tenant_id, address_hash), None) is not None

    async def suppressed(self, tenant_id: str, addresses: Collection[str], *, now_ms: int) -> frozenset[str]:
        """See SendingTransaction."""
        found = {
            address: self.tables.suppressions.get((tenant_id, hash_of(tenant_id, address))) for address in addresses
        }
        return frozenset(address for address, kept in found.items() if kept and _holds(kept, now_ms))

    async def suppressions(self, tenant_id: str, *, after: str, now_ms: int, rows_max: int) -> Sequence[Suppression]:
        """See SendingTransaction."""
        found = [
            kept
            for (tenant, digest), kept in sorted(self.tables.suppressions.items())
            if tenant == tenant_id and digest > after and _holds(kept, now_ms)
        ]
        return found[:rows_max]

    async def may_acknowledge(self, tenant_id: str, address: str, sender: str, *, now_ms: int) -> bool:
        """See SendingTransaction."""
        key = (tenant_id, address, hash_of(tenant_id, sender))
        last_ms = self.tables.acknowledged_at_ms.get(key)
        if last_ms is not None and last_ms > now_ms - ACKNOWLEDGE_EVERY_MS:
            return False
        self.tables.acknowledged_at_ms[key] = now_ms
        return True

    async def keep_original(
        self, tenant_id: str, interaction_id: str, message_id: str, original: Original, *, at_ms: int
    ) -> None:
        """See SendingTransaction."""
        self.tables.originals.setdefault((tenant_id, message_id), (interaction_id, at_ms, original))

    async def original(self, tenant_id: str, interaction_id: str, message_id: str | None) -> Original | None:
        """See SendingTransaction."""
        found = [
            (at_ms, message, original)
            for (tenant, message), (interaction, at_ms, original) in self.tables.originals.items()
            if (tenant, interaction) == (tenant_id, interaction_id) and message_id in (None, message)
        ]
        return max(found, key=lambda each: each[:2])[2] if found else None

    async def move_originals(self, tenant_id: str, message_ids: Collection[str], interaction_id: str) -> None:
        """See SendingTransaction."""
        for message_id in message_ids:
            kept = self.tables.originals.get((tenant_id, message_id))
            if kept:
                self.tables.originals[tenant_id, message_id] = (interaction_id, *kept[1:])

    async def audit(self, tenant_id: str, audit_id: str, *, at_ms: int, actor: str, action: str, target: str) -> None:
        """See SendingTransaction."""
        self.tables.audit.append((tenant_id, actor, action, target))


def _holds(kept: Suppression, now_ms: int) -> bool:
    return kept.until_ms is None or kept.until_ms > now_ms
