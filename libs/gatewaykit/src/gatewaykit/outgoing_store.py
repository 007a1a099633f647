"""Keeps what goes to providers in PostgreSQL, beside the conversations of the gateway's own schema.

Locks are taken in one order: providers' ids, then pairs, then a message's parts, then accounts. A claim waits for none.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace
from functools import cache
from typing import Final, Protocol, cast

from servicekit.database import Database, Row, Transaction, kept_as
from servicekit.statements import statements
from servicekit.store import Tenant, TransactionBase
from servicekit.sweep import Sweep
from sqlalchemy.ext.asyncio import AsyncConnection

from gatewaykit.domain.content import File, TemplateUse
from gatewaykit.domain.outgoing import CLOCKS_DIFFER_MS, GIVE_UP_MS, EarlyReport, OutgoingRow, Part, Rate
from gatewaykit.domain.recipients import Recipient

ROWS_MAX: Final = 1000
WORDS_KEEP_DAYS: Final = 7
"""So long what failed can be sent again."""
KEEP_DAYS: Final = 30
EARLY_KEEP_DAYS: Final = 2

Line = tuple[str, str]
"""Tenant and address: one account of a provider."""


class OutgoingTransaction(TransactionBase, Protocol):
    """One unit of work. A part is changed only by who holds the lock of its message's parts, or has claimed it."""

    source: str
    """Who says what is announced: `/<service>`."""
    put_outgoing: bool
    """Something waits to be sent since this transaction: whoever commits it wakes the sending."""

    async def allot(self, tenant_id: str, address: str, counterpart: str, *, parts: int, now_ms: int) -> int:
        """Order numbers for so many parts, of which this is the first; locks the pair."""
        ...

    async def add_outgoing(self, row: OutgoingRow) -> None:
        """Keep a new part; a second time changes nothing."""
        ...

    async def save_outgoing(self, row: OutgoingRow) -> None:
        """Replace it, under the lock."""
        ...

    async def move_outgoings(self, line: Line, counterpart: str, message_ids: Collection[str], to: str) -> None:
        """The parts of these messages, which were to this counterpart, are of that interaction now. They go on in the
        order and at the rate of the counterpart."""
        ...

    async def parts_of(self, tenant_id: str, message_id: str, *, lock: bool) -> Sequence[OutgoingRow]:
        """All rows of a message, in their order."""
        ...

    async def outgoing(self, tenant_id: str, outgoing_id: str) -> OutgoingRow | None:
        """The part with this reference, not locked."""
        ...

    async def outgoing_of_provider(self, line: Line, provider_message_id: str) -> Sequence[OutgoingRow]:
        """What the provider knows by this id, not locked."""
        ...

    async def reached_by(self, pair: Rate) -> Sequence[OutgoingRow]:
        """The pair's parts that its watermarks move on, not locked, at most ROWS_MAX."""
        ...

    async def due_accounts(self, now_ms: int) -> Sequence[Line]:
        """Accounts that are not blocked and where something is due, longest idle first, at most ROWS_MAX."""
        ...

    async def lock_account(self, line: Line) -> Rate | None:
        """The account's rate; none while another transaction holds it."""
        ...

    async def in_flight(self, line: Line) -> int:
        """How many of its parts are with the provider."""
        ...

    async def pair_in_flight(self, line: Line, counterpart: str) -> bool:
        """Whether one of the pair's parts is with the provider: what that has made of it is not kept yet."""
        ...

    async def due_heads(
        self, line: Line, *, now_ms: int, pair_full_at_ms: float, rows_max: int
    ) -> Sequence[OutgoingRow]:
        """The first open part of each pair that is not blocked and whose bucket is full by `pair_full_at_ms`, if it is
        due, locked; passes over what somebody else holds."""
        ...

    async def save_account(self, rate: Rate) -> None:
        """Keep when its bucket is full, under its lock."""
        ...

    async def spend(self, row: OutgoingRow, *, at_ms: int, step_ms: int) -> None:
        """Take a token of the row's pair."""
        ...

    async def lock_pair(self, tenant_id: str, address: str, counterpart: str) -> Rate | None:
        """Its rate and watermarks, locked."""
        ...

    async def block(self, tenant_id: str, address: str, counterpart: str, *, until_ms: int) -> None:
        """Nothing of the pair (of the account: counterpart empty) until then."""
        ...

    async def raise_watermark(self, line: Line, counterpart: str, *, up_to_ms: int, read: bool) -> Rate | None:
        """The counterpart has, or has read, all that was sent by then; the pair, locked, if anything was ever sent."""
        ...

    async def lapsed_outgoing(self, now_ms: int) -> Sequence[OutgoingRow]:
        """Whose lease has run out, and what waits since GIVE_UP_MS; not locked, at most ROWS_MAX."""
        ...

    async def taken_since(self, line: Line, *, since_ms: int, after: str, rows_max: int) -> Sequence[OutgoingRow]:
        """What the provider has, or may have, that was handed to it since then and whose words are still kept, oldest
        first, not locked; of that instant only references greater than `after`."""
        ...

    async def outgoing_backlog(self) -> tuple[int, int | None]:
        """How many wait, counted no further than 100,000, and since when the oldest does."""
        ...

    async def lock_provider_ids(self, line: Line, provider_message_ids: Collection[str]) -> None:
        """Who reports about these ids, and who learns them from the provider's answers, do so one after the other."""
        ...

    async def keep_early_report(self, report: EarlyReport) -> None:
        """Under the lock of its id; a second one of this status changes nothing."""
        ...

    async def take_early_reports(self, line: Line, provider_message_id: str) -> Sequence[EarlyReport]:
        """What was kept about the id, and is not any more; under its lock."""
        ...


class OutgoingStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[OutgoingTransaction]:
        """Begin; see TransactionBase."""
        ...


class PostgresOutgoings(Transaction):
    """The real OutgoingTransaction; its methods are described there. A gateway's own class extends it."""

    source: str

    def __init__(self, connection: AsyncConnection, tenant: Tenant) -> None:
        super().__init__(connection, tenant)
        self.put_outgoing = False

    async def allot(self, tenant_id: str, address: str, counterpart: str, *, parts: int, now_ms: int) -> int:
        """See OutgoingTransaction."""
        await self.execute(_sql()["know_account"], tenant_id=tenant_id, address=address, now_ms=now_ms)
        values = {"tenant_id": tenant_id, "address": address, "counterpart": counterpart}
        row = cast(Row, await self.one(_sql()["allot"], **values, parts=parts, now_ms=now_ms))  # it always returns one
        return int(row["last_number"]) - parts + 1

    async def add_outgoing(self, row: OutgoingRow) -> None:
        """See OutgoingTransaction."""
        await self.execute(_sql()["add_outgoing"], **_columns(row))
        self.put_outgoing = True

    async def save_outgoing(self, row: OutgoingRow) -> None:
        """See OutgoingTransaction."""
        fixed = {"message_id", "interaction_id", "domain", "address", "counterpart", "part", "round", "number"}
        unchanging = fixed | {"created_at_ms", "request_id"}
        values = {name: value for name, value in _columns(row).items() if name not in unchanging}
        await self.execute(_sql()["save_outgoing"], **values)

    async def move_outgoings(self, line: Line, counterpart: str, message_ids: Collection[str], to: str) -> None:
        """See OutgoingTransaction."""
        await self.lock_pair(*line, counterpart)
        values = {"tenant_id": line[0], "message_ids": list(message_ids), "interaction_id": to}
        await self.execute(_sql()["move_outgoings"], **values)

    async def parts_of(self, tenant_id: str, message_id: str, *, lock: bool) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        statement = _sql()["locked_parts_of" if lock else "parts_of"]
        return [_outgoing(row) for row in await self.all(statement, tenant_id=tenant_id, message_id=message_id)]

    async def outgoing(self, tenant_id: str, outgoing_id: str) -> OutgoingRow | None:
        """See OutgoingTransaction."""
        row = await self.one(_sql()["outgoing"], tenant_id=tenant_id, outgoing_id=outgoing_id)
        return _outgoing(row) if row else None

    async def outgoing_of_provider(self, line: Line, provider_message_id: str) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        rows = await self.all(_sql()["outgoing_of_provider"], **_line(line), provider_message_id=provider_message_id)
        return [_outgoing(row) for row in rows]

    async def reached_by(self, pair: Rate) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        rows = await self.all(
            _sql()["reached"],
            tenant_id=pair.tenant_id,
            address=pair.address,
            counterpart=pair.counterpart,
            read_to_ms=pair.read_to_ms,
            up_to_ms=pair.delivered_to_ms,
            rows_max=ROWS_MAX,
        )
        return [_outgoing(row) for row in rows]

    async def due_accounts(self, now_ms: int) -> Sequence[Line]:
        """See OutgoingTransaction."""
        rows = await self.all(_sql()["due_accounts"], now_ms=now_ms, rows_max=ROWS_MAX)
        return [(row["tenant_id"], row["address"]) for row in rows]

    async def lock_account(self, line: Line) -> Rate | None:
        """See OutgoingTransaction."""
        row = await self.one(_sql()["locked_account"], **_line(line))
        return kept_as(Rate, row) if row else None

    async def in_flight(self, line: Line) -> int:
        """See OutgoingTransaction."""
        row = await self.one(_sql()["in_flight"], **_line(line))
        return int(row["rows"]) if row else 0

    async def pair_in_flight(self, line: Line, counterpart: str) -> bool:
        """See OutgoingTransaction."""
        return await self.one(_sql()["pair_in_flight"], **_line(line), counterpart=counterpart) is not None

    async def due_heads(
        self, line: Line, *, now_ms: int, pair_full_at_ms: float, rows_max: int
    ) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        values = {"now_ms": now_ms, "pair_full_at_ms": pair_full_at_ms, "rows_max": rows_max}
        return [_outgoing(row) for row in await self.all(_sql()["due_heads"], **_line(line), **values)]

    async def save_account(self, rate: Rate) -> None:
        """See OutgoingTransaction."""
        values = {"full_at_ms": rate.full_at_ms, "used_at_ms": rate.used_at_ms}
        await self.execute(_sql()["save_account"], **_line((rate.tenant_id, rate.address)), **values)

    async def spend(self, row: OutgoingRow, *, at_ms: int, step_ms: int) -> None:
        """See OutgoingTransaction."""
        await self.execute(_sql()["spend"], **_pair(row), at_ms=float(at_ms), step_ms=float(step_ms))

    async def lock_pair(self, tenant_id: str, address: str, counterpart: str) -> Rate | None:
        """See OutgoingTransaction."""
        row = await self.one(_sql()["locked_pair"], tenant_id=tenant_id, address=address, counterpart=counterpart)
        return kept_as(Rate, row) if row else None

    async def block(self, tenant_id: str, address: str, counterpart: str, *, until_ms: int) -> None:
        """See OutgoingTransaction."""
        values = {"tenant_id": tenant_id, "address": address, "counterpart": counterpart}
        await self.execute(_sql()["block"], **values, until_ms=until_ms)

    async def raise_watermark(self, line: Line, counterpart: str, *, up_to_ms: int, read: bool) -> Rate | None:
        """See OutgoingTransaction."""
        await self.execute(
            _sql()["raise_watermark"], **_line(line), counterpart=counterpart, up_to_ms=up_to_ms, read=read
        )
        return await self.lock_pair(*line, counterpart)

    async def lapsed_outgoing(self, now_ms: int) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        rows = await self.all(_sql()["lapsed"], now_ms=now_ms, old_ms=now_ms - GIVE_UP_MS, rows_max=ROWS_MAX)
        return [_outgoing(row) for row in rows]

    async def taken_since(self, line: Line, *, since_ms: int, after: str, rows_max: int) -> Sequence[OutgoingRow]:
        """See OutgoingTransaction."""
        values: dict[str, object] = {"since_ms": since_ms, "after": after, "rows_max": rows_max}
        values["changed_since_ms"] = since_ms - CLOCKS_DIFFER_MS
        return [_outgoing(row) for row in await self.all(_sql()["taken_since"], **_line(line), **values)]

    async def outgoing_backlog(self) -> tuple[int, int | None]:
        """See OutgoingTransaction."""
        row = await self.one(_sql()["backlog"])
        return (int(row["rows"]), row["oldest_ms"]) if row else (0, None)

    async def lock_provider_ids(self, line: Line, provider_message_ids: Collection[str]) -> None:
        """See OutgoingTransaction."""
        names = ["\n".join((*line, each)) for each in provider_message_ids]
        await self.all(_sql()["lock_provider_ids"], names=names)

    async def keep_early_report(self, report: EarlyReport) -> None:
        """See OutgoingTransaction."""
        await self.execute(_sql()["keep_early_report"], **asdict(report))

    async def take_early_reports(self, line: Line, provider_message_id: str) -> Sequence[EarlyReport]:
        """See OutgoingTransaction."""
        rows = await self.all(_sql()["take_early_reports"], **_line(line), provider_message_id=provider_message_id)
        return [kept_as(EarlyReport, row) for row in rows]


