"""How things stand at Twilio, asked of its REST API: what callbacks that were lost would have told, and the snapshot.

"Call resource: Read multiple Call resources", "Conference resource", "Conference Participant resource".
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from voice_gateway.domain.events import LegSeen, Snapshot
from voice_gateway.drivers.webhook.callbacks import ANSWERED, CallStatus, Joined
from voice_gateway.drivers.webhook.legs import Leg
from voice_gateway.drivers.webhook.lines import Lines
from voice_gateway.drivers.webhook.rest import RefusedError

PAGE: Final = 1000
PAGES_MAX: Final = 20
LATE_MS: Final = 3_000
"""A callback that has not come by then is looked for."""
MACHINE_MS: Final = 20_000
DIALLED_MS: Final = 30_000
"""Longer than a request to dial may take."""
LOOKS_MAX: Final = 3
LOOK_SECONDS: Final = 1.0
_LIVE: Final = ("in-progress", "ringing", "queued")


class Looking:
    """At one account."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._answered_at_ms: dict[str, int] = {}

    async def all(self) -> None:
        """Learn of every call that we know: which have ended, which have been answered. Others of the account are not
        ours; those that came in while we were away ask again by themselves (`fallback`)."""
        lines, known = self._lines, dict(self._lines.by_sid)
        live: dict[str, str] = {}
        for status in _LIVE:
            async for call in self._calls(status):
                live[str(call.get("sid"))] = status
        for call_sid, leg_id in known.items():
            leg = lines.legs.get(leg_id)
            if leg is not None:
                status = live.get(call_sid) or str((await self._call(call_sid)).get("status"))
                lines.status(leg, CallStatus(call_sid=call_sid, status=status))

    async def snapshot(self) -> Snapshot:
        """See Driver."""
        await self.all()
        lines = self._lines
        legs = tuple(
            LegSeen(leg_id=leg.leg_id, answered=leg.answered, ours=leg.ours, room_id=leg.told_room_id)
            for leg in lines.legs.values()
        )
        return Snapshot(legs=legs, rooms=tuple(lines.rooms), at_ms=lines.clock.now_ms())

    async def late(self) -> None:
        """What should have been told by now."""
        lines, now_ms = self._lines, self._lines.clock.now_ms()
        self._answered_at_ms = {key: value for key, value in self._answered_at_ms.items() if key in lines.legs}
        for leg in [*lines.legs.values()]:
            if leg.call_sid is None:
                if now_ms - leg.asked_at_ms > DIALLED_MS and not await self.dialled(leg):
                    lines.given_up(leg)  # a process before us has died while it dialled
            elif leg.dirty and leg.answered and now_ms - leg.asked_at_ms > LATE_MS:
                await lines.push(leg)
            elif leg.awaits_machine and leg.rank == ANSWERED:
                if now_ms - self._answered_at_ms.setdefault(leg.leg_id, now_ms) > MACHINE_MS:
                    lines.answered(leg)
            elif self._misses_conference(leg, now_ms):
                await self._conference(leg)

    def _misses_conference(self, leg: Leg, now_ms: int) -> bool:
        to_be = self._lines.documents.in_conference(leg) and leg.conference_sid is None and not leg.dirty
        return to_be and now_ms - leg.asked_at_ms > LATE_MS

    async def _conference(self, leg: Leg) -> None:
        name = self._lines.documents.conference_of(leg)
        if name is None:
            return
        async for conference_sid, participant in self._participants(name):
            if participant.get("call_sid") == leg.call_sid:
                told = Joined(
                    conference_sid=conference_sid,
                    room_id=name,
                    call_sid=leg.call_sid or "",
                    event="participant-join",
                    muted=bool(participant.get("muted")),
                    held=bool(participant.get("hold")),
                    coaching=bool(participant.get("coaching")),
                )
                await self._lines.in_conference(leg, told)

    async def dialled(self, leg: Leg) -> bool:
        """Whether a call was made whose answer was lost: it is in the conference of its name."""
        for look in range(LOOKS_MAX):
            if look:
                await self._lines.clock.sleep(LOOK_SECONDS)
            if leg.call_sid is not None:
                return True  # a callback has told it
            async for _, participant in self._participants(leg.leg_id):
                self._lines.bind(leg, str(participant.get("call_sid")))
                return True
        return False

    async def call(self, leg: Leg) -> None:
        """One leg, of which Twilio says that it is gone."""
        call = await self._call(leg.call_sid or "")
        self._lines.status(leg, CallStatus(call_sid=leg.call_sid or "", status=str(call.get("status"))))

    async def _call(self, call_sid: str) -> Mapping[str, Any]:
        try:
            return await self._lines.rest.get(f"Calls/{quote(call_sid, safe='')}")
        except RefusedError as error:
            if error.gone:
                return {"status": "failed"}
            raise

    async def _calls(self, status: str) -> AsyncIterator[Mapping[str, Any]]:
        for page in range(PAGES_MAX):
            query = {"Status": status, "PageSize": str(PAGE), "Page": str(page)}
            told = await self._lines.rest.get("Calls", query)
            for call in told.get("calls") or ():
                yield call
            if not told.get("next_page_uri"):
                return

    async def _participants(self, name: str) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """Of the conferences of this name that go on."""
        told = await self._lines.rest.get("Conferences", {"FriendlyName": name, "PageSize": "20"})
        for conference in told.get("conferences") or ():
            if conference.get("status") == "completed":
                continue
            conference_sid = str(conference.get("sid"))
            inside = await self._lines.rest.get(f"Conferences/{conference_sid}/Participants", {"PageSize": "250"})
            for participant in inside.get("participants") or ():
                yield conference_sid, participant
