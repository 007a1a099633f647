"""Hold, park and return, and what gateways report of connections."""

import pytest
from contracts.agents import AgentBackedOff
from contracts.assignments import AssignmentConnected, AssignmentHeld, AssignmentRetrieved
from contracts.configuration import Domain
from contracts.routing_parts import AgentBackoff, Destination, Step
from contracts.tasks import (
    TaskAbandoned,
    TaskCompleted,
    TaskDeferred,
    TaskRequeued,
    TaskRerouted,
    TaskResumed,
    TaskUnassigned,
    WrapupStarted,
)
from router.testing.conversation import ANNS, anns_conversation, main_task, of, offered_to, only, refusal
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import Story


@pytest.fixture
def told() -> Story:
    return anns_conversation()


# Hold


def test_the_time_on_hold_adds_up_to_the_end(told: Story) -> None:
    held = told.hold("ann", ANNS)
    told.wait(5)
    retrieved = told.hold("ann", ANNS, held=False)
    told.wait(5)
    told.hold("ann", ANNS)
    told.wait(2)

    assert only(held, AssignmentHeld).agent_id == "ann"
    assert only(retrieved, AssignmentRetrieved).held_ms == 5000
    assert only(told.complete("ann", ANNS), TaskCompleted).held_ms == 7000


def test_holding_twice_counts_once(told: Story) -> None:
    told.hold("ann", ANNS)
    told.wait(5)

    assert of(told.hold("ann", ANNS), AssignmentHeld) == []
    assert only(told.hold("ann", ANNS, held=False), AssignmentRetrieved).held_ms == 5000
    assert of(told.hold("ann", ANNS, held=False), AssignmentRetrieved) == []


def test_nobody_is_on_hold_in_a_wrapup(told: Story) -> None:
    told.hold("ann", ANNS)
    told.wait(5)
    told.end_task("ann", ANNS)
    told.wait(20)

    assert refusal(told.hold("ann", ANNS, held=False)) == ("conversation_over", 409)
    assert only(told.complete("ann", ANNS), TaskCompleted).held_ms == 5000


def test_the_next_owner_begins_without_time_on_hold(told: Story) -> None:
    told.hold("ann", ANNS)
    told.wait(5)
    told.hold("ann", ANNS, held=False)
    told.gone("ann")
    told.wait(10)
    told.accept("bob", "i1.t1.o2")

    assert only(told.complete("bob", "i1.t1.o2.a"), TaskCompleted).held_ms == 0


def test_only_the_owner_holds(told: Story) -> None:
    assert refusal(told.hold("bob", ANNS)) == ("assignment_of_another", 403)
    assert refusal(told.hold("ann", "i9.t1.o1.a")) == ("assignment_gone", 404)


# Park


def test_a_parked_task_takes_no_capacity_and_is_offered_to_nobody(told: Story) -> None:
    parked = told.park("ann", ANNS, seconds=600)

    assert [type(data) for data in parked[:2]] == [TaskUnassigned, TaskDeferred]
    assert (only(parked, TaskUnassigned).reason, only(parked, TaskUnassigned).handled_ms) == ("parked", 30_000)
    assert told.domain.agents["ann"].held == 0
    assert told.domain.tasks["i1.t1"].state == "waiting"
    assert offered_to(told.wait(599)) == []


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_task_is_not_parked_until_an_instant_that_is_over(told: Story, seconds: int) -> None:
    assert refusal(told.park("ann", ANNS, seconds=seconds)) == ("until_past", 422)
    assert told.domain.tasks["i1.t1"].state == "assigned"


def test_a_parked_task_comes_back_when_due_to_the_agent_alone_then_to_all(told: Story) -> None:
    told.configure(Domain(id=DOMAIN, refused_backoff_seconds=120))
    told.park("ann", ANNS, seconds=600)
    came_back = told.wait(600)
    told.reject("ann", "i1.t1.o2")

    assert only(came_back, TaskResumed).reason == "due"
    assert only(came_back, TaskRerouted).reason == "returned"
    assert offered_to(came_back) == [("i1.t1", "ann")]
    assert offered_to(told.wait(59)) == []
    assert offered_to(told.wait(1)) == [("i1.t1", "bob")]


