"""The few HTTP calls that the command itself makes, all to loopback."""

import http.client
import json
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

_TIMEOUT_SECONDS: Final = 10.0
_AWAY: Final = (OSError, http.client.HTTPException)
# A proxy of the environment is for other hosts.
_DIRECT: Final = build_opener(ProxyHandler({}))


def status_of(url: str) -> int | None:
    """The status code that a GET answers; none when nobody answers."""
    try:
        return call("GET", url)[0]
    except _AWAY:
        return None


def call(
    method: str, url: str, *, token: str | None = None, headers: dict[str, str] | None = None, body: object = None
) -> tuple[int, str]:
    """Status and body of an answer, also of a refusal. Raises OSError when nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    given = {"authorization": f"Bearer {token}"} if token else {}
    if data is not None:
        given["content-type"] = "application/json"
    request = Request(url, data=data, method=method, headers={**given, **(headers or {})})  # noqa: S310 - our own URLs
    try:
        with _DIRECT.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()
