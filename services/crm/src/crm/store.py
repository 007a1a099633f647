"""Keeps customers and their stories in PostgreSQL (schema `crm`): what handlers read and write.

What the API reads stands in `crm.views`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from functools import cache
from typing import Protocol

from servicekit.database import Database, Transaction
from servicekit.errors import RetryLaterError
from servicekit.statements import statements
from servicekit.store import Tenant, TransactionBase

from crm.domain.identity import Decision, Holding, Identifier, Key
from crm.domain.stories import FailedMessage, Interaction, Message, Task
from crm.domain.words import customer_words, words_of


class TakenMeanwhileError(RetryLaterError):
    """Another transaction gave the identifier to a customer after it was looked up; decide again with what is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """A decision as it is kept for good; `decision_id` is also the id of a customer that it made."""

    tenant_id: str
    decision_id: str
    interaction_id: str
    claims: tuple[Identifier, ...]
    decision: Decision
    decided_at_ms: int


class CrmTransaction(TransactionBase, Protocol):
    """One unit of work over every tenant: each method names the tenant itself."""

    async def interaction(self, tenant_id: str, interaction_id: str) -> Interaction | None:
        """The interaction, locked until the end of the transaction."""
        ...

    async def save_interaction(self, interaction: Interaction) -> None:
        """Keep it as it is now."""
        ...

    async def claims(self, tenant_id: str, interaction_id: str) -> Sequence[Identifier]:
        """What the interaction's decisions so far were made from, in their order."""
        ...

    async def holdings(self, tenant_id: str, keys: Collection[Key]) -> Mapping[Key, Holding]:
        """Who holds these identifiers."""
        ...

    async def add_customer(self, tenant_id: str, customer_id: str, *, created_at_ms: int) -> None:
        """Keep a new customer."""
        ...

    async def name_customer(self, tenant_id: str, customer_id: str, name: str, *, verified: bool, at_ms: int) -> bool:
        """Take the name and say so: a verified one replaces an older one, an unverified one only fills a gap."""
        ...

    async def attach(
        self, tenant_id: str, identifier: Identifier, *, customer_id: str, decision_id: str, held_by: str | None
    ) -> None:
        """The customer holds the identifier now; raises TakenMeanwhileError unless it is held as `held_by` says."""
        ...

    async def add_decision(self, row: DecisionRow) -> None:
        """Keep the evidence."""
        ...

    async def renew_words(self, tenant_id: str, customer_id: str) -> None:
        """The customer is found by name and identifiers as they are now."""
        ...

    async def add_message(self, message: Message) -> bool:
        """Keep the message; False when its id or its number is taken."""
        ...

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """The message, if it is here."""
        ...

    async def mark_delivered(self, tenant_id: str, interaction_id: str, *, number: int, delivered_at_ms: int) -> None:
        """Agents' messages up to the number have arrived, those that had not before."""
        ...

    async def add_failed_message(self, message: FailedMessage) -> None:
        """Keep the failure; a second time changes nothing."""
        ...

    async def task(self, tenant_id: str, task_id: str) -> Task | None:
        """The task, if it is here."""
        ...

    async def save_task(self, task: Task) -> None:
        """Keep it as it is now."""
        ...


class CrmStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[CrmTransaction]:
        """Begin; see TransactionBase."""
        ...


