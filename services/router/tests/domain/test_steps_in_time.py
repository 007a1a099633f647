"""The steps of a plan come in their time, whatever agents do meanwhile."""

from collections.abc import Callable

import pytest
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from contracts.routing_parts import Destination, Step
from contracts.tasks import TaskRerouted, TaskTransferredOut
from router.domain.explain_agents import explain_agent
from router.domain.inputs import TimersDue
from router.domain.turn import FACTS_MAX
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import Story

SPEAKERS = [f"a{number}" for number in range(10)]
RELAXES = Step(after_seconds=30, requirements=[])
SOONER = Step(after_seconds=5, priority_add=1)
OVERFLOWS = Step(after_seconds=60, overflow=Destination(to="voicemail"))


def story(*steps: Step, of_queue: dict[str, object] | None = None, **settings: object) -> Story:
    """Ten agents speak English well, Zoe does not, and all are at work; the plan holds for the English queue."""
    told = Story(reruns=True)
    told.configure(
        Domain.model_validate({"id": DOMAIN} | settings),
        queue(
            "english",
            "english:4",
            plan="patient" if steps else None,
            **{"offer_timeout_seconds": 20} | (of_queue or {}),
        ),
        queue("all"),
        address("english", "all"),
        *([plan("patient", *steps)] if steps else []),
        *[agent(name, "english:5") for name in SPEAKERS],
        agent("zoe"),
    )
    told.on_duty(*SPEAKERS, "zoe")
    return told


# Offers that nobody answers


def ignored(told: Story, seconds: int) -> list[object]:
    return told.wait(seconds)


