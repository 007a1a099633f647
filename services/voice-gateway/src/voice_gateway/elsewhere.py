"""Passes what a provider tells of a node on to the replica that runs it: a load balancer knows nothing of owners."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from servicekit.http_client import resolve
from servicekit.ports import Clock, Http, HttpNotSentError, HttpReply, HttpTooLargeError, HttpUnknownError
from servicekit.store import EVERY_TENANT
from servicekit.telemetry import log
from starlette.requests import Request
from starlette.responses import Response

from voice_gateway.owner import Owner
from voice_gateway.store import VoiceStore

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOG: Final = log("elsewhere")
PASSED_ON: Final = "x-centralino-passed-on"
BODY_BYTES_MAX: Final = 65_536
ANSWER_BYTES_MAX: Final = 262_144
ANSWER_SECONDS: Final = 13.0
"""Less than providers wait, more than the owner takes."""
KNOWN_MS: Final = 1_000
_PATH: Final = re.compile(r"/voice/v1/webhooks/([^/]+)/")
_ALONG: Final = frozenset({"content-type", "x-twilio-signature", "i-twilio-idempotency-token"})


@dataclass(frozen=True, slots=True)
class _Passed:
    """A request to another replica."""

    url: str
    body: bytes
    headers: dict[str, str]
    method: str = field(default="POST", init=False)


class ToOwner:
    """An ASGI application before ours. What nobody runs, or cannot be passed on, ours answers: 503."""

    def __init__(self, app: "ASGIApp", owners: Sequence[Owner], *, store: VoiceStore, http: Http, clock: Clock) -> None:
        self._app = app
        self._owners = {owner.node.name: owner for owner in owners}
        self._store = store
        self._http = http
        self._clock = clock
        self._known_at_ms = 0
        self._urls: dict[str, str] = {}

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        url = await self._elsewhere(scope)
        if url is None:
            await self._app(scope, receive, send)
            return
        response = await self._passed_on(url, Request(scope, receive))
        await response(scope, receive, send)

    async def _elsewhere(self, scope: "Scope") -> str | None:
        found = _PATH.match(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        owner = self._owners.get(found[1]) if found else None
        if owner is None or owner.driver is not None or any(name == PASSED_ON.encode() for name, _ in scope["headers"]):
            return None
        now_ms = self._clock.now_ms()
        if abs(now_ms - self._known_at_ms) >= KNOWN_MS:
            async with self._store.transaction(EVERY_TENANT) as tx:
                self._urls = {row.node: row.url for row in await tx.nodes(now_ms=now_ms) if row.owned and row.url}
            self._known_at_ms = now_ms
        return self._urls.get(owner.node.name)

    async def _passed_on(self, url: str, request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_BYTES_MAX:
                return Response(status_code=413)
        query = f"?{request.url.query}" if request.url.query else ""
        headers = {name: value for name, value in request.headers.items() if name in _ALONG}
        passed = _Passed(f"{url}{request.url.path}{query}", bytes(body), {**headers, PASSED_ON: "1"})
        try:
            reply = await self._http.send(passed, timeout_seconds=ANSWER_SECONDS, bytes_max=ANSWER_BYTES_MAX)
        except (HttpNotSentError, HttpUnknownError, HttpTooLargeError) as error:
            LOG.warning("owner_not_reached", extra={"error": type(error).__name__})
            return Response(status_code=503, headers={"retry-after": "1"})
        return _response(reply)


def _response(reply: HttpReply) -> Response:
    kept = {name: value for name, value in reply.headers.items() if name in {"content-type", "retry-after"}}
    return Response(reply.body, status_code=reply.status, headers=kept)


async def url_of_this_replica(host: str, port: int) -> str | None:
    """Where other replicas reach what listens there; none: at no port that is known."""
    if port == 0:
        return None
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = (await resolve(socket.gethostname(), port))[0]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
