"""Transfers: the same machine for a queue, an agent, skills and the next tier, cold or with a word before."""

from typing import Any  # Any: a target's fields

import pytest
from contracts.agents import CommandResult
from contracts.assignments import AssignmentRoleChanged, TransferChanged
from contracts.calendars import Calendar
from contracts.configuration import Domain
from contracts.offers import OfferIssued, OfferWithdrawn
from contracts.routing_parts import Destination, Step
from contracts.tasks import TaskAssigned, TaskCompleted, TaskQueued, TaskRequeued, TaskTransferredOut, WrapupStarted
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
from router.testing.parts import DOMAIN, agent, plan, queue, rules
from router.testing.story import Story


@pytest.fixture
def told() -> Story:
    return anns_conversation()


# Targets


def test_a_cold_transfer_to_a_queue_is_completed_when_somebody_there_accepts(told: Story) -> None:
    asked = told.transfer("ann", ANNS, queue="billing")
    assert told.domain.tasks["i1.t1"].state == "assigned"
    accepted = told.accept("bob", "i1.t2.o1")
    done = told.complete("ann", ANNS, disposition="passed_on")

    assert [type(data) for data in asked] == [TaskQueued, TransferChanged, OfferIssued, CommandResult]
    assert only(asked, CommandResult).task_id == "i1.t2"
    assert moves(accepted) == [("completed", None)]
    assert only(accepted, TaskAssigned).role == "owner"
    wrapup = only(accepted, WrapupStarted)
    assert (wrapup.agent_id, wrapup.then, wrapup.handed_over_to) == ("ann", "keep_open", "i1.t2")
    assert of(done, TaskCompleted) == []
    out = only(done, TaskTransferredOut)
    assert (out.to, out.reason, out.to_task_id, out.disposition) == ("handed_over", "transferred", "i1.t2", "passed_on")
    assert out.handled_ms == 30_000
    assert main_task(told) == "i1.t2"


def test_a_cold_transfer_to_an_agent_is_offered_to_nobody_else(told: Story) -> None:
    told.set_state("dee", ready=True)
    asked = told.transfer("ann", ANNS, to_agent_id="cid")
    accepted = told.accept("cid", "i1.t2.o1")

    assert offered_to(asked) == [("i1.t2", "cid")]
    assert moves(accepted) == [("completed", None)]


def test_a_transfer_to_skills_goes_to_who_has_them_besides_what_the_queue_asks(told: Story) -> None:
    assert offered_to(told.transfer("ann", ANNS, "spanish:3")) == [("i1.t2", "cid")]


def test_skills_alone_are_not_enough_without_what_the_queue_asks(told: Story) -> None:
    told.configure(agent("dee", "spanish:5"))

    assert offered_to(told.transfer("ann", ANNS, "spanish:3")) == [("i1.t2", "cid")]
    assert offered_to(told.reject("cid", "i1.t2.o1")) == []


@pytest.mark.parametrize("to_agent", [True, False])
def test_no_plan_widens_who_is_asked_by_name_or_for_skills(told: Story, *, to_agent: bool) -> None:
    told.configure(
        Domain(id=DOMAIN, longest_wait_seconds=60),
        plan("patient", Step(after_seconds=5, requirements=[])),
        queue("chats", "english", plan="patient"),
    )
    told.start("i2", queue="chats")
    told.reject("bob", "i2.t1.o1")
    told.accept("cid", "i2.t1.o2")
    if to_agent:
        told.transfer("ann", ANNS, to_agent_id="cid")
    else:
        told.transfer("ann", ANNS, "spanish:3")

    assert offered_to(told.wait(100)) == []


def test_no_plan_says_at_once_that_another_is_asked_than_who_was_named(told: Story) -> None:
    told.configure(plan("bobs", Step(after_seconds=0, agents=["bob"])), queue("chats", "english", plan="bobs"))

    assert offered_to(told.transfer("ann", ANNS, to_agent_id="cid")) == [("i1.t2", "cid")]


def test_escalating_goes_to_the_next_tier(told: Story) -> None:
    assert offered_to(told.transfer("ann", ANNS, escalate=True)) == [("i1.t2", "dee")]


def test_escalating_from_the_last_tier_is_refused(told: Story) -> None:
    told.transfer("ann", ANNS, escalate=True)
    told.accept("dee", "i1.t2.o1")

    assert refusal(told.transfer("dee", "i1.t2.o1.a", escalate=True)) == ("target_unknown", 409)


