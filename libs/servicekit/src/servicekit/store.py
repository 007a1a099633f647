"""What a service's store builds on: the transaction that keeps effect, events and position together.

`TransactionBase` is the law; `servicekit.database.Transaction` keeps it on PostgreSQL, `MemoryTransaction` in memory.
Both pass `servicekit.testing.store_laws`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from contracts import Event, encode
from typing_extensions import override

from servicekit.ports import Outgoing, Partition
from servicekit.telemetry import carrying_trace

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class EveryTenant(Enum):
    """The type of EVERY_TENANT; never a string, so that no token or path can spell it."""

    EVERY_TENANT = "*"


EVERY_TENANT: Final = EveryTenant.EVERY_TENANT
"""For consumers and relays, which serve all tenants: their statements name the tenant themselves."""

Tenant = str | EveryTenant
TENANT_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class TransactionBase(Protocol):
    """One unit of work; a clean exit commits all of it, an exception nothing."""

    async def announce(
        self, event: Event, *, partition: int | None = None, key: str | None = None, order_key: str | None = None
    ) -> None:
        """Write the event to the outbox; the relay publishes it after the commit.

        Events of one order key (default: the subject) are published in the order in which their transactions
        commit. The record's key is `key`, else the subject. Topics partitioned by domain need `partition`.
        """
        ...

    async def first_time(self, source: str, message_id: str) -> bool:
        """Take a message of another system; False when it was taken before (by this tenant)."""
        ...

    async def advance(self, group: str, partition: Partition, next_offset: int, sequence: str | None = None) -> bool:
        """Move the consumer behind a record; False when its effect is here already and must not happen again.

        Seen are offsets below the kept position, and sequences not greater than the kept one (consumers' rule).
        """
        ...

    async def next_offset(self, group: str, partition: Partition) -> int | None:
        """Where the consumer goes on, or None when it never kept a position here."""
        ...


Tx_co = TypeVar("Tx_co", bound=TransactionBase, covariant=True)


class Store(Protocol[Tx_co]):
    """What a service's store looks like to consumers: it opens transactions of the service's own type."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[Tx_co]:
        """Begin; see TransactionBase."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """How far a consumer's effects go in one partition."""

    next_offset: int
    sequence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """An event that waits to be published; `id` is 0 until it is kept."""

    id: int = 0
    tenant_id: str
    order_key: str
    outgoing: Outgoing


class OutboxBatch(Protocol):
    """Rows held by this relay alone; what was removed or refused counts after the clean exit of `Outbox.batch`."""

    rows: Sequence[OutboxRow]

    async def remove(self, ids: Sequence[int]) -> None:
        """These are published."""
        ...

    async def refuse(self, row_id: int, reason: str) -> None:
        """This can never be published: keep it for the operator and pass it over from now on."""
        ...


class Outbox(Protocol):
    """The relay's view of a database."""

    def batch(self, *, rows_max: int) -> AbstractAsyncContextManager[OutboxBatch]:
        """The oldest rows; waits while another relay holds a batch."""
        ...

    async def wait(self, *, timeout_seconds: float) -> None:
        """Until this process commits an announcement, or so long."""
        ...

    async def depth(self) -> int:
        """How many rows wait to be published, counted no further than 100 000."""
        ...


class Recorder:
    """Collects announcements and positions of one transaction; its heirs write them in one go before the commit."""

    def __init__(self, tenant: Tenant) -> None:
        if isinstance(tenant, str) and not re.fullmatch(TENANT_PATTERN, tenant):
            raise ValueError(f"{tenant[:80]!r} is not a tenant's id")
        self.tenant = tenant
        self.announced: list[OutboxRow] = []
        self.positions: dict[tuple[str, Partition], Position] = {}

    @property
    def tenant_text(self) -> str:
        """The tenant as rows and policies spell it; `*` for every tenant."""
        return self.tenant if isinstance(self.tenant, str) else self.tenant.value

    async def announce(
        self, event: Event, *, partition: int | None = None, key: str | None = None, order_key: str | None = None
    ) -> None:
        """See TransactionBase."""
        topic = event.type.topic
        if topic.rule == "domain" and partition is None:
            raise ValueError(f"{event.type.name}: topic {topic.name} needs the partition of the domain")
        if self.tenant not in (event.tenant_id, EVERY_TENANT):
            raise ValueError(f"{event.type.name}: the event is of another tenant than the transaction")
        value, headers = encode(event)
        outgoing = Outgoing(
            topic=topic.name,
            key=(key or event.subject).encode(),
            value=value,
            headers=tuple(headers),
            partition=partition,
        )
        row = OutboxRow(
            tenant_id=event.tenant_id, order_key=order_key or event.subject, outgoing=carrying_trace(outgoing)
        )
        self.announced.append(row)

    async def advance(self, group: str, partition: Partition, next_offset: int, sequence: str | None = None) -> bool:
        """See TransactionBase."""
        kept = self.positions.get((group, partition)) or await self._locked_position(group, partition)
        if next_offset <= kept.next_offset:
            self.positions[group, partition] = kept
            return False
        fresh = sequence is None or kept.sequence is None or sequence > kept.sequence
        furthest = sequence if fresh and sequence is not None else kept.sequence
        self.positions[group, partition] = Position(next_offset, furthest)
        return fresh

    async def _locked_position(self, group: str, partition: Partition) -> Position:
        raise NotImplementedError


Tables = TypeVar("Tables", bound="DataclassInstance")


class MemoryTransaction(Recorder, Generic[Tables]):
    """The in-memory twin; `tables` is this transaction's own copy of the service's tables."""

    def __init__(self, database: "MemoryDatabase[Tables]", tenant: Tenant) -> None:
        super().__init__(tenant)
        self.tables = _fork(database.tables)
        self.taken = set(database.taken)
        self._kept = database.positions

    async def first_time(self, source: str, message_id: str) -> bool:
        """See TransactionBase."""
        entry = (self.tenant_text, source, message_id)
        first = entry not in self.taken
        self.taken.add(entry)
        return first

    async def next_offset(self, group: str, partition: Partition) -> int | None:
        """See TransactionBase."""
        kept = self._kept.get((group, partition))
        return kept.next_offset if kept else None

    @override
    async def _locked_position(self, group: str, partition: Partition) -> Position:
        return self._kept.get((group, partition), Position(0, None))


Memory = TypeVar("Memory", bound=MemoryTransaction[Any])  # Any: a bound cannot name another type variable


class MemoryDatabase(Generic[Tables]):
    """Keeps a service's tables, outbox, inbox and positions in memory; one transaction at a time.

    `tables` is an instance of the service's own dataclass. Its fields are dicts, lists or sets of immutable rows: a
    transaction works on a shallow copy of each, and the commit swaps all of them at once.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.taken: set[tuple[str, str, str]] = set()
        self.positions: dict[tuple[str, Partition], Position] = {}
        self.outbox = MemoryOutbox()
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self, tenant: Tenant, kind: type[Memory]) -> AsyncGenerator[Memory, None]:
        """A transaction of the service's own class; see TransactionBase. Nested ones wait for ever."""
        async with self._one_at_a_time:
            transaction = kind(self, tenant)
            yield transaction
            self.tables = transaction.tables
            self.taken = transaction.taken
            self.positions |= transaction.positions
            self.outbox.append(transaction.announced)


class MemoryOutbox:
    """The outbox of a MemoryDatabase; `rows` are what waits, `refused` what the log would not take."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []
        self.refused: list[tuple[OutboxRow, str]] = []
        self._last_id = 0
        self._one_relay = asyncio.Lock()
        self._announced = asyncio.Event()

    def append(self, announced: Sequence[OutboxRow]) -> None:
        """Keep these behind all others."""
        for row in announced:
            self._last_id += 1
            self.rows.append(replace(row, id=self._last_id))
        if announced:
            self._announced.set()

    @asynccontextmanager
    async def batch(self, *, rows_max: int) -> AsyncGenerator["MemoryOutboxBatch", None]:
        """See Outbox. Writers go on meanwhile, as on PostgreSQL."""
        async with self._one_relay:
            batch = MemoryOutboxBatch(self.rows[:rows_max])
            yield batch
            gone = batch.removed | batch.reasons.keys()
            self.refused += [(row, batch.reasons[row.id]) for row in self.rows if row.id in batch.reasons]
            self.rows = [row for row in self.rows if row.id not in gone]

    async def wait(self, *, timeout_seconds: float) -> None:
        """See Outbox."""
        await wait_for_event(self._announced, timeout_seconds=timeout_seconds)
        self._announced.clear()

    async def depth(self) -> int:
        """See Outbox."""
        return len(self.rows)


class MemoryOutboxBatch:
    """See OutboxBatch."""

    def __init__(self, rows: Sequence[OutboxRow]) -> None:
        self.rows = rows
        self.removed: set[int] = set()
        self.reasons: dict[int, str] = {}

    async def remove(self, ids: Sequence[int]) -> None:
        """See OutboxBatch."""
        self.removed.update(ids)

    async def refuse(self, row_id: int, reason: str) -> None:
        """See OutboxBatch."""
        self.reasons[row_id] = reason


async def wait_for_event(event: asyncio.Event, *, timeout_seconds: float) -> None:
    """Until the event is set, or so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            await event.wait()


def _fork(tables: Tables) -> Tables:
    return replace(tables, **{field.name: copy(getattr(tables, field.name)) for field in fields(tables)})
