"""Supervisors in a talk, and what agents ask of a call: who hears whom, and who is told why not."""

from dataclasses import replace
from typing import Any  # Any: a command of any type

import pytest
from contracts.call_commands import AttachTranscript, DropLeg, MuteCall, SendKeys, SuperviseCall
from contracts.calls import CallCommandRefused, Supervised, TranscriptAttached
from contracts.commands import TransferTask
from contracts.interactions import InteractionEnded
from voice_gateway.domain import events
from voice_gateway.domain.commands import Monitor, Play
from voice_gateway.domain.driver import Capabilities
from voice_gateway.domain.facts import NodeTold
from voice_gateway.testing.call_world import CUSTOMER, SUPERVISOR, TERMS, CallWorld, consulting, talking

NOTHING = set[str]()


@pytest.mark.parametrize(
    ("mode", "customer", "agent"),
    [
        ("spy", {"ada"}, {CUSTOMER}),
        ("whisper", {"ada"}, {CUSTOMER, SUPERVISOR}),
        ("barge", {"ada", SUPERVISOR}, {CUSTOMER, SUPERVISOR}),
    ],
)
def test_a_supervisor_is_heard_as_the_mode_says(mode: str, customer: set[str], agent: set[str]) -> None:
    world = talking()

    supervise(world, mode)

    assert world.hears(CUSTOMER, "ada", SUPERVISOR) == (customer, agent, {CUSTOMER, "ada"})
    assert [(each.mode, each.agent_id) for each in world.of(Supervised)] == [(mode, "ada")]


def test_a_supervisor_changes_the_mode_and_leaves() -> None:
    world = talking()
    supervise(world, "spy")

    supervise(world, "whisper")
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER, SUPERVISOR})

    supervise(world, "over")
    assert world.hears("ada", SUPERVISOR) == ({CUSTOMER}, NOTHING)
    assert [each.mode for each in world.of(Supervised)] == ["spy", "whisper", "over"]


def test_a_supervisor_who_hangs_up_is_gone() -> None:
    world = talking()
    supervise(world, "barge")

    world.phones.hang_up(SUPERVISOR)
    world.settle()

    assert world.hears(CUSTOMER) == ({"ada"},)
    assert [each.mode for each in world.of(Supervised)] == ["barge", "over"]


def test_a_supervisor_goes_with_the_agent_and_not_with_the_call() -> None:
    world = consulting()
    supervise(world, "spy")
    assert world.hears(SUPERVISOR) == ({"ada", "eve"},)

    world.router.move("complete")
    world.settle()

    assert world.hears(SUPERVISOR, CUSTOMER) == (NOTHING, {"eve"})


def test_a_call_that_is_taken_over_is_the_supervisors_and_the_agent_is_let_go() -> None:
    world = talking()
    supervise(world, "spy")
    supervise(world, "take_over")
    assert [(each.to_agent_id, each.forced, each.by) for each in world.of(TransferTask)] == [(SUPERVISOR, True, "sue")]
    assert world.hears(CUSTOMER) == ({"ada", SUPERVISOR},)

    world.router.accept(SUPERVISOR)
    world.settle()

    assert world.hears(CUSTOMER, "ada", SUPERVISOR) == ({SUPERVISOR}, NOTHING, {CUSTOMER})
    assert [each.mode for each in world.of(Supervised)] == ["spy", "take_over"]

    world.phones.hang_up(SUPERVISOR)
    world.settle()
    assert [ended.reason for ended in world.of(InteractionEnded)] == ["agent_closed"]


def test_a_call_that_the_router_does_not_reassign_is_not_taken_over() -> None:
    world = talking()
    world.router.transfer("cold")
    world.settle()

    supervise(world, "take_over")

    assert [each.reason for each in world.of(CallCommandRefused)] == ["transfer_open"]
    assert world.hears(CUSTOMER) == ({"ada", SUPERVISOR},)


def test_an_agent_is_told_where_the_policy_says_so() -> None:
    world = talking()
    supervise(world, "spy", announced=True)

    played = [each for each in world.done if isinstance(each, Play)]
    agent = next(leg.leg_id for leg in world.call.legs if leg.agent_id == "ada") if world.call else ""
    assert [(each.leg_id, each.media[0].uri) for each in played] == [(agent, "prompt:d/supervised")]


