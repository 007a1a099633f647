"""The four services on fake ports, each opened anew for every life of its process."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from chat_gateway.app import Gateway, assemble
from chat_gateway.store import ChatTransaction
from chat_gateway.testing import MemoryChatStore, MemorySignals
from chat_gateway.testing.backends import backends_of, settings_of
from contracts.topics import TOPICS, dead_letter_topic
from crm.app import relay
from crm.consumers import consumer
from crm.testing import MemoryCrmStore
from crm.transaction import CrmTransaction
from router.api.alerts import AlertNews
from router.api.command_log import CommandLog
from router.api.conversations import Conversations
from router.api.handlers import Desk
from router.api.live import ApiLive, Place
from router.api.models import AssignmentView
from router.api.named import NOTHING, Named, Names
from router.api.results import Results, ResultsLoop
from router.api.seats import Seats
from router.api.store import ApiStore
from router.api.uploads import Uploads
from router.engine.configuration import open_configuration
from router.engine.owner import Owner
from router.engine.testing import MemoryEngineLive, simulated_world
from router.settings import EngineSettings
from servicekit.ports import Loop, Outgoing, Partition, Record
from servicekit.run import Shell
from servicekit.telemetry import Telemetry
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.virtual import SeededChance, SeededIds, VirtualClock
from typing_extensions import override

from centralino.prepare import CONSUMERS
from centralino.proof.simulation.doom import Doom, DoomedLive, DoomedLog, DoomedOutbox, DoomedStore

PARTITIONS: Final = 2
DELIVERY_SECONDS: Final = 3.0
SECRET: Final = "a secret of the simulated story only"  # noqa: S105 - signs tokens of simulated visitors


class KeptLog(MemoryLog):
    """A log that remembers what was deleted from it, too: the checker reads all of history."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        super().__init__(_topics(), clock=clock, chance=SeededChance(seed), delivery_timeout_seconds=DELIVERY_SECONDS)
        self.kept: list[Record] = []

    @override
    def land(self, outgoing: Outgoing, partition: Partition) -> Record:
        record = super().land(outgoing, partition)
        self.kept.append(record)
        return record


class World:
    """What survives every crash: the log, Redis, both databases, clocks. Its parts may be others, to break promises."""

    def __init__(
        self,
        seed: int,
        *,
        log: type[KeptLog] = KeptLog,
        live: type[MemoryEngineLive] = MemoryEngineLive,
        chats: type[MemoryChatStore] = MemoryChatStore,
        crm: type[MemoryCrmStore] = MemoryCrmStore,
    ) -> None:
        self.clock = VirtualClock()
        self.happened: Counter[str] = Counter()
        """What went wrong, and what the services did about it."""
        self.chance = SeededChance(seed)
        self.ids = SeededIds(seed)
        self.log = log(self.clock, seed + 1)
        self.live = live(self.clock)
        self.signals = MemorySignals(self.clock)
        self.chats = chats(self.signals.changed)
        self.crm = crm()

    def shell(self, doom: Doom) -> Shell:
        """A process's view of the world."""
        return Shell(self.clock, self.ids, self.chance, DoomedLog(self.log, doom), Telemetry("simulation"))


@asynccontextmanager
async def open_engine(
    world: World, doom: Doom, clock: VirtualClock
) -> AsyncGenerator[tuple[Sequence[Owner], list[Loop]]]:
    """An engine: an owner for each partition, as `router.engine.service` has it. Its machine has a clock of its own."""
    log = DoomedLog(world.log, doom)
    async with open_configuration(log) as configuration:
        inner = simulated_world(
            log,
            DoomedLive(world.live, doom),
            configuration,
            clock=clock,
            ids=world.ids,
            chance=world.chance,
            settings=EngineSettings(domain_partitions=PARTITIONS, snapshot_every_records=15),
        )
        owners = [Owner(inner, partition) for partition in range(PARTITIONS)]
        yield owners, list(owners)
        for metric in inner.metrics.step_downs.collect():
            for sample in metric.samples:
                if sample.name.endswith("_total"):
                    world.happened[f"step-down: {sample.labels['reason']}"] += round(sample.value)


class _DoomedChats(DoomedStore[ChatTransaction]):
    def __init__(self, chats: MemoryChatStore, doom: Doom) -> None:
        super().__init__(chats, doom)
        self.wakes = chats.wakes


@asynccontextmanager
async def open_gateway(world: World, doom: Doom) -> AsyncGenerator[tuple[Gateway, list[Loop]]]:
    """A chat gateway, whole; visitors come through its sockets."""
    gateway = assemble(
        settings_of(visitor_secret=SECRET),
        world.shell(doom),
        backends_of(_DoomedChats(world.chats, doom), DoomedOutbox(world.chats.database.outbox, doom), world.signals),
    )
    yield gateway, list(gateway.loops)


@asynccontextmanager
async def open_crm(world: World, doom: Doom) -> AsyncGenerator[tuple[None, list[Loop]]]:
    """The CRM's consumer, and the relay of what it announces."""
    shell = world.shell(doom)
    outbox = DoomedOutbox(world.crm.database.outbox, doom)
    yield None, [consumer(DoomedStore[CrmTransaction](world.crm, doom), shell), relay(outbox, shell)]


@dataclass(frozen=True, slots=True)
class AgentsApi:
    """The handlers behind the agents' routes."""

    desk: Desk
    conversations: Conversations


@asynccontextmanager
async def open_api(world: World, doom: Doom) -> AsyncGenerator[tuple[AgentsApi, list[Loop]]]:
    """What agents call: commands through the log, results from the log, assignments as projected."""
    shell, results = world.shell(doom), Results()
    async with CommandLog(shell.log) as commands:
        store = _NoStore()
        seats = Seats(store, shell.clock)
        live = ProjectedLive(world.live)
        desk = Desk(store, seats, live, commands, results, shell.clock, wait_seconds=3)
        uploads = Uploads(store, None, shell.clock, shell.ids)
        conversations = Conversations(desk, live, _NoNames(store), uploads, shell.clock)
        loop = ResultsLoop(
            shell.log, results, AlertNews(), partitions=PARTITIONS, clock=shell.clock, chance=shell.chance
        )
        yield AgentsApi(desk, conversations), [loop]


class ProjectedLive(ApiLive):
    """What the desk reads of Redis when agents act; the rest of it is not simulated."""

    def __init__(self, live: MemoryEngineLive) -> None:
        self._projected = live

    @override
    async def assignments(self, place: Place, assignment_ids: Sequence[str]) -> list[AssignmentView]:
        views = self._projected.views(place.tag)["assignments"]
        return [AssignmentView.model_validate_json(views[name]) for name in assignment_ids if name in views]

    @override
    async def is_projected(self, place: Place) -> bool:
        return any(self._projected.views(place.tag).values())

    @override
    async def about(self, place: Place, interaction_id: str) -> dict[str, str]:
        return {}


class _NoNames(Names):
    """Of web chat nothing is looked up in the configuration."""

    @override
    async def of(self, tenant_id: str) -> Named:
        return NOTHING


class _NoStore(ApiStore):
    """Agents' commands do not touch it."""

    def __init__(self) -> None:
        pass


def _topics() -> dict[str, int]:
    topics = {topic.name: topic.partitions(PARTITIONS) for topic in TOPICS}
    return topics | {dead_letter_topic(topic.name, group): 1 for group, read in CONSUMERS.items() for topic in read}
