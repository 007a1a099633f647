"""The small ports through which all effects go. Each has a fake in `servicekit.testing` that passes the same suite.

Business code sees only these: no client library, no wall clock, no randomness of its own.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from contracts.quick import quick


class Clock(Protocol):
    """Time. Under test it is virtual: `sleep` returns at once and `now_ms` has moved."""

    def now_ms(self) -> int:
        """UTC milliseconds since 1970; may step backwards, as real clocks do."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run for so long."""
        ...


class Ids(Protocol):
    """New identifiers."""

    def new_id(self) -> str:
        """A fresh identifier: 32 lower-case hex digits, time-ordered, with at least 74 random bits (RFC 9562 v7)."""
        ...


class Chance(Protocol):
    """Randomness for jitter."""

    def uniform(self, a: float, b: float) -> float:
        """A number between a and b."""
        ...


@quick
@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of a topic."""

    topic: str
    number: int


@quick
@dataclass(frozen=True, slots=True)
class Record:
    """What a log holds at one offset."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int

    @property
    def at(self) -> Partition:
        """The partition it stands in."""
        return Partition(self.topic, self.partition)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record to be appended; without a partition the key's hash decides (Kafka's default partitioner)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


class AppendUnknownError(Exception):
    """Nobody can say whether the record was appended: deadline passed, offset unknown or producer broken."""


class AppendRefusedError(Exception):
    """The log refused the record and will refuse it again (too large): it was not appended."""


class TopicAwayError(AppendRefusedError):
    """The topic or partition does not exist, or may not be written: the record is good, an operator must act."""


class LogAwayError(ConnectionError):
    """The log cannot be reached now; nothing was asked of it. Try again later."""


class LogWriter(Protocol):
    """Appends to the log, acks=all, idempotent: no record twice, none overtaken within a partition."""

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        """Hand a record over in order; may wait for room, never longer than the delivery deadline.

        The returned awaitable ends within the delivery deadline: with the record as appended (its offset and
        partition known), or by AppendUnknownError or AppendRefusedError. After an AppendUnknownError this writer is
        broken, at least for that partition: every further call for it raises it; open a new writer.
        """
        ...

    async def append(self, outgoing: Outgoing) -> Record:
        """`send` and wait."""
        ...

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        """Append records of one partition, in order, in as few requests as they fit, and wait.

        After an AppendUnknownError any number of them, from the first on, may have been appended. After an
        AppendRefusedError none was.
        """
        ...


class LogReader(Protocol):
    """Reads partitions by assignment, without a group. One task uses a reader at a time; any may ask `bounds`."""

    async def bounds(self, partition: Partition) -> tuple[int, int]:
        """First offset still there, and the offset that the next record will get.

        A reader with an assignment may answer as late as a broker waits for records (half a second): brokers answer
        the requests of a connection in order.
        """
        ...

    async def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read from exactly these offsets on; replaces what was assigned before."""
        ...

    async def read(self, *, records_max: int, timeout_seconds: float) -> Sequence[Record]:
        """The next records, in order within each partition; empty when none came in time.

        Raises OffsetGoneError when an assigned offset was deleted.
        """
        ...


class OffsetGoneError(Exception):
    """The offset to read from was deleted from the log."""


class LogAdmin(Protocol):
    """Counts partitions and shortens them."""

    async def partitions_of(self, topic: str) -> int:
        """How many partitions the topic has; 0 when there is no such topic."""
        ...

    async def delete_before(self, partition: Partition, offset: int) -> None:
        """Delete all records before the offset; succeeds if they are gone already."""
        ...


class GroupMember(Protocol):
    """Who is told what a consumer group gives to a reader and takes away. Neither call may raise."""

    def assigned(self, reader: "GroupReader", starts: Mapping[Partition, int]) -> None:
        """From now on `read` answers records of exactly these, each from this offset on: the committed one, or the
        first that is still there.

        It waits for nothing: a `read` that is under way may answer the first of them as soon as this returns.
        """
        ...

    async def revoked(self, reader: "GroupReader", partitions: Collection[Partition]) -> None:
        """These go to somebody else as soon as this returns: finish or drop what is in flight, then commit."""
        ...


class GroupReader(Protocol):
    """A member's view of its group. One task reads; `assigned` and `revoked` come while `read` waits or works."""

    async def read(self, *, records_max: int, timeout_seconds: float) -> Sequence[Record]:
        """The next records, in order within each partition; empty when none came in time."""
        ...

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        """Keep the offsets to read next; whether they are kept.

        They may not be: membership changed, or the brokers are away. Without another commit the records come again.
        """
        ...

    async def ends(self) -> Mapping[Partition, int]:
        """For each assigned partition the offset that its next record will get."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Read from this offset on; nothing from before the call is answered by a later `read`."""
        ...

    def pause(self, partition: Partition) -> None:
        """Answer no records of it until `resume`."""
        ...

    def resume(self, partition: Partition) -> None:
        """End a pause; succeeds if there is none."""
        ...


