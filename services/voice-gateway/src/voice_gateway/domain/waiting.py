"""The caller without an agent: what the flow wants done is done, and what the router says of the waiting task is told
to the flow. Without a flow there are music and an agent, and when there is none, an end."""

from collections.abc import Callable
from typing import Any, Final  # Any: an act of any type

from contracts import calls
from contracts.commands import RequestCallback, RequestTask
from contracts.interactions import InteractionStarted

from voice_gateway.domain import ending, flow, flow_words, recording
from voice_gateway.domain.arrange import release
from voice_gateway.domain.call import Call
from voice_gateway.domain.commands import Play, StopPlaying
from voice_gateway.domain.events import KeyPressed
from voice_gateway.domain.flow_words import (
    Ask,
    ConsentAnswered,
    HangUp,
    LeaveVoicemail,
    MenuChosen,
    PlayPrompt,
    RecordVoicemail,
    StopPrompt,
    SurveyAnswer,
)
from voice_gateway.domain.ids import derived
from voice_gateway.domain.prompts import prompt
from voice_gateway.domain.step import Turn

FLOW: Final = "flow"
"""The timer of the flow."""


def begin(turn: Turn) -> None:
    """The caller's leg is answered."""
    terms = turn.call.terms
    if terms.flow is None:
        ask(turn, Ask(queue_hint=terms.queue_hint, language=terms.language, attributes=()))
        return
    turn.change(flow=flow_words.FlowPosition())
    begun = flow_words.Begun(
        callback_possible=_can_be_called(turn.call),
        consent=recording.consent_of(turn.call),
    )
    hear(turn, begun)


def hear(turn: Turn, happening: flow_words.Happening) -> None:
    """The flow hears of something, and what it wants is done."""
    plan, position = turn.call.terms.flow, turn.call.flow
    if plan is None or position is None:
        _without_flow(turn, happening)
        return
    step = flow.step(plan, position, happening, turn.now_ms)
    turn.change(flow=step.position)
    if step.position.due_ms is None or turn.call.ended_at_ms is not None:
        turn.drop_timer(FLOW)
    elif turn.call.timers.get(FLOW) != step.position.due_ms:
        turn.set_timer(FLOW, step.position.due_ms - turn.now_ms)
    for act in step.acts:
        _ACTS[type(act)](turn, act)


def _without_flow(turn: Turn, happening: flow_words.Happening) -> None:
    match happening:
        case flow_words.CalledBack() | flow_words.GivenUp() | flow_words.TalkOver():
            hang_up(turn)
        case _:
            pass


def is_there(turn: Turn) -> bool:
    """Whether the customer can be talked with."""
    leg = turn.call.leg(turn.call.customer_leg_id)
    return leg is not None and leg.state == "up" and not leg.releasing


def hang_up(turn: Turn) -> None:
    """The caller's leg ends; why, was said before, or is that nobody is there."""
    ending.close(turn, "refused", "closed")
    leg = turn.call.leg(turn.call.customer_leg_id)
    if leg is None:
        ending.end(turn, "refused", "closed")
        return
    release(turn, leg)
    turn.set_timer(ending.DRAIN, ending.DRAIN_MS)


def ask(turn: Turn, act: Ask, **attributes: str) -> None:
    """Tell of the conversation, once, which asks the router for a task."""
    call = turn.call
    if call.asked:
        return
    turn.change(asked=True)
    started = InteractionStarted(
        interaction_id=call.interaction_id,
        domain=call.terms.domain,
        client=call.terms.client,
        channel="voice",
        address=call.terms.address,
        started_at_ms=call.begun_at_ms,
        queue_hint=act.queue_hint or call.terms.queue_hint,
        language=act.language,
        attributes={"direction": call.direction, **dict(act.attributes), **attributes},
        personal=_personal(call),
        callback_possible=None if _can_be_called(call) else False,
    )
    turn.say(started)


def _personal(call: Call) -> dict[str, object]:
    party, personal = call.customer, dict[str, object]()
    if party.name:
        personal["name"] = party.name
    if party.number:
        personal["identifiers"] = [{"type": "phone", "value": party.number, "verified": party.asserted}]
    return personal


def _can_be_called(call: Call) -> bool:
    return call.terms.callback_possible and call.customer.number is not None


def key_pressed(turn: Turn, event: KeyPressed) -> None:
    """The customer's keys are told, but not while the recording is paused: they may be a card's."""
    call = turn.call
    if event.leg_id != call.customer_leg_id or call.leg(event.leg_id) is None:
        return
    if not call.recording_paused:
        said = calls.KeysPressed(
            interaction_id=call.interaction_id,
            domain=call.terms.domain,
            leg_id=event.leg_id,
            pressed_at_ms=event.at_ms,
            personal={"keys": event.key},
        )
        turn.say(said)
    hear(turn, flow_words.Key(key=event.key))


