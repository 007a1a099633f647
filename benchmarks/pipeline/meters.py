"""CPU time of the processes that work: the router, Valkey, Kafka, and the driver itself."""

import time
from dataclasses import dataclass
from typing import Final

import psutil
from redis.asyncio import Redis

PARTS: Final = ("router", "valkey", "kafka", "driver")


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds of CPU by part, and the moment (monotonic clock)."""

    at: float
    cpu: dict[str, float]

    def since(self, before: "Reading") -> "Reading":
        """What happened between two readings."""
        return Reading(self.at - before.at, {part: self.cpu[part] - before.cpu[part] for part in PARTS})


class Meters:
    """Reads them all within a millisecond or two."""

    def __init__(self, router_pid: int, kafka_pid: int, redis: Redis) -> None:
        self._router = psutil.Process(router_pid)
        self._kafka_pid = kafka_pid
        self._redis = redis

    async def read(self) -> Reading:
        """Now. Valkey says so itself (INFO)."""
        info = await self._redis.info("cpu")
        cpu = {
            "router": _cpu_of(self._router.pid) + self._children(),
            "valkey": float(info["used_cpu_user"]) + float(info["used_cpu_sys"]),
            "kafka": _cpu_of(self._kafka_pid),
            "driver": time.process_time(),
        }
        return Reading(time.monotonic(), cpu)

    def _children(self) -> float:
        """Helpers of the router, those that have ended included: they work for it."""
        ended = self._router.cpu_times()
        seconds = float(ended.children_user + ended.children_system)
        for child in self._router.children(recursive=True):
            try:
                seconds += _cpu_of(child.pid)
            except OSError:
                continue  # it has ended in this moment, and counts next time
        return seconds


def _cpu_of(pid: int) -> float:
    """User and system time of all threads in nanosecond steps: the CPU clock of a process (Linux)."""
    return time.clock_gettime((~pid << 3) | 2)