def declined(told: Story, seconds: int) -> list[object]:
    """Every offer is declined after 15 seconds."""
    happened: list[object] = []
    for _ in range(seconds // 15):
        happened += told.wait(15)
        for offer_id, task in sorted(told.domain.offers.items()):
            happened += told.reject(task.offer_of(offer_id).agent_id, offer_id)
    return happened


@pytest.mark.parametrize("answers", [ignored, declined])
@pytest.mark.parametrize("policy", ["not_ready", "nothing"])
def test_pain_14_steps_and_overflow_come_although_agent_after_agent_lets_it_ring(
    answers: Callable[[Story, int], list[object]], policy: str
) -> None:
    told = story(RELAXES, OVERFLOWS, unanswered_then=policy)
    told.start("i1")
    began_ms = told.now_ms
    happened = answers(told, 100)
    relaxed, out = only(happened, TaskRerouted), only(happened, TaskTransferredOut)

    assert 30_000 <= relaxed.rerouted_at_ms - began_ms <= 50_000
    assert 60_000 <= out.transferred_at_ms - began_ms <= 80_000
    assert out.to == "voicemail"


def test_pain_14_the_longest_wait_comes_although_agent_after_agent_lets_it_ring() -> None:
    told = story(longest_wait_seconds=50)
    told.start("i1")
    began_ms = told.now_ms

    assert only(told.wait(100), TaskRerouted).rerouted_at_ms - began_ms == 60_000


def test_a_step_that_is_due_stops_further_offers_of_a_task_that_rings_at_several_agents() -> None:
    told = story(OVERFLOWS, of_queue={"parallel_offers": 3}, unanswered_then="nothing")
    told.start("i1")
    began_ms = told.now_ms
    told.wait(10)
    told.reject("a0", "i1.t1.o1")  # from now on rings end 10 seconds apart
    happened = told.wait(100)
    last_ms = max(each.issued_at_ms for each in every(happened, OfferIssued))

    assert last_ms - began_ms < 60_000
    assert only(happened, TaskTransferredOut).transferred_at_ms - began_ms == last_ms - began_ms + 20_000


def another_comes(told: Story) -> list[object]:
    told.wait(15)
    return told.set_state("a1", ready=True)


def a_refusal_lapses(told: Story) -> list[object]:
    told.wait(8)
    told.set_state("a1", ready=True)
    told.reject("a1", "i1.t1.o2")
    return told.wait(7)


def a_gate_opens(told: Story) -> list[object]:
    told.start("i2", queue="all")  # Zoe's: with the offer to a0 it is all that the client may have
    told.accept("zoe", "i2.t1.o1")
    told.set_state("a1", ready=True)
    told.wait(15)
    return told.complete("zoe", "i2.t1.o1.a")


@pytest.mark.parametrize("happens", [another_comes, a_refusal_lapses, a_gate_opens])
@pytest.mark.parametrize("by_plan", [True, False])
def test_nobody_new_is_asked_once_a_step_is_due_while_the_task_rings_at_another(
    happens: Callable[[Story], list[object]], *, by_plan: bool
) -> None:
    told = story(
        *([RELAXES] if by_plan else []),
        of_queue={"parallel_offers": 2},
        longest_wait_seconds=None if by_plan else 30,
        refused_backoff_seconds=5,
        client_shares=[{"client": "shop", "units_max": 2}],
    )
    for name in SPEAKERS:
        told.set_state(name, ready=False)
    told.start("i1")
    told.wait(20)
    told.set_state("a0", ready=True)
    explained_at_once = explain_agent(told.domain, "a1", told.now_ms)
    explained_when_due = explain_agent(told.domain, "a1", told.now_ms + 10_000)

    assert explained_at_once is not None
    assert explained_at_once.next is not None
    assert explained_when_due is not None
    assert explained_when_due.next is None
    assert offered(happens(told)) == []  # five seconds ago the step was due
    ended = told.wait(5)
    assert only(ended, TaskRerouted).reason == ("relaxed" if by_plan else "longest_wait")
    assert ("i1.t1", "a1") in offered(ended)


def test_one_who_accepts_while_a_step_is_due_has_the_task_and_it_is_offered_anew_if_it_comes_back() -> None:
    told = story(RELAXES, of_queue={"parallel_offers": 2})
    told.start("i1")
    told.wait(15)
    told.reject("a0", "i1.t1.o1")
    told.wait(5)
    told.wait(15)
    told.accept("a3", "i1.t1.o4")
    assert told.domain.tasks["i1.t1"].state == "assigned"
    told.connect("i1.t1.o4.a", failure="no_answer")

    assert len(told.domain.tasks["i1.t1"].offers) == 2


def test_who_overflows_overtakes_nobody_who_comes_back_to_that_queue_at_the_same_time() -> None:
    told = story(
        Step(after_seconds=20, overflow=Destination(to="queue", queue="all")),
        of_queue={"priority": 9},
        unanswered_offers_max=1,
    )
    told.configure(queue("all", offer_timeout_seconds=60), agent("a0", "english:5", capacity=2))
    for name in (*SPEAKERS[1:], "zoe"):
        told.set_state(name, ready=False)
    told.start("i1", queue="all")
    told.wait(1)
    told.start("i2", queue="english")
    told.set_state("zoe", ready=True)

    assert offered(told.wait(20)) == [("i1.t1", "zoe")]


# Conversations that come back


def lost(told: Story) -> list[object]:
    return told.gone("a0") + told.wait(10)


def not_connected(told: Story) -> list[object]:
    return told.connect("i1.t1.o1.a", failure="no_answer")


@pytest.mark.parametrize("ends", [lost, not_connected])
def test_the_plan_of_a_task_that_comes_back_from_its_agent_counts_from_then(
    ends: Callable[[Story], list[object]],
) -> None:
    told = story(RELAXES, OVERFLOWS, presence_grace_seconds=10)
    told.start("i1")
    queued_at_ms = told.now_ms
    told.accept("a0", "i1.t1.o1")
    told.wait(300)
    for name in SPEAKERS[1:]:
        told.set_state(name, ready=False)
    back = ends(told)
    task = told.domain.tasks["i1.t1"]

    assert [each.reason for each in every(back, TaskRerouted)] == ["retimed"]
    assert (task.state, task.queued_at_ms) == ("waiting", queued_at_ms)
    assert offered(told.wait(30)) == [("i1.t1", "zoe")]
    assert only(told.wait(30), TaskTransferredOut).reason == "overflowed"


def test_what_an_agent_had_when_its_queue_relaxed_stays_relaxed_when_it_comes_back() -> None:
    told = story(RELAXES, OVERFLOWS, presence_grace_seconds=10)
    for name in SPEAKERS:
        told.set_state(name, ready=False)
    told.start("i1")
    told.wait(30)
    told.accept("zoe", "i1.t1.o1")
    told.wait(300)
    told.configure(agent("yan"))
    told.on_duty("yan")
    told.gone("zoe")

    assert offered(told.wait(10)) == [("i1.t1", "yan")]
    assert every(told.wait(59.9), TaskTransferredOut) == []
    assert only(told.wait(0.1), TaskTransferredOut).reason == "overflowed"


def test_the_plan_of_a_transfer_for_skills_begins_when_its_owner_goes() -> None:
    told = story(OVERFLOWS, presence_grace_seconds=10, transfer_seconds=600)
    told.configure(agent("yan", "spanish"))
    told.start("i1")
    told.accept("a0", "i1.t1.o1")
    told.transfer("a0", "i1.t1.o1.a", "spanish", forced=True)
    told.wait(300)
    told.complete("a0", "i1.t1.o1.a")

    assert every(told.wait(59.9), TaskTransferredOut) == []
    assert only(told.wait(0.1), TaskTransferredOut).task_id == "i1.t2"


# Plans that change


CHANGES: dict[str, tuple[Step | None, Callable[[Story], object]]] = {
    "another time": (
        Step(after_seconds=600, overflow=Destination(to="voicemail")),
        lambda told: told.configure(plan("patient", OVERFLOWS)),
    ),
    "a step behind the last": (
        SOONER,
        lambda told: told.configure(plan("patient", SOONER, OVERFLOWS)),
    ),
    "a plan for the queue": (
        None,
        lambda told: told.configure(plan("later", OVERFLOWS), queue("english", "english:4", plan="later")),
    ),
    "another plan for the queue": (
        Step(after_seconds=5, overflow=Destination(to="queue", queue="nowhere")),
        lambda told: told.configure(plan("later", SOONER, OVERFLOWS), queue("english", "english:4", plan="later")),
    ),
}


def in_line(told: Story) -> None:
    for name in SPEAKERS:
        told.set_state(name, ready=False)
    told.start("i1")


def offered_just_then(told: Story) -> None:
    told.start("i1")


def assigned_just_then(told: Story) -> None:
    told.start("i1")
    told.accept("a0", "i1.t1.o1")


def closed_just_then(told: Story) -> None:
    told.override("english", closed=True)
    told.start("i1")


@pytest.mark.parametrize("waits", [in_line, offered_just_then, assigned_just_then, closed_just_then])
@pytest.mark.parametrize("changes", CHANGES)
def test_a_plan_that_changes_holds_for_those_who_wait_already(changes: str, waits: Callable[[Story], None]) -> None:
    step, change = CHANGES[changes]
    told = story(*([step] if step else []), presence_grace_seconds=10)
    waits(told)
    told.wait(10)
    change(told)
    began_ms = told.now_ms - 10_000
    if waits is assigned_just_then:
        told.wait(20)
        told.gone("a0")
        told.wait(10)
        began_ms = told.now_ms
    elif waits is closed_just_then:
        told.override("english")
        began_ms = told.now_ms
    out = only(told.wait(200), TaskTransferredOut)

    assert 60_000 <= out.transferred_at_ms - began_ms <= 80_000  # a live offer comes to its end


def test_a_queue_that_has_no_plan_any_more_gives_up_nobody_who_waits_already() -> None:
    told = story(RELAXES, OVERFLOWS)
    in_line(told)
    told.set_state("zoe", ready=False)
    told.wait(40)
    told.configure(queue("english", "english:4"))
    told.wait(3600)
    told.set_state("zoe", ready=True)

    assert list(told.domain.tasks["i1.t1"].offers) == ["zoe"]  # what has been relaxed stays so


def test_a_longest_wait_that_is_configured_later_holds_for_those_who_wait_already() -> None:
    told = story()
    in_line(told)
    told.wait(30)
    told.configure(Domain(id=DOMAIN, longest_wait_seconds=40))

    assert [each.reason for each in every(told.wait(9.9), TaskRerouted)] == ["retimed"]
    assert [each.reason for each in every(told.wait(0.1), TaskRerouted)] == ["longest_wait"]


def test_a_long_queue_is_timed_anew_in_bounded_steps() -> None:
    told = story(OVERFLOWS)
    told.checker, told.reruns = None, False
    for name in SPEAKERS:
        told.set_state(name, ready=False)
    for number in range(300):
        told.start(f"i{number:03}")
    told.configure(plan("patient", Step(after_seconds=90, overflow=Destination(to="voicemail"))))
    steps = []
    while (due_ms := told.state.next_due_ms()) is not None and due_ms <= told.now_ms:
        steps.append(every(told.give(TimersDue()), TaskRerouted))

    assert max(map(len, steps)) <= FACTS_MAX
    assert [each.task_id for step in steps for each in step] == [f"i{number:03}.t1" for number in range(300)]
    assert every(told.wait(89), TaskTransferredOut) == []
    assert len(every(told.wait(1), TaskTransferredOut)) == 300