def test_a_supervisor_reassigns(told: Story) -> None:
    asked = told.transfer("ann", ANNS, to_agent_id="bob", by="sue")

    origin = only(asked, TaskQueued).transfer
    assert origin is not None
    assert (origin.requested_by, origin.from_agent_id, origin.to_agent_id) == ("sue", "ann", "bob")


def test_who_asks_is_not_offered_what_they_want_to_be_rid_of(told: Story) -> None:
    told.set_state("bob", ready=False)
    told.transfer("ann", ANNS, queue="chats")
    told.reject("cid", "i1.t2.o1")

    assert told.domain.agents["ann"].room[0] == 1
    assert told.domain.tasks["i1.t2"].state == "waiting"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ({"queue": "nowhere"}, "target_unknown"),
        ({"to_agent_id": "zoe"}, "target_unknown"),
        ({"to_agent_id": "ann"}, "target_is_owner"),
        ({"queue": "billing", "to_agent_id": "bob"}, "target_unclear"),
        ({}, "target_unclear"),
    ],
)
def test_a_target_that_is_none_is_refused_even_when_forced(told: Story, target: dict[str, Any], code: str) -> None:
    status = 422 if code == "target_unclear" else 409

    assert refusal(told.transfer("ann", ANNS, forced=True, **target)) == (code, status)


def test_skills_that_nobody_has_are_refused_even_when_forced(told: Story) -> None:
    for forced in (False, True):
        assert refusal(told.transfer("ann", ANNS, "alchemy", forced=forced)) == ("skill_unknown", 409)


def test_pain_12_a_transfer_to_an_empty_team_is_refused(told: Story) -> None:
    told.set_state("dee", ready=False)

    assert refusal(told.transfer("ann", ANNS, queue="experts")) == ("target_unstaffed", 409)
    assert refusal(told.transfer("ann", ANNS, escalate=True)) == ("target_unstaffed", 409)
    assert refusal(told.transfer("ann", ANNS, to_agent_id="dee")) == ("target_unstaffed", 409)
    assert refusal(told.transfer("ann", ANNS, "spanish:5")) == ("target_unstaffed", 409)
    assert told.domain.tasks.keys() == {"i1.t1"}


def test_pain_12_only_who_may_take_the_task_counts_as_staff(told: Story) -> None:
    told.configure(queue("quiet", "billing", teams=["north"]), agent("bob", "billing:3", clients=["bank"]))

    assert refusal(told.transfer("ann", ANNS, queue="billing")) == ("target_unstaffed", 409)
    assert refusal(told.transfer("ann", ANNS, queue="quiet")) == ("target_unstaffed", 409)


def test_pain_12_who_asks_is_not_counted_as_staff(told: Story) -> None:
    for name in ("bob", "cid"):
        told.set_state(name, ready=False)

    assert refusal(told.transfer("ann", ANNS, queue="chats")) == ("target_unstaffed", 409)


def test_pain_12_who_is_busy_or_only_just_unreachable_counts_as_staff(told: Story) -> None:
    told.start("i2", queue="billing")
    told.accept("bob", "i2.t1.o1")
    assert refusal(told.transfer("ann", ANNS, queue="billing")) is None
    told.move("ann", "i1.t2", "cancel")
    told.take_over()

    assert refusal(told.transfer("ann", ANNS, queue="billing")) is None


def test_pain_12_who_is_about_to_leave_does_not_count_as_staff(told: Story) -> None:
    told.start("i2", queue="billing")
    told.accept("bob", "i2.t1.o1")
    told.set_state("bob", ready=False, when="when_free")

    assert refusal(told.transfer("ann", ANNS, queue="billing")) == ("target_unstaffed", 409)


@pytest.mark.parametrize("relaxed", [True, False])
def test_pain_12_who_comes_in_question_only_later_in_the_plan_counts_as_staff(told: Story, *, relaxed: bool) -> None:
    away = Step(after_seconds=20, overflow=Destination(to="voicemail"))
    told.configure(
        plan("patient", Step(after_seconds=20, requirements=[]) if relaxed else away),
        queue("rare", "klingon", plan="patient"),
    )

    assert refusal(told.transfer("ann", ANNS, queue="rare")) == (None if relaxed else ("target_unstaffed", 409))


