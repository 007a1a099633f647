"""One happening while it is worked off: what changes and what is done."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final  # Any: fields of a position are of many types

from voice_gateway.domain.flow_plan import FlowPlan
from voice_gateway.domain.flow_words import Act, FlowPosition, Line, PlayPrompt, Stage, StopPrompt

PLAYBACK_SECONDS_MAX: Final = 300
"""A prompt is over then, whatever the node tells or does not tell."""


class Turn:
    """A position that is being changed, and the acts so far."""

    def __init__(self, plan: FlowPlan, position: FlowPosition, now_ms: int) -> None:
        self.plan = plan
        self.at = position
        self.now_ms = now_ms
        self.acts: list[Act] = []
        self._next: Stage | None = None

    def become(self, **changes: Any) -> None:
        """Change fields of the position."""
        self.at = replace(self.at, **changes)

    def do(self, act: Act) -> None:
        """One act more."""
        self.acts.append(act)

    def enter(self, stage: Stage) -> None:
        """Go to a stage (or into the same one anew) once this handler is done."""
        self._next = stage

    def leaves(self) -> bool:
        """A stage is to be entered."""
        return self._next is not None

    def entered(self) -> Stage | None:
        """The stage that was to be entered is the position's now; timers of the one before are none of its."""
        stage, self._next = self._next, None
        if stage is not None:
            self.become(stage=stage, due_ms=None if self.at.playing is None else self.at.due_ms)
        return stage

    def wait(self, seconds: float) -> None:
        """Be told by the timer."""
        self.become(due_ms=self.now_ms + round(seconds * 1000))

    def say(self, *lines: Line) -> None:
        """After what is being said."""
        self.become(pending=(*self.at.pending, *lines))

    def hush(self) -> None:
        """Say no more of it."""
        if self.at.playing is not None:
            self.do(StopPrompt(number=self.at.playing))
        self.become(playing=None, pending=(), due_ms=None)

    def silent(self) -> bool:
        """Nothing is said or will be."""
        return self.at.playing is None and not self.at.pending

    def speak(self) -> None:
        """Begin what is to be said next, unless something is being said."""
        if self.at.playing is not None or not self.at.pending:
            return
        line, *rest = self.at.pending
        number = self.at.playbacks + 1
        self.become(playing=number, playbacks=number, pending=tuple(rest))
        self.wait(PLAYBACK_SECONDS_MAX)
        self.do(
            PlayPrompt(
                number=number,
                prompt=line.prompt,
                language=line.language or self.at.language or self.plan.language,
                values=line.values,
                text=line.text,
                with_caller=line.with_caller,
            )
        )


def nothing(_: Turn) -> None:
    """Stay as it is."""


def no_key(_: Turn, __: str) -> None:
    """Pass over the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What a stage does."""

    enter: Callable[[Turn], None] = nothing
    said: Callable[[Turn], None] = nothing
    """All of it has been said, or there was nothing to say and no timer was set."""
    waited: Callable[[Turn], None] = nothing
    """The timer is due."""
    key: Callable[[Turn, str], None] = no_key
    types_ahead: bool = False
    """Keys that were pressed before it count."""


def plain(prompt: str, **values: str | int) -> Line:
    """A line with the values of its places."""
    return Line(prompt=prompt, values=tuple((name, str(value)) for name, value in values.items()))
