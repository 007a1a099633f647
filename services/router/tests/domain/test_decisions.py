"""Each attempt to find somebody for a task leaves one decision: its offer's, or a record of why nobody was found."""

from contracts.configuration import Domain
from contracts.offers import DecisionRecorded, OfferIssued
from contracts.routing_parts import ClientShare, Step
from router.testing.parts import DOMAIN, Later, Part, address, agent, plan, queue
from router.testing.story import Story


def centre(*parts: Part | Later, **domain: object) -> Story:
    told = Story()
    told.configure(Domain.model_validate({"id": DOMAIN, **domain}), queue("help"), address("help"), *parts)
    return told


def decisions(happened: list[object]) -> list[tuple[int, dict[str, int]]]:
    """Eligible agents, and why the others were not, of each attempt."""
    found = [data.decision for data in happened if isinstance(data, DecisionRecorded | OfferIssued)]
    return [(decision.eligible, dict(decision.excluded)) for decision in found]


def test_a_contact_that_nobody_can_take_leaves_a_record() -> None:
    assert decisions(centre(agent("ann")).start("i1")) == [(0, {"not_ready": 1})]


def test_each_step_of_a_plan_leaves_one() -> None:
    told = centre(plan("patient", Step(after_seconds=30, requirements=[])), queue("help", "es", plan="patient"))
    told.configure(agent("ann"))
    told.start("i1")

    assert decisions(told.wait(30)) == [(0, {"not_ready": 1})]


def test_a_step_for_named_agents_says_who_was_not_named() -> None:
    steps = plan("mine", Step(after_seconds=0, agents=["ann"]))
    told = centre(steps, queue("help", plan="mine"), agent("ann", capacity=1), agent("bob"))
    told.on_duty("ann", "bob")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")

    assert decisions(told.start("i2")) == [(0, {"at_capacity": 1, "not_named": 1})]


def test_a_refusal_that_lapses_while_nobody_is_free_leaves_one() -> None:
    told = centre(agent("ann"), refused_backoff_seconds=60)
    told.on_duty("ann")
    told.start("i1")
    told.reject("ann", "i1.t1.o1")
    told.set_state("ann", ready=False)

    assert decisions(told.wait(61)) == [(0, {"not_ready": 1})]


def test_a_refusal_that_lapses_while_the_task_is_offered_is_no_attempt() -> None:
    told = centre(agent("ann"), agent("bob"), refused_backoff_seconds=5)
    told.on_duty("ann", "bob")
    told.start("i1")
    told.reject("ann", "i1.t1.o1")

    assert decisions(told.wait(6)) == []


def test_a_closed_gate_and_its_opening_leave_one_each() -> None:
    told = centre(agent("ann", capacity=2), client_shares=[ClientShare(client="shop", units_max=1).model_dump()])
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")

    assert decisions(told.start("i2")) == [(0, {"gate_closed": 1})]
    assert decisions(told.complete("ann", "i1.t1.o1.a")) == [(1, {})]


def test_an_agent_who_finds_nothing_is_no_attempt() -> None:
    told = centre(queue("help", "es"), agent("ann"), agent("bob", "es"))
    told.start("i1")

    assert decisions(told.on_duty("ann")) == []