def test_a_closed_queue_is_refused_unless_forced(told: Story) -> None:
    never = Calendar.model_validate({"id": "never", "domain": DOMAIN, "time_zone": "UTC", "weekly": {}})
    told.configure(never, queue("billing", "billing:2", calendar="never", closed=Destination(to="voicemail")))

    assert refusal(told.transfer("ann", ANNS, queue="billing")) == ("target_closed", 409)
    assert offered_to(told.transfer("ann", ANNS, queue="billing", forced=True)) == [("i1.t2", "bob")]


def test_a_closed_next_tier_is_refused(told: Story) -> None:
    never = Calendar.model_validate({"id": "never", "domain": DOMAIN, "time_zone": "UTC", "weekly": {}})
    told.configure(never, queue("experts", "expert", calendar="never"))

    assert refusal(told.transfer("ann", ANNS, escalate=True)) == ("target_closed", 409)


def test_a_full_queue_is_refused_unless_forced(told: Story) -> None:
    told.configure(queue("billing", "billing:2", waiting_max=0, full=Destination(to="voicemail")))

    assert refusal(told.transfer("ann", ANNS, queue="billing")) == ("target_full", 409)
    assert offered_to(told.transfer("ann", ANNS, queue="billing", forced=True)) == [("i1.t2", "bob")]


def test_forced_an_agent_is_asked_whatever_their_skills_and_whenever_they_come(told: Story) -> None:
    told.set_state("dee", ready=False)
    assert refusal(told.transfer("ann", ANNS, to_agent_id="dee", forced=True)) is None
    told.wait(60)

    assert offered_to(told.set_state("dee", ready=True)) == [("i1.t2", "dee")]


# Place and context


def test_pain_11_a_transfer_keeps_the_original_place_in_line(told: Story) -> None:
    told.start("i2", queue="billing")
    told.accept("bob", "i2.t1.o1")
    told.start("i3", queue="billing")
    told.wait(5)
    asked = told.transfer("ann", ANNS, queue="billing")

    first = told.domain.tasks["i1.t1"]
    assert only(asked, TaskQueued).queued_at_ms == first.queued_at_ms
    assert offered_to(told.complete("bob", "i2.t1.o1.a")) == [("i1.t2", "bob")]


def test_pain_11_steps_of_the_new_queue_count_from_the_transfer(told: Story) -> None:
    told.configure(
        plan("short", Step(after_seconds=20, overflow=Destination(to="voicemail"))),
        queue("billing", "billing:2", plan="short"),
        agent("bob", "billing:3", "english"),
    )
    told.start("i2", queue="billing")
    told.accept("bob", "i2.t1.o1")

    assert moves(told.transfer("ann", ANNS, queue="billing")) == [("requested", None)]
    assert moves(told.wait(20)) == [("failed", "overflowed")]


def test_pain_11_a_transfer_stands_no_worse_than_the_first_task(told: Story) -> None:
    told.configure(queue("chats", "english", priority=8, band=2))
    told.start("i2")
    told.accept("bob", "i2.t1.o1")

    second = only(told.transfer("bob", "i2.t1.o1.a", queue="experts"), TaskQueued)

    assert second.terms is not None
    assert (second.priority, second.terms.band) == (8, 2)


def test_a_transfer_may_have_more_priority_but_never_more_than_nine(told: Story) -> None:
    assert only(told.transfer("ann", ANNS, queue="billing", priority_add=3), TaskQueued).priority == 8
    told.move("ann", "i1.t2", "cancel")

    assert only(told.transfer("ann", ANNS, queue="billing", priority_add=8), TaskQueued).priority == 9


def test_pain_11_the_history_of_owners_can_be_read_from_the_facts(told: Story) -> None:
    facts = told.transfer("ann", ANNS, to_agent_id="bob") + told.accept("bob", "i1.t2.o1")
    facts += told.transfer("bob", "i1.t2.o1.a", to_agent_id="cid") + told.accept("cid", "i1.t3.o1")
    facts += told.complete("ann", ANNS) + told.complete("bob", "i1.t2.o1.a") + told.complete("cid", "i1.t3.o1.a")

    passed_on = [(out.task_id, out.agent_id, out.to_task_id) for out in of(facts, TaskTransferredOut)]
    assert passed_on == [("i1.t1", "ann", "i1.t2"), ("i1.t2", "bob", "i1.t3")]
    assert [task.transfer.from_agent_id for task in of(facts, TaskQueued) if task.transfer] == ["ann", "bob"]
    assert only(facts, TaskCompleted).task_id == "i1.t3"


