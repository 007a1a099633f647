"""A simulated engine story: real engines on a log and a live store in memory, under virtual time.

async with open_story(seed=1) as story:
    await story.configure(agents={"ann": {"billing": 5}})
    engine = story.start_engine()
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, TypeVar

from contracts import Event, decode, encode
from contracts.commands import ActivateConfiguration
from contracts.configuration import ChannelAddress, Domain
from contracts.configuration_records import ConfigurationRecord
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.routing_parts import Agent, Queue, RequiredSkill
from contracts.topics import CONFIG, ROUTING_EVENTS, Topic
from pydantic import BaseModel
from servicekit.ports import LogFactory, Outgoing
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.virtual import SeededChance, SeededIds, VirtualClock

from router.domain.decide import decide
from router.domain.state import DomainState
from router.engine.configuration import Configuration, open_configuration
from router.engine.deciding import Decide
from router.engine.live import EngineLive
from router.engine.owner import Owner
from router.engine.reign import World
from router.engine.testing import MemoryEngineLive, engine_topics, simulated_world
from router.settings import EngineSettings

TENANT: Final = "acme"
DOMAIN: Final = "acme.main"
PLACE: Final = f"{TENANT}/{DOMAIN}"
HEARTBEAT_SECONDS: Final = 3.0
T = TypeVar("T")


class Engine:
    """One engine process, as far as partition 0 goes."""

    def __init__(self, world: World) -> None:
        self.owner = Owner(world, 0)
        self.registry = world.telemetry.registry
        world.metrics.watch([self.owner], world.clock)
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(self.owner.run(self._stop))

    @property
    def domain(self) -> DomainState:
        """The live state of the story's domain."""
        assert self.owner.reign is not None  # noqa: S101 - the story waits for it
        domains = self.owner.reign.decider.state.domains
        assert PLACE in domains  # noqa: S101 - likewise
        return domains[PLACE]

    async def stop(self) -> None:
        """SIGTERM."""
        self._stop.set()
        await self.task

    async def kill(self) -> None:
        """SIGKILL, but for the lease: cut the engine's link before to leave that to expire."""
        self.task.cancel()
        await asyncio.wait([self.task])


