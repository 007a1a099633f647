"""One owner's time with a node: what happens is taken in bounded groups, decided, committed, and done.

The only facts are what the node tells, what Kafka brings and what is due. A step is worked out at once and in memory
(`domain.advance`); nothing in the loop waits but for news, so that a slow node or database holds up nobody's talk.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.store import wait_for_event
from servicekit.telemetry import log

from voice_gateway.admission import Admission
from voice_gateway.codec import Numbered
from voice_gateway.commits import Commits
from voice_gateway.doing import Doing
from voice_gateway.domain.advance import advance
from voice_gateway.domain.call import Call
from voice_gateway.domain.commands import CloseRoom, Command, HangUp, Reject
from voice_gateway.domain.driver import Driver
from voice_gateway.domain.events import (
    CommandRefused,
    DriverLost,
    DriverRecovered,
    Event,
    LegIncoming,
    Snapshot,
)
from voice_gateway.domain.facts import CallArrived, DialAsked, Fact, NodeTold, Reconciled, TimerDue
from voice_gateway.domain.step import Step
from voice_gateway.domain.waiting import FLOW
from voice_gateway.domain.words import RefusedBecause
from voice_gateway.inputs import Inputs
from voice_gateway.live_calls import Key, Live, LiveCalls, ids_of
from voice_gateway.metrics import VoiceMetrics
from voice_gateway.resolving import Resolving
from voice_gateway.routed import RouterSide

LOG: Final = log("reign")
GROUP_MAX: Final = 500
IDLE_SECONDS: Final = 0.5
LOOK_AGAIN_SECONDS: Final = 5.0
DRAIN_SECONDS: Final = 5.0


class Told:
    """The Sink of a node's driver: what it tells waits here."""

    def __init__(self, news: asyncio.Event) -> None:
        self.events: deque[Event] = deque()
        self._news = news

    def tell(self, event: Event) -> None:
        """See Sink."""
        self.events.append(event)
        self._news.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReignParts:
    """What a reign works with."""

    node: str
    driver: Driver
    calls: LiveCalls
    doing: Doing
    commits: Commits
    inputs: Inputs
    resolving: Resolving
    admission: Admission
    routed: RouterSide
    clock: Clock
    metrics: VoiceMetrics
    told: Told
    news: asyncio.Event