def test_what_a_node_cannot_do_and_phones_that_are_not_there_are_refused_with_a_reason() -> None:
    world = talking(replace(TERMS, can=Capabilities(whispers=False)))
    supervise(world, "whisper")
    world.ask(command(world, SuperviseCall, supervisor_id=SUPERVISOR, mode="spy", announced=False))
    world.phones.behave(SUPERVISOR, "busy")
    supervise(world, "spy")
    supervise(world, "over")

    reasons = [each.reason for each in world.of(CallCommandRefused)]
    assert reasons == ["not_supported", "phone_unknown", "busy", "leg_unknown"]
    assert world.of(Supervised) == []


def test_a_supervisor_whom_the_node_refuses_is_told_so_and_let_go() -> None:
    world = talking()
    supervise(world, "spy")
    monitor = next(each for each in world.done if isinstance(each, Monitor))
    world.step(NodeTold(event=events.CommandRefused(command=monitor, reason="cannot", at_ms=1)))
    world.settle()

    assert [each.reason for each in world.of(CallCommandRefused)] == ["node_refused"]
    assert world.hears(SUPERVISOR) == (NOTHING,)


def test_an_agent_mutes_sends_keys_and_puts_somebody_out() -> None:
    world = consulting()
    world.router.move("conference")
    world.settle()

    world.ask(command(world, MuteCall, muted=True))
    world.ask(command(world, SendKeys, personal={"keys": "12#"}))
    world.settle()
    assert world.hears(CUSTOMER) == ({"eve"},)
    assert world.phones.line(CUSTOMER).keys == "12#"

    world.ask(command(world, MuteCall, muted=False))
    world.ask(command(world, DropLeg, leg_id=leg_of(world, "eve")))
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


def test_what_an_agent_may_not_do_is_refused() -> None:
    world = talking()
    customer = world.call.customer_leg_id if world.call else ""
    for number, refused in enumerate(
        (
            command(world, DropLeg, leg_id=customer),
            command(world, DropLeg, leg_id="no-such-leg"),
            command(world, SendKeys, personal={"keys": "x"}),
            replace(command(world, MuteCall), agent_id="eve"),
        )
    ):
        world.ask(replace(refused, command_id=f"refused-{number}"))
        world.ask(replace(refused, command_id=f"refused-{number}"))

    reasons = [each.reason for each in world.of(CallCommandRefused)]
    assert reasons == ["role_forbids", "leg_unknown", "keys_invalid", "assignment_gone"]


def test_a_transcript_needs_no_assignment() -> None:
    world = talking()
    world.ask(
        AttachTranscript(
            command_id="t",
            interaction_id="i",
            domain="d",
            transcript_id="x",
            language="it",
            requested_at_ms=1,
            by="bot",
            personal={"text": "hello"},
        )
    )

    assert [each.personal for each in world.of(TranscriptAttached)] == [{"text": "hello"}]


def supervise(world: CallWorld, mode: str, *, announced: bool = False) -> None:
    """The supervisor wants it, and picks up."""
    wanted = command(world, SuperviseCall, supervisor_id=SUPERVISOR, mode=mode, announced=announced)
    world.ask(wanted, by=SUPERVISOR)
    world.settle()
    world.phones.answer(SUPERVISOR)
    world.settle()


def command(world: CallWorld, of: type, **wanted: Any) -> Any:
    """Of the owner of the call."""
    assert world.call is not None
    owner = world.call.owner
    assert owner is not None
    return of(
        command_id=f"k{len(world.happened)}",
        interaction_id=world.call.interaction_id,
        domain="d",
        agent_id=owner.agent_id,
        assignment_id=owner.assignment_id,
        assignment_sequence=owner.sequence,
        requested_at_ms=1,
        **wanted,
    )


def leg_of(world: CallWorld, agent: str) -> str:
    """The leg of an agent's phone."""
    return next(leg.leg_id for leg in world.call.legs if leg.agent_id == agent) if world.call else ""
