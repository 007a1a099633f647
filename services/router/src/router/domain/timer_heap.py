"""Timers by when they are due; most of them mean nothing any more long before."""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Final, Literal

TimerKind = Literal[
    "adherence", "alerts", "backoff", "deferral", "gates", "grace", "leavers", "matching", "offer", "opening",
    "override", "overriding", "parked", "refusal", "response", "shed", "step", "sweep", "transfer",
    "wrapup",
]  # fmt: skip
Timer = tuple[int, TimerKind, str, str, str]
"""Due time, kind, key of the domain, and what it is about: an offer, assignment, agent, task (and agent), interaction
or queue."""
Holds = Callable[[Timer], bool]
"""Whether what the timer is about stands as it did when the timer was set."""

ROOM: Final = 4096
"""So many more than twice those that held last time are kept without looking at them."""
SWEPT: Final = 4
"""So many are looked at whenever a timer is added: it is over before the new heap is half as big as the old was."""


class TimerHeap:
    """A lazy heap: what does not hold is dropped when its turn comes, or by a sweep before it takes most of the room.

    A sweep works off the heap from its end, which leaves a heap, into a new one, a few timers with each that is added:
    so there is no pause however many there are, and at most some three times as many as hold. It changes nothing that
    can be seen from outside, and nothing of it is kept: a snapshot is loaded with the timers that hold.
    """

    __slots__ = ("_more", "_moved", "_new", "_old", "_room")

    def __init__(self, timers: Iterable[Timer] = (), *, room: int = ROOM) -> None:
        self._new = list(timers)
        heapify(self._new)
        self._old: list[Timer] = []
        self._moved: set[Timer] = set()
        self._more = room
        self._room = room + 2 * len(self._new)

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def add(self, timer: Timer, holds: Holds) -> None:
        """Add a timer; it may be in already."""
        heappush(self._new, timer)
        if self._old:
            self._sweep(holds)
        elif len(self._new) > self._room:
            self._old, self._new = self._new, []
            self._moved.clear()  # the last sweep may have ended when the old heap's timers had all had their turn

    def first(self, holds: Holds) -> Timer | None:
        """The next timer that holds; it stays until it does not."""
        while True:
            heap = self._old if self._old and (not self._new or self._old[0] < self._new[0]) else self._new
            if not heap or holds(heap[0]):
                return heap[0] if heap else None
            heappop(heap)

    def _sweep(self, holds: Holds) -> None:
        for _ in range(min(SWEPT, len(self._old))):
            timer = self._old.pop()
            if timer not in self._moved and holds(timer):
                self._moved.add(timer)
                heappush(self._new, timer)
        if not self._old:
            self._moved.clear()
            self._room = self._more + 2 * len(self._new)
