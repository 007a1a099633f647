"""Where providers deliver what customers write: `/chat/v1/webhooks/{address}`."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from fastapi import APIRouter
from gatewaykit.directory import Directory
from gatewaykit.domain.provider import (
    ForgedError,
    Item,
    NotUnderstoodError,
    Passed,
    StaleError,
    Typing,
    WebAnswer,
    WebRequest,
)
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.problems import ProblemError
from servicekit.telemetry import log
from starlette.requests import Request
from starlette.responses import Response

from chat_gateway.carriers import Carried, Carriers
from chat_gateway.metrics import ProviderMetrics
from chat_gateway.notes import WebhookNotes
from chat_gateway.receiving import DELIVERY_SECONDS, Landed, Receiving
from chat_gateway.settings import PREFIX

LOG: Final = log("webhooks")
BODY_BYTES_MAX: Final = 4_194_304
"""Meta's deliveries have up to 3 MB."""
BODIES: Final = {f"{PREFIX}/webhooks/{{address}}": BODY_BYTES_MAX}
BODY_SECONDS: Final = 10.0


class Webhooks:
    """Takes deliveries, of which so many may be here at once; a 2xx means that all of it is safe."""

    def __init__(
        self,
        carriers: Carriers,
        directory: Directory,
        receiving: Receiving,
        notes: WebhookNotes,
        *,
        clock: Clock,
        metrics: ProviderMetrics,
        present_max: int,
    ) -> None:
        self._carriers = carriers
        self._directory = directory
        self._receiving = receiving
        self._notes = notes
        self._clock = clock
        self._metrics = metrics
        self._present = 0
        self._present_max = present_max

    def router(self) -> APIRouter:
        """Routes under `/chat/v1`."""
        router = APIRouter(tags=["webhooks"])
        router.add_api_route(
            "/webhooks/{address:path}",
            self.take,
            methods=["GET", "POST"],
            response_class=Response,
            summary="What a provider tells of an address, or asks of it",
        )
        return router

    async def take(self, address: str, request: Request) -> Response:
        """Verify the provider's delivery over its raw body, and answer once all of it is safe."""
        async with self._present_within_bounds():
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await request.body()
            except TimeoutError:
                raise ProblemError(408, "body_too_slow", "The body did not come in time.") from None
            try:
                async with asyncio.timeout(DELIVERY_SECONDS):
                    answer = await self._answered(address, request, body)
            except TimeoutError:
                self._metrics.deliveries.labels(self._provider_of(address), "late").inc()
                raise _busy() from None
        return Response(answer.body, status_code=answer.status, media_type=answer.content_type)

    @asynccontextmanager
    async def _present_within_bounds(self) -> AsyncGenerator[None]:
        if self._present >= self._present_max:
            self._metrics.deliveries.labels("", "busy").inc()
            raise _busy()
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1

    async def _answered(self, address: str, request: Request, body: bytes) -> WebAnswer:
        try:
            carried = self._carriers.at(address)
        except RetryLaterError:  # secrets are missing: the operator learns it from the log and the metric
            self._refuse(address, "secret_missing")
            raise
        if carried is None:
            if not self._directory.complete:
                raise ProblemError(503, "starting", "The configuration is not read yet.").with_headers(retry_after="1")
            raise ProblemError(404, "address_unknown", "There is no such address of a provider.")
        asked = _asked(carried, request, body)
        try:
            outcome, answer = await self._understood(carried, asked)
        except (ForgedError, StaleError) as error:
            reason, status = ("forged", 401) if isinstance(error, ForgedError) else ("stale", 403)
            self._count(carried, reason)
            self._refuse(address, reason)
            raise ProblemError(status, "delivery_refused", "This is not believed to be the provider's.") from None
        except NotUnderstoodError as error:
            self._count(carried, "not_understood")
            self._refuse(address, "not_understood")
            told = {"provider": carried.provider.name, "tenant": carried.account.tenant_id, "bytes": len(body)}
            reason = str(error)[:100]  # names of members at most, nothing of what they hold
            LOG.warning("delivery_not_understood", extra={**told, "reason": reason})
            detail = f"This is not as the provider's documents say: {reason}."
            raise ProblemError(400, "delivery_not_understood", detail) from None
        except RetryLaterError:
            self._count(carried, "away")
            raise
        self._count(carried, outcome)
        self._notes.delivered(carried.account.tenant_id, address)
        return answer

    async def _understood(self, carried: Carried, asked: WebRequest) -> tuple[str, WebAnswer]:
        provider, account, now_ms = carried.provider, carried.account, self._clock.now_ms()
        if asked.method == "POST":
            provider.verify(asked, account, now_ms=now_ms)
        handshake = provider.handshake(asked, account)
        if handshake is not None:
            return "handshake", handshake
        if asked.method != "POST":
            raise ProblemError(405, "method_not_allowed", "Deliveries come by POST.").with_headers(allow="POST")
        items = provider.parse(asked, account, now_ms=now_ms)
        landed, homeless = self._landed(carried, asked, [item for item in items if not isinstance(item, Typing)])
        if landed:
            await self._receiving.take(landed, size_bytes=len(asked.body))
        if homeless is not None:
            raise homeless  # the rest is safe, and is known when all of it comes again
        await self._receiving.typing.pass_on(account, items)
        return "accepted", provider.answer(asked)

    def _landed(
        self, carried: Carried, asked: WebRequest, items: Sequence[Item]
    ) -> tuple[list[Landed], RetryLaterError | None]:
        """Each with the address that it is about, and why some have none yet; counts what is about none."""
        homes: dict[str, Carried | RetryLaterError | None] = {carried.account.account_id: carried}
        landed: list[Landed] = []
        homeless: RetryLaterError | None = None
        for item in items:
            if isinstance(item, Passed):
                self._metrics.passed.labels(carried.provider.name, item.kind).inc()
                continue
            if item.account_id not in homes:
                homes[item.account_id] = self._neighbour(carried, asked, item.account_id)
            home = homes[item.account_id]
            if isinstance(home, RetryLaterError):
                homeless = home
                continue
            if home is None:
                self._metrics.items.labels(carried.provider.name, "account_unknown").inc()
                continue
            place = self._directory.place(home.account.address)
            if place is None:
                raise _busy()  # its domain is not read yet
            landed.append(Landed(provider=carried.provider.name, place=place, item=item))
        return landed, homeless

    def _neighbour(self, carried: Carried, asked: WebRequest, account_id: str) -> Carried | RetryLaterError | None:
        """Another account of the tenant, if the delivery is signed with its secret too: one app has several. Or why
        that cannot be said yet: its configuration is not read, or an operator owes its secret."""
        try:
            other = self._carriers.of(carried.account.tenant_id, carried.provider.name, account_id)
            if other is None:
                return None if self._directory.complete else RetryLaterError("the configuration is not read yet")
            if other.provider is not carried.provider:
                return None
            other.provider.verify(asked, other.account, now_ms=self._clock.now_ms())
        except (ForgedError, StaleError):
            return None
        except RetryLaterError as error:
            return error
        return other

    def _count(self, carried: Carried, outcome: str) -> None:
        self._metrics.deliveries.labels(carried.provider.name, outcome).inc()

    def _refuse(self, address: str, because: str) -> None:
        """Of a configured address, so that strangers cannot make labels."""
        found = self._directory.address(address)
        if found is not None:
            self._metrics.refused.labels(address, because).inc()
            self._notes.refused(found[0], address, because)

    def _provider_of(self, address: str) -> str:
        found = self._directory.address(address)
        return found[1].account.provider if found and found[1].account else ""


def _asked(carried: Carried, request: Request, body: bytes) -> WebRequest:
    """As the provider sent it: to the public URL, whatever a proxy made of that."""
    query = request.url.query
    return WebRequest(
        method=request.method,
        url=f"{carried.account.webhook_url}?{query}" if query else carried.account.webhook_url,
        headers=dict(request.headers),
        query=dict(request.query_params),
        body=body,
    )


def _busy() -> ProblemError:
    return ProblemError(503, "busy", "Too much waits here. Deliver it again.").with_headers(retry_after="5")
