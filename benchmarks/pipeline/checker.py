"""Whether a run kept the rules of the job, replayed in the order in which the arm decided.

Rules: every task is offered exactly once; the agent has the skills; nobody holds more than their capacity; within a
signature the higher priority comes first, and within a priority who came first; no agent is free while a task waits
that they could take.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.pipeline.job import CAPACITY, PRIORITIES, Job, number_of

FAULTS_MAX: Final = 20
Kind = Literal["queued", "offered", "released"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What an input led to. `cause` is the input's event id; all effects of an input stand together."""

    kind: Kind
    number: int
    cause: str
    agent: int = -1


def effects_of(inputs: Iterable[str], offers: Sequence[Effect]) -> list[Effect]:
    """The replay of an arm that only publishes offers: inputs (event ids) in the order of their topic, with the offers
    that name them as cause. Offers that fit nowhere are left for the end, where the checker finds them.
    """
    effects: list[Effect] = []
    at = 0
    for cause in inputs:
        number = number_of(cause)
        effects.append(Effect("queued" if cause.endswith(".s") else "released", number, cause))
        while at < len(offers) and offers[at].cause == cause:
            effects.append(offers[at])
            at += 1
    return effects + list(offers[at:])


def answered(inputs: Sequence[str], offers: Sequence[Effect]) -> tuple[Sequence[str], Sequence[Effect]]:
    """Of a run that ends in mid-work what can be judged: all before the last input that an offer names."""
    last = offers[-1].cause
    return inputs[: inputs.index(last)], [offer for offer in offers if offer.cause != last]


def faults_in(job: Job, domain: int, effects: Sequence[Effect], *, drained: bool) -> list[str]:
    """What is wrong with one domain's run; nothing when all rules hold. `drained`: every task should have ended."""
    replay = _Replay(job, domain)
    for index, effect in enumerate(effects):
        replay.take(effect)
        if index + 1 == len(effects) or effects[index + 1].cause != effect.cause:
            replay.end_step()
        if len(replay.faults) >= FAULTS_MAX:
            break
    else:
        if drained:
            replay.end()
    return [f"domain {domain}: {fault}" for fault in replay.faults]


class _Replay:
    """Agents and tasks as the effects leave them. Sets of agents and of signatures are bit masks."""

    def __init__(self, job: Job, domain: int) -> None:
        self.faults: list[str] = []
        self._job = job
        self._domain = domain
        self._able = [sum(1 << agent for agent in agents) for agents in job.able]
        self._serves = [
            sum(1 << signature for signature, agents in enumerate(job.able) if agent in agents)
            for agent in range(len(job.agents))
        ]
        self._loads = [0] * len(job.agents)
        self._free = (1 << len(job.agents)) - 1
        self._lines: list[list[deque[int]]] = [[deque() for _ in range(PRIORITIES)] for _ in job.signatures]
        self._waiting = 0
        self._agent_of: dict[int, int] = {}
        self._seen: set[int] = set()
        self._touched: list[Effect] = []

    def take(self, effect: Effect) -> None:
        """One effect."""
        {"queued": self._queued, "offered": self._offered, "released": self._released}[effect.kind](effect)

    def end_step(self) -> None:
        """All effects of an input are in: nobody may be idle while work waits that they can do."""
        for effect in self._touched:
            if effect.kind == "queued":
                signature, _ = self._job.task(self._domain, effect.number)
                idle = self._waiting >> signature & 1 and self._able[signature] & self._free
            else:
                idle = self._free >> effect.agent & 1 and self._serves[effect.agent] & self._waiting
            if idle:
                self.faults.append(f"after {effect.cause} somebody is idle while a task waits that they can take")
        self._touched.clear()

    def end(self) -> None:
        """Everything is over: nothing waits and nobody holds anything."""
        waiting = sum(len(line) for lines in self._lines for line in lines)
        if waiting:
            self.faults.append(f"{waiting} tasks were never offered")
        if any(self._loads):
            self.faults.append(f"{sum(self._loads)} tasks were offered and never ended")

    def _queued(self, effect: Effect) -> None:
        self._touched.append(effect)
        if effect.number in self._seen:
            self.faults.append(f"task {effect.number} came twice")
            return
        self._seen.add(effect.number)
        signature, priority = self._job.task(self._domain, effect.number)
        self._lines[signature][priority].append(effect.number)
        self._waiting |= 1 << signature

    def _offered(self, effect: Effect) -> None:
        self._touched.append(effect)
        signature, priority = self._job.task(self._domain, effect.number)
        lines = self._lines[signature]
        if effect.number not in lines[priority]:
            self.faults.append(f"task {effect.number} was offered while it did not wait")
            return
        first = next(line[0] for line in reversed(lines) if line)
        if first != effect.number:
            self.faults.append(f"task {effect.number} was offered before task {first}, which came first")
        lines[priority].remove(effect.number)
        if not any(lines):
            self._waiting &= ~(1 << signature)
        if not self._able[signature] >> effect.agent & 1:
            self.faults.append(f"task {effect.number} was offered to agent {effect.agent}, who lacks a skill")
        self._load(effect.agent, +1)
        if self._loads[effect.agent] > CAPACITY:
            self.faults.append(f"agent {effect.agent} holds {self._loads[effect.agent]} tasks after {effect.cause}")
        self._agent_of[effect.number] = effect.agent

    def _released(self, effect: Effect) -> None:
        agent = self._agent_of.pop(effect.number, None)
        if agent is None:
            self.faults.append(f"task {effect.number} ended while nobody held it")
            return
        self._load(agent, -1)
        self._touched.append(Effect("released", effect.number, effect.cause, agent))

    def _load(self, agent: int, change: int) -> None:
        self._loads[agent] += change
        if self._loads[agent] < CAPACITY:
            self._free |= 1 << agent
        else:
            self._free &= ~(1 << agent)
