"""What many ask for at the same time is done together: group commit.

Nothing waits for company: what comes while a batch is under way is the next one. So a lone request is as fast as ever,
and many cost a fraction of as many transactions.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from typing import Final, Generic, TypeVar

from servicekit.telemetry import log

LOG: Final = log("gathered")

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Gathered(Generic[Key, Item, Answer]):
    """Does what is asked for under one key batch after batch, and what is asked for under others beside it.

    `do` gets a key and at most so many items, and answers each; after `batch_seconds_max` it is given up. Nobody waits
    longer than `wait_seconds_max` for their batch to begin.
    """

    def __init__(
        self,
        do: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        items_max: int,
        wait_seconds_max: float,
        batch_seconds_max: float,
    ) -> None:
        self._do = do
        self._items_max = items_max
        self._wait_seconds_max = wait_seconds_max
        self._batch_seconds_max = batch_seconds_max
        self._waiting: dict[Key, deque[_Asked[Item, Answer]]] = {}
        self._workers: set[asyncio.Task[None]] = set()

    async def ask(self, key: Key, item: Item) -> Answer | None:
        """The answer; none if the batch failed: do it alone, so that nobody suffers from another's fault.

        Raises TimeoutError when its batch has not begun in time.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked[Item, Answer](item, loop.create_future())
        if key not in self._waiting:
            self._waiting[key] = deque()
            # Without a context: the batch is not the first one's alone.
            worker = loop.create_task(self._work(key), context=Context())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        self._waiting[key].append(asked)
        patience = loop.call_later(self._wait_seconds_max, asked.put_off)
        try:
            return await asked.answer
        finally:
            patience.cancel()

    async def _work(self, key: Key) -> None:
        waiting = self._waiting[key]
        try:
            while waiting:
                batch = [waiting.popleft() for _ in range(min(len(waiting), self._items_max))]
                await self._do_some(key, [asked for asked in batch if asked.begin()])  # the others gave up
        finally:
            del self._waiting[key]
            for asked in waiting:
                asked.settle(None)

    async def _do_some(self, key: Key, batch: Sequence["_Asked[Item, Answer]"]) -> None:
        answers: Sequence[Answer | None] = [None] * len(batch)
        try:
            if batch:
                async with asyncio.timeout(self._batch_seconds_max):
                    answers = await self._do(key, [asked.item for asked in batch])
        except Exception as error:  # noqa: BLE001 - one by one shows whose fault it was
            LOG.info("batch_split", extra={"items": len(batch), "error": type(error).__name__})
        finally:  # whatever happened, nobody waits for ever
            for asked, answer in zip(batch, answers, strict=True):
                asked.settle(answer)


class _Asked(Generic[Item, Answer]):
    def __init__(self, item: Item, answer: "asyncio.Future[Answer | None]") -> None:
        self.item = item
        self.answer = answer
        self._begun = False

    def begin(self) -> bool:
        """Whether anybody still wants it."""
        self._begun = True
        return not self.answer.done()

    def put_off(self) -> None:
        if not self._begun and not self.answer.done():
            self.answer.set_exception(TimeoutError("its batch has not begun in time"))

    def settle(self, answer: Answer | None) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)
