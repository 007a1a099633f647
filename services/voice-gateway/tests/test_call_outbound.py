"""Callbacks and dialled tasks: the agent's phone rings first, then the customer's."""

import pytest
from contracts.commands import ConnectAssignment, EndTask
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.tasks import TaskAssigned, TaskRequeued, TaskUnassigned, WrapupStarted
from voice_gateway.domain.commands import Dial
from voice_gateway.domain.facts import DialAsked, Routed
from voice_gateway.domain.words import Number, Party
from voice_gateway.testing.call_world import CUSTOMER, TERMS, CallWorld, phone


def test_the_agent_answers_then_the_customer_and_they_talk() -> None:
    world = dialled()
    assert world.rings("ada")
    assert not world.rings(CUSTOMER)

    world.phones.answer("ada")
    world.settle()
    assert world.rings(CUSTOMER)
    assert world.of(ConnectAssignment) == []

    world.phones.answer(CUSTOMER)
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})
    assert [report.failure for report in world.of(ConnectAssignment)] == [None]
    assert [started.attributes for started in world.of(InteractionStarted)] == [{"direction": "outbound"}]


@pytest.mark.parametrize(
    ("manner", "cause"),
    [("busy", "busy"), ("declines", "declined"), ("unavailable", "unavailable"), ("rings", "no_answer")],
)
def test_a_customer_who_cannot_be_reached_ends_the_call_with_the_cause(manner: str, cause: str) -> None:
    world = dialled()
    world.phones.behave(CUSTOMER, manner)
    world.phones.answer("ada")
    world.settle()
    world.pass_time(46 if manner == "rings" else 0)

    assert [(ended.reason, ended.cause) for ended in world.of(InteractionEnded)] == [("never_answered", cause)]
    assert over(world)


def test_an_agent_who_does_not_answer_leaves_the_customer_undisturbed_and_the_interaction_open() -> None:
    world = dialled()
    world.phones.decline("ada")
    world.settle()
    assert [report.failure for report in world.of(ConnectAssignment)] == ["declined"]

    world.step(routed(TaskUnassigned, reason="connect_failed", queued_at_ms=1, unassigned_at_ms=1, handled_ms=0))
    world.settle()

    assert [
        command for command in world.done if isinstance(command, Dial) and command.to == Number(number=CUSTOMER)
    ] == []
    assert world.of(InteractionEnded) == []
    assert over(world)


def test_an_agent_who_hangs_up_while_the_customer_rings_stops_the_ringing() -> None:
    world = dialled()
    world.phones.answer("ada")
    world.settle()

    world.phones.hang_up("ada")
    world.settle()

    assert [ended.agent_id for ended in world.of(EndTask)] == ["ada"]
    world.step(
        routed(WrapupStarted, reason="agent_ended", then="close", seen_number=None, started_at_ms=1, ends_at_ms=2)
    )
    world.settle()
    assert not world.rings(CUSTOMER)
    assert [ended.reason for ended in world.of(InteractionEnded)] == ["agent_closed"]
    assert over(world)


def test_an_agent_who_is_lost_while_the_customer_rings_stops_the_ringing_and_another_call_will_be_made() -> None:
    world = dialled()
    world.phones.answer("ada")
    world.settle()

    world.step(routed(TaskRequeued, reason="agent_lost", queued_at_ms=1, requeued_at_ms=1))
    world.settle()

    assert not world.rings(CUSTOMER)
    assert world.of(InteractionEnded) == []
    assert over(world)


def dialled() -> CallWorld:
    """An agent has accepted a callback."""
    world = CallWorld()
    world.phones.behave(CUSTOMER, "rings")
    assigned = routed(
        TaskAssigned, channel="voice", offer_id="o", assigned_at_ms=1, waited_ms=0, kind="callback", sequence="1"
    )
    world.step(
        DialAsked(
            data=assigned.data,
            sequence="1",
            phone=phone("ada"),
            customer=Party(number=CUSTOMER),
            terms=TERMS,
        )
    )
    world.settle()
    return world


def routed(data: type, sequence: str = "2", **told: object) -> Routed:
    """An event about the agent's assignment."""
    about = {"task_id": "t1", "interaction_id": "i1", "domain": "d", "queue": "sales", "assignment_id": "a1"}
    return Routed(data=data(**about, agent_id="ada", **told), sequence=sequence)


def over(world: CallWorld) -> bool:
    """The call is over, and the node has nothing left of it."""
    return world.call is not None and world.call.over and world.legs() == ([], [])
