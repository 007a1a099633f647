"""One simulated story: a seed makes the plan, the plan makes the history."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from chat_gateway.domain.records import Visit
from contracts import Event, encode
from contracts.commands import ActivateConfiguration
from contracts.topics import ROUTING_JOURNAL, TOPICS
from crm.consumers import GROUP as CRM_GROUP
from crm.consumers import TOPICS as CRM_TOPICS
from router.api.configuration import changed_records, record_key
from router.api.store import Seat
from router.engine.owner import PAUSE_SECONDS_MAX
from servicekit.ports import Outgoing, Record
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual

from centralino.proof.checker import find_faults
from centralino.proof.faults import Fault
from centralino.proof.history import History, Said, Tables, read_history
from centralino.proof.people import AgentAtWork, Customer
from centralino.proof.simulation.people import Heard, SimulatedDesk, connecting
from centralino.proof.simulation.plan import Plan
from centralino.proof.simulation.process import Process
from centralino.proof.simulation.services import World, open_api, open_crm, open_engine, open_gateway
from centralino.proof.simulation.trouble import Trouble, journal_happened, projection_faults
from centralino.proof.tenant import ADDRESSES, DOMAIN, SKILLS, TENANT, configuration

PLACE: Final = f"{TENANT}/{DOMAIN}"
PARTITION: Final = 1
ENGINES: Final = ("a", "b")
HEARTBEAT_SECONDS: Final = 3.0
STORY_SECONDS_MAX: Final = 600.0
SILENCE_SECONDS: Final = PAUSE_SECONDS_MAX + 3
"""Longer than an engine may pause and then wait for a dead one's lease: Redis that was rolled back may look over."""


@dataclass(frozen=True, slots=True)
class Told:
    """How the story of a plan went."""

    plan: Plan
    faults: list[Fault]
    deaths: list[str]
    fingerprint: str
    """The same for two runs of a seed."""
    happened: Mapping[str, int]
    """What went wrong, and what the services did about it."""
    seconds: float
    """Of virtual time."""


def tell(plan: Plan, *, make_world: Callable[[int], World] = World) -> Told:
    """Run the story under virtual time, to its end or to a bound; another world may break its promises."""
    return run_virtual(_Story(plan, make_world(plan.seed)).run())


