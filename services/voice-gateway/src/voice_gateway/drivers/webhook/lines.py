"""The legs and rooms of one account: what is known of them, what they are told, and what is told of them."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock

from voice_gateway.domain.driver import Sink
from voice_gateway.domain.events import LegAnswered, LegEnded, LegRinging, PlaybackEnded, RoomJoined, RoomLeft
from voice_gateway.domain.words import EndCause, PlaybackEnd
from voice_gateway.drivers.webhook.callbacks import ANSWERED, ENDED, RINGING, CallStatus, Joined
from voice_gateway.drivers.webhook.kept import Keeper
from voice_gateway.drivers.webhook.legs import Documents, Leg, Room
from voice_gateway.drivers.webhook.rest import NOT_IN_PROGRESS, RefusedError, Rest, UncertainError
from voice_gateway.drivers.webhook.twiml import with_keys

ENDED_MAX: Final = 10_000
"""Legs and playbacks that are remembered after their end, so that what comes late changes nothing."""
TWIML_CHARACTERS_MAX: Final = 4000
FRESH_TRIES: Final = 10
"""A call that we have just answered is not in progress yet: so often it is told again."""
FRESH_PAUSE_SECONDS: Final = 0.2


class GoneError(Exception):
    """The command names what is not there; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account of the provider, which is one node. `base_url` is where Twilio finds our webhooks of it; `music_url`
    what is heard where no music is named. `caller_id` is one of its numbers; a phone of an agent is dialled at
    `sip_domain`, and its password kept in `credential_list`."""

    node: str
    account_sid: str
    base_url: str
    music_url: str
    caller_id: str
    sip_domain: str | None = None
    credential_list: str | None = None
    api_url: str = "https://api.twilio.com"


class Lines:
    """See above. Everything that changes a leg goes through here."""

    def __init__(self, account: Account, rest: Rest, sink: Sink, clock: Clock, keeper: Keeper) -> None:
        self.account = account
        self.rest = rest
        self.clock = clock
        self.keeper = keeper
        self.sink = sink
        self.legs: dict[str, Leg] = {}
        self.rooms: dict[str, Room] = {}
        self.by_sid: dict[str, str] = {}
        self.documents = Documents(account.base_url, account.music_url, self.legs, self.rooms)
        self.placed = asyncio.Event()
        """Somebody is somewhere else: whoever records follows."""
        self._over: dict[str, None] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def leg(self, leg_id: str) -> Leg:
        """Raises GoneError."""
        if leg_id not in self.legs:
            raise GoneError("the leg is gone")
        return self.legs[leg_id]

    def of_call(self, call_sid: str) -> Leg | None:
        """None: not one of ours, or over."""
        return self.legs.get(self.by_sid.get(call_sid, ""))

    def is_over(self, thing_id: str) -> bool:
        """Whether a leg or a playback has been, and is no more."""
        return thing_id in self._over

    def remember(self, thing_id: str) -> None:
        """It has been."""
        self._over[thing_id] = None
        while len(self._over) > ENDED_MAX:
            del self._over[next(iter(self._over))]

    def add(self, leg: Leg) -> Leg:
        """From now on it is one of ours."""
        self.legs[leg.leg_id] = leg
        return self.bind(leg, leg.call_sid)

    def bind(self, leg: Leg, call_sid: str | None) -> Leg:
        """Twilio's id of it is known."""
        if call_sid:
            leg.call_sid = call_sid
            self.by_sid[call_sid] = leg.leg_id
        self.keeper.keep(leg.kept())
        return leg

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside whatever is being answered just now; trouble with it is found by looking."""
        task = asyncio.create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def push(self, leg: Leg, keys: str = "") -> None:
        """Tell Twilio what the leg is to do from now on, after these keys. Raises RefusedError, RetryLaterError."""
        leg.dirty = True
        self.keeper.keep(leg.kept())
        async with self._locks.setdefault(leg.leg_id, asyncio.Lock()):
            document = self.documents.document(leg)
            document = with_keys(document, keys) if keys else document
            short = len(document) <= TWIML_CHARACTERS_MAX
            told = {"Twiml": document} if short else {"Url": self.documents.leg_url(leg), "Method": "POST"}
            leg.asked_at_ms, leg.conference_sid = self.clock.now_ms(), None
            await self._change(leg, told)
            leg.dirty = False
        if leg.leg_id in self.legs:
            self.moved(leg)

    async def _change(self, leg: Leg, fields: dict[str, str]) -> None:
        for attempt in range(FRESH_TRIES):
            try:
                await self.rest.change(f"Calls/{leg.call_sid}", fields)
            except RefusedError as error:
                if error.code != NOT_IN_PROGRESS or leg.ours or attempt == FRESH_TRIES - 1:
                    raise
                await self.clock.sleep(FRESH_PAUSE_SECONDS)
                if leg.leg_id not in self.legs:
                    raise
            else:
                return

    def moved(self, leg: Leg) -> None:
        """It is where it is to be, unless that is a conference, which tells it itself."""
        self.left(leg)
        room = self.rooms.get(leg.room_id or "")
        if room is not None and room.kind == "wait":
            self.joined(leg)
        self.placed.set()

    def left(self, leg: Leg) -> None:
        """It is no more where it was."""
        if leg.told_room_id is not None and leg.told_room_id != leg.room_id:
            left, leg.told_room_id = leg.told_room_id, None
            self.sink.tell(RoomLeft(room_id=left, leg_id=leg.leg_id, at_ms=self.clock.now_ms()))
            self.keeper.keep(leg.kept())

    def joined(self, leg: Leg) -> None:
        """It is where it is to be."""
        if leg.told_room_id is None and leg.room_id is not None:
            leg.told_room_id = leg.room_id
            self.sink.tell(RoomJoined(room_id=leg.room_id, leg_id=leg.leg_id, at_ms=self.clock.now_ms()))
            self.keeper.keep(leg.kept())

    async def in_conference(self, leg: Leg, told: Joined) -> None:
        """Twilio says that it is there. Is it to be, then it is made to be there as it is to be."""
        if told.room_id != self.documents.conference_of(leg) or not self.documents.in_conference(leg):
            return
        self.left(leg)
        first, leg.conference_sid = leg.conference_sid is None, told.conference_sid
        if leg.monitors is None:
            self.joined(leg)
        self.placed.set()
        wanted = self.documents.wanted(leg)
        if first and (told.muted, told.held, told.coaching) != (wanted.muted, wanted.held, wanted.coaches is not None):
            self.later(self._settled(leg))

    async def _settled(self, leg: Leg) -> None:
        try:
            await self.settle(leg)
        except RetryLaterError:
            leg.conference_sid = None  # it is looked for, and then told again

    async def settle(self, leg: Leg) -> None:
        """Make it muted, held, coaching or not in its conference; if it is not there yet this is done once it is."""
        self.keeper.keep(leg.kept())
        self.placed.set()
        if leg.conference_sid is None:
            return
        wanted = self.documents.wanted(leg)
        fields = {
            "Muted": _word(wanted.muted),
            "Hold": _word(wanted.held),
            "HoldUrl": self.account.music_url,
            "HoldMethod": "GET",
            "Coaching": _word(wanted.coaches is not None),
        }
        if wanted.coaches is not None:
            fields["CallSidToCoach"] = wanted.coaches
        path = f"Conferences/{leg.conference_sid}/Participants/{leg.call_sid}"
        try:
            await self.rest.change(path, fields)
        except RefusedError as error:
            if not error.gone:
                raise
            leg.conference_sid = None  # it has just left, and will say so, or has ended

    def status(self, leg: Leg, status: CallStatus) -> None:
        """A call has come so far; what is told twice, late or after the end changes nothing."""
        if status.rank <= leg.rank or leg.leg_id not in self.legs:
            return
        leg.rank = status.rank
        self.keeper.keep(leg.kept())
        if status.rank == RINGING and leg.ours:
            self.sink.tell(LegRinging(leg_id=leg.leg_id, at_ms=self.clock.now_ms()))
            self.later(self._give_up(leg))
        elif status.rank == ANSWERED and leg.ours and not leg.awaits_machine:
            self.answered(leg)
        elif status.rank == ENDED:
            gave_up = not leg.ours and not leg.answered
            self.ended(leg, "cancelled" if gave_up else status.cause, status.sip_code)

    async def _give_up(self, leg: Leg) -> None:
        """It has rung long enough."""
        await self.clock.sleep(leg.ring_seconds)
        if leg.leg_id in self.legs and leg.rank == RINGING:
            leg.gave_up = True
            await self.hang_up(leg.call_sid or "")

    def answered(self, leg: Leg) -> None:
        """It can be put into rooms."""
        if leg.answered or leg.leg_id not in self.legs:
            return
        leg.answered, leg.awaits_machine = True, False
        leg.rank = max(leg.rank, ANSWERED)
        self.keeper.keep(leg.kept())
        self.sink.tell(LegAnswered(leg_id=leg.leg_id, at_ms=self.clock.now_ms(), by=leg.by))

    def silenced(self, leg: Leg, end: PlaybackEnd) -> None:
        """What is played to it is over."""
        if leg.playback_id is not None:
            ended, leg.playback_id, leg.uris = leg.playback_id, None, []
            self.remember(ended)
            self.keeper.keep(leg.kept())
            self.sink.tell(PlaybackEnded(playback_id=ended, end=end, at_ms=self.clock.now_ms()))

    def ended(self, leg: Leg, cause: EndCause, sip_code: int | None = None) -> None:
        """It is over."""
        if self.legs.pop(leg.leg_id, None) is None:
            return
        self.by_sid.pop(leg.call_sid or "", None)
        self._locks.pop(leg.leg_id, None)
        self.remember(leg.leg_id)
        self.silenced(leg, "stopped")
        leg.room_id = None
        self.left(leg)
        self.keeper.forget("leg", leg.leg_id)
        if leg.gave_up and cause == "cancelled":
            cause = "no_answer"
        if leg.by_us and leg.ours:
            cause = "hung_up" if leg.answered else "cancelled"
        at_ms = self.clock.now_ms()
        self.sink.tell(LegEnded(leg_id=leg.leg_id, cause=cause, at_ms=at_ms, sip_code=sip_code, by_us=leg.by_us))
        self.placed.set()
        for other in [other for other in self.legs.values() if other.monitors == leg.leg_id]:
            other.monitors = None
            self.later(self.push(other))

    def given_up(self, leg: Leg) -> None:
        """Nobody knows whether it rings. It is not dialled twice: if it turns up it is ended."""
        self.remember(f"given up {leg.leg_id}")
        self.ended(leg, "failed")

    async def hang_up(self, call_sid: str) -> None:
        """End a call, answered or not; one that has ended stays so."""
        try:
            await self.rest.change(f"Calls/{quote(call_sid, safe='')}", {"Status": "completed"})
        except RefusedError as error:
            if not error.gone:
                raise


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with suppress(RefusedError, RetryLaterError, UncertainError):
        await work


def _word(flag: bool) -> str:
    return "true" if flag else "false"
