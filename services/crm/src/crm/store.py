"""Keeps customers and their stories in PostgreSQL (schema `crm`). What the API reads stands in `crm.views`.

A transaction looks rows up in sets, as far as `expect` foresaw them, changes them in memory, and writes them in sets
before the commit: a batch of hundreds of events costs a dozen statements.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from servicekit.database import Database, Transaction
from servicekit.errors import RejectError
from servicekit.store import Tenant
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from crm.domain.calls import CallStep, Transcript
from crm.domain.facts import NOBODY, Profile
from crm.domain.identity import Holding, Identifier, Key, takes_name
from crm.domain.routing import Step, Task
from crm.domain.stories import FailedMessage, Interaction, Message
from crm.domain.words import customer_words
from crm.domain.written import Change, Status, Window, changed
from crm.gathered import Rows
from crm.sets import Claimed, Customer, Delivered, Held, MessageLock, Sets
from crm.transaction import CrmTransaction, DecisionRow, Expected, Named, TakenMeanwhileError, check_same


class PostgresCrmStore:
    """The real CrmStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[CrmTransaction]:
        """See CrmStore."""
        return self._database.transaction(tenant, PostgresCrmTransaction)


class PostgresCrmTransaction(Transaction):
    """The real CrmTransaction; its methods are described there."""

    def __init__(self, connection: AsyncConnection, tenant: Tenant) -> None:
        super().__init__(connection, tenant)
        self._sets = sets = Sets(self)
        self._interactions = Rows(sets.interactions)
        self._claims = Rows(sets.claims)
        self._identifiers = Rows(sets.identifiers)
        self._customers = Rows(sets.customers)
        self._tasks = Rows(sets.tasks)
        self._last_agents = Rows(sets.last_agents)
        self._steps: list[Step] = []
        self._call_steps: list[CallStep] = []
        self._transcripts: dict[tuple[str, str, str], Transcript] = {}
        self._decisions: list[DecisionRow] = []
        self._found_otherwise: set[Named] = set()
        self._messages: dict[Named, Message] = {}
        self._numbers: dict[tuple[str, str, int], Message] = {}
        self._changes = Rows(sets.changes)
        self._changed = Rows(sets.messages)
        self._were: dict[Named, Message] = {}
        self._lock: MessageLock | None = None
        self._statuses: dict[Named, Status] = {}
        self._windows: dict[Named, Window] = {}
        self._delivered: list[Delivered] = []
        self._failed: list[FailedMessage] = []

    async def expect(self, expected: Expected) -> None:
        """See CrmTransaction."""
        if expected.messages:
            await self._lock_messages("changes" if expected.changes else "additions")
            await self._changes.know(expected.messages)
        if expected.changes:
            await self._changed.know(expected.messages)
        await self._interactions.know(expected.interactions)
        await self._claims.know(expected.interactions)
        said = [
            (tenant_id, *claim.key)
            for tenant_id, interaction_id in expected.interactions
            for claim in await self.claims(tenant_id, interaction_id)
        ]
        await self._identifiers.know([*expected.identifiers, *said])
        concerned = [(held.tenant_id, held.customer_id) for held in self._identifiers.known]
        concerned += [(row.tenant_id, row.customer_id) for row in self._interactions.known if row.customer_id]
        await self._customers.know(concerned)
        await self._last_agents.know(
            (tenant_id, customer_id, domain)
            for tenant_id, customer_id in concerned
            for tenant, domain in expected.domains
            if tenant == tenant_id
        )
        await self._tasks.know(expected.tasks)

    async def interaction(self, tenant_id: str, interaction_id: str) -> Interaction | None:
        """See CrmTransaction."""
        return await self._interactions.get((tenant_id, interaction_id))

    async def save_interaction(self, interaction: Interaction) -> None:
        """See CrmTransaction."""
        self._interactions.set((interaction.tenant_id, interaction.interaction_id), interaction)

    async def claims(self, tenant_id: str, interaction_id: str) -> Sequence[Identifier]:
        """See CrmTransaction."""
        said = await self._claims.get((tenant_id, interaction_id)) or ()
        return [claim for each in sorted(said, key=lambda each: each.order) for claim in each.claims]

    async def holdings(self, tenant_id: str, keys: Collection[Key]) -> Mapping[Key, Holding]:
        """See CrmTransaction."""
        await self._identifiers.know((tenant_id, *key) for key in keys)
        found = {key: await self._identifiers.get((tenant_id, *key)) for key in keys}
        return {key: held.holding for key, held in found.items() if held}

    async def add_customer(self, tenant_id: str, customer_id: str, *, created_at_ms: int) -> None:
        """See CrmTransaction."""
        customer = Customer(tenant_id=tenant_id, customer_id=customer_id, created_at_ms=created_at_ms)
        self._customers.set((tenant_id, customer_id), customer)

    async def name_customer(self, tenant_id: str, customer_id: str, name: str, *, verified: bool, at_ms: int) -> bool:
        """See CrmTransaction."""
        kept = await self._customers.get((tenant_id, customer_id))
        if kept is None or not takes_name(kept.name, kept.named_at_ms, verified=verified, at_ms=at_ms):
            return False
        named = replace(kept, name=name, named_at_ms=at_ms if verified else None)
        self._customers.set((tenant_id, customer_id), named)
        return True

    async def attach(
        self, tenant_id: str, identifier: Identifier, *, customer_id: str, decision_id: str, held_by: str | None
    ) -> None:
        """See CrmTransaction."""
        kept = await self._identifiers.get((tenant_id, *identifier.key))
        if kept is not None and (kept.verified or kept.customer_id != held_by):
            raise TakenMeanwhileError(identifier.type)
        held = Held(
            tenant_id=tenant_id,
            type=identifier.type,
            value=identifier.value,
            customer_id=customer_id,
            verified=identifier.verified,
            decision_id=decision_id,
            kept_by=kept.kept_by if kept else None,
        )
        self._identifiers.set((tenant_id, *identifier.key), held)

    async def add_decision(self, row: DecisionRow) -> None:
        """See CrmTransaction."""
        key = (row.tenant_id, row.interaction_id)
        claimed = Claimed(row.decided_at_ms, row.decision_id, row.claims)
        self._claims.set(key, (*(await self._claims.get(key) or ()), claimed))
        self._decisions.append(row)

    async def profile(self, tenant_id: str, customer_id: str, domain: str) -> Profile:
        """See CrmTransaction."""
        kept = await self._customers.get((tenant_id, customer_id))
        if kept is None:
            return NOBODY
        return Profile(
            tier=kept.tier,
            language=kept.language,
            labels=tuple(kept.labels),
            last_agent_id=await self._last_agents.get((tenant_id, customer_id, domain)),
        )

    async def renew_words(self, tenant_id: str, customer_id: str) -> None:
        """See CrmTransaction."""
        await self._customers.know([(tenant_id, customer_id)])
        self._found_otherwise.add((tenant_id, customer_id))

    async def add_message(self, message: Message) -> None:
        """See CrmTransaction."""
        await self._lock_messages("additions")
        number = (message.tenant_id, message.interaction_id, message.number)
        name = (message.tenant_id, message.message_id)
        kept = self._messages.get(name) or self._numbers.get(number)
        if kept is None:
            self._messages[name] = self._numbers[number] = message
        else:
            check_same(message, kept)

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """See CrmTransaction."""
        return self._messages.get((tenant_id, message_id)) or await self._sets.message(tenant_id, message_id)

    async def change(self, tenant_id: str, message_id: str) -> Change | None:
        """See CrmTransaction."""
        await self._lock_messages("additions")
        return await self._changes.get((tenant_id, message_id))

    async def save_change(self, change: Change) -> None:
        """See CrmTransaction."""
        await self._lock_messages("changes")
        name = (change.tenant_id, change.message_id)
        self._changes.set(name, change)
        if name in self._messages:
            added = self._messages.pop(name)
            del self._numbers[added.tenant_id, added.interaction_id, added.number]
            await self.add_message(changed(added, change))
        elif kept := await self._changed.get(name):
            self._were.setdefault(name, kept)
            self._changed.set(name, changed(kept, change))

    async def tell_status(self, status: Status) -> None:
        """See CrmTransaction."""
        self._statuses[status.tenant_id, status.message_id] = status

    async def tell_window(self, window: Window) -> None:
        """See CrmTransaction."""
        key = (window.tenant_id, window.interaction_id)
        kept = self._windows.get(key, window)
        self._windows[key] = window if kept.changed_at_ms <= window.changed_at_ms else kept

    async def mark_delivered(self, tenant_id: str, interaction_id: str, *, number: int, delivered_at_ms: int) -> None:
        """See CrmTransaction."""
        told = Delivered(
            tenant_id=tenant_id, interaction_id=interaction_id, number=number, delivered_at_ms=delivered_at_ms
        )
        self._delivered.append(told)

    async def add_failed_message(self, message: FailedMessage) -> None:
        """See CrmTransaction."""
        self._failed.append(message)

    async def task(self, tenant_id: str, task_id: str) -> Task | None:
        """See CrmTransaction."""
        return await self._tasks.get((tenant_id, task_id))

    async def save_task(self, task: Task) -> None:
        """See CrmTransaction."""
        self._tasks.set((task.tenant_id, task.task_id), task)

    async def add_step(self, step: Step) -> None:
        """See CrmTransaction."""
        self._steps.append(step)

    async def add_call_step(self, step: CallStep) -> None:
        """See CrmTransaction."""
        self._call_steps.append(step)

    async def keep_transcript(self, transcript: Transcript) -> None:
        """See CrmTransaction."""
        self._transcripts[transcript.tenant_id, transcript.interaction_id, transcript.transcript_id] = transcript

    @override
    async def flush(self) -> None:
        """Write what was gathered. Raises TakenMeanwhileError, and RejectError as `add_message` says."""
        sets = self._sets
        await sets.save_customers(self._customers.changed)
        if not await sets.attach(self._identifiers.changed):
            raise TakenMeanwhileError("identifier")
        await sets.add_decisions(self._decisions)
        await self._write_words()
        await sets.save_interactions(self._interactions.changed)
        await sets.save_changes(self._changes.changed)
        if not await sets.replace_messages([(self._were[_name(now)], now) for now in self._changed.changed]):
            raise RejectError("message_number_taken")
        for message in await sets.add_messages(list(self._messages.values())):
            check_same(message, await sets.message(message.tenant_id, message.message_id))
        await sets.tell_statuses(sorted(self._statuses.values(), key=lambda each: (each.tenant_id, each.message_id)))
        await sets.tell_windows(list(self._windows.values()))
        await sets.mark_delivered(self._delivered)
        await sets.add_failed_messages(self._failed)
        await sets.save_tasks(self._tasks.changed)
        await sets.add_steps(self._steps)
        await sets.add_call_steps(self._call_steps)
        await sets.keep_transcripts([self._transcripts[key] for key in sorted(self._transcripts)])
        await super().flush()

    async def _lock_messages(self, lock: MessageLock) -> None:
        """Messages and what became of them come from several partitions, whose transactions do not see each other's
        rows: so those who add messages keep off those who change words or places, before either looks."""
        if self._lock not in (lock, "changes"):
            await self._sets.lock_messages(lock)
            self._lock = lock

    async def _write_words(self) -> None:
        """After the identifiers: they are what customers are found by."""
        stale = sorted(self._found_otherwise)
        if not stale:
            return
        values = await self._sets.identifier_values(stale)
        words = {}
        for key in stale:
            customer = await self._customers.get(key)
            words[key] = customer_words(customer.name if customer else None, values[key])
        await self._sets.replace_words(words)


def _name(message: Message) -> Named:
    return (message.tenant_id, message.message_id)
