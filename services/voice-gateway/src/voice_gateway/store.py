"""Keeps nodes, the calls that go on, and agents' phones in PostgreSQL (schema `voice_gateway`)."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, Protocol

from servicekit.database import Database, columns_of, kept_as
from servicekit.ports import Partition
from servicekit.statements import statements
from servicekit.store import Position, Tenant
from servicekit.sweep import Sweep

from voice_gateway.recordings_tables import PostgresRecordings, RecordingTransaction

SOURCE: Final = "/voice-gateway"
OVER_KEEP_DAYS: Final = 9
"""As long as the router knows a task that nobody has taken: its customer may be called back."""
Fence = Literal["new", "done", "lost"]
"""Of a commit: it is to be made; it was made before; the node is another owner's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A node's owner in one epoch."""

    node: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCall:
    """A call of a node."""

    tenant_id: str
    interaction_id: str
    node: str
    state: str
    """JSON; see domain.call."""
    to_do: str
    """JSON: what the node is to be asked for and is not known to have done, in its order."""
    over_at_ms: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Tenant and interaction."""
        return self.tenant_id, self.interaction_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHealth:
    """How a node is, as its owner told last."""

    node: str
    driver: str
    owned: bool
    """A replica runs it."""
    connected: bool
    calls: int
    url: str | None = None
    """Where other replicas reach its owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPhone:
    """A phone that a node is to make known (`Provision`)."""

    tenant_id: str
    agent_id: str
    node: str
    endpoint_id: str
    browser: bool
    password: str
    asked_at_ms: int


class VoiceTransaction(RecordingTransaction, Protocol):
    """One unit of work."""

    async def take_node(
        self, node: str, holder: str, *, driver: str, now_ms: int, until_ms: int, url: str | None = None
    ) -> Lease | None:
        """Run this node from now on, in a new epoch; none: another does. `url`: where other replicas reach us."""
        ...

    async def keep_node(self, lease: Lease, *, until_ms: int, connected: bool, calls: int) -> bool:
        """Go on running it until then. False: it is another's."""
        ...

    async def release_node(self, lease: Lease) -> None:
        """Others may run it at once."""
        ...

    async def fence(self, lease: Lease, number: int) -> Fence:
        """Begin the owner's commit of this number, 1 upwards in each epoch; nobody takes the node before it ends."""
        ...

    async def nodes(self, *, now_ms: int) -> Sequence[NodeHealth]:
        """All that were ever run, by name."""
        ...

    async def calls_of(self, node: str) -> Sequence[KeptCall]:
        """Those that go on; for a transaction of every tenant."""
        ...

    async def keep_calls(self, calls: Sequence[KeptCall]) -> None:
        """As they are now."""
        ...

    async def call(self, tenant_id: str, interaction_id: str) -> KeptCall | None:
        """One that goes on, or is over for less than OVER_KEEP_DAYS."""
        ...

    async def positions_of(self, consumer: str) -> Mapping[Partition, Position]:
        """How far its effects go."""
        ...

    async def keep_positions(self, consumer: str, positions: Mapping[Partition, Position]) -> None:
        """Its effects go so far; for who is alone, as an owner in its epoch."""
        ...

    async def ask_phone(self, phone: AskedPhone) -> None:
        """Have the node make it known; what was asked for before does not count any more."""
        ...

    async def phones_to_do(self, node: str, *, rows_max: int) -> Sequence[AskedPhone]:
        """Those that the node has not made known yet, the oldest first; for a transaction of every tenant."""
        ...

    async def phone_done(self, phone: AskedPhone, *, now_ms: int) -> None:
        """The node knows it by this password, which is forgotten."""
        ...

    async def phones_done(self, tenant_id: str, agent_id: str) -> Sequence[str]:
        """Nodes that know the agent's phone."""
        ...


class VoiceStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[VoiceTransaction]:
        """Begin; see TransactionBase."""
        ...


