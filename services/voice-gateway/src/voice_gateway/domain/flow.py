"""The flow of a call: `step` is the only place where its position changes; pure."""

from typing import Final

from voice_gateway.domain import flow_asking, flow_leaving, flow_queueing
from voice_gateway.domain.flow_plan import FlowPlan
from voice_gateway.domain.flow_turn import Handling, Turn
from voice_gateway.domain.flow_words import (
    Begun,
    CallbackRefused,
    CalledBack,
    FlowPosition,
    FlowStep,
    GivenUp,
    Happening,
    Key,
    Played,
    Queued,
    Recorded,
    Stage,
    Talking,
    TalkOver,
    TimerDue,
)

CONSENTS: Final = ("none", "announce", "ask")
KEYS: Final = "0123456789*#ABCD"
STAGES: Final[dict[Stage, Handling]] = {
    "begin": Handling(key=flow_asking.type_ahead),
    "welcome": flow_asking.WELCOME,
    "language": flow_asking.LANGUAGE,
    "menu": flow_asking.MENU,
    "consent": flow_asking.CONSENT,
    "queued": flow_queueing.QUEUED,
    "closed": flow_queueing.CLOSED,
    "callback": flow_queueing.CALLBACK,
    "calling_back": flow_queueing.CALLING_BACK,
    "voicemail": flow_leaving.VOICEMAIL,
    "recording": flow_leaving.RECORDING,
    "talking": Handling(),
    "survey": flow_leaving.SURVEY,
    "leaving": flow_leaving.LEAVING,
    "over": Handling(),
}


def step(plan: FlowPlan, position: FlowPosition, happening: Happening, now_ms: int) -> FlowStep:
    """What comes of a happening. One that comes twice, late or out of place changes nothing and does nothing."""
    turn = Turn(plan, position, now_ms)
    if isinstance(happening, Recorded):
        flow_leaving.recorded(turn, happening)
    elif position.stage != "over":
        _take(turn, happening)
    _settle(turn)
    return FlowStep(position=turn.at, acts=tuple(turn.acts))


def _take(turn: Turn, happening: Happening) -> None:
    match happening:
        case Begun():
            _begin(turn, happening)
        case Key(key=key):
            if key and key in KEYS:
                STAGES[turn.at.stage].key(turn, key)
        case Played(number=number):
            if number == turn.at.playing:
                _played(turn)
        case TimerDue(position=place):
            if turn.at.due_ms is not None and turn.now_ms >= turn.at.due_ms:
                _due(turn, place)
        case _:
            _told(turn, happening)


def _told(turn: Turn, happening: Happening) -> None:
    match happening:
        case Queued():
            flow_queueing.told(turn, happening)
        case CalledBack():
            flow_queueing.called_back(turn, happening)
        case CallbackRefused():
            flow_queueing.refused(turn)
        case GivenUp():
            flow_leaving.given_up(turn, happening)
        case Talking():
            _talk(turn)
        case TalkOver():
            flow_leaving.talk_over(turn)


def _settle(turn: Turn) -> None:
    """Enter stage after stage until one has something to wait for."""
    while (stage := turn.entered()) is not None:
        handling = STAGES[stage]
        handling.enter(turn)
        if turn.leaves():
            continue
        if turn.at.typed and handling.types_ahead:
            key, rest = turn.at.typed[0], turn.at.typed[1:]
            turn.become(typed=rest)
            handling.key(turn, key)
        elif turn.silent() and turn.at.due_ms is None:
            handling.said(turn)
    turn.speak()


def _begin(turn: Turn, data: Begun) -> None:
    if turn.at.stage != "begin":
        return
    known = data.language in {each.language for each in turn.plan.languages}
    turn.become(
        language=data.language if known else turn.plan.language,
        language_chosen=known,
        callback_possible=data.callback_possible,
        consent_asked_for=max(turn.plan.consent, data.consent, key=CONSENTS.index),
    )
    turn.enter("welcome")


def _played(turn: Turn) -> None:
    turn.become(playing=None, due_ms=None)
    if turn.silent():
        STAGES[turn.at.stage].said(turn)


def _due(turn: Turn, place: int | None) -> None:
    """Of a playback whose end was never told the timer is the end."""
    if turn.at.playing is not None:
        rest = turn.at.pending
        turn.hush()
        turn.become(pending=rest)
        if not rest:
            STAGES[turn.at.stage].said(turn)
        return
    turn.become(due_ms=None, place=turn.at.place if place is None else place)
    STAGES[turn.at.stage].waited(turn)


def _talk(turn: Turn) -> None:
    if turn.at.stage != "talking":
        turn.hush()
        turn.become(asked=True)
        turn.enter("talking")
