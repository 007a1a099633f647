"""Hold, consult, conference and transfer: who hears whom at each step, whoever goes."""

from dataclasses import replace

import pytest
from contracts.commands import EndTask, HoldTask, MoveTransfer, TransferTask
from contracts.interactions import InteractionEnded
from voice_gateway.domain import events
from voice_gateway.domain.call import Extension
from voice_gateway.domain.commands import AnswerTransfer
from voice_gateway.domain.facts import NodeTold
from voice_gateway.testing.call_world import CUSTOMER, TERMS, CallWorld, consulting, talking

MUSIC, NOTHING = {"music"}, set[str]()


def test_a_customer_on_hold_hears_music_and_comes_back() -> None:
    world = talking()

    world.router.hold("ada", held=True)
    world.settle()
    assert world.hears(CUSTOMER, "ada") == (MUSIC, NOTHING)

    world.router.hold("ada", held=False)
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


def test_owner_and_consultant_talk_while_the_customer_hears_music() -> None:
    world = talking()
    world.router.transfer("consult")
    world.accepted("eve", answers=False)
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})

    world.phones.answer("eve")
    world.settle()
    assert world.hears(CUSTOMER, "ada", "eve") == (MUSIC, {"eve"}, {"ada"})


def test_a_warm_transfer_leaves_customer_and_consultant_and_lets_the_owner_go() -> None:
    world = consulting()

    world.router.move("complete")
    world.settle()

    assert world.hears(CUSTOMER, "ada", "eve") == ({"eve"}, NOTHING, {CUSTOMER})
    world.phones.hang_up("eve")
    world.settle()
    assert [ended.reason for ended in world.of(InteractionEnded)] == ["agent_closed"]


def test_a_conference_is_of_all_three() -> None:
    world = consulting()

    world.router.move("conference")
    world.settle()

    assert world.hears(CUSTOMER, "ada", "eve") == ({"ada", "eve"}, {CUSTOMER, "eve"}, {CUSTOMER, "ada"})


def test_a_consult_that_is_cancelled_gives_the_customer_back() -> None:
    world = consulting()

    world.router.move("cancel")
    world.settle()

    assert world.hears(CUSTOMER, "ada", "eve") == ({"ada"}, {CUSTOMER}, NOTHING)


def test_a_customer_who_was_on_hold_before_the_consult_is_so_after_it() -> None:
    world = talking()
    world.router.hold("ada", held=True)
    world.router.transfer("consult")
    world.accepted("eve")
    assert world.hears(CUSTOMER, "ada", "eve") == (MUSIC, {"eve"}, {"ada"})

    world.router.move("cancel")
    world.settle()
    assert world.hears(CUSTOMER, "ada") == (MUSIC, NOTHING)


def test_a_consultant_who_leaves_gives_the_customer_back_to_the_owner() -> None:
    world = consulting()

    world.phones.hang_up("eve")
    world.settle()

    assert [ended.agent_id for ended in world.of(EndTask)] == ["eve"]
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


@pytest.mark.parametrize("role", ["consultant", "participant"])
def test_who_leaves_as_a_helper_while_the_customer_becomes_theirs_is_rung_again(role: str) -> None:
    world = consulting()
    if role == "participant":
        world.router.move("conference")
        world.settle()
    world.router.move("complete")  # of which the gateway has not heard yet
    world.phones.hang_up("eve")
    while world.read_node():
        pass
    world.settle()

    assert [ended.as_helper for ended in world.of(EndTask)] == [True]
    assert (world.hears(CUSTOMER, "ada"), world.rings("eve")) == ((MUSIC, NOTHING), True)
    world.phones.answer("eve")
    world.settle()
    assert (world.hears(CUSTOMER, "eve"), world.of(InteractionEnded)) == (({"eve"}, {CUSTOMER}), [])


def test_a_participant_who_leaves_leaves_the_others_talking() -> None:
    world = consulting()
    world.router.move("conference")
    world.settle()

    world.phones.hang_up("eve")
    world.settle()

    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


def test_an_owner_who_leaves_a_conference_leaves_the_customer_to_the_participant() -> None:
    world = consulting()
    world.router.move("conference")
    world.settle()

    world.phones.hang_up("ada")
    world.settle()

    assert world.hears(CUSTOMER, "eve") == ({"eve"}, {CUSTOMER})
    assert world.of(InteractionEnded) == []


def test_a_customer_who_leaves_a_consult_lets_both_go() -> None:
    world = consulting()

    world.phones.hang_up(CUSTOMER)
    world.settle()

    assert world.hears("ada", "eve") == (NOTHING, NOTHING)
    assert world.call is not None
    assert world.call.over


def test_a_cold_transfer_rings_the_next_agent_while_the_customer_hears_music() -> None:
    world = talking()
    world.router.transfer("cold")
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})

    world.accepted("eve", answers=False)
    assert world.hears(CUSTOMER, "ada") == (MUSIC, NOTHING)

    world.phones.answer("eve")
    world.settle()
    assert world.hears(CUSTOMER, "eve") == ({"eve"}, {CUSTOMER})


