"""Appends batches to the journal, several in flight, one after the other, behind the fence.

Fence by contiguity: this owner is the only writer, so batch n of epoch E must land at offset E + n. If it does not,
another writer came in. An append whose outcome is unknown ends the epoch as well: it is never taken for failed.
"""

import asyncio
from collections.abc import Awaitable, Callable

from servicekit.ports import LogWriter, Record

from router.engine.deciding import Sealed
from router.engine.errors import FencedError
from router.engine.journal import to_append

IN_FLIGHT_MAX = 4
Deliver = Callable[[Sealed], Awaitable[None]]


class JournalPipeline:
    """The one writer task of the journal, and the confirmations in order."""

    def __init__(self, writer: LogWriter, partition: int, epoch: int) -> None:
        self._writer = writer
        self._partition = partition
        self._epoch = epoch
        self._sealed: asyncio.Queue[Sealed] = asyncio.Queue(maxsize=1)
        self._in_flight: asyncio.Queue[tuple[Sealed, Awaitable[Record]]] = asyncio.Queue(maxsize=IN_FLIGHT_MAX)

    async def put(self, sealed: Sealed) -> None:
        """Take a batch; waits while too many are unconfirmed."""
        await self._sealed.put(sealed)

    async def drained(self) -> None:
        """Wait until every batch taken is confirmed and delivered."""
        await self._sealed.join()
        await self._in_flight.join()

    async def append(self) -> None:
        """Hand batches over in order, for ever."""
        while True:
            sealed = await self._sealed.get()
            sealed.spans.appending()
            acknowledged = await self._writer.send(to_append(self._partition, sealed.record))
            await self._in_flight.put((sealed, acknowledged))
            self._sealed.task_done()

    async def confirm(self, deliver: Deliver) -> None:
        """Deliver each batch once it is confirmed, in order; raises FencedError or AppendUnknownError."""
        while True:
            sealed, acknowledged = await self._in_flight.get()
            record = await acknowledged
            expected = self._epoch + sealed.record.number
            if record.offset != expected:
                raise FencedError(f"batch {sealed.record.number} landed at {record.offset}, expected {expected}")
            sealed.spans.confirmed(self._partition, record.offset)
            await deliver(sealed)
            self._in_flight.task_done()
