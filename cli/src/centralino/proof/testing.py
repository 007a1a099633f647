"""A sound run of one chat, in pieces: what tests of the checker damage."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from contracts import Event, encode
from contracts.agents import AgentPresenceChanged, AgentStateChanged, ConfigurationApplied
from contracts.configuration_records import ConfigurationRecord
from contracts.interactions import InteractionStarted
from contracts.messages import MessageFailed, MessageReceived, MessageSent
from contracts.offers import Decision, OfferAccepted, OfferExpired, OfferIssued
from contracts.tasks import Requirement, TaskAssigned, TaskCompleted, TaskQueued
from contracts.topics import CONFIG, INTERACTIONS, MESSAGES, ROUTING_EVENTS, ROUTING_INPUTS, ROUTING_JOURNAL
from servicekit.ports import Record

from centralino.proof.history import History, Outcome, Request, RequestKind, Said, Tables, read_history, said

DOMAIN: Final = "acme.main"
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
    queue: dict[str, object] = field(default_factory=dict)
    """What is set of queue `help`."""
    domain: dict[str, object] = field(default_factory=dict)
    """What is set of the domain."""
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
        queue = {"id": "help", "domain": DOMAIN, "name": "Help"} | self.queue
        configured += [
            ConfigurationRecord(kind="queue", id=f"queue:{DOMAIN}/help", domain=DOMAIN, version=1, value=queue),
            ConfigurationRecord(
                kind="domain", id=f"domain:{DOMAIN}", domain=DOMAIN, version=1, value={"id": DOMAIN} | self.domain
            ),
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


def sound_run() -> Run:
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