def test_pain_11_the_owner_stays_until_the_new_one_accepts(told: Story) -> None:
    told.transfer("ann", ANNS, queue="billing")
    told.reject("bob", "i1.t2.o1")
    told.wait(170)
    assert told.domain.tasks["i1.t1"].state == "assigned"
    assert main_task(told) == "i1.t1"

    assert moves(told.wait(10)) == [("failed", "timed_out")]
    assert told.domain.tasks["i1.t1"].state == "assigned"
    assert refusal(told.transfer("ann", ANNS, to_agent_id="cid")) is None
    assert (told.domain.tasks["i1.t1"].state, main_task(told)) == ("assigned", "i1.t1")
    accepted = told.accept("cid", "i1.t3.o1")
    assert (only(accepted, TaskAssigned).agent_id, main_task(told)) == ("cid", "i1.t3")
    assert only(accepted, WrapupStarted).agent_id == "ann"


@pytest.mark.parametrize("channel", ["webchat", "voice", "email", "social"])
def test_transfers_go_the_same_way_on_every_channel(channel: str) -> None:
    told = anns_conversation(channel)
    happened = told.transfer("ann", ANNS, kind="consult", to_agent_id="bob") + told.accept("bob", "i1.t2.o1")
    happened += told.move("ann", "i1.t2", "conference") + told.move("ann", "i1.t2", "complete")
    happened += told.transfer("bob", "i1.t2.o1.a", to_agent_id="cid") + told.accept("cid", "i1.t3.o1")

    assert moves(happened) == [
        ("requested", None), ("consulting", None), ("conference", None), ("completed", None),
        ("requested", None), ("completed", None),
    ]  # fmt: skip
    assert {task.channel for task in of(happened, TaskQueued)} == {channel}


def test_pain_11_who_takes_over_knows_what_was_known_of_the_contact(told: Story) -> None:
    told.configure(rules(known={"when": "true", "labels": ["refund"], "language": "es"}))
    told.complete("ann", ANNS)
    told.start("i2")
    told.accept("ann", "i2.t1.o1")
    second = only(told.transfer("ann", "i2.t1.o1.a", queue="billing"), TaskQueued)

    assert (second.interaction_id, second.labels, second.language) == ("i2", ("refund",), "es")


# Consult


def test_a_consult_becomes_a_warm_transfer(told: Story) -> None:
    told.transfer("ann", ANNS, kind="consult", queue="billing")
    accepted = told.accept("bob", "i1.t2.o1")
    told.wait(20)
    completed = told.move("ann", "i1.t2", "complete")

    assert moves(accepted) == [("consulting", None)]
    assert only(accepted, TaskAssigned).role == "consultant"
    assert moves(completed) == [("completed", None)]
    assert only(completed, AssignmentRoleChanged).role == "owner"
    assert only(completed, WrapupStarted).handed_over_to == "i1.t2"
    assert main_task(told) == "i1.t2"


def test_a_consult_becomes_a_conference_and_then_a_warm_transfer(told: Story) -> None:
    consult(told)
    widened = told.move("ann", "i1.t2", "conference")
    assert main_task(told) == "i1.t1"
    completed = told.move("ann", "i1.t2", "complete")

    assert moves(widened) == [("conference", None)]
    assert only(widened, AssignmentRoleChanged).role == "participant"
    assert moves(completed) == [("completed", None)]
    assert only(completed, AssignmentRoleChanged).role == "owner"


def test_a_conference_that_is_one_already_stays_one(told: Story) -> None:
    consult(told)
    told.move("ann", "i1.t2", "conference")

    assert [type(data) for data in told.move("ann", "i1.t2", "conference")] == [CommandResult]


