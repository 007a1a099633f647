"""What one transaction knows of a table: looked up once, changed in memory, written before the commit."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=tuple[Any, ...])  # Any: texts and numbers, which have an order
V = TypeVar("V")


class Rows(Generic[K, V]):
    """Rows by key."""

    def __init__(self, look_up: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._look_up = look_up
        self._known: dict[K, V | None] = {}
        self._changed: dict[K, V] = {}

    async def know(self, keys: Iterable[K]) -> None:
        """Look up those that are not known yet: in one order for all transactions, since rows are locked in it."""
        unknown = sorted({key for key in keys if key not in self._known})
        if unknown:
            found = await self._look_up(unknown)
            self._known |= {key: found.get(key) for key in unknown}

    async def get(self, key: K) -> V | None:
        """The row as it is now, if there is one."""
        if key not in self._known:
            await self.know([key])
        return self._known[key]

    def set(self, key: K, row: V) -> None:
        """Change the row or make it."""
        self._known[key] = self._changed[key] = row

    @property
    def known(self) -> Collection[V]:
        """All rows that were looked up and found, or set."""
        return [row for row in self._known.values() if row is not None]

    @property
    def changed(self) -> list[V]:
        """What is to be written, in the order in which rows are locked."""
        return [self._changed[key] for key in sorted(self._changed)]
