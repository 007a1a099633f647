"""Who is not written to: by a hash of the address, so that the list names nobody."""

from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from email_gateway.domain.writing import wire_address

Reason = Literal["bounced", "complained", "asked"]
"""Nobody is there; they called us unwanted; a supervisor said so."""
_DAY_MS: Final = 86_400_000
_KEPT_MS: Final = {"bounced": 180 * _DAY_MS}
"""Addresses are given to somebody else after a while. The other reasons stay until they are lifted."""
ACKNOWLEDGE_EVERY_MS: Final = _DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address of the tenant's that gets nothing. `until_ms` none: until it is lifted."""

    tenant_id: str
    address_hash: str
    reason: str
    added_at_ms: int
    until_ms: int | None
    added_by: str | None = None
    """The supervisor who put it there."""


def hash_of(tenant_id: str, address: str) -> str:
    """64 hex digits; the same address is another hash for another tenant, and the same however its domain is
    written."""
    lowered = address.strip().lower()
    with suppress(ValueError):  # it has no other form
        lowered = wire_address(lowered)
    return sha256(f"{tenant_id}\0{lowered}".encode("utf-8", "replace")).hexdigest()


def suppression_of(
    tenant_id: str, address: str, reason: Reason, *, now_ms: int, added_by: str | None = None
) -> Suppression:
    """From now on, as long as the reason holds."""
    kept_ms = _KEPT_MS.get(reason)
    return Suppression(
        tenant_id=tenant_id,
        address_hash=hash_of(tenant_id, address),
        reason=reason,
        added_at_ms=now_ms,
        until_ms=None if kept_ms is None else now_ms + kept_ms,
        added_by=added_by,
    )
