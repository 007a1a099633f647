"""Agents who have a contact and do nothing for it: it is taken back in time, and they are treated as if offline."""

from collections.abc import Callable
from typing import Literal

import pytest
from contracts.agents import AgentBackedOff, AgentStateChanged
from contracts.assignments import TransferChanged
from contracts.configuration import Domain
from contracts.tasks import TaskAssigned, TaskUnassigned, TransferKind
from router.domain.snapshot import dump, load
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story


def story(*, auto_accept: bool = True, **settings: object) -> Story:
    """Ann is on duty; who has a contact is to answer within 30 s."""
    told = Story(reruns=True)
    told.configure(
        Domain.model_validate({"id": DOMAIN} | settings),
        queue("chats", auto_accept=auto_accept, first_response_seconds=30),
        queue("plain", auto_accept=auto_accept),
        address("chats", "plain"),
        agent("ann", capacity=3),
        agent("bob", capacity=3),
    )
    told.on_duty("ann")
    return told


def test_pain_07_a_contact_of_an_agent_who_never_acts_goes_to_another_with_its_waiting_time() -> None:
    told = story()
    assigned = only(told.start("i1"), TaskAssigned)
    told.on_duty("bob")
    happened = told.wait(30)
    out, again = only(happened, TaskUnassigned), only(happened, TaskAssigned)

    assert assigned.respond_by_ms == assigned.assigned_at_ms + 30_000 == told.now_ms
    assert (out.agent_id, out.reason, out.handled_ms) == ("ann", "no_response", 30_000)
    assert (again.agent_id, again.waited_ms) == ("bob", 30_000)


def test_pain_04_an_agent_who_lets_contacts_lie_is_set_not_ready_and_what_they_hold_goes_on() -> None:
    told = story()
    for number in range(3):
        told.start(f"i{number}")
        told.wait(1)
    happened = told.wait(3 * 86_400)

    assert [(each.state, each.cause) for each in every(happened, AgentStateChanged)] == [
        ("not_ready", "unanswered_offers")
    ]
    assert len(every(happened, TaskUnassigned)) == 3
    assert told.domain.assignments == {}
    assert {task.state for task in told.domain.tasks.values()} == {"waiting"}


def test_accepting_is_no_answer_and_an_answer_begins_the_count_anew() -> None:
    told = story(auto_accept=False, agent_backoff={"expired_seconds": 5}, refused_backoff_seconds=5)
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    first = told.wait(30)
    assert only(first, AgentBackedOff).cause == "expired"
    told.wait(5)
    told.accept("ann", "i1.t1.o2")
    told.connect("i1.t1.o2.a")

    assert every(told.wait(3600), TaskUnassigned) == []
    assert told.domain.agents["ann"].unanswered == 0


ACTS: dict[str, Callable[[Story], object]] = {
    "answers": lambda told: told.connect("i1.t1.o1.a"),
    "holds": lambda told: told.hold("ann", "i1.t1.o1.a"),
    "asks": lambda told: told.transfer("ann", "i1.t1.o1.a", queue="plain", kind="consult", forced=True),
    "ends": lambda told: told.end_task("ann", "i1.t1.o1.a"),
    "parks": lambda told: told.park("ann", "i1.t1.o1.a"),
    "completes": lambda told: told.complete("ann", "i1.t1.o1.a"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_whatever_the_agent_does_for_the_contact_is_an_answer(act: Callable[[Story], object]) -> None:
    told = story(agent_backoff={"expired_seconds": 1})
    told.start("i0")
    told.wait(30)
    told.wait(1)
    assert told.domain.agents["ann"].unanswered == 1
    told.start("i1")
    told.wait(29)
    act(told)

    assert told.domain.agents["ann"].unanswered == 0
    assert [each.task_id for each in every(told.wait(29), TaskUnassigned)] == []


def test_a_customer_who_leaves_is_no_answer_of_the_agent() -> None:
    told = story(agent_backoff={"expired_seconds": 1})
    told.start("i0")
    told.wait(31)
    told.start("i1")
    told.end("i1")

    assert told.domain.agents["ann"].unanswered == 1
    assert every(told.wait(30), TaskUnassigned) == []


def test_only_contacts_of_queues_that_say_so_and_no_helpers_are_taken_back() -> None:
    told = story()
    told.request("r1", queue="chats")
    told.start("i1", queue="plain")
    told.start("i2")
    told.connect("i2.t1.o1.a")
    told.on_duty("bob")
    told.transfer("ann", "i2.t1.o1.a", to_agent_id="bob", kind="consult", forced=True)

    assert sorted(agent.agent_id for agent in told.domain.agents.values() if agent.tasks) == ["ann", "bob"]
    assert every(told.wait(3600), TaskUnassigned) == []


def test_who_was_asked_to_take_over_gets_the_contact_that_its_owner_let_lie() -> None:
    told = story(transfer_seconds=100)
    told.configure(queue("plain"))
    told.start("i1")
    told.on_duty("bob")
    told.transfer("ann", "i1.t1.o1.a", queue="plain", by="sue")
    happened = told.wait(30)

    assert every(happened, TaskUnassigned) == []
    assert [(each.state, each.reason) for each in every(happened, TransferChanged)] == [("completed", "no_response")]
    assert told.domain.interactions["i1"].task_id == "i1.t2"


@pytest.mark.parametrize("kind", ["cold", "consult"])
def test_a_supervisors_transfer_hides_nothing_that_its_owner_has_left_undone(kind: TransferKind) -> None:
    told = story(unanswered_offers_max=1)
    told.configure(queue("plain"))
    told.start("i1")
    told.on_duty("bob")
    told.transfer("ann", "i1.t1.o1.a", queue="plain", kind=kind, by="sue")
    told.wait(30)

    assert told.domain.agents["ann"].unanswered == 1
    assert told.domain.agents["ann"].state == "not_ready"


def test_another_who_takes_over_for_a_supervisor_is_no_answer_of_the_owner() -> None:
    told = story(agent_backoff={"expired_seconds": 1})
    told.start("i0")
    told.wait(31)
    told.start("i1")
    told.on_duty("bob")
    told.transfer("ann", "i1.t1.o1.a", to_agent_id="bob", by="sue")

    assert told.domain.tasks["i1.t1"].state == "wrapup"
    assert told.domain.agents["ann"].unanswered == 1


@pytest.mark.parametrize("move", ["complete", "conference"])
def test_an_owner_who_moves_a_supervisors_consult_on_has_answered(move: Literal["complete", "conference"]) -> None:
    told = story(agent_backoff={"expired_seconds": 1})
    told.start("i0")
    told.wait(31)
    told.start("i1")
    told.on_duty("bob")
    told.transfer("ann", "i1.t1.o1.a", to_agent_id="bob", kind="consult", by="sue")
    told.move("ann", "i1.t2", move)

    assert told.domain.agents["ann"].unanswered == 0
    assert [each.task_id for each in every(told.wait(30), TaskUnassigned)] == ["i0.t1"]  # which bob has


def test_the_time_limit_is_part_of_the_state_and_survives_a_snapshot() -> None:
    told = story()
    told.start("i1")
    told.state = load(dump(told.state))

    assert only(told.wait(30), TaskUnassigned).reason == "no_response"
    assert offered(told.on_duty("bob")) == [("i1.t1", "bob")]
