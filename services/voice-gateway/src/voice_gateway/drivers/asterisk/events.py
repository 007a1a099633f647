"""What Asterisk says, in our words: pure. Shapes: Asterisk's rest-api/api-docs/events.json."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl

from voice_gateway.domain import events
from voice_gateway.domain.events import Event
from voice_gateway.domain.words import AnsweredBy, EndCause, Party, PlaybackEnd, Quality
from voice_gateway.drivers.asterisk.legs import QUIET_VARIABLE, Leg, Legs, Recent, quiet_of
from voice_gateway.drivers.asterisk.names import is_helper, is_ours, leg_of, room_of

Json = Mapping[str, Any]
TYPES: Final = (
    "ApplicationReplaced",
    "StasisStart",
    "ChannelStateChange",
    "Dial",
    "ChannelEnteredBridge",
    "ChannelLeftBridge",
    "ChannelDtmfReceived",
    "ChannelHold",
    "ChannelUnhold",
    "ChannelTransfer",
    "ChannelHangupRequest",
    "ChannelDestroyed",
    "PlaybackFinished",
    "RecordingStarted",
    "RecordingFinished",
    "RecordingFailed",
)
"""All others are not wanted."""
# Q.850 causes, and the SIP statuses that say more (RFC 3398 §8.2.6.1, Asterisk's hangup_sip2cause).
_BY_SIP: Final[Mapping[int, EndCause]] = {
    403: "declined",
    404: "unknown_number",
    410: "unknown_number",
    484: "unknown_number",
    486: "busy",
    503: "congested",
    600: "busy",
    603: "declined",
    604: "unknown_number",
}
_BY_CAUSE: Final[Mapping[int, EndCause]] = {
    1: "unknown_number",
    3: "unavailable",
    16: "hung_up",  # by whom we are still listening to, person or machine
    17: "busy",
    18: "no_answer",
    19: "no_answer",
    20: "unavailable",
    21: "declined",
    28: "unknown_number",
    34: "congested",
    42: "congested",
}
_CANCELLED: Final = 127
"""What Asterisk says of an incoming call whose caller gives up; softly, as it ends legs itself."""
_BY_AMD: Final[Mapping[str, AnsweredBy]] = {"HUMAN": "human", "MACHINE": "machine"}


class Translator:
    """Keeps `legs` as the events say, and says them in our words."""

    def __init__(self, node: str, legs: Legs) -> None:
        self._node = node
        self._legs = legs
        self.stopped = Recent()
        """Playbacks that we have stopped."""
        self._recorded = Recent()
        self._of_type: Mapping[str, Callable[[Json, int], Iterator[Event]]] = {
            "StasisStart": self._begun,
            "ChannelStateChange": self._changed,
            "Dial": self._dialling,
            "ChannelEnteredBridge": self._entered,
            "ChannelLeftBridge": self._left,
            "ChannelDtmfReceived": self._pressed,
            "ChannelHold": lambda event, at_ms: self._held(event, at_ms, held=True),
            "ChannelUnhold": lambda event, at_ms: self._held(event, at_ms, held=False),
            "ChannelTransfer": self._transfer,
            "ChannelHangupRequest": self._ending,
            "ChannelDestroyed": self._ended,
            "PlaybackFinished": self._played,
            "RecordingFinished": self._recording,
            "RecordingFailed": self._recording,
        }

    def told(self, event: Json, at_ms: int) -> list[Event]:
        """What an event of Asterisk's says to us: mostly one thing, or nothing."""
        translate = self._of_type.get(event.get("type", ""))
        return list(translate(event, at_ms)) if translate else []

    def waiting(self, channels: Iterable[Json], at_ms: int) -> list[Event]:
        """Calls that came in while nobody listened, or whose coming was told to nobody who is left."""
        told: list[Event] = []
        for channel in channels:
            if leg := self._legs.of_channel(channel["id"]):
                told += self._come(leg, channel, _given(channel), at_ms)
        return told

    def _come(self, leg: Leg, channel: Json, arguments: list[str], at_ms: int) -> Iterator[Event]:
        if not leg.told:
            leg.told = True
            yield incoming(leg, channel, arguments, at_ms)

    def _leg(self, event: Json) -> Leg | None:
        return self._legs.of_channel(event["channel"]["id"])

    def _begun(self, event: Json, at_ms: int) -> Iterator[Event]:
        channel, arguments = event["channel"], event.get("args", [])
        if is_helper(channel["id"]) or "replace_channel" in event:
            return
        leg = self._leg(event)
        if leg is None:
            fresh = new_leg(self._node, channel)
            leg = self._legs.add(replace(fresh, told=fresh.ours, answered=False))
        if leg.ours and not leg.answered:
            leg.answered = True
            by = _BY_AMD.get(arguments[1], "unknown") if arguments[:1] == ["amd"] and len(arguments) > 1 else "unknown"
            yield events.LegAnswered(leg_id=leg.leg_id, at_ms=at_ms, by=by)
        else:
            yield from self._come(leg, channel, arguments, at_ms)

    def _changed(self, event: Json, at_ms: int) -> Iterator[Event]:
        leg = self._leg(event)
        if leg is not None and not leg.ours and event["channel"]["state"] == "Up" and not leg.answered:
            leg.answered = True
            yield events.LegAnswered(leg_id=leg.leg_id, at_ms=at_ms)

    def _dialling(self, event: Json, at_ms: int) -> Iterator[Event]:
        """Mobile networks mostly say that there is something to hear (183), and never that it rings (180)."""
        leg = self._legs.of_channel(event["peer"]["id"])
        rings = event.get("dialstatus") in ("RINGING", "PROGRESS")
        if leg is not None and leg.ours and rings and not (leg.rang or leg.answered):
            leg.rang = True
            yield events.LegRinging(leg_id=leg.leg_id, at_ms=at_ms)

    def _entered(self, event: Json, at_ms: int) -> Iterator[Event]:
        leg, room_id = self._leg(event), room_of(event["bridge"]["id"])
        if leg is not None and room_id is not None and leg.room_id != room_id:
            leg.room_id = room_id
            yield events.RoomJoined(room_id=room_id, leg_id=leg.leg_id, at_ms=at_ms)

    def _left(self, event: Json, at_ms: int) -> Iterator[Event]:
        leg, room_id = self._leg(event), room_of(event["bridge"]["id"])
        if leg is not None and room_id is not None and leg.room_id == room_id:
            leg.room_id = None
            leg.goes_to = None if leg.goes_to == room_id else leg.goes_to
            yield events.RoomLeft(room_id=room_id, leg_id=leg.leg_id, at_ms=at_ms)

    def _pressed(self, event: Json, at_ms: int) -> Iterator[Event]:
        leg = self._leg(event)
        if leg is not None:
            yield events.KeyPressed(leg_id=leg.leg_id, key=event["digit"], at_ms=at_ms)

    def _held(self, event: Json, at_ms: int, *, held: bool) -> Iterator[Event]:
        leg = self._leg(event)
        if leg is not None:
            yield events.HoldChanged(leg_id=leg.leg_id, held=held, at_ms=at_ms)

    def _transfer(self, event: Json, at_ms: int) -> Iterator[Event]:
        refer_to, source = event["refer_to"], event["referred_by"]["source_channel"]
        leg = self._legs.of_channel(source["id"])
        if leg is None or event.get("state"):  # with a state it is the echo of what we have answered
            return
        other = (refer_to.get("destination_channel") or {}).get("id")
        dialled = refer_to["requested_destination"].get("destination", "")
        yield events.TransferRequested(
            transfer_id=f"{leg.leg_id}.{at_ms}",
            leg_id=leg.leg_id,
            form="attended" if other else "blind",
            to=leg_of(self._node, other) if other else dialled,
            at_ms=at_ms,
        )

    def _ending(self, event: Json, at_ms: int) -> Iterator[Event]:
        leg = self._leg(event)
        if leg is not None and leg.by_asterisk is None:  # the first says who ends it
            leg.by_asterisk = bool(event.get("soft")) and event.get("cause") != _CANCELLED
        yield from ()

    def _ended(self, event: Json, at_ms: int) -> Iterator[Event]:
        leg = self._leg(event)
        if leg is None:
            return
        self._legs.remove(leg)
        if leg.room_id is not None:
            yield events.RoomLeft(room_id=leg.room_id, leg_id=leg.leg_id, at_ms=at_ms)
        code = event.get("tech_cause")
        yield events.LegEnded(
            leg_id=leg.leg_id,
            cause=leg.ends_for or end_cause(leg, event["cause"], code),
            at_ms=at_ms,
            sip_code=code if isinstance(code, int) and code >= 300 else None,
            by_us=leg.ends_for is not None,
            quality=quality_of(_variables(event["channel"]).get("RTPAUDIOQOS", "")),
        )

    def _played(self, event: Json, at_ms: int) -> Iterator[Event]:
        playback_id, target = event["playback"]["id"], event["playback"]["target_uri"]
        leg = self._legs.of_channel(target.partition(":")[2])
        if leg is not None:
            leg.playbacks.discard(playback_id)
        stopped = playback_id in self.stopped or leg is None or leg.ends_for is not None
        self.stopped.discard(playback_id)
        end: PlaybackEnd = "played" if event["playback"]["state"] == "done" else "failed"
        yield events.PlaybackEnded(playback_id=playback_id, end="stopped" if stopped else end, at_ms=at_ms)

    def _recording(self, event: Json, at_ms: int) -> Iterator[Event]:
        """Told twice, once by what is recorded and once by the recording."""
        told = event["recording"]
        name = told["name"]
        if name in self._recorded:
            return
        self._recorded.add(name)
        if event["type"] == "RecordingFailed":
            yield events.RecordingFailed(recording_id=name, reason=told.get("cause") or "failed", at_ms=at_ms)
        else:
            yield events.RecordingReady(recording_id=name, seconds=float(told.get("duration", 0)), at_ms=at_ms)


