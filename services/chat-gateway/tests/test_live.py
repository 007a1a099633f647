"""The law of signals, kept by Redis and by the memory twin alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from chat_gateway.live import RedisSignals, Signal, Signals
from chat_gateway.testing import MemorySignals
from servicekit.live import LiveAwayError, open_redis
from servicekit.testing.virtual import VirtualClock


async def heard(
    signals: Signals, send: list[tuple[str, str]], *, count: int, listening: asyncio.Event | None = None
) -> list[Signal]:
    found: list[Signal] = []
    async with signals.listen() as stream, asyncio.timeout(10):
        async for signal in stream:
            if signal is not None:
                found.append(signal)
                if len(found) == count:
                    break
                continue
            if listening:
                listening.set()
            while send:  # the first "nothing yet" shows that the subscription stands
                kind, interaction_id = send.pop(0)
                await (signals.changed([interaction_id]) if kind == "changed" else signals.typing(interaction_id))
    return found


class SignalLaws:
    """Inherit and give a fixture `signals`."""

    async def test_changes_and_typing_are_heard(self, signals: Signals) -> None:
        found = await heard(signals, [("changed", "i1"), ("typing", "i2")], count=2)

        assert found == [Signal("i1"), Signal("i2", "customer")]

    async def test_every_replica_hears(self, signals: Signals) -> None:
        listening = asyncio.Event()
        other = asyncio.create_task(heard(signals, [], count=1, listening=listening))
        await listening.wait()
        mine = await heard(signals, [("changed", "i1")], count=1)

        assert mine == await other == [Signal("i1")]

    async def test_who_is_kept_present_is_present(self, signals: Signals) -> None:
        await signals.keep_present(["here"])
        await signals.keep_present([])

        assert await signals.present(["here", "nowhere"]) == [True, False]
        assert await signals.present([]) == []


class TestMemorySignals(SignalLaws):
    @pytest.fixture
    def signals(self) -> Signals:
        return MemorySignals(VirtualClock())

    async def test_away_says_so_except_for_hints(self) -> None:
        signals = MemorySignals(VirtualClock())
        signals.away = True
        await assert_away(signals)


class TestRedisSignals(SignalLaws):
    @pytest.fixture
    async def signals(self, redis_url: str) -> AsyncIterator[Signals]:
        async with open_redis(redis_url) as redis:
            yield RedisSignals(redis)

    async def test_away_says_so_except_for_hints(self) -> None:
        async with open_redis("redis://127.0.0.1:1/0") as redis:
            await assert_away(RedisSignals(redis))

    async def test_an_agents_typing_is_heard_and_nonsense_is_passed_over(self, redis_url: str) -> None:
        async with open_redis(redis_url) as redis:
            signals: Signals = RedisSignals(redis)
            found: list[Signal] = []
            async with signals.listen() as stream, asyncio.timeout(10):
                async for signal in stream:
                    if signal is None and not found:
                        await redis.publish("typing:{i1}", "nonsense")
                        await redis.publish("typing:{i1}", '{"from": "agent"}')
                    elif signal is not None:
                        found.append(signal)
                        break

        assert found == [Signal("i1", "agent")]


async def assert_away(signals: Signals) -> None:
    await signals.changed(["i1"])
    await signals.typing("i1")
    with pytest.raises(LiveAwayError):
        await signals.present(["i1"])
    with pytest.raises(LiveAwayError):
        await signals.keep_present(["i1"])
    listening: AbstractAsyncContextManager[AsyncIterator[Signal | None]] = signals.listen()
    with pytest.raises(LiveAwayError):
        await listening.__aenter__()
