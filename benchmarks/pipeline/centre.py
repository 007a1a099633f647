"""What ours needs before the job: configuration, agents who are ready, and devices that are alive.

All by the product's own means: records in `config`, commands in `routing.inputs`, heartbeats in Redis.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from contracts import Event, encode
from contracts.commands import ActivateConfiguration, SetAgentState
from contracts.configuration import Domain
from contracts.configuration_records import ConfigurationRecord, RecordKind
from contracts.routing_parts import Agent, Queue, RequiredSkill
from redis.asyncio import Redis

from benchmarks.pipeline.job import (
    AGENTS,
    CAPACITY,
    DOMAINS,
    PRIORITIES,
    Input,
    agent_name,
    domain_name,
    job,
    queue_name,
    tenant_name,
)
from benchmarks.pipeline.play import Play

HEARTBEAT_SECONDS: Final = 3.0
OFFER_TIMEOUT_SECONDS: Final = 3600
"""Longer than a run: nobody is slow here."""


@asynccontextmanager
async def open_centre(play: Play, redis: Redis) -> AsyncGenerator[None]:
    """Everybody is ready and present inside."""
    heartbeats = asyncio.create_task(_beat(redis))
    try:
        for domain in range(DOMAINS):
            for record in _configuration(domain):
                play.put(record)
        await play.until(lambda: play.types[b"config.applied"] == DOMAINS)
        for domain in range(DOMAINS):
            for number in range(AGENTS):
                play.put(_ready(domain, number))
        everybody = DOMAINS * AGENTS
        await play.until(lambda: play.types[b"agent.state_changed"] >= everybody)
        await play.until(lambda: play.types[b"agent.presence_changed"] >= everybody)
        yield
    finally:
        heartbeats.cancel()


async def _beat(redis: Redis) -> None:
    """What the API does for the agents' devices, once in three seconds."""
    while True:
        now_ms = time.time_ns() // 1_000_000
        leases = {f"{agent_name(number)}|desk": now_ms for number in range(AGENTS)}
        for domain in range(DOMAINS):
            await redis.zadd(f"r:{{{tenant_name(domain)}/{domain_name(domain)}}}:leases", leases)
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _configuration(domain: int) -> Iterator[Input]:
    name = domain_name(domain)
    settings = Domain(id=name).model_dump(mode="json") | {"partition": domain}
    yield _record(domain, "domain", f"domain:{name}", settings)
    for signature, requirements in enumerate(job().signatures):
        for priority in range(PRIORITIES):
            queue = Queue(
                id=queue_name(signature, priority),
                domain=name,
                name="Queue",
                requirements=[RequiredSkill(skill=each.skill, minimum=each.minimum) for each in requirements],
                priority=priority,
                offer_timeout_seconds=OFFER_TIMEOUT_SECONDS,
            )
            yield _record(domain, "queue", f"queue:{name}/{queue.id}", queue.model_dump(mode="json"))
    for number, skills in enumerate(job().agents):
        agent = Agent(id=agent_name(number), domain=name, name="Ana", skills=skills, capacity=CAPACITY)
        yield _record(domain, "agent", f"agent:{agent.id}", agent.model_dump(mode="json"))
    yield _record(domain, "version", "version", None)
    yield _input(domain, "activate", ActivateConfiguration(domain=name, version=1, hash="h"))


def _record(domain: int, kind: RecordKind, name: str, value: dict[str, object] | None) -> Input:
    """`config` has one partition."""
    of_domain = None if kind == "version" else domain_name(domain)
    data = ConfigurationRecord(kind=kind, id=name, domain=of_domain, version=1, value=value)
    return replace(_input(domain, name, data), partition=0)


def _ready(domain: int, number: int) -> Input:
    agent = agent_name(number)
    data = SetAgentState(command_id=f"ready-{agent}", domain=domain_name(domain), agent_id=agent, state="ready")
    return _input(domain, f"ready-{agent}", data)


def _input(domain: int, name: str, data: object) -> Input:
    event = Event(
        id=name,
        source="/benchmark",
        tenant_id=tenant_name(domain),
        subject=name,
        time_ms=time.time_ns() // 1_000_000,
        data=data,
    )
    value, headers = encode(event)
    return Input(event.type.topic.name, domain, f"{tenant_name(domain)}/{name}".encode(), value, headers)
