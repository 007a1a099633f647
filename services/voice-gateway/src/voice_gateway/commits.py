"""Writes what has changed, in groups: calls, what is announced, positions. Then the node is given what is to be done.

PostgreSQL away: what has changed waits here, each call in its last state, and after AHEAD_MS the node gets its commands
all the same, so that talks go on. Beyond `changes_max` the owner takes no new calls (`is_full`).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts import Event, MalformedEventError
from contracts.registry import BY_DATA
from servicekit.errors import RetryLaterError
from servicekit.ports import Chance, Clock, Partition
from servicekit.store import EVERY_TENANT, Position, wait_for_event
from servicekit.telemetry import log

from voice_gateway.codec import Numbered
from voice_gateway.domain.step import Said, ToKeep
from voice_gateway.live_calls import Key, Live, LiveCalls
from voice_gateway.metrics import VoiceMetrics
from voice_gateway.recordings import WhereRecorded, wanted
from voice_gateway.recordings_tables import Recording
from voice_gateway.store import SOURCE, KeptCall, Lease, VoiceStore, VoiceTransaction

LOG: Final = log("commits")
AHEAD_MS: Final = 2_000
LAZY_SECONDS: Final = 0.5
"""What was done is written so much later at most, if nothing else is."""
PAUSE_SECONDS: Final = (0.1, 0.5)
LOOK_SECONDS: Final = 0.25


class LeaseLostError(Exception):
    """The node is run by another replica now."""


@dataclass(slots=True, kw_only=True)
class Batch:
    """What one transaction writes."""

    number: int
    calls: dict[Key, Live] = field(default_factory=dict)
    rows: Sequence[KeptCall] = ()
    """The calls as they were when the batch was closed: what happens to them later is the next one's."""
    said: list[tuple[Key, str, Said]] = field(default_factory=list)
    """With the routing domain of its call."""
    recordings: list[tuple[Live, ToKeep]] = field(default_factory=list)
    agents: list[tuple[Key, str]] = field(default_factory=list)
    positions: Mapping[Partition, Position] = field(default_factory=dict)
    commands: list[tuple[Key, Numbered]] = field(default_factory=list)

    @property
    def changes(self) -> int:
        """How many."""
        return len(self.calls) + len(self.said)


