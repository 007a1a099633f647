"""What users of other routers suffer from agents who are gone, overloaded or idle (reference numbers in the names)."""

from random import Random

import pytest
from contracts.agents import AgentStateChanged
from contracts.configuration import Domain
from contracts.offers import OfferExpired, OfferIssued
from contracts.routing_parts import Destination, Step
from contracts.tasks import TaskCompleted, TaskRequeued, TaskTransferredOut
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import Story


def story(*agents: str, capacity: int = 1, **settings: object) -> Story:
    """Agents on duty, a second apart."""
    told = Story()
    told.configure(
        Domain.model_validate({"id": DOMAIN} | settings),
        queue("chats"),
        address("chats"),
        *[agent(name, capacity=capacity) for name in agents],
    )
    for name in agents:
        told.wait(1)
        told.on_duty(name)
    return told


def test_pain_01_work_of_an_agent_who_is_gone_goes_to_another_with_its_waiting_time() -> None:
    told = story("ann")
    told.configure(
        queue("chats", plan="sorry"), plan("sorry", Step(after_seconds=60, overflow=Destination(to="voicemail")))
    )
    told.start("i1")
    queued_at_ms = told.now_ms
    told.accept("ann", "i1.t1.o1")
    told.wait(600)
    told.configure(agent("bob"))
    told.on_duty("bob")
    told.start("i2")
    told.start("i3")
    told.gone("ann")
    told.reject("bob", "i2.t1.o1")
    happened = told.wait(30)

    assert offered(happened) == [("i1.t1", "bob")]
    assert only(happened, OfferIssued).queued_at_ms == queued_at_ms
    assert only(happened, TaskRequeued).queued_at_ms == queued_at_ms
    assert told.domain.tasks["i1.t1"].place < told.domain.tasks["i2.t1"].place
    given_up = told.set_state("bob", ready=False) + told.wait(59.9)
    assert "i1.t1" not in [each.task_id for each in every(given_up, TaskTransferredOut)]
    assert "i1.t1" in [each.task_id for each in every(told.wait(0.1), TaskTransferredOut)]


def test_pain_01_no_work_goes_to_an_agent_who_is_not_there() -> None:
    told = story("ann", "bob")
    told.gone("ann")

    assert [to for _, to in offered(told.start("i1") + told.start("i2"))] == ["bob"]
    told.wait(30)
    told.reject("bob", "i1.t1.o1")
    assert {offer.agent_id for offer in every(told.wait(600), OfferIssued)} <= {"bob"}


def test_pain_01_channels_that_wait_for_their_agent_are_the_configurations_choice() -> None:
    told = story("ann", capacity=2, keep_on_agent_loss=["email"])
    told.start("i1", channel="email")
    told.start("i2", channel="webchat")
    told.accept("ann", "i1.t1.o1")
    told.accept("ann", "i2.t1.o1")
    told.gone("ann")

    assert [each.task_id for each in every(told.wait(30), TaskRequeued)] == ["i2.t1"]


@pytest.mark.parametrize("seed", range(6))
def test_pain_03_however_contacts_and_answers_race_no_offer_exceeds_capacity(seed: int) -> None:
    chance, told = Random(seed), story("ann", "bob", capacity=3, costs={"voice": 2})
    taken = 0
    for number in range(120):
        happened = told.start(f"i{number}", channel=chance.choice(("webchat", "voice")))
        if told.domain.offers and chance.random() < 0.7:
            offer_id = chance.choice(sorted(told.domain.offers))
            agent_id = told.domain.offers[offer_id].offer_of(offer_id).agent_id
            happened += (told.accept if chance.random() < 0.8 else told.reject)(agent_id, offer_id)
        if told.domain.assignments and chance.random() < 0.4:
            assignment_id = chance.choice(sorted(told.domain.assignments))
            assigned = told.domain.assignments[assignment_id].assigned
            assert assigned is not None
            happened += told.complete(assigned.agent_id, assignment_id)
        taken += len(every(happened, OfferIssued))
        for name in ("ann", "bob"):
            units = sum(task.cost for task in told.domain.agents[name].tasks.values())
            assert units <= 3

    assert taken > 20


def test_pain_04_and_07_who_never_acts_is_stuck_in_nothing() -> None:
    told = story("ann", "bob", capacity=2)
    for number in range(6):
        told.start(f"i{number}")
    happened = told.wait(3600)

    assert len(every(happened, OfferExpired)) > 0
    assert {each.cause for each in every(happened, AgentStateChanged)} == {"unanswered_offers"}
    assert told.domain.offers == {}
    assert [agent.held for agent in told.domain.agents.values()] == [0, 0]
    assert told.state.next_due_ms() is None


def test_pain_04_a_wrapup_that_nobody_ends_ends_by_itself() -> None:
    told = story("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.end("i1")

    assert only(told.wait(60), TaskCompleted).reason == "wrapup_timed_out"
    assert offered(told.start("i2")) == [("i2.t1", "ann")]


def test_pain_07_who_does_not_act_has_the_work_taken_on_by_another_in_time() -> None:
    told = story("ann", "bob")
    told.start("i1")
    happened = told.wait(20)

    assert only(happened, OfferExpired).agent_id == "ann"
    assert offered(happened) == [("i1.t1", "bob")]


def test_pain_07_who_picks_the_cherries_goes_without_the_rest_but_not_for_ever() -> None:
    told = story("ann")
    told.start("i1")
    told.reject("ann", "i1.t1.o1")

    assert offered(told.wait(59.9)) == []
    assert offered(told.wait(0.1)) == [("i1.t1", "ann")]