def sweeps(database: Database) -> list[Sweep]:
    """Forget what people wrote after a week, the rest after a month, and reports that fit nothing after two days."""
    days = {"words": WORDS_KEEP_DAYS, "outgoing": KEEP_DAYS, "early_reports": EARLY_KEEP_DAYS, "pairs": KEEP_DAYS}
    return [Sweep(database, f"{each} sweep", _sql()[f"sweep_{each}"], keep_days=kept) for each, kept in days.items()]


def _line(line: Line) -> dict[str, object]:
    return {"tenant_id": line[0], "address": line[1]}


def _pair(row: OutgoingRow) -> dict[str, object]:
    return {"tenant_id": row.tenant_id, "address": row.address, "counterpart": row.counterpart}


def _columns(row: OutgoingRow) -> dict[str, object]:
    """The payload goes in as text: what people wrote may hold what `jsonb` does not take (NUL, lone surrogates)."""
    values = asdict(row)
    recipients = json.dumps(values["recipients"]) if row.recipients else None
    return values | {"payload": json.dumps(values["payload"]) if row.payload else None, "recipients": recipients}


def _outgoing(row: Row) -> OutgoingRow:
    kept = kept_as(OutgoingRow, row)
    recipients = [kept_as(Recipient, each) for each in json.loads(row["recipients"] or "[]")]
    payload = _part(json.loads(row["payload"])) if row["payload"] else None
    return replace(kept, payload=payload, recipients=tuple(recipients))


def _part(kept: Mapping[str, object]) -> Part:
    file, template = kept["file"], kept["template"]
    part = kept_as(Part, {"recipients": (), "automatic": False, **kept})  # releases before know neither
    part = replace(part, recipients=tuple(part.recipients))
    if isinstance(file, dict):
        part = replace(part, file=kept_as(File, file))
    if isinstance(template, dict):
        use = kept_as(TemplateUse, template)
        part = replace(part, template=replace(use, variables=tuple(use.variables)))
    return part


@cache
def _sql() -> Mapping[str, str]:
    return statements("gatewaykit", "sql/outgoing.sql")
