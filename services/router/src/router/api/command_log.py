"""Where commands go: Kafka, by a writer that is replaced once nobody can say what became of an append."""

import asyncio
from contextlib import AsyncExitStack
from typing import Self

from contracts import Event, encode
from servicekit.ports import AppendUnknownError, LogAwayError, LogFactory, LogWriter, Outgoing


class CommandLog:
    """Appends events; an asynchronous context manager."""

    def __init__(self, log: LogFactory) -> None:
        self._log = log
        self._changing = asyncio.Lock()
        self._writer: LogWriter | None = None
        self._open = AsyncExitStack()
        self._away_at = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._changing:
            self._writer = None
            await self._open.aclose()

    async def append(self, event: Event, *, key: str, partition: int | None = None) -> None:
        """Append; raises AppendUnknownError, after which the next call has a new writer, or LogAwayError."""
        value, headers = encode(event)
        writer = await self._current()
        try:
            await writer.append(
                Outgoing(
                    topic=event.type.topic.name,
                    key=key.encode(),
                    value=value,
                    headers=tuple(headers),
                    partition=partition,
                )
            )
        except AppendUnknownError:
            await self._drop(writer)
            raise

    async def _current(self) -> LogWriter:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        async with self._changing:
            if self._writer is None and self._away_at > asked_at:
                raise LogAwayError("the log was away while this waited for a writer")  # not one after another
            if self._writer is None:
                try:
                    self._writer = await self._open.enter_async_context(self._log.writer("router-api"))
                except LogAwayError:
                    self._away_at = loop.time()
                    raise
            return self._writer

    async def _drop(self, broken: LogWriter) -> None:
        async with self._changing:
            if self._writer is broken:
                self._writer = None
                await self._open.aclose()
