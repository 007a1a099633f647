"""Keeps what is known of recordings, who had the calls, and who listened; the gateway's transaction has these parts."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, Protocol

from servicekit.database import Database, Transaction, columns_of, kept_as
from servicekit.statements import statements
from servicekit.store import Tenant, TransactionBase
from servicekit.sweep import Sweep

State = Literal["wanted", "kept", "failed", "removed"]
_KEEP_DAYS: Final = {"recordings": 90, "agents": 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording that its node has ended. It is kept as the file `recording_id`; `reason` is why it failed or was
    removed."""

    tenant_id: str
    recording_id: str
    interaction_id: str
    domain: str
    client: str
    node: str
    kind: str
    state: State = "wanted"
    begun_at_ms: int
    seconds: float
    """As the node told; once it is kept, as long as it plays."""
    pauses: str = "[]"
    """JSON: pairs of milliseconds since it began."""
    wanted_at_ms: int
    keep_until_ms: int
    due_at_ms: int | None
    """When it is to be fetched, or the node is to forget it; none: nothing is to be done at the node."""
    attempts: int = 0
    size_bytes: int | None = None
    sha256: str | None = None
    content_type: str | None = None
    reason: str | None = None


class RecordingTransaction(TransactionBase, Protocol):
    """One unit of work."""

    async def want_recording(self, recording: Recording) -> None:
        """It is to be fetched; one that is known already stays as it is."""
        ...

    async def claim_recordings(
        self, nodes: Collection[str], *, now_ms: int, until_ms: int, rows_max: int
    ) -> Sequence[Recording]:
        """What is due at these nodes, to be done until then; for a transaction of every tenant."""
        ...

    async def put_recording(self, recording: Recording) -> None:
        """As it is now."""
        ...

    async def recording(self, tenant_id: str, recording_id: str, *, lock: bool = False) -> Recording | None:
        """What is known of one."""
        ...

    async def expired_recordings(self, *, now_ms: int, rows_max: int) -> Sequence[Recording]:
        """Kept, or waited for, longer than they may be, the oldest first; for a transaction of every tenant."""
        ...

    async def recordings_waiting(self) -> tuple[int, int | None]:
        """How many are to be fetched, counted no further than 100 000, and since when the oldest."""
        ...

    async def note_agent(self, tenant_id: str, interaction_id: str, agent_id: str, *, at_ms: int) -> None:
        """The agent has the call, or a task of it."""
        ...

    async def had_call(self, tenant_id: str, interaction_id: str, agent_id: str) -> bool:
        """Whether the agent had it, or a task of it."""
        ...

    async def audit(self, tenant_id: str, audit_id: str, *, at_ms: int, actor: str, action: str, target: str) -> None:
        """Keep who did what."""
        ...


class RecordingStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[RecordingTransaction]:
        """Begin; see TransactionBase."""
        ...


class PostgresRecordings(Transaction):
    """The real RecordingTransaction; its methods are described there. The gateway's own class extends it."""

    async def want_recording(self, recording: Recording) -> None:
        """See RecordingTransaction."""
        await self.execute(_sql()["want_recording"], **columns_of(recording))

    async def claim_recordings(
        self, nodes: Collection[str], *, now_ms: int, until_ms: int, rows_max: int
    ) -> Sequence[Recording]:
        """See RecordingTransaction."""
        values = {"nodes": list(nodes), "now_ms": now_ms, "until_ms": until_ms, "rows_max": rows_max}
        return [kept_as(Recording, row) for row in await self.all(_sql()["claim_recordings"], **values)]

    async def put_recording(self, recording: Recording) -> None:
        """See RecordingTransaction."""
        await self.execute(_sql()["put_recording"], **columns_of(recording))

    async def recording(self, tenant_id: str, recording_id: str, *, lock: bool = False) -> Recording | None:
        """See RecordingTransaction."""
        statement = _sql()["locked_recording" if lock else "recording"]
        row = await self.one(statement, tenant_id=tenant_id, recording_id=recording_id)
        return kept_as(Recording, row) if row else None

    async def expired_recordings(self, *, now_ms: int, rows_max: int) -> Sequence[Recording]:
        """See RecordingTransaction."""
        rows = await self.all(_sql()["expired_recordings"], now_ms=now_ms, rows_max=rows_max)
        return [kept_as(Recording, row) for row in rows]

    async def recordings_waiting(self) -> tuple[int, int | None]:
        """See RecordingTransaction."""
        row = await self.one(_sql()["recordings_waiting"])
        return (row["waiting"], row["oldest_ms"]) if row else (0, None)

    async def note_agent(self, tenant_id: str, interaction_id: str, agent_id: str, *, at_ms: int) -> None:
        """See RecordingTransaction."""
        values = {"tenant_id": tenant_id, "interaction_id": interaction_id, "agent_id": agent_id}
        await self.execute(_sql()["note_agent"], **values, at_ms=at_ms)

    async def had_call(self, tenant_id: str, interaction_id: str, agent_id: str) -> bool:
        """See RecordingTransaction."""
        values = {"tenant_id": tenant_id, "interaction_id": interaction_id, "agent_id": agent_id}
        return await self.one(_sql()["had_call"], **values) is not None

    async def audit(self, tenant_id: str, audit_id: str, *, at_ms: int, actor: str, action: str, target: str) -> None:
        """See RecordingTransaction."""
        values = {"tenant_id": tenant_id, "audit_id": audit_id, "at_ms": at_ms}
        await self.execute(_sql()["audit"], **values, actor=actor, action=action, target=target)


def recording_sweeps(database: Database) -> list[Sweep]:
    """Forget what is known of recordings that are gone, and who had calls of which nothing is kept."""
    return [
        Sweep(database, f"{name} sweep", _sql()[f"sweep_{name}"], keep_days=days) for name, days in _KEEP_DAYS.items()
    ]


@cache
def _sql() -> Mapping[str, str]:
    return statements("voice_gateway", "sql/recordings.sql")