def test_the_next_agent_whose_phone_is_busy_lets_the_customer_wait_for_others() -> None:
    world = talking()
    world.router.transfer("cold")
    world.phones.behave("eve", "busy")
    world.accepted("eve", answers=False)
    assert world.hears(CUSTOMER) == (MUSIC,)

    world.accepted("ida")
    assert world.hears(CUSTOMER, "ida") == ({"ida"}, {CUSTOMER})


def test_an_agent_whose_line_breaks_is_rung_again() -> None:
    world = talking()
    break_line(world, "ada")
    assert world.rings("ada")
    assert world.hears(CUSTOMER) == (MUSIC,)

    world.phones.answer("ada")
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})
    assert world.of(EndTask) == []


def test_an_agent_who_hangs_up_on_a_customer_on_hold_is_rung_again() -> None:
    world = talking()
    world.router.hold("ada", held=True)
    world.settle()

    world.phones.hang_up("ada")
    world.settle()

    assert world.rings("ada")
    assert world.of(EndTask) == []


def test_a_call_whose_agent_cannot_be_rung_again_goes_to_others() -> None:
    world = talking()
    world.phones.behave("ada", "unavailable")
    break_line(world, "ada")

    assert [(each.queue, each.forced) for each in world.of(TransferTask)] == [("sales", True)]
    world.accepted("eve")
    assert world.hears(CUSTOMER, "eve") == ({"eve"}, {CUSTOMER})


def test_a_consult_that_nobody_has_accepted_does_not_keep_the_customer_from_others() -> None:
    world = talking()
    world.router.transfer("consult")
    world.settle()
    world.phones.behave("ada", "unavailable")
    break_line(world, "ada")
    world.pass_time(3)

    assert [moved.move for moved in world.of(MoveTransfer)] == ["cancel"]
    assert [each.queue for each in world.of(TransferTask)] == ["sales"]
    world.accepted("eve")
    assert world.hears(CUSTOMER, "eve") == ({"eve"}, {CUSTOMER})


def test_an_owner_who_cannot_be_reached_is_let_go_after_a_while_and_the_customer_waits_on() -> None:
    world = talking()
    world.phones.behave("ada", "unavailable")
    break_line(world, "ada")
    world.pass_time(61)

    assert [ended.agent_id for ended in world.of(EndTask)] == ["ada"]
    assert (world.hears(CUSTOMER), world.of(InteractionEnded)) == ((MUSIC,), [])


def test_an_owner_who_hangs_up_in_a_consult_is_rung_again_and_the_consultant_let_go() -> None:
    world = consulting()

    world.phones.hang_up("ada")
    world.settle()

    assert [moved.move for moved in world.of(MoveTransfer)] == ["cancel"]
    assert world.hears("eve", CUSTOMER) == (NOTHING, MUSIC)
    assert world.rings("ada")


def test_a_phone_gives_its_call_to_whom_it_dials() -> None:
    world = talking(replace(TERMS, extensions=(Extension(dialled="600", queue="support"),)))

    world.phones.transfer("ada", "600")
    world.settle()

    assert [(each.queue, each.kind) for each in world.of(TransferTask)] == [("support", "cold")]
    assert [each.accepted for each in world.done if isinstance(each, AnswerTransfer)] == [True]


def test_a_phone_that_dials_what_nobody_has_is_refused() -> None:
    world = talking()

    world.phones.transfer("ada", "999")
    world.settle()

    assert world.of(TransferTask) == []
    assert [each.accepted for each in world.done if isinstance(each, AnswerTransfer)] == [False]
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


def test_a_phone_that_the_router_does_not_answer_is_refused_in_time() -> None:
    world = talking(replace(TERMS, extensions=(Extension(dialled="600", queue="support"),)))
    world.phones.transfer("ada", "600")
    world.read_node()
    world.asked.clear()
    world.pass_time(9)

    assert [each.accepted for each in world.done if isinstance(each, AnswerTransfer)] == [False]


def test_a_phone_completes_its_consult_by_an_attended_transfer() -> None:
    world = consulting()
    consultant = next(leg.leg_id for leg in world.call.legs if leg.agent_id == "eve") if world.call else ""

    world.phones.transfer("ada", consultant, "attended")
    world.settle()

    assert world.hears(CUSTOMER, "ada", "eve") == ({"eve"}, NOTHING, {CUSTOMER})
    assert [each.accepted for each in world.done if isinstance(each, AnswerTransfer)] == [True]


def test_a_phones_hold_button_holds_the_customer() -> None:
    world = talking()

    world.phones.hold("ada", held=True)
    world.settle()
    assert [each.held for each in world.of(HoldTask)] == [True]
    assert world.hears(CUSTOMER) == (MUSIC,)

    world.phones.hold("ada", held=False)
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


def break_line(world: CallWorld, agent: str) -> None:
    """The agent's line is lost: nobody hung up."""
    leg = next(leg for leg in world.call.legs if leg.agent_id == agent) if world.call else None
    assert leg is not None
    world.phones.hang_up(agent)
    world.told.clear()
    world.step(NodeTold(event=events.LegEnded(leg_id=leg.leg_id, cause="lost", at_ms=world.clock.now_ms())))
    world.settle()
