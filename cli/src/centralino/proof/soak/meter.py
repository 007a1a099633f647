"""What each process of a stack uses, taken every few seconds from the system and from the services' own metrics."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families
from servicekit.system import SystemClock

from centralino.home import PartState, process_of
from centralino.proof.running import Running

SAMPLE_SECONDS: Final = 5.0
ANSWER_SECONDS_MAX: Final = 3.0
TASKS: Final = "centralino_asyncio_tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A part and its children at one moment. `pss_bytes` shares what several processes have in common."""

    part: str
    at_seconds: float
    pid: int
    pss_bytes: int
    uss_bytes: int
    descriptors: int
    threads: int
    tasks: int | None


@dataclass(slots=True, kw_only=True)
class Meter:
    """`watch` runs until it is cancelled; every use is also a line of `lines`."""

    stack: Running
    client: httpx.AsyncClient
    lines: Path
    uses: list[Use] = field(default_factory=list)
    clock: SystemClock = field(default_factory=SystemClock)

    async def watch(self) -> None:
        """A sample of each part, again and again."""
        began_ms = self.clock.now_ms()
        with self.lines.open("w") as lines:
            while True:
                for use in await self._sample((self.clock.now_ms() - began_ms) / 1000):
                    self.uses.append(use)
                    lines.write(json.dumps(asdict(use)) + "\n")
                lines.flush()
                await self.clock.sleep(SAMPLE_SECONDS)

    async def _sample(self, at_seconds: float) -> list[Use]:
        state = self.stack.home.state()
        uses = [await self._use(part, at_seconds) for part in (state.parts if state else ())]
        return [use for use in uses if use is not None]

    async def _use(self, part: PartState, at_seconds: float) -> Use | None:
        process = process_of(part.pid, part.created)
        if process is None:
            return None
        figures = [_figure(each) for each in family_of(process)]
        pss, uss, descriptors, threads = (sum(column) for column in zip(*figures, strict=True))
        return Use(
            part=part.name,
            at_seconds=at_seconds,
            pid=part.pid,
            pss_bytes=pss,
            uss_bytes=uss,
            descriptors=descriptors,
            threads=threads,
            tasks=await self._tasks(part),
        )

    async def _tasks(self, part: PartState) -> int | None:
        if part.ready_url is None:
            return None
        values = await self._metrics(part.ready_url.replace("/health/ready", "/metrics"))
        return int(values[TASKS]) if TASKS in values else None

    async def _metrics(self, url: str) -> Mapping[str, float]:
        try:
            answer = await self.client.get(url, timeout=ANSWER_SECONDS_MAX)
        except httpx.TransportError:
            return {}
        families = text_string_to_metric_families(answer.text)
        return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def family_of(process: psutil.Process) -> list[psutil.Process]:
    """The process and its children: PostgreSQL is many."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def _figure(process: psutil.Process) -> tuple[int, int, int, int]:
    try:
        memory = process.memory_full_info()
        return memory.pss, memory.uss, process.num_fds(), process.num_threads()
    except psutil.NoSuchProcess:
        return 0, 0, 0, 0
