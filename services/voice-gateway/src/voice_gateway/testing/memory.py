"""The in-memory twin of the store; passes the same suite."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from servicekit.errors import RetryLaterError
from servicekit.ports import Partition
from servicekit.store import MemoryDatabase, Position, Tenant

from voice_gateway.store import AskedPhone, Fence, KeptCall, Lease, NodeHealth, VoiceTransaction
from voice_gateway.testing.recordings_memory import MemoryRecordings, RecordingTables


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """A row of table `node`."""

    epoch: int
    holder: str | None
    until_ms: int
    driver: str
    commits: int = 0
    connected: bool = False
    calls: int = 0
    url: str | None = None


@dataclass(frozen=True)
class VoiceTables(RecordingTables):
    """The tables; a phone's key is tenant, agent and node, and the flag says whether the node knows it."""

    nodes: dict[str, NodeRow] = field(default_factory=dict)
    calls: dict[tuple[str, str], KeptCall] = field(default_factory=dict)
    phones: dict[tuple[str, str, str], tuple[AskedPhone, bool]] = field(default_factory=dict)


class MemoryVoiceStore:
    """The twin of PostgresVoiceStore. `away` makes it unreachable; with `answers_lost` commits happen, and say that
    they did not."""

    def __init__(self) -> None:
        self.database = MemoryDatabase(VoiceTables())
        self.outbox = self.database.outbox
        self.away = False
        self.answers_lost = 0

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[VoiceTransaction, None]:
        """See VoiceStore."""
        if self.away:
            raise RetryLaterError("the store is away")
        async with self.database.transaction(tenant, MemoryVoiceTransaction) as transaction:
            yield transaction
            if self.away:
                raise RetryLaterError("the store is away")
        if self.answers_lost and transaction.announced:
            self.answers_lost -= 1
            raise RetryLaterError("the answer is lost")


class MemoryVoiceTransaction(MemoryRecordings[VoiceTables]):
    """The twin of PostgresVoiceTransaction."""

    def _sees(self, tenant_id: str) -> bool:
        return self.tenant_text in ("*", tenant_id)

    def _node(self, lease: Lease) -> NodeRow | None:
        row = self.tables.nodes.get(lease.node)
        return row if row and row.epoch == lease.epoch else None

    async def take_node(
        self, node: str, holder: str, *, driver: str, now_ms: int, until_ms: int, url: str | None = None
    ) -> Lease | None:
        """See VoiceTransaction."""
        kept = self.tables.nodes.get(node)
        if kept and kept.holder not in (None, holder) and kept.until_ms > now_ms:
            return None
        epoch = kept.epoch + 1 if kept else 1
        self.tables.nodes[node] = NodeRow(epoch=epoch, holder=holder, until_ms=until_ms, driver=driver, url=url)
        return Lease(node=node, epoch=epoch)

    async def keep_node(self, lease: Lease, *, until_ms: int, connected: bool, calls: int) -> bool:
        """See VoiceTransaction."""
        row = self._node(lease)
        if row:
            self.tables.nodes[lease.node] = replace(row, until_ms=until_ms, connected=connected, calls=calls)
        return row is not None

    async def release_node(self, lease: Lease) -> None:
        """See VoiceTransaction."""
        row = self._node(lease)
        if row:
            self.tables.nodes[lease.node] = replace(row, holder=None, until_ms=0, connected=False)

    async def fence(self, lease: Lease, number: int) -> Fence:
        """See VoiceTransaction."""
        row = self._node(lease)
        if row is None:
            return "lost"
        if row.commits >= number:
            return "done"
        self.tables.nodes[lease.node] = replace(row, commits=number)
        return "new"

    async def nodes(self, *, now_ms: int) -> Sequence[NodeHealth]:
        """See VoiceTransaction."""
        return [
            NodeHealth(
                node=node,
                driver=row.driver,
                owned=row.holder is not None and row.until_ms > now_ms,
                connected=row.connected,
                calls=row.calls,
                url=row.url,
            )
            for node, row in sorted(self.tables.nodes.items())
        ]

    async def calls_of(self, node: str) -> Sequence[KeptCall]:
        """See VoiceTransaction."""
        calls = sorted(self.tables.calls.values(), key=lambda call: call.interaction_id)
        found = [call for call in calls if call.node == node and self._sees(call.tenant_id)]
        return [call for call in found if call.over_at_ms is None]

    async def keep_calls(self, calls: Sequence[KeptCall]) -> None:
        """See VoiceTransaction."""
        self.tables.calls.update({call.key: call for call in calls})

    async def call(self, tenant_id: str, interaction_id: str) -> KeptCall | None:
        """See VoiceTransaction."""
        return self.tables.calls.get((tenant_id, interaction_id)) if self._sees(tenant_id) else None

    async def positions_of(self, consumer: str) -> Mapping[Partition, Position]:
        """See VoiceTransaction."""
        return {partition: kept for (group, partition), kept in self._kept.items() if group == consumer}

    async def keep_positions(self, consumer: str, positions: Mapping[Partition, Position]) -> None:
        """See VoiceTransaction."""
        self.positions |= {(consumer, read): position for read, position in positions.items()}

    async def ask_phone(self, phone: AskedPhone) -> None:
        """See VoiceTransaction."""
        self.tables.phones[phone.tenant_id, phone.agent_id, phone.node] = phone, False

    async def phones_to_do(self, node: str, *, rows_max: int) -> Sequence[AskedPhone]:
        """See VoiceTransaction."""
        rows = sorted(self.tables.phones.values(), key=lambda row: row[0].asked_at_ms)
        found = [phone for phone, done in rows if phone.node == node and not done and self._sees(phone.tenant_id)]
        return found[:rows_max]

    async def phone_done(self, phone: AskedPhone, *, now_ms: int) -> None:
        """See VoiceTransaction."""
        key = phone.tenant_id, phone.agent_id, phone.node
        kept, _ = self.tables.phones[key]
        if kept.password == phone.password:
            self.tables.phones[key] = kept, True

    async def phones_done(self, tenant_id: str, agent_id: str) -> Sequence[str]:
        """See VoiceTransaction."""
        rows = sorted(self.tables.phones.items(), key=lambda row: row[0][2])
        return [key[2] for key, (_, done) in rows if key[:2] == (tenant_id, agent_id) and done and self._sees(key[0])]
