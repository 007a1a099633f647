"""Recordings: of a talk by policy, with the customer in it, and never of agents among themselves; of messages.

One recording for each talk room. While the customer is not in it, or an agent has it paused, nothing is recorded.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from contracts.calls import RecordingChanged

from voice_gateway.domain.call import Call, Purpose, Recording, RecordingPolicy, RecordingState, Seat
from voice_gateway.domain.commands import PauseRecording, Record, StopRecording
from voice_gateway.domain.flow_plan import Consent
from voice_gateway.domain.step import ToKeep, Turn

PAUSES_MAX: Final = 1000
"""Pauses of one recording; then it stays paused."""
RECORDINGS_MAX: Final = 50
FAILURES_MAX: Final = 3
"""A node that has failed to record a call so often is not asked for that call again."""
KEEP_DAYS: Final = 90
"""Of a message, where no policy says how long."""


def policy_of(call: Call) -> RecordingPolicy | None:
    """Which policy fits the call in the queue that it came through; none: it is not recorded."""
    fits = (policy for policy in call.terms.recording if _fits(policy, call))
    policy = next(fits, None)
    return policy if policy is not None and policy.record else None


def consent_of(call: Call) -> Consent:
    """What a caller is to hear before it is known which queue it will be: the most that any policy may want."""
    wanted = [each.consent for each in call.terms.recording if each.record and _fits(replace(each, queues=()), call)]
    return "ask" if "ask" in wanted else "announce" if "announce" in wanted else "none"


def _fits(policy: RecordingPolicy, call: Call) -> bool:
    return (
        (not policy.queues or call.queue in policy.queues)
        and (not policy.clients or call.terms.client in policy.clients)
        and (not policy.directions or call.direction in policy.directions)
    )


def wanted(call: Call, places: Mapping[str, Purpose]) -> bool:
    """Whether the talk should be recorded just now."""
    policy = policy_of(call)
    if policy is None or call.recording_paused or places.get(call.customer_leg_id) != "talk":
        return False
    return policy.consent == "none" or (call.flow is not None and call.flow.consent in {"told", "granted"})


def quieten(turn: Turn, *, recorded: bool, talks: bool) -> None:
    """Before anybody is moved: what should not be recorded is not, and a talk that is over (`talks` false) has its
    recording. A node that cannot pause stops; another begins."""
    for each in turn.call.recordings:
        if each.kind != "talk" or each.state == "stopping" or recorded:
            continue
        if not talks or not turn.call.terms.can.pauses_recordings or len(each.pauses) >= PAUSES_MAX:
            stop(turn, each)
        elif each.state == "running":
            turn.tell(PauseRecording(recording_id=each.recording_id, paused=True))
            put(turn, replace(each, state="paused", paused_at_ms=turn.now_ms))
            say(turn, each.recording_id, "paused")


def run(turn: Turn, *, recorded: bool) -> None:
    """After everybody is in place: the talk is recorded, in one recording as long as its room is there."""
    room = turn.call.room("talk")
    if not recorded or room is None or _of_talk(turn.call, "running") is not None:
        return
    paused = _of_talk(turn.call, "paused")
    if paused is not None:
        turn.tell(PauseRecording(recording_id=paused.recording_id, paused=False))
        put(turn, replace(_without_pause(paused, turn.now_ms), state="running"))
        say(turn, paused.recording_id, "resumed")
        turn.change(paused_by=None)
    elif len(turn.call.recordings) < RECORDINGS_MAX and turn.call.not_recorded < FAILURES_MAX:
        _begin(turn, room.room_id)


def _begin(turn: Turn, room_id: str) -> None:
    policy = policy_of(turn.call)
    recording_id = turn.new_id("recording")
    begun = Recording(
        recording_id=recording_id,
        kind="talk",
        where_id=room_id,
        state="running",
        begun_at_ms=turn.now_ms,
        keep_days=policy.keep_days if policy else KEEP_DAYS,
    )
    put(turn, begun)
    turn.tell(Record(recording_id=recording_id, room_id=room_id))
    say(turn, recording_id, "started")


def record_message(turn: Turn, *, seconds_max: int, end_key: str) -> None:
    """Record what the caller says, until the key."""
    policy = policy_of(turn.call)
    recording_id, leg_id = turn.new_id("recording"), turn.call.customer_leg_id
    begun = Recording(
        recording_id=recording_id,
        kind="voicemail",
        where_id=leg_id,
        state="running",
        begun_at_ms=turn.now_ms,
        keep_days=policy.keep_days if policy else KEEP_DAYS,
    )
    put(turn, begun)
    turn.tell(Record(recording_id=recording_id, leg_id=leg_id, seconds_max=seconds_max, ends_with_key=end_key))
    say(turn, recording_id, "started")


def stop(turn: Turn, recording: Recording) -> None:
    """It is over; the node tells when it is ready."""
    turn.tell(StopRecording(recording_id=recording.recording_id))
    put(turn, replace(_without_pause(recording, turn.now_ms), state="stopping", stopped_at_ms=turn.now_ms))
    say(turn, recording.recording_id, "stopped")


def ready(turn: Turn, recording_id: str, seconds: float) -> Recording | None:
    """The node has it: it is to be kept. None: that has been told before."""
    found = _taken(turn, recording_id)
    if found is None:
        return None
    if found.state != "stopping":
        say(turn, found.recording_id, "stopped")
    found = _without_pause(found, turn.now_ms)
    kept = ToKeep(
        recording_id=found.recording_id,
        kind=found.kind,
        begun_at_ms=found.begun_at_ms,
        seconds=seconds,
        pauses=found.pauses,
        keep_days=found.keep_days,
    )
    turn.recordings.append(kept)
    return found


def length_seconds(recording: Recording, now_ms: int) -> float:
    """How long it should be, by the clock."""
    whole = _without_pause(recording, now_ms)
    paused_ms = sum(to_ms - from_ms for from_ms, to_ms in whole.pauses)
    return max(0, (whole.stopped_at_ms or now_ms) - whole.begun_at_ms - paused_ms) / 1000


def failed(turn: Turn, recording_id: str) -> Recording | None:
    """There will be none. None: that has been told before."""
    found = _taken(turn, recording_id)
    if found is not None:
        turn.change(not_recorded=turn.call.not_recorded + 1)
        say(turn, recording_id, "failed")
    return found


def not_resumed(turn: Turn, recording_id: str) -> None:
    """The node will not go on with it: what was recorded is kept, and `settle` begins another."""
    for each in turn.call.recordings:
        if each.recording_id == recording_id and each.state == "running":
            stop(turn, each)


def pause_by_agent(turn: Turn, seat: Seat, *, paused: bool) -> str | None:
    """Have the recording paused, or go on; why not, if not. Keys are not told meanwhile even where nothing is recorded:
    cards are read out in such calls too."""
    call = turn.call
    if call.recording_paused and not paused and seat.agent_id != call.paused_by and seat != call.owner:
        return "role_forbids"
    if call.recording_paused != paused:
        turn.change(recording_paused=paused, paused_by=seat.agent_id)
    return None if policy_of(call) is not None else "not_recording"


def put(turn: Turn, recording: Recording) -> None:
    """In place of what was known of it."""
    others = tuple(each for each in turn.call.recordings if each.recording_id != recording.recording_id)
    turn.change(recordings=(*others, recording))


def say(turn: Turn, recording_id: str, state: str) -> None:
    """Tell what became of it, and whose wish a pause was."""
    call = turn.call
    changed = RecordingChanged(
        interaction_id=call.interaction_id,
        domain=call.terms.domain,
        recording_id=recording_id,
        state=state,
        changed_at_ms=turn.now_ms,
        agent_id=call.paused_by if state in {"paused", "resumed"} else None,
    )
    turn.say(changed)


def _of_talk(call: Call, state: RecordingState) -> Recording | None:
    return next((each for each in call.recordings if each.kind == "talk" and each.state == state), None)


def _taken(turn: Turn, recording_id: str) -> Recording | None:
    found = next((each for each in turn.call.recordings if each.recording_id == recording_id), None)
    if found is not None:
        turn.change(recordings=tuple(each for each in turn.call.recordings if each != found))
    return found


def _without_pause(recording: Recording, now_ms: int) -> Recording:
    """A pause under way ends now; counted from the recording's begin."""
    if recording.paused_at_ms is None:
        return recording
    begun_at_ms, paused_at_ms = recording.begun_at_ms, recording.paused_at_ms
    pause = (paused_at_ms - begun_at_ms, max(now_ms, paused_at_ms) - begun_at_ms)
    return replace(recording, paused_at_ms=None, pauses=(*recording.pauses, pause))
