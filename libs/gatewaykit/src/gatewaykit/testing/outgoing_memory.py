"""The in-memory twin of the store of what goes to providers; passes the same suite."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from servicekit.store import MemoryDatabase, MemoryTransaction, Tenant

from gatewaykit.domain.outgoing import GIVE_UP_MS, EarlyReport, OutgoingRow, Rate
from gatewaykit.outgoing_store import ROWS_MAX, Line

Triple = tuple[str, str, str]


@dataclass(frozen=True)  # without slots, so that a gateway's tables can extend it beside those of conversations
class OutgoingTables:
    """The tables; keys are tenant and reference; tenant, address and counterpart; and those with the status."""

    outgoings: dict[tuple[str, str], OutgoingRow] = field(default_factory=dict)
    rates: dict[Triple, Rate] = field(default_factory=dict)
    early_reports: dict[tuple[str, str, str, str], EarlyReport] = field(default_factory=dict)


Tables = TypeVar("Tables", bound=OutgoingTables)


class MemoryOutgoings(MemoryTransaction[Tables]):
    """The twin of PostgresOutgoings. Transactions run one at a time, so every row is as good as locked."""

    source: str

    def __init__(self, database: MemoryDatabase[Tables], tenant: Tenant) -> None:
        super().__init__(database, tenant)
        self.put_outgoing = False

    async def allot(self, tenant_id: str, address: str, counterpart: str, *, parts: int, now_ms: int) -> int:
        """See OutgoingTransaction."""
        fresh = Rate(tenant_id=tenant_id, address=address, used_at_ms=now_ms)
        self.tables.rates.setdefault((tenant_id, address, ""), fresh)
        pair = self.tables.rates.get((tenant_id, address, counterpart), replace(fresh, counterpart=counterpart))
        self._save_rate(replace(pair, last_number=pair.last_number + parts, used_at_ms=now_ms))
        return pair.last_number + 1

    async def add_outgoing(self, row: OutgoingRow) -> None:
        """See OutgoingTransaction."""
        self.tables.outgoings.setdefault((row.tenant_id, row.outgoing_id), row)
        self.put_outgoing = True

    async def save_outgoing(self, row: OutgoingRow) -> None:
        """See OutgoingTransaction."""
        self.tables.outgoings[row.tenant_id, row.outgoing_id] = row

    async def move_outgoings(self, line: Line, counterpart: str, message_ids: Collection[str], to: str) -> None:
        """See OutgoingTransaction."""
        for row in self._rows():
            if row.tenant_id == line[0] and row.message_id in message_ids:
                self.tables.outgoings[row.tenant_id, row.outgoing_id] = replace(row, interaction_id=to)

    async def parts_of(self, tenant_id: str, message_id: str, *, lock: bool) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        return [row for row in self._rows() if (row.tenant_id, row.message_id) == (tenant_id, message_id)]

    async def outgoing(self, tenant_id: str, outgoing_id: str) -> OutgoingRow | None:
        """See OutgoingTransaction."""
        return next((row for row in self._rows() if (row.tenant_id, row.outgoing_id) == (tenant_id, outgoing_id)), None)

    async def outgoing_of_provider(self, line: Line, provider_message_id: str) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        return [row for row in self._of_line(line) if row.provider_message_id == provider_message_id]

    async def reached_by(self, pair: Rate) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        return [
            row
            for row in self._of_line((pair.tenant_id, pair.address))
            if row.counterpart == pair.counterpart
            and row.tried_at_ms is not None
            and row.tried_at_ms <= (pair.delivered_to_ms if row.state == "sent" else pair.read_to_ms)
            and row.state in ("sent", "delivered")
        ][:ROWS_MAX]

    async def due_accounts(self, now_ms: int) -> Sequence[Line]:
        """See OutgoingTransaction."""
        due = [
            rate
            for rate in self.tables.rates.values()
            if not rate.counterpart
            and rate.blocked_until_ms <= now_ms
            and any(_due(row, now_ms) for row in self._of_line((rate.tenant_id, rate.address)))
        ]
        return [(rate.tenant_id, rate.address) for rate in sorted(due, key=lambda rate: rate.full_at_ms)]

    async def lock_account(self, line: Line) -> Rate | None:
        """See OutgoingTransaction."""
        return self._rate((*line, ""))

    async def in_flight(self, line: Line) -> int:
        """See OutgoingTransaction."""
        return sum(row.lease_until_ms is not None for row in self._of_line(line))

    async def pair_in_flight(self, line: Line, counterpart: str) -> bool:
        """See OutgoingTransaction."""
        rows = self._of_line(line)
        return any(row.counterpart == counterpart and row.lease_until_ms is not None for row in rows)

    async def due_heads(
        self, line: Line, *, now_ms: int, pair_full_at_ms: float, rows_max: int
    ) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        heads: dict[str, OutgoingRow] = {}
        for row in self._of_line(line):
            if row.state in ("pending", "sending") or row.lease_until_ms is not None:
                heads.setdefault(row.counterpart, row)
        free = [
            row
            for row in heads.values()
            if _due(row, now_ms)
            and (pair := self._rate((*line, row.counterpart)))
            and pair.blocked_until_ms <= now_ms
            and pair.full_at_ms <= pair_full_at_ms
        ]
        return sorted(free, key=lambda row: (row.due_at_ms, row.number))[:rows_max]

    async def save_account(self, rate: Rate) -> None:
        """See OutgoingTransaction."""
        self._save_rate(rate)

    async def spend(self, row: OutgoingRow, *, at_ms: int, step_ms: int) -> None:
        """See OutgoingTransaction."""
        pair = self.tables.rates[row.tenant_id, row.address, row.counterpart]
        self._save_rate(replace(pair, full_at_ms=max(pair.full_at_ms, at_ms) + step_ms))

    async def lock_pair(self, tenant_id: str, address: str, counterpart: str) -> Rate | None:
        """See OutgoingTransaction."""
        return self._rate((tenant_id, address, counterpart))

    async def block(self, tenant_id: str, address: str, counterpart: str, *, until_ms: int) -> None:
        """See OutgoingTransaction."""
        if rate := self._rate((tenant_id, address, counterpart)):
            self._save_rate(replace(rate, blocked_until_ms=max(rate.blocked_until_ms, until_ms)))

    async def raise_watermark(self, line: Line, counterpart: str, *, up_to_ms: int, read: bool) -> Rate | None:
        """See OutgoingTransaction."""
        if rate := self._rate((*line, counterpart)):
            read_to_ms = max(rate.read_to_ms, up_to_ms) if read else rate.read_to_ms
            delivered_to_ms = max(rate.delivered_to_ms, up_to_ms)
            self._save_rate(replace(rate, delivered_to_ms=delivered_to_ms, read_to_ms=read_to_ms))
        return self._rate((*line, counterpart))

    async def lapsed_outgoing(self, now_ms: int) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        return [
            row
            for row in self._rows()
            if (row.lease_until_ms is not None and row.lease_until_ms <= now_ms)
            or (row.state == "pending" and row.created_at_ms <= now_ms - GIVE_UP_MS)
        ][:ROWS_MAX]

    async def taken_since(self, line: Line, *, since_ms: int, after: str, rows_max: int) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        found = [
            row
            for row in self._rows()
            if (row.tenant_id, row.address) == line
            and row.state in ("sent", "unknown")
            and row.payload is not None
            and row.lease_until_ms is None
            and row.tried_at_ms is not None
            and (row.tried_at_ms, row.outgoing_id) > (since_ms, after)
        ]
        return sorted(found, key=lambda row: (row.tried_at_ms or 0, row.outgoing_id))[:rows_max]

    async def outgoing_backlog(self) -> tuple[int, int | None]:
        """See OutgoingTransaction."""
        waiting = [row.created_at_ms for row in self._rows() if row.state == "pending"]
        return len(waiting), min(waiting, default=None)

    async def lock_provider_ids(self, line: Line, provider_message_ids: Collection[str]) -> None:
        """See OutgoingTransaction."""

    async def keep_early_report(self, report: EarlyReport) -> None:
        """See OutgoingTransaction."""
        key = (report.tenant_id, report.address, report.provider_message_id, report.status)
        self.tables.early_reports.setdefault(key, report)

    async def take_early_reports(self, line: Line, provider_message_id: str) -> Sequence[EarlyReport]:
        """See OutgoingTransaction."""
        keys = [key for key in self.tables.early_reports if key[:3] == (*line, provider_message_id)]
        return [self.tables.early_reports.pop(key) for key in keys]

    def _rows(self) -> list[OutgoingRow]:
        """In their order; those that row-level security shows."""
        seen = [row for row in self.tables.outgoings.values() if self.tenant_text in ("*", row.tenant_id)]
        return sorted(seen, key=lambda row: row.number)

    def _of_line(self, line: Line) -> list[OutgoingRow]:
        return [row for row in self._rows() if (row.tenant_id, row.address) == line]

    def _rate(self, key: Triple) -> Rate | None:
        return self.tables.rates.get(key) if self.tenant_text in ("*", key[0]) else None

    def _save_rate(self, rate: Rate) -> None:
        self.tables.rates[rate.tenant_id, rate.address, rate.counterpart] = rate


def _due(row: OutgoingRow, now_ms: int) -> bool:
    return row.state == "pending" and row.due_at_ms <= now_ms
