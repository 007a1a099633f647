import asyncio
import time

import pytest
from servicekit.testing.virtual import FIRST_INSTANT_MS, DeadlockError, SeededIds, VirtualClock, run_virtual


def test_a_day_passes_in_a_moment() -> None:
    clock = VirtualClock()

    async def story() -> int:
        await clock.sleep(86_400)
        return clock.now_ms()

    started_at = time.monotonic()

    assert run_virtual(story()) == FIRST_INSTANT_MS + 86_400_000
    assert time.monotonic() - started_at < 5


def test_tasks_wake_in_the_order_of_their_timers() -> None:
    async def story() -> list[int]:
        order: list[int] = []

        async def note(number: int) -> None:
            await asyncio.sleep(number)
            order.append(number)

        await asyncio.gather(*(note(number) for number in (3, 1, 2)))
        return order

    assert run_virtual(story()) == [1, 2, 3]


def test_waiting_for_ever_is_a_deadlock() -> None:
    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run_virtual(story())


def test_a_time_out_ends_a_wait() -> None:
    async def story() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(story()) == pytest.approx(30)


def test_a_function_for_a_thread_runs_in_place() -> None:
    async def story() -> int:
        return await asyncio.get_running_loop().run_in_executor(None, lambda: 7)

    assert run_virtual(story()) == 7


def test_seeded_ids_rise_and_two_sources_differ() -> None:
    ids, others = SeededIds(1), SeededIds(2)
    first, second, foreign = ids.new_id(), ids.new_id(), others.new_id()

    assert first < second < foreign
    assert len(first) == 32
