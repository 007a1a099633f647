"""The engine's fakes: a live store in memory that passes the same suite as Redis, and an engine in one process."""

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final, Literal

from contracts.topics import TOPICS, dead_letter_topic
from servicekit.live import LiveAwayError
from servicekit.ports import Chance, Clock, Ids, LogFactory
from servicekit.shared_log import SharedReader, SharedWriter
from servicekit.telemetry import Telemetry

from router.engine.configuration import Configuration
from router.engine.inputs import GROUP, INPUT_TOPICS
from router.engine.live import KINDS, EngineLive, Kind, Leases, Views, devices_of
from router.engine.metrics import EngineMetrics
from router.engine.reign import World
from router.engine.snapshot import InProcessSnapshots
from router.settings import EngineSettings

PARTITIONS: Final = 2


def engine_topics(partitions: int = PARTITIONS) -> dict[str, int]:
    """Topics and partition numbers for a MemoryLog."""
    topics = {topic.name: topic.partitions(partitions) for topic in TOPICS}
    return topics | {dead_letter_topic(topic.name, GROUP): 1 for topic in INPUT_TOPICS}


@dataclass(slots=True)
class _Domain:
    epoch: str = ""
    position: int = -1
    views: dict[Kind, dict[str, bytes]] = field(default_factory=dict)


class MemoryEngineLive:
    """EngineLive in memory. `away` makes every call fail; `wipe` loses everything, as a restart without disk does.

    After `roll_back` it is as it was at the last `save`, as after a restart from disk. `said` counts its answers.
    """

    def __init__(self, clock: Clock) -> None:
        self.away = False
        self.said: Counter[str] = Counter()
        self._saved: tuple[dict[int, tuple[str, int]], dict[str, _Domain], dict[str, dict[str, int]]] = ({}, {}, {})
        self._clock = clock
        self._owners: dict[int, tuple[str, int]] = {}
        self._domains: dict[str, _Domain] = {}
        self._heartbeats: dict[str, dict[str, int]] = {}
        self._questions: dict[str, list[tuple[int, bytes]]] = {}
        self._answers: dict[str, list[tuple[int, bytes]]] = {}

    def wipe(self) -> None:
        """Lose everything."""
        self._owners.clear()
        self._domains.clear()
        self._heartbeats.clear()
        self._questions.clear()
        self._answers.clear()

    def save(self) -> None:
        """Keep what a later `roll_back` brings."""
        self._saved = deepcopy((self._owners, self._domains, self._heartbeats))

    def roll_back(self) -> None:
        """Lose what came after the last `save`."""
        self._owners, self._domains, self._heartbeats = deepcopy(self._saved)

    def heartbeat(self, domain: str, agent_id: str, device: str = "desktop/d") -> None:
        """What the API does for a device that is alive."""
        self._heartbeats.setdefault(domain, {})[f"{agent_id}|{device}"] = self._clock.now_ms()

    def ask(self, domain: str, question: bytes, wait_ms: int) -> None:
        """What the API does for somebody who asks."""
        self._questions.setdefault(domain, []).append((self._clock.now_ms() + wait_ms, question))

    def answers(self, question_id: str) -> list[bytes]:
        """What was answered and is still kept."""
        return [said for until_ms, said in self._answers.get(question_id, []) if until_ms > self._clock.now_ms()]

    def views(self, domain: str) -> Mapping[Kind, Mapping[str, bytes]]:
        """What readers see; empty kinds when there is nothing."""
        found = self._domains.get(domain, _Domain())
        return {kind: found.views.get(kind, {}) for kind in KINDS}

    def owner(self, partition: int) -> str | None:
        """Who holds the lease."""
        owner, until_ms = self._owners.get(partition, ("", 0))
        return owner if until_ms > self._clock.now_ms() else None

    async def hold(self, partition: int, owner: str, lease_ms: int) -> bool:
        """Take or renew the lease."""
        self._answer()
        if self.owner(partition) not in (None, owner):
            return False
        self._owners[partition] = (owner, self._clock.now_ms() + lease_ms)
        return True

    async def release(self, partition: int, owner: str) -> None:
        """Give the lease back."""
        self._answer()
        if self.owner(partition) == owner:
            del self._owners[partition]

    async def project(
        self, domain: str, epoch: str, before: int, after: int, views: Views
    ) -> Literal["written", "gap", "stale"]:
        """Change the domain's views if they stand at `before`."""
        self._answer()
        found = self._domains.get(domain)
        if found is not None and found.epoch > epoch:
            self.said["stale"] += 1
            return "stale"
        if found is None or (found.epoch, found.position) != (epoch, before):
            self.said["gap"] += 1
            return "gap"
        for kind, changed in views.items():
            for name, view in changed.items():
                kept = found.views.setdefault(kind, {})
                if view is None:
                    kept.pop(name, None)
                else:
                    kept[name] = view
        found.position = after
        return "written"

    async def rewrite(self, domain: str, epoch: str, position: int, views: Views) -> Literal["written", "stale"]:
        """Replace the domain's views."""
        self._answer()
        found = self._domains.get(domain)
        if found is not None and found.epoch > epoch:
            self.said["stale"] += 1
            return "stale"
        whole: dict[Kind, dict[str, bytes]] = {
            kind: {name: view for name, view in named.items() if view is not None} for kind, named in views.items()
        }
        self._domains[domain] = _Domain(epoch, position, whole)
        self.said["rewritten"] += 1
        return "written"

    async def read_leases(self, domain: str, lease_ms: int) -> Leases:
        """Devices with a fresh heartbeat."""
        self._answer()
        oldest = self._clock.now_ms() - lease_ms
        fresh = {name for name, at_ms in self._heartbeats.get(domain, {}).items() if at_ms >= oldest}
        return Leases(domain in self._domains, devices_of(fresh))

    async def take_questions(self, domain: str, questions_max: int) -> Sequence[bytes]:
        """What is asked and still waited for."""
        self._answer()
        waiting = self._questions.get(domain, [])
        found: list[bytes] = []
        while waiting and len(found) < questions_max:
            until_ms, question = waiting.pop(0)
            if until_ms >= self._clock.now_ms():
                found.append(question)
        return found

    async def answer(self, question_id: str, answer: bytes, kept_ms: int) -> None:
        """Answer a question."""
        self._answer()
        until_ms = self._clock.now_ms() + kept_ms
        self._answers[question_id] = [(until_ms, said) for said in [*self.answers(question_id), answer]]

    def _answer(self) -> None:
        if self.away:
            raise LiveAwayError("away")


