"""Where commands go: Kafka, by a writer that is replaced once nobody can say what became of an append."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

from contracts import Event, encode
from contracts.topics import Topic
from servicekit.ports import AppendUnknownError, LogAwayError, LogFactory, LogWriter, Outgoing


class CommandLog:
    """Appends events; an asynchronous context manager."""

    def __init__(self, log: LogFactory) -> None:
        self._log = log
        self._opening = asyncio.Lock()
        self._current: _Used | None = None
        self._away_at = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._opening:
            current, self._current = self._current, None
            if current is not None:
                await current.open.aclose()

    async def append(self, event: Event, *, key: str, partition: int | None = None, topic: Topic | None = None) -> None:
        """Append to the topic, or to its type's own.

        Raises AppendUnknownError, after which the next call has a new writer, or LogAwayError.
        """
        value, headers = encode(event)
        async with self._using() as writer:
            await writer.append(
                Outgoing(
                    topic=(topic or event.type.topic).name,
                    key=key.encode(),
                    value=value,
                    headers=tuple(headers),
                    partition=partition,
                )
            )

    @asynccontextmanager
    async def _using(self) -> AsyncGenerator[LogWriter]:
        """The writer. One that is replaced is closed after its last append, which has the delivery deadline.

        Closing a broken writer makes everything under way unknown, also to partitions that are well.
        """
        used = await self._writer()
        used.appends += 1
        try:
            yield used.writer
        except AppendUnknownError:
            if self._current is used:
                self._current = None
            raise
        finally:
            used.appends -= 1
            if self._current is not used and not used.appends:
                await used.open.aclose()

    async def _writer(self) -> "_Used":
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        async with self._opening:
            if self._current is None and self._away_at > asked_at:
                raise LogAwayError("the log was away while this waited for a writer")  # not one after another
            if self._current is None:
                new = _Used()
                try:
                    await new.start(self._log)
                except LogAwayError:
                    self._away_at = loop.time()
                    raise
                self._current = new
            return self._current


class _Used:
    """An open writer and how many appends of it are under way."""

    def __init__(self) -> None:
        self.open = AsyncExitStack()
        self.appends = 0

    async def start(self, log: LogFactory) -> None:
        """Open it. Raises LogAwayError."""
        self.writer: LogWriter = await self.open.enter_async_context(log.writer("router-api"))