@pytest.mark.parametrize("widened", [True, False])
def test_cancelling_sends_the_consultant_away_and_leaves_the_owner(told: Story, *, widened: bool) -> None:
    consult(told)
    if widened:
        told.move("ann", "i1.t2", "conference")
    told.start("i2", queue="billing")

    cancelled = told.move("ann", "i1.t2", "cancel")

    assert moves(cancelled) == [("cancelled", "by_owner")]
    out = only(cancelled, TaskTransferredOut)
    assert (out.task_id, out.reason, out.to_task_id) == ("i1.t2", "transfer_over", "i1.t1")
    assert offered_to(cancelled) == [("i2.t1", "bob")]
    assert told.domain.tasks["i1.t1"].state == "assigned"


def test_cancelling_before_anybody_accepted_takes_the_offer_back(told: Story) -> None:
    told.transfer("ann", ANNS, queue="billing")

    cancelled = told.move("ann", "i1.t2", "cancel", by="sue")

    assert moves(cancelled) == [("cancelled", "by_supervisor")]
    assert only(cancelled, OfferWithdrawn).agent_id == "bob"


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("finished", ["i1.t1", "i1.t2"])
def test_a_supervisor_who_finishes_a_task_cancels_its_transfer_and_is_named(
    told: Story, finished: str, *, accepted: bool
) -> None:
    told.transfer("ann", ANNS, kind="consult", queue="billing")
    if accepted:
        told.accept("bob", "i1.t2.o1")

    happened = told.finish(finished)

    assert moves(happened) == [("cancelled", "by_supervisor")]
    outs = {out.task_id: out.by for out in of(happened, TaskTransferredOut)}
    assert outs == dict.fromkeys(["i1.t1", "i1.t2"] if finished == "i1.t1" else ["i1.t2"], "sue")


def test_the_consultant_who_is_done_ends_the_consultation(told: Story) -> None:
    consult(told)

    done = told.complete("bob", "i1.t2.o1.a", disposition="explained")

    assert moves(done) == [("cancelled", "by_consultant")]
    assert only(done, TaskTransferredOut).disposition == "explained"


def test_a_consultant_who_left_as_one_does_not_end_what_has_become_theirs(told: Story) -> None:
    consult(told)
    told.move("ann", "i1.t2", "complete")

    assert refusal(told.end_task("bob", "i1.t2.o1.a", as_helper=True)) == ("role_changed", 409)
    assert told.domain.tasks["i1.t2"].state == "assigned"
    assert of(told.end_task("bob", "i1.t2.o1.a"), WrapupStarted)


def test_nothing_can_be_handed_over_before_somebody_has_accepted(told: Story) -> None:
    told.transfer("ann", ANNS, kind="consult", queue="billing")

    assert refusal(told.move("ann", "i1.t2", "complete")) == ("not_accepted", 409)
    assert refusal(told.move("ann", "i1.t2", "conference")) == ("not_accepted", 409)


def test_only_the_owner_moves_a_transfer_and_a_consultant_starts_none(told: Story) -> None:
    consult(told)

    assert refusal(told.move("bob", "i1.t2", "complete")) == ("transfer_of_another", 403)
    assert refusal(told.transfer("bob", "i1.t2.o1.a", queue="chats")) == ("not_owner", 409)
    assert refusal(told.hold("bob", "i1.t2.o1.a")) == ("not_owner", 409)


def test_a_second_transfer_waits_for_the_end_of_the_first(told: Story) -> None:
    told.transfer("ann", ANNS, queue="billing")

    assert refusal(told.transfer("ann", ANNS, queue="experts")) == ("transfer_open", 409)
    assert refusal(told.park("ann", ANNS)) == ("transfer_open", 409)


def test_what_is_in_wrapup_cannot_be_transferred(told: Story) -> None:
    told.end_task("ann", ANNS)

    assert refusal(told.transfer("ann", ANNS, queue="billing")) == ("conversation_over", 409)


# Races


def test_who_accepts_after_the_cancellation_is_too_late(told: Story) -> None:
    told.transfer("ann", ANNS, queue="billing")
    told.move("ann", "i1.t2", "cancel")

    assert refusal(told.accept("bob", "i1.t2.o1")) == ("offer_gone", 409)
    assert main_task(told) == "i1.t1"


def test_who_cancels_after_the_acceptance_is_too_late(told: Story) -> None:
    told.transfer("ann", ANNS, queue="billing")
    told.accept("bob", "i1.t2.o1")

    assert refusal(told.move("ann", "i1.t2", "cancel")) == ("transfer_over", 409)
    assert main_task(told) == "i1.t2"