def test_steps_of_the_plan_do_not_keep_a_parked_task_from_its_agent_nor_for_ever_from_others(told: Story) -> None:
    told.configure(
        Domain(id=DOMAIN, refused_backoff_seconds=120),
        plan("patient", Step(after_seconds=20, priority_add=1)),
        queue("chats", "english", plan="patient"),
    )
    told.park("ann", ANNS, seconds=600)
    told.wait(600)
    told.reject("ann", "i1.t1.o2")

    assert offered_to(told.wait(59)) == []
    assert told.domain.tasks["i1.t1"].priority == 6
    assert offered_to(told.wait(1)) == [("i1.t1", "bob")]


def test_a_parked_task_comes_back_to_anybody_when_its_agent_is_not_at_work(told: Story) -> None:
    told.park("ann", ANNS, seconds=600)
    told.set_state("ann", ready=False)

    assert offered_to(told.wait(600)) == [("i1.t1", "bob")]


def test_a_parked_task_comes_back_to_anybody_where_the_domain_says_so(told: Story) -> None:
    told.configure(Domain(id=DOMAIN, parked_agent_seconds=0))
    told.wait(1)
    told.park("ann", ANNS, seconds=600)

    assert offered_to(told.wait(600)) == [("i1.t1", "bob")]


@pytest.mark.parametrize(("longest", "goes_to"), [(None, ["ann"]), (120, ["ann"]), (60, [])])
def test_a_parked_task_comes_back_in_a_closed_queue_for_its_agent_alone_and_for_nobody_after_the_longest_wait(
    longest: int | None, goes_to: list[str]
) -> None:
    told = Story(reruns=True)
    told.configure(Domain(id=DOMAIN, longest_wait_seconds=longest), queue("chats"), address("chats"))
    told.configure(agent("ann"), agent("bob"))
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.on_duty("bob")
    told.park("ann", "i1.t1.o1.a", seconds=60)
    told.override("chats", closed=True)
    happened = told.wait(60)

    assert [agent_id for _, agent_id in offered_to(happened)] == goes_to
    assert (told.domain.tasks["i1.t1"].deferred_for == "closed") == (not goes_to)


def test_a_requested_task_that_comes_back_is_for_who_parked_it_as_long_as_they_stay(told: Story) -> None:
    told.complete("ann", ANNS)
    told.request("r1", queue="chats", agent_id="ann", agent_only_seconds=7200)
    task_id = told.domain.interactions["of-r1"].task_id or ""
    told.accept("ann", f"{task_id}.o1")
    told.park("ann", f"{task_id}.o1.a", seconds=600)
    told.wait(600)

    assert offered_to(told.set_state("ann", ready=False)) == [(task_id, "bob")]


def test_a_requested_task_that_comes_back_without_its_agent_is_theirs_for_the_rest_of_their_time(told: Story) -> None:
    told.configure(plan("p", Step(after_seconds=60, priority_add=1)), queue("chats", "english", plan="p"))
    told.complete("ann", ANNS)
    told.request("r1", queue="chats", agent_id="ann", agent_only_seconds=7200)
    task_id = told.domain.interactions["of-r1"].task_id or ""
    told.accept("ann", f"{task_id}.o1")
    told.park("ann", f"{task_id}.o1.a", seconds=600)
    told.set_state("ann", ready=False)

    assert offered_to(told.wait(7199)) == []
    assert offered_to(told.wait(1)) == [(task_id, "bob")]


def test_a_customer_who_writes_again_brings_the_parked_task_back(told: Story) -> None:
    told.park("ann", ANNS)
    came_back = told.attention("i1", "again")

    assert only(came_back, TaskResumed).reason == "customer_returned"
    assert offered_to(came_back) == [("i1.t1", "ann")]
    assert told.attention("i1", "again") == []
    assert main_task(told) == "i1.t1"


