"""Twilio's REST API: www.twilio.com/docs/usage/requests-to-twilio, "Twilio API: Requests", "Twilio API: Responses",
"Error and Warning Dictionary", "REST API: rate limits" (error 20429).

Every request has a time-out, so many are under way at once, and each is tried a few times. A request that makes
something is not sent again when nobody knows whether it was taken: its caller looks (`UncertainError`).
"""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from servicekit.errors import RetryLaterError
from servicekit.ports import (
    Chance,
    Clock,
    Http,
    HttpNotSentError,
    HttpReply,
    HttpSink,
    HttpTooLargeError,
    HttpUnknownError,
)

UNDER_WAY_MAX: Final = 50
TIMEOUT_SECONDS: Final = 10.0
TRIES_MAX: Final = 4
ANSWER_BYTES_MAX: Final = 4_194_304
RECORDING_BYTES_MAX: Final = 512 * 1024 * 1024
RECORDING_SECONDS: Final = 300.0
WAIT_SECONDS_MAX: Final = 5.0
"""Twilio may ask to come again later than this: then the caller does."""
NOT_IN_PROGRESS: Final = 21220
_PAUSE_SECONDS: Final = 0.3
_FORM: Final = "application/x-www-form-urlencoded"
Fields = Mapping[str, str] | Sequence[tuple[str, str]]
Json = Mapping[str, Any]  # Any: of many shapes; what is read from it is checked where it is read


class RefusedError(Exception):
    """Twilio will not do it; `code` is its own."""

    def __init__(self, status: int, code: int) -> None:
        super().__init__(f"Twilio {code} ({status})")
        self.status = status
        self.code = code

    @property
    def gone(self) -> bool:
        """There is no such thing, or no more."""
        return self.status == 404 or self.code in {NOT_IN_PROGRESS, 20404}


class UncertainError(Exception):
    """It may have been done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request of the HTTP port."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Rest:
    """One account. `tokens` are its auth tokens, the current one first; `trouble` is told when Twilio cannot be had."""

    def __init__(
        self,
        http: Http,
        clock: Clock,
        chance: Chance,
        *,
        account_sid: str,
        tokens: Callable[[], Sequence[str]],
        api_url: str,
        trouble: Callable[[str], None],
    ) -> None:
        self._http = http
        self._clock = clock
        self._chance = chance
        self._account_sid = account_sid
        self._tokens = tokens
        self._base = f"{api_url.rstrip('/')}/2010-04-01/Accounts/{account_sid}"
        self._trouble = trouble
        self._room = asyncio.Semaphore(UNDER_WAY_MAX)

    async def get(self, path: str, query: Fields = ()) -> Json:
        """A resource or a list of them."""
        return _json(await self._asked("GET", f"{path}.json" + (f"?{urlencode(query)}" if query else ""), ()))

    async def change(self, path: str, fields: Fields) -> Json:
        """What may be said twice."""
        return _json(await self._asked("POST", f"{path}.json", fields))

    async def make(self, path: str, fields: Fields) -> Json:
        """What must not be said twice. Raises UncertainError."""
        return _json(await self._asked("POST", f"{path}.json", fields, once=True))

    async def remove(self, path: str) -> None:
        """Succeeds if it is gone already."""
        try:
            await self._asked("DELETE", f"{path}.json", ())
        except RefusedError as error:
            if not error.gone:
                raise

    async def fetch(self, path: str, sink: HttpSink) -> None:
        """A file."""
        await self._asked("GET", path, (), sink=sink)

    async def _asked(
        self, method: str, path: str, fields: Fields, *, once: bool = False, sink: HttpSink | None = None
    ) -> HttpReply:
        """The first answer that says something. Raises RefusedError, RetryLaterError, UncertainError."""
        body, reason, token = urlencode(fields).encode() if fields else b"", "", 0
        for attempt in range(TRIES_MAX):
            if attempt:
                await self._clock.sleep(_PAUSE_SECONDS * 2**attempt * self._chance.uniform(0.5, 1))
            try:
                reply = await self._sent(method, path, body, token, sink)
            except HttpNotSentError as error:
                reason = str(error)
                continue
            except (HttpUnknownError, HttpTooLargeError) as error:
                if once:
                    raise UncertainError(str(error)) from error
                reason = str(error)
                continue
            if reply.status < 400:
                return reply
            reason = f"Twilio {reply.status}"
            if reply.status == 401 and token + 1 < len(self._tokens()):
                token += 1  # the secret is being changed: the one before may still be the one that counts
            else:
                await self._troubled(reply, once=once)
        if reason != "Twilio 429":
            self._trouble(reason)
        raise RetryLaterError(reason)

    async def _troubled(self, reply: HttpReply, *, once: bool) -> None:
        """Returns if it may be asked again: too many were, which took nothing, or nobody knows and it does no harm."""
        if reply.status == 429:
            await self._clock.sleep(_wait_seconds(reply))
        elif reply.status < 500:
            raise RefusedError(reply.status, _code(reply))
        elif once:
            raise UncertainError(f"Twilio {reply.status}")

    async def _sent(self, method: str, path: str, body: bytes, token: int, sink: HttpSink | None) -> HttpReply:
        pair = base64.b64encode(f"{self._account_sid}:{self._tokens()[token]}".encode()).decode()
        headers = {"authorization": f"Basic {pair}"} | ({"content-type": _FORM} if body else {})
        asked = Asked(method=method, url=f"{self._base}/{path}", headers=headers, body=body)
        async with self._room:
            return await self._http.send(
                asked,
                timeout_seconds=TIMEOUT_SECONDS if sink is None else RECORDING_SECONDS,
                bytes_max=ANSWER_BYTES_MAX if sink is None else RECORDING_BYTES_MAX,
                sink=sink,
            )


def _json(reply: HttpReply) -> Json:
    try:
        value = json.loads(reply.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UncertainError("the answer is no JSON")
    return value


def _code(reply: HttpReply) -> int:
    try:
        value = json.loads(reply.body)
    except ValueError:
        return 0
    code = value.get("code") if isinstance(value, dict) else None
    return code if isinstance(code, int) else 0


def _wait_seconds(reply: HttpReply) -> float:
    """Raises RetryLaterError for longer than somebody on the line would wait."""
    word = reply.headers.get("retry-after", "")
    seconds = float(word) if word.isascii() and word.isdigit() else 1.0
    if seconds > WAIT_SECONDS_MAX:
        raise RetryLaterError(f"Twilio wants to be asked in {seconds:.0f} s")
    return seconds
