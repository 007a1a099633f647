"""Twilio's voice REST API, simulated: calls, conferences, participants, recordings, streams, SIP credentials.

Vendor's pages: "Twilio API: Requests" and "Responses", "Call resource", "Conference resource", "Conference Participant
resource", "Call Recordings subresource", "Stream resource", "SIP Credential resource", "Error and Warning Dictionary":
20003, 20404, 20429, 21211, 21220, 21224.
"""

import asyncio
import base64
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote

from centralino.providers.twilio_calls import LIVE, Call, Conference, Participant, Tape
from centralino.providers.twilio_sound import wave_of
from centralino.providers.twilio_voice import TwilioVoice
from centralino.providers.wire import Call as Request
from centralino.providers.wire import Reply, json_reply

FaultKind = Literal["too_many", "error", "forbidden", "no_json", "lost", "not_taken"]
_STATUS: Final = {20003: 401, 20403: 403, 20404: 404, 20429: 429, 20500: 500}
_TRUE: Final = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestFault:
    """What a request meets. `lost`: it is done, and no answer comes; `not_taken`: nothing is done, and none comes;
    `no_json`: likewise, and a page of somebody in between comes."""

    kind: FaultKind
    after_seconds: int = 1
    only: str = ""
    """In the path; empty: any request."""


