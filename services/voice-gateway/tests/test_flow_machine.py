"""Whatever callers press and the router says, what `Caller` checks holds, and nobody is lost or kept for ever."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override
from voice_gateway.domain.flow_plan import (
    Announcements,
    CallbackOffer,
    FlowPlan,
    LanguageKey,
    Menu,
    MenuItem,
    Survey,
    SurveyQuestion,
    Voicemail,
)
from voice_gateway.domain.flow_words import (
    Ask,
    Begun,
    CallbackRefused,
    CalledBack,
    FlowPosition,
    GivenUp,
    HangUp,
    Happening,
    Key,
    Played,
    Queued,
    Recorded,
    SurveyAnswer,
    Talking,
    TalkOver,
    TimerDue,
)
from voice_gateway.testing.callers import FOR_THE_ROUTER, Caller

KEYS = st.sampled_from("123*#0")
CODES = st.sampled_from(("a", "b"))
STEPS_MAX = 300
"""So many playbacks and timers at most until a caller who does nothing is in the queue, or let go."""


def menu(name: str) -> st.SearchStrategy[Menu]:
    """They may lead in circles, which configuration refuses."""
    items = st.builds(
        MenuItem,
        key=KEYS,
        prompt=st.none() | CODES,
        menu=st.none() | CODES,
        queue=st.none() | CODES,
        attributes=st.sampled_from(((), (("a", "1"),), (("b", "2"),))),
    )
    listed = st.lists(items, min_size=1, max_size=3).map(tuple)
    return st.builds(Menu, name=st.just(name), prompt=CODES, items=listed, default_key=st.none() | KEYS)


PLANS = st.builds(
    FlowPlan,
    welcome=st.none() | CODES,
    languages=st.sampled_from(((), (LanguageKey(key="1", language="en"), LanguageKey(key="2", language="it")))),
    consent=st.sampled_from(("none", "announce", "ask")),
    menu=st.none() | CODES,
    menus=st.tuples(menu("a"), menu("b")),
    repeat_key=st.none() | st.just("*"),
    back_key=st.none() | st.just("#"),
    attempts_max=st.integers(1, 3),
    announcements=st.none()
    | st.builds(Announcements, every_seconds=st.just(30), prompts=st.sampled_from(((), ("x",)))),
    callback=st.none() | st.just(CallbackOffer(key="1")),
    voicemail=st.just(Voicemail()),
    closed_wait_seconds=st.sampled_from((0, 600)),
    survey=st.none()
    | st.just(Survey(name="s", questions=(SurveyQuestion(name="p", prompt="p"), SurveyQuestion(name="q", prompt="q")))),
)
ROUTER = st.one_of(
    st.builds(
        Queued,
        queue=CODES,
        position=st.none() | st.integers(0, 9),
        expected_wait_ms=st.none() | st.integers(0, 10_000_000),
        language=st.sampled_from((None, "it", "de")),
        callback_possible=st.sampled_from((None, True, False)),
        closed=st.sampled_from((None, True, False)),
        opens_at_ms=st.none() | st.integers(0, 10_000_000),
    ),
    st.builds(CalledBack, message=st.none() | CODES),
    st.just(CallbackRefused()),
    st.builds(
        GivenUp,
        to=st.sampled_from(("message", "voicemail", "callback", "finished")),
        queue=CODES,
        message=st.none() | CODES,
    ),
    st.just(Talking()),
    st.just(TalkOver()),
)


class Calling(RuleBasedStateMachine):
    """One call from its beginning to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.caller = Caller(FlowPlan())
        self.last: Happening = TimerDue()
        self.may_end = False

    @initialize(
        plan=PLANS,
        begun=st.builds(Begun, language=st.sampled_from((None, "it")), callback_possible=st.booleans()),
        early=st.text(alphabet="12", max_size=3),
    )
    def answer(self, plan: FlowPlan, begun: Begun, early: str) -> None:
        self.caller = Caller(plan)
        self.caller.press(early)
        self.tell(begun)

    def tell(self, happening: Happening) -> None:
        self.last = happening
        self.caller.tell(happening)

    @rule(key=KEYS)
    def press(self, key: str) -> None:
        self.tell(Key(key=key))

    @precondition(lambda self: self.caller.playing is not None)
    @rule()
    def hear_to_the_end(self) -> None:
        assert self.caller.playing is not None
        self.tell(Played(number=self.caller.playing))

    @rule(number=st.integers(1, 30))
    def be_told_late(self, number: int) -> None:
        if number != self.caller.playing:
            self.changes_nothing(Played(number=number))

    @precondition(lambda self: self.caller.position.due_ms is not None)
    @rule(place=st.none() | st.integers(0, 9))
    def wait(self, place: int | None) -> None:
        assert self.caller.position.due_ms is not None
        self.changes_nothing(TimerDue(position=place))
        self.caller.now_ms = self.caller.position.due_ms
        self.tell(TimerDue(position=place))

    @precondition(lambda self: self.caller.did(Ask))
    @rule(word=ROUTER)
    def hear_from_the_router(self, word: Happening) -> None:
        closed = isinstance(word, Queued) and word.closed
        self.may_end = self.may_end or bool(closed) or isinstance(word, CalledBack | GivenUp | TalkOver)
        self.tell(word)

    @rule(seconds=st.sampled_from((0.0, 1.0, 9.0)), left=st.booleans())
    def be_recorded(self, seconds: float, left: bool) -> None:
        self.tell(Recorded(seconds=seconds, caller_left=left))

    @precondition(lambda self: not isinstance(self.last, Key))
    @rule()
    def repeat(self) -> None:
        self.changes_nothing(self.last)

    def changes_nothing(self, happening: Happening) -> None:
        """But for a place in the queue, which may be told a second time."""
        before = self.caller.position
        assert self.caller.tell(happening) == ()
        assert replace(self.caller.position, place=None) == replace(before, place=None)

    @invariant()
    def nobody_is_lost(self) -> None:
        caller = self.caller
        assert self.may_end or not caller.did(HangUp)
        assert caller.did(Ask) or caller.position.stage in ("begin", "welcome", "language", "menu", "consent")
        assert len(caller.did(SurveyAnswer)) <= caller.position.question

    @override
    def teardown(self) -> None:
        caller = self.caller
        if caller.position == FlowPosition():
            return
        for _ in range(STEPS_MAX):
            if caller.playing is not None:
                caller.tell(Played(number=caller.playing))
            elif caller.position.stage in FOR_THE_ROUTER:
                break
            else:
                caller.waits()
        assert caller.position.stage in FOR_THE_ROUTER


TestCalling = pytest.mark.timeout(300)(Calling.TestCase)
TestCalling.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
