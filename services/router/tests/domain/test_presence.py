"""Presence: who can be reached, the grace of who cannot, and a take-over."""

import pytest
from contracts.agents import AgentPresenceChanged, AgentStateChanged
from contracts.configuration import Domain
from contracts.offers import DecisionRecorded, OfferIssued, OfferRescinded
from contracts.tasks import TaskRequeued
from router.domain.internal import LeasesReadable
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story


@pytest.fixture
def told() -> Story:
    """Ann is on duty; i1 (webchat) and i2 (email, stays with a lost agent) are assigned to her, i3 is offered."""
    story = Story()
    story.configure(
        Domain(id=DOMAIN, keep_on_agent_loss=["email"]), queue("chats"), address("chats"), agent("ann", capacity=3)
    )
    story.on_duty("ann")
    story.start("i1")
    story.start("i2", channel="email")
    story.accept("ann", "i1.t1.o1")
    story.accept("ann", "i2.t1.o1")
    story.wait(10)
    story.start("i3")
    return story


def offers(happened: list[object]) -> list[OfferIssued]:
    return [data for data in happened if isinstance(data, OfferIssued)]


def test_an_agent_who_is_not_present_gets_no_offer() -> None:
    told = Story()
    told.configure(Domain(id=DOMAIN), queue("chats"), agent("ann"))
    told.set_state("ann", ready=True)

    decision = told.start("i1")[1]

    assert isinstance(decision, DecisionRecorded)
    assert decision.decision.excluded == {"not_present": 1}
    assert len(offers(told.seen("ann"))) == 1


def test_a_lost_agent_has_a_grace(told: Story) -> None:
    [lost] = told.gone("ann")

    assert isinstance(lost, AgentPresenceChanged)
    assert (lost.presence, lost.grace_ends_at_ms) == ("lost", told.now_ms + 30_000)


def test_a_lost_agent_gets_no_new_offer(told: Story) -> None:
    told.accept("ann", "i3.t1.o1")
    told.complete("ann", "i3.t1.o1.a")
    told.gone("ann")

    assert offers(told.start("i4")) == []


def test_who_is_back_within_the_grace_has_lost_nothing(told: Story) -> None:
    told.accept("ann", "i3.t1.o1")
    idle_since_ms = told.domain.agents["ann"].idle_since_ms
    told.gone("ann")
    told.wait(29)
    told.seen("ann")
    told.wait(60)

    assert [task.state for task in told.domain.tasks.values()] == ["assigned"] * 3
    assert told.domain.agents["ann"].idle_since_ms == idle_since_ms


def test_after_the_grace_offers_and_assignments_go_back_to_their_places(told: Story) -> None:
    queued_at_ms = told.domain.tasks["i1.t1"].queued_at_ms
    told.wait(15)
    told.gone("ann")
    told.accept("ann", "i3.t1.o1")
    happened = told.wait(30)

    requeued = [data for data in happened if isinstance(data, TaskRequeued)]
    assert [(data.task_id, data.reason) for data in requeued] == [("i1.t1", "agent_lost"), ("i3.t1", "agent_lost")]
    assert requeued[0].queued_at_ms == queued_at_ms
    assert told.domain.tasks["i2.t1"].state == "assigned"


def test_after_the_grace_the_offer_is_taken_back_and_the_agent_is_not_ready(told: Story) -> None:
    told.configure(Domain(id=DOMAIN, presence_grace_seconds=5))
    told.gone("ann")

    happened = told.wait(5)

    [rescinded] = [data for data in happened if isinstance(data, OfferRescinded)]
    [changed] = [data for data in happened if isinstance(data, AgentStateChanged)]
    assert (rescinded.task_id, rescinded.reason) == ("i3.t1", "agent_lost")
    assert (changed.state, changed.cause) == ("not_ready", "presence_lost")


def test_who_comes_back_after_the_grace_has_to_set_themselves_ready(told: Story) -> None:
    told.configure(Domain(id=DOMAIN, presence_grace_seconds=5, keep_on_agent_loss=["email"]))
    told.gone("ann")
    told.wait(5)

    assert offers(told.seen("ann")) == []
    assert [offer.task_id for offer in offers(told.set_state("ann", ready=True))] == ["i1.t1", "i3.t1"]


def test_repeated_observations_change_nothing(told: Story) -> None:
    told.gone("ann")

    assert told.gone("ann") == []
    told.seen("ann")
    assert told.seen("ann") == []
    assert told.seen("nobody") == []


def test_only_a_change_of_readability_is_a_fact(told: Story) -> None:
    [fact] = told.leases(readable=False)

    assert isinstance(fact, LeasesReadable)
    assert told.leases(readable=False) == []


def test_grace_does_not_run_while_leases_cannot_be_read(told: Story) -> None:
    told.gone("ann")
    told.wait(25)
    told.leases(readable=False)

    told.wait(3600)

    assert told.domain.agents["ann"].state == "ready"
    assert told.domain.tasks["i1.t1"].state == "assigned"
    assert told.gone("ann") == []


def test_who_is_still_gone_when_leases_can_be_read_again_gets_the_full_grace(told: Story) -> None:
    told.gone("ann")
    told.wait(25)
    told.leases(readable=False)
    told.leases(readable=True)
    told.wait(10)

    [lost] = told.gone("ann")

    assert isinstance(lost, AgentPresenceChanged)
    assert lost.grace_ends_at_ms == told.now_ms + 30_000


def test_after_a_take_over_nobody_gets_an_offer_until_seen(told: Story) -> None:
    told.accept("ann", "i3.t1.o1")
    told.complete("ann", "i3.t1.o1.a")
    told.take_over()

    assert offers(told.start("i4")) == []
    assert [offer.task_id for offer in offers(told.seen("ann"))] == ["i4.t1"]


def test_a_take_over_keeps_assignments_and_idle_time(told: Story) -> None:
    idle_since_ms = told.domain.agents["ann"].idle_since_ms
    told.take_over()
    told.leases(readable=True)
    told.seen("ann")

    assert told.domain.agents["ann"].idle_since_ms == idle_since_ms
    assert told.domain.tasks["i1.t1"].state == "assigned"


def test_a_grace_that_ran_before_a_take_over_does_not_end_after_it(told: Story) -> None:
    told.gone("ann")
    told.take_over()
    told.leases(readable=True)

    happened = told.wait(3600)

    assert [data for data in happened if isinstance(data, AgentPresenceChanged)] == []
    assert told.domain.tasks["i1.t1"].state == "assigned"


def test_nobody_is_lost_before_the_leases_were_read_after_a_take_over(told: Story) -> None:
    told.take_over()

    assert told.gone("ann") == []
    told.leases(readable=True)
    assert len(told.gone("ann")) == 1