def played(turn: Turn, playback_id: str) -> None:
    """What the flow had played is over, in whatever way; other playbacks are nobody's concern."""
    number = turn.call.flow.playing if turn.call.flow else None
    if number is not None and playback_id == _playback_id(turn.call, number):
        hear(turn, flow_words.Played(number=number))


def recorded(turn: Turn, recording_id: str, seconds: float) -> None:
    """A recording is ready: to be kept, and of a message for the flow to hear."""
    kept = recording.ready(turn, recording_id, seconds)
    if kept is not None and kept.kind == "voicemail":
        left = turn.call.leg(turn.call.customer_leg_id) is None
        hear(turn, flow_words.Recorded(seconds=seconds, caller_left=left))


def not_recorded(turn: Turn, recording_id: str) -> None:
    """There will be no recording; a caller does not talk to nobody."""
    failed = recording.failed(turn, recording_id)
    if failed is not None and failed.kind == "voicemail":
        hear(turn, flow_words.Recorded(seconds=0))


def customer_gone(turn: Turn) -> None:
    """Who leaves before the router was asked was here all the same."""
    ask(turn, Ask(queue_hint=None, language=None, attributes=()), left_in="flow")


def _playback_id(call: Call, number: int) -> str:
    return derived(call.root, "prompt", number)


def _play(turn: Turn, act: PlayPrompt) -> None:
    call = turn.call
    number = ((("number", call.customer.number or ""),)) if act.with_caller else ()
    values, domain = (*act.values, *number), call.terms.domain
    media = prompt(act.prompt, domain=domain, language=act.language, values=values, text=act.text)
    if call.leg(call.customer_leg_id):
        play = Play(playback_id=_playback_id(call, act.number), leg_id=call.customer_leg_id, media=(media,))
        turn.tell(play)


def _request_callback(turn: Turn) -> None:
    request_id = turn.command_id()
    turn.change(callback_id=request_id)
    asked = RequestCallback(
        request_id=request_id,
        interaction_id=turn.call.interaction_id,
        domain=turn.call.terms.domain,
        requested_at_ms=turn.now_ms,
    )
    turn.say(asked)


def _leave_voicemail(turn: Turn, queue: str) -> None:
    request_id, call = turn.command_id(), turn.call
    turn.change(message_id=request_id)
    asked = RequestTask(
        request_id=request_id,
        interaction_id=call.interaction_id,
        domain=call.terms.domain,
        kind="callback",
        client=call.terms.client,
        channel="voice",
        queue=queue,
        requested_at_ms=turn.now_ms,
        labels=("voicemail",),
        language=call.flow.language or None if call.flow else None,
    )
    turn.say(asked)


def _tell(turn: Turn, act: MenuChosen | SurveyAnswer) -> None:
    call = turn.call
    if isinstance(act, MenuChosen):
        chosen = calls.MenuChosen(
            interaction_id=call.interaction_id,
            domain=call.terms.domain,
            menu=act.menu,
            key=act.key,
            chosen_at_ms=turn.now_ms,
        )
        turn.say(chosen)
        return
    answered = calls.SurveyAnswered(
        interaction_id=call.interaction_id,
        domain=call.terms.domain,
        survey=act.survey,
        question=act.question,
        key=act.key,
        answered_at_ms=turn.now_ms,
        agent_id=call.last_agent[0] if call.last_agent else None,
        assignment_id=call.last_agent[1] if call.last_agent else None,
    )
    turn.say(answered)


def _stop(turn: Turn, act: StopPrompt) -> None:
    if turn.call.leg(turn.call.customer_leg_id):
        turn.tell(StopPlaying(playback_id=_playback_id(turn.call, act.number)))


def _record(turn: Turn, act: RecordVoicemail) -> None:
    if turn.call.leg(turn.call.customer_leg_id):
        recording.record_message(turn, seconds_max=act.seconds_max, end_key=act.end_key)


_ACTS: Final[dict[type, Callable[[Turn, Any], None]]] = {
    PlayPrompt: _play,
    StopPrompt: _stop,
    Ask: ask,
    flow_words.RequestCallback: lambda turn, _: _request_callback(turn),
    RecordVoicemail: _record,
    LeaveVoicemail: lambda turn, act: _leave_voicemail(turn, act.queue),
    HangUp: lambda turn, _: hang_up(turn),
    MenuChosen: _tell,
    SurveyAnswer: _tell,
    ConsentAnswered: lambda turn, _: None,  # the position keeps it, and recording looks there
}