class PostgresCrmStore:
    """The real CrmStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[CrmTransaction]:
        """See CrmStore."""
        return self._database.transaction(tenant, PostgresCrmTransaction)


class PostgresCrmTransaction(Transaction):
    """The real CrmTransaction; its methods are described there."""

    async def interaction(self, tenant_id: str, interaction_id: str) -> Interaction | None:
        """See CrmTransaction."""
        row = await self.one(_sql()["interaction"], tenant_id=tenant_id, interaction_id=interaction_id)
        return Interaction(**row) if row else None

    async def save_interaction(self, interaction: Interaction) -> None:
        """See CrmTransaction."""
        values = {**asdict(interaction), "attributes": json.dumps(interaction.attributes)}
        await self.execute(_sql()["save_interaction"], **values)

    async def claims(self, tenant_id: str, interaction_id: str) -> Sequence[Identifier]:
        """See CrmTransaction."""
        rows = await self.all(_sql()["claims"], tenant_id=tenant_id, interaction_id=interaction_id)
        return [Identifier(**claim) for row in rows for claim in row["claims"]]

    async def holdings(self, tenant_id: str, keys: Collection[Key]) -> Mapping[Key, Holding]:
        """See CrmTransaction."""
        types, values = [kind for kind, _ in keys], [value for _, value in keys]
        rows = await self.all(_sql()["holdings"], tenant_id=tenant_id, types=types, held_values=values)
        return {(row["type"], row["value"]): Holding(row["customer_id"], row["verified"]) for row in rows}

    async def add_customer(self, tenant_id: str, customer_id: str, *, created_at_ms: int) -> None:
        """See CrmTransaction."""
        values = {"tenant_id": tenant_id, "customer_id": customer_id, "created_at_ms": created_at_ms}
        await self.execute(_sql()["add_customer"], **values)

    async def name_customer(self, tenant_id: str, customer_id: str, name: str, *, verified: bool, at_ms: int) -> bool:
        """See CrmTransaction."""
        named = await self.execute(
            _sql()["name_customer"],
            tenant_id=tenant_id,
            customer_id=customer_id,
            name=name,
            verified=verified,
            at_ms=at_ms,
        )
        return named == 1

    async def attach(
        self, tenant_id: str, identifier: Identifier, *, customer_id: str, decision_id: str, held_by: str | None
    ) -> None:
        """See CrmTransaction."""
        attached = await self.execute(
            _sql()["attach"],
            tenant_id=tenant_id,
            customer_id=customer_id,
            decision_id=decision_id,
            held_by=held_by,
            **asdict(identifier),
        )
        if not attached:
            raise TakenMeanwhileError(identifier.type)

    async def add_decision(self, row: DecisionRow) -> None:
        """See CrmTransaction."""
        await self.execute(
            _sql()["add_decision"],
            tenant_id=row.tenant_id,
            decision_id=row.decision_id,
            interaction_id=row.interaction_id,
            customer_id=row.decision.customer_id,
            reason=row.decision.reason,
            claims=json.dumps([asdict(claim) for claim in row.claims]),
            conflicts=json.dumps(row.decision.conflicts),
            decided_at_ms=row.decided_at_ms,
        )

    async def renew_words(self, tenant_id: str, customer_id: str) -> None:
        """See CrmTransaction."""
        who = {"tenant_id": tenant_id, "customer_id": customer_id}
        customer = await self.one(_sql()["lock_customer"], **who)
        values = [row["value"] for row in await self.all(_sql()["identifier_values"], **who)]
        words = sorted(customer_words(customer["name"] if customer else None, values))
        await self.execute(_sql()["remove_words"], words=words, **who)
        await self.execute(_sql()["add_words"], words=words, **who)

    async def add_message(self, message: Message) -> bool:
        """See CrmTransaction."""
        added = await self.one(_sql()["add_message"], words=words_of(message.text), **asdict(message))
        return added is not None

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """See CrmTransaction."""
        row = await self.one(_sql()["message"], tenant_id=tenant_id, message_id=message_id)
        return Message(**row) if row else None

    async def mark_delivered(self, tenant_id: str, interaction_id: str, *, number: int, delivered_at_ms: int) -> None:
        """See CrmTransaction."""
        await self.execute(
            _sql()["mark_delivered"],
            tenant_id=tenant_id,
            interaction_id=interaction_id,
            number=number,
            delivered_at_ms=delivered_at_ms,
        )

    async def add_failed_message(self, message: FailedMessage) -> None:
        """See CrmTransaction."""
        await self.execute(_sql()["add_failed_message"], **asdict(message))

    async def task(self, tenant_id: str, task_id: str) -> Task | None:
        """See CrmTransaction."""
        row = await self.one(_sql()["task"], tenant_id=tenant_id, task_id=task_id)
        return Task(**row) if row else None

    async def save_task(self, task: Task) -> None:
        """See CrmTransaction."""
        await self.execute(_sql()["save_task"], **asdict(task))


@cache
def _sql() -> Mapping[str, str]:
    return statements("crm", "sql/stories.sql")
