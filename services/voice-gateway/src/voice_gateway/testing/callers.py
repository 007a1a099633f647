"""A caller who goes through a flow, and checks at each step what holds for every flow."""

from typing import Final

from pydantic import TypeAdapter

from voice_gateway.domain.flow import step
from voice_gateway.domain.flow_plan import FlowPlan
from voice_gateway.domain.flow_words import (
    Act,
    Ask,
    Begun,
    FlowPosition,
    HangUp,
    Happening,
    Key,
    LeaveVoicemail,
    Played,
    PlayPrompt,
    StopPrompt,
    TimerDue,
)

START_MS: Final = 1_000_000
FOR_THE_ROUTER: Final = ("queued", "talking", "over")
"""The stages that may wait without a timer."""
KEPT: Final = TypeAdapter(FlowPosition)
BYTES_MAX: Final = 4000


class Caller:
    """One call; time passes only when it is let."""

    def __init__(self, plan: FlowPlan, begun: Begun | None = None) -> None:
        self.plan = plan
        self.position = FlowPosition()
        self.now_ms = START_MS
        self.acts: list[Act] = []
        self.heard: list[PlayPrompt] = []
        """What has been begun to be played."""
        self.playing: int | None = None
        if begun is not None:
            self.tell(begun)

    def tell(self, happening: Happening) -> tuple[Act, ...]:
        """Something happens: the acts that come of it."""
        if isinstance(happening, Played) and happening.number == self.playing:
            self.playing = None
        done = step(self.plan, self.position, happening, self.now_ms)
        self.position = KEPT.validate_json(KEPT.dump_json(done.position, exclude_defaults=True))
        assert self.position == done.position, "it is kept as it is"
        for act in done.acts:
            self._carry_out(act)
        self._check()
        return done.acts

    def _carry_out(self, act: Act) -> None:
        hung_up = any(isinstance(each, HangUp) for each in self.acts)
        assert not hung_up or isinstance(act, LeaveVoicemail), f"{act} after the end"
        match act:
            case PlayPrompt(number=number):
                assert self.playing is None, "it talks over itself"
                self.playing = number
                self.heard.append(act)
            case StopPrompt(number=number):
                assert self.playing == number, "it stops what does not play"
                self.playing = None
            case HangUp():
                assert self.playing is None, "it cuts its own last words"
        self.acts.append(act)

    def _check(self) -> None:
        at = self.position
        if at.stage != "begin":
            assert at.playing == self.playing
            assert self.playing is not None or at.due_ms is not None or at.stage in FOR_THE_ROUTER, (
                "it waits for nothing"
            )
        assert self.playing is None or at.due_ms is not None, "a playback without end would be waited for"
        assert not at.pending or self.playing is not None, "nobody says what is to be said"
        assert len([act for act in self.acts if isinstance(act, Ask)]) <= 1
        assert (at.stage == "over") <= (at.due_ms is None)
        assert len(KEPT.dump_json(at, exclude_defaults=True)) <= BYTES_MAX

    def press(self, keys: str) -> None:
        """Key by key."""
        for key in keys:
            self.tell(Key(key=key))

    def listens(self) -> list[str]:
        """Hears to the end what is being said, and what comes next by itself: the names of the prompts."""
        names = []
        while self.playing is not None:
            names.append(self.heard[-1].prompt)
            self.tell(Played(number=self.playing))
        return names

    def waits(self, place: int | None = None) -> list[str]:
        """Does nothing until the timer is due; then listens."""
        assert self.position.due_ms is not None
        self.now_ms = max(self.now_ms, self.position.due_ms)
        self.tell(TimerDue(position=place))
        return self.listens()

    def did(self, *kinds: type[Act]) -> list[Act]:
        """The acts of these kinds so far."""
        return [act for act in self.acts if isinstance(act, kinds)]
