"""Commands that the node would not carry out: what they were for does not come about."""

from dataclasses import replace

from voice_gateway.domain import commands, legs, recording, supervision, waiting
from voice_gateway.domain.arrange import REFUSALS_MAX, release
from voice_gateway.domain.events import CommandRefused, LegEnded
from voice_gateway.domain.step import Turn


def refused(turn: Turn, event: CommandRefused) -> None:
    """Of what is not named here nothing hangs on it."""
    match event.command:
        case commands.Dial(leg_id=leg_id) | commands.Answer(leg_id=leg_id):
            _gone(turn, leg_id, event, unless_up=True)
        case commands.HangUp(leg_id=leg_id):
            _gone(turn, leg_id, event, unless_up=False)
        case commands.Join(leg_id=leg_id):
            _not_put(turn, leg_id)
        case commands.Record(recording_id=recording_id):
            waiting.not_recorded(turn, recording_id)
        case commands.PauseRecording(recording_id=recording_id, paused=True):
            # What must not be recorded is worth more than what may be.
            turn.tell(commands.StopRecording(recording_id=recording_id))
            waiting.not_recorded(turn, recording_id)
        case commands.PauseRecording(recording_id=recording_id):
            recording.not_resumed(turn, recording_id)
        case commands.Monitor(leg_id=leg_id):
            supervision.not_placed(turn, leg_id)
        case commands.Play(playback_id=playback_id):
            waiting.played(turn, playback_id)
        case _:
            pass


def _gone(turn: Turn, leg_id: str, event: CommandRefused, *, unless_up: bool) -> None:
    """There is no such leg, for the node would have rung, answered or ended it."""
    leg = turn.call.leg(leg_id)
    if leg is not None and not (unless_up and leg.state == "up"):
        legs.ended(turn, LegEnded(leg_id=leg_id, cause="failed", at_ms=event.at_ms, by_us=leg.releasing))


def _not_put(turn: Turn, leg_id: str) -> None:
    """It is tried again, a few times; a leg that can be nowhere ends."""
    leg = turn.call.leg(leg_id)
    if leg is None:
        return
    turn.put_leg(replace(leg, room_id=None, refusals=leg.refusals + 1))
    if leg.refusals + 1 >= REFUSALS_MAX:
        release(turn, replace(leg, room_id=None, refusals=leg.refusals + 1))
