"""The centre kept in Valkey, for the arms that decide there: one script an event, and the offers that follow."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from contracts.envelope import rfc3339
from redis.asyncio import Redis

from benchmarks.pipeline.job import (
    AGENTS,
    CAPACITY,
    DOMAINS,
    PRIORITIES,
    SIGNATURES,
    agent_name,
    domain_name,
    job,
    tenant_name,
)

LUA: Final = Path(__file__).parent / "lua"
OFFER_MS: Final = 3_600_000
PRIORITY_STEP: Final = 10**12
"""A higher priority comes first, then the lower offset."""

KEYS: Final = 4
Call = tuple[str, Sequence[Any]]
"""Hash of the script; keys and arguments of EVALSHA."""


class Offer(msgspec.Struct):
    """`offer.issued`, without the decision record that ours has."""

    offer_id: str
    task_id: str
    interaction_id: str
    domain: str
    queue: str
    channel: str
    priority: int
    agent_id: str
    issued_at_ms: int
    expires_at_ms: int
    queued_at_ms: int


@dataclass(frozen=True, slots=True)
class Cause:
    """What of an input its offer needs."""

    domain: int
    event_id: str
    traceparent: str


class Centre:
    """Configuration is in memory, as ours has it; tasks, loads and lanes are in Valkey."""

    def __init__(self) -> None:
        self._started, self._started_sha = _script("started")
        self._ended, self._ended_sha = _script("ended")
        tags = [f"{{{domain_name(domain)}}}" for domain in range(DOMAINS)]
        self._keys = [(f"{tag}:loads", f"{tag}:tasks", f"{tag}:live") for tag in tags]
        self._lanes = [f"{tag}:lane:" for tag in tags]
        self._able = [[agent_name(agent) for agent in agents] for agents in job().able]
        self._serves = {
            agent_name(agent): f",{','.join(f'{s:03d}' for s in range(SIGNATURES) if agent in job().able[s])},"
            for agent in range(AGENTS)
        }
        queues = ((signature, priority) for signature in range(SIGNATURES) for priority in range(PRIORITIES))
        self._queues = {f"s{signature:03d}.p{priority}": (signature, priority) for signature, priority in queues}

    async def load(self, redis: Redis) -> None:
        """Make the scripts known."""
        for text in (self._started, self._ended):
            await redis.script_load(text)

    def started(self, domain: int, task: str, queue: str, at_ms: int, offset: int) -> Call:
        """A task comes; the script answers with its agent, or nothing."""
        signature, priority = self._queues[queue]
        name = f"{signature:03d}"
        score = (PRIORITIES - priority) * PRIORITY_STEP + offset
        waits = f"{task}|{queue}|{at_ms}"
        keys = (*self._keys[domain], self._lanes[domain] + name)
        return self._started_sha, (*keys, task, name, score, waits, CAPACITY, *self._able[signature])

    def ended(self, domain: int, task: str, agent: str) -> Call:
        """A task ends; the script answers with what waited and is its agent's now, or nothing."""
        return self._ended_sha, (*self._keys[domain], self._lanes[domain], task, agent, self._serves[agent])

    def offer(self, domain: int, task: str, queue: str, at_ms: int, agent: str, now_ms: int) -> Offer:
        """What is published."""
        return Offer(
            offer_id=f"{task}.t1.o1",
            task_id=f"{task}.t1",
            interaction_id=task,
            domain=domain_name(domain),
            queue=queue,
            channel="webchat",
            priority=self._queues[queue][1],
            agent_id=agent,
            issued_at_ms=now_ms,
            expires_at_ms=now_ms + OFFER_MS,
            queued_at_ms=at_ms,
        )


def waiting_task(answer: bytes) -> tuple[str, str, int]:
    """Task, queue and since when, of what a script says had waited."""
    task, queue, since = answer.decode().split("|")
    return task, queue, int(since)


def headers_of(offer: Offer, cause: Cause) -> dict[str, str]:
    """CloudEvents attributes, as ours."""
    return {
        "ce_specversion": "1.0",
        "ce_id": offer.offer_id,
        "ce_type": "offer.issued",
        "ce_source": "/benchmark/arm",
        "ce_time": rfc3339(offer.issued_at_ms),
        "ce_subject": offer.task_id,
        "ce_tenantid": tenant_name(cause.domain),
        "ce_causationid": cause.event_id,
        "content-type": "application/json",
        "traceparent": cause.traceparent,
    }


def _script(name: str) -> tuple[str, str]:
    text = (LUA / f"{name}.lua").read_text()
    return text, hashlib.sha1(text.encode()).hexdigest()
