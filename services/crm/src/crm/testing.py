"""The in-memory twin of the store, for handlers under test and for the simulated story; passes the same suite.

And a conversation as the events that tell of it.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from contracts import Event, encode
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.messages import MessageDelivered, MessageReceived, MessageSent
from contracts.tasks import TaskAssigned, TaskCompleted, TaskQueued, WrapupStarted
from contracts.topics import ROUTING_EVENTS
from servicekit.ports import Record
from servicekit.store import MemoryDatabase, MemoryTransaction, Tenant

from crm.domain.calls import CallStep, Transcript
from crm.domain.facts import NOBODY, Profile
from crm.domain.identity import Holding, Identifier, Key, takes_name
from crm.domain.routing import Step, Task
from crm.domain.stories import FailedMessage, Interaction, Message
from crm.domain.words import customer_words
from crm.domain.written import Change, Status, Window, changed
from crm.transaction import CrmTransaction, DecisionRow, Expected, Named, TakenMeanwhileError, check_same


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRow:
    """A row of table `customer`, with its words."""

    created_at_ms: int
    name: str | None = None
    named_at_ms: int | None = None
    words: frozenset[str] = frozenset()
    profile: Profile = NOBODY
    """As the API would have written it; the last agent is looked up."""


@dataclass(frozen=True, slots=True)
class CrmTables:
    """The tables; keys are tenant and id, with type and value for identifiers, interaction and sequence
    for steps, interaction and event or transcript for calls."""

    customers: dict[Named, CustomerRow] = field(default_factory=dict)
    identifiers: dict[tuple[str, Key], Holding] = field(default_factory=dict)
    decisions: dict[Named, DecisionRow] = field(default_factory=dict)
    interactions: dict[Named, Interaction] = field(default_factory=dict)
    messages: dict[tuple[str, str, int], Message] = field(default_factory=dict)
    changes: dict[Named, Change] = field(default_factory=dict)
    statuses: dict[Named, Status] = field(default_factory=dict)
    windows: dict[Named, Window] = field(default_factory=dict)
    failed_messages: dict[Named, FailedMessage] = field(default_factory=dict)
    tasks: dict[Named, Task] = field(default_factory=dict)
    steps: dict[tuple[str, str, str], Step] = field(default_factory=dict)
    call_steps: dict[tuple[str, str, str], CallStep] = field(default_factory=dict)
    transcripts: dict[tuple[str, str, str], Transcript] = field(default_factory=dict)


class MemoryCrmStore:
    """The twin of PostgresCrmStore; `database.tables` is for checks."""

    def __init__(self) -> None:
        self.database = MemoryDatabase(CrmTables())

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[CrmTransaction]:
        """See CrmStore."""
        return self.database.transaction(tenant, MemoryCrmTransaction)


class MemoryCrmTransaction(MemoryTransaction[CrmTables]):
    """The twin of PostgresCrmTransaction. Transactions run one at a time, so every row is as good as locked."""

    async def expect(self, expected: Expected) -> None:
        """Everything is at hand here."""

    async def interaction(self, tenant_id: str, interaction_id: str) -> Interaction | None:
        """See CrmTransaction."""
        return self.tables.interactions.get((tenant_id, interaction_id)) if self._sees(tenant_id) else None

    async def save_interaction(self, interaction: Interaction) -> None:
        """See CrmTransaction."""
        self.tables.interactions[interaction.tenant_id, interaction.interaction_id] = interaction

    async def claims(self, tenant_id: str, interaction_id: str) -> Sequence[Identifier]:
        """See CrmTransaction."""
        rows = [
            row
            for row in self.tables.decisions.values()
            if (row.tenant_id, row.interaction_id) == (tenant_id, interaction_id) and self._sees(tenant_id)
        ]
        rows.sort(key=lambda row: (row.decided_at_ms, row.decision_id))
        return [claim for row in rows for claim in row.claims]

    async def holdings(self, tenant_id: str, keys: Collection[Key]) -> Mapping[Key, Holding]:
        """See CrmTransaction."""
        held = self.tables.identifiers
        return {key: held[tenant_id, key] for key in keys if (tenant_id, key) in held and self._sees(tenant_id)}

    async def add_customer(self, tenant_id: str, customer_id: str, *, created_at_ms: int) -> None:
        """See CrmTransaction."""
        self.tables.customers[tenant_id, customer_id] = CustomerRow(created_at_ms=created_at_ms)

    async def name_customer(self, tenant_id: str, customer_id: str, name: str, *, verified: bool, at_ms: int) -> bool:
        """See CrmTransaction."""
        row = self.tables.customers[tenant_id, customer_id]
        takes = takes_name(row.name, row.named_at_ms, verified=verified, at_ms=at_ms)
        if takes:
            named = replace(row, name=name, named_at_ms=at_ms if verified else None)
            self.tables.customers[tenant_id, customer_id] = named
        return takes

    async def attach(
        self, tenant_id: str, identifier: Identifier, *, customer_id: str, decision_id: str, held_by: str | None
    ) -> None:
        """See CrmTransaction."""
        holding = self.tables.identifiers.get((tenant_id, identifier.key))
        if holding is not None and (holding.verified or holding.customer_id != held_by):
            raise TakenMeanwhileError(identifier.type)
        self.tables.identifiers[tenant_id, identifier.key] = Holding(customer_id, identifier.verified)

    async def add_decision(self, row: DecisionRow) -> None:
        """See CrmTransaction."""
        self.tables.decisions[row.tenant_id, row.decision_id] = row

    async def renew_words(self, tenant_id: str, customer_id: str) -> None:
        """See CrmTransaction."""
        row = self.tables.customers[tenant_id, customer_id]
        values = [
            value
            for (tenant, (_, value)), holding in self.tables.identifiers.items()
            if (tenant, holding.customer_id) == (tenant_id, customer_id)
        ]
        words = customer_words(row.name, values)
        self.tables.customers[tenant_id, customer_id] = replace(row, words=words)

    async def add_message(self, message: Message) -> None:
        """See CrmTransaction."""
        key = (message.tenant_id, message.interaction_id, message.number)
        kept = await self.message(message.tenant_id, message.message_id) or self.tables.messages.get(key)
        if kept is None:
            self.tables.messages[key] = message
        else:
            check_same(message, kept)

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """See CrmTransaction."""
        found = (each for each in self.tables.messages.values() if self._sees(each.tenant_id))
        return next((each for each in found if (each.tenant_id, each.message_id) == (tenant_id, message_id)), None)

    async def change(self, tenant_id: str, message_id: str) -> Change | None:
        """See CrmTransaction."""
        return self.tables.changes.get((tenant_id, message_id)) if self._sees(tenant_id) else None

    async def save_change(self, change: Change) -> None:
        """See CrmTransaction."""
        self.tables.changes[change.tenant_id, change.message_id] = change
        kept = await self.message(change.tenant_id, change.message_id)
        if kept:
            now = changed(kept, change)
            check_same(now, self.tables.messages.get((now.tenant_id, now.interaction_id, now.number), now))
            del self.tables.messages[kept.tenant_id, kept.interaction_id, kept.number]
            self.tables.messages[now.tenant_id, now.interaction_id, now.number] = now

    async def tell_status(self, status: Status) -> None:
        """See CrmTransaction."""
        self.tables.statuses[status.tenant_id, status.message_id] = status

    async def tell_window(self, window: Window) -> None:
        """See CrmTransaction."""
        key = (window.tenant_id, window.interaction_id)
        kept = self.tables.windows.get(key, window)
        self.tables.windows[key] = window if kept.changed_at_ms <= window.changed_at_ms else kept

    async def mark_delivered(self, tenant_id: str, interaction_id: str, *, number: int, delivered_at_ms: int) -> None:
        """See CrmTransaction."""
        for key, message in self.tables.messages.items():
            mine = key[:2] == (tenant_id, interaction_id) and message.number <= number
            shown = message.direction == "outbound" and message.visibility == "customer"
            if mine and shown and message.delivered_at_ms is None:
                self.tables.messages[key] = replace(message, delivered_at_ms=delivered_at_ms)

    async def add_failed_message(self, message: FailedMessage) -> None:
        """See CrmTransaction."""
        self.tables.failed_messages.setdefault((message.tenant_id, message.message_id), message)

    async def task(self, tenant_id: str, task_id: str) -> Task | None:
        """See CrmTransaction."""
        return self.tables.tasks.get((tenant_id, task_id)) if self._sees(tenant_id) else None

    async def save_task(self, task: Task) -> None:
        """See CrmTransaction."""
        self.tables.tasks[task.tenant_id, task.task_id] = task

    async def add_step(self, step: Step) -> None:
        """See CrmTransaction."""
        self.tables.steps.setdefault((step.tenant_id, step.interaction_id, step.sequence), step)

    async def add_call_step(self, step: CallStep) -> None:
        """See CrmTransaction."""
        self.tables.call_steps.setdefault((step.tenant_id, step.interaction_id, step.event_id), step)

    async def keep_transcript(self, transcript: Transcript) -> None:
        """See CrmTransaction."""
        key = (transcript.tenant_id, transcript.interaction_id, transcript.transcript_id)
        self.tables.transcripts[key] = transcript

    async def profile(self, tenant_id: str, customer_id: str, domain: str) -> Profile:
        """See CrmTransaction."""
        own = {
            each.interaction_id
            for each in self.tables.interactions.values()
            if (each.tenant_id, each.customer_id) == (tenant_id, customer_id)
        }
        owned = [
            each
            for each in self.tables.tasks.values()
            if each.tenant_id == tenant_id and each.interaction_id in own and each.domain == domain
            if each.agent_id and each.role == "owner"
        ]
        last = max(owned, key=lambda each: (each.assigned_at_ms or 0, each.task_id), default=None)
        profile = self.tables.customers[tenant_id, customer_id].profile
        return replace(profile, last_agent_id=last.agent_id if last else None)

    def _sees(self, tenant_id: str) -> bool:
        """What row-level security does."""
        return self.tenant_text in ("*", tenant_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A web chat from its first word to its disposition: the customer writes, Ana answers, the customer thanks."""

    interaction_id: str = "chat-1"
    tenant_id: str = "acme"
    first_ms: int = 1_767_225_600_000
    personal: dict[str, object] = field(default_factory=dict)
    words: tuple[str, str, str] = ("Where is my tent?", "On its way.", "Thank you!")

    def events(self) -> list[Event]:
        """All events in the order in which things happened; those of the router have no sequence yet."""
        return [*self._beginning(), *self._answer(), *self._end()]

    def event(self, data: object, id_suffix: str) -> Event:
        """An event of this interaction."""
        return Event(
            id=f"{self.interaction_id}.{id_suffix}",
            source="/test",
            tenant_id=self.tenant_id,
            subject=self.interaction_id,
            time_ms=self.first_ms,
            data=data,
        )

    def _beginning(self) -> list[Event]:
        started = InteractionStarted(
            **self._place(),
            client="acme-outdoor",
            channel="webchat",
            address="webchat:shop",
            started_at_ms=self.first_ms,
            attributes={"page": "tents"},
            personal=self.personal,
        )
        queued = TaskQueued(
            **self._task(),
            client="acme-outdoor",
            channel="webchat",
            priority=5,
            cost=1,
            requirements=(),
            queued_at_ms=self.first_ms + 10,
        )
        return [self.event(started, "started"), self._received(1, self.words[0]), self.event(queued, "queued")]

    def _answer(self) -> list[Event]:
        assigned = TaskAssigned(
            **self._task(),
            channel="webchat",
            assignment_id=f"{self.interaction_id}-a1",
            offer_id="offer-1",
            agent_id="ana",
            assigned_at_ms=self.first_ms + 4_010,
            waited_ms=4_000,
        )
        sent = MessageSent(
            **self._place(),
            message_id=f"{self.interaction_id}-2",
            channel="webchat",
            number=2,
            agent_id="ana",
            assignment_id=f"{self.interaction_id}-a1",
            sent_at_ms=self.first_ms + 5_000,
            personal={"text": self.words[1]},
        )
        delivered = MessageDelivered(**self._place(), number=2, delivered_at_ms=self.first_ms + 5_050)
        return [
            self.event(assigned, "assigned"),
            self.event(sent, "2"),
            self.event(delivered, "delivered.2"),
            self._received(3, self.words[2]),
        ]

    def _end(self) -> list[Event]:
        ended = InteractionEnded(**self._place(), reason="customer_left", ended_at_ms=self.first_ms + 7_000)
        wrapup = WrapupStarted(
            **self._task(),
            assignment_id=f"{self.interaction_id}-a1",
            agent_id="ana",
            reason="interaction_ended",
            then="close",
            seen_number=3,
            started_at_ms=self.first_ms + 7_010,
            ends_at_ms=self.first_ms + 67_010,
        )
        completed = TaskCompleted(
            **self._task(),
            assignment_id=f"{self.interaction_id}-a1",
            agent_id="ana",
            reason="completed_by_agent",
            disposition="solved",
            then="close",
            seen_number=3,
            completed_at_ms=self.first_ms + 9_010,
            handled_ms=5_000,
        )
        return [self.event(ended, "ended"), self.event(wrapup, "wrapup"), self.event(completed, "completed")]

    def _received(self, number: int, text: str) -> Event:
        received = MessageReceived(
            **self._place(),
            message_id=f"{self.interaction_id}-{number}",
            channel="webchat",
            number=number,
            received_at_ms=self.first_ms + 2_000 * number,
            personal={"text": text},
        )
        return self.event(received, str(number))

    def _place(self) -> dict[str, Any]:  # Any: fields of any event
        return {"interaction_id": self.interaction_id, "domain": f"{self.tenant_id}.main"}

    def _task(self) -> dict[str, Any]:  # Any: fields of any event
        return {**self._place(), "task_id": f"{self.interaction_id}-t1", "queue": "sales"}


@dataclass(slots=True)
class Topics:
    """Gives events their offsets, and those of the router their sequences, as one partition per topic would."""

    ends: dict[str, int] = field(default_factory=dict)
    sequences: dict[Named, str] = field(default_factory=dict)
    """By tenant and id of the event: one that is published again keeps its own."""

    def land(self, event: Event) -> Record:
        """The event as the next record of its topic."""
        topic = event.type.topic.name
        offset = self.ends.get(topic, 0)
        self.ends[topic] = offset + 1
        if event.type.topic == ROUTING_EVENTS and event.sequence is None:
            sequence = f"0001-{len(self.sequences):012d}-00"
            event = replace(event, sequence=self.sequences.setdefault((event.tenant_id, event.id), sequence))
        value, headers = encode(event)
        return Record(topic, 0, offset, event.subject.encode(), value, tuple(headers), event.time_ms)
