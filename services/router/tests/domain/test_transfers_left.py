"""Transfers whose owner or customer goes: at every stage somebody has the customer, or nobody needs to."""

from collections.abc import Callable

import pytest
from contracts.assignments import AssignmentRoleChanged
from contracts.configuration import Domain
from contracts.offers import OfferWithdrawn
from contracts.routing_parts import Destination, Step
from contracts.tasks import (
    TaskAbandoned,
    TaskCompleted,
    TaskRequeued,
    TaskRerouted,
    TaskTransferredOut,
    TaskUnassigned,
    WrapupStarted,
)
from router.testing.conversation import (
    ANNS,
    anns_conversation,
    consult,
    main_task,
    moves,
    of,
    offered_to,
    only,
    refusal,
)
from router.testing.parts import DOMAIN, agent, plan, queue
from router.testing.story import Story


@pytest.fixture
def told() -> Story:
    return anns_conversation()


def ann_is_lost(told: Story) -> list[object]:
    told.gone("ann")
    return told.wait(10)


# The owner is lost


@pytest.mark.parametrize("offered", [True, False])
def test_cold_the_second_task_becomes_the_task_when_the_owner_is_lost(told: Story, *, offered: bool) -> None:
    if not offered:
        told.start("i2", queue="billing")
        told.accept("bob", "i2.t1.o1")
    told.transfer("ann", ANNS, queue="billing")

    lost = ann_is_lost(told)

    assert moves(lost) == [("completed", "owner_lost")]
    assert of(lost, TaskRequeued) == []
    assert only(lost, TaskTransferredOut).to_task_id == "i1.t2"
    assert main_task(told) == "i1.t2"
    assert told.domain.tasks["i1.t2"].state == ("offered" if offered else "waiting")


def test_cold_to_one_agent_anybody_of_the_queue_may_have_it_when_the_owner_is_lost(told: Story) -> None:
    told.start("i2", queue="experts")
    told.accept("dee", "i2.t1.o1")
    told.transfer("ann", ANNS, to_agent_id="dee", forced=True)

    lost = ann_is_lost(told)

    rerouted = only(lost, TaskRerouted)
    assert rerouted.reason == "owner_gone"
    assert [required.skill for required in rerouted.requirements] == ["english"]
    assert offered_to(lost) == [("i1.t2", "bob")]


def test_cold_to_skills_the_plan_of_the_queue_holds_when_the_owner_is_lost(told: Story) -> None:
    told.configure(
        plan("patient", Step(after_seconds=30, requirements=[])),
        queue("chats", "english", plan="patient"),
    )
    told.start("i2", queue="chats")
    told.reject("bob", "i2.t1.o1")
    told.accept("cid", "i2.t1.o2")
    told.transfer("ann", ANNS, "spanish:4")

    assert offered_to(ann_is_lost(told)) == []
    assert offered_to(told.wait(29.9)) == []
    assert offered_to(told.wait(0.1)) == [("i1.t2", "bob")]


def test_asking_for_help_the_first_task_waits_again_when_the_owner_is_lost(told: Story) -> None:
    told.set_state("cid", ready=False)
    told.transfer("ann", ANNS, kind="consult", queue="billing")

    lost = ann_is_lost(told)

    assert moves(lost) == [("failed", "owner_lost")]
    assert only(lost, TaskRequeued).task_id == "i1.t1"
    assert offered_to(lost) == [("i1.t1", "bob")]


@pytest.mark.parametrize("widened", [True, False])
def test_who_helps_becomes_the_owner_when_the_owner_is_lost(told: Story, *, widened: bool) -> None:
    consult(told)
    if widened:
        told.move("ann", "i1.t2", "conference")

    lost = ann_is_lost(told)

    assert moves(lost) == [("completed", "owner_lost")]
    assert only(lost, AssignmentRoleChanged).role == "owner"
    assert of(lost, TaskRequeued) == []
    assert main_task(told) == "i1.t2"


def test_an_owner_who_is_removed_is_lost_too(told: Story) -> None:
    consult(told)

    removed = told.configure(removed="agent:ann")

    assert moves(removed) == [("completed", "owner_lost")]
    assert "ann" not in told.domain.agents


def test_an_owner_who_is_removed_in_wrapup_has_handed_over(told: Story) -> None:
    told.transfer("ann", ANNS, to_agent_id="bob")
    told.accept("bob", "i1.t2.o1")

    removed = told.configure(removed="agent:ann")

    assert only(removed, TaskTransferredOut).to_task_id == "i1.t2"
    assert of(removed, TaskCompleted) == []


