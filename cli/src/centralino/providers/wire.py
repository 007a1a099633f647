"""Requests and answers as data, and the one function that sends a request."""

import asyncio
import http.client
import ssl
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from json import JSONDecodeError, dumps, loads
from typing import Final
from urllib.parse import SplitResult, urlsplit

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a client asks of the vendor's API; `path` is below the simulator's prefix, `headers` by lower-case name,
    `base_url` what stands before the path."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str

    def json(self) -> dict[str, object]:
        """The body's object; empty if it is none."""
        try:
            value = loads(self.body)
        except (JSONDecodeError, UnicodeDecodeError):
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What it is answered."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A request to a webhook."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back. `status` 0: nothing did, and `failure` is `timeout` or `connection`."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""


def json_reply(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer in JSON."""
    return Reply(status=status, body=dumps(value).encode(), headers={"content-type": _JSON, **(headers or {})})


def dig(value: object, *keys: str | int) -> object:
    """What lies under the keys; none if anything on the way is missing or something else."""
    for key in keys:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def words(value: object, *keys: str | int) -> str:
    """The text there; empty if it is none."""
    found = dig(value, *keys)
    return found if isinstance(found, str) else ""


async def send(parcel: Parcel, *, timeout_seconds: float, pool: Executor | None) -> Answered:
    """Send it once, in a thread of the pool, follow nothing, and never raise."""
    asked = asyncio.get_running_loop().run_in_executor(pool, _send, parcel, timeout_seconds)
    try:
        return await asyncio.wait_for(asked, timeout_seconds)
    except TimeoutError:
        return Answered(status=0, failure="timeout")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Answered(status=0, failure="connection", body=str(error).encode("utf-8", "replace"))


def _send(parcel: Parcel, timeout_seconds: float) -> Answered:
    parts = urlsplit(parcel.url)
    connection = _connection(parts, timeout_seconds)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(parcel.method, target, body=parcel.body or None, headers=dict(parcel.headers))
        answer = connection.getresponse()
        body = answer.read(BODY_BYTES_MAX)
        return Answered(status=answer.status, body=body, headers={k.lower(): v for k, v in answer.getheaders()})
    finally:
        connection.close()


def _connection(parts: SplitResult, timeout_seconds: float) -> http.client.HTTPConnection:
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.netloc, timeout=timeout_seconds, context=context)
    if parts.scheme != "http" or not parts.netloc:
        raise ValueError("no http URL")
    return http.client.HTTPConnection(parts.netloc, timeout=timeout_seconds)
