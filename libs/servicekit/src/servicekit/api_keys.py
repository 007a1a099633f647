"""API keys of integrators: `cnt_<environment>_<key id>_<secret>`.

The secret has 256 random bits, so a keyed hash (HMAC-SHA-256 with a pepper of the server) is enough; it is shown once,
when issued. The prefix lets secret scanners find keys that were committed somewhere.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from servicekit.auth import Principal, TokenRefusedError
from servicekit.ports import Clock

LIVE_KEYS_MAX: Final = 2
PEPPER_BYTES_MIN: Final = 32
KEY_LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept; `digest` cannot be turned back into the secret."""

    key_id: str
    tenant_id: str
    integration: str
    digest: bytes
    expires_at_ms: int
    revoked_at_ms: int | None = None

    def is_live(self, now_ms: int) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at_ms is None and now_ms < self.expires_at_ms


class ApiKeyStore(Protocol):
    """Where keys are kept."""

    async def find(self, key_id: str) -> ApiKey | None:
        """The key, of whichever tenant."""
        ...

    async def of_integration(self, tenant_id: str, integration: str) -> Sequence[ApiKey]:
        """All keys of an integration."""
        ...

    async def keep(self, key: ApiKey) -> None:
        """Add the key, or replace it."""
        ...


class TooManyKeysError(Exception):
    """The integration has two live keys already; revoke one before issuing the next."""


class ApiKeys:
    """Issues, verifies and revokes keys."""

    def __init__(self, store: ApiKeyStore, *, pepper: bytes, environment: str, clock: Clock) -> None:
        if len(pepper) < PEPPER_BYTES_MIN:
            raise ValueError(f"the pepper of API keys needs at least {PEPPER_BYTES_MIN} bytes")
        if not environment.isalnum():
            raise ValueError("the environment in API keys is letters and digits only")
        self._store = store
        self._pepper = pepper
        self._environment = environment
        self._clock = clock

    async def issue(self, *, tenant_id: str, integration: str, lifetime_seconds: int) -> str:
        """A new key, to be shown once. Raises TooManyKeysError: two may live at a time, so that one can be rotated."""
        now_ms = self._clock.now_ms()
        kept = await self._store.of_integration(tenant_id, integration)
        if sum(key.is_live(now_ms) for key in kept) >= LIVE_KEYS_MAX:
            raise TooManyKeysError(integration)
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        key = ApiKey(
            key_id=key_id,
            tenant_id=tenant_id,
            integration=integration,
            digest=self._digest(key_id, secret),
            expires_at_ms=now_ms + lifetime_seconds * 1000,
        )
        await self._store.keep(key)
        return f"cnt_{self._environment}_{key_id}_{secret}"

    async def verify(self, text: str) -> Principal:
        """The integration as principal. Raises TokenRefusedError, always with the same code: nothing to probe."""
        prefix, environment, key_id, secret = (*text[:KEY_LENGTH_MAX].split("_", 3), "", "", "", "")[:4]
        kept = await self._store.find(key_id) if prefix == "cnt" and environment == self._environment else None
        digest = self._digest(key_id, secret)
        same = hmac.compare_digest(kept.digest if kept else bytes(len(digest)), digest)
        if kept is None or not same or not kept.is_live(self._clock.now_ms()):
            raise TokenRefusedError("api_key_invalid")
        return Principal(
            subject=f"integration:{kept.integration}",
            tenant_id=kept.tenant_id,
            roles=frozenset({"integrator"}),
            expires_at_ms=kept.expires_at_ms,
        )

    async def revoke(self, *, tenant_id: str, integration: str, key_id: str) -> bool:
        """End a key now; False when the integration has no such key."""
        for key in await self._store.of_integration(tenant_id, integration):
            if key.key_id == key_id:
                ended_at_ms = key.revoked_at_ms or self._clock.now_ms()
                await self._store.keep(replace(key, revoked_at_ms=ended_at_ms))
                return True
        return False

    def _digest(self, key_id: str, secret: str) -> bytes:
        return hmac.new(self._pepper, f"{key_id}_{secret}".encode(), hashlib.sha256).digest()