class Commits:
    """One owner's, in one epoch."""

    def __init__(  # noqa: PLR0913 - its parts, each by name
        self,
        store: VoiceStore,
        lease: Lease,
        calls: LiveCalls,
        *,
        give: Callable[[Key, Sequence[Numbered]], None],
        positions: Callable[[], Mapping[Partition, Position]],
        partition_of: Callable[[str, str], int | None],
        clock: Clock,
        chance: Chance,
        metrics: VoiceMetrics,
        changes_max: int,
        recordings_wanted: Callable[[], object] = lambda: None,
    ) -> None:
        self._store = store
        self._lease = lease
        self._calls = calls
        self._give = give
        self._positions = positions
        self._partition_of = partition_of
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._changes_max = changes_max
        self._recordings_wanted = recordings_wanted
        self._next = Batch(number=1)
        self._kept_positions: dict[Partition, Position] = {}
        self._in_hand: Batch | None = None
        self._to_give: list[tuple[int, Key, Numbered]] = []
        self._news = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def is_full(self) -> bool:
        """No more is taken on until PostgreSQL is back."""
        return self._changes >= self._changes_max

    @property
    def _changes(self) -> int:
        return self._next.changes + (self._in_hand.changes if self._in_hand else 0)

    def put(self, live: Live, commands: Sequence[Numbered], said: Sequence[Said], recordings: Sequence[ToKeep]) -> None:
        """A call has changed."""
        now_ms = self._clock.now_ms()
        self._next.calls[live.key] = live
        self._next.said += [(live.key, live.call.terms.domain, each) for each in said]
        self._next.recordings += [(live, each) for each in recordings]
        self._next.commands += [(live.key, each) for each in commands]
        self._to_give += [(now_ms, live.key, each) for each in commands]
        self._settled.clear()
        self._news.set()

    def put_lazily(self, live: Live) -> None:
        """Something was done; it is written with whatever comes next."""
        self._next.calls[live.key] = live

    def say(self, key: Key, domain: str, said: Said) -> None:
        """Announce what no call says."""
        self._next.said.append((key, domain, said))
        self._settled.clear()
        self._news.set()

    def note_agent(self, key: Key, agent_id: str) -> None:
        """The agent has the call, or a task of it."""
        self._next.agents.append((key, agent_id))

    async def settled(self, *, timeout_seconds: float) -> bool:
        """Wait until the node has been given all that is to be done."""
        await wait_for_event(self._settled, timeout_seconds=timeout_seconds)
        return self._settled.is_set()

    async def run(self) -> None:
        """Write, group by group. Raises LeaseLostError."""
        while True:
            await wait_for_event(self._news, timeout_seconds=LAZY_SECONDS)
            self._news.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what has changed until now, as often as it takes. Raises LeaseLostError."""
        batch = self._in_hand or self._closed()
        if batch is None:
            return
        self._in_hand = batch
        while not await self._written(batch):
            self._metrics.uncommitted(self._changes)
            await self._clock.sleep(self._chance.uniform(*PAUSE_SECONDS))
        self._in_hand = None
        self._kept_positions |= batch.positions
        self._metrics.uncommitted(self._changes)
        self._release(batch.commands)
        if batch.recordings:
            self._recordings_wanted()

    def _closed(self) -> Batch | None:
        """The next batch, if there is anything to write."""
        now_ms = self._clock.now_ms()
        moved = {at: kept for at, kept in self._positions().items() if self._kept_positions.get(at) != kept}
        if not self._next.changes and not moved:
            return None
        batch, self._next = self._next, Batch(number=self._next.number + 1)
        batch.rows = [self._calls.kept(live, now_ms) for live in batch.calls.values()]
        batch.positions = moved
        return batch

    async def run_ahead(self) -> None:
        """Give commands that have waited for their commit too long."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            late_ms = self._clock.now_ms() - AHEAD_MS
            late = [(key, each) for put_at_ms, key, each in self._to_give if put_at_ms <= late_ms]
            if late:
                LOG.warning("commands_ahead_of_commit", extra={"node": self._lease.node, "commands": len(late)})
                self._release(late)

    def _release(self, commands: Sequence[tuple[Key, Numbered]]) -> None:
        """Give those of them that were not given yet."""
        wanted = {(key, each.number) for key, each in commands}
        given = [(key, each) for _, key, each in self._to_give if (key, each.number) in wanted]
        self._to_give = [row for row in self._to_give if (row[1], row[2].number) not in wanted]
        for key, each in given:
            self._give(key, [each])
        if not self._to_give:
            self._settled.set()

    async def _written(self, batch: Batch) -> bool:
        try:
            async with self._store.transaction(EVERY_TENANT) as tx:
                fence = await tx.fence(self._lease, batch.number)
                if fence == "lost":
                    raise LeaseLostError(self._lease.node)
                if fence == "new":
                    await self._write(tx, batch)
        except (RetryLaterError, OSError, TimeoutError) as error:
            LOG.warning("commit_put_off", extra={"node": self._lease.node, "error": type(error).__name__})
            return False
        return True

    async def _write(self, tx: VoiceTransaction, batch: Batch) -> None:
        now_ms = self._clock.now_ms()
        await tx.keep_calls(batch.rows)
        await tx.keep_positions(consumer_of(self._lease.node), batch.positions)
        for live, recording in batch.recordings:
            await tx.want_recording(_wanted(live, recording, self._lease.node, now_ms))
        for (tenant_id, interaction_id), agent_id in batch.agents:
            await tx.note_agent(tenant_id, interaction_id, agent_id, at_ms=now_ms)
        for (tenant_id, interaction_id), domain, said in batch.said:
            partition = None
            if BY_DATA[type(said.data)].topic.rule == "domain":
                partition = self._partition_of(tenant_id, domain)
                if partition is None:
                    LOG.error("domain_unknown", extra={"tenant_id": tenant_id, "domain": domain})
                    continue
            event = Event(
                id=said.event_id,
                source=SOURCE,
                tenant_id=tenant_id,
                subject=interaction_id,
                time_ms=now_ms,
                data=said.data,
            )
            try:
                await tx.announce(event, partition=partition)
            except MalformedEventError:
                # A fault of ours about one event must not hold up all calls, again after each start.
                LOG.exception("event_malformed", extra={"type": event.type.name})


def consumer_of(node: str) -> str:
    """Under which name the positions of a node's owner are kept."""
    return f"voice-gateway/{node}"


def _wanted(live: Live, recording: ToKeep, node: str, now_ms: int) -> Recording:
    terms = live.call.terms
    where = WhereRecorded(
        tenant_id=terms.tenant_id,
        interaction_id=live.call.interaction_id,
        domain=terms.domain,
        client=terms.client,
        node=node,
    )
    return wanted(
        where,
        recording.recording_id,
        kind=recording.kind,
        begun_at_ms=recording.begun_at_ms,
        seconds=recording.seconds,
        pauses=recording.pauses,
        keep_days=recording.keep_days,
        now_ms=now_ms,
    )
