"""Looks at a running stack from outside: who is ready, which engine owns the story's partition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from centralino.home import process_of
from centralino.proof.running import Running
from centralino.services import ENGINE

ANSWER_SECONDS_MAX: Final = 3.0


@dataclass(slots=True, kw_only=True)
class Probe:
    """Asks the operators' pages; whoever does not answer in three seconds is away. `partition` is the story's."""

    stack: Running
    client: httpx.AsyncClient
    partition: str = field(default="", init=False)

    async def find_partition(self) -> bool:
        """The story's is the one in which most was decided; False while no engine answers."""
        totals: dict[str, float] = {}
        for name in self._engines():
            for partition, count in (await self._metric(name, "centralino_engine_batches_total")).items():
                totals[partition] = totals.get(partition, 0) + count
        self.partition = max(totals, key=lambda partition: totals[partition], default="")
        return self.partition != ""

    async def owner(self, *, apart_from: str | None = None) -> str | None:
        """The engine that says that it owns the partition."""
        for name in self._engines():
            if name != apart_from and (await self._metric(name, "centralino_engine_owned")).get(self.partition):
                return name
        return None

    async def missing(self) -> list[str]:
        """Parts that do not run, and services that do not say that they are ready."""
        state = self.stack.home.state()
        if state is None:
            return ["the whole stack"]
        gone = [part.name for part in state.parts if not process_of(part.pid, part.created)]
        return gone or [part.name for part in state.parts if part.ready_url and not await self._page(part.ready_url)]

    def _engines(self) -> Sequence[str]:
        state = self.stack.home.state()
        return [part.name for part in state.parts if part.name.startswith(ENGINE)] if state else []

    async def _metric(self, engine: str, name: str) -> Mapping[str, float]:
        """By partition."""
        state = self.stack.home.state()
        urls = [part.ready_url for part in state.parts if part.name == engine and part.ready_url] if state else []
        text = await self._page(urls[0].replace("/health/ready", "/metrics")) if urls else None
        return {
            sample.labels["partition"]: sample.value
            for family in text_string_to_metric_families(text or "")
            for sample in family.samples
            if sample.name == name
        }

    async def _page(self, url: str) -> str | None:
        try:
            answer = await self.client.get(url, timeout=ANSWER_SECONDS_MAX)
        except httpx.TransportError:
            return None
        return answer.text if answer.status_code == httpx.codes.OK else None
