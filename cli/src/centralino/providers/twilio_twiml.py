"""Does what TwiML says, for one call after the other.

Vendor's pages: "TwiML for Programmable Voice", "<Gather>" (keys are heard in it alone; `timeout` after the last one
ends it, and a key stops what it plays), "<Play>", "<Pause>", "<Redirect>", "<Reject>" (the call is not answered if it
comes first), "<Dial>", "<Conference>", "<Connect>", "<Stream>", "Error and Warning Dictionary": 11200, 12100.
"""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Final, Protocol

from centralino.providers.twilio_calls import Call
from centralino.providers.twilio_told import Form, Telling

SOUND_SECONDS: Final = 2.0
"""How long every sound is."""
LOOPS_MAX: Final = 1000
"""What `loop="0"` means."""


class Exchange(Protocol):
    """What verbs need of the account."""

    telling: Telling

    def form_of(self, call: Call) -> dict[str, str]:
        """Every request about a call has these."""
        ...

    def answer(self, call: Call) -> None:
        """Sound goes both ways from now on."""
        ...

    def finish(self, call: Call, status: str, sip_code: int | None = None) -> None:
        """It is over."""
        ...

    async def sit(self, call: Call, noun: ET.Element) -> None:
        """In a conference, until it leaves."""
        ...

    def changed(self) -> None:
        """Somebody may hear something else."""
        ...


class _DoneError(Exception):
    """The call is over, or does something else now."""


class Interpreter:
    """Runs one document, and those that it leads to."""

    def __init__(self, exchange: Exchange, call: Call) -> None:
        self._exchange = exchange
        self._call = call

    async def run(self, document: bytes | None, url: str = "", form: Form | None = None) -> None:
        """From a document, or from where one is."""
        try:
            if document is None:
                document = await self._fetched(url, form or {})
            while True:
                document = await self._done(document)
        except _DoneError:
            return

    async def _fetched(self, url: str, form: Form) -> bytes:
        call, telling = self._call, self._exchange.telling
        body = await telling.ask(url, {**self._exchange.form_of(call), **form})
        if body is None and call.fallback_url:
            told = {**self._exchange.form_of(call), "ErrorCode": "11200", "ErrorUrl": url}
            body = await telling.ask(call.fallback_url, told)
        if body is None:
            self._exchange.finish(call, "completed" if call.answered else "failed")
            raise _DoneError
        return body

    async def _done(self, document: bytes) -> bytes:
        """All verbs; the next document."""
        call = self._call
        try:
            verbs = list(ET.fromstring(document))  # noqa: S314 - of the centre that is tested
        except ET.ParseError:
            verbs = []
        for place, verb in enumerate(verbs):
            if verb.tag == "Reject" and place == 0 and not call.answered:
                busy = verb.get("reason") == "busy"
                self._exchange.finish(call, "busy" if busy else "failed", 486 if busy else 603)
                raise _DoneError
            if call.inbound and not call.answered:
                self._exchange.answer(call)
            following = await self._verb(verb)
            if following is not None:
                return following
        self._exchange.finish(call, "completed")
        raise _DoneError

    async def _verb(self, verb: ET.Element) -> bytes | None:
        match verb.tag:
            case "Redirect":
                return await self._fetched(verb.text or "", {})
            case "Gather":
                return await self._gather(verb)
            case "Dial":
                [noun] = list(verb)
                await self._exchange.sit(self._call, noun)
            case "Connect":
                await self._connected(verb)
            case "Hangup":
                self._exchange.finish(self._call, "completed")
                raise _DoneError
            case _:
                await self._heard(verb)
        return None

    async def _heard(self, verb: ET.Element) -> None:
        """<Play> and <Pause>."""
        if verb.tag == "Pause":
            await asyncio.sleep(float(verb.get("length", "1")))
        elif verb.get("digits"):
            if self._call.phone is not None:
                self._call.phone.keys += (verb.get("digits") or "").replace("w", "")
        else:
            for _ in range(int(verb.get("loop", "1")) or LOOPS_MAX):
                with _Sounds(self._call, (verb.text or "").strip(), self._exchange.changed):
                    await asyncio.sleep(SOUND_SECONDS)

    async def _gather(self, verb: ET.Element) -> bytes | None:
        call, timeout = self._call, float(verb.get("timeout", "5"))
        call.digits, call.gathers = asyncio.Queue(), True
        prompt = asyncio.create_task(self._prompt(verb))
        first = asyncio.create_task(call.digits.get())
        try:
            await asyncio.wait({prompt, first}, return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                await asyncio.wait({first}, timeout=timeout)
            if not first.done():
                return None
            prompt.cancel()
            await asyncio.gather(prompt, return_exceptions=True)
            digits = first.result() + await self._more(verb, timeout)
        finally:
            call.gathers = False
            prompt.cancel()
            first.cancel()
        return await self._fetched(verb.get("action") or "", {"Digits": digits, "FinishedOnKey": ""})

    async def _more(self, verb: ET.Element, timeout: float) -> str:
        digits, most = "", int(verb.get("numDigits", "1000"))
        while len(digits) + 1 < most:
            try:
                async with asyncio.timeout(timeout):
                    digits += await self._call.digits.get()
            except TimeoutError:
                break
        return digits

    async def _prompt(self, verb: ET.Element) -> None:
        for inner in verb:
            await self._heard(inner)

    async def _connected(self, verb: ET.Element) -> None:
        self._call.streams = True
        self._exchange.changed()
        try:
            await self._call.ended.wait()
        finally:
            self._call.streams = False
            self._exchange.changed()
        raise _DoneError


class _Sounds:
    """A call hears this until the block is left."""

    def __init__(self, call: Call, uri: str, changed: Callable[[], None]) -> None:
        self._call, self._uri, self._changed = call, uri, changed

    def __enter__(self) -> None:
        self._call.sounds = frozenset({self._uri})
        self._changed()

    def __exit__(self, *_: object) -> None:
        self._call.sounds = frozenset()
        self._changed()