class Reign:
    """See the module."""

    def __init__(self, parts: ReignParts) -> None:
        self._parts = parts
        self._calls = parts.calls
        self._told = parts.told.events
        self._recovering = True
        self._doubtful: set[str] = set()
        self._came_ms: dict[Key, int] = {}
        self.connected = False
        self.is_replaced = False
        """Another client has the node: the reign is over."""
        parts.doing.done = self.done

    async def run(self) -> None:
        """Decide until it is cancelled, or another client has the node."""
        for live in self._calls:
            self._parts.doing.give(live.key, live.to_do)
        while not self.is_replaced:
            await wait_for_event(self._parts.news, timeout_seconds=self._idle_seconds())
            self._parts.news.clear()
            if self._recovering:
                await self._recover()
            self._turn()

    async def look_again(self) -> None:
        """End incoming legs that were seen at the node some time ago, and of which it has told nothing since."""
        while True:
            await self._parts.clock.sleep(LOOK_AGAIN_SECONDS)
            doubtful, self._doubtful = self._doubtful, set()
            for leg_id in doubtful:
                if self._calls.of_id(leg_id) is None:
                    self._give(HangUp(leg_id=leg_id))

    def done(self, key: Key, number: int) -> None:
        """The node has taken a command."""
        live = self._calls.done(key, number)
        if live is not None:
            self._parts.commits.put_lazily(live)
        came_ms = self._came_ms.pop(key, None)
        if came_ms is not None:
            self._parts.metrics.set_up(self._parts.clock.now_ms() - came_ms)

    def _idle_seconds(self) -> float:
        due_ms = self._calls.next_due_ms()
        if due_ms is None or self._recovering:
            return IDLE_SECONDS
        return min(IDLE_SECONDS, max(0.0, (due_ms - self._parts.clock.now_ms()) / 1000))

    def _turn(self) -> None:
        """Take what waits, as much as a group may have."""
        inputs = self._parts.inputs
        inputs.is_held_up = self._parts.commits.is_full
        for _ in range(min(GROUP_MAX, len(self._told))):
            if self._recovering:
                break  # what comes behind a loss is judged by the snapshot first
            self._node_told(self._told.popleft())
        if not self._recovering:
            for live, name in list(self._calls.due(self._parts.clock.now_ms())):
                place = self._parts.routed.place_of(live.call) if name == FLOW else None
                self.step(live, TimerDue(name=name, place=place))
            if not inputs.is_held_up:
                for each in inputs.take(GROUP_MAX):
                    self._parts.routed.came(each, self)
        if self._told and not self._recovering:
            self._parts.news.set()

    def _node_told(self, event: Event) -> None:
        match event:
            case LegIncoming():
                self._arrived(event)
            case DriverLost():
                LOG.warning("node_lost", extra={"node": self._parts.node, "reason": event.reason})
                self.connected, self.is_replaced = False, self.is_replaced or event.replaced
            case DriverRecovered():
                self._recovering = True
                self._parts.news.set()
            case CommandRefused():
                LOG.info("command_refused", extra={"node": self._parts.node, "reason": event.reason})
                self._told_of(event, ids_of(event.command))
            case _:
                self._told_of(event, ids_of(event))

    def _told_of(self, event: Event, ids: Sequence[str]) -> None:
        live = self._calls.of_id(*ids)
        if live is not None:
            self.step(live, NodeTold(event=event))

    def _arrived(self, leg: LegIncoming) -> None:
        parts, now_ms = self._parts, self._parts.clock.now_ms()
        if self._calls.of_id(leg.leg_id) is not None or self._calls.has_ended(leg.leg_id):
            return
        terms = parts.resolving.terms(leg.called, parts.driver.capabilities)
        if terms is None:
            self._reject(leg, "unavailable", "number_unknown")
        elif parts.commits.is_full:
            self._reject(leg, "congested", "store_away")
        elif not parts.admission.takes(len(self._calls), now_ms):
            self._reject(leg, "congested", "congested")
        else:
            live = self.begin(CallArrived(leg=leg, terms=terms))
            if live is not None:
                self._came_ms[live.key] = now_ms

    def _reject(self, leg: LegIncoming, because: RefusedBecause, reason: str) -> None:
        self._parts.metrics.rejected(reason)
        self._give(Reject(leg_id=leg.leg_id, because=because))

    def _give(self, command: Command) -> None:
        """At once, and remembered nowhere. Not in one line: nothing waits for another's leg."""
        self._parts.doing.give(("", ids_of(command)[0]), [Numbered(0, command)])

    async def _recover(self) -> None:
        """See how the node stands, once all that was to be done is done; nothing is decided meanwhile."""
        parts = self._parts
        if not await parts.commits.settled(timeout_seconds=DRAIN_SECONDS):
            return
        if not await parts.doing.drained(timeout_seconds=DRAIN_SECONDS):
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                snapshot = await parts.driver.snapshot()
        except (RetryLaterError, OSError, TimeoutError) as error:
            LOG.info("node_away", extra={"node": parts.node, "error": type(error).__name__})
            return
        self._recovering, self.connected = False, True
        LOG.info("node_seen", extra={"node": parts.node, "legs": len(snapshot.legs), "calls": len(self._calls)})
        for live in self._calls:
            self.step(live, Reconciled(snapshot=snapshot))
        self._end_orphans(snapshot)
        parts.news.set()

    def _end_orphans(self, snapshot: Snapshot) -> None:
        """Legs and rooms of no call. An incoming leg that is not answered may be about to be told of."""
        for leg in snapshot.legs:
            if self._calls.of_id(leg.leg_id) is None:
                if leg.ours or leg.answered:
                    self._give(HangUp(leg_id=leg.leg_id))
                else:
                    self._doubtful.add(leg.leg_id)
        for room_id in snapshot.rooms:
            if self._calls.of_id(room_id) is None:
                self._give(CloseRoom(room_id=room_id))

    def step(self, live: Live, fact: Fact) -> None:
        """Something has happened to a call."""
        step = self._decided(live.call, fact)
        if step is None or (step.call == live.call and not (step.commands or step.messages or step.recordings)):
            return
        self._put(step)

    def begin(self, fact: CallArrived | DialAsked) -> Live | None:
        """A call begins."""
        step = self._decided(None, fact)
        return self._put(step) if step else None

    def _decided(self, call: Call | None, fact: Fact) -> Step | None:
        try:
            step = advance(call, fact, self._parts.clock.now_ms())
        except Exception:  # a fault about one call must not end all others
            LOG.exception("fact_failed", extra={"node": self._parts.node, "fact": type(fact).__name__})
            self._parts.metrics.fact("failed")
            return None
        self._parts.metrics.fact("taken")
        return step

    def _put(self, step: Step) -> Live:
        live, numbered = self._calls.put(step.call, step.commands)
        self._parts.commits.put(live, numbered, step.messages, step.recordings)
        return live