class _RefusedError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class TwilioRest:
    """Over one account. `asked` are the requests so far: method and path behind the account."""

    def __init__(self, voice: TwilioVoice, *, seed: int = 1) -> None:
        self.voice = voice
        self.faults: deque[RestFault] = deque()
        self.asked: list[tuple[str, str]] = []
        self.shares: dict[FaultKind, float] = {}
        """Of all requests that meet such a fault, by the seed."""
        self.away = False
        self.latency_seconds = 0.0
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated
        self.tones: dict[str, int] = {}
        """Of recordings, where a name is to have another than its own."""

    async def call(self, request: Request) -> Reply | None:
        """None: no answer comes."""
        path = request.path.removeprefix(f"/2010-04-01/Accounts/{self.voice.account_sid}/")
        self.asked.append((request.method, path))
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        fault = self._fault(path)
        if self.away or (fault is not None and fault.kind == "not_taken"):
            return None
        if fault is not None and fault.kind == "too_many":
            return _error(20429, {"retry-after": str(fault.after_seconds)})
        if fault is not None and fault.kind in _FAULTS:
            return _FAULTS[fault.kind]
        reply = self._answered(request, path)
        return None if fault is not None else reply

    def _fault(self, path: str) -> RestFault | None:
        if self.faults and self.faults[0].only in path:
            return self.faults.popleft()
        met = (kind for kind, share in self.shares.items() if self._chance.random() < share)
        kind = next(met, None)
        return None if kind is None else RestFault(kind=kind)

    def _answered(self, request: Request, path: str) -> Reply:
        voice = self.voice
        pairs = [f"{voice.account_sid}:{token}" for token in (voice.token, *voice.tokens_before)]
        given = request.headers.get("authorization", "").encode()
        if not any(compare_digest(b"Basic " + base64.b64encode(pair.encode()), given) for pair in pairs):
            return _error(20003)
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        parts = [unquote(part) for part in path.removesuffix(".json").split("/")]
        try:
            return self._resource(request.method, parts, form, request.query)
        except _RefusedError as refused:
            return _error(refused.code)

    def _resource(self, method: str, parts: list[str], form: Mapping[str, str], query: Mapping[str, str]) -> Reply:
        match method, parts:
            case "GET", ["Calls"]:
                wanted = query.get("Status")
                calls = [each for each in self.voice.lines.calls.values() if wanted in {None, each.status}]
                return _list("calls", [self._call(each) for each in calls])
            case "GET", ["Calls", sid]:
                return json_reply(self._call(self._of(sid)))
            case "POST", ["Calls", sid]:
                return json_reply(self._call(self._changed(self._of(sid), form)))
            case _, ["Calls", sid, "Recordings", *rest]:
                return self._recordings(method, self._of(sid), rest, form)
            case _, ["Recordings", name]:
                return self._file(method, name)
            case "POST", ["Calls", sid, "Streams", *rest]:
                return self._streams(self._of(sid), rest, form)
            case "GET", ["Conferences"]:
                asked = query.get("FriendlyName")
                rooms = [each for each in self.voice.lines.conferences.values() if asked in {None, each.name}]
                return _list("conferences", [_conference(each) for each in rooms])
            case _, ["Conferences", sid, "Participants", *rest]:
                return self._participants(method, sid, rest, form)
            case _, ["SIP", "CredentialLists", self.voice.credential_list, "Credentials", *rest]:
                return self._credentials(method, rest, form)
            case _:
                raise _RefusedError(20404)

    def _of(self, sid: str) -> Call:
        call = self.voice.lines.calls.get(sid)
        if call is None:
            raise _RefusedError(20404)
        return call

    def _call(self, call: Call) -> Mapping[str, object]:
        return {
            "sid": call.sid,
            "status": call.status,
            "direction": "inbound" if call.inbound else "outbound-api",
            "from": call.sender,
            "to": call.to,
            "account_sid": self.voice.account_sid,
        }

    def _changed(self, call: Call, form: Mapping[str, str]) -> Call:
        if call.status not in LIVE:
            raise _RefusedError(21220)
        if form.get("Status") in {"completed", "canceled"}:
            self.voice.finish(call, "completed" if call.answered else "canceled", None)
        elif not call.answered:
            raise _RefusedError(21220)
        elif "Twiml" in form:
            self.voice.does(call, document=form["Twiml"].encode())
        else:
            self.voice.does(call, url=form["Url"])
        return call

    def _recordings(self, method: str, call: Call, rest: list[str], form: Mapping[str, str]) -> Reply:
        voice = self.voice
        if not rest and method == "GET":
            tapes = [each for each in voice.lines.tapes.values() if each.call is call]
            return _list("recordings", [_tape(each) for each in tapes])
        if not rest:
            if not call.answered:
                raise _RefusedError(21220)
            both = form.get("RecordingTrack", "both") == "both"
            tape = voice.tape(call, both=both, callback_url=form.get("RecordingStatusCallback", ""))
            return json_reply(_tape(tape), status=201)
        found = voice.lines.tapes.get(rest[0])
        if found is None or found.status in {"completed", "absent"}:
            raise _RefusedError(20404)
        voice.changed()
        if form["Status"] == "stopped":
            voice.tape_over(found)
        else:
            found.status, found.silent = form["Status"], form.get("PauseBehavior", "silence") == "silence"
            voice.changed()
        return json_reply(_tape(found))

    def _file(self, method: str, name: str) -> Reply:
        tape = self.voice.lines.tapes.get(name.removesuffix(".wav"))
        if tape is None or tape.status != "completed":
            raise _RefusedError(20404)
        if method == "DELETE":
            del self.voice.lines.tapes[tape.sid]
            return Reply(status=204)
        return Reply(body=wave_of(tape.spans, self.tones), headers={"content-type": "audio/x-wav"})

    def _streams(self, call: Call, rest: list[str], form: Mapping[str, str]) -> Reply:
        if rest:
            call.tapped.discard(rest[0])
        else:
            call.tapped.add(form["Name"])
        self.voice.changed()
        return json_reply({"call_sid": call.sid, "name": form.get("Name") or rest[0]}, status=201)

    def _participants(self, method: str, room: str, rest: list[str], form: Mapping[str, str]) -> Reply:
        lines = self.voice.lines
        if method == "POST" and not rest:
            return json_reply(self._dialled(room, form), status=201)
        found = lines.conferences.get(room) or lines.conference(room)
        if found is None or found.status == "completed":
            raise _RefusedError(20404)
        if not rest:
            return _list("participants", [_participant(seat) for seat in found.inside])
        seat = next((one for one in found.inside if rest[0] in {one.call.sid, one.label} - {""}), None)
        if seat is None:
            raise _RefusedError(20404)
        if method == "DELETE":
            self.voice.leaves(seat.call)
            return Reply(status=204)
        if method == "POST":
            self._seated(seat, form)
        return json_reply(_participant(seat))

    def _seated(self, seat: Participant, form: Mapping[str, str]) -> None:
        if "Muted" in form:
            seat.muted = form["Muted"] == _TRUE
        if "Hold" in form:
            seat.hold, seat.hold_url = form["Hold"] == _TRUE, form.get("HoldUrl", "")
        if "Coaching" in form:
            seat.coaches = form["CallSidToCoach"] if form["Coaching"] == _TRUE else ""
        self.voice.changed_in_room(seat)

    def _dialled(self, name: str, form: Mapping[str, str]) -> Mapping[str, object]:
        voice, to = self.voice, form["To"]
        address = to.removeprefix("sip:").partition("@")[0]
        if not to.startswith(("+", "sip:", "client:")):
            raise _RefusedError(21211)
        room = voice.room(name)
        if form.get("Label") and any(seat.label == form["Label"] for seat in room.inside):
            raise _RefusedError(21224)
        known = not to.startswith("sip:") or address in voice.credentials
        phone = voice.lines.phones.get(address) if known else None
        if phone is None and to.startswith("sip:") and voice.lend is not None:
            phone = voice.lend(address)
        call = Call(
            sid=voice.new_sid("CA"),
            inbound=False,
            sender=form["From"],
            to=to,
            phone=phone,
            created_at=voice.now(),
            callback_url=form.get("StatusCallback", ""),
            callback_events=frozenset(form.get("StatusCallbackEvent", "completed").split()),
        )
        seat = Participant(call=call, conference=room, label=form.get("Label", ""), wait_url=form.get("WaitUrl", ""))
        call.seat = seat
        room.inside.append(seat)
        machine_url = form.get("AmdStatusCallback", "") if form.get("MachineDetection") else ""
        voice.dialled(call, float(form.get("Timeout", "60")), machine_url)
        return _participant(seat)

    def _credentials(self, method: str, rest: list[str], form: Mapping[str, str]) -> Reply:
        known = self.voice.credentials
        if method == "GET":
            listed = [{"sid": sid, "username": user} for user, (sid, _) in known.items()]
            return _list("credentials", listed)
        if not rest:
            if form["Username"] in known:
                raise _RefusedError(21211)
            known[form["Username"]] = (self.voice.new_sid("CR"), form["Password"])
            return json_reply({"username": form["Username"]}, status=201)
        user = next((user for user, (sid, _) in known.items() if sid == rest[0]), None)
        if user is None:
            raise _RefusedError(20404)
        if method == "DELETE":
            del known[user]
            return Reply(status=204)
        known[user] = (rest[0], form["Password"])
        return json_reply({"username": user})