class Story:
    """The world around the engines: configuration, customers, agents' devices, and what consumers see."""

    def __init__(self, log: MemoryLog, configuration: Configuration, clock: VirtualClock, seed: int) -> None:
        self.log = log
        self.clock = clock
        self.live = MemoryEngineLive(clock)
        self.settings = EngineSettings(domain_partitions=1)
        self.chance = SeededChance(seed)
        self._configuration = configuration
        self._ids = SeededIds(seed)
        self._devices: dict[str, asyncio.Task[None]] = {}
        self._engines: list[Engine] = []

    def start_engine(
        self, live: EngineLive | None = None, *, log: LogFactory | None = None, decide: Decide = decide
    ) -> Engine:
        """One more engine; `live` and `log` stand for its own connections, `decide` may have a bug."""
        world = simulated_world(
            log or self.log,
            self.live,
            self._configuration,
            clock=self.clock,
            ids=self._ids,
            chance=self.chance,
            settings=self.settings,
        )
        self._engines.append(Engine(replace(world, live=live or self.live, decide=decide)))
        return self._engines[-1]

    async def configure(
        self, version: int = 1, *, agents: Mapping[str, dict[str, int]], capacity: int = 2, partition: int = 0
    ) -> None:
        """Publish a version as the router's API does, and ask the domain to switch to it."""
        domain = Domain(id=DOMAIN, presence_grace_seconds=30)
        queue = Queue(id="support", domain=DOMAIN, name="Support", requirements=[RequiredSkill(skill="billing")])
        address = ChannelAddress(address="web:acme", channel="webchat", client="acme", domain=DOMAIN, queue="support")
        values: list[tuple[str, str, dict[str, object]]] = [
            ("domain", f"domain:{DOMAIN}", {**_plain(domain), "partition": partition}),
            ("queue", f"queue:{DOMAIN}/support", _plain(queue)),
            ("channel", "channel:web:acme", _plain(address)),
        ]
        for name, skills in agents.items():
            agent = Agent(id=name, domain=DOMAIN, name=name, skills=skills, capacity=capacity)
            values.append(("agent", f"agent:{name}", _plain(agent)))
        for kind, record_id, value in [*values, ("version", "version", None)]:
            record = {"kind": kind, "id": record_id, "domain": DOMAIN, "version": version, "value": value}
            await self.say(CONFIG, record_id, ConfigurationRecord(**record))  # type: ignore[arg-type]  # a table of them
        await self.tell(ActivateConfiguration(domain=DOMAIN, version=version, hash=f"h{version}"))

    async def tell(self, data: object, *, event_id: str | None = None) -> None:
        """Write an input of the domain; an event's data know their topic."""
        named = (getattr(data, name, None) for name in ("interaction_id", "agent_id", "domain"))
        await self.say(
            None, next(name for name in named if name), data, event_id=event_id, traceparent=f"00-{1:032x}-{1:016x}-01"
        )

    async def say(
        self,
        topic: Topic | None,
        subject: str,
        data: object,
        *,
        event_id: str | None = None,
        traceparent: str | None = None,
    ) -> None:
        """Append an event without faults: gateways and the API keep what they write until it is acknowledged."""
        event = Event(
            id=event_id or self._ids.new_id(),
            source="/story",
            tenant_id=TENANT,
            subject=subject,
            time_ms=self.clock.now_ms(),
            data=data,
            traceparent=traceparent,
        )
        value, headers = encode(event)
        target = topic or event.type.topic
        outgoing = Outgoing(topic=target.name, key=subject.encode(), value=value, headers=tuple(headers), partition=0)
        faults, self.log.faults = self.log.faults, Faults()
        try:
            async with self.log.writer("story") as writer:
                await writer.append(outgoing)
        finally:
            self.log.faults = faults

    async def customer_arrives(self, interaction_id: str) -> None:
        """A chat begins."""
        await self.tell(
            InteractionStarted(
                interaction_id=interaction_id,
                domain=DOMAIN,
                client="acme",
                channel="webchat",
                address="web:acme",
                started_at_ms=self.clock.now_ms(),
            )
        )

    async def customer_leaves(self, interaction_id: str) -> None:
        """The chat is over."""
        await self.tell(
            InteractionEnded(
                interaction_id=interaction_id,
                domain=DOMAIN,
                reason="customer_left",
                ended_at_ms=self.clock.now_ms(),
            )
        )

    def device_on(self, agent_id: str) -> None:
        """The agent's device beats, as long as Redis answers, until `device_off`."""

        async def beat() -> None:
            while True:
                if not self.live.away:
                    self.live.heartbeat(PLACE, agent_id)
                await self.clock.sleep(HEARTBEAT_SECONDS)

        self._devices[agent_id] = asyncio.create_task(beat())

    def device_off(self, agent_id: str) -> None:
        """The device is gone without a word."""
        self._devices.pop(agent_id).cancel()

    def published(self) -> list[Event]:
        """Everything in `routing.events`, repeats included."""
        return [decode(record.value, record.headers) for record in self.log.records(ROUTING_EVENTS.name, 0)]

    def seen(self) -> list[Event]:
        """What a consumer sees that keeps the consumers' rule."""
        last, seen = "", []
        for event in self.published():
            if event.sequence is not None and event.sequence > last:
                last = event.sequence
                seen.append(event)
        return seen

    def of(self, data: type[T]) -> list[T]:
        """The seen events' data of one type."""
        return [event.data for event in self.seen() if isinstance(event.data, data)]

    async def close(self) -> None:
        """End everything."""
        for device in self._devices.values():
            device.cancel()
        for engine in self._engines:
            await engine.kill()


@asynccontextmanager
async def open_story(*, seed: int = 0, faults: Faults | None = None, partitions: int = 1) -> AsyncGenerator[Story]:
    """A story; the same seed and steps give the same story."""
    clock = VirtualClock()
    log = MemoryLog(
        engine_topics(partitions),
        clock=clock,
        chance=SeededChance(seed),
        faults=faults or Faults(),
        delivery_timeout_seconds=3.0,
    )
    async with open_configuration(log) as configuration:
        story = Story(log, configuration, clock, seed)
        try:
            yield story
        finally:
            await story.close()


def _plain(model: BaseModel) -> dict[str, object]:
    return model.model_dump(mode="json")
