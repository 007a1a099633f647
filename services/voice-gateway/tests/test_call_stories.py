"""A call from the first ring to the last, and the races on its way: each ends in one right state."""

from dataclasses import replace

import pytest
from contracts.calls import CallMeasured, LegEnded
from contracts.commands import ConnectAssignment, EndTask
from contracts.interactions import InteractionEnded
from voice_gateway.domain import events
from voice_gateway.domain.call import UnknownFormError, call_from_json, call_to_json
from voice_gateway.domain.commands import Dial, HangUp, Join, KeepAlive
from voice_gateway.domain.facts import NodeTold
from voice_gateway.domain.flow_plan import FlowPlan
from voice_gateway.testing.call_world import CUSTOMER, TERMS, CallWorld, phone, talking, waiting


def test_a_caller_hears_music_then_the_agent_and_the_call_ends_once() -> None:
    world = waiting()
    assert world.hears(CUSTOMER) == ({"music"},)
    world.accepted("ada", answers=False)
    assert world.rings("ada")
    assert world.hears(CUSTOMER) == ({"music"},)
    world.phones.answer("ada")
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})

    world.phones.hang_up(CUSTOMER)
    world.settle()

    assert over(world)
    assert world.names() == [
        "call.leg_started",
        "call.leg_answered",
        "interaction.started",
        "call.leg_started",
        "call.leg_ringing",
        "call.leg_answered",
        "assignment.connect",
        "call.leg_ended",
        "interaction.ended",
        "call.leg_ended",
        "call.measured",
    ]


def test_an_agent_who_hangs_up_ends_the_task_and_the_router_the_call() -> None:
    world = talking()

    world.phones.hang_up("ada")
    world.settle()

    assert [ended.agent_id for ended in world.of(EndTask)] == ["ada"]
    assert [ended.reason for ended in world.of(InteractionEnded)] == ["agent_closed"]
    assert over(world)


def test_a_caller_who_hangs_up_while_the_offer_is_accepted_makes_no_phone_ring() -> None:
    world = waiting()
    world.router.accept("ada")
    world.phones.hang_up(CUSTOMER)
    world.read_node()
    world.settle()

    assert not world.rings("ada")
    assert [ended.reason for ended in world.of(InteractionEnded)] == ["customer_left"]
    assert world.of(ConnectAssignment) == []
    assert over(world)


def test_a_caller_who_hangs_up_while_the_phone_rings_stops_the_ringing() -> None:
    world = waiting()
    world.accepted("ada", answers=False)

    world.phones.hang_up(CUSTOMER)
    world.settle()

    assert not world.rings("ada")
    assert [(leg.party, leg.cause) for leg in world.of(LegEnded)] == [("customer", "hung_up"), ("agent", "cancelled")]
    assert world.of(ConnectAssignment) == []
    assert over(world)


def test_an_agent_who_answers_in_the_instant_in_which_the_caller_goes_is_let_go() -> None:
    world = waiting()
    world.accepted("ada", answers=False)
    world.phones.hang_up(CUSTOMER)
    world.phones.answer("ada")
    world.settle()

    assert world.hears("ada") == (set(),)
    assert world.of(ConnectAssignment) == []
    assert over(world)


@pytest.mark.parametrize(
    ("manner", "failure"),
    [("busy", "busy"), ("declines", "declined"), ("unavailable", "unavailable"), ("rings", "no_answer")],
)
def test_a_phone_that_is_not_answered_gives_the_call_back_and_another_agent_has_it(manner: str, failure: str) -> None:
    world = waiting()
    world.phones.behave("ada", manner)
    world.accepted("ada", answers=False)
    world.pass_time(21 if manner == "rings" else 0)

    assert [report.failure for report in world.of(ConnectAssignment)] == [failure]
    assert world.hears(CUSTOMER) == ({"music"},)

    world.accepted("eve")
    assert world.hears(CUSTOMER, "eve") == ({"eve"}, {CUSTOMER})


def test_an_agent_without_a_phone_gives_the_call_back() -> None:
    world = waiting()
    world.router.accept("ada")
    assigned = world.routed.popleft()
    world.step(type(assigned)(data=assigned.data, sequence=assigned.sequence, phone=None))
    world.settle()

    assert [report.failure for report in world.of(ConnectAssignment)] == ["phone_unknown"]


def test_a_phone_rings_for_as_long_as_its_agent_has_it_ring() -> None:
    world = waiting()
    world.router.accept("ada")
    assigned = world.routed.popleft()
    world.step(replace(assigned, phone=replace(phone("ada"), ring_seconds=5)))
    dialled = [each.ring_seconds for each in world.to_do if isinstance(each, Dial)]
    world.clock.step(10_001)
    world.ring_timers()

    assert dialled == [5]
    assert [report.failure for report in world.of(ConnectAssignment)] == ["no_answer"]


def test_a_node_that_never_says_that_a_phone_was_not_answered_is_not_waited_for() -> None:
    world = waiting()
    world.accepted("ada", answers=False)
    ringing = world.call.legs[-1].leg_id if world.call else ""
    world.clock.step(25_001)
    world.ring_timers()

    assert [report.failure for report in world.of(ConnectAssignment)] == ["no_answer"]
    assert HangUp(leg_id=ringing) in world.to_do


def test_an_assignment_that_ends_before_the_agent_answers_stops_the_ringing() -> None:
    world = waiting()
    world.accepted("ada", answers=False)

    world.router.lose("ada")
    world.settle()

    assert not world.rings("ada")
    assert world.hears(CUSTOMER) == ({"music"},)
    world.accepted("eve")
    assert world.hears(CUSTOMER, "eve") == ({"eve"}, {CUSTOMER})