class Cable:
    """EngineLive: an engine's own connection to a live store; `cut` makes it fail while others go on."""

    def __init__(self, live: MemoryEngineLive) -> None:
        self.cut = False
        self._live = live

    async def hold(self, partition: int, owner: str, lease_ms: int) -> bool:
        """Take or renew the lease."""
        return await self._through().hold(partition, owner, lease_ms)

    async def release(self, partition: int, owner: str) -> None:
        """Give the lease back."""
        await self._through().release(partition, owner)

    async def project(
        self, domain: str, epoch: str, before: int, after: int, views: Views
    ) -> Literal["written", "gap", "stale"]:
        """Change views."""
        return await self._through().project(domain, epoch, before, after, views)

    async def rewrite(self, domain: str, epoch: str, position: int, views: Views) -> Literal["written", "stale"]:
        """Replace views."""
        return await self._through().rewrite(domain, epoch, position, views)

    async def read_leases(self, domain: str, lease_ms: int) -> Leases:
        """Agents with a fresh heartbeat."""
        return await self._through().read_leases(domain, lease_ms)

    async def take_questions(self, domain: str, questions_max: int) -> Sequence[bytes]:
        """What is asked."""
        return await self._through().take_questions(domain, questions_max)

    async def answer(self, question_id: str, answer: bytes, kept_ms: int) -> None:
        """Answer."""
        await self._through().answer(question_id, answer, kept_ms)

    def _through(self) -> MemoryEngineLive:
        if self.cut:
            raise LiveAwayError("cut")
        return self._live


def simulated_world(
    log: LogFactory,
    live: EngineLive,
    configuration: Configuration,
    *,
    clock: Clock,
    ids: Ids,
    chance: Chance,
    settings: EngineSettings | None = None,
) -> World:
    """The real engine's world in one process; open the configuration by `open_configuration(log)`."""
    telemetry = Telemetry("router-engine")
    return World(
        settings=settings or EngineSettings(domain_partitions=PARTITIONS),
        log=log,
        live=live,
        clock=clock,
        ids=ids,
        chance=chance,
        inputs=SharedReader(log, "inputs", clock),
        journal=SharedWriter(log, "journal"),
        events=SharedWriter(log, "events"),
        forwards=SharedWriter(log, "forwards"),
        configuration=configuration,
        snapshots=InProcessSnapshots(log, ids),
        metrics=EngineMetrics(telemetry),
        telemetry=telemetry,
    )
