"""What is recorded, and what is not: by policy and consent, and never of agents among themselves."""

from collections import deque
from dataclasses import replace
from typing import Any

import pytest
from contracts.call_commands import PauseRecording
from contracts.calls import CallCommandRefused, CallMeasured, KeysPressed, RecordingChanged
from contracts.commands import RequestTask
from contracts.interactions import InteractionEnded
from voice_gateway.domain import commands, events
from voice_gateway.domain.call import RecordingPolicy
from voice_gateway.domain.driver import Capabilities
from voice_gateway.domain.facts import NodeTold, Reconciled
from voice_gateway.domain.flow_plan import CallbackOffer, FlowPlan, Survey, SurveyQuestion, Voicemail
from voice_gateway.drivers.tones import tone_of
from voice_gateway.testing.call_world import CUSTOMER, TERMS, CallWorld, consulting, talking, waiting
from voice_gateway.testing.tones import seconds_of

RECORDED = replace(TERMS, recording=(RecordingPolicy(),))
NAMES = (CUSTOMER, "ada", "eve")


def test_a_talk_is_recorded_from_begin_to_end() -> None:
    world = talking(RECORDED)
    world.pass_time(10)
    end(world)

    assert states(world) == ["started", "stopped"]
    assert heard(world) == {CUSTOMER: 10.0, "ada": 10.0, "eve": 0, "all": 10.0}


def test_what_is_said_while_an_agent_has_it_paused_is_not_in_it() -> None:
    world = talking(RECORDED)
    world.pass_time(4)
    pause(world, paused=True)
    world.phones.press(CUSTOMER, "4111")
    world.pass_time(6)
    pause(world, paused=False)
    world.pass_time(2)
    end(world)

    assert states(world) == ["started", "paused", "resumed", "stopped"]
    assert heard(world)["all"] == 6.0
    assert [kept.pauses for kept in world.kept] == [((4_000, 10_000),)]
    assert world.of(KeysPressed) == []


def test_nothing_is_recorded_while_the_customer_is_not_in_the_talk() -> None:
    world = consulting(RECORDED)
    world.pass_time(5)
    world.router.move("conference")
    world.settle()
    world.pass_time(3)
    end(world)

    assert heard(world, 1) == {CUSTOMER: 3.0, "ada": 3.0, "eve": 3.0, "all": 3.0}
    assert len(world.kept) == 2


def test_the_talk_after_a_transfer_is_recorded_too() -> None:
    world = talking(RECORDED)
    world.router.transfer("cold")
    world.accepted("eve")
    world.pass_time(5)
    end(world)

    assert states(world) == ["started", "stopped", "started", "stopped"]
    assert heard(world, 1) == {CUSTOMER: 5.0, "ada": 0, "eve": 5.0, "all": 5.0}


@pytest.mark.parametrize(
    ("policies", "recorded"),
    [
        ((), False),
        ((RecordingPolicy(queues=("support",)),), False),
        ((RecordingPolicy(queues=("sales",)),), True),
        ((RecordingPolicy(clients=("other",)),), False),
        ((RecordingPolicy(directions=("outbound",)),), False),
        ((RecordingPolicy(queues=("sales",), record=False), RecordingPolicy()), False),
        ((RecordingPolicy(consent="ask"),), False),
    ],
)
def test_policy_says_whether_a_talk_is_recorded(policies: tuple[RecordingPolicy, ...], recorded: bool) -> None:
    world = talking(replace(TERMS, recording=policies))

    assert bool(world.of(RecordingChanged)) == recorded


@pytest.mark.parametrize(
    ("consent", "key", "recorded"), [("announce", "", True), ("ask", "1", True), ("ask", "2", False)]
)
def test_a_caller_is_told_or_asked_first(consent: Any, key: str, recorded: bool) -> None:
    world = waiting(replace(TERMS, recording=(RecordingPolicy(consent=consent),), flow=FlowPlan()))
    world.pass_time(3)
    world.phones.press(CUSTOMER, key)
    world.settle()
    world.pass_time(5)
    world.accepted("ada")

    assert bool(world.of(RecordingChanged)) == recorded


