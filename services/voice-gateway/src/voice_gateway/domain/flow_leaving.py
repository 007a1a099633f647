"""The end of a call: a message recorded, last words, the survey after the talk."""

from typing import Final

from voice_gateway.domain import flow_prompts
from voice_gateway.domain.flow_asking import tried_enough, wait_for_key
from voice_gateway.domain.flow_plan import SurveyQuestion
from voice_gateway.domain.flow_turn import Handling, Turn, plain
from voice_gateway.domain.flow_words import (
    GivenUp,
    HangUp,
    LeaveVoicemail,
    Line,
    Recorded,
    RecordVoicemail,
    SurveyAnswer,
)

RECORDING_SECONDS_SPARE: Final = 15
"""Beyond the longest message, until the node has told that it is recorded."""


def given_up(turn: Turn, data: GivenUp) -> None:
    """The router has no agent for the call: a message is recorded, or last words are said."""
    if turn.at.stage in ("voicemail", "recording", "survey", "leaving"):
        return
    turn.hush()
    turn.become(queue=data.queue)
    if data.to == "voicemail":
        if data.message is not None:
            turn.say(Line(prompt=flow_prompts.NOBODY, text=data.message))
        turn.enter("voicemail")
        return
    if data.message is not None or data.to != "finished":
        turn.say(Line(prompt=flow_prompts.NOBODY, text=data.message))
    turn.enter("leaving")


def talk_over(turn: Turn) -> None:
    """The caller is asked how it was, or let go."""
    if turn.at.stage == "talking":
        turn.enter("survey" if _question(turn) else "leaving")


def recorded(turn: Turn, data: Recorded) -> None:
    """A message becomes a task, also when it is told after the end; too short a one does not."""
    if not turn.at.recording:
        return
    voicemail = turn.plan.voicemail
    is_message = data.seconds > 0 and data.seconds >= voicemail.seconds_min
    turn.become(recording=False)
    if is_message:
        turn.do(LeaveVoicemail(queue=voicemail.queue or turn.at.queue or ""))
    if data.caller_left:
        turn.become(stage="over", due_ms=None, playing=None, pending=())
    elif turn.at.stage == "recording":
        turn.say(plain(flow_prompts.VOICEMAIL_TAKEN if is_message else flow_prompts.VOICEMAIL_EMPTY))
        turn.enter("leaving")


def _ask_for_message(turn: Turn) -> None:
    voicemail = turn.plan.voicemail
    turn.say(plain(voicemail.prompt, key=voicemail.end_key), plain(flow_prompts.BEEP))


def _skip_to_beep(turn: Turn, _: str) -> None:
    if turn.at.pending:
        turn.hush()
        turn.say(plain(flow_prompts.BEEP))


def _record(turn: Turn) -> None:
    voicemail = turn.plan.voicemail
    turn.become(recording=True)
    turn.do(RecordVoicemail(seconds_max=voicemail.seconds_max, end_key=voicemail.end_key))
    turn.wait(voicemail.seconds_max + RECORDING_SECONDS_SPARE)


def _hang_up(turn: Turn) -> None:
    turn.do(HangUp())
    turn.enter("over")


def _ask_question(turn: Turn) -> None:
    question = _question(turn)
    turn.become(attempts=0)
    if question is None:
        _thank(turn)
    else:
        turn.say(plain(question.prompt))


def _answer(turn: Turn, key: str) -> None:
    question = _question(turn)
    turn.hush()
    if question is not None and key in question.keys:
        turn.do(SurveyAnswer(survey=turn.plan.survey.name if turn.plan.survey else "", question=question.name, key=key))
        turn.become(question=turn.at.question + 1)
        turn.enter("survey")
    elif question is None or tried_enough(turn):
        _thank(turn)
    else:
        turn.say(plain(flow_prompts.WRONG_KEY), plain(question.prompt))


def _question(turn: Turn) -> SurveyQuestion | None:
    """None: all have been asked."""
    questions = turn.plan.survey.questions if turn.plan.survey else ()
    return questions[turn.at.question] if turn.at.question < len(questions) else None


def _thank(turn: Turn) -> None:
    turn.say(plain(flow_prompts.SURVEY_THANKS))
    turn.enter("leaving")


VOICEMAIL: Final = Handling(enter=_ask_for_message, said=lambda turn: turn.enter("recording"), key=_skip_to_beep)
RECORDING: Final = Handling(enter=_record, waited=lambda turn: turn.enter("leaving"))
LEAVING: Final = Handling(said=_hang_up)
SURVEY: Final = Handling(enter=_ask_question, said=wait_for_key, waited=_thank, key=_answer)
