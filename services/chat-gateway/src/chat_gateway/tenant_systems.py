"""Delivers to tenants' own systems, and stops where one says that it wants no more: 410 Gone, at which the Standard
Webhooks specification has a sender disable the endpoint. Messages fail from then on, with a reason, until somebody
acts."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final, Protocol

from gatewaykit.directory import Directory
from gatewaykit.domain.provider import Account, HttpReply, HttpRequest, RefusedError
from gatewaykit.fetch import Fetcher
from servicekit.ports import Clock
from servicekit.telemetry import log

from chat_gateway.domain.records import SendingStop
from chat_gateway.store import ChatStore

LOG: Final = log("tenant_systems")
GONE: Final = 410


class Configured(Protocol):
    """What of an account says where its messages go."""

    @property
    def account_id(self) -> str:
        """As the tenant calls it."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """`url` and others."""
        ...


class TenantSystems:
    """Of addresses whose requests go where the tenant's configuration says (`Capabilities.guarded`)."""

    def __init__(self, store: ChatStore, directory: Directory, fetcher: Fetcher, clock: Clock) -> None:
        self._store = store
        self._fetcher = fetcher
        self._directory = directory
        self._clock = clock

    async def stopped_since(self, tenant_id: str) -> Mapping[str, int]:
        """The tenant's addresses by which nothing is sent, each with the instant since when. One that was configured
        anew since is not among them."""
        async with self._store.transaction(tenant_id) as tx:
            stops = await tx.sending_stops(tenant_id)
        return {stop.address: stop.at_ms for stop in stops if stop.mark == self._mark(tenant_id, stop.address)}

    async def deliver(
        self, account: Account, request: HttpRequest, *, timeout_seconds: float, bytes_max: int
    ) -> HttpReply:
        """As `Fetcher.deliver`, and raises what that raises; RefusedError where nothing is sent; RetryLaterError if it
        cannot be told, or cannot be kept that nothing is to be sent: ask again then."""
        async with self._store.transaction(account.tenant_id) as tx:
            stops = await tx.sending_stops(account.tenant_id)
        if any((stop.address, stop.mark) == (account.address, mark_of(account)) for stop in stops):
            raise RefusedError("gone", "the system has answered 410: nothing is sent until an operator resumes it")
        reply = await self._fetcher.deliver(request, timeout_seconds=timeout_seconds, bytes_max=bytes_max)
        if reply.status == GONE:
            await self._stop(account)
        return reply

    async def _stop(self, account: Account) -> None:
        stop = SendingStop(
            tenant_id=account.tenant_id,
            address=account.address,
            mark=mark_of(account),
            at_ms=self._clock.now_ms(),
        )
        async with self._store.transaction(account.tenant_id) as tx:
            await tx.stop_sending(stop)
        LOG.warning("sending_stopped", extra={"tenant": account.tenant_id, "address": account.address})

    def _mark(self, tenant_id: str, address: str) -> str | None:
        found = self._directory.address(address)
        if found is None or found[0] != tenant_id or found[1].account is None:
            return None
        return mark_of(found[1].account)


def mark_of(account: Configured) -> str:
    """Another one for another URL or another option; secrets may be rotated."""
    told = json.dumps([account.account_id, sorted(account.options.items())])
    return hashlib.sha256(told.encode()).hexdigest()
