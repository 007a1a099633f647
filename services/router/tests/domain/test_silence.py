"""Customers who have fallen silent: their chats take no capacity until they are back."""

import pytest
from contracts.assignments import AssignmentCapacityChanged
from contracts.configuration import Domain
from contracts.tasks import WrapupStarted
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story


def story(*, capacity: int = 1, channels: dict[str, int] | None = None, **settings: object) -> Story:
    """Ann talks to i1; i2 waits for her if she has no capacity left."""
    told = Story(reruns=True)
    told.configure(
        Domain.model_validate({"id": DOMAIN} | settings),
        queue("chats"),
        address("chats"),
        agent("ann", capacity=capacity, channels=channels or {}),
    )
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.start("i2")
    return told


def test_a_silent_customer_frees_the_agent_for_the_next() -> None:
    told = story()
    happened = told.activity("i1", active=False)

    assert not only(happened, AssignmentCapacityChanged).counted
    assert offered(happened) == [("i2.t1", "ann")]
    assert told.domain.tasks["i1.t1"].state == "assigned"


def test_a_customer_who_is_back_counts_again_beyond_capacity_and_no_offer_comes_meanwhile() -> None:
    told = story()
    told.activity("i1", active=False)
    told.accept("ann", "i2.t1.o1")
    back = told.activity("i1", active=True)
    told.start("i3")

    assert only(back, AssignmentCapacityChanged).counted
    assert told.domain.agents["ann"].held == 2
    assert offered(told.complete("ann", "i2.t1.o1.a")) == []
    assert offered(told.complete("ann", "i1.t1.o1.a")) == [("i3.t1", "ann")]


def test_the_same_again_changes_nothing() -> None:
    told = story()
    told.activity("i1", active=False)

    assert told.activity("i1", active=False) == []
    told.activity("i1", active=True)
    assert told.activity("i1", active=True) == []


@pytest.mark.parametrize("interaction", ["i2", "i9"])
def test_a_customer_whom_nobody_serves_cannot_free_anybody(interaction: str) -> None:
    assert story().activity(interaction, active=False) == []


def test_an_offer_counts_whatever_the_customer_does() -> None:
    told = story(capacity=2)

    assert told.domain.tasks["i2.t1"].state == "offered"
    assert told.activity("i2", active=False) == []


def test_wrapping_up_is_work_and_counts_again() -> None:
    told = story()
    told.activity("i1", active=False)
    told.accept("ann", "i2.t1.o1")
    happened = told.end_task("ann", "i1.t1.o1.a")

    assert [type(data) for data in happened[:2]] == [AssignmentCapacityChanged, WrapupStarted]
    assert told.domain.agents["ann"].held == 2
    assert told.activity("i1", active=False) == []


def test_a_silent_customer_who_is_given_to_another_agent_counts_there() -> None:
    told = story(presence_grace_seconds=5)
    told.activity("i1", active=False)
    told.gone("ann")
    told.wait(5)
    told.configure(agent("bob"))
    told.on_duty("bob")
    told.accept("bob", "i1.t1.o2")

    assert told.domain.agents["bob"].held == 1


def test_completing_a_silent_customers_task_takes_nothing_back_twice() -> None:
    told = story()
    told.activity("i1", active=False)
    told.accept("ann", "i2.t1.o1")
    told.complete("ann", "i1.t1.o1.a")

    assert told.domain.agents["ann"].held == 1
    assert offered(told.start("i3")) == []


def test_the_channels_maximum_is_free_too() -> None:
    told = story(capacity=9, channels={"webchat": 1})

    assert told.domain.tasks["i2.t1"].state == "waiting"
    assert offered(told.activity("i1", active=False)) == [("i2.t1", "ann")]


def test_a_silent_customer_is_outside_of_the_clients_cap_too() -> None:
    told = story(capacity=9, client_shares=[{"client": "shop", "units_max": 1}])

    assert told.domain.tasks["i2.t1"].state == "waiting"
    assert offered(told.activity("i1", active=False)) == [("i2.t1", "ann")]


def test_an_agent_on_a_break_gets_nothing_when_a_customer_falls_silent() -> None:
    told = story()
    told.set_state("ann", ready=False)

    assert every(told.activity("i1", active=False), AssignmentCapacityChanged) != []
    assert told.domain.tasks["i2.t1"].state == "waiting"
