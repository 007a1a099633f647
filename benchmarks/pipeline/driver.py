"""The driver's process: plays one arm's run, measures, checks, and writes what it found as JSON."""

import argparse
import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import uvloop
from redis.asyncio import Redis

from benchmarks.pipeline.centre import open_centre
from benchmarks.pipeline.checker import answered, effects_of, faults_in
from benchmarks.pipeline.job import AGENTS, CAPACITY, DOMAINS, OUTSTANDING, domain_name, job, tenant_name
from benchmarks.pipeline.link import open_link
from benchmarks.pipeline.meters import PARTS, Meters
from benchmarks.pipeline.play import Play

SETTLE_SECONDS_MAX: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to play against which processes."""

    arm: str
    kafka: str
    redis: str
    router_pid: int
    kafka_pid: int
    warm_seconds: float
    seconds: float
    backlog: int
    latency_seconds: float
    rate: float
    result: str

    @property
    def ours(self) -> bool:
        """The engine, in either job."""
        return self.arm.startswith("ours")


def main() -> None:
    """Run the plan of the arguments."""
    parser = argparse.ArgumentParser()
    for name, kind in Plan.__annotations__.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, required=True)
    plan = Plan(**vars(parser.parse_args()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(play(plan))
    Path(plan.result).write_text(json.dumps(result))


async def play(plan: Plan) -> dict[str, object]:
    """Figures by phase, and the faults."""
    redis = Redis.from_url(plan.redis)
    result: dict[str, object] = {"arm": plan.arm}
    async with open_link(plan.kafka) as link, AsyncExitStack() as stack:
        played = Play(link, full=plan.arm == "ours-full")
        await stack.enter_async_context(_listening(played))
        if plan.ours:
            await stack.enter_async_context(open_centre(played, redis, every_feature=plan.arm == "ours-all"))
        meters = Meters(plan.router_pid, plan.kafka_pid, redis)
        result["load"] = load = await _closed_loop(played, meters, plan)
        if plan.latency_seconds:
            half = load["tasks_per_second"] / 2
            result["calm"] = await _open_loop(played, meters, plan.rate, plan.latency_seconds)
            result["half"] = await _open_loop(played, meters, half, plan.latency_seconds)
        faults = await _faults(played, redis, plan)
    await redis.aclose()
    return result | {"faults": faults, "tasks": sum(played.started)}


async def _closed_loop(played: Play, meters: Meters, plan: Plan) -> dict[str, float]:
    """Keep so many tasks under way for the given time."""
    for _ in range(OUTSTANDING + plan.backlog):
        for domain in range(DOMAINS):
            played.start(domain)
    played.refill = True
    # The first answers come while a backlog still goes in; these have passed through all of it.
    await played.until(lambda: played.tasks_ended >= DOMAINS * (OUTSTANDING + AGENTS * CAPACITY))
    await asyncio.sleep(plan.warm_seconds)
    ended_before, before = played.tasks_ended, await meters.read()
    await asyncio.sleep(plan.seconds)
    spent = (await meters.read()).since(before)
    tasks = played.tasks_ended - ended_before
    if plan.backlog:
        played.refill = False
    else:
        await played.drain()
    inputs = max(1, tasks * played.inputs_per_task)
    figures = {f"{part}_us": spent.cpu[part] * 1e6 / inputs for part in PARTS}
    return figures | {"events_per_second": inputs / spent.at, "tasks_per_second": tasks / spent.at}


async def _open_loop(played: Play, meters: Meters, rate: float, seconds: float) -> dict[str, float]:
    """Tasks come at random moments, whatever the arm does; latency counts from when each was due."""
    chance = random.Random(rate)
    played.latencies.clear()
    before, ended_before = await meters.read(), played.tasks_ended
    begin = due = time.monotonic()
    number = 0
    while due < begin + seconds:
        due += chance.expovariate(rate)
        wait = due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        played.start(number % DOMAINS, due=due)
        number += 1
    await played.drain()
    spent = (await meters.read()).since(before)
    inputs = (played.tasks_ended - ended_before) * played.inputs_per_task
    latencies = sorted(played.latencies)
    return {
        "rate": rate,
        "p50_ms": median(latencies) * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "router_us": spent.cpu["router"] * 1e6 / inputs,
    }


async def _faults(played: Play, redis: Redis, plan: Plan) -> list[str]:
    """Broken rules, and loads in Valkey that are not back to nothing."""
    faults: list[str] = []
    for domain in range(DOMAINS):
        effects = played.effects[domain]
        if plan.arm == "null":
            relayed = [effect.number for effect in effects]
            if relayed != list(range(played.started[domain])):
                faults.append(f"domain {domain}: not every task was relayed once and in order")
            continue
        if plan.arm != "ours-full":
            inputs = played.sent[domain]
            effects = effects_of(*(answered(inputs, effects) if plan.backlog else (inputs, effects)))
        faults += faults_in(job(), domain, effects, drained=not plan.backlog)
    if plan.arm != "null" and not plan.backlog:
        faults += await _loads_left(redis, ours=plan.ours)
    return faults


async def _loads_left(redis: Redis, *, ours: bool) -> list[str]:
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    left: list[str] = [""]
    while left and time.monotonic() < deadline:
        left = []
        for domain in range(DOMAINS):
            loads = await (_held(redis, domain) if ours else redis.hvals(f"{{{domain_name(domain)}}}:loads"))
            if any(int(load) for load in loads) or (ours and len(loads) != AGENTS):
                left.append(f"domain {domain}: loads in Valkey are {loads}")
        await asyncio.sleep(0.1)
    return left


async def _held(redis: Redis, domain: int) -> list[int]:
    views = await redis.hvals(f"r:{{{tenant_name(domain)}/{domain_name(domain)}}}:agents")
    return [int(json.loads(view)["held"]) for view in views]


@asynccontextmanager
async def _listening(played: Play) -> AsyncGenerator[None]:
    """A failure of the listener ends the run."""
    async with asyncio.TaskGroup() as group:
        listener = group.create_task(played.listen())
        yield
        listener.cancel()


if __name__ == "__main__":
    main()
