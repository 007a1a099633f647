"""The web shell of a service: FastAPI with problem+json errors, request ids, bounded bodies and safe headers."""

import re
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from opentelemetry.trace import SpanKind
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicekit.auth import TokenVerifier
from servicekit.errors import RetryLaterError
from servicekit.logs import failure_fields
from servicekit.ports import LogAwayError
from servicekit.problems import MEDIA_TYPE, Problem, ProblemError, problem_response
from servicekit.system import SystemIds
from servicekit.telemetry import TRACEPARENT, Telemetry, log

LOG: Final = log("web")

BODY_BYTES_MAX: Final = 1_048_576
RETRY_AFTER_SECONDS: Final = 1
NO_CONTENT_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_PROBLEM: Final[Mapping[str, object]] = {"content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {  # Any: FastAPI's own type
    422: {"description": "Something in the request is wrong; `faults` names everything.", **_PROBLEM},
    "4XX": {"description": "Refused; `code` says why.", **_PROBLEM},
    "5XX": {"description": "Not the caller's fault; 503 may be tried again.", **_PROBLEM},
}


def create_app(
    title: str,
    prefix: str,
    *,
    telemetry: Telemetry,
    routers: Sequence[APIRouter] = (),
    verifier: TokenVerifier | None = None,
    allowed_origins: Sequence[str] = (),
    content_security_policy: str = NO_CONTENT_POLICY,
    larger_bodies: Mapping[str, int] | None = None,
) -> FastAPI:
    """An application whose routes all begin with `prefix` (`/crm/v1`); `require` asks `verifier`.

    `allowed_origins` are the web origins (scheme, host, port) whose pages may call it from a browser. `larger_bodies`
    maps paths, in which `{name}` stands for one segment, to the bytes that their bodies may have where BODY_BYTES_MAX
    is too little.
    """
    app = FastAPI(
        title=title,
        openapi_url=f"{prefix}/openapi.json",
        docs_url=None,  # the pages that FastAPI serves load scripts from elsewhere
        redoc_url=None,
        responses=_RESPONSES,
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=list(allowed_origins),
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=[
                    "authorization",
                    "content-type",
                    "idempotency-key",
                    "if-match",
                    "traceparent",
                    "x-request-id",
                ],
                expose_headers=["etag", "retry-after", "x-request-id"],
                max_age=600,
            ),
            Middleware(_Watched, telemetry=telemetry),
            Middleware(_Shell, content_security_policy=content_security_policy),
            Middleware(_BoundedBody, larger_bodies=larger_bodies or {}),
        ],
        exception_handlers={
            ProblemError: _problem,
            StarletteHTTPException: _http_problem,
            RequestValidationError: _validation_problem,
            _BodyTooLargeError: _too_large,
            RetryLaterError: _away_problem,
            LogAwayError: _away_problem,
        },
    )
    app.state.verifier = verifier
    for router in routers:
        app.include_router(router, prefix=prefix)
    return app


class _Watched:
    """Measures every request, in a span that goes on with the caller's trace. Both know the route, not the path: paths
    hold names."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began_at = 500, time.perf_counter()

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        given = dict(scope["headers"]).get(TRACEPARENT.encode(), b"").decode("ascii", "replace") or None
        with self._telemetry.span(scope["method"], traceparent=given, kind=SpanKind.SERVER) as span:
            try:
                await self._app(scope, receive, send_watched)
            finally:
                method, route = _named(scope)
                span.update_name(f"{method} {route}")
                span.set_attribute("http.response.status_code", status)
        self._telemetry.requests_seconds.labels(method, route, str(status)).observe(time.perf_counter() - began_at)


class _Shell:
    """A request id, safe headers, and a problem document for what nobody caught."""

    def __init__(self, app: ASGIApp, content_security_policy: str) -> None:
        self._app = app
        self._policy = content_security_policy
        self._ids = SystemIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Request(scope).headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else self._ids.new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._add_headers(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_safely)
        except Exception as error:
            LOG.error("request_failed", extra={"request_id": request_id, **failure_fields(error)})  # noqa: TRY400 - as fields
            if started:
                raise
            response = problem_response(500, "bug", f"Something is broken here. Say this id: {request_id}.")
            await response(scope, receive, send_safely)

    def _add_headers(self, headers: MutableHeaders, request_id: str) -> None:
        headers["x-request-id"] = request_id
        headers.setdefault("x-content-type-options", "nosniff")
        headers.setdefault("referrer-policy", "no-referrer")
        headers.setdefault("cache-control", "no-store")
        headers.setdefault("content-security-policy", self._policy)


class _BoundedBody:
    """Refuses bodies over the limit of their path, declared or not, before they are held in memory."""

    def __init__(self, app: ASGIApp, larger_bodies: Mapping[str, int]) -> None:
        self._app = app
        self._larger_bodies = [
            (re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", path)))), bytes_max)
            for path, bytes_max in larger_bodies.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        larger = (bytes_max for path, bytes_max in self._larger_bodies if path.fullmatch(scope["path"]))
        bytes_max = next(larger, BODY_BYTES_MAX)
        declared = Request(scope).headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > bytes_max:
            answer = await _too_large(Request(scope), _BodyTooLargeError(bytes_max))
            await answer(scope, receive, send)
            return
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > bytes_max:
                raise _BodyTooLargeError(bytes_max)
            return message

        await self._app(scope, receive_bounded, send)


class _BodyTooLargeError(HTTPException):
    """A streamed body went over the limit; FastAPI passes only its own exceptions through while it reads a body."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(413)
        self.bytes_max = bytes_max


def _named(scope: Scope) -> tuple[str, str]:
    """Method and route of a request, both out of a bounded set."""
    route = getattr(scope.get("route"), "path", None)
    return scope["method"] if scope["method"] in _METHODS else "OTHER", route or "none"


async def _too_large(_: Request, error: Exception) -> Response:
    if not isinstance(error, _BodyTooLargeError):
        raise error
    return problem_response(413, "body_too_large", f"A body may have {error.bytes_max} bytes.")


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem_response(error.status, error.code, error.detail, extensions=error.extensions, headers=error.headers)


async def _http_problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, StarletteHTTPException):
        raise error
    code = HTTPStatus(error.status_code).name.lower()
    return problem_response(error.status_code, code, str(error.detail), headers=error.headers)


async def _validation_problem(_: Request, error: Exception) -> Response:
    """Every fault with its path, without the values: they may be personal data."""
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [_fault(each) for each in error.errors()]
    return problem_response(422, "request_invalid", "The request has faults.", extensions={"faults": faults})


async def _away_problem(request: Request, error: Exception) -> Response:
    LOG.warning("backend_away", extra={"request_id": request.state.request_id, "error": type(error).__name__})
    return problem_response(
        503,
        "try_later",
        "A part that this needs is away. Try again.",
        headers={"retry-after": str(RETRY_AFTER_SECONDS)},
    )


def _fault(error: Mapping[str, Any]) -> dict[str, str]:  # Any: pydantic's own type
    where, *path = error["loc"]
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    return {"where": str(where), "path": pointer, "message": error["msg"]}