def test_an_agent_who_is_lost_in_a_talk_leaves_the_customer_waiting() -> None:
    world = talking()

    world.router.lose("ada")
    world.settle()

    assert world.hears(CUSTOMER, "ada") == ({"music"}, set())


def test_a_callback_that_is_accepted_while_the_customer_is_still_told_of_it_is_a_talk() -> None:
    world = waiting(replace(TERMS, flow=FlowPlan()))
    world.router.call_back()
    world.settle()
    assert "music" not in world.phones.hears(CUSTOMER)

    world.accepted("ada")

    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})
    world.phones.hang_up(CUSTOMER)
    world.settle()
    assert [(ended.reason, ended.cause) for ended in world.of(InteractionEnded)] == [("customer_left", None)]


def test_who_is_told_of_a_callback_stays_on_the_line_while_an_agents_phone_rings_for_it() -> None:
    world = waiting(replace(TERMS, flow=FlowPlan()))
    world.router.call_back()
    world.settle()
    world.accepted("ada", answers=False)
    world.pass_time(15)
    assert world.hears(CUSTOMER) == ({"music"},)

    world.phones.decline("ada")
    world.settle()
    world.accepted("eve")
    assert world.hears(CUSTOMER, "eve") == ({"eve"}, {CUSTOMER})


def test_a_callback_that_is_accepted_before_its_call_is_over_waits_again() -> None:
    world = waiting()
    world.router.call_back()
    world.read_router()
    world.router.accept("ada")
    world.read_router()
    world.settle()

    assert [report.failure for report in world.of(ConnectAssignment)] == ["call_not_over"]
    assert over(world)


def test_two_ends_of_one_leg_are_one() -> None:
    world = talking()
    leg_id = world.call.customer_leg_id if world.call else ""
    for cause in ("hung_up", "lost"):
        world.step(NodeTold(event=events.LegEnded(leg_id=leg_id, cause=cause, at_ms=world.clock.now_ms())))

    assert [(leg.leg_id, leg.cause) for leg in world.of(LegEnded)] == [(leg_id, "hung_up")]
    assert len(world.of(InteractionEnded)) == 1


def test_an_answer_that_comes_after_the_end_is_none() -> None:
    world = waiting()
    world.accepted("ada", answers=False)
    leg_id = world.call.legs[-1].leg_id if world.call else ""
    now_ms = world.clock.now_ms()
    world.step(NodeTold(event=events.LegEnded(leg_id=leg_id, cause="busy", at_ms=now_ms)))
    world.step(NodeTold(event=events.LegAnswered(leg_id=leg_id, at_ms=now_ms)))

    assert [report.failure for report in world.of(ConnectAssignment)] == ["busy"]


def test_live_legs_are_told_to_live_on_and_end_by_themselves_when_nobody_does() -> None:
    world = talking()
    world.pass_time(61)
    assert len([each for each in world.done if isinstance(each, KeepAlive) and len(each.leg_ids) == 2]) >= 2
    world.pass_time(300)
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})

    world.lose_node()
    world.clock.step(121_000)
    world.recover_node()
    world.settle()
    assert {leg.cause for leg in world.of(LegEnded)} == {"lost"}
    assert over(world)


def test_what_a_call_was_like_is_told_once() -> None:
    world = waiting()
    world.pass_time(10)
    world.accepted("ada")
    world.pass_time(20)
    world.router.hold("ada", held=True)
    world.settle()
    world.pass_time(5)
    world.phones.hang_up(CUSTOMER)
    world.settle()

    [measured] = world.of(CallMeasured)
    spent = measured.wait_ms, measured.talk_ms, measured.hold_ms, measured.duration_ms
    assert spent == (10_000, 20_000, 5_000, 35_000)


def over(world: CallWorld) -> bool:
    """The call is over, and the node has nothing left of it."""
    return world.call is not None and world.call.over and world.legs() == ([], [])


def test_a_leg_that_the_node_puts_nowhere_is_tried_again_and_then_ended() -> None:
    world = talking()
    joins = [each for each in world.done if isinstance(each, Join)]
    agent = joins[-1] if joins[-1].leg_id != joins[0].leg_id else joins[-2]
    for _ in range(3):
        refused = events.CommandRefused(command=agent, reason="no", at_ms=world.clock.now_ms())
        world.step(NodeTold(event=refused))

    given = [each for each in world.to_do if getattr(each, "leg_id", None) == agent.leg_id]
    assert given == [agent, agent, HangUp(leg_id=agent.leg_id)]


def test_a_talk_goes_on_while_nobody_listens_and_what_was_decided_meanwhile_is_done_then() -> None:
    world = talking()
    world.lose_node()
    world.router.hold("ada", held=True)
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})

    assert world.call is not None
    world.call = call_from_json(call_to_json(world.call))
    world.recover_node()
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"music"}, set())


def test_an_agent_whose_leg_went_while_nobody_listened_is_rung_again() -> None:
    world = talking()
    world.lose_node()
    world.phones.hang_up("ada")
    world.recover_node()
    world.settle()

    assert world.rings("ada")
    assert world.hears(CUSTOMER) == ({"music"},)


def test_a_node_that_lost_everything_closes_the_call_with_the_cause_and_rings_nobody() -> None:
    world = talking()
    world.lose_node()
    world.phones.hang_up(CUSTOMER)
    world.phones.hang_up("ada")
    world.recover_node()
    world.settle()

    assert [(ended.reason, ended.cause) for ended in world.of(InteractionEnded)] == [("customer_left", "lost")]
    assert len([each for each in world.done if isinstance(each, Dial)]) == 1
    assert over(world)


def test_a_call_of_a_newer_form_is_not_misread() -> None:
    with pytest.raises(UnknownFormError):
        call_from_json(b"[2,{}]")
