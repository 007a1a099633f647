"""Waiting: older work before new, one timeline a task, positions, and what is said of the wait."""

from collections.abc import Callable
from random import Random

import pytest
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from contracts.routing_parts import Destination, Step
from contracts.tasks import TaskAssigned, TaskQueued, TaskRerouted
from router.domain.explain import explain_task
from router.domain.explain_answers import TaskExplained
from router.domain.queue import PACE_WEIGHT, QueueLine
from router.domain.state import timers_of
from router.testing.conversation import ANNS, anns_conversation
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import Story


def story(*, agents: int = 1, **settings: object) -> Story:
    told = Story(reruns=True)
    names = [f"agent-{number}" for number in range(agents)]
    told.configure(
        Domain(id=DOMAIN, unanswered_then="nothing"),
        queue("chats", **settings),
        queue("calls"),
        address("chats", "calls"),
        *[agent(name) for name in names],
    )
    told.on_duty(*names)
    return told


def offered(happened: list[object]) -> list[str]:
    return [data.task_id for data in happened if isinstance(data, OfferIssued)]


def explained(told: Story, task_id: str) -> TaskExplained:
    found = explain_task(told.domain, task_id, told.now_ms)
    assert found is not None
    return found


def told_wait(happened: list[object]) -> int | None:
    [queued] = [data for data in happened if isinstance(data, TaskQueued)]
    return queued.expected_wait_ms


# Order

FREES: dict[str, Callable[[Story], object]] = {
    "complete": lambda told: told.complete("agent-0", "first.t1.o1.a"),
    "wrap-up timed out": lambda told: [told.end_task("agent-0", "first.t1.o1.a"), told.wait(60)],
    "finished by a supervisor": lambda told: told.finish("first.t1"),
    "more capacity": lambda told: told.configure(agent("agent-0", capacity=2)),
    "lost and back": lambda told: [told.gone("agent-0"), told.wait(30), told.on_duty("agent-0")],
    "another agent": lambda told: [told.configure(agent("bob")), told.on_duty("bob")],
    "seen after a take-over": lambda told: _taken_over(told).seen("agent-0"),
}


def _taken_over(told: Story) -> Story:
    told.take_over()
    told.complete("agent-0", "first.t1.o1.a")
    return told


@pytest.mark.parametrize("frees", FREES)
def test_pain_06_older_waiting_work_never_loses_to_new_whatever_frees_capacity(frees: str) -> None:
    told = story()
    told.start("first")
    told.accept("agent-0", "first.t1.o1")
    told.start("older")
    told.wait(1)
    told.start("newer")

    FREES[frees](told)
    told.start("newest")

    live = {task.task_id for task in told.domain.offers.values()}
    assert live == ({"first.t1"} if frees == "lost and back" else {"older.t1"})


def test_pain_06_a_busy_day_is_served_in_the_order_of_arrival() -> None:
    told = story(agents=3)
    chance, served, number = Random(6), list[str](), 0
    for _ in range(300):
        told.wait(chance.choice((1, 5)))
        if chance.random() < 0.5:
            number += 1
            told.start(f"i{number:03}")
        for offer_id, task in sorted(told.domain.offers.items()):
            served.append(task.interaction_id)
            told.accept(task.offer_of(offer_id).agent_id, offer_id)
        if told.domain.assignments and chance.random() < 0.4:
            assignment_id, task = chance.choice(sorted(told.domain.assignments.items()))
            told.complete(task.assigned.agent_id if task.assigned else "", assignment_id)

    assert len(served) > 100
    assert served == sorted(served)


# One timeline

PATIENT = plan(
    "p",
    Step(after_seconds=0, agents=["agent-0"]),
    Step(after_seconds=10, priority_add=1),
    Step(after_seconds=30, band=2),
    Step(after_seconds=60, overflow=Destination(to="queue", queue="calls")),
)