def new_leg(node: str, channel: Json) -> Leg:
    """A leg as its channel says it is; an incoming one has not been told of."""
    ours = is_ours(channel["id"])
    return Leg(
        leg_id=leg_of(node, channel["id"]),
        channel_id=channel["id"],
        ours=ours,
        told=ours or channel["state"] == "Up",
        answered=channel["state"] == "Up" and (not ours or channel.get("dialplan", {}).get("app_name") == "Stasis"),
        quiet=quiet_of(_variables(channel).get(QUIET_VARIABLE, "")),
    )


def incoming(leg: Leg, channel: Json, arguments: list[str], at_ms: int) -> events.LegIncoming:
    """What is said of a call that comes in."""
    variables = _variables(channel)
    asserted = variables.get("CENTRALINO_ASSERTED", "")
    number = _number_in(asserted) or channel["caller"]["number"]
    withheld = number.lower() in ("", "anonymous", "unknown", "unavailable", "restricted")
    return events.LegIncoming(
        leg_id=leg.leg_id,
        called=arguments[1] if len(arguments) > 1 else channel["dialplan"]["exten"],
        caller=Party()
        if withheld
        else Party(number=number, name=channel["caller"]["name"] or None, asserted=bool(asserted)),
        diverted_from=variables.get("CENTRALINO_DIVERTED") or None,
        headers=tuple(parse_qsl(variables.get("CENTRALINO_HEADERS", ""))),
        provider_id=channel.get("protocol_id") or None,
        at_ms=at_ms,
    )