# The owner ends the conversation


@pytest.mark.parametrize("by_wrapup", [True, False])
def test_cold_the_second_task_becomes_the_task_when_the_owner_ends(told: Story, *, by_wrapup: bool) -> None:
    told.transfer("ann", ANNS, queue="billing")

    ended = (told.end_task if by_wrapup else told.complete)("ann", ANNS)

    assert moves(ended) == [("completed", "owner_ended")]
    assert of(ended, TaskCompleted) == []
    assert main_task(told) == "i1.t2"
    if by_wrapup:
        assert (only(ended, WrapupStarted).then, only(ended, WrapupStarted).handed_over_to) == ("keep_open", "i1.t2")
        ended = told.wait(60)
    assert only(ended, TaskTransferredOut).to_task_id == "i1.t2"


@pytest.mark.parametrize("by_wrapup", [True, False])
def test_cold_to_one_agent_anybody_of_the_queue_may_have_it_when_the_owner_ends(
    told: Story, *, by_wrapup: bool
) -> None:
    told.set_state("dee", ready=False)
    told.transfer("ann", ANNS, to_agent_id="dee", forced=True)

    assert offered_to((told.end_task if by_wrapup else told.complete)("ann", ANNS)) == [("i1.t2", "bob")]


def test_asking_for_help_is_over_when_the_owner_ends(told: Story) -> None:
    told.transfer("ann", ANNS, kind="consult", queue="billing")

    ended = told.complete("ann", ANNS)

    assert moves(ended) == [("cancelled", "owner_ended")]
    assert only(ended, OfferWithdrawn).agent_id == "bob"
    assert only(ended, TaskCompleted).then == "close"


def test_the_consultant_is_released_when_the_owner_completes(told: Story) -> None:
    consult(told)

    ended = told.complete("ann", ANNS)

    assert moves(ended) == [("cancelled", "owner_ended")]
    assert only(ended, TaskCompleted).task_id == "i1.t1"
    assert told.domain.agents["bob"].tasks == {}


def test_the_participant_goes_on_with_the_customer_when_the_owner_leaves_the_conference(told: Story) -> None:
    consult(told)
    told.move("ann", "i1.t2", "conference")

    ended = told.end_task("ann", ANNS)

    assert moves(ended) == [("completed", "owner_ended")]
    assert only(ended, AssignmentRoleChanged).role == "owner"
    assert only(ended, WrapupStarted).handed_over_to == "i1.t2"


# The customer leaves


def test_the_customer_leaves_while_somebody_is_asked(told: Story) -> None:
    told.transfer("ann", ANNS, queue="billing")

    left = told.end("i1")

    assert moves(left) == [("cancelled", "interaction_ended")]
    assert only(left, OfferWithdrawn).agent_id == "bob"
    assert only(left, WrapupStarted).reason == "interaction_ended"
    assert of(left, TaskAbandoned) == []
    assert told.domain.tasks.keys() == {"i1.t1"}


@pytest.mark.parametrize("widened", [True, False])
def test_the_customer_leaves_while_somebody_helps(told: Story, *, widened: bool) -> None:
    consult(told)
    if widened:
        told.move("ann", "i1.t2", "conference")

    left = told.end("i1")

    assert moves(left) == [("cancelled", "interaction_ended")]
    assert only(left, TaskTransferredOut).agent_id == "bob"
    assert only(left, WrapupStarted).agent_id == "ann"


def test_the_customer_leaves_after_the_transfer_and_only_the_new_owner_wraps_up_anew(told: Story) -> None:
    told.transfer("ann", ANNS, to_agent_id="bob")
    told.accept("bob", "i1.t2.o1")

    left = told.end("i1")

    assert only(left, WrapupStarted).agent_id == "bob"
    assert told.domain.interactions["i1"].closed


def test_the_customer_leaves_when_the_owner_was_lost_and_nobody_has_accepted(told: Story) -> None:
    told.transfer("ann", ANNS, queue="billing")
    ann_is_lost(told)

    assert only(told.end("i1"), TaskAbandoned).task_id == "i1.t2"


# The call does not come through


def test_a_consultant_who_cannot_be_connected_is_not_asked_again_while_others_are(told: Story) -> None:
    told.transfer("ann", ANNS, kind="consult", queue="chats")
    told.accept("bob", "i1.t2.o1")

    failed = told.connect("i1.t2.o1.a", failure="no_answer")

    assert only(failed, TaskUnassigned).reason == "connect_failed"
    assert moves(failed) == [("requested", "connect_failed")]
    assert offered_to(failed) == [("i1.t2", "cid")]