def _tape(tape: Tape) -> Mapping[str, object]:
    return {"sid": tape.sid, "call_sid": tape.call.sid, "status": tape.status, "duration": str(round(tape.seconds))}


def _conference(room: Conference) -> Mapping[str, object]:
    return {"sid": room.sid, "friendly_name": room.name, "status": room.status}


def _participant(seat: Participant) -> Mapping[str, object]:
    return {
        "call_sid": seat.call.sid,
        "conference_sid": seat.conference.sid,
        "label": seat.label or None,
        "muted": seat.muted,
        "hold": seat.hold,
        "coaching": bool(seat.coaches),
        "status": "connected" if seat.call.answered else "ringing",
    }


def _list(name: str, found: list[Mapping[str, object]] | list[dict[str, str]]) -> Reply:
    return json_reply({name: found, "page": 0, "page_size": 1000, "next_page_uri": None})


def _error(code: int, headers: Mapping[str, str] | None = None) -> Reply:
    status = _STATUS.get(code, 400)
    told = {"code": code, "message": f"Error {code}", "status": status}
    return json_reply(
        told | {"more_info": f"https://www.twilio.com/docs/errors/{code}"}, status=status, headers=headers
    )


_FAULTS: Final[Mapping[FaultKind, Reply]] = {
    "error": _error(20500),
    "forbidden": _error(20403),
    "no_json": Reply(body=b"<html></html>", headers={"content-type": "text/html"}),
}
