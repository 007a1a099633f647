"""What is asked for at the same time is done together."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest
from servicekit.gathered import Gathered
from servicekit.testing.eventually import eventually

TRACE: ContextVar[str] = ContextVar("trace", default="none")
SECONDS_MAX = 20


class Worker:
    """Doubles numbers; batches begin only while it is `open`."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()
        self.traces: set[str] = set()

    async def do(self, key: str, items: Sequence[int]) -> list[int]:
        self.batches.append((key, list(items)))
        self.traces.add(TRACE.get())
        self.begun.set()
        await self.open.wait()
        return [item * 2 for item in items if 1 / item]


def gathered(
    worker: Worker, *, wait_seconds_max: float = SECONDS_MAX, batch_seconds_max: float = SECONDS_MAX
) -> Gathered[str, int, int]:
    return Gathered(worker.do, items_max=3, wait_seconds_max=wait_seconds_max, batch_seconds_max=batch_seconds_max)


@pytest.fixture
def worker() -> Worker:
    return Worker()


async def test_what_comes_during_a_batch_is_the_next_and_no_batch_is_too_large(worker: Worker) -> None:
    worker.open.clear()
    asked = gathered(worker)
    first = asyncio.create_task(asked.ask("a", 1))
    await worker.begun.wait()
    later = [asyncio.create_task(asked.ask("a", number)) for number in range(2, 7)]
    await asyncio.sleep(0)
    worker.open.set()
    answers = await asyncio.gather(first, *later)
    alone = await asked.ask("a", 7)

    assert answers == [2, 4, 6, 8, 10, 12]
    assert alone == 14
    assert worker.batches == [("a", [1]), ("a", [2, 3, 4]), ("a", [5, 6]), ("a", [7])]


async def test_keys_do_not_wait_for_each_other(worker: Worker) -> None:
    worker.open.clear()
    asked = gathered(worker)
    both = [asyncio.create_task(asked.ask(key, 1)) for key in ("a", "b")]
    await eventually(lambda: len(worker.batches) == len(both))
    worker.open.set()

    assert await asyncio.gather(*both) == [2, 2]
    assert sorted(worker.batches) == [("a", [1]), ("b", [1])]


async def test_a_batch_that_fails_answers_nobody_and_the_next_is_done(worker: Worker) -> None:
    asked = gathered(worker)
    answers = await asyncio.gather(*(asked.ask("a", number) for number in (1, 0, 2, 3)))

    assert answers == [None, None, None, 6]


async def test_a_batch_that_takes_too_long_is_given_up(worker: Worker) -> None:
    worker.open.clear()
    answer = await gathered(worker, batch_seconds_max=0.01).ask("a", 1)

    assert answer is None


async def test_who_waits_too_long_is_put_off_and_who_has_begun_is_not(worker: Worker) -> None:
    worker.open.clear()
    asked = gathered(worker, wait_seconds_max=0.01)
    under_way = asyncio.create_task(asked.ask("a", 1))
    await worker.begun.wait()
    with pytest.raises(TimeoutError):
        await asked.ask("a", 2)
    worker.open.set()

    assert await under_way == 2
    assert worker.batches == [("a", [1])]


async def test_who_has_given_up_is_not_done_and_harms_nobody(worker: Worker) -> None:
    worker.open.clear()
    asked = gathered(worker)
    under_way, waiting, other = (asyncio.create_task(asked.ask("a", number)) for number in (1, 2, 3))
    await worker.begun.wait()
    worker.batches.clear()
    late = asyncio.create_task(asked.ask("a", 4))
    await asyncio.sleep(0)
    late.cancel()
    waiting.cancel()
    await asyncio.sleep(0)
    worker.open.set()

    assert [await under_way, await other] == [2, 6]
    assert await asked.ask("a", 5) == 10
    assert worker.batches == [("a", [5])]


async def test_a_batch_is_in_nobodys_context(worker: Worker) -> None:
    TRACE.set("of the first")
    await gathered(worker).ask("a", 1)

    assert worker.traces == {"none"}
