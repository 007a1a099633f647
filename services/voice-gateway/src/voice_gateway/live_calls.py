"""The calls of a node in its owner's memory: by their ids, by those of their legs and rooms, by what is due."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from heapq import heappop, heappush
from typing import Final

from voice_gateway.codec import Numbered, from_json, to_json
from voice_gateway.domain.call import Call, call_from_json, call_to_json
from voice_gateway.domain.commands import Command
from voice_gateway.store import KeptCall

Key = tuple[str, str]
"""Tenant and interaction."""
ENDED_KEPT_MAX: Final = 10_000
"""Legs of calls that are over, so that an event which comes twice begins no second call."""
_ID: Final = re.compile(rb'"([0-9a-f]{32})"')
_NAMED: Final = ("leg_id", "room_id", "playback_id", "recording_id", "stream_id")


@dataclass(slots=True, kw_only=True)
class Live:
    """A call, what its node is still to do about it, and the ids by which it is found."""

    call: Call
    to_do: list[Numbered] = field(default_factory=list)
    last_number: int = 0
    ids: set[str] = field(default_factory=set)

    @property
    def key(self) -> Key:
        """See Key."""
        return self.call.terms.tenant_id, self.call.interaction_id

    @property
    def is_over(self) -> bool:
        """Nothing can happen to it, and nothing is to be done."""
        return self.call.over and not self.to_do


class LiveCalls:
    """See the module."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._calls: dict[Key, Live] = {}
        self._by_id: dict[str, Key] = {}
        self._due: list[tuple[int, Key, str]] = []
        self._ended: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Live]:
        return iter(list(self._calls.values()))

    def get(self, key: Key) -> Live | None:
        """The call that goes on."""
        return self._calls.get(key)

    def of_id(self, *ids: str | None) -> Live | None:
        """The call of the first of these that is known."""
        key = next((self._by_id[each] for each in ids if each in self._by_id), None)
        return self._calls.get(key) if key else None

    def has_ended(self, leg_id: str) -> bool:
        """The leg's call is over."""
        return leg_id in self._ended

    def load(self, kept: KeptCall) -> None:
        """Take a call as it was kept. Raises UnknownFormError, ValueError for what a newer release has kept."""
        state = kept.state.encode()
        to_do = from_json(kept.to_do)
        live = Live(
            call=call_from_json(state), to_do=to_do, last_number=max((each.number for each in to_do), default=0)
        )
        self._calls[live.key] = live
        # Whatever has an id in it: which playback a flow waits for is the flow's own business.
        self._find_by(live, (each.decode() for each in _ID.findall(state)))
        self._find_by(live, (each for numbered in to_do for each in ids_of(numbered.command)))
        self._set_timers(live, {})

    def put(self, call: Call, commands: Iterable[Command]) -> tuple[Live, list[Numbered]]:
        """The call is like this now, and these are to be done."""
        key = call.terms.tenant_id, call.interaction_id
        live = self._calls.setdefault(key, Live(call=call))
        timers_before = live.call.timers if live.call is not call else {}
        live.call = call
        numbered = [Numbered(live.last_number + place, command) for place, command in enumerate(commands, 1)]
        live.to_do += numbered
        live.last_number += len(numbered)
        self._find_by(live, (leg.leg_id for leg in call.legs))
        self._find_by(live, (each for one in numbered for each in ids_of(one.command)))
        self._set_timers(live, timers_before)
        self._forget_over(live)
        return live, numbered

    def done(self, key: Key, number: int) -> Live | None:
        """The node has done this."""
        live = self._calls.get(key)
        if live is not None:
            live.to_do = [each for each in live.to_do if each.number != number]
            self._forget_over(live)
        return live

    def kept(self, live: Live, now_ms: int) -> KeptCall:
        """The row of a call."""
        tenant_id, interaction_id = live.key
        return KeptCall(
            tenant_id=tenant_id,
            interaction_id=interaction_id,
            node=self._node,
            state=call_to_json(live.call).decode(),
            to_do=to_json(live.to_do),
            over_at_ms=now_ms if live.is_over else None,
        )

    def due(self, now_ms: int) -> Iterator[tuple[Live, str]]:
        """Timers that are due, the oldest first."""
        while self._due and self._due[0][0] <= now_ms:
            due_ms, key, name = heappop(self._due)
            live = self._calls.get(key)
            if live is not None and live.call.timers.get(name) == due_ms:
                yield live, name

    def next_due_ms(self) -> int | None:
        """When the next one is; it may have been dropped meanwhile."""
        return self._due[0][0] if self._due else None

    def _set_timers(self, live: Live, before: Mapping[str, int]) -> None:
        for name, due_ms in live.call.timers.items():
            if before.get(name) != due_ms:
                heappush(self._due, (due_ms, live.key, name))

    def _find_by(self, live: Live, ids: Iterable[str]) -> None:
        for each in ids:
            self._by_id[each] = live.key
            live.ids.add(each)

    def _forget_over(self, live: Live) -> None:
        if not live.is_over:
            return
        self._calls.pop(live.key, None)
        for each in live.ids:
            self._by_id.pop(each, None)
            self._ended[each] = None
        while len(self._ended) > ENDED_KEPT_MAX:
            del self._ended[next(iter(self._ended))]


def ids_of(named: object) -> list[str]:
    """The ids in a command or an event by which a call may be found, the leg's first."""
    present = {each.name for each in fields(named)}  # type: ignore[arg-type]  # all of them are dataclasses
    found = (getattr(named, name) for name in _NAMED if name in present)
    return [each for each in found if each]
