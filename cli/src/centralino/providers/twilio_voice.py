"""One account of Twilio's voice, simulated: what becomes of its calls and conferences.

Vendor's pages: "Twilio's request to your application" (parameters), "Call resource" (status callbacks, CallStatus),
"<Conference>" (statusCallback), "Conference Participant resource" (create), "Recording resource" and "Call Recordings
subresource", "Answering machine detection". The REST API is in `twilio_rest`, the phones are in `twilio_phones`.
"""

import asyncio
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Final

from centralino.providers.twilio_calls import LIVE, Call, Conference, Lines, Participant, Phone, Tape
from centralino.providers.twilio_told import Deliver, Telling
from centralino.providers.twilio_twiml import Interpreter
from centralino.providers.vendor import derived

ACCOUNT_SID: Final = "AC" + "6" * 32
SIP_DOMAIN: Final = "centralino.sip.twilio.com"
MACHINE_SECONDS: Final = 1.5
"""How long the detection listens."""
ANONYMOUS: Final = "+266696687"
CALLS_KEPT_MAX: Final = 2000


class TwilioVoice:
    """See above. `numbers` are the account's, with the webhooks of each: `calls`, `fallback`, `status`."""

    def __init__(self, deliver: Deliver, *, token: str = "", seed: int = 1) -> None:
        self.account_sid = ACCOUNT_SID
        self.credential_list = "CL" + "6" * 32
        self.sip_domain = SIP_DOMAIN
        self.token = token = token or derived(seed, "twilio auth_token")
        self.tokens_before: list[str] = []
        """That still count while the token is changed."""
        self.numbers: dict[str, Mapping[str, str]] = {}
        self.lend: Callable[[str], Phone] | None = None
        """Gives a phone to a user of the SIP domain who has none; none: there is none."""
        self.credentials: dict[str, tuple[str, str]] = {}
        """Sid and password by user."""
        self.lines = Lines()
        self.telling = Telling(token, self.account_sid, deliver, seed=seed)
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def new_sid(self, kind: str) -> str:
        """Of the vendor's form."""
        return kind + f"{self._chance.getrandbits(128):032x}"

    def now(self) -> float:
        """Seconds of the loop."""
        return asyncio.get_running_loop().time()

    def changed(self) -> None:
        """See Exchange."""
        self.lines.tick(self.now())

    async def close(self) -> None:
        """Nothing goes on any more."""
        tasks = [*self._running.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def later(self, work: object) -> None:
        """Beside whatever goes on."""
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]  # any coroutine
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Calls

    def incoming(self, phone: Phone, number: str, sender: str | None, name: str | None = None) -> Call:
        """A phone dials a number of the account's."""
        hooks = self.numbers[number]
        call = Call(
            sid=self.new_sid("CA"),
            inbound=True,
            sender=sender or ANONYMOUS,
            to=number,
            phone=phone,
            status="ringing",
            created_at=self.now(),
            callback_url=hooks.get("status", ""),
            callback_events=frozenset({"completed"}),
            fallback_url=hooks.get("fallback", ""),
        )
        phone.call, phone.keys, phone.refused = call, "", None
        self._keep(call)
        self.does(call, url=hooks["calls"], name=name)
        return call

    def _keep(self, call: Call) -> None:
        self.lines.calls[call.sid] = call
        while len(self.lines.calls) > CALLS_KEPT_MAX:
            oldest = next((sid for sid, each in self.lines.calls.items() if each.status not in LIVE), None)
            if oldest is None:
                break
            del self.lines.calls[oldest]

    def does(self, call: Call, *, document: bytes | None = None, url: str = "", name: str | None = None) -> None:
        """From now on it does this, and nothing of before."""
        before = self._running.pop(call.sid, None)
        if before is not None:
            before.cancel()
        self.leaves(call)
        task = asyncio.create_task(Interpreter(self, call).run(document, url, {"CallerName": name} if name else {}))
        self._running[call.sid] = task

    def form_of(self, call: Call) -> dict[str, str]:
        """See Exchange."""
        return {
            "CallSid": call.sid,
            "From": call.sender,
            "To": call.to,
            "Caller": call.sender,
            "Called": call.to,
            "CallStatus": call.status,
            "Direction": "inbound" if call.inbound else "outbound-api",
        }

    def dialled(self, call: Call, ring_seconds: float, machine_url: str) -> None:
        """The account calls somebody."""
        self._keep(call)
        call.machine_url = machine_url
        self._report(call, "initiated")
        self.later(self._ringing(call, ring_seconds))

    async def _ringing(self, call: Call, ring_seconds: float) -> None:
        phone = call.phone
        await asyncio.sleep(0)
        if call.status not in LIVE:
            return
        if phone is None or phone.manner == "unavailable":
            self.finish(call, "failed", 480 if phone else 404)
        elif phone.manner == "busy" or (phone.call is not None and phone.call.status in LIVE):
            self.finish(call, "busy", 486)
        elif phone.manner == "declines":
            self.finish(call, "busy", 603)
        else:
            phone.call, phone.keys, phone.invited_by, phone.refused = call, "", call.sender, None
            call.status = "ringing"
            self._report(call, "ringing")
            if phone.manner == "answers":
                self.picked_up(call)
            await asyncio.sleep(ring_seconds + 5)
            if call.status == "ringing":
                self.finish(call, "no-answer", 487)

    def picked_up(self, call: Call) -> None:
        """Who was dialled answers."""
        if call.status != "ringing":
            return
        call.status = "in-progress"
        self._report(call, "answered")
        seat = call.seat
        if seat is not None:
            self.takes_seat(seat)
        if call.machine_url:
            self.later(self._detect(call))
        self.changed()

    async def _detect(self, call: Call) -> None:
        await asyncio.sleep(MACHINE_SECONDS)
        greeting = call.phone.greeting if call.phone else "none"
        told = {"person": "human", "machine": "machine_start"}.get(greeting, "unknown")
        if call.answered:
            form = {"CallSid": call.sid, "AnsweredBy": told, "MachineDetectionDuration": "1500"}
            self.telling.tell(call.machine_url, form)

    def answer(self, call: Call) -> None:
        """See Exchange."""
        call.status = "in-progress"
        self._report(call, "answered")
        self.changed()

    def finish(self, call: Call, status: str, sip_code: int | None = None) -> None:
        """See Exchange. Whatever it did ends, its recordings too."""
        if call.status not in LIVE:
            return
        call.status, call.sip_code = status, sip_code
        if call.phone is not None and call.phone.call is call:
            call.phone.call = None
            call.phone.refused = {486: "busy", 603: "declined"}.get(sip_code or 0) if call.inbound else None
        self.changed()
        call.ended.set()
        self.leaves(call)
        running = self._running.pop(call.sid, None)
        if running is not None and running is not asyncio.current_task():
            running.cancel()
        for tape in [tape for tape in self.lines.tapes.values() if tape.call is call]:
            self.tape_over(tape)
        self._report(call, "completed")

    def _report(self, call: Call, event: str) -> None:
        number, call.told = call.told, call.told + 1
        if event not in call.callback_events:
            return
        form = self.form_of(call) | {
            "CallStatus": "initiated" if event == "initiated" else call.status,
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(number),
            "Timestamp": formatdate(usegmt=True),
        }
        if event == "completed":
            form |= {"CallDuration": "1", "Duration": "1"}
            if call.sip_code is not None:
                form["SipResponseCode"] = str(call.sip_code)
        self.telling.tell(call.callback_url, form)

    # Conferences

    def room(self, name: str) -> Conference:
        """The conference of this name that goes on, or a new one."""
        found = self.lines.conference(name)
        if found is None:
            found = Conference(sid=self.new_sid("CF"), name=name)
            self.lines.conferences[found.sid] = found
        return found

    async def sit(self, call: Call, noun: ET.Element) -> None:
        """See Exchange."""
        room = self.room((noun.text or "").strip())
        if not room.callback_url:
            room.callback_url = noun.get("statusCallback", "")
            room.callback_events = frozenset(noun.get("statusCallbackEvent", "").split())
        seat = Participant(
            call=call,
            conference=room,
            label=noun.get("participantLabel", ""),
            muted=noun.get("muted") == "true",
            coaches=noun.get("coach", ""),
            starts=noun.get("startConferenceOnEnter", "true") == "true",
            ends=noun.get("endConferenceOnExit") == "true",
            wait_url=noun.get("waitUrl", "http://com.twilio.sounds.music.s3.amazonaws.com/"),
        )
        call.seat = seat
        self.takes_seat(seat)
        await seat.left.wait()

    def takes_seat(self, seat: Participant) -> None:
        """It is in its conference."""
        room = seat.conference
        if seat not in room.inside:
            room.inside.append(seat)
        self._in_room(seat, "participant-join", "join")
        if room.status == "init" and seat.starts:
            room.status = "in-progress"
            self._in_room(seat, "conference-start", "start")
        self.changed()

    def leaves(self, call: Call) -> None:
        """It is in no conference any more."""
        seat, call.seat = call.seat, None
        if seat is None:
            return
        room = seat.conference
        room.inside = [other for other in room.inside if other is not seat]
        seat.left.set()
        self._in_room(seat, "participant-leave", "leave")
        if not any(other.call.status in LIVE for other in room.inside) or seat.ends:
            self.closes(room)
        self.changed()

    def closes(self, room: Conference) -> None:
        """It ends; who was in it goes on with what they do after it."""
        if room.status == "completed":
            return
        room.status = "completed"
        for seat in room.inside:
            seat.call.seat = None
            seat.left.set()
        room.inside = []
        self._told(room, {"StatusCallbackEvent": "conference-end"}, "end")

    def _in_room(self, seat: Participant, event: str, kind: str) -> None:
        form = {
            "StatusCallbackEvent": event,
            "CallSid": seat.call.sid,
            "Muted": "true" if seat.muted else "false",
            "Hold": "true" if seat.hold else "false",
            "Coaching": "true" if seat.coaches else "false",
        }
        if seat.coaches:
            form["CallSidToCoach"] = seat.coaches
        if seat.label:
            form["ParticipantLabel"] = seat.label
        self._told(seat.conference, form, kind)

    def _told(self, room: Conference, form: Mapping[str, str], kind: str) -> None:
        room.told += 1
        if kind in room.callback_events:
            named = {"ConferenceSid": room.sid, "FriendlyName": room.name, "SequenceNumber": str(room.told)}
            self.telling.tell(room.callback_url, {**named, "Timestamp": formatdate(usegmt=True), **form})

    def changed_in_room(self, seat: Participant) -> None:
        """Muted, held, or coaching otherwise."""
        self._in_room(seat, "participant-modify", "modify")
        self.changed()

    # Recordings

    def tape(self, call: Call, *, both: bool, callback_url: str) -> Tape:
        """From now on."""
        tape = Tape(sid=self.new_sid("RE"), call=call, both=both, callback_url=callback_url, since=self.now())
        self.lines.tapes[tape.sid] = tape
        self.changed()
        self._tape_told(tape)
        return tape

    def tape_over(self, tape: Tape) -> None:
        """It has ended, and can be fetched."""
        if tape.status in {"completed", "absent"}:
            return
        self.changed()
        tape.status = "completed" if tape.spans else "absent"
        self._tape_told(tape)

    def _tape_told(self, tape: Tape) -> None:
        form = {
            "CallSid": tape.call.sid,
            "RecordingSid": tape.sid,
            "RecordingStatus": tape.status,
            "RecordingDuration": str(round(tape.seconds)),
            "RecordingChannels": "1",
            "RecordingSource": "StartCallRecordingAPI",
        }
        self.telling.tell(tape.callback_url, form)