def test_the_transfer_fails_when_the_only_one_asked_cannot_be_connected(told: Story) -> None:
    consult(told)

    assert moves(told.connect("i1.t2.o1.a", failure="busy")) == [
        ("requested", "connect_failed"),
        ("failed", "connect_failed"),
    ]
    assert main_task(told) == "i1.t1"


def test_a_consultant_who_cannot_be_connected_for_long_ends_the_transfer(told: Story) -> None:
    told.transfer("ann", ANNS, kind="consult", queue="chats")
    told.accept("bob", "i1.t2.o1")
    told.wait(180)

    assert moves(told.connect("i1.t2.o1.a", failure="no_answer")) == [("failed", "timed_out")]


def test_a_transfer_that_asks_again_still_times_out(told: Story) -> None:
    told.configure(agent("cid"))
    told.transfer("ann", ANNS, kind="consult", queue="chats")
    told.accept("bob", "i1.t2.o1")
    told.wait(170)
    told.connect("i1.t2.o1.a", failure="no_answer")

    assert moves(told.wait(9)) == []
    assert moves(told.wait(1)) == [("failed", "timed_out")]


def test_an_owner_who_cannot_be_connected_leaves_the_customer_to_who_was_asked(told: Story) -> None:
    told.transfer("ann", ANNS, queue="billing")

    failed = told.connect(ANNS, failure="no_answer")

    assert moves(failed) == [("completed", "connect_failed")]
    assert main_task(told) == "i1.t2"


# The new owner cannot keep the customer


def accepted_by_dee(told: Story, *, warm: bool = False) -> None:
    """Dee, who speaks no English, has the customer of the chats, who asks for it."""
    told.transfer("ann", ANNS, to_agent_id="dee", forced=True, kind="consult" if warm else "cold")
    told.accept("dee", "i1.t2.o1")
    if warm:
        told.move("ann", "i1.t2", "complete")
    told.complete("ann", ANNS)
    told.set_state("ann", ready=False)


def dee_is_lost(told: Story) -> list[object]:
    told.gone("dee")
    return told.wait(10)


def dee_parks_it(told: Story) -> list[object]:
    told.configure(Domain(id=DOMAIN, parked_agent_seconds=0))
    told.park("dee", "i1.t2.o1.a", seconds=5)
    return told.wait(5)


@pytest.mark.parametrize(
    ("warm", "ends"),
    [
        (False, dee_is_lost),
        (True, dee_is_lost),
        (False, dee_parks_it),
        (False, lambda told: told.connect("i1.t2.o1.a", failure="no_answer")),
        (True, lambda told: told.connect("i1.t2.o1.a", failure="no_answer")),
        (False, lambda told: told.wait(40)),
    ],
    ids=["lost", "lost, warm", "parked", "not connected", "not connected, warm", "no response"],
)
def test_a_customer_whom_one_agent_has_taken_over_and_could_not_keep_is_for_the_queue(
    told: Story, *, warm: bool, ends: Callable[[Story], list[object]]
) -> None:
    queued_at_ms = told.domain.tasks["i1.t1"].queued_at_ms
    told.configure(queue("chats", "english", first_response_seconds=40), agent("abe"))
    told.on_duty("abe")
    accepted_by_dee(told, warm=warm)

    back = ends(told)

    assert offered_to(back) == [("i1.t2", "bob")]
    assert [required.skill for required in told.domain.tasks["i1.t2"].requirements] == ["english"]
    assert told.domain.tasks["i1.t2"].queued_at_ms == queued_at_ms


@pytest.mark.parametrize("relaxed", [True, False])
def test_the_plan_goes_on_from_where_the_first_task_was_when_the_new_owner_cannot_be_connected(
    told: Story, *, relaxed: bool
) -> None:
    steps = (Step(after_seconds=30, requirements=[]), Step(after_seconds=60, priority_add=1))
    told.configure(plan("patient", *steps), queue("chats", "english", plan="patient"), agent("abe"))
    for name in ("ann", "bob", "cid", "dee"):
        told.set_state(name, ready=False)
    told.start("i2", queue="chats")
    told.wait(30 if relaxed else 20)
    told.on_duty("ann")
    told.accept("ann", "i2.t1.o1")
    told.on_duty("dee")
    told.transfer("ann", "i2.t1.o1.a", to_agent_id="dee", forced=True)
    told.reroute("i2.t2", band=3)
    told.accept("dee", "i2.t2.o2")
    told.set_state("ann", ready=False)
    told.on_duty("abe")
    told.wait(300)

    back = told.connect("i2.t2.o2.a", failure="no_answer")
    at_once, later = (offered_to(happened) for happened in (back, told.wait(29.9)))

    assert (at_once, later) == ([("i2.t2", "abe")] if relaxed else [], [])
    stepped = only(told.wait(30.1 if relaxed else 0.1), TaskRerouted).terms
    assert (stepped.step, stepped.band) == (2 if relaxed else 1, 3)


