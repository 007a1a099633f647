"""What agents and supervisors ask of a call: each counts while the assignment that it names does."""

from dataclasses import replace
from typing import Final

from contracts.call_commands import AttachTranscript, DropLeg, MuteCall, PauseRecording, SendKeys, SuperviseCall
from contracts.calls import TranscriptAttached

from voice_gateway.domain import commands, recording, supervision
from voice_gateway.domain.arrange import release
from voice_gateway.domain.call import Seat
from voice_gateway.domain.facts import Asked
from voice_gateway.domain.step import Turn

REMEMBERED_MAX: Final = 64
"""Ids of commands, so that one that comes again is not done again."""
KEYS: Final = frozenset("0123456789ABCD*#")
KEYS_MAX: Final = 64
Command = SendKeys | MuteCall | PauseRecording | DropLeg | SuperviseCall


def asked(turn: Turn, fact: Asked) -> None:
    """Do it or refuse it, once."""
    command = fact.data
    if command.command_id in turn.call.commands:
        return
    turn.change(commands=(*turn.call.commands, command.command_id)[-REMEMBERED_MAX:])
    if isinstance(command, AttachTranscript):
        turn.say(transcript(command, turn.now_ms))
        return
    who = command.supervisor_id if isinstance(command, SuperviseCall) else command.agent_id
    reason = _do(turn, command, fact)
    if reason is not None:
        supervision.refuse(turn, command.command_id, reason, who)


def transcript(command: AttachTranscript, now_ms: int) -> TranscriptAttached:
    """What is told of a transcript, of a call that goes on or is long over."""
    return TranscriptAttached(
        interaction_id=command.interaction_id,
        domain=command.domain,
        transcript_id=command.transcript_id,
        language=command.language,
        attached_at_ms=now_ms,
        recording_id=command.recording_id,
        personal=command.personal,
    )


def _do(turn: Turn, command: Command, fact: Asked) -> str | None:
    """Why not, if not."""
    if turn.call.ended_at_ms is not None:
        return "interaction_ended"
    seat = turn.call.seat(command.assignment_id)
    if seat is None or seat.agent_id != command.agent_id:
        return "assignment_gone"
    match command:
        case SuperviseCall():
            return supervision.supervise(turn, seat, command, fact.phone)
        case SendKeys():
            return _send_keys(turn, str(command.personal.get("keys", "")))
        case MuteCall():
            return _mute(turn, seat, muted=command.muted)
        case PauseRecording():
            return recording.pause_by_agent(turn, seat, paused=command.paused)
        case DropLeg():
            return _drop_leg(turn, seat, command.leg_id)


def _send_keys(turn: Turn, keys: str) -> str | None:
    leg = turn.call.leg(turn.call.customer_leg_id)
    if leg is None or leg.state != "up":
        return "leg_unknown"
    if not 0 < len(keys) <= KEYS_MAX or not KEYS.issuperset(keys):
        return "keys_invalid"
    turn.tell(commands.SendKeys(leg_id=leg.leg_id, keys=keys))
    return None


def _mute(turn: Turn, seat: Seat, *, muted: bool) -> str | None:
    leg = turn.call.leg(seat.leg_id)
    if leg is None or leg.state != "up":
        return "leg_unknown"
    if leg.muted != muted:
        turn.put_leg(replace(leg, muted=muted))
        turn.tell(commands.Mute(leg_id=leg.leg_id, muted=muted))
    return None


def _drop_leg(turn: Turn, seat: Seat, leg_id: str) -> str | None:
    """Their own phone too, which ends the conversation as hanging up does; the customer goes by `task.end`."""
    leg = turn.call.leg(leg_id)
    if leg is None or leg.of == "supervisor":
        return "leg_unknown"
    if leg.of == "customer" or (seat != turn.call.owner and leg_id != seat.leg_id):
        return "role_forbids"
    release(turn, leg)
    return None