def end_cause(leg: Leg, cause: int, sip_code: int | None) -> EndCause:
    """Why a leg ended that we have not ended."""
    if leg.answered:  # of a phone that hangs up Asterisk says so first; its own time-out it may not announce
        return "hung_up" if leg.by_asterisk is False else "lost"
    if not leg.ours:
        return "lost" if leg.by_asterisk else "cancelled"
    if sip_code in (408, 480):
        return "no_answer" if leg.rang else "unavailable"
    return _BY_SIP.get(sip_code or 0) or _BY_CAUSE.get(cause, "failed")


def quality_of(text: str) -> Quality | None:
    """RTPAUDIOQOS of a channel: `name=number;...`, seconds and packets (res_rtp_asterisk.c)."""
    told = {name: float(number) for name, number in re.findall(r"(\w+)=(-?[\d.]+)", text)}
    expected = told.get("rxcount", 0) + told.get("lp", 0)
    if expected <= 0:
        return None
    return Quality(
        jitter_ms=round(1000 * told.get("rxjitter", 0), 3),
        lost_fraction=round(max(0.0, told.get("lp", 0)) / expected, 5),
        round_trip_ms=round(1000 * told["rtt"], 3) if told.get("rtt") else None,
    )


def is_leg(channel: Json, app: str) -> bool:
    """Whether a channel is one of our legs: dialled by us, or given to us by the dialplan."""
    if is_helper(channel["id"]):
        return False
    dialplan = channel.get("dialplan", {})
    in_app = dialplan.get("app_name") == "Stasis" and str(dialplan.get("app_data", "")).split(",")[0] == app
    return is_ours(channel["id"]) or in_app


def _given(channel: Json) -> list[str]:
    """What the dialplan says of a channel that it gives to us."""
    return str(channel.get("dialplan", {}).get("app_data", "")).split(",")[1:]


def _variables(channel: Json) -> Mapping[str, str]:
    return channel.get("channelvars") or {}


def _number_in(header: str) -> str:
    found = re.search(r"(?:sips?|tel):([^@;>]+)", header)
    return found[1] if found else ""
