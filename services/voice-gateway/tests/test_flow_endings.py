"""How a call ends: closed hours, last words, voicemail, the survey after the talk."""

import pytest
from voice_gateway.domain.flow_plan import CallbackOffer, FlowPlan, Survey, SurveyQuestion, Voicemail
from voice_gateway.domain.flow_words import (
    Begun,
    CalledBack,
    GivenUp,
    HangUp,
    LeaveVoicemail,
    LeftFor,
    Queued,
    Recorded,
    RecordVoicemail,
    RequestCallback,
    SurveyAnswer,
    Talking,
    TalkOver,
)
from voice_gateway.testing.callers import Caller

RATED = FlowPlan(
    survey=Survey(
        name="after_call",
        questions=(
            SurveyQuestion(name="solved", prompt="was_it_solved", keys="12"),
            SurveyQuestion(name="mark", prompt="mark"),
        ),
    )
)
OFFERED = FlowPlan(callback=CallbackOffer(key="5"))


def recording(plan: FlowPlan) -> Caller:
    caller = Caller(plan, Begun())
    caller.tell(GivenUp(to="voicemail", queue="support"))
    caller.listens()
    assert caller.position.stage == "recording"
    return caller


def rated() -> Caller:
    caller = Caller(RATED, Begun())
    caller.tell(Talking())
    caller.tell(TalkOver())
    return caller


def test_who_comes_while_it_is_closed_is_told_and_let_go() -> None:
    caller = Caller(FlowPlan(), Begun())
    caller.tell(Queued(queue="q", closed=True, opens_at_ms=caller.now_ms + 3_600_000))

    assert caller.listens() == ["closed", "goodbye"]
    assert caller.acts[-1] == HangUp()


def test_while_it_is_closed_a_callback_may_be_asked_for() -> None:
    caller = Caller(OFFERED, Begun())
    caller.tell(Queued(queue="q", closed=True))
    assert caller.listens() == ["closed", "callback_offer"]
    caller.press("53")
    assert caller.listens() == ["closed", "callback_offer"]

    caller.press("51")
    assert caller.did(RequestCallback) == [RequestCallback(attempt=1)]
    caller.tell(CalledBack())
    assert caller.listens() == ["callback_made"]
    assert caller.acts[-1] == HangUp()

    silent = Caller(OFFERED, Begun())
    silent.tell(Queued(queue="q", closed=True))
    silent.listens()
    assert silent.waits() == ["goodbye"]
    assert silent.acts[-1] == HangUp()


def test_an_opening_that_is_near_is_waited_for_and_one_that_comes_meanwhile_lets_the_caller_wait() -> None:
    near = Caller(FlowPlan(closed_wait_seconds=300), Begun())
    near.tell(Queued(queue="q", closed=True, opens_at_ms=near.now_ms + 300_000))
    assert near.position.stage == "queued"

    opened = Caller(FlowPlan(), Begun())
    opened.tell(Queued(queue="q", closed=True))
    opened.tell(Queued(queue="q", closed=False))
    assert opened.position.stage == "queued"
    assert opened.playing is None


def test_the_last_words_are_the_routers_or_our_own() -> None:
    caller = Caller(FlowPlan(), Begun())
    caller.tell(GivenUp(to="message", queue="q", message="We are closed for stocktaking."))
    assert caller.heard[-1].text == "We are closed for stocktaking."
    caller.press("1")
    assert caller.listens() == ["nobody"]
    assert caller.acts[-1] == HangUp()

    ours = Caller(FlowPlan(), Begun())
    ours.tell(GivenUp(to="message", queue="q"))
    assert ours.heard[-1].text is None


def test_what_a_supervisor_finishes_ends_without_words() -> None:
    caller = Caller(FlowPlan(), Begun())

    assert caller.tell(GivenUp(to="finished", queue="q")) == (HangUp(),)


