"""Tasks that come back into line: what was said of their queue meanwhile holds for them as for new ones."""

import pytest
from contracts.configuration import Domain
from contracts.queues import QueueOverridden
from contracts.routing_parts import Destination, Step
from contracts.tasks import TaskDeferred, TaskTransferredOut
from router.domain.sweeps import OVERRIDES_MAX
from router.testing.finding import every, only
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import Story

GONE = Destination(to="queue", queue="gone")


def held(**settings: object) -> Story:
    """Ann has the conversation `i1`, and bob is free."""
    told = Story(reruns=True)
    told.configure(
        Domain(id=DOMAIN),
        queue("chats", **settings),
        address("chats"),
        agent("ann"),
        agent("bob"),
    )
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.on_duty("bob")
    return told


def come_back(told: Story, how: str) -> list[object]:
    """The agent is gone, or the customer could not be connected to them, or they did nothing."""
    match how:
        case "lost":
            told.gone("ann")
            return told.wait(31)
        case "removed":
            return told.configure(removed="agent:ann") + told.wait(0)
        case "connect_failed":
            return told.connect("i1.t1.o1.a", failure="busy")
        case _:
            return told.wait(31)


HOW = ["lost", "removed", "connect_failed", "no_response"]


@pytest.mark.parametrize("how", HOW)
def test_who_comes_back_into_a_queue_that_was_closed_meanwhile_goes_where_it_says(how: str) -> None:
    told = held(first_response_seconds=30 if how == "no_response" else None)
    told.override("chats", closed=True, message="Fire.")
    told.wait(0)

    out = only(come_back(told, how), TaskTransferredOut)

    assert (out.to, out.reason, out.message) == ("message", "closed", "Fire.")


@pytest.mark.parametrize("how", HOW)
def test_who_comes_back_waits_for_the_opening_if_it_says_nothing_else(how: str) -> None:
    told = held(first_response_seconds=30 if how == "no_response" else None)
    told.override("chats", closed=True)
    told.wait(0)

    assert only(come_back(told, how), TaskDeferred).reason == "closed"
    told.override("chats")
    told.wait(0)
    assert told.domain.tasks["i1.t1"].state == "offered"


def test_a_transfer_that_a_supervisor_forced_into_a_closed_queue_goes_on_to_the_next_agent() -> None:
    told = held()
    told.configure(agent("cid"))
    told.on_duty("cid")
    told.override("chats", closed=True, message="Fire.")
    told.wait(0)
    told.transfer("ann", "i1.t1.o1.a", queue="chats", forced=True, by="sue")
    [transfer] = told.domain.transfers.values()
    assert transfer.offer is not None

    told.reject(transfer.offer.agent_id, transfer.offer.offer_id)

    assert transfer.state == "offered"


def test_who_finds_the_queue_full_when_their_facts_come_is_on_the_plan_that_came_meanwhile() -> None:
    told = Story(reruns=True)
    full = {"customer_facts_wait_ms": 5000, "waiting_max": 1, "full": GONE}
    told.configure(Domain(id=DOMAIN), queue("chats", **full), address("chats"), agent("ann"))
    told.start("i0")
    told.wait(6)
    told.start("i1")

    told.configure(queue("chats", plan="p", **full), plan("p", Step(after_seconds=5, priority_add=2)))
    told.wait(6)

    assert told.domain.tasks["i1.t1"].priority == 7


def test_who_stays_where_their_plan_would_give_them_up_is_looked_at_for_what_came_meanwhile() -> None:
    told = Story(reruns=True)
    told.configure(
        Domain(id=DOMAIN),
        queue("chats", plan="p"),
        address("chats"),
        agent("ann"),
        plan("p", Step(after_seconds=10, overflow=GONE)),
    )
    told.on_duty("ann")
    told.start("i1")
    told.override("chats", priority=9)
    told.wait(30)

    assert told.domain.queues["chats"].left_behind is None
    assert told.domain.tasks["i1.t1"].priority == 9


def emergency() -> tuple[Story, str]:
    """A domain with more queues than are closed in one step, and the last of them."""
    told = Story(reruns=True)
    names = [f"q{number:03}" for number in range(OVERRIDES_MAX + 10)]
    told.configure(Domain(id=DOMAIN), *map(queue, names), address(names[0]))
    return told, names[-1]


@pytest.mark.parametrize("later_ms", [0, 5])
@pytest.mark.parametrize("word", [{}, {"priority": 9}])
def test_what_is_said_of_a_queue_after_all_were_closed_stays(later_ms: int, word: dict[str, int]) -> None:
    told, last = emergency()
    told.override(closed=True)
    told.now_ms += later_ms
    told.override(last, **word)
    told.wait(0)

    assert [name for name, line in told.domain.queues.items() if not line.overridden_closed] == [last]


@pytest.mark.parametrize("later_ms", [0, 5])
@pytest.mark.parametrize("word", [{}, {"priority": 9}, {"closed": True}])
def test_what_was_said_of_a_queue_before_all_were_closed_does_not_stay(later_ms: int, word: dict[str, int]) -> None:
    told, last = emergency()
    told.override(last, **word)
    told.now_ms += later_ms
    told.override(closed=True, message="Fire.")
    told.wait(0)

    assert {line.override and line.override.message for line in told.domain.queues.values()} == {"Fire."}


def test_what_was_said_between_two_closings_of_all_queues_does_not_stay() -> None:
    told, last = emergency()
    told.override(closed=True)
    told.override(last)
    told.override(closed=True, message="Fire.")
    told.wait(0)

    assert {line.override and line.override.message for line in told.domain.queues.values()} == {"Fire."}


def test_an_override_that_runs_out_meanwhile_says_nothing() -> None:
    told, last = emergency()
    told.override(last, priority=9, for_seconds=1)
    told.now_ms += 1000
    told.override(closed=True)
    ended = every(told.wait(0), QueueOverridden)

    assert [data.queue for data in ended if data.by is None] == [last]
    assert all(line.overridden_closed for line in told.domain.queues.values())