def test_an_agent_cannot_pause_what_is_not_recorded() -> None:
    world = talking()
    pause(world, paused=True)
    world.phones.press(CUSTOMER, "4111")
    world.settle()

    assert [each.reason for each in world.of(CallCommandRefused)] == ["not_recording"]
    assert world.of(KeysPressed) == [], "they may be a card's all the same"


def test_who_was_asked_in_does_not_go_on_with_what_the_owner_has_paused() -> None:
    world = consulting(RECORDED)
    world.router.move("conference")
    world.settle()
    pause(world, paused=True)
    pause(world, paused=True, by="eve")
    pause(world, paused=False, by="eve")
    assert [each.reason for each in world.of(CallCommandRefused)] == ["role_forbids"]
    assert states(world)[-1] == "paused"

    pause(world, paused=False)
    pause(world, paused=True, by="eve")
    pause(world, paused=False, by="eve")
    pause(world, paused=True, by="eve")
    pause(world, paused=False)
    assert states(world)[-5:] == ["resumed", "paused", "resumed", "paused", "resumed"]


def test_a_node_that_will_not_record_is_not_asked_for_ever() -> None:
    world = waiting(RECORDED)
    world.refuses = (commands.Record,)
    world.accepted("ada")
    world.pass_time(5)

    assert states(world) == ["started", "failed"] * 3
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


def test_a_node_that_cannot_pause_stops_and_begins_another() -> None:
    world = talking(replace(RECORDED, can=Capabilities(pauses_recordings=False)))
    pause(world, paused=True)
    pause(world, paused=False)

    assert states(world) == ["started", "stopped", "started"]


def test_a_pause_that_the_node_refuses_ends_the_recording() -> None:
    world = talking(RECORDED)
    pause(world, paused=True)
    refused = next(each for each in world.done if isinstance(each, commands.PauseRecording))
    world.step(NodeTold(event=events.CommandRefused(command=refused, reason="no", at_ms=1)))

    assert states(world)[-1] == "failed"
    assert [type(command) for command in world.to_do] == [commands.StopRecording]


def test_a_recording_with_which_the_node_will_not_go_on_is_kept_and_another_begins() -> None:
    world = talking(RECORDED)
    world.pass_time(4)
    pause(world, paused=True)
    world.refuses = (commands.PauseRecording,)
    pause(world, paused=False)
    world.refuses = ()
    world.pass_time(5)
    end(world)

    assert states(world) == ["started", "paused", "resumed", "stopped", "started", "stopped"]
    assert [heard(world, number)["all"] for number in (0, 1)] == [4.0, 5.0]


def test_a_recording_that_ended_while_the_node_could_not_be_heard_is_fetched() -> None:
    world = talking(RECORDED)
    world.pass_time(7)
    world.lose_node()
    world.phones.hang_up(CUSTOMER)
    world.recover_node()
    world.settle()

    assert [(kept.kind, kept.seconds) for kept in world.kept] == [("talk", 8.0)]
    assert world.call is not None
    assert world.call.over


def test_a_recording_of_a_room_that_all_have_left_unheard_is_fetched_though_the_room_is_there() -> None:
    world = talking(RECORDED)
    world.pass_time(7)
    assert world.call is not None
    rooms = tuple(room.room_id for room in world.call.rooms)
    world.step(Reconciled(snapshot=events.Snapshot(legs=(), rooms=rooms, at_ms=world.clock.now_ms())))

    assert [kept.kind for kept in world.kept] == ["talk"]


@pytest.mark.parametrize("leaves", [True, False])
def test_a_message_becomes_a_task_before_its_interaction_ends(leaves: bool) -> None:
    world = waiting(replace(TERMS, flow=FlowPlan(voicemail=Voicemail())))
    world.router.give_up("voicemail")
    world.settle()
    world.pass_time(10)
    if leaves:
        world.phones.hang_up(CUSTOMER)
    else:
        world.phones.press(CUSTOMER, "#")
    world.settle()
    world.pass_time(30)

    said = [type(each.data) for each in world.said]
    assert [(kept.kind, kept.seconds > 1) for kept in world.kept] == [("voicemail", True)]
    assert said.index(RequestTask) < said.index(InteractionEnded)
    assert [(each.reason, each.cause) for each in world.of(InteractionEnded)] == [("refused", "overflowed")]
    assert [task.kind for task in world.router.tasks.values() if task.state == "waiting"] == ["callback"]


