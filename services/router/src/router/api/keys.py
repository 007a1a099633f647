"""API keys of integrations in PostgreSQL."""

from collections.abc import Mapping, Sequence
from functools import cache

from servicekit.api_keys import ApiKey
from servicekit.database import Row
from servicekit.statements import statements
from servicekit.store import EVERY_TENANT

from router.api.store import ApiStore, AuditRow

KEYS_MAX = 1000


class KeptApiKeys:
    """An `ApiKeyStore`; what `keep` changes is audited under the actor's name, in the same transaction."""

    def __init__(self, store: ApiStore, *, actor: str, now_ms: int) -> None:
        self._store = store
        self._actor = actor
        self._now_ms = now_ms

    async def find(self, key_id: str) -> ApiKey | None:
        """See ApiKeyStore."""
        async with self._store.transaction(EVERY_TENANT) as transaction:
            row = await transaction.one(_sql()["find"], key_id=key_id)
        return _key(row) if row else None

    async def of_integration(self, tenant_id: str, integration: str) -> Sequence[ApiKey]:
        """See ApiKeyStore."""
        return [key for key in await self.of_tenant(tenant_id) if key.integration == integration]

    async def of_tenant(self, tenant_id: str) -> Sequence[ApiKey]:
        """The tenant's keys, at most KEYS_MAX, those that end last first."""
        async with self._store.transaction(tenant_id) as transaction:
            return [_key(row) for row in await transaction.all(_sql()["of_tenant"], rows_max=KEYS_MAX)]

    async def keep(self, key: ApiKey) -> None:
        """See ApiKeyStore."""
        action = "issue" if key.revoked_at_ms is None else "revoke"
        async with self._store.transaction(key.tenant_id) as transaction:
            await transaction.execute(
                _sql()["keep"],
                tenant=key.tenant_id,
                key_id=key.key_id,
                integration=key.integration,
                digest=key.digest,
                expires_at_ms=key.expires_at_ms,
                revoked_at_ms=key.revoked_at_ms,
            )
            await transaction.audit(
                AuditRow(
                    audit_id=f"api_key:{key.key_id}:{action}",
                    at_ms=self._now_ms,
                    actor=self._actor,
                    action=f"api_key.{action}",
                    target=f"{key.integration}/{key.key_id}",
                )
            )


def _key(row: Row) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        tenant_id=row["tenant_id"],
        integration=row["integration"],
        digest=row["digest"],
        expires_at_ms=row["expires_at_ms"],
        revoked_at_ms=row["revoked_at_ms"],
    )


@cache
def _sql() -> Mapping[str, str]:
    return statements("router.api", "sql/keys.sql")