class LogFactory(Protocol):
    """Opens readers and writers. Entering a context raises LogAwayError when the log cannot be reached in time;
    leaving it closes, never waiting longer than a bound, broker away or not."""

    def writer(self, name: str) -> AbstractAsyncContextManager[LogWriter]:
        """A new idempotent producer."""
        ...

    def reader(self, name: str) -> AbstractAsyncContextManager[LogReader]:
        """A new group-less consumer, read_committed, CRCs checked."""
        ...

    def group(self, group: str, topics: Sequence[str], member: GroupMember) -> AbstractAsyncContextManager[GroupReader]:
        """A member of a consumer group over the topics; leaving the context leaves the group."""
        ...

    def admin(self) -> AbstractAsyncContextManager[LogAdmin]:
        """A new admin client."""
        ...


class HttpRequest(Protocol):
    """A request to somebody else's server."""

    @property
    def method(self) -> str:
        """In capitals."""
        ...

    @property
    def url(self) -> str:
        """Absolute; http or https."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """`host`, `content-length`, `user-agent` and `accept-encoding: identity` are added where they lack."""
        ...

    @property
    def body(self) -> bytes:
        """Empty for none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What the server answered, whatever its status; `headers` by lower-case name, `body` as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpNotSentError(ConnectionError):
    """Certainly nobody got the request: no address, no connection, TLS refused, or no time left before it was sent."""


class HttpUnknownError(Exception):
    """Nobody can say whether the request was taken: it was sent, at least in part, and no whole answer came in time."""


class HttpTooLargeError(Exception):
    """The server answered with `status` and more bytes than asked for: it took the request; the body is lost."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the body of a {status} is too large")
        self.status = status


class HttpSink(Protocol):
    """Takes a body in pieces instead of a reply that holds it."""

    async def start(self) -> None:
        """A body follows; what was written before was another answer's."""
        ...

    async def write(self, piece: bytes) -> None:
        """The next bytes, no more than were read at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpUpload:
    """A request's body in pieces instead of one that is held."""

    size_bytes: int
    pieces: Callable[[], AsyncIterable[bytes]]
    """From the start, each time; together exactly `size_bytes`."""


class Http(Protocol):
    """Asks servers over HTTP/1.1. It follows no redirect, keeps no cookie, repeats no request and decodes no body."""

    async def send(
        self,
        request: HttpRequest,
        *,
        timeout_seconds: float,
        bytes_max: int,
        address: str | None = None,
        sink: HttpSink | None = None,
        upload: HttpUpload | None = None,
    ) -> HttpReply:
        """The answer, whole, within `timeout_seconds` from now and with at most `bytes_max` bytes of body.

        A `sink` gets the body, which the reply lacks then; `upload` goes instead of the request's own. What these raise
        passes through.
        With an `address` (IPv4 or IPv6) the connection goes there, by itself and unshared, while TLS still checks the
        URL's host. Raises HttpNotSentError, HttpUnknownError, HttpTooLargeError; ValueError for what is no request.
        """
        ...


class SocketClosedError(ConnectionError):
    """There is no connection: refused, gone, or silent for too long; the reason is its text."""


class Socket(Protocol):
    """A WebSocket that somebody else's server writes to."""

    async def receive(self) -> str:
        """The next text, in order. Raises SocketClosedError, for ever from then on."""
        ...


class Sockets(Protocol):
    """Opens WebSockets (RFC 6455) at others' servers. The other side is asked for a sign of life all the time."""

    def connect(
        self, url: str, *, headers: Mapping[str, str], timeout_seconds: float, bytes_max: int
    ) -> AbstractAsyncContextManager[Socket]:
        """A connection until the block is left; a message of more than `bytes_max` ends it. Entering raises
        SocketClosedError after `timeout_seconds` at the latest."""
        ...


class Loop(Protocol):
    """A background duty of a service. The run shell starts it and ends the process when it fails."""

    name: str

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is in flight within the shell's drain time."""
        ...

    def trouble(self) -> str | None:
        """Why the duty is stuck (liveness fails then), or none."""
        ...