@dataclass(slots=True)
class _Story:
    plan: Plan
    world: World
    chance: SeededChance = field(init=False)
    customers: list[Customer] = field(default_factory=list)
    staff: list[AgentAtWork] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> Told:
        self.chance = SeededChance(self.plan.seed + 2)
        await self._configure()
        clocks = [VirtualClock() for _ in ENGINES]
        engines = [
            self._process(f"engine {name}", partial(open_engine, clock=clock))
            for name, clock in zip(ENGINES, clocks, strict=True)
        ]
        gateway = self._process("gateway", open_gateway)
        crm = self._process("crm", open_crm)
        api = self._process("api", open_api)
        processes: list[Process[Any]] = [*engines, gateway, crm, api]  # Any: each serves another thing
        for process in processes:
            self._spawn(process.supervise())
        self._staff(api)
        trouble = Trouble(self.plan, self.world, processes, engines, clocks)
        self._spawn(trouble.run())
        faults: list[Fault] = []
        try:
            async with asyncio.timeout(STORY_SECONDS_MAX):
                await self._chats(gateway)
                await trouble.over.wait()
                await self._quiet()
                faults += await projection_faults(self.world, PLACE, PARTITION)
        except TimeoutError:
            waiting = [customer.interaction_id for customer in self.customers if not customer.over]
            faults.append(Fault("L1", "the end", f"no end after {STORY_SECONDS_MAX} s; still waiting: {waiting}"))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        for task in self._tasks:
            if not task.cancelled():
                task.result()  # people and supervisors do not fail: a bug of the story
        deaths = sorted(death for process in processes for death in process.deaths)
        faults += find_faults(self._history(), finished=True)
        faults += [fault for agent in self.staff for fault in agent.faults]
        happened = self._happened(processes)
        return Told(self.plan, faults, deaths, self._fingerprint(), happened, asyncio.get_running_loop().time())

    def _happened(self, processes: Sequence[Process[Any]]) -> Mapping[str, int]:  # Any: each serves another thing
        happened = Counter(self.world.happened)
        happened.update({f"append {kind}": count for kind, count in self.world.log.happened.items()})
        happened.update({f"Redis said {answer}": count for answer, count in self.world.live.said.items()})
        for process in processes:
            for death in process.deaths:
                _, step = death.split(" died ", 1)
                happened[f"death: {process.name.split()[0]} {step}"] += 1
        happened.update(journal_happened(self.world.log.kept, PARTITION))
        return happened

    def _process(self, name: str, open_service: Any) -> Process[Any]:  # Any: each serves another thing
        chance = SeededChance(hash_of(self.plan.seed, name))
        return Process(name, partial(open_service, self.world), clock=self.world.clock, chance=chance)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:  # Any: what coroutines yield and take
        self._tasks.append(asyncio.create_task(work))

    def _staff(self, api: Process[Any]) -> None:  # Any: see above
        heard = Heard(self.world.log)
        for number in range(self.plan.agents):
            agent_id = f"agent-{number}"
            seat = Seat(tenant_id=TENANT, agent_id=agent_id, name=agent_id, domain=DOMAIN, partition=PARTITION)
            agent = AgentAtWork(
                agent_id=agent_id,
                desk=SimulatedDesk(api, self.world, seat, heard),
                clock=self.world.clock,
                chance=SeededChance(hash_of(self.plan.seed, agent_id)),
                answers=2,
                reject_odds=0.1,
                ignore_odds=0.1,
                keep_open_odds=0.2,
            )
            self.staff.append(agent)
            self._spawn(agent.work())
            self._spawn(self._device(agent_id))

    async def _device(self, agent_id: str) -> None:
        while True:
            if not self.world.live.away:
                self.world.live.heartbeat(PLACE, agent_id)
            await self.world.clock.sleep(HEARTBEAT_SECONDS)

    async def _chats(self, gateway: Process[Any]) -> None:  # Any: see above
        async with asyncio.TaskGroup() as chats:
            for number in range(self.plan.chats):
                customer = self._customer(gateway, number)
                self.customers.append(customer)
                chats.create_task(customer.chat())
                await self.world.clock.sleep(self.chance.uniform(0, 1.5))

    def _customer(self, gateway: Process[Any], number: int) -> Customer:  # Any: see above
        interaction_id = f"interaction-{self.plan.seed}-{number:04d}"
        now_ms = self.world.clock.now_ms()
        visit = Visit(
            tenant_id=TENANT,
            interaction_id=interaction_id,
            address=ADDRESSES[number // len(SKILLS) % len(ADDRESSES)],
            identifiers=[{"type": "webchat", "value": f"visitor-{number % 5}", "verified": False}],
            opened_at_ms=now_ms,
            expires_at_ms=now_ms + 3_600_000,
            queue=SKILLS[number % len(SKILLS)],
            attributes={},
        )
        leaves = self.chance.uniform(0, 1) < 0.2
        return Customer(
            interaction_id=interaction_id,
            connect=connecting(gateway, visit),
            clock=self.world.clock,
            chance=SeededChance(hash_of(self.plan.seed, interaction_id)),
            texts=[f"text {text} of {interaction_id}" for text in range(1 + number % 3)],
            at_once=1 + number % 2,
            leaves_after_seconds=self.chance.uniform(0, 20) if leaves else None,
        )

    async def _quiet(self) -> None:
        """Until everything is written, read and over."""
        written = -1
        while written < len(self.world.log.kept) or not self._is_over():
            written = len(self.world.log.kept)
            await self.world.clock.sleep(SILENCE_SECONDS)

    def _is_over(self) -> bool:
        world = self.world
        if world.chats.database.outbox.rows:
            return False
        queues = world.live.views(PLACE)["queues"].values()
        if not queues or any(json.loads(view)[state] for view in queues for state in _LIVE_STATES):
            return False
        read = world.crm.database.positions
        ends = {partition: held.end for partition, held in world.log.partitions.items() if held.end}
        return all(
            (position := read.get((CRM_GROUP, partition))) is not None and position.next_offset == end
            for partition, end in ends.items()
            if partition.topic in CRM_TOPICS
        )

    async def _configure(self) -> None:
        """As the router's API publishes it; the log has no faults yet."""
        async with self.world.log.writer("story") as writer:
            for record in changed_records(1, configuration(self.plan.agents), None, {DOMAIN: PARTITION}):
                await writer.append(_outgoing(record, record_key(TENANT, record), None))
            switch = ActivateConfiguration(domain=DOMAIN, version=1, hash="h1")
            await writer.append(_outgoing(switch, DOMAIN, PARTITION))

    def _history(self) -> History:
        records: dict[str, list[Record]] = {topic.name: [] for topic in TOPICS}
        for record in sorted(self.world.log.kept, key=lambda each: (each.topic, each.partition, each.offset)):
            if record.topic in records:
                records[record.topic].append(record)
        letters = [record for record in self.world.log.kept if record.topic not in records]
        chats, crm = self.world.chats.database.tables, self.world.crm.database.tables
        tables = Tables(
            gateway=[
                Said(
                    interaction_id=row.interaction_id,
                    number=row.number,
                    sender=row.sender,
                    text=row.text,
                    message_id=row.message_id,
                )
                for row in chats.messages.values()
            ],
            crm=[
                Said(
                    interaction_id=row.interaction_id,
                    number=row.number,
                    sender="customer" if row.direction == "inbound" else "agent" if row.agent_id else "system",
                    text=row.text,
                    message_id=row.message_id,
                    internal=row.visibility == "internal",
                )
                for row in crm.messages.values()
            ],
            crm_tasks={task.task_id: task.state for task in crm.tasks.values()},
        )
        return read_history(
            records,
            dead_letters=[f"{letter.topic}@{letter.offset}" for letter in letters],
            accepted=[said for customer in self.customers for said in customer.accepted],
            requests=[
                *(request for customer in self.customers for request in customer.requests),
                *(request for agent in self.staff for request in agent.requests),
            ],
            tables=tables,
        )

    def _fingerprint(self) -> str:
        """Of every record but for the random ids of traces."""
        found = hashlib.sha256()
        for record in self.world.log.kept:
            value = record.value or b""
            if record.topic == ROUTING_JOURNAL.name:
                entry = json.loads(value)
                entry["origins"] = [origin[:2] for origin in entry.get("origins", [])]
                value = json.dumps(entry).encode()
            headers = [header for header in record.headers if header[0] != "traceparent"]
            found.update(repr((record.at, record.offset, record.key, value, headers, record.timestamp_ms)).encode())
        return found.hexdigest()


_LIVE_STATES: Final = ("waiting", "offered", "assigned", "wrapup")


def hash_of(seed: int, name: str) -> int:
    """A seed for a part of the story: not Python's own hash, which differs between processes."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:6])


def _outgoing(data: object, key: str, partition: int | None) -> Outgoing:
    event = Event(id=f"story:{key}", source="/story", tenant_id=TENANT, subject=key, time_ms=0, data=data)
    value, headers = encode(event)
    return Outgoing(
        topic=event.type.topic.name, key=key.encode(), value=value, headers=tuple(headers), partition=partition
    )
