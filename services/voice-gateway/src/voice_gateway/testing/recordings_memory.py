"""The in-memory twin of what is kept of recordings; passes the same suite."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from servicekit.store import MemoryTransaction

from voice_gateway.recordings_tables import Recording


@dataclass(frozen=True)  # no slots: a gateway's tables have several such bases
class RecordingTables:
    """The tables, by their keys."""

    recordings: dict[tuple[str, str], Recording] = field(default_factory=dict)
    agents: dict[tuple[str, str, str], int] = field(default_factory=dict)
    audit: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Tenant, actor, action, target."""


Tables = TypeVar("Tables", bound=RecordingTables)


class MemoryRecordings(MemoryTransaction[Tables]):
    """The twin of PostgresRecordings."""

    async def want_recording(self, recording: Recording) -> None:
        """See RecordingTransaction."""
        self.tables.recordings.setdefault((recording.tenant_id, recording.recording_id), recording)

    async def claim_recordings(
        self, nodes: Collection[str], *, now_ms: int, until_ms: int, rows_max: int
    ) -> Sequence[Recording]:
        """See RecordingTransaction."""
        due = sorted(
            (each.due_at_ms, key)
            for key, each in self.tables.recordings.items()
            if each.node in nodes and each.due_at_ms is not None and each.due_at_ms <= now_ms
        )
        claimed = []
        for _, key in due[:rows_max]:
            row = self.tables.recordings[key]
            claimed.append(replace(row, due_at_ms=until_ms, attempts=row.attempts + 1))
            self.tables.recordings[key] = claimed[-1]
        return claimed

    async def put_recording(self, recording: Recording) -> None:
        """See RecordingTransaction."""
        self.tables.recordings[recording.tenant_id, recording.recording_id] = recording

    async def recording(self, tenant_id: str, recording_id: str, *, lock: bool = False) -> Recording | None:
        """See RecordingTransaction."""
        return self.tables.recordings.get((tenant_id, recording_id)) if self.tenant_text in ("*", tenant_id) else None

    async def expired_recordings(self, *, now_ms: int, rows_max: int) -> Sequence[Recording]:
        """See RecordingTransaction."""
        live = [row for row in self.tables.recordings.values() if row.state in ("wanted", "kept")]
        rows = [row for row in live if row.keep_until_ms <= now_ms]
        return sorted(rows, key=lambda row: row.keep_until_ms)[:rows_max]

    async def recordings_waiting(self) -> tuple[int, int | None]:
        """See RecordingTransaction."""
        since = [row.wanted_at_ms for row in self.tables.recordings.values() if row.state == "wanted"]
        return len(since), min(since, default=None)

    async def note_agent(self, tenant_id: str, interaction_id: str, agent_id: str, *, at_ms: int) -> None:
        """See RecordingTransaction."""
        self.tables.agents.setdefault((tenant_id, interaction_id, agent_id), at_ms)

    async def had_call(self, tenant_id: str, interaction_id: str, agent_id: str) -> bool:
        """See RecordingTransaction."""
        return (tenant_id, interaction_id, agent_id) in self.tables.agents

    async def audit(self, tenant_id: str, audit_id: str, *, at_ms: int, actor: str, action: str, target: str) -> None:
        """See RecordingTransaction."""
        self.tables.audit.append((tenant_id, actor, action, target))