def test_a_message_is_recorded_after_the_tone_and_becomes_a_task_of_the_queue_that_gave_up() -> None:
    caller = Caller(FlowPlan(voicemail=Voicemail(seconds_max=60)), Begun())
    caller.tell(GivenUp(to="voicemail", queue="support", message="All agents are busy."))
    assert caller.heard[-1].text == "All agents are busy."
    assert caller.listens() == ["nobody", "voicemail", "beep"]
    assert caller.did(RecordVoicemail) == [RecordVoicemail(seconds_max=60, end_key="#")]

    caller.tell(Recorded(seconds=12.5))
    assert caller.did(LeaveVoicemail) == [LeaveVoicemail(queue="support")]
    assert caller.listens() == ["voicemail_taken"]
    assert caller.acts[-1] == HangUp()
    assert caller.tell(Recorded(seconds=12.5)) == ()


def test_a_key_goes_to_the_tone_at_once() -> None:
    caller = Caller(FlowPlan(), Begun())
    caller.tell(GivenUp(to="voicemail", queue="q"))
    caller.press("##")

    assert caller.listens() == ["beep"]
    assert [each.prompt for each in caller.heard] == ["voicemail", "beep"]
    assert caller.position.stage == "recording"


def test_the_tone_is_heard_even_if_the_end_of_the_prompt_before_is_never_told() -> None:
    caller = Caller(FlowPlan(), Begun())
    caller.tell(GivenUp(to="voicemail", queue="q"))
    assert caller.waits() == ["beep"]

    assert len(caller.did(RecordVoicemail)) == 1


@pytest.mark.parametrize(("seconds", "seconds_min"), [(0, 2), (1.9, 2), (0, 0)])
def test_what_is_too_short_is_no_message(seconds: float, seconds_min: int) -> None:
    caller = recording(FlowPlan(voicemail=Voicemail(seconds_min=seconds_min)))
    caller.tell(Recorded(seconds=seconds))

    assert caller.listens() == ["voicemail_empty"]
    assert not caller.did(LeaveVoicemail)


def test_a_message_that_the_callers_hanging_up_ends_becomes_a_task_and_nothing_else_is_done() -> None:
    caller = recording(FlowPlan(voicemail=Voicemail(queue="messages")))

    assert caller.tell(Recorded(seconds=5, caller_left=True)) == (LeaveVoicemail(queue="messages"),)
    assert caller.position.stage == "over"


def test_a_message_that_the_node_tells_of_too_late_becomes_a_task_after_the_end() -> None:
    caller = recording(FlowPlan())
    caller.waits()
    assert caller.acts[-1] == HangUp()

    assert caller.tell(Recorded(seconds=5)) == (LeaveVoicemail(queue="support"),)


def test_after_the_talk_a_survey_is_answered_by_keys() -> None:
    caller = rated()
    assert caller.listens() == ["was_it_solved"]
    caller.press("1")
    caller.press("5")

    assert caller.did(SurveyAnswer) == [
        SurveyAnswer(survey="after_call", question="solved", key="1"),
        SurveyAnswer(survey="after_call", question="mark", key="5"),
    ]
    assert caller.listens() == ["survey_thanks"]
    assert caller.acts[-1] == HangUp()


def test_silence_and_wrong_keys_end_the_survey_with_thanks() -> None:
    silent = rated()
    silent.listens()
    assert silent.waits() == ["survey_thanks"]
    assert silent.acts[-1] == HangUp()

    wrong = rated()
    wrong.press("99")
    assert wrong.listens() == ["wrong_key", "was_it_solved"]
    wrong.press("9")
    assert wrong.listens() == ["survey_thanks"]
    assert not wrong.did(SurveyAnswer)


def test_without_a_survey_the_caller_is_let_go_after_the_talk() -> None:
    caller = Caller(FlowPlan(), Begun())
    caller.tell(Talking())

    assert caller.tell(TalkOver()) == (HangUp(),)


@pytest.mark.parametrize("to", ["message", "voicemail", "callback", "finished"])
def test_what_the_router_says_after_the_end_changes_nothing(to: LeftFor) -> None:
    caller = Caller(FlowPlan(), Begun())
    caller.tell(GivenUp(to="finished", queue="q"))

    for happening in (GivenUp(to=to, queue="q"), Queued(queue="q"), CalledBack(), Talking(), TalkOver()):
        assert caller.tell(happening) == ()
