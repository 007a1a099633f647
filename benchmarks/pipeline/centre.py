"""What ours needs before the job: configuration, agents who are ready, and devices that are alive.

All by the product's own means: records in `config`, commands in `routing.inputs`, heartbeats in Redis.

With routing's features on, the configuration says the same job in all words that there are, so that the checker's rules
hold unchanged: skills as ranges, any and none; teams, clients and channels that everybody has; a share and a reserve
that never bind; aging by which a point of priority is worth two hours; service levels that are alike; plans whose
steps come after the run; agents chosen in every way; queues that are always open, never full and never give an alert;
rules that read the text and the rest of every contact, set labels and else say what the queue says.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, get_args

from contracts import Event, encode
from contracts.calendars import Calendar, Week
from contracts.commands import ActivateConfiguration, SetAgentState
from contracts.configuration import Domain
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord, RecordKind
from contracts.routing_parts import (
    Agent,
    Alert,
    Choice,
    Destination,
    Plan,
    Queue,
    RequiredSkill,
    ServiceLevel,
    Step,
    Team,
)
from contracts.rules import Rule
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
CLIENT: Final = "shop"
TEAM: Final = "everybody"
CHOICES: Final = get_args(Choice)
_DOMAIN: Final[dict[str, object]] = {
    "aging_seconds_per_priority": 7200,
    "longest_wait_seconds": 6 * 86_400,
    "client_shares": [{"client": CLIENT, "minimum_percent": 1, "units_max": 4 * AGENTS * CAPACITY}],
    "outbound_idle_reserve": 1,
    "interruptible": ["email"],
    "offer_timeouts": {"webchat": OFFER_TIMEOUT_SECONDS},
    "agent_backoff": {"rejected_seconds": 1, "expired_seconds": 1},
    "idle_reset_by": ["ready", "assignment", "outbound", "refusal"],
}
RULES: Final[Sequence[dict[str, object]]] = [
    {"id": "spam", "when": 'channel == "email" && text.startsWith("[SPAM]")', "priority": 0},
    {"id": "refund-words", "when": 'text.contains("refund") || text.contains("money back")', "labels": ["refund"]},
    {"id": "long", "when": "text.size() > 200", "labels": ["long"]},
    {"id": "checkout", "when": 'has(attributes.page) && attributes.page.startsWith("/checkout")', "labels": ["sales"]},
    {"id": "gold", "when": 'customer.tier == "gold" || "vip" in customer.labels', "priority": 9},
    {"id": "angry", "when": '"refund" in labels && customer.known', "band": 1},
    {"id": "rest-of-sales", "when": '"sales" in labels && "long" in labels', "labels": ["offer-help"]},
    {"id": "night", "when": "hour < 6 || hour >= 22 || weekday > 5", "labels": ["out-of-hours"]},
    {"id": "spanish", "when": 'language == "es" || customer.language == "es"', "language": "es"},
    {"id": "shop", "when": 'client == "shop" && queue_hint != ""', "band": 0, "labels": ["known-queue"]},
    {"id": "unreached", "when": 'address == "web:main"', "priority": 9},
]
"""All but the first and `shop`, which matches, let those behind them be looked at."""
FINAL_RULES: Final = ("spam", "shop")


@asynccontextmanager
async def open_centre(play: Play, redis: Redis, *, every_feature: bool = False) -> AsyncGenerator[None]:
    """Everybody is ready and present inside."""
    heartbeats = asyncio.create_task(_beat(redis))
    try:
        for domain in range(DOMAINS):
            for record in _configuration(domain, every_feature=every_feature):
                play.put(record)
        await play.all_sent()  # the switch is in another topic, and must not be read before what it switches to
        for domain in range(DOMAINS):
            play.put(_switch(domain))
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


def _configuration(domain: int, *, every_feature: bool) -> Iterator[Input]:
    name = domain_name(domain)
    more = _DOMAIN if every_feature else {}
    settings = Domain.model_validate({"id": name, **more}).model_dump(mode="json") | {"partition": domain}
    yield _record(domain, "domain", f"domain:{name}", settings)
    if every_feature:
        yield from _parts(domain)
    for signature, requirements in enumerate(job().signatures):
        for priority in range(PRIORITIES):
            needs = [RequiredSkill(skill=each.skill, minimum=each.minimum) for each in requirements]
            queue = Queue(
                id=queue_name(signature, priority),
                domain=name,
                name="Queue",
                requirements=needs,
                priority=priority,
                offer_timeout_seconds=OFFER_TIMEOUT_SECONDS,
            )
            if every_feature:
                queue = queue.model_copy(update=_queue_features(signature, needs))
            yield _record(domain, "queue", f"queue:{name}/{queue.id}", queue.model_dump(mode="json"))
    for number, skills in enumerate(job().agents):
        agent = Agent(id=agent_name(number), domain=name, name="Ana", skills=skills, capacity=CAPACITY)
        if every_feature:
            agent = agent.model_copy(update={"team": TEAM, "clients": [CLIENT], "channels": {"webchat": CAPACITY}})
        yield _record(domain, "agent", f"agent:{agent.id}", agent.model_dump(mode="json"))
    yield _record(domain, "version", "version", None)


def _switch(domain: int) -> Input:
    return _input(domain, "activate", ActivateConfiguration(domain=domain_name(domain), version=1, hash="h"))


def _queue_features(signature: int, skills: list[RequiredSkill]) -> dict[str, object]:
    """The same to ask of an agent: the first skill as a range, each other one as the only one of its group."""
    return {
        "requirements": skills[:1],
        "any_of": [[skill] for skill in skills[1:]],
        "none_of": [RequiredSkill(skill="barred")],
        "teams": [TEAM],
        "plan": "later",
        "service_level": ServiceLevel(),
        "choose_agent": CHOICES[signature % len(CHOICES)],
        "calendar": "always",
        "waiting_max": 1_000_000,
        "full": Destination(to="message", message="Please come back later."),
        "alerts": [Alert(id="long-line", measure="waiting", above=1_000_000)],
    }


def rules(domain: int) -> list[Rule]:
    """They match and set labels, and leave queue, requirements, priority and band of the job's contacts as they are."""
    name = domain_name(domain)
    return [Rule.model_validate({"domain": name, "go_on": rule["id"] not in FINAL_RULES, **rule}) for rule in RULES]


def _parts(domain: int) -> Iterator[Input]:
    name = domain_name(domain)
    steps = [Step(after_seconds=OFFER_TIMEOUT_SECONDS * (1 + number), priority_add=1) for number in range(3)]
    plan = Plan(id="later", domain=name, steps=steps)
    team = Team(id=TEAM, domain=name, name="Team")
    week = Week.model_validate({day: [("00:00", "24:00")] for day in Week.model_fields})
    calendar = Calendar(id="always", domain=name, time_zone="Europe/Berlin", weekly=week)
    for kind, part in (("plan", plan), ("team", team), ("calendar", calendar)):
        yield _part(domain, kind, f"{kind}:{name}/{part.id}", part.model_dump(mode="json"))
    ordered = [rule.model_dump(mode="json") for rule in rules(domain)]
    yield _part(domain, "rules", f"rules:{name}", {"rules": ordered})


def _part(domain: int, kind: str, name: str, value: dict[str, object]) -> Input:
    data = ConfigurationPart(kind=kind, id=name, domain=domain_name(domain), version=1, value=value)
    return replace(_input(domain, name, data), partition=0)


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
