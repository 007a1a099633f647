"""Keeps the parts of the stack running: a part that dies is reported and started again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from centralino.children import Child, StartError

_POLL_SECONDS: Final = 0.1
_DEATHS_FORGOTTEN_SECONDS: Final = 60.0
_PAUSE_SECONDS_MAX: Final = 30.0
_REPORT_LINES: Final = 12


@dataclass(slots=True)
class Part:
    """A process of the stack, and how to start it."""

    name: str
    start: Callable[[], Child]
    stop_seconds: float
    ready_url: str | None = None
    child: Child | None = None
    died: list[float] = field(default_factory=list)
    again_at: float | None = None

    def begin(self) -> Child:
        """Start it. Raises StartError."""
        self.again_at = None
        self.child = self.start()
        return self.child

    def pause_seconds(self, now: float) -> float:
        """How long to wait after a death: nothing for the first ones, then twice as long each time."""
        self.died = [at for at in self.died if now - at < _DEATHS_FORGOTTEN_SECONDS] + [now]
        return 0.0 if len(self.died) < 3 else min(_PAUSE_SECONDS_MAX, 2.0 ** (len(self.died) - 3))


def watch(parts: Sequence[Part], *, say: Callable[[str], None], changed: Callable[[], None]) -> None:
    """Look after the parts until interrupted; `changed` is called after a part was started again."""
    while True:
        for part in parts:
            _look_after(part, say, changed)
        time.sleep(_POLL_SECONDS)


def stop_all(parts: Sequence[Part]) -> None:
    """Ask all of them to end at once, then wait for each within its bound, then kill it."""
    children = [(part.child, part.stop_seconds) for part in parts if part.child]
    for child, _ in children:
        child.ask_to_stop()
    for child, stop_seconds in children:
        child.stop(timeout_seconds=stop_seconds)


def _look_after(part: Part, say: Callable[[str], None], changed: Callable[[], None]) -> None:
    now = time.monotonic()
    if part.again_at is None and part.child and not part.child.running():
        pause = part.pause_seconds(now)
        part.again_at = now + pause
        then = f"starting it again in {pause:.0f} s" if pause else "starting it again"
        say(f"{part.name} ended with code {part.child.process.returncode}; {then}. Its last log lines:")
        say(indented(part.child.tail(_REPORT_LINES)))
    if part.again_at is not None and now >= part.again_at:
        try:
            part.begin()
        except StartError as error:
            part.again_at = now + part.pause_seconds(now) + _POLL_SECONDS
            say(str(error))
        else:
            changed()
    if part.child:
        part.child.bound_log()


def indented(text: str) -> str:
    """The text, set off."""
    return "\n".join(f"    {line}" for line in text.splitlines())