def test_pain_14_two_timers_never_fight_a_task_has_one_next_step() -> None:
    told = story(agents=0)
    told.configure(Domain(id=DOMAIN, longest_wait_seconds=45), PATIENT, queue("chats", plan="p"), agent("bob"))
    told.request("r1", agent_id="bob", agent_only_seconds=20)
    task_id = told.domain.interactions["of-r1"].task_id
    began_ms, changes = told.now_ms, []
    while told.now_ms < began_ms + 70_000:
        steps = [timer for timer in timers_of(told.domain) if timer[1] == "step"]
        assert len(steps) <= 1
        changes += [
            ((told.now_ms - began_ms) // 1000, data.reason, data.queue, data.terms.agents)
            for data in told.wait(1)
            if isinstance(data, TaskRerouted)
        ]

    assert task_id is not None
    assert changes == [
        (10, "relaxed", "chats", ("bob",)),
        (20, "relaxed", "chats", ()),
        (30, "relaxed", "chats", ()),
        (45, "longest_wait", "chats", ()),
        (60, "overflowed", "calls", ()),
    ]


def test_pain_14_an_offer_is_not_cut_short_by_a_step_which_comes_when_the_offer_ends() -> None:
    told = story(agents=1, offer_timeout_seconds=20)
    told.configure(PATIENT, queue("chats", plan="p", offer_timeout_seconds=20))
    told.start("i1")

    during = told.wait(19)
    after = [data for data in told.wait(1) if isinstance(data, TaskRerouted)]

    assert during == []
    assert [(data.reason, data.terms.step) for data in after] == [("relaxed", 2)]


def test_pain_14_an_accept_in_the_instant_of_the_last_step_wins() -> None:
    told = story(agents=1)
    told.configure(PATIENT, queue("chats", plan="p", offer_timeout_seconds=600))
    told.start("i1")
    told.wait(60)

    assert [type(data) for data in told.accept("agent-0", "i1.t1.o1")][1] is TaskAssigned


# Position and expected wait


def test_the_position_counts_who_is_before_in_line_and_nobody_else() -> None:
    told = story(agents=0)
    for number in (1, 2, 3):
        told.wait(1)
        told.start(f"i{number}")
    told.start("other", queue="calls")
    told.request("r1", in_seconds=60)
    told.reroute("i3.t1", priority=9)

    assert [explained(told, f"i{number}.t1").position for number in (1, 2, 3)] == [2, 3, 1]
    assert explained(told, told.domain.interactions["of-r1"].task_id or "").position is None


def test_who_finds_an_agent_free_is_told_no_wait_and_says_nothing_about_it() -> None:
    told = story(agents=2)

    assert told_wait(told.start("i1")) == 0
    told.wait(10)
    told.accept("agent-0", "i1.t1.o1")
    told.wait(1)
    told.start("i2")
    assert told_wait(told.start("i3")) is None  # nobody has waited yet
    assert told.domain.queues["chats"].positions == 0


def test_the_wait_is_expected_by_what_the_last_did_wait_for_each_position() -> None:
    told = story()
    told.start("i0")
    told.accept("agent-0", "i0.t1.o1")
    told.start("i1")
    told.start("i2")
    told.wait(30)
    told.complete("agent-0", "i0.t1.o1.a")
    told.accept("agent-0", "i1.t1.o1")

    assert told_wait(told.start("i3")) == 60_000  # 30 s a position
    told.wait(30)
    told.complete("agent-0", "i1.t1.o1.a")
    told.accept("agent-0", "i2.t1.o1")
    assert told_wait(told.start("i4")) == 60_000  # 60 s at the second position
    assert explained(told, "i4.t1").expected_wait_ms == 60_000
    assert explained(told, "i2.t1").expected_wait_ms is None


def test_waits_that_came_otherwise_than_by_standing_in_line_do_not_count() -> None:
    told = story(agents=0)
    told.start("moved")
    told.start("deferred")
    told.reroute("moved.t1", queue="calls")
    told.callback("deferred", request_id="c1", in_seconds=60)
    told.request("r1", in_seconds=60)
    told.wait(60)
    told.configure(agent("ann", capacity=9))
    told.on_duty("ann")
    for offer_id in sorted(told.domain.offers):
        told.accept("ann", offer_id)

    assert [line.positions for line in told.domain.queues.values()] == [0, 0]


def test_the_expectation_forgets_old_waits_and_is_the_same_in_whole_numbers_everywhere() -> None:
    line = QueueLine(queue="q", settings=queue("q"))
    for _ in range(10 * PACE_WEIGHT):
        line.waited(1000, 1)
    steady_ms = line.expected_wait_ms(1)
    for _ in range(10 * PACE_WEIGHT):
        line.waited(20_000, 2)

    assert steady_ms == 1000
    assert line.expected_wait_ms(1) == pytest.approx(10_000, abs=10)
    assert (type(line.waits_ms), type(line.positions)) == (int, int)


def test_the_owner_of_a_transfer_is_not_the_free_agent_who_makes_its_expected_wait_zero() -> None:
    waits = []
    for at_work in ((), ("bob",)):
        told = anns_conversation()
        for name in {"bob", "cid"} - {*at_work}:
            told.set_state(name, ready=False)
        waits.append(told_wait(told.transfer("ann", ANNS, queue="chats", forced=True)))

    told = anns_conversation()
    told.configure(plan("ann-first", Step(after_seconds=0, agents=["ann"])), queue("ours", plan="ann-first"))
    waits.append(told_wait(told.transfer("ann", ANNS, queue="ours", forced=True)))

    assert waits == [None, 0, None]
