"""Routing's later events: sound histories with them have no fault, and each damaged one is named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any  # Any: tests set fields of events by name

import pytest
from centralino.proof.checker import find_faults
from centralino.proof.testing import DOMAIN, Run, accepted, ann, completed, offered, present, queued, ready, sound_run
from contracts.agents import AgentBackedOff, AgentStateChanged, AgentStatePending
from contracts.assignments import (
    AssignmentCapacityChanged,
    AssignmentHeld,
    AssignmentRetrieved,
    AssignmentRoleChanged,
    TransferChanged,
    TransferState,
)
from contracts.offers import OfferIssued, OfferWithdrawn
from contracts.tasks import (
    Origin,
    Requirement,
    TaskDeferred,
    TaskQueued,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    TaskUnassigned,
    Terms,
    WrapupStarted,
)

OF_TASK: dict[str, Any] = {"task_id": "i1.t1", "interaction_id": "i1", "domain": DOMAIN}
OF_ASSIGNMENT: dict[str, Any] = OF_TASK | {"assignment_id": "i1.t1.o1.a", "agent_id": "ann"}
QUEUED, OFFERED, ACCEPTED, COMPLETED = 3, 4, 5, 7
"""Where these stand in the sound run."""


@pytest.fixture
def run() -> Run:
    return sound_run()


def faults_of(run: Run, *, finished: bool = True) -> list[str]:
    return [str(fault) for fault in find_faults(run.history(), finished=finished)]


def rerouted(*, terms: Terms | None = None, queue: str = "help", from_queue: str = "help") -> TaskRerouted:
    return TaskRerouted(
        **OF_TASK,
        queue=queue,
        from_queue=from_queue,
        reason="relaxed",
        priority=5,
        requirements=(Requirement(skill="billing", minimum=2),),
        terms=terms or Terms(),
        rerouted_at_ms=0,
        entered_at_ms=0,
    )


def deferred() -> TaskDeferred:
    return TaskDeferred(**OF_TASK, queue="help", reason="parked", until_ms=None, deferred_at_ms=0)


def resumed() -> TaskResumed:
    return TaskResumed(**OF_TASK, queue="help", reason="due", resumed_at_ms=0)


def withdrawn(offer: OfferIssued, reason: str = "answered_by_another") -> OfferWithdrawn:
    return OfferWithdrawn(
        offer_id=offer.offer_id,
        task_id=offer.task_id,
        domain=DOMAIN,
        agent_id=offer.agent_id,
        reason=reason,
        withdrawn_at_ms=0,
    )


def unassigned() -> TaskUnassigned:
    return TaskUnassigned(
        **OF_ASSIGNMENT, queue="help", reason="parked", queued_at_ms=0, unassigned_at_ms=0, handled_ms=0
    )


def transferred_out(**more: Any) -> TaskTransferredOut:
    told: dict[str, Any] = {"to": "handed_over", "reason": "transferred", "transferred_at_ms": 0, "waited_ms": 0}
    return TaskTransferredOut(**OF_TASK, queue="help", **(told | more))


def held() -> AssignmentHeld:
    return AssignmentHeld(**OF_ASSIGNMENT, held_at_ms=0)


def retrieved() -> AssignmentRetrieved:
    return AssignmentRetrieved(**OF_ASSIGNMENT, held_ms=0, retrieved_at_ms=0)


def counted(*, counts: bool) -> AssignmentCapacityChanged:
    return AssignmentCapacityChanged(**OF_ASSIGNMENT, counted=counts, changed_at_ms=0)


def pending(state: str | None = "not_ready") -> AgentStatePending:
    told: Any = state
    return AgentStatePending(agent_id="ann", domain=DOMAIN, state=told, reason_code=None, asked_at_ms=0)


def backed_off(until_ms: int) -> AgentBackedOff:
    return AgentBackedOff(agent_id="ann", domain=DOMAIN, cause="rejected", until_ms=until_ms, backed_off_at_ms=0)


def transfer_task() -> TaskQueued:
    origin = Origin(
        kind="consult",
        from_task_id="i1.t1",
        from_assignment_id="i1.t1.o1.a",
        from_agent_id="ann",
        requested_by="ann",
    )
    return replace(queued("i1.t2"), transfer=origin)


def transfer(state: TransferState, **more: Any) -> TransferChanged:
    told: dict[str, Any] = {
        "transfer_id": "i1.t2",
        "interaction_id": "i1",
        "domain": DOMAIN,
        "kind": "consult",
        "state": state,
        "from_task_id": "i1.t1",
        "from_assignment_id": "i1.t1.o1.a",
        "from_agent_id": "ann",
        "to_agent_id": None,
        "reason": None,
        "changed_at_ms": 0,
    }
    return TransferChanged(**(told | more))


def handing_over() -> WrapupStarted:
    return WrapupStarted(
        **OF_ASSIGNMENT,
        queue="help",
        reason="agent_ended",
        then="keep_open",
        seen_number=None,
        started_at_ms=0,
        ends_at_ms=0,
        handed_over_to="i1.t2",
    )


def role(name: Any) -> AssignmentRoleChanged:
    return AssignmentRoleChanged(**OF_ASSIGNMENT, role=name, changed_at_ms=0)


def second(run: Run, **more: Any) -> TaskQueued:
    """A task of another interaction."""
    run.started.append("i2")
    run.crm_tasks["i2.t1"] = "waiting"
    return replace(queued("i2.t1"), **more)


def with_bob(run: Run, *, capacity: int = 1, **settings: Any) -> None:
    """Bob can do what ann can, and is at work."""
    run.agents["bob"] = ann() | {"id": "bob", "name": "Bob", "capacity": capacity} | settings
    run.routing[QUEUED:QUEUED] = [present("bob"), ready("bob")]


# Sound


def _relaxed_and_parked_before_it_is_offered(run: Run) -> None:
    run.routing[OFFERED:OFFERED] = [rerouted(terms=Terms(step=1)), deferred(), resumed()]


def _offered_to_two_and_taken_by_one(run: Run) -> None:
    run.queue = {"parallel_offers": 2}
    to_bob = offered("bob", number=2)
    with_bob(run)
    taken = accepted()
    run.routing[7:9] = [to_bob, taken[0], withdrawn(to_bob), taken[1]]


def _refused_by_one_of_two(run: Run) -> None:
    _offered_to_two_and_taken_by_one(run)
    del run.routing[9]
    run.routing.insert(8, withdrawn(offered("bob", number=2), "rerouted"))


def _interrupted_by_another(run: Run) -> None:
    run.domain = {"interruptible": ["email"]}
    mail = second(run, channel="email")
    run.routing[QUEUED:QUEUED] = [mail, offered(task_id="i2.t1"), *accepted(task_id="i2.t1")]
    run.crm_tasks["i2.t1"] = "assigned"


def _silent_customer_counts_not(run: Run) -> None:
    run.routing[COMPLETED:COMPLETED] = [counted(counts=False), second(run), offered(task_id="i2.t1")]
    run.routing.insert(COMPLETED + 3, counted(counts=True))


def _held_and_retrieved(run: Run) -> None:
    run.routing[COMPLETED:COMPLETED] = [held(), retrieved()]


def _pending_and_taken_back(run: Run) -> None:
    run.routing[QUEUED:QUEUED] = [pending(), pending(None), backed_off(0)]


def _parked_by_the_agent(run: Run) -> None:
    run.routing[COMPLETED:] = [unassigned(), deferred()]
    run.crm_tasks["i1.t1"] = "waiting"


def _given_up(run: Run) -> None:
    run.routing[OFFERED:] = [transferred_out(to="message", reason="closed")]
    run.crm_tasks["i1.t1"] = "transferred-out"
    run.messages.clear()
    for kept in (run.gateway, run.crm, run.accepted, run.requests):
        kept.clear()


def _warm_transfer(run: Run) -> None:
    with_bob(run)
    run.routing[-1:] = [
        transfer("requested"),
        transfer_task(),
        offered("bob", task_id="i1.t2"),
        *accepted("bob", task_id="i1.t2"),
        transfer("consulting", to_agent_id="bob"),
        role("owner"),
        handing_over(),
        transfer("completed", to_agent_id="bob"),
        transferred_out(assignment_id="i1.t1.o1.a", agent_id="ann", to_task_id="i1.t2"),
    ]
    run.crm_tasks |= {"i1.t1": "transferred-out", "i1.t2": "assigned"}
    run.requests = [asked for asked in run.requests if asked.kind != "complete"]


SOUND = (
    _relaxed_and_parked_before_it_is_offered,
    _offered_to_two_and_taken_by_one,
    _refused_by_one_of_two,
    _interrupted_by_another,
    _silent_customer_counts_not,
    _held_and_retrieved,
    _pending_and_taken_back,
    _parked_by_the_agent,
    _given_up,
    _warm_transfer,
)


@pytest.mark.parametrize("story", SOUND)
def test_a_sound_history_has_no_fault(run: Run, story: Callable[[Run], None]) -> None:
    run.requests = [asked for asked in run.requests if asked.kind != "complete"]
    story(run)

    assert faults_of(run, finished=False) == []


# Damaged


def _on_terms(**terms: Any) -> Callable[[Run], None]:
    def damage(run: Run) -> None:
        run.routing.insert(OFFERED, rerouted(terms=Terms(**terms)))

    return damage


def _asks_for_more_after_a_step(run: Run) -> None:
    more = (Requirement(skill="billing", minimum=4),)
    run.routing.insert(OFFERED, replace(rerouted(), requirements=more))


def _queued_for_a_team(run: Run) -> None:
    run.routing[QUEUED] = replace(queued(), terms=Terms(teams=("a",)))


def _too_good(run: Run) -> None:
    run.routing[QUEUED] = replace(queued(), requirements=(Requirement(skill="billing", maximum=2),))


def _agent_with(**settings: Any) -> Callable[[Run], None]:
    def damage(run: Run) -> None:
        run.agents["ann"] = ann() | settings

    return damage


def _outbound(run: Run) -> None:
    run.agents["ann"] = ann() | {"directions": ["inbound"]}
    run.routing[QUEUED] = replace(queued(), direction="outbound")


def _pending(run: Run) -> None:
    run.routing.insert(QUEUED, pending())


def _backed_off(run: Run) -> None:
    run.routing.insert(QUEUED, backed_off(700))


def _deferred(run: Run) -> None:
    run.routing.insert(OFFERED, deferred())


def _queued_to_wait_and_offered(run: Run) -> None:
    run.routing[QUEUED] = replace(queued(), deferred_for="closed")


def _resumed_and_was_not_deferred(run: Run) -> None:
    run.routing.insert(OFFERED, resumed())


def _deferred_while_assigned(run: Run) -> None:
    run.routing.insert(COMPLETED, deferred())


def _rerouted_after_it_was_assigned(run: Run) -> None:
    run.routing.insert(COMPLETED, rerouted())


def _three_offers_where_two_are_allowed(run: Run) -> None:
    run.queue = {"parallel_offers": 2}
    with_bob(run)
    run.agents["cid"] = run.agents["bob"] | {"id": "cid"}
    run.routing[QUEUED:QUEUED] = [present("cid"), ready("cid")]
    run.routing[9:9] = [offered("bob", number=2), offered("cid", number=3)]


def _two_offers_in_a_queue_that_allows_one_now(run: Run) -> None:
    """The other queue, of which nothing is known, offers to one at a time."""
    _offered_to_two_and_taken_by_one(run)
    run.routing.insert(6, rerouted(queue="other"))


def _twice_to_the_same_agent(run: Run) -> None:
    run.queue = {"parallel_offers": 2}
    run.agents["ann"] = ann() | {"capacity": 9}
    run.routing.insert(ACCEPTED, offered(number=2))


def _assigned_while_another_has_it_offered(run: Run) -> None:
    _offered_to_two_and_taken_by_one(run)
    del run.routing[9]


def _withdrawn_after_it_was_accepted_by_the_same(run: Run) -> None:
    run.routing.insert(ACCEPTED + 1, withdrawn(offered()))


def _not_interruptible(run: Run) -> None:
    _interrupted_by_another(run)
    run.domain = {}


def _two_interruptible_ones_stand_in_each_others_way(run: Run) -> None:
    _interrupted_by_another(run)
    run.routing[7] = replace(queued(), channel="email")


def _too_many_by_one_channel(run: Run) -> None:
    run.agents["ann"] = ann() | {"capacity": 9, "channels": {"webchat": 1}}
    run.routing[QUEUED:QUEUED] = [second(run), offered(task_id="i2.t1")]


def _counts_again(run: Run) -> None:
    run.routing[COMPLETED:COMPLETED] = [
        counted(counts=False),
        counted(counts=True),
        second(run),
        offered(task_id="i2.t1"),
    ]


def _held_twice(run: Run) -> None:
    run.routing[COMPLETED:COMPLETED] = [held(), held()]


def _retrieved_from_no_hold(run: Run) -> None:
    run.routing.insert(COMPLETED, retrieved())


def _held_by_somebody_else(run: Run) -> None:
    run.routing.insert(COMPLETED, replace(held(), assignment_id="i1.t1.o9.a"))


def _role_of_no_assignment(run: Run) -> None:
    run.routing.insert(COMPLETED + 1, role("owner"))


def _unassigned_from_nobody(run: Run) -> None:
    run.routing.insert(OFFERED, unassigned())


def _left_while_offered(run: Run) -> None:
    run.routing.insert(ACCEPTED, transferred_out())


def _left_twice(run: Run) -> None:
    _given_up(run)
    run.routing.append(transferred_out())


def _left_and_its_owner_stays(run: Run) -> None:
    run.routing[-1] = transferred_out()


def _left_by_another_assignment(run: Run) -> None:
    run.routing[-1] = transferred_out(assignment_id="i1.t1.o9.a", agent_id="ann")


def _completed_after_it_left(run: Run) -> None:
    _warm_transfer(run)
    run.routing.append(completed())


def _transfer_of_nothing(run: Run) -> None:
    run.routing.insert(QUEUED, transfer_task())


def _transfer_from_nobody(run: Run) -> None:
    run.routing.append(transfer_task())


def _transfer_that_goes_back(run: Run) -> None:
    _warm_transfer(run)
    run.routing.append(transfer("consulting"))


def _transfer_that_made_no_task(run: Run) -> None:
    run.routing[COMPLETED:COMPLETED] = [transfer("requested"), transfer("cancelled")]


def _cold_transfer_that_consults(run: Run) -> None:
    run.routing[COMPLETED:COMPLETED] = [transfer("requested", kind="cold"), transfer("consulting", kind="cold")]


def _transfer_told_otherwise(run: Run) -> None:
    run.routing[COMPLETED:COMPLETED] = [transfer_task(), transfer("requested", from_agent_id="zoe")]


def _second_task_without_a_transfer(run: Run) -> None:
    _warm_transfer(run)
    run.routing[-1:] = [queued("i1.t3")]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (_on_terms(any_of=((Requirement(skill="es"),),)), "S5 at * i1.t1.o1 needs one of es 1, ann has none"),
        (_on_terms(none_of=(Requirement(skill="billing"),)), "S5 at * i1.t1.o1 rules out billing 1, ann has 3"),
        (_on_terms(teams=("a", "b")), "S5 at * i1.t1.o1 is for team a or b, ann is of None"),
        (_on_terms(agents=("zoe",)), "S5 at * i1.t1.o1 is for zoe alone and goes to ann"),
        (_asks_for_more_after_a_step, "S5 at * i1.t1.o1 needs billing 4, ann has 3"),
        (_queued_for_a_team, "S5 at * i1.t1.o1 is for team a, ann is of None"),
        (_too_good, "S5 at * i1.t1.o1 needs billing 1 to 2, ann has 3"),
        (_agent_with(clients=["bank"]), "S5 at * i1.t1.o1 is for client shop, whom ann does not serve"),
        (_agent_with(channels={"email": 1}), "S5 at * i1.t1.o1 comes by webchat, which ann does not serve"),
        (_outbound, "S5 at * i1.t1.o1 is outbound, which ann does not do"),
        (_pending, "S5 at * i1.t1.o1 goes to ann, who has asked to be not_ready"),
        (_backed_off, "S5 at * i1.t1.o1 goes to ann, who gets no offer for another 700 ms"),
        (_deferred, "S2 at * i1.t1.o1 offers i1.t1, deferred for parked"),
        (_queued_to_wait_and_offered, "S2 at * i1.t1.o1 offers i1.t1, deferred for closed"),
        (_resumed_and_was_not_deferred, "S2 at * i1.t1 was resumed and was not deferred"),
        (_deferred_while_assigned, "S2 at * TaskDeferred changes i1.t1, which is assigned"),
        (_rerouted_after_it_was_assigned, "S2 at * TaskRerouted changes i1.t1, which is assigned"),
        (_three_offers_where_two_are_allowed, "S3 at * i1.t1 has 3 offers with i1.t1.o3, its queue allows 2"),
        (_two_offers_in_a_queue_that_allows_one_now, "S3 at * i1.t1 has 2 offers with i1.t1.o2, its queue allows 1"),
        (_twice_to_the_same_agent, "S3 at * i1.t1.o2 goes to ann, who has i1.t1 offered already"),
        (_assigned_while_another_has_it_offered, "S3 at * i1.t1 was assigned while i1.t1.o2 was live"),
        (_withdrawn_after_it_was_accepted_by_the_same, "S3 at * i1.t1 was assigned by i1.t1.o1, which nobody accepted"),
        (_not_interruptible, "S4 at * ann holds 2 of 1 units with i1.t1.o1"),
        (_two_interruptible_ones_stand_in_each_others_way, "S4 at * ann holds 2 of 1 units with i1.t1.o1"),
        (_too_many_by_one_channel, "S4 at * ann has 2 of 1 by webchat with i1.t1.o1"),
        (_counts_again, "S4 at * ann holds 2 of 1 units with i2.t1.o1"),
        (_held_twice, "S2 at * AssignmentHeld of i1.t1.o1.a, which is on hold"),
        (_retrieved_from_no_hold, "S2 at * AssignmentRetrieved of i1.t1.o1.a, which is not on hold"),
        (_held_by_somebody_else, "S3 at * i1.t1 changed by i1.t1.o9.a; its owner is i1.t1.o1.a"),
        (_role_of_no_assignment, "S2 at * AssignmentRoleChanged changes i1.t1, which is completed"),
        (_unassigned_from_nobody, "S3 at * i1.t1 changed by i1.t1.o1.a; its owner is nobody"),
        (_left_while_offered, "S2 at * TaskTransferredOut makes i1.t1 transferred-out, which is offered"),
        (_left_twice, "S2 at * TaskTransferredOut makes i1.t1 transferred-out, which is transferred-out"),
        (_left_and_its_owner_stays, "S3 at * i1.t1 changed by None; its owner is i1.t1.o1.a"),
        (_left_by_another_assignment, "S3 at * i1.t1 changed by i1.t1.o9.a; its owner is i1.t1.o1.a"),
        (_completed_after_it_left, "S2 at * TaskCompleted makes i1.t1 completed, which is transferred-out"),
        (_transfer_of_nothing, "S1 at * i1.t2 is a transfer of no task of i1"),
        (_transfer_from_nobody, "S3 at * i1.t2 is a transfer from i1.t1.o1.a, which is nobody's"),
        (_transfer_that_goes_back, "S2 at * transfer i1.t2 becomes consulting, and was completed"),
        (_transfer_that_made_no_task, "S2 at * transfer i1.t2 became cancelled and made no task"),
        (_cold_transfer_that_consults, "S2 at * transfer i1.t2 is cold and becomes consulting"),
        (_transfer_told_otherwise, "S2 at * transfer i1.t2 is told of otherwise than its task: "),
        (_second_task_without_a_transfer, "S1 at * i1 is in i1.t2, which is assigned, and i1.t3"),
    ],
)
def test_each_damage_is_named(run: Run, damage: Callable[[Run], None], found: str) -> None:
    damage(run)
    begin, _, rest = found.partition(" * ")

    assert any(fault.startswith(begin) and rest in fault for fault in faults_of(run, finished=False))


def test_an_agent_whose_pending_state_took_effect_is_ready_again(run: Run) -> None:
    took_effect = replace(ready("ann"), state="not_ready")
    run.routing[QUEUED:QUEUED] = [pending(), took_effect, backed_off(700), ready("ann")]

    assert isinstance(took_effect, AgentStateChanged)
    assert faults_of(run) == []
