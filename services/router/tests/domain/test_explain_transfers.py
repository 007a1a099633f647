"""Explanations of open transfers: whose they are, who is asked, and in which role an agent has the task."""

from collections.abc import Callable

from router.domain.explain import explain_task
from router.domain.explain_agents import explain_agent
from router.domain.explain_answers import TaskExplained
from router.testing.conversation import ANNS, anns_conversation, consult
from router.testing.story import Story


def explained(told: Story, task_id: str) -> TaskExplained:
    found = explain_task(told.domain, task_id, told.now_ms)
    assert found is not None
    return found


def test_a_transfer_that_waits_says_who_asks_whom_for_what_and_until_when() -> None:
    told = anns_conversation()
    told.set_state("bob", ready=False)
    told.transfer("ann", ANNS, queue="billing", forced=True)
    told.wait(60)

    of_the_second, of_the_first = explained(told, "i1.t2"), explained(told, "i1.t1")

    said = "ann asks queue billing to take over, which fails in 120 s if nobody accepts"
    assert of_the_second.summary.startswith(f"{said}; 0 of 4 eligible: 3 lack billing>=2, 1 not ready")
    assert of_the_first.summary.endswith(f"by version 1 of the configuration; {said}")
    assert of_the_first.transfer == of_the_second.transfer
    assert of_the_first.transfer is not None
    assert (of_the_first.transfer.state, of_the_first.transfer.owner) == ("requested", "ann")


def test_the_owner_is_told_apart_from_agents_who_refused() -> None:
    told = anns_conversation()
    told.transfer("ann", ANNS, queue="chats")
    told.reject("bob", "i1.t2.o1")
    told.set_state("cid", ready=False)

    found = explained(told, "i1.t2")
    mine = explain_agent(told.domain, "ann", told.now_ms)

    codes = {reason.code: (reason.count, reason.text) for reason in found.reasons}
    assert codes["transfers_it"] == (1, "1 asks for the transfer")
    assert codes["refused_before"] == (1, "1 refused it")
    assert [each.agent_id for each in found.refused_by] == ["bob"]
    assert mine is not None
    assert "1 is a transfer of theirs" in mine.summary


def test_roles_are_named_as_the_conversation_goes_on() -> None:
    told = anns_conversation()
    consult(told)

    helping = explained(told, "i1.t2")

    assert helping.summary.startswith("assigned to bob as consultant 0 s ago")
    assert helping.summary.endswith("; bob helps ann")
    assert helping.owner is not None
    assert helping.owner.role == "consultant"
    told.move("ann", "i1.t2", "conference")
    assert explained(told, "i1.t2").summary.startswith("assigned to bob as participant")
    assert explained(told, "i1.t1").summary.endswith("; ann and bob talk with the customer together")
    told.move("ann", "i1.t2", "complete")
    after = explained(told, "i1.t2")
    assert after.summary.startswith("assigned to bob 0 s ago")
    assert after.transfer is None


def test_every_target_has_words() -> None:
    asked = []
    asking: list[Callable[[Story], object]] = [
        lambda told: told.transfer("ann", ANNS, "spanish:2"),
        lambda told: told.transfer("ann", ANNS, kind="consult", to_agent_id="bob"),
        lambda told: told.transfer("ann", ANNS, escalate=True, by="sue"),
        lambda told: told.transfer("ann", ANNS, kind="consult", queue="billing", by="sue"),
    ]
    for ask in asking:
        told = anns_conversation()
        ask(told)
        found = explained(told, "i1.t2").transfer
        assert found is not None
        asked.append(found.text)

    assert asked == [
        "ann asks whoever has the skills to take over",
        "ann asks bob for help",
        "sue asks the next tier, queue experts, to take over from ann",
        "sue asks queue billing to help ann",
    ]