def test_the_agent_takes_a_parked_task_up_again(told: Story) -> None:
    told.park("ann", ANNS)
    assert refusal(told.unpark("bob", "i1.t1")) == ("parked_by_another", 403)
    came_back = told.unpark("ann", "i1.t1")

    assert only(came_back, TaskResumed).reason == "by_agent"
    assert offered_to(came_back) == [("i1.t1", "ann")]
    assert refusal(told.unpark("ann", "i1.t1")) == ("not_parked", 409)
    assert refusal(told.unpark("ann", "i9.t1")) == ("task_gone", 404)


def test_a_supervisor_takes_a_parked_task_up(told: Story) -> None:
    told.park("ann", ANNS)

    assert only(told.unpark("sue", "i1.t1", by="sue"), TaskResumed).reason == "by_supervisor"


def test_pain_11_a_parked_task_keeps_its_place_and_its_queue_does_not_give_it_up(told: Story) -> None:
    told.configure(
        plan("short", Step(after_seconds=50, overflow=Destination(to="voicemail"))),
        queue("chats", "english", plan="short"),
    )
    queued_at_ms = told.domain.tasks["i1.t1"].queued_at_ms
    told.park("ann", ANNS, seconds=600)
    told.set_state("ann", ready=False)
    for name in ("bob", "cid"):
        told.set_state(name, ready=False)
    told.wait(649)
    assert told.domain.tasks["i1.t1"].state == "waiting"
    assert told.domain.tasks["i1.t1"].queued_at_ms == queued_at_ms

    told.wait(1)
    assert "i1.t1" not in told.domain.tasks


def test_the_customer_of_a_parked_task_leaves(told: Story) -> None:
    told.park("ann", ANNS)

    assert only(told.end("i1"), TaskAbandoned).task_id == "i1.t1"


def test_what_is_in_wrapup_cannot_be_parked(told: Story) -> None:
    told.end_task("ann", ANNS)

    assert refusal(told.park("ann", ANNS)) == ("conversation_over", 409)


# Connections


def test_a_connection_is_told_once(told: Story) -> None:
    assert only(told.connect(ANNS), AssignmentConnected).agent_id == "ann"
    assert told.connect(ANNS) == []
    assert told.connect(ANNS, failure="late") == []
    assert told.connect("i9.t1.o1.a") == []


def test_an_agent_who_cannot_be_connected_backs_off_and_the_task_goes_to_another(told: Story) -> None:
    told.configure(Domain(id=DOMAIN, agent_backoff=AgentBackoff(connect_failed_seconds=5)))

    failed = told.connect(ANNS, failure="no_answer")

    assert only(failed, TaskUnassigned).reason == "connect_failed"
    backed_off = only(failed, AgentBackedOff)
    assert (backed_off.agent_id, backed_off.cause, backed_off.until_ms) == ("ann", "connect_failed", told.now_ms + 5000)
    assert offered_to(failed) == [("i1.t1", "bob")]
    assert told.connect(ANNS, failure="no_answer") == []


def test_the_task_is_not_offered_again_for_a_while_to_who_could_not_be_connected(told: Story) -> None:
    for name in ("bob", "cid", "dee"):
        told.set_state(name, ready=False)
    told.connect(ANNS, failure="no_answer")

    assert offered_to(told.wait(59)) == []
    assert offered_to(told.wait(1)) == [("i1.t1", "ann")]


def test_an_agent_who_need_not_back_off_takes_the_next_task(told: Story) -> None:
    told.configure(Domain(id=DOMAIN, agent_backoff=AgentBackoff(connect_failed_seconds=0)))
    for name in ("bob", "cid"):
        told.set_state(name, ready=False)
    told.start("i2")
    told.start("i3")

    assert offered_to(told.connect(ANNS, failure="no_answer")) == [("i3.t1", "ann")]


def test_the_next_agent_may_fail_to_connect_too(told: Story) -> None:
    told.connect(ANNS)
    told.gone("ann")
    assert of(told.wait(10), TaskRequeued)
    told.accept("bob", "i1.t1.o2")

    assert offered_to(told.connect("i1.t1.o2.a", failure="busy")) == [("i1.t1", "cid")]


def test_a_report_on_a_wrapup_changes_nothing(told: Story) -> None:
    assert of(told.end_task("ann", ANNS), WrapupStarted)

    assert told.connect(ANNS, failure="late") == []
