"""The webhooks of nodes over HTTP: mount it under `/voice/v1`. The account's signature is checked before anything else.

At Twilio a number's "A call comes in" is `{public}/voice/v1/webhooks/{node}/calls`, its fallback `.../fallback`, its
"Call status changes" `.../status`: all by POST.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from fastapi import APIRouter
from servicekit.errors import RetryLaterError
from servicekit.problems import ProblemError
from starlette.requests import Request
from starlette.responses import Response

from voice_gateway.drivers.webhook.driver import WebhookDriver
from voice_gateway.drivers.webhook.signatures import ForgedError, fields_of, verify

BODY_BYTES_MAX: Final = 65_536
BODY_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 12.0
"""Twilio waits 15 s."""
PRESENT_MAX: Final = 2_000
"""Requests that are answered at once: a call that rings has one for up to 4 s."""
PATH: Final = "/webhooks/{node}/{what:path}"


class WebhookRoutes:
    """`of_node` gives the driver of a node whose owner this process is, or none."""

    def __init__(self, of_node: Callable[[str], WebhookDriver | None], *, present_max: int = PRESENT_MAX) -> None:
        self._of_node = of_node
        self._present = 0
        self._present_max = present_max

    def router(self) -> APIRouter:
        """One route."""
        router = APIRouter(tags=["webhooks"])
        router.add_api_route(
            PATH, self.take, methods=["POST"], response_class=Response, summary="What a provider tells of its calls"
        )
        return router

    async def take(self, node: str, what: str, request: Request) -> Response:
        """TwiML, or 204 where nothing but a 2xx is wanted."""
        driver = self._of_node(node)
        if driver is None:
            raise _busy("This node is not served here now.")
        if self._present >= self._present_max:
            raise _busy("Too much waits here.")
        self._present += 1
        try:
            return await self._taken(driver, what, request)
        finally:
            self._present -= 1

    async def _taken(self, driver: WebhookDriver, what: str, request: Request) -> Response:
        body, query = await _body(request), request.url.query
        kind = request.headers.get("content-type", "")
        # As Twilio sent it: to the public URL, whatever a proxy made of that.
        url = f"{driver.account.base_url}/{request.url.path.partition(f'/webhooks/{driver.account.node}/')[2]}"
        url = f"{url}?{query}" if query else url
        try:
            verify(url, body, kind, request.headers.get("x-twilio-signature"), driver.tokens())
        except ForgedError:
            raise ProblemError(401, "delivery_refused", "This is not believed to be the provider's.") from None
        try:
            form = fields_of(body)
        except ValueError:
            raise ProblemError(400, "delivery_not_understood", "The body is no form.") from None
        if form.get("AccountSid") != driver.account.account_sid:
            raise ProblemError(403, "account_unknown", "This is of another account.")
        token = request.headers.get("i-twilio-idempotency-token", "")
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                return _answer(await _told(driver, what, dict(request.query_params), form, token))
        raise _busy("It took too long.")


async def _told(driver: WebhookDriver, what: str, query: dict[str, str], form: dict[str, str], token: str) -> str:
    try:
        return await driver.told(what, query, form, token)
    except RetryLaterError:
        raise _busy("The provider cannot be asked now.") from None


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > BODY_BYTES_MAX:
                    raise ProblemError(413, "body_too_large", "The body is too large.")
    except TimeoutError:
        raise ProblemError(408, "body_too_slow", "The body did not come in time.") from None
    return bytes(body)


def _answer(document: str) -> Response:
    return Response(document, media_type="text/xml") if document else Response(status_code=204)


def _busy(detail: str) -> ProblemError:
    return ProblemError(503, "busy", detail).with_headers(retry_after="1")
