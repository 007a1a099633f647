"""The sockets that this replica holds, by interaction: who is to be woken, and by what."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gatewaykit.store import Key

from chat_gateway.store import PlaceInLine


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a socket is to be closed: the code of the close frame and a word for the page."""

    close_code: int
    code: str
    reason: str
    reconnect_after_ms: int | None = None


@dataclass(slots=True, eq=False)
class Room:
    """What one socket is told; `news` is set with every change of the rest."""

    key: Key
    news: asyncio.Event = field(default_factory=asyncio.Event)
    agent_types: bool = False
    place: PlaceInLine | None = None
    closing: Closing | None = None
    revision: int = 0
    """Of the conversation as the socket has shown it."""

    def close(self, closing: Closing) -> None:
        """Ask the socket to say good-bye."""
        self.closing = closing
        self.news.set()


class TooManyError(Exception):
    """The replica, or the visitor, has as many sockets open as is allowed."""


class Rooms:
    """All rooms of this replica."""

    def __init__(self, *, sockets_max: int, sockets_per_visit_max: int = 5) -> None:
        self.closed = asyncio.Event()
        """Set while the service stops: nobody enters any more."""
        self._sockets_max = sockets_max
        self._sockets_per_visit_max = sockets_per_visit_max
        self._rooms: dict[str, list[Room]] = {}
        self._count = 0

    @contextmanager
    def enter(self, key: Key) -> Iterator[Room]:
        """A room for a new socket, until it closes. Raises TooManyError."""
        _, interaction_id = key
        if self._count >= self._sockets_max or len(self.of(interaction_id)) >= self._sockets_per_visit_max:
            raise TooManyError
        room = Room(key)
        self._rooms.setdefault(interaction_id, []).append(room)
        self._count += 1
        try:
            yield room
        finally:
            self._count -= 1
            self._rooms[interaction_id].remove(room)
            if not self._rooms[interaction_id]:
                del self._rooms[interaction_id]

    def of(self, interaction_id: str) -> Collection[Room]:
        """The rooms of an interaction here."""
        return self._rooms.get(interaction_id, ())

    def all(self) -> list[Room]:
        """Every room."""
        return [room for rooms in self._rooms.values() for room in rooms]

    def interactions(self) -> list[Key]:
        """Every interaction that has a room."""
        return [rooms[0].key for rooms in self._rooms.values()]

    def wake(self, interaction_id: str) -> None:
        """Its conversation changed."""
        for room in self.of(interaction_id):
            room.news.set()

    def agent_types(self, interaction_id: str) -> None:
        """The agent writes."""
        for room in self.of(interaction_id):
            room.agent_types = True
            room.news.set()