class PostgresVoiceStore:
    """The real VoiceStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[VoiceTransaction, None]:
        """See VoiceStore."""
        async with self._database.transaction(tenant, PostgresVoiceTransaction) as transaction:
            yield transaction


class PostgresVoiceTransaction(PostgresRecordings):
    """The real VoiceTransaction; its methods are described there."""

    async def take_node(
        self, node: str, holder: str, *, driver: str, now_ms: int, until_ms: int, url: str | None = None
    ) -> Lease | None:
        """See VoiceTransaction."""
        row = await self.one(
            _sql()["take_node"],
            node=node,
            holder=holder,
            driver=driver,
            now_ms=now_ms,
            until_ms=until_ms,
            url=url,
        )
        return Lease(node=node, epoch=row["epoch"]) if row else None

    async def keep_node(self, lease: Lease, *, until_ms: int, connected: bool, calls: int) -> bool:
        """See VoiceTransaction."""
        values = {"until_ms": until_ms, "connected": connected, "calls": calls}
        return await self.execute(_sql()["keep_node"], **columns_of(lease), **values) == 1

    async def release_node(self, lease: Lease) -> None:
        """See VoiceTransaction."""
        await self.execute(_sql()["release_node"], **columns_of(lease))

    async def fence(self, lease: Lease, number: int) -> Fence:
        """See VoiceTransaction."""
        row = await self.one(_sql()["count_commit"], **columns_of(lease), number=number)
        if row is None:
            return "lost"
        return "done" if row["commits"] >= number else "new"

    async def nodes(self, *, now_ms: int) -> Sequence[NodeHealth]:
        """See VoiceTransaction."""
        return [kept_as(NodeHealth, row) for row in await self.all(_sql()["nodes"], now_ms=now_ms)]

    async def calls_of(self, node: str) -> Sequence[KeptCall]:
        """See VoiceTransaction."""
        return [kept_as(KeptCall, row) for row in await self.all(_sql()["calls_of"], node=node)]

    async def keep_calls(self, calls: Sequence[KeptCall]) -> None:
        """See VoiceTransaction."""
        if calls:
            await self.execute(
                _sql()["keep_calls"],
                tenants=[call.tenant_id for call in calls],
                interactions=[call.interaction_id for call in calls],
                nodes=[call.node for call in calls],
                states=[call.state for call in calls],
                to_dos=[call.to_do for call in calls],
                overs=[call.over_at_ms for call in calls],
            )

    async def call(self, tenant_id: str, interaction_id: str) -> KeptCall | None:
        """See VoiceTransaction."""
        row = await self.one(_sql()["call"], tenant_id=tenant_id, interaction_id=interaction_id)
        return kept_as(KeptCall, row) if row else None

    async def positions_of(self, consumer: str) -> Mapping[Partition, Position]:
        """See VoiceTransaction."""
        rows = await self.all(_sql()["positions"], consumer=consumer)
        return {
            Partition(row["topic"], row["partition"]): Position(row["next_offset"], row["sequence"]) for row in rows
        }

    async def keep_positions(self, consumer: str, positions: Mapping[Partition, Position]) -> None:
        """See VoiceTransaction."""
        if positions:
            await self.execute(
                _sql()["keep_positions"],
                consumer=consumer,
                topics=[read.topic for read in positions],
                partitions=[read.number for read in positions],
                offsets=[each.next_offset for each in positions.values()],
                sequences=[each.sequence for each in positions.values()],
            )

    async def ask_phone(self, phone: AskedPhone) -> None:
        """See VoiceTransaction."""
        await self.execute(_sql()["ask_phone"], **columns_of(phone))

    async def phones_to_do(self, node: str, *, rows_max: int) -> Sequence[AskedPhone]:
        """See VoiceTransaction."""
        rows = await self.all(_sql()["phones_to_do"], node=node, rows_max=rows_max)
        return [kept_as(AskedPhone, row) for row in rows]

    async def phone_done(self, phone: AskedPhone, *, now_ms: int) -> None:
        """See VoiceTransaction."""
        await self.execute(
            _sql()["phone_done"],
            tenant_id=phone.tenant_id,
            agent_id=phone.agent_id,
            node=phone.node,
            password=phone.password,
            now_ms=now_ms,
        )

    async def phones_done(self, tenant_id: str, agent_id: str) -> Sequence[str]:
        """See VoiceTransaction."""
        rows = await self.all(_sql()["phones_done"], tenant_id=tenant_id, agent_id=agent_id)
        return [row["node"] for row in rows]


def call_sweep(database: Database) -> Sweep:
    """Forgets calls that are over."""
    return Sweep(database, "call sweep", _sql()["sweep_calls"], keep_days=OVER_KEEP_DAYS)


@cache
def _sql() -> Mapping[str, str]:
    return statements("voice_gateway", "sql/calls.sql")
