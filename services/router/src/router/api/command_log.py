"""Where commands go: Kafka, by a writer that is replaced once nobody can say what became of an append."""

import asyncio
from contextlib import AsyncExitStack
from typing import Self

from contracts import Event, encode
from servicekit.ports import AppendUnknownError, LogFactory, LogWriter, Outgoing


class CommandLog:
    """Appends events; an asynchronous context manager."""

    def __init__(self, log: LogFactory) -> None:
        self._log = log
        self._changing = asyncio.Lock()
        self._writer: LogWriter | None = None
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._changing:
            self._writer = None
            await self._open.aclose()

    async def append(self, event: Event, *, key: str, partition: int | None = None) -> None:
        """Append; raises AppendUnknownError, after which the next call has a new writer."""
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
        async with self._changing:
            if self._writer is None:
                self._writer = await self._open.enter_async_context(self._log.writer("router-api"))
            return self._writer

    async def _drop(self, broken: LogWriter) -> None:
        async with self._changing:
            if self._writer is broken:
                self._writer = None
                await self._open.aclose()
