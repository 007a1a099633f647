"""The checker finds nothing wrong with a sound history, and names what is broken in each damaged one."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from centralino.proof.checker import find_faults
from centralino.proof.faults import report
from centralino.proof.history import History, Outcome, Request, RequestKind, Said, Stood, Tables, read_history, said
from contracts import Event, encode
from contracts.agents import AgentPresenceChanged, AgentStateChanged, ConfigurationApplied
from contracts.commands import AcceptOffer
from contracts.configuration_records import ConfigurationRecord
from contracts.interactions import InteractionStarted
from contracts.messages import MessageFailed, MessageReceived, MessageSent
from contracts.offers import Decision, OfferAccepted, OfferExpired, OfferIssued
from contracts.tasks import Requirement, TaskAssigned, TaskCompleted, TaskQueued, WrapupStarted
from contracts.topics import CONFIG, INTERACTIONS, MESSAGES, ROUTING_EVENTS, ROUTING_INPUTS, ROUTING_JOURNAL
from servicekit.ports import Partition, Record

DOMAIN = "acme.main"
RoutingData = list[object]
Spoken = MessageReceived | MessageSent


@dataclass
class Run:
    """A run of one chat that ann answers; `routing` may differ from what was `journaled` only on purpose."""

    routing: RoutingData
    messages: list[Spoken]
    journaled: RoutingData | None = None
    epochs_at: list[int] = field(default_factory=lambda: [0])
    agents: dict[str, dict[str, object]] = field(default_factory=dict)
    accepted: list[Said] = field(default_factory=list)
    gateway: list[Said] = field(default_factory=list)
    crm: list[Said] = field(default_factory=list)
    crm_tasks: dict[str, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=lambda: ["i1"])
    parked: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    commands: list[object] = field(default_factory=list)
    later_agents: dict[str, dict[str, object]] = field(default_factory=dict)
    """By a version that was never applied."""

    def history(self) -> History:
        journal, sequences = self._journal()
        starts = [interaction_started(interaction_id) for interaction_id in self.started]
        configured = [
            ConfigurationRecord(kind="agent", id=f"agent:{name}", domain=DOMAIN, version=version, value=value)
            for version, agents in ((1, self.agents), (2, self.later_agents))
            for name, value in agents.items()
        ]
        records = {
            ROUTING_JOURNAL.name: journal,
            ROUTING_EVENTS.name: _records(ROUTING_EVENTS.name, self.routing, sequences),
            INTERACTIONS.name: _records(INTERACTIONS.name, starts),
            MESSAGES.name: _records(MESSAGES.name, self.messages),
            CONFIG.name: _records(CONFIG.name, configured),
            ROUTING_INPUTS.name: _records(ROUTING_INPUTS.name, self.commands),
        }
        tables = Tables(gateway=self.gateway, crm=self.crm, crm_tasks=self.crm_tasks)
        return read_history(
            records, dead_letters=self.parked, accepted=self.accepted, requests=self.requests, tables=tables
        )

    def _journal(self) -> tuple[list[Record], list[str]]:
        """A batch per fact; an epoch record before the facts that `epochs_at` counts."""
        records: list[Record] = []
        sequences: list[str] = []
        epoch, number = -1, 0
        for index, data in enumerate(self.routing if self.journaled is None else self.journaled):
            if index in self.epochs_at:
                epoch, number = len(records), 0
                entry = {"kind": "epoch", "owner": "o", "nonce": "n", "generation": 1}
                records.append(_record(ROUTING_JOURNAL.name, len(records), json.dumps(entry).encode()))
            number += 1
            sequences.append(f"0001-{len(records):015d}-00000")
            value, _ = encode(event_of(data))
            facts = [["acme", event_of(data).type.name, json.loads(value)]]
            batch = {"kind": "batch", "epoch": epoch, "number": number, "facts": facts}
            records.append(_record(ROUTING_JOURNAL.name, len(records), json.dumps(batch).encode()))
        return records, sequences + [f"0001-{len(records) + more:015d}-00000" for more in range(9)]


def event_of(data: object, sequence: str | None = None) -> Event:
    named = (getattr(data, name, None) for name in ("message_id", "task_id", "interaction_id", "agent_id", "domain"))
    subject = next(str(name) for name in named if name)
    return Event(
        id=sequence or subject,
        source="/test",
        tenant_id="acme",
        subject=subject,
        time_ms=0,
        data=data,
        sequence=sequence,
    )


def _records(topic: str, events: Sequence[object], sequences: list[str] | None = None) -> list[Record]:
    records = []
    for offset, data in enumerate(events):
        value, headers = encode(event_of(data, sequences[offset] if sequences else None))
        records.append(_record(topic, offset, value, tuple(headers)))
    return records


def _record(topic: str, offset: int, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    return Record(topic, 0, offset, None, value, headers, 0)


def interaction_started(interaction_id: str) -> InteractionStarted:
    return InteractionStarted(
        interaction_id=interaction_id,
        domain=DOMAIN,
        client="shop",
        channel="webchat",
        address="web:main",
        started_at_ms=0,
    )


def present(agent_id: str) -> AgentPresenceChanged:
    return AgentPresenceChanged(
        agent_id=agent_id, domain=DOMAIN, presence="present", grace_ends_at_ms=None, changed_at_ms=0
    )


def ready(agent_id: str) -> AgentStateChanged:
    return AgentStateChanged(
        agent_id=agent_id, domain=DOMAIN, state="ready", reason_code=None, cause="command", changed_at_ms=0
    )


def queued(task_id: str = "i1.t1", *, minimum: int = 2) -> TaskQueued:
    return TaskQueued(
        task_id=task_id,
        interaction_id=task_id.partition(".")[0],
        domain=DOMAIN,
        client="shop",
        channel="webchat",
        queue="help",
        priority=5,
        cost=1,
        requirements=(Requirement(skill="billing", minimum=minimum),),
        queued_at_ms=0,
    )


def offered(agent_id: str = "ann", *, task_id: str = "i1.t1", number: int = 1) -> OfferIssued:
    return OfferIssued(
        offer_id=f"{task_id}.o{number}",
        task_id=task_id,
        interaction_id=task_id.partition(".")[0],
        domain=DOMAIN,
        queue="help",
        channel="webchat",
        priority=5,
        agent_id=agent_id,
        issued_at_ms=0,
        expires_at_ms=1,
        queued_at_ms=0,
        decision=Decision(rule="longest_idle", agents=1, eligible=1),
    )


def accepted(agent_id: str = "ann", *, task_id: str = "i1.t1") -> list[object]:
    offer_id = f"{task_id}.o1"
    return [
        OfferAccepted(offer_id=offer_id, task_id=task_id, domain=DOMAIN, agent_id=agent_id, accepted_at_ms=0),
        TaskAssigned(
            task_id=task_id,
            interaction_id=task_id.partition(".")[0],
            domain=DOMAIN,
            queue="help",
            channel="webchat",
            assignment_id=f"{offer_id}.a",
            offer_id=offer_id,
            agent_id=agent_id,
            assigned_at_ms=0,
            waited_ms=0,
        ),
    ]


def completed(task_id: str = "i1.t1", assignment_id: str = "i1.t1.o1.a") -> TaskCompleted:
    return TaskCompleted(
        task_id=task_id,
        interaction_id=task_id.partition(".")[0],
        domain=DOMAIN,
        queue="help",
        assignment_id=assignment_id,
        agent_id="ann",
        reason="completed_by_agent",
        disposition=None,
        then="close",
        seen_number=1,
        completed_at_ms=0,
        handled_ms=0,
    )


def received(number: int, text: str = "hello") -> MessageReceived:
    return MessageReceived(
        message_id=f"m{number}",
        interaction_id="i1",
        domain=DOMAIN,
        channel="webchat",
        number=number,
        received_at_ms=0,
        personal={"text": text},
    )


def sent(number: int, assignment_id: str = "i1.t1.o1.a") -> MessageSent:
    return MessageSent(
        message_id=f"m{number}",
        interaction_id="i1",
        domain=DOMAIN,
        channel="webchat",
        number=number,
        agent_id="ann",
        assignment_id=assignment_id,
        sent_at_ms=0,
        personal={"text": "an answer"},
    )


def failed(message_id: str) -> MessageFailed:
    return MessageFailed(
        message_id=message_id,
        interaction_id="i1",
        domain=DOMAIN,
        agent_id="ann",
        reason="assignment_over",
        detail="The conversation is over.",
        failed_at_ms=0,
    )


def asked(kind: RequestKind, about: str, outcome: Outcome) -> Request:
    return Request(who="somebody", kind=kind, about=about, key=about, asked_at_ms=0, answered_at_ms=0, outcome=outcome)


def expired() -> OfferExpired:
    return OfferExpired(
        offer_id="i1.t1.o1", task_id="i1.t1", domain=DOMAIN, agent_id="ann", unanswered=1, expired_at_ms=0
    )


def ann() -> dict[str, object]:
    return {"id": "ann", "domain": DOMAIN, "name": "Ann", "skills": {"billing": 3}, "capacity": 1}


@pytest.fixture
def run() -> Run:
    """Sound: applied, present, ready, queued, offered, accepted, assigned, completed; three messages."""
    applied = ConfigurationApplied(domain=DOMAIN, version=1, hash="h", applied_at_ms=0)
    routing = [applied, present("ann"), ready("ann"), queued(), offered(), *accepted(), completed()]
    messages: list[Spoken] = [received(1), received(2, "anybody?"), sent(3)]
    rows = [said(message) for message in messages]
    customers = [replace(row, message_id=None) for row in rows if row.sender == "customer"]
    return Run(
        routing=list(routing),
        messages=list(messages),
        agents={"ann": ann(), "bob": ann() | {"id": "bob", "skills": {"billing": 1}}},
        accepted=customers,
        gateway=list(rows),
        crm=list(rows),
        crm_tasks={"i1.t1": "completed"},
        requests=[
            asked("ready", "ann", "ok"),
            asked("accept", "i1.t1.o1", "unknown"),
            asked("accept", "i1.t1.o1", "ok"),
            asked("complete", "i1.t1.o1.a", "unknown"),
            asked("reject", "i1.t1.o9", "unknown"),
            asked("say", "m3", "unknown"),
            asked("say", "m3", "failed"),
            asked("write", "i1: hello", "ok"),
            asked("write", "i1: what nobody has heard", "failed"),
        ],
    )


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
        (_double_offer, "S3 at 0001-000000000000006-00000: OfferIssued makes i1.t1 offered, which is offered"),
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
