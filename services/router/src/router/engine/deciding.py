"""Decides what the inbox holds and makes batches of it. The live state runs ahead of what is confirmed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from servicekit.ports import Clock
from servicekit.telemetry import Telemetry, log

from router.domain.decide import decide
from router.domain.facts import Fact, JournaledFact
from router.domain.fold import fold
from router.domain.inputs import Input, TimersDue
from router.domain.state import State
from router.engine.errors import BatchTooLargeError, DecisionFailedError
from router.engine.inbox import Given, Inbox, source_of
from router.engine.journal import (
    BATCH_BYTES_MAX,
    BatchRecord,
    Confirmed,
    JournalFold,
    Origin,
    confirmed,
    journaled,
    size_of,
)
from router.engine.live import Views
from router.engine.sources import Source, bytes_of
from router.engine.spans import BatchSpans
from router.engine.views import Touched

LOG: Final = log("engine.deciding")
BATCH_INPUTS_MAX: Final = 200
BATCH_BYTES_FULL: Final = BATCH_BYTES_MAX // 4
"""A batch this large takes no further input, so that any one input's effect has the other three quarters."""
HEAD_BYTES: Final = 1024
"""What epoch, number, causes and the like take of a record."""
ORIGIN_BYTES: Final = 16
"""What an input's origin takes, beside its two texts."""
IDLE_SECONDS: Final = 1.0
Decide = Callable[[State, Input, int], list[Fact]]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A batch ready for the journal, with what may leave the process once it is confirmed."""

    record: BatchRecord
    confirmed: Confirmed
    views: dict[str, Views]
    spans: BatchSpans = field(default_factory=BatchSpans)
    oldest_input_ms: int | None = None
    """When the oldest of its inputs came into Kafka, if any did."""


@dataclass(slots=True)
class _Draft:
    """The batch being made."""

    now_ms: int
    spans: BatchSpans
    causes: dict[tuple[str, int], int] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    journaled: list[JournaledFact] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    touched: Touched = field(default_factory=Touched)
    inputs: int = 0
    size: int = 0
    oldest_input_ms: int | None = None

    @property
    def full(self) -> bool:
        return self.inputs >= BATCH_INPUTS_MAX or self.size >= BATCH_BYTES_FULL

    @property
    def due(self) -> bool:
        """Whether it is worth a record: positions of inputs without effect alone can wait for company."""
        return bool(self.facts) or self.full


class Decider:
    """One epoch's deciding. It owns `state`; when anything fails the whole of it is dropped.

    All inputs of a batch share one `now`, which never steps back, so that the fold repeats them exactly. While the wall
    clock is behind what the journal says (it was set back, or an earlier owner's was ahead), `now` goes on at its own
    pace, so that no timer waits for the wall clock.
    """

    def __init__(
        self,
        journal_fold: JournalFold,
        clock: Clock,
        *,
        watermark: Callable[[], int],
        decide: Decide = decide,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.state: State = journal_fold.state
        self.turned_at_ms = clock.now_ms()
        self._sequences = journal_fold.sequences
        self._traces = journal_fold.traces
        self._telemetry = telemetry
        self._generation = journal_fold.generation
        self._epoch = journal_fold.epoch
        self._number = journal_fold.number
        self._known_ms = journal_fold.now_ms
        self._known_at_seconds = asyncio.get_running_loop().time()
        self._clock = clock
        self._watermark = watermark
        self._decide_input = decide
        self._idle_causes: dict[tuple[str, int], int] = {}
        self._idle_inputs = 0

    async def next_batch(self, inbox: Inbox) -> Sealed | None:
        """Wait for an input or a timer, then decide what is there, within a batch's bounds."""
        first = await self._wait(inbox)
        draft = self._draft()
        if first is not None:
            self._decide(draft, first)
        self._decide_timers(draft)
        while not draft.full and not inbox.empty():
            self._decide(draft, inbox.get_nowait())
        self.turned_at_ms = self._clock.now_ms()
        if draft.due:
            return self._seal(draft)
        self._idle_causes, self._idle_inputs = draft.causes, draft.inputs
        return None

    async def _wait(self, inbox: Inbox) -> Given | None:
        due_ms = self.state.next_due_ms()
        seconds = IDLE_SECONDS if due_ms is None else min(IDLE_SECONDS, (due_ms - self._now_ms()) / 1000)
        if seconds <= 0:
            # Let the tasks go on that append what was decided; a flood of due timers must not starve them.
            await self._clock.sleep(0)
            return None
        try:
            async with asyncio.timeout(seconds):
                return await inbox.get()
        except TimeoutError:
            return None

    def _draft(self) -> _Draft:
        spans = BatchSpans(self._telemetry)
        draft = _Draft(self._now_ms(), spans, causes=self._idle_causes, inputs=self._idle_inputs)
        self._idle_causes, self._idle_inputs = {}, 0
        return draft

    def _now_ms(self) -> int:
        now_seconds, wall_ms = asyncio.get_running_loop().time(), self._clock.now_ms()
        going_on_ms = self._known_ms + int((now_seconds - self._known_at_seconds) * 1000)
        if wall_ms < going_on_ms:
            return going_on_ms
        self._known_ms, self._known_at_seconds = wall_ms, now_seconds
        return wall_ms

    def _decide_timers(self, draft: _Draft) -> None:
        due_ms = self.state.next_due_ms()
        while due_ms is not None and due_ms <= draft.now_ms and not draft.full:
            self._decide(draft, Given(input=TimersDue()))
            due_ms = self.state.next_due_ms()

    def _decide(self, draft: _Draft, given: Given) -> None:
        draft.inputs += 1
        facts = self._facts(draft, given)
        if given.record is not None and draft.oldest_input_ms is None:  # of a topic they come in order
            draft.oldest_input_ms = given.record.timestamp_ms
        if given.cause is not None:
            topic, partition, position = given.cause
            draft.causes[topic, partition] = position
        if not facts:
            return
        draft.facts += facts
        encoded = journaled(facts)
        draft.journaled += encoded
        context = draft.spans.decided(given)
        source = source_of(given)
        draft.origins.append((len(facts), given.event_id, context))
        draft.sources.append(source)
        draft.touched.note(self.state, facts)
        draft.size += size_of(encoded) + bytes_of(source)
        draft.size += len(given.event_id or "") + len(context or "") + ORIGIN_BYTES
        if draft.size > BATCH_BYTES_MAX - HEAD_BYTES:
            raise BatchTooLargeError(given.record)

    def _facts(self, draft: _Draft, given: Given) -> list[Fact]:
        if given.fact is not None:
            fold(self.state, given.fact, draft.now_ms)
            return [given.fact]
        if given.input is None:
            return []
        try:
            return self._decide_input(self.state, given.input, draft.now_ms)
        except Exception as error:
            raise DecisionFailedError(given.record) from error

    def _seal(self, draft: _Draft) -> Sealed:
        """Number the batch. With the fence it can only land at epoch + number, so its sequences are known already."""
        self._number += 1
        record = BatchRecord(
            epoch=self._epoch,
            number=self._number,
            causes=tuple((*place, position) for place, position in draft.causes.items()),
            now=draft.now_ms,
            facts=tuple(draft.journaled),
            origins=tuple(draft.origins),
            published=self._watermark(),
            sources=tuple(draft.sources),
        )
        offset = self._epoch + self._number
        out = confirmed(draft.facts, record, self._traces, self._generation, offset)
        self._sequences.note(out.events)
        return Sealed(record, out, draft.touched.views(self.state, self._sequences), draft.spans, draft.oldest_input_ms)
