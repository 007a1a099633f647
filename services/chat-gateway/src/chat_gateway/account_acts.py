"""What supervisors and administrators do to their tenant's accounts: to which, and written down (S10)."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends
from gatewaykit.directory import Directory
from servicekit.auth import Principal, require
from servicekit.ports import Clock, Ids
from servicekit.problems import ProblemError

from chat_gateway.carriers import Carried, Carriers
from chat_gateway.domain.records import AuditRow
from chat_gateway.store import ChatStore, ChatTransaction

Manager = Annotated[Principal, Depends(require("supervisor", "admin"))]


class AccountActs:
    """Finds accounts of the caller's tenant, and audits what is done to them."""

    def __init__(self, carriers: Carriers, directory: Directory, store: ChatStore, *, clock: Clock, ids: Ids) -> None:
        self._carriers = carriers
        self._directory = directory
        self._store = store
        self._clock = clock
        self._ids = ids

    def carried(self, address: str, manager: Principal) -> Carried:
        """The account behind an address. Raises as `require_own`, and what `Carriers.at` raises."""
        self.require_own(address, manager)
        carried = self._carriers.at(address)
        if carried is None:
            raise _unknown()
        return carried

    def require_own(self, address: str, manager: Principal) -> None:
        """Raises ProblemError: 404, or 503 while the configuration is not read."""
        found = self._directory.address(address)
        if found is not None and found[0] == manager.tenant_id and found[1].account is not None:
            return
        if not self._directory.complete:
            raise ProblemError(503, "starting", "The configuration is not read yet.").with_headers(retry_after="1")
        raise _unknown()

    async def audit(
        self, manager: Principal, action: str, address: str, content: Mapping[str, object] | None = None
    ) -> None:
        """Write it down before it is done; what cannot be written down is not done. Raises RetryLaterError."""
        async with self._store.transaction(manager.tenant_id) as tx:
            await self.audit_in(tx, manager, action, address, content)

    async def audit_in(
        self,
        tx: ChatTransaction,
        manager: Principal,
        action: str,
        address: str,
        content: Mapping[str, object] | None = None,
    ) -> None:
        """In the transaction that does it."""
        row = AuditRow(
            tenant_id=manager.tenant_id,
            audit_id=self._ids.new_id(),
            at_ms=self._clock.now_ms(),
            actor=manager.subject,
            action=action,
            target=address,
            content=content or {},
        )
        await tx.audit(row)


def _unknown() -> ProblemError:
    return ProblemError(404, "address_unknown", "There is no such address of a provider.")
