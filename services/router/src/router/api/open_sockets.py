"""How many WebSockets this replica holds, in all and for each caller: they are its memory."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from servicekit.auth import Principal


class TooManySocketsError(Exception):
    """The replica, or the caller, has as many sockets open as is allowed."""


class OpenSockets:
    """The sockets of agents and supervisors here.

    A caller's bound leaves room for a few pages and for what a lost connection leaves behind until it is noticed.
    """

    def __init__(self, *, sockets_max: int, sockets_per_caller_max: int = 10) -> None:
        self._sockets_max = sockets_max
        self._sockets_per_caller_max = sockets_per_caller_max
        self._of: Counter[tuple[str, str]] = Counter()
        self._count = 0

    @contextmanager
    def one_more(self, principal: Principal) -> Iterator[None]:
        """A new socket's place until it closes. Raises TooManySocketsError."""
        caller = (principal.tenant_id, principal.subject)
        if self._count >= self._sockets_max or self._of[caller] >= self._sockets_per_caller_max:
            raise TooManySocketsError
        self._of[caller] += 1
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            self._of[caller] -= 1
            if not self._of[caller]:
                del self._of[caller]
