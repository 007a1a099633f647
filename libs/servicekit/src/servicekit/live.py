"""Redis or Valkey: live views, leases, push. Never the commit point of anything (design.md section 3).

No command is ever sent twice by the client: with redis-py's default of ten retries a script whose reply was lost
runs again (reliability.md, decision 7). Callers that may repeat do so themselves.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.resources import files
from typing import Any, Final

import hiredis
from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from typing_extensions import override

from servicekit.errors import RetryLaterError

__all__ = ["LiveAwayError", "LiveRedis", "Redis", "Script", "Scripts", "open_redis"]

CONNECT_TIMEOUT_SECONDS: Final = 2.0
COMMAND_TIMEOUT_SECONDS: Final = 5.0
BLOCK_SECONDS_MAX: Final = 3.0
CONNECTIONS_MAX: Final = 64

_AWAY: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
    TryAgainError,
)
# Those that redis-py has no class for; its pipelines put words of their own before.
_CANNOT_NOW: Final = re.compile(r"(?:^|caused error: \(')(?:BUSY|MISCONF|NOREPLICAS) ")


class LiveAwayError(RetryLaterError):
    """Redis cannot be reached, did not answer in time or cannot write now; what was asked may or may not be done."""


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[Redis]:
    """A client with bounded waits and no retries; failures of the connection are LiveAwayError. Replies are bytes.

    A blocking command (`XREAD BLOCK`, `BZPOPMIN`) may wait at most BLOCK_SECONDS_MAX.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        connection_class=_Connection,  # unless the URL asks for TLS or a Unix socket, which have theirs
        max_connections=CONNECTIONS_MAX,
        timeout=COMMAND_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=COMMAND_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    redis = LiveRedis(connection_pool=pool)
    try:
        yield redis
    finally:
        await redis.aclose()
        await pool.disconnect()


class Script:
    """One Lua script; called with KEYS and ARGV it answers what the script returns."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(
        self, redis: Redis, keys: Sequence[str], arguments: Sequence[str | bytes | int | float] = ()
    ) -> object:
        """Run it; a server that does not know it yet (restarted) is taught and asked again: it has not run then."""
        try:
            return await redis.evalsha(self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await redis.eval(self._source, len(keys), *keys, *arguments)


class Scripts:
    """The scripts of a package: `lua/<name>.lua`, each with a header that names KEYS, ARGV and result."""

    def __init__(self, package: str) -> None:
        self._folder = files(package).joinpath("lua")

    def load(self, name: str) -> Script:
        """The script in `lua/<name>.lua`."""
        return Script(self._folder.joinpath(f"{name}.lua").read_text(encoding="utf-8"))


class _Connection(Connection):
    """Packs commands by hiredis, as redis-py's own connections do that are not asynchronous: a projection of 135
    arguments in 14 us instead of 308.
    """

    @override
    def pack_command(self, *args: Any) -> list[bytes]:  # the library's own signature
        if isinstance(args[0], str) and " " not in args[0]:  # it knows no commands of two words
            with suppress(TypeError):  # nor arguments of other types than these four
                return [hiredis.pack_command(args)]
        return super().pack_command(*args)


class LiveRedis(Redis):
    """redis-py's client that says LiveAwayError where the server cannot be reached, or does not take the command now:
    it is a replica after a failover, is loading, full, or cannot save."""

    @override
    async def execute_command(self, *args: Any, **options: Any) -> Any:  # the library's own signature
        with _away_is_said():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # theirs

    @override
    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _LivePipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    @override
    def pubsub(self, **options: Any) -> PubSub:  # the library's own signature
        return _LivePubSub(self.connection_pool, **options)


class _LivePipeline(Pipeline):
    @override
    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # the library's own signature
        with _away_is_said():
            answers = await super().execute(raise_on_error)
        return [LiveAwayError(type(answer).__name__) if _is_away(answer) else answer for answer in answers]

    @override
    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:  # the library's own signature
        with _away_is_said():
            return await super().immediate_execute_command(*args, **options)  # type: ignore[no-untyped-call]  # theirs


class _LivePubSub(PubSub):
    @override
    async def execute_command(self, *args: Any) -> Any:  # the library's own signature
        with _away_is_said():
            return await super().execute_command(*args)

    @override
    async def parse_response(self, block: bool = True, timeout: float = 0) -> Any:  # the library's own signature
        with _away_is_said():
            return await super().parse_response(block, timeout)


@contextmanager
def _away_is_said() -> Iterator[None]:
    # redis-py loses a cancellation that comes while it connects or sends: asyncio.wait_for of Python 3.11 does, when
    # what it waits for ends at that moment. Without this, time-outs around it would never end.
    asked = _cancel_requests()
    try:
        yield
    except RedisError as error:
        if _cancel_requests() > asked:
            raise asyncio.CancelledError from error
        if _is_away(error):
            raise LiveAwayError(type(error).__name__) from error
        raise
    if _cancel_requests() > asked:
        raise asyncio.CancelledError


def _is_away(error: object) -> bool:
    """Whether the server, not the question, is what was wrong."""
    return isinstance(error, _AWAY) or (isinstance(error, ResponseError) and _CANNOT_NOW.search(str(error)) is not None)


def _cancel_requests() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0
