"""People look again: what stays on a desk is served again, and said to be a fault if it had been answered."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from centralino.proof.history import Outcome
from centralino.proof.people import AgentAtWork, AwayError, DeskView, Held
from contracts.tasks import Then
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual

HELD = Held("i1.t1.o1.a", "i1", wrapup=False)


@dataclass
class Desk:
    """A desk with one assignment, which is gone when its completion has had its effect."""

    answer: Outcome
    works_at_try: int = 1
    tells_fates: bool = True
    completions: list[str] = field(default_factory=list)
    bodies: set[tuple[str, int | None]] = field(default_factory=set)
    """What came with each id."""
    away: Callable[[], bool] = lambda: False

    async def look(self) -> DeskView:
        if self.away():
            raise AwayError("the page does not load")
        done = len(set(self.completions)) >= self.works_at_try
        return DeskView(ready=True, offer_ids=[], held=[] if done else [HELD])

    async def be_ready(self, command_id: str) -> Outcome:
        raise NotImplementedError

    async def accept(self, offer_id: str, command_id: str) -> Outcome:
        raise NotImplementedError

    async def reject(self, offer_id: str, command_id: str) -> Outcome:
        raise NotImplementedError

    async def say(self, assignment_id: str, message_id: str, text: str) -> Outcome:
        return "ok"

    async def complete(self, assignment_id: str, command_id: str, *, then: Then, seen_number: int | None) -> Outcome:
        self.completions.append(command_id)
        self.bodies.add((command_id, seen_number))
        return self.answer

    def fate(self, message_id: str) -> Literal["sent", "failed"] | None:
        return "sent" if self.tells_fates else None

    def customer_number(self, interaction_id: str) -> int | None:
        return len(self.completions)  # the customer goes on writing


def worked(desk: Desk, seconds: float) -> AgentAtWork:
    """An agent who has worked at the desk for so long."""
    agent = AgentAtWork(agent_id="ann", desk=desk, clock=VirtualClock(), chance=SeededChance(1))

    async def work() -> None:
        working = asyncio.create_task(agent.work())
        await asyncio.wait({working}, timeout=seconds)
        working.cancel()
        await asyncio.wait({working})

    run_virtual(work())
    return agent


def test_what_is_done_is_left_alone() -> None:
    desk = Desk("ok")

    assert worked(desk, 100).faults == []
    assert len(desk.completions) == 1


def test_an_assignment_that_stays_after_it_was_refused_is_a_fault_and_is_served_again_under_a_new_id() -> None:
    desk = Desk("failed", works_at_try=2)
    faults = worked(desk, 100).faults

    assert [fault.place for fault in faults] == ["desk of ann"]
    assert "was answered failed" in faults[0].text
    assert len(set(desk.completions)) == 2


def test_a_completion_that_nobody_answers_is_tried_again_under_a_new_id_after_a_while_and_is_no_fault() -> None:
    desk = Desk("unknown", works_at_try=2)

    assert worked(desk, 200).faults == []
    assert len(set(desk.completions)) == 2


def test_a_completion_that_is_tried_again_under_its_id_says_the_same() -> None:
    desk = Desk("unknown", works_at_try=2)
    worked(desk, 200)

    assert len(desk.completions) > len(desk.bodies) == 2


def test_a_desk_that_cannot_be_looked_at_shows_nothing_too_long() -> None:
    looks = iter(range(1000))
    desk = Desk("ok", works_at_try=2, away=lambda: next(looks) % 10 == 9)

    assert worked(desk, 100).faults == []


def test_a_message_that_was_taken_and_of_which_nothing_is_heard_is_a_fault() -> None:
    faults = worked(Desk("ok", tells_fates=False), 200).faults

    assert ["is not told what became of i1.t1.o1.a.m0" in fault.text for fault in faults] == [True]
