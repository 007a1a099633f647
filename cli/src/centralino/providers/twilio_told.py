"""What Twilio asks of webhooks, simulated: signed, asked again, doubled and shuffled by the seed.

Vendor's pages: "Webhooks security", "Webhooks (HTTP callbacks): Connection overrides" (`#rc=3&rp=all` behind the URL;
without it only a failed connection is tried once more), "Availability and reliability: fallback URLs".
"""

import asyncio
import base64
import hmac
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urldefrag, urlencode

from centralino.providers.wire import Answered, Parcel

ANSWER_SECONDS: Final = 15.0
TOLD_MAX: Final = 5000
Deliver = Callable[[Parcel], Awaitable[Answered]]
Form = Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Trouble:
    """What goes wrong between Twilio and its customer."""

    duplicate_share: float = 0.0
    shuffle_within_ms: int = 0
    """Of callbacks; what a call is to do is asked at once."""
    signature: str = "right"
    """`wrong`: signed by somebody who does not know the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One request and what came of it."""

    url: str
    form: Form
    status: int
    body: bytes


class Telling:
    """Of one account."""

    def __init__(self, token: str, account_sid: str, deliver: Deliver, *, seed: int) -> None:
        self.token = token
        self.trouble = Trouble()
        self.told: deque[Told] = deque(maxlen=TOLD_MAX)
        self._account_sid = account_sid
        self._deliver = deliver
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated
        self._asked = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, url: str, form: Form) -> bytes | None:
        """What a call is to do; none: it cannot be had."""
        told = await self._tried(url, form)
        return told.body if 200 <= told.status < 300 else None

    def tell(self, url: str, form: Form) -> None:
        """A callback, whose answer says nothing."""
        if not url:
            return
        for _ in range(1 + (self._chance.random() < self.trouble.duplicate_share)):
            task = asyncio.create_task(self._later(url, form, self._chance.uniform(0, self.trouble.shuffle_within_ms)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Until every callback is answered."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _later(self, url: str, form: Form, milliseconds: float) -> None:
        if milliseconds:
            await asyncio.sleep(milliseconds / 1000)
        await self._tried(url, form)

    async def _tried(self, url: str, form: Form) -> Told:
        self._asked += 1
        key, overrides = f"{self._asked:032x}", parse_qs(urldefrag(url).fragment)
        times = int(overrides.get("rc", ["1"])[0])
        policies = overrides.get("rp", ["ct"])[0].split(",")
        for attempt in range(times + 1):
            answered = await self._deliver(self.parcel(url, form, key))
            what = {"timeout": "rt", "connection": "ct"}.get(answered.failure, f"{answered.status // 100}xx")
            self.told.append(Told(url=url, form=form, status=answered.status, body=answered.body))
            wanted = "all" in policies or what in policies
            if 200 <= answered.status < 300 or not wanted or attempt == times:
                break
        return self.told[-1]

    def parcel(self, url: str, form: Form, key: str = "") -> Parcel:
        """As Twilio sends it."""
        bare = urldefrag(url).url
        said = {"AccountSid": self._account_sid, "ApiVersion": "2010-04-01", **form}
        text = bare + "".join(name + said[name] for name in sorted(said))
        token = self.token if self.trouble.signature == "right" else "guessed"
        signature = base64.b64encode(hmac.new(token.encode(), text.encode(), "sha1").digest()).decode()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "I-Twilio-Idempotency-Token": key,
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": signature,
        }
        return Parcel(url=bare, body=urlencode(said).encode(), headers=headers)
