"""Rows in and out of the tables of `crm`, many with each statement."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Final, Literal

from servicekit.database import Transaction, kept_as
from servicekit.statements import statements

from crm.domain.calls import CallStep, Transcript
from crm.domain.identity import Holding, Identifier
from crm.domain.routing import Step, Task
from crm.domain.stories import FailedMessage, Interaction, Message, searched
from crm.domain.words import words_of
from crm.domain.written import Change, Status, Window
from crm.transaction import DecisionRow, Named

IdentifierKey = tuple[str, str, str]
"""Tenant, type and value."""
CustomerIn = tuple[str, str, str]
"""Tenant, customer and domain."""
MessageLock = Literal["additions", "changes"]
"""additions: beside others who add; changes: alone."""
_PARAMETER: Final = re.compile(r":(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The fields are the columns of table `customer`."""

    tenant_id: str
    customer_id: str
    created_at_ms: int
    name: str | None = None
    named_at_ms: int | None = None
    tier: str | None = None
    language: str | None = None
    labels: Sequence[str] = ()
    """Read here, and written by the API alone, as tier and language are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A row of table `identifier`; `kept_by` is the holder whom the table names while this is not written."""

    tenant_id: str
    type: str
    value: str
    customer_id: str
    verified: bool
    decision_id: str
    kept_by: str | None = None

    @property
    def holding(self) -> Holding:
        """For decisions."""
        return Holding(self.customer_id, self.verified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The agent's messages up to a number have arrived."""

    tenant_id: str
    interaction_id: str
    number: int
    delivered_at_ms: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a decision was made from."""

    decided_at_ms: int
    decision_id: str
    claims: tuple[Identifier, ...]

    @property
    def order(self) -> tuple[int, str]:
        """Among the decisions of one interaction."""
        return (self.decided_at_ms, self.decision_id)


class Sets:
    """Reads and writes in the given transaction; keys and rows come in the order in which rows are locked."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def interactions(self, keys: Collection[Named]) -> Mapping[Named, Interaction]:
        """Locked until the end of the transaction."""
        rows = await self._transaction.all(_sql()["interactions"], **_named(keys))
        return {(row["tenant_id"], row["interaction_id"]): kept_as(Interaction, row) for row in rows}

    async def claims(self, keys: Collection[Named]) -> Mapping[Named, tuple[Claimed, ...]]:
        """Of each interaction's decisions so far."""
        found: dict[Named, tuple[Claimed, ...]] = {}
        for row in await self._transaction.all(_sql()["claims"], **_named(keys)):
            key = (row["tenant_id"], row["interaction_id"])
            said = tuple(Identifier(**claim) for claim in row["claims"])
            found[key] = (*found.get(key, ()), Claimed(row["decided_at_ms"], row["decision_id"], said))
        return found

    async def identifiers(self, keys: Collection[IdentifierKey]) -> Mapping[IdentifierKey, Held]:
        """Who holds them."""
        tenants, types, values = zip(*keys, strict=True)
        rows = await self._transaction.all(_sql()["identifiers"], tenants=tenants, types=types, spellings=values)
        return {(row["tenant_id"], row["type"], row["value"]): Held(**row, kept_by=row["customer_id"]) for row in rows}

    async def customers(self, keys: Collection[Named]) -> Mapping[Named, Customer]:
        """Locked until the end of the transaction, as far as names and words go."""
        rows = await self._transaction.all(_sql()["customers"], **_named(keys))
        return {(row["tenant_id"], row["customer_id"]): kept_as(Customer, row) for row in rows}

    async def last_agents(self, keys: Collection[CustomerIn]) -> Mapping[CustomerIn, str]:
        """Who owned the customers' newest tasks in the domains."""
        tenants, ids, domains = zip(*keys, strict=True)
        rows = await self._transaction.all(_sql()["last_agents"], tenants=tenants, ids=ids, domains=domains)
        return {(row["tenant_id"], row["id"], row["domain"]): row["agent_id"] for row in rows}

    async def tasks(self, keys: Collection[Named]) -> Mapping[Named, Task]:
        """As they are."""
        rows = await self._transaction.all(_sql()["tasks"], **_named(keys))
        return {(row["tenant_id"], row["task_id"]): kept_as(Task, row) for row in rows}

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """By its id."""
        row = await self._transaction.one(_sql()["message"], tenant_id=tenant_id, message_id=message_id)
        return kept_as(Message, row) if row else None

    async def messages(self, keys: Collection[Named]) -> Mapping[Named, Message]:
        """By their ids."""
        rows = await self._transaction.all(_sql()["messages"], **_named(keys))
        return {(row["tenant_id"], row["message_id"]): kept_as(Message, row) for row in rows}

    async def changes(self, keys: Collection[Named]) -> Mapping[Named, Change]:
        """What became of these messages."""
        rows = await self._transaction.all(_sql()["changes"], **_named(keys))
        return {(row["tenant_id"], row["message_id"]): kept_as(Change, row) for row in rows}

    async def lock_messages(self, lock: MessageLock) -> None:
        """Until the end of the transaction; only the next statement sees what others did before."""
        await self._transaction.one(_sql()[f"lock_for_{lock}"])

    async def save_interactions(self, rows: Sequence[Interaction]) -> None:
        """As they are now."""
        await self._write("save_interactions", rows, attributes=[json.dumps(row.attributes) for row in rows])

    async def save_customers(self, rows: Sequence[Customer]) -> None:
        """New ones, and names."""
        await self._write("save_customers", rows)

    async def attach(self, rows: Sequence[Held]) -> bool:
        """Customers hold these now; False when another transaction has given one to somebody meanwhile."""
        attached = await self._write("attach", [row for row in rows if row.kept_by is None])
        taken_over = await self._write("take_over", [row for row in rows if row.kept_by is not None])
        return attached + taken_over == len(rows)

    async def add_decisions(self, rows: Sequence[DecisionRow]) -> None:
        """The evidence."""
        await self._write(
            "add_decisions",
            rows,
            customer_id=[row.decision.customer_id for row in rows],
            reason=[row.decision.reason for row in rows],
            claims=[json.dumps([asdict(claim) for claim in row.claims]) for row in rows],
            conflicts=[json.dumps(row.decision.conflicts) for row in rows],
        )

    async def identifier_values(self, keys: Collection[Named]) -> Mapping[Named, Sequence[str]]:
        """Of each customer."""
        found: dict[Named, list[str]] = {key: [] for key in keys}
        for row in await self._transaction.all(_sql()["identifier_values"], **_named(keys)):
            found[row["tenant_id"], row["customer_id"]].append(row["value"])
        return found

    async def replace_words(self, words: Mapping[Named, Collection[str]]) -> None:
        """The customers are found by exactly these."""
        values = {**_named(words), "words": [" ".join(each) for each in words.values()]}
        for name in ("remove_words", "add_words"):
            await self._transaction.execute(_sql()[name], **values)

    async def add_messages(self, rows: Sequence[Message]) -> Sequence[Message]:
        """With their words; returns those whose number or id stands for a message already."""
        if not rows:
            return ()
        statement = _sql()["add_messages"]
        values = _values(statement, rows, **_documents(rows))
        added = {(row["tenant_id"], row["message_id"]) for row in await self._transaction.all(statement, **values)}
        new = [row for row in rows if (row.tenant_id, row.message_id) in added]
        await self._write("add_message_words", new, words=_message_words(new))
        return [row for row in rows if (row.tenant_id, row.message_id) not in added]

    async def replace_messages(self, changed: Sequence[tuple[Message, Message]]) -> bool:
        """Messages as they were and as they are now; False when the number of one stands for another message."""
        were, rows = [was for was, now in changed if was != now], [now for was, now in changed if was != now]
        await self._write("remove_message_words", were, words=_message_words(were))
        if await self._write("replace_messages", rows, **_documents(rows)) < len(rows):
            return False
        await self._write("add_message_words", rows, words=_message_words(rows))
        return True

    async def save_changes(self, rows: Sequence[Change]) -> None:
        """As they are now."""
        await self._write("save_changes", rows)

    async def tell_statuses(self, rows: Sequence[Status]) -> None:
        """Instead of what is kept."""
        recipients = [json.dumps(row.recipients) for row in rows]
        await self._write("tell_statuses", rows, recipients=recipients)

    async def tell_windows(self, rows: Sequence[Window]) -> None:
        """Those that are no older than what is kept."""
        await self._write("tell_windows", rows)

    async def mark_delivered(self, told: Sequence[Delivered]) -> None:
        """Agents' messages that had not arrived before; what is told first counts."""
        await self._write("mark_delivered", told)

    async def add_failed_messages(self, rows: Sequence[FailedMessage]) -> None:
        """Those that are not here yet."""
        await self._write("add_failed_messages", rows)

    async def save_tasks(self, rows: Sequence[Task]) -> None:
        """As they are now."""
        await self._write("save_tasks", rows)

    async def add_steps(self, rows: Sequence[Step]) -> None:
        """Those that are not here yet."""
        await self._write("add_steps", rows, told=[json.dumps(row.told) for row in rows])

    async def add_call_steps(self, rows: Sequence[CallStep]) -> None:
        """Those that are not here yet."""
        await self._write("add_call_steps", rows, told=[json.dumps(row.told) for row in rows])

    async def keep_transcripts(self, rows: Sequence[Transcript]) -> None:
        """Instead of what is kept."""
        await self._write("keep_transcripts", rows, segments=[json.dumps(row.segments) for row in rows])

    async def _write(self, name: str, rows: Sequence[object], **columns: Sequence[object]) -> int:
        if not rows:
            return 0
        statement = _sql()[name]
        return await self._transaction.execute(statement, **_values(statement, rows, **columns))


def _values(statement: str, rows: Sequence[object], **columns: Sequence[object]) -> dict[str, Sequence[object]]:
    """The parameters of a statement, which are named like the fields of `rows` where `columns` has none for it."""
    return {
        name: columns[name] if name in columns else [getattr(row, name) for row in rows]
        for name in _parameters(statement)
    }


def _documents(rows: Sequence[Message]) -> dict[str, Sequence[object]]:
    return {
        "attributes": [json.dumps(row.attributes) for row in rows],
        "parties": [json.dumps(row.parties) for row in rows],
        "files": [json.dumps(row.files) for row in rows],
    }


def _message_words(rows: Sequence[Message]) -> Sequence[str]:
    return [" ".join(words_of(searched(row))) for row in rows]


def _named(keys: Collection[Named]) -> dict[str, Sequence[str]]:
    return {"tenants": [tenant_id for tenant_id, _ in keys], "ids": [name for _, name in keys]}


@cache
def _parameters(statement: str) -> frozenset[str]:
    return frozenset(_PARAMETER.findall(statement))


@cache
def _sql() -> Mapping[str, str]:
    return statements("crm", "sql/stories.sql")