def test_an_agent_who_accepts_automatically_completes_the_transfer_at_once(told: Story) -> None:
    told.configure(queue("billing", "billing:2", auto_accept=True))

    assert moves(told.transfer("ann", ANNS, queue="billing")) == [("requested", None), ("completed", None)]


# The one who is asked does not come


def test_the_transfer_fails_when_the_only_one_asked_rejects(told: Story) -> None:
    told.transfer("ann", ANNS, to_agent_id="bob")

    assert moves(told.reject("bob", "i1.t2.o1")) == [("failed", "rejected")]
    assert main_task(told) == "i1.t1"


def test_the_transfer_fails_when_the_only_one_asked_does_not_answer(told: Story) -> None:
    told.transfer("ann", ANNS, to_agent_id="bob")

    assert moves(told.wait(20)) == [("failed", "unanswered")]


def test_a_queue_goes_on_asking_when_one_of_its_agents_rejects(told: Story) -> None:
    told.transfer("ann", ANNS, queue="chats")
    rejected = told.reject("bob", "i1.t2.o1")

    assert moves(rejected) == []
    assert offered_to(rejected) == [("i1.t2", "cid")]


@pytest.mark.parametrize("how", ["not_ready", "lost", "removed", "pending"])
def test_the_transfer_fails_when_the_only_one_asked_goes(told: Story, how: str) -> None:
    told.start("i2", queue="billing")
    told.accept("bob", "i2.t1.o1")
    told.transfer("ann", ANNS, to_agent_id="bob")

    match how:
        case "not_ready":
            happened = told.set_state("bob", ready=False)
        case "lost":
            happened = told.gone("bob")
            assert moves(happened) == []
            happened = told.wait(10)
        case "removed":
            happened = told.configure(removed="agent:bob")
        case _:
            happened = told.set_state("bob", ready=False, when="when_free")

    assert moves(happened) == [("failed", "target_gone")]
    assert main_task(told) == "i1.t1"


def test_the_transfer_fails_however_much_is_taken_from_who_goes(told: Story) -> None:
    told.configure(agent("bob", "english", capacity=100), queue("chats", priority=9))
    for name in ("ann", "cid"):
        told.set_state(name, ready=False)
    for number in range(70):
        told.start(f"a{number:03}")
    told.transfer("ann", ANNS, to_agent_id="bob")

    assert moves(told.set_state("bob", ready=False)) == []
    assert moves(told.wait(0)) == [("failed", "target_gone")]


def test_who_accepts_in_the_step_in_which_the_owner_is_removed(told: Story) -> None:
    told.configure(queue("billing", "billing:2", auto_accept=True))
    told.start("i2", queue="billing")
    told.transfer("ann", ANNS, queue="billing")

    happened = told.configure(agent("bob", "billing:3", capacity=2), removed="agent:ann")

    assert only(happened, TaskAssigned).agent_id == "bob"
    assert moves(happened) == [("completed", "owner_lost")]


def test_the_transfer_times_out_even_while_it_is_offered(told: Story) -> None:
    told.configure(Domain(id=DOMAIN, transfer_seconds=5))
    told.transfer("ann", ANNS, queue="billing")

    happened = told.wait(5)

    assert moves(happened) == [("failed", "timed_out")]
    assert only(happened, OfferWithdrawn).agent_id == "bob"


def test_not_even_at_the_last_moment_it_is_offered_to_who_asked(told: Story) -> None:
    for name in ("bob", "cid"):
        told.set_state(name, ready=False)
    told.transfer("ann", ANNS, queue="chats", forced=True)

    happened = told.wait(180)

    assert moves(happened) == [("failed", "timed_out")]
    assert offered_to(happened) == []


def test_a_state_asked_for_while_the_transfer_rings_leaves_the_offer(told: Story) -> None:
    told.transfer("ann", ANNS, to_agent_id="bob")
    told.set_state("bob", ready=False, when="when_free")

    assert moves(told.accept("bob", "i1.t2.o1")) == [("completed", None)]


def test_the_transfer_fails_when_the_consultant_is_lost(told: Story) -> None:
    consult(told)
    told.gone("bob")

    lost = told.wait(10)

    assert moves(lost) == [("failed", "agent_lost")]
    assert of(lost, TaskRequeued) == []
    assert main_task(told) == "i1.t1"
