"""The checker finds nothing wrong with a sound history, and names what is broken in each damaged one."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from centralino.proof.checker import find_faults
from centralino.proof.faults import report
from centralino.proof.history import Request, Stood, said
from centralino.proof.testing import (
    DOMAIN,
    Run,
    accepted,
    ann,
    asked,
    completed,
    event_of,
    expired,
    failed,
    offered,
    present,
    queued,
    ready,
    received,
    sent,
    sound_run,
)
from contracts.commands import AcceptOffer
from contracts.tasks import WrapupStarted
from contracts.topics import ROUTING_EVENTS
from servicekit.ports import Partition


@pytest.fixture
def run() -> Run:
    return sound_run()


def faults_of(run: Run, *, finished: bool = True) -> list[str]:
    return [str(fault) for fault in find_faults(run.history(), finished=finished)]


def test_a_sound_history_has_no_fault(run: Run) -> None:
    assert report(find_faults(run.history(), finished=True)) == ""


def test_repeats_of_an_event_after_a_take_over_are_no_fault(run: Run) -> None:
    history = run.history()
    again = replace(history, routing=[*history.routing, *history.routing[3:]])

    assert report(find_faults(again, finished=True)) == ""


def _silence(run: Run) -> None:
    run.messages.clear()
    for kept in (run.gateway, run.crm, run.accepted, run.requests):
        kept.clear()


def _lost_task(run: Run) -> None:
    run.routing = run.routing[:3]
    _silence(run)
    run.crm_tasks = {}


def _unfinished_task(run: Run) -> None:
    run.routing.pop()
    run.crm_tasks = {"i1.t1": "assigned"}


def _interaction_that_never_began(run: Run) -> None:
    run.started = []


def _two_tasks_of_one_interaction(run: Run) -> None:
    run.routing.insert(4, queued("i1.t2"))
    run.crm_tasks["i1.t2"] = "waiting"


def _published_and_not_decided(run: Run) -> None:
    run.journaled = list(run.routing)
    run.routing.append(ready("bob"))


def _decided_and_not_published(run: Run) -> None:
    run.journaled = [*run.routing, ready("bob")]


def _published_otherwise(run: Run) -> None:
    run.journaled = [*run.routing[:2], ready("bob"), *run.routing[3:]]


def _other_state_in_the_crm(run: Run) -> None:
    run.crm_tasks["i1.t1"] = "assigned"


def _completed_twice(run: Run) -> None:
    run.routing.append(completed())


def _queued_twice(run: Run) -> None:
    run.routing.append(queued())


def _double_offer(run: Run) -> None:
    run.routing.insert(5, offered(number=2))


def _two_owners(run: Run) -> None:
    run.routing[-1] = completed(assignment_id="i1.t1.o9.a")


def _assigned_without_acceptance(run: Run) -> None:
    del run.routing[5]


def _spoke_without_assignment(run: Run) -> None:
    run.messages[2] = sent(3, "i1.t1.o2.a")


def _over_capacity(run: Run) -> None:
    run.started.append("i2")
    run.routing[5:5] = [queued("i2.t1"), offered(task_id="i2.t1")]


def _not_ready(run: Run) -> None:
    run.routing[2] = replace(ready("ann"), state="not_ready")


def _not_present(run: Run) -> None:
    run.routing[1] = replace(present("ann"), presence="lost")


def _unconfirmed_after_a_take_over(run: Run) -> None:
    run.epochs_at = [0, 4]


def _not_skilled(run: Run) -> None:
    run.routing[3] = queued(minimum=4)


def _not_configured(run: Run) -> None:
    del run.agents["ann"]


def _lost_message(run: Run) -> None:
    run.messages[1] = sent(2)
    run.gateway[:] = run.crm[:] = [said(received(1)), said(sent(2))]


def _message_lost_in_the_crm(run: Run) -> None:
    del run.crm[1]


def _doubled_message(run: Run) -> None:
    run.crm.append(run.crm[0])


def _message_told_twice_under_two_ids(run: Run) -> None:
    run.messages.insert(1, replace(received(1), message_id="m1-again"))


def _acknowledged_twice(run: Run) -> None:
    run.accepted.append(replace(run.accepted[0], text="something else"))


def _out_of_order(run: Run) -> None:
    run.messages[0], run.messages[1] = run.messages[1], run.messages[0]


def _repeat_with_other_words(run: Run) -> None:
    run.messages.append(received(1, "other words"))


def _words_of_somebody_else(run: Run) -> None:
    run.gateway[1] = replace(run.gateway[1], text="not what was said")


def _dead_letter(run: Run) -> None:
    run.parked.append("messages.crm.dlq@0")


def _about_no_task(run: Run) -> None:
    run.routing.insert(7, completed("i9.t1"))


def _accepted_by_somebody_else(run: Run) -> None:
    run.routing[5] = replace(accepted("bob")[0], agent_id="bob")  # type: ignore[type-var]  # a dataclass, as `object`


def _assigned_by_another_offer(run: Run) -> None:
    run.routing[6] = replace(accepted()[1], offer_id="i1.t1.o9")  # type: ignore[type-var]  # a dataclass, as `object`


def _never_queued_but_in_the_crm(run: Run) -> None:
    run.crm_tasks["i9.t1"] = "waiting"


def _by_skills_that_came_later(run: Run) -> None:
    run.agents["ann"] = ann() | {"skills": {"billing": 1}}
    run.later_agents["ann"] = ann()


def _kept_under_two_numbers(run: Run) -> None:
    """Everybody agrees; only the customer knows that it was said once."""
    run.messages.append(replace(received(4), message_id="m4"))
    for kept in (run.gateway, run.crm):
        kept.append(said(run.messages[-1]))


def _never_answered(run: Run) -> None:
    run.commands.append(AcceptOffer(command_id="c1", domain=DOMAIN, agent_id="ann", offer_id="i1.t1.o1"))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (asked("ready", "bob", "ok"), "ready of somebody: bob was answered ok and has had no effect"),
        (asked("accept", "i1.t1.o2", "ok"), "i1.t1.o2 was answered ok and has had no effect"),
        (asked("accept", "i1.t1.o1", "failed"), "i1.t1.o1 was answered ok and failed under one key"),
        (asked("reject", "i1.t1.o1", "ok"), "i1.t1.o1 was answered ok and has had no effect"),
        (asked("complete", "i1.t1.o1.a", "failed"), "i1.t1.o1.a was answered failed and has had its effect"),
        (asked("say", "m4", "ok"), "S6 at say of somebody: m4 was answered ok and has had no effect"),
        (asked("write", "i1: anybody?", "failed"), "S6 at write of somebody: i1: anybody? was answered failed"),
        (asked("write", "i1: nobody", "ok"), "i1: nobody was answered ok and has had no effect"),
    ],
)
def test_an_answer_that_was_not_true_is_named(run: Run, answer: Request, found: str) -> None:
    run.requests.append(answer)

    assert any(found in fault for fault in faults_of(run))


def test_a_message_that_was_taken_over_may_be_told_to_have_failed(run: Run) -> None:
    run.requests.append(asked("say", "m9", "ok"))
    history = run.history()
    place = history.messages[0].at
    told = replace(history, messages=[*history.messages, Stood(place, 9, event_of(failed("m9")), 0)])

    assert report(find_faults(told, finished=True)) == ""


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (_lost_task, "S1 at the end: i1 has started and no task was ever made of it"),
        (_unfinished_task, "S1 at the end: i1.t1 is still assigned"),
        (_interaction_that_never_began, "S1 at the end: i1 was accepted and has never started"),
        (_two_tasks_of_one_interaction, "i1 is in i1.t1, which is waiting, and i1.t2"),
        (_published_and_not_decided, "agent.state_changed was published and never decided"),
        (_decided_and_not_published, "agent.state_changed was decided and never published"),
        (_published_otherwise, "agent.state_changed was decided as agent.state_changed with other data"),
        (_other_state_in_the_crm, "S1 at table task of the CRM: i1.t1 is assigned, not completed"),
        (_completed_twice, "TaskCompleted makes i1.t1 completed, which is completed"),
        (_queued_twice, "i1.t1 was queued a second time"),
        (_double_offer, "S3 at 0001-000000000000006-00000: i1.t1 has 2 offers with i1.t1.o2, its queue allows 1"),
        (_two_owners, "i1.t1 changed by i1.t1.o9.a; its owner is i1.t1.o1.a"),
        (_assigned_without_acceptance, "i1.t1 was assigned by i1.t1.o1, which nobody accepted"),
        (_spoke_without_assignment, "ann spoke in i1 by i1.t1.o2.a, which was never theirs"),
        (_over_capacity, "ann holds 2 of 1 units with i2.t1.o1"),
        (_not_ready, "i1.t1.o1 goes to ann, who is not_ready"),
        (_not_present, "i1.t1.o1 goes to ann, whose presence is lost"),
        (_unconfirmed_after_a_take_over, "i1.t1.o1 goes to ann, whose presence is unconfirmed"),
        (_not_skilled, "i1.t1.o1 needs billing 4, ann has 3"),
        (_not_configured, "i1.t1.o1 goes to ann, who is not configured"),
        (_lost_message, "the customer sent 'anybody?'; agent 'an answer' was told"),
        (_message_lost_in_the_crm, "S6 at table message of the CRM: message 2 of i1 is missing"),
        (_doubled_message, "S6 at table message of the CRM: message 1 of i1 stands twice"),
        (_message_told_twice_under_two_ids, "i1 has number 1 where 2 is next"),
        (_acknowledged_twice, "two messages of the customer were acknowledged by this number"),
        (_out_of_order, "S6 at messages[0]@0: i1 has number 2 where 1 is next"),
        (_repeat_with_other_words, "message m1 differs from its first copy"),
        (_words_of_somebody_else, "S6 at table message of the gateway: message 2 of i1 is"),
        (_about_no_task, "S1 at 0001-000000000000008-00000: TaskCompleted about i9.t1, which was never queued"),
        (_accepted_by_somebody_else, "OfferAccepted of i1.t1.o1; the live offer is i1.t1.o1"),
        (_assigned_by_another_offer, "i1.t1 was assigned by i1.t1.o9, which nobody accepted"),
        (_never_queued_but_in_the_crm, "S1 at table task of the CRM: i9.t1 was never queued"),
        (_by_skills_that_came_later, "i1.t1.o1 needs billing 2, ann has 1"),
        (_kept_under_two_numbers, "S6 at write of somebody: i1: hello has had its effect 2 times"),
        (_never_answered, "offer.accept c1 was never answered"),
        (_dead_letter, "L5 at messages.crm.dlq@0: a valid record was parked"),
    ],
)
def test_each_damage_is_named(run: Run, damage: Callable[[Run], None], found: str) -> None:
    damage(run)

    assert any(found in fault for fault in faults_of(run))


def test_a_message_that_was_sent_and_failed_is_named(run: Run) -> None:
    history = run.history()
    told = replace(history, messages=[*history.messages, Stood(history.messages[0].at, 9, event_of(failed("m3")), 0)])

    assert "S6 at messages[0]@9: message m3 was sent and failed" in map(str, find_faults(told, finished=True))


def test_what_is_no_event_is_named(run: Run) -> None:
    history = replace(run.history(), malformed=["messages[0]@7"])

    assert "L5 at messages[0]@7: is no event" in map(str, find_faults(history, finished=True))


def test_an_interaction_may_have_a_new_task_while_the_last_one_is_in_wrap_up(run: Run) -> None:
    wrapping = WrapupStarted(
        task_id="i1.t1",
        interaction_id="i1",
        domain=DOMAIN,
        queue="help",
        assignment_id="i1.t1.o1.a",
        agent_id="ann",
        reason="agent_ended",
        then="close",
        seen_number=1,
        started_at_ms=0,
        ends_at_ms=1,
    )
    run.routing[7:7] = [wrapping, queued("i1.t2")]
    run.crm_tasks["i1.t2"] = "waiting"

    assert faults_of(run, finished=False) == []


def test_a_take_over_of_another_partition_leaves_agents_confirmed(run: Run) -> None:
    history, other = run.history(), replace(run, routing=[present("zoe")]).history()
    journal = [*history.journal, *(replace(record, partition=1) for record in other.journal)]
    [seen_there] = [replace(stood, at=Partition(ROUTING_EVENTS.name, 1)) for stood in other.routing]
    before_the_offer = [*history.routing[:4], seen_there, *history.routing[4:]]

    assert report(find_faults(replace(history, journal=journal, routing=before_the_offer), finished=True)) == ""


def test_an_offer_after_one_that_expired_is_no_second_one(run: Run) -> None:
    run.routing[5:] = [expired(), replace(offered(), offer_id="i1.t1.o2")]
    _silence(run)
    run.crm_tasks = {"i1.t1": "waiting"}

    assert faults_of(run, finished=False) == []


def test_a_batch_of_an_old_epoch_does_not_count(run: Run) -> None:
    history = run.history()
    zombie = replace(history.journal[-1], offset=len(history.journal))

    assert report(find_faults(replace(history, journal=[*history.journal, zombie]), finished=True)) == ""
