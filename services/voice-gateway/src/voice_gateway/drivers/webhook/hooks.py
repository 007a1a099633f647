"""What one account's webhooks are told and asked. Whoever serves them has checked the signature."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import NAMESPACE_URL, uuid5

from voice_gateway.domain.events import KeyPressed, LegIncoming
from voice_gateway.domain.words import RefusedBecause
from voice_gateway.drivers.webhook import twiml
from voice_gateway.drivers.webhook.callbacks import (
    ANSWERED,
    Form,
    caller_of,
    conference_of,
    headers_of,
    machine_of,
    recording_of,
    status_of,
)
from voice_gateway.drivers.webhook.legs import Leg
from voice_gateway.drivers.webhook.lines import Lines
from voice_gateway.drivers.webhook.recordings import Recordings

VERDICT_SECONDS: Final = 10.0
"""Twilio waits 15 s for what a new call is to do, while the caller hears it ring. If nobody knows by then we answer."""
ASKED_AGAIN_MAX: Final = 60
"""How often a call whose gateway is away hears the music before it ends."""
SEEN_MAX: Final = 10_000
Verdict = Literal["answer", "cancelled"] | RefusedBecause
Query = Mapping[str, str]


class Hooks:
    """See above. The answer is TwiML, or nothing where only a 2xx is wanted."""

    def __init__(self, lines: Lines, recordings: Recordings) -> None:
        self._lines = lines
        self._recordings = recordings
        self._verdicts: dict[str, asyncio.Future[Verdict]] = {}
        self._seen: dict[str, None] = {}

    def decide(self, leg: Leg, verdict: Verdict) -> bool:
        """What a call that rings is to do; false if it is to be answered, or has been."""
        future = self._verdicts.get(leg.leg_id)
        if future is None:
            return False
        if not future.done():
            future.set_result(verdict)
        return future.result() != "answer"

    async def asked(self, what: str, query: Query, form: Form, token: str) -> str:
        """`what` stands behind the node in the path. `token` is the same when Twilio asks again."""
        name, _, rest = what.partition("/")
        if name == "calls":
            return await self._incoming(form)
        if name == "fallback":
            return self._fallback(form)
        if name == "legs":
            return await self._next(unquote(rest), query, form, token)
        if name == "status":
            self._status(query, form)
        elif name == "machine":
            self._machine(query, form)
        elif name == "rooms":
            await self._conference(form)
        elif name == "recordings":
            await self._recordings.told(query.get("recording", ""), recording_of(form))
        return ""

    async def _incoming(self, form: Form) -> str:
        call_sid, lines = form.get("CallSid", ""), self._lines
        leg_id = leg_id_of(lines.account.node, call_sid)
        leg = lines.legs.get(leg_id)
        if not call_sid or lines.is_over(leg_id):
            return twiml.over()
        if leg is None:
            leg = self._new(leg_id, call_sid, form)
        if leg.answered:
            return lines.documents.document(leg)  # it comes again, perhaps from where we were away
        verdict = await self._verdict(leg)
        if verdict != "answer":
            leg.by_us = True
            lines.ended(leg, verdict)
            if form.get("CallStatus") == "in-progress":
                return twiml.over()
            return twiml.rejected("busy" if verdict == "busy" else "rejected")
        lines.answered(leg)
        return lines.documents.document(leg) if leg.leg_id in lines.legs else twiml.over()

    def _new(self, leg_id: str, call_sid: str, form: Form) -> Leg:
        lines = self._lines
        leg = lines.add(Leg(leg_id=leg_id, ours=False, call_sid=call_sid, rank=2))
        self._verdicts[leg_id] = asyncio.get_running_loop().create_future()
        lines.sink.tell(
            LegIncoming(
                leg_id=leg_id,
                called=form.get("To", ""),
                caller=caller_of(form),
                diverted_from=form.get("ForwardedFrom") or None,
                headers=headers_of(form),
                provider_id=call_sid,
                at_ms=lines.clock.now_ms(),
            )
        )
        return leg

    async def _verdict(self, leg: Leg) -> Verdict:
        future = self._verdicts.get(leg.leg_id)
        if future is None:
            return "answer"
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(VERDICT_SECONDS):
                    await asyncio.shield(future)
        finally:
            self._verdicts.pop(leg.leg_id, None)
        if not future.done():
            future.set_result("answer")
        return future.result()

    def _fallback(self, form: Form) -> str:
        """Twilio could not get or do what a call was to do: after some music it asks as if the call had just come."""
        word = parse_qs(urlsplit(form.get("ErrorUrl", "")).query).get("times", ["0"])[0]
        times = int(word) if word.isascii() and word.isdigit() and len(word) < 4 else 0
        lines = self._lines
        if times >= ASKED_AGAIN_MAX:
            return twiml.over()
        return twiml.music_again(lines.account.music_url, lines.documents.url("calls", times=str(times + 1)))

    async def _next(self, leg_id: str, query: Query, form: Form, token: str) -> str:
        lines, leg = self._lines, self._lines.legs.get(leg_id)
        if leg is None:
            return twiml.over()
        if "keys" in query and self._first(token):
            self._keys(leg, form.get("Digits", ""))
            if leg.playback_id == query["keys"]:
                lines.silenced(leg, "stopped")
        elif leg.playback_id is not None and query.get("played") == leg.playback_id:
            lines.silenced(leg, "played")
        elif leg.stream_id is not None and query.get("streamed") == leg.stream_id:
            leg.stream_id = None
        elif "left" in query and query["left"] == leg.room_id and leg.playback_id is None and not leg.dirty:
            leg.room_id = None  # somebody has taken it out of there by other means than us
        lines.moved(leg)
        return lines.documents.document(leg)

    def _keys(self, leg: Leg, keys: str) -> None:
        for key in keys:
            self._lines.sink.tell(KeyPressed(leg_id=leg.leg_id, key=key, at_ms=self._lines.clock.now_ms()))
            self._lines.later(self._recordings.pressed(leg.leg_id, key))

    def _status(self, query: Query, form: Form) -> None:
        lines, status = self._lines, status_of(form)
        leg = self._dialled(query.get("leg", ""), status.call_sid) or lines.of_call(status.call_sid)
        if leg is None:
            return
        future = self._verdicts.get(leg.leg_id)
        if status.rank > ANSWERED and future is not None and not future.done():
            future.set_result("cancelled")  # nobody waits any more
        lines.status(leg, status)

    def _dialled(self, leg_id: str, call_sid: str) -> Leg | None:
        """One whose answer was lost is known by the callback. One that was given up is ended."""
        lines, leg = self._lines, self._lines.legs.get(leg_id)
        if leg is not None and leg.call_sid is None:
            return lines.bind(leg, call_sid)
        if leg is None and leg_id and lines.is_over(f"given up {leg_id}") and self._first(f"given up {leg_id}"):
            lines.later(lines.hang_up(call_sid))
        return leg

    def _machine(self, query: Query, form: Form) -> None:
        leg = self._dialled(query.get("leg", ""), form.get("CallSid", ""))
        if leg is not None and leg.awaits_machine:
            leg.by = machine_of(form)
            self._lines.answered(leg)

    async def _conference(self, form: Form) -> None:
        told = conference_of(form)
        leg = self._lines.of_call(told.call_sid)
        word = form.get("SequenceNumber", "")
        number = int(word) if word.isascii() and word.isdigit() and len(word) < 10 else 0
        if leg is None:
            return
        if told.event == "participant-leave":
            leg.left = (told.conference_sid, number)
            if leg.conference_sid == told.conference_sid:
                leg.conference_sid = None
        elif told.event == "participant-join":
            conference_sid, left_at = leg.left
            if conference_sid != told.conference_sid or number > left_at:
                await self._lines.in_conference(leg, told)

    def _first(self, token: str) -> bool:
        """Whether Twilio says this for the first time."""
        if not token:
            return True
        if token in self._seen:
            return False
        self._seen[token] = None
        while len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return True


def leg_id_of(node: str, call_sid: str) -> str:
    """Of a call that came in."""
    return uuid5(NAMESPACE_URL, f"leg:{node}/{call_sid}").hex