def test_a_customer_taken_over_in_another_queue_is_for_that_queue_when_the_new_owner_cannot_be_connected(
    told: Story,
) -> None:
    told.configure(agent("eve", "expert"))
    told.transfer("ann", ANNS, queue="billing")
    told.reroute("i1.t2", queue="experts", to_agent_id="dee")
    told.on_duty("eve")
    told.accept("dee", "i1.t2.o2")

    assert offered_to(told.connect("i1.t2.o2.a", failure="no_answer")) == [("i1.t2", "eve")]


# A supervisor moves it


def test_a_transfer_to_one_agent_that_is_moved_asks_the_queue_and_no_longer_hangs_on_that_agent(told: Story) -> None:
    told.start("i2", queue="experts")
    told.accept("dee", "i2.t1.o1")
    told.transfer("ann", ANNS, to_agent_id="dee", forced=True)
    told.set_state("bob", ready=False)

    moved = told.reroute("i1.t2", queue="billing")
    gone = told.set_state("dee", ready=False)

    transfer = only(moved, TaskRerouted).transfer
    assert transfer is not None
    assert (transfer.target, transfer.to_agent_id, transfer.from_agent_id) == ("queue", None, "ann")
    assert moves(gone) == []
    assert told.domain.tasks["i1.t2"].transfer == transfer


def test_a_transfer_that_a_closing_queue_hands_on_asks_the_other_queue(told: Story) -> None:
    told.configure(queue("chats", "english", closed=Destination(to="queue", queue="experts")))
    told.set_state("bob", ready=False)
    told.transfer("ann", ANNS, to_agent_id="bob", forced=True)

    told.override("chats", closed=True)
    closed = told.wait(1)

    assert offered_to(closed) == [("i1.t2", "dee")]
    transfer = told.domain.tasks["i1.t2"].transfer
    assert transfer is not None
    assert (transfer.target, transfer.to_agent_id) == ("queue", None)


@pytest.mark.parametrize(("came_by", "target", "priority"), [("billing", {}, 6), ("experts", {"queue": "billing"}, 5)])
def test_a_transfer_that_is_given_to_one_agent_stands_and_falls_with_them(
    told: Story, came_by: str, target: dict[str, str], priority: int
) -> None:
    steps = plan("short", *[Step(after_seconds=seconds, priority_add=1) for seconds in (0, 20)])
    told.configure(steps, queue("billing", "billing:2", plan="short"))
    told.start("i2", queue="billing")
    told.accept("bob", "i2.t1.o1")
    told.transfer("ann", ANNS, queue=came_by, forced=True)

    moved = only(told.reroute("i1.t2", to_agent_id="bob", **target), TaskRerouted)
    waited = told.wait(60)
    gone = told.set_state("bob", ready=False)

    assert moved.transfer is not None
    assert (moved.transfer.target, moved.transfer.to_agent_id) == ("agent", "bob")
    assert (moved.terms.agents, moved.terms.agents_until_ms) == (("bob",), None)
    assert {data.priority for data in [moved, *of(waited, TaskRerouted)]} == {priority}  # no step of the queue's plan
    assert moves(gone) == [("failed", "target_gone")]


def test_a_transfer_cannot_be_given_to_its_owner(told: Story) -> None:
    told.transfer("ann", ANNS, queue="chats")

    assert refusal(told.reroute("i1.t2", to_agent_id="ann")) == ("target_is_owner", 409)


def test_a_transfer_moved_to_one_agent_of_another_queue_is_for_all_of_that_queue_when_its_owner_goes(
    told: Story,
) -> None:
    told.start("i2", queue="experts")
    told.accept("dee", "i2.t1.o1")
    told.transfer("ann", ANNS, queue="billing")
    told.reroute("i1.t2", queue="experts", to_agent_id="dee")

    lost = ann_is_lost(told)

    rerouted = of(lost, TaskRerouted)[0]
    assert (rerouted.reason, rerouted.transfer) == ("owner_gone", None)
    assert (rerouted.terms.agents, [required.skill for required in rerouted.requirements]) == ((), ["expert"])
