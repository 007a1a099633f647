import asyncio

import pytest
from servicekit.ports import AppendUnknownError, LogFactory, Outgoing, Partition
from servicekit.testing.log_laws import LogLaws
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.virtual import SeededChance, run_virtual
from typing_extensions import override


@pytest.fixture
def topic() -> str:
    return "laws"


@pytest.fixture
def log(topic: str) -> LogFactory:
    return MemoryLog({topic: 2})


class TestMemoryLog(LogLaws):
    pass


class TestMemoryLogWithLatency(LogLaws):
    @pytest.fixture
    def log(self, topic: str) -> LogFactory:
        return MemoryLog({topic: 2}, chance=SeededChance(7), faults=Faults(latency_seconds_max=0.01))


def test_a_lost_append_is_unknown_at_the_deadline_and_breaks_the_writer() -> None:
    log = MemoryLog({"t": 1}, faults=Faults(lost=1.0), delivery_timeout_seconds=10)

    async def story() -> float:
        async with log.writer("w") as writer:
            with pytest.raises(AppendUnknownError):
                await writer.append(_record(b"1"))
            waited = asyncio.get_running_loop().time()
            with pytest.raises(AppendUnknownError):
                await writer.send(_record(b"2"))
        return waited

    assert run_virtual(story()) == pytest.approx(10)


def test_lost_appends_are_in_the_log_about_half_the_time() -> None:
    log = MemoryLog({"t": 1}, chance=SeededChance(3), faults=Faults(lost=1.0))

    async def story() -> None:
        for _ in range(100):
            async with log.writer("w") as writer:
                with pytest.raises(AppendUnknownError):
                    await writer.append(_record(b"x"))

    run_virtual(story())

    assert 30 < len(log.records("t")) < 70


def test_a_late_append_lands_after_its_writer_gave_up() -> None:
    log = MemoryLog({"t": 1}, faults=Faults(late=1.0), delivery_timeout_seconds=10)

    async def story() -> tuple[int, int]:
        async with log.writer("w") as writer:
            with pytest.raises(AppendUnknownError):
                await writer.append(_record(b"x"))
        given_up = len(log.records("t"))
        await asyncio.sleep(6)
        return given_up, len(log.records("t"))

    assert run_virtual(story()) == (0, 1)


def test_a_doubled_append_leaves_a_hole_before_the_next() -> None:
    log = MemoryLog({"t": 1}, faults=Faults(doubled=1.0))

    async def story() -> list[int]:
        async with log.writer("w") as writer:
            return [(await writer.append(_record(b"x"))).offset for _ in range(3)]

    assert run_virtual(story()) == [0, 2, 4]


def test_nothing_follows_a_record_that_never_landed() -> None:
    log = MemoryLog({"t": 1}, chance=SeededChance(1), faults=Faults(lost=0.2, latency_seconds_max=0.01))

    async def story() -> None:
        async with log.writer("w") as writer:
            for number in range(50):
                await writer.send(_record(b"%d" % number))
            await asyncio.sleep(30)

    run_virtual(story())
    landed = [int(record.value or b"-1") for record in log.records("t", 0)]

    assert landed == list(range(len(landed)))
    assert len(landed) < 50


def test_the_same_seed_gives_the_same_log() -> None:
    def once() -> list[tuple[int, bytes | None, int]]:
        log = MemoryLog({"t": 2}, chance=SeededChance(42), faults=Faults(doubled=0.3, latency_seconds_max=0.5))

        async def story() -> None:
            async with log.writer("w") as writer:
                for number in range(30):
                    await writer.append(Outgoing(topic="t", key=b"%d" % number, value=b"%d" % number))

        run_virtual(story())
        return [(record.partition, record.value, record.timestamp_ms) for record in log.records("t")]

    assert once() == once()


class Latencies(SeededChance):
    """No fault, and these latencies one after the other."""

    def __init__(self, *seconds: float) -> None:
        super().__init__(0)
        self._draws = iter([draw for each in seconds for draw in (1.0, each)])

    @override
    def uniform(self, a: float, b: float) -> float:
        return next(self._draws)


async def test_a_record_whose_time_has_come_does_not_overtake_one_that_the_busy_loop_has_not_landed_yet() -> None:
    log = MemoryLog({"t": 1}, chance=Latencies(0.001, 0.0), faults=Faults(latency_seconds_max=1))
    loop = asyncio.get_running_loop()
    async with log.writer("w") as writer:
        first = await writer.send(_record(b"first"))
        busy_until = loop.time() + 0.003
        while loop.time() < busy_until:
            pass
        second = await writer.send(_record(b"second"))

        assert [(await first).offset, (await second).offset] == [0, 1]


async def test_a_partition_knows_its_bounds_after_deletion() -> None:
    log = MemoryLog({"t": 1})
    async with log.writer("w") as writer, log.reader("r") as reader:
        await writer.append(_record(b"x"))
        await log.delete_before(Partition("t", 0), 1)

        assert await reader.bounds(Partition("t", 0)) == (1, 1)


def _record(value: bytes) -> Outgoing:
    return Outgoing(topic="t", key=b"k", value=value, partition=0)