def test_a_message_that_the_router_hears_of_late_becomes_a_task_all_the_same() -> None:
    world = waiting(replace(TERMS, flow=FlowPlan(voicemail=Voicemail())))
    world.router.give_up("voicemail")
    world.settle()
    world.pass_time(10)
    world.router_is_away = True
    world.phones.hang_up(CUSTOMER)
    world.settle()
    world.pass_time(60)
    router_is_back(world)

    assert [task.kind for task in world.router.tasks.values() if task.state == "waiting"] == ["callback"]
    assert len(world.of(InteractionEnded)) == 1


def test_who_wishes_to_be_called_back_and_hangs_up_at_once_is_called_back() -> None:
    world = waiting(replace(TERMS, flow=FlowPlan(callback=CallbackOffer(key="5", confirm_key="1"))))
    world.phones.press(CUSTOMER, "5")
    world.settle()
    world.router_is_away = True
    world.phones.press(CUSTOMER, "1")
    world.settle()
    world.phones.hang_up(CUSTOMER)
    world.settle()
    router_is_back(world)

    assert [(task.kind, task.state) for task in world.router.tasks.values()] == [("callback", "waiting")]
    assert [(each.reason, each.cause) for each in world.of(InteractionEnded)] == [("customer_left", "callback")]


def test_no_phone_rings_for_who_is_gone_while_the_router_is_to_answer() -> None:
    world = waiting(replace(TERMS, flow=FlowPlan(callback=CallbackOffer(key="5", confirm_key="1"))))
    world.phones.press(CUSTOMER, "5")
    world.settle()
    world.router_is_away = True
    world.phones.press(CUSTOMER, "1")
    world.phones.hang_up(CUSTOMER)
    world.settle()
    world.router.accept("ada")
    world.settle()
    assert not world.rings("ada")

    router_is_back(world)
    assert [each.reason for each in world.of(InteractionEnded)] == ["customer_left"]


def router_is_back(world: CallWorld) -> None:
    """It reads ends first: they are in another topic."""
    world.router_is_away = False
    world.asked = deque(sorted(world.asked, key=lambda each: not isinstance(each, InteractionEnded)))
    world.settle()


def test_a_customer_is_asked_after_the_talk_and_then_let_go() -> None:
    survey = Survey(name="after", questions=(SurveyQuestion(name="happy", prompt="happy"),))
    world = talking(replace(TERMS, flow=FlowPlan(survey=survey)))
    world.phones.hang_up("ada")
    world.settle()
    assert world.hears(CUSTOMER) == ({"prompt:d/happy?lang=en"},)

    world.pass_time(2)
    world.phones.press(CUSTOMER, "5")
    world.settle()
    world.pass_time(10)

    [answered] = [each.data for each in world.said if type(each.data).__name__ == "SurveyAnswered"]
    assert (answered.key, answered.agent_id) == ("5", "ada")
    assert [each.reason for each in world.of(InteractionEnded)] == ["agent_closed"]
    [measured] = world.of(CallMeasured)
    assert measured.wait_ms == 0, "nobody waits who is asked"


def pause(world: CallWorld, *, paused: bool, by: str = "ada") -> None:
    """The agent wants it."""
    assert world.call is not None
    seat = next(seat for seat in world.call.seats if seat.agent_id == by)
    world.ask(
        PauseRecording(
            command_id=f"k{len(world.happened)}",
            interaction_id=world.call.interaction_id,
            domain="d",
            agent_id=by,
            assignment_id=seat.assignment_id,
            assignment_sequence=seat.sequence,
            requested_at_ms=1,
            paused=paused,
        )
    )
    world.settle()


def end(world: CallWorld) -> None:
    """The customer hangs up."""
    world.phones.hang_up(CUSTOMER)
    world.settle()
    assert world.call is not None
    assert world.call.over


def states(world: CallWorld) -> list[str]:
    """What was told of recordings."""
    return [each.state for each in world.of(RecordingChanged)]


def heard(world: CallWorld, number: int = 0) -> dict[str, float]:
    """Seconds in which each is heard in a recording that was to be kept."""
    seconds = seconds_of(world.sound(world.kept[number].recording_id), {name: tone_of(name) for name in NAMES})
    return {name: round(value, 1) for name, value in seconds.items()}
