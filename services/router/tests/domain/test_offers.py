"""Offers: who gets which task, and what becomes of an offer."""

from collections.abc import Sequence
from typing import TypeVar

import pytest
from contracts.agents import AgentStateChanged, CommandResult
from contracts.configuration import Domain
from contracts.offers import (
    DecisionRecorded,
    OfferAccepted,
    OfferExpired,
    OfferIssued,
    OfferRejected,
    OfferRescinded,
)
from contracts.tasks import TaskAssigned, TaskQueued
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story

T = TypeVar("T")


def only(happened: Sequence[object], of: type[T]) -> T:
    [found] = [data for data in happened if isinstance(data, of)]
    return found


def story(*agents: str, capacity: int = 1, unanswered_offers_max: int = 2) -> Story:
    """A billing queue and agents who serve it, on duty in this order, a second apart."""
    told = Story()
    told.configure(
        Domain(id=DOMAIN, unanswered_offers_max=unanswered_offers_max, costs={"voice": 2}),
        queue("billing", "billing:2"),
        address("billing"),
        *[agent(name, "billing:3", capacity=capacity) for name in agents],
    )
    for name in agents:
        told.wait(1)
        told.on_duty(name)
    return told


def test_a_task_is_offered_to_an_agent_with_the_skill() -> None:
    told = story("ann")
    told.configure(agent("bob", "billing:1"))
    told.on_duty("bob")

    happened = told.start("i1")

    assert [type(data) for data in happened] == [TaskQueued, OfferIssued]
    offer = only(happened, OfferIssued)
    assert (offer.agent_id, offer.offer_id) == ("ann", "i1.t1.o1")
    assert offer.expires_at_ms == told.now_ms + 20_000
    assert offer.decision.excluded == {"lacks_skill": 1}
    assert (offer.decision.agents, offer.decision.eligible) == (2, 1)


def test_the_longest_idle_agent_is_chosen() -> None:
    told = story("bob", "ann")

    assert only(told.start("i1"), OfferIssued).agent_id == "bob"


def test_the_less_loaded_agent_is_chosen_before_the_longer_idle_one() -> None:
    told = story("bob", "ann", capacity=2)
    told.start("i1")

    assert only(told.start("i2"), OfferIssued).agent_id == "ann"


def test_an_agent_who_got_free_goes_to_the_end_of_the_idle() -> None:
    told = story("bob", "ann")
    told.start("i1")
    told.accept("bob", "i1.t1.o1")
    told.wait(5)
    told.complete("bob", "i1.t1.o1.a")

    assert only(told.start("i2"), OfferIssued).agent_id == "ann"


def test_nobody_free_is_recorded_with_the_reason() -> None:
    told = story("ann")
    told.start("i1")

    decision = only(told.start("i2"), DecisionRecorded).decision

    assert (decision.eligible, decision.excluded) == (0, {"at_capacity": 1})


def test_a_costly_channel_needs_more_free_units() -> None:
    told = story("ann", "bob", capacity=3)
    told.start("i1")
    told.start("i2")

    assert only(told.start("i3", channel="voice"), OfferIssued).agent_id == "ann"
    assert only(told.start("i4", channel="voice"), OfferIssued).agent_id == "bob"
    assert only(told.start("i5", channel="voice"), DecisionRecorded).decision.excluded == {"at_capacity": 2}


def test_a_freed_agent_gets_the_highest_priority_then_the_longest_waiting() -> None:
    told = story("ann")
    told.configure(queue("vip", "billing:2", priority=9), address("billing", "vip"))
    told.start("i1")
    told.start("i2")
    told.wait(1)
    told.start("i3", queue="vip")
    told.accept("ann", "i1.t1.o1")

    first = told.complete("ann", "i1.t1.o1.a")
    told.accept("ann", "i3.t1.o1")
    second = told.complete("ann", "i3.t1.o1.a")

    assert only(first, OfferIssued).task_id == "i3.t1"
    assert only(second, OfferIssued).task_id == "i2.t1"


def test_an_accepted_offer_becomes_an_assignment() -> None:
    told = story("ann")
    told.start("i1")
    told.wait(3)

    happened = told.accept("ann", "i1.t1.o1")

    assert [type(data) for data in happened] == [OfferAccepted, TaskAssigned, CommandResult]
    assigned = only(happened, TaskAssigned)
    assert (assigned.assignment_id, assigned.waited_ms) == ("i1.t1.o1.a", 3000)
    assert only(happened, CommandResult).assignment_id == "i1.t1.o1.a"


def test_a_rejected_task_goes_to_the_next_agent() -> None:
    told = story("bob", "ann")
    told.start("i1")

    happened = told.reject("bob", "i1.t1.o1")

    assert [type(data) for data in happened] == [OfferRejected, CommandResult, OfferIssued]
    assert only(happened, OfferIssued).agent_id == "ann"
    assert only(happened, OfferIssued).decision.excluded == {"refused_before": 1}


def test_a_rejected_task_returns_to_its_place_and_to_the_same_agent_after_the_backoff() -> None:
    told = story("ann")
    told.start("i1")
    told.wait(1)
    told.start("i2")

    rejected = told.reject("ann", "i1.t1.o1")
    told.accept("ann", "i2.t1.o1")
    told.wait(60)
    completed = told.complete("ann", "i2.t1.o1.a")

    assert only(rejected, OfferIssued).task_id == "i2.t1"
    assert only(completed, OfferIssued).task_id == "i1.t1"


def test_an_idle_agent_gets_the_refused_task_when_the_backoff_ends() -> None:
    told = story("ann")
    told.start("i1")
    told.reject("ann", "i1.t1.o1")

    assert told.wait(59.9) == []
    assert only(told.wait(0.1), OfferIssued).offer_id == "i1.t1.o2"


def test_an_unanswered_offer_expires_and_the_next_agent_gets_it() -> None:
    told = story("bob", "ann")
    told.start("i1")

    happened = told.wait(20)

    assert only(happened, OfferExpired).unanswered == 1
    assert only(happened, OfferIssued).agent_id == "ann"


def test_too_many_unanswered_offers_make_the_agent_not_ready() -> None:
    told = story("ann")
    told.start("i1")
    told.start("i2")
    told.wait(20)

    happened = told.wait(20)

    assert only(happened, OfferExpired).unanswered == 2
    assert only(happened, AgentStateChanged).cause == "unanswered_offers"
    assert told.domain.agents["ann"].state == "not_ready"


def test_going_not_ready_for_unanswered_offers_gives_back_the_others() -> None:
    told = story("ann", capacity=2, unanswered_offers_max=1)
    told.start("i1")
    told.wait(1)
    told.start("i2")

    happened = told.wait(19)

    assert only(happened, OfferExpired).task_id == "i1.t1"
    assert only(happened, OfferRescinded).reason == "agent_not_ready"


@pytest.mark.parametrize("accepts", [True, False])
def test_an_answer_starts_the_count_of_unanswered_offers_anew(*, accepts: bool) -> None:
    told = story("ann", capacity=2)
    told.start("i1")
    told.wait(20)
    told.start("i2")
    (told.accept if accepts else told.reject)("ann", "i2.t1.o1")
    told.start("i3")

    assert only(told.wait(20), OfferExpired).unanswered == 1


def test_ids_fit_even_for_the_longest_interaction_id() -> None:
    told = story("ann")
    told.start("x" * 200)
    told.accept("ann", next(iter(told.domain.offers)))

    assert len(next(iter(told.domain.assignments))) <= 200
