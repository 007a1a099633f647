"""What one claim costs, from 1 thousand to 1 million waiting tasks, in CPU time of the production code.

The job: 256 signatures (Zipf) of 1 to 3 out of 40 skills, 128 agents with 10 skills each, priorities 0 to 4. A claim is
`decide` on `task.complete`: the agent gets free and the router finds the next task and offers it, with its decision
record. The offer is then accepted and a task of the same queue arrives, so that as many wait as before.

`match.full` is the same job with the features on that decide who is matched (`benchmarks.features`).

The adversarial job (`benchmarks.specialist`): nothing that waits fits the specialist but the very last task; compared
with a scan in order.
"""

import gc
import math
import random
from collections.abc import Iterator, Sequence
from statistics import median
from time import process_time_ns
from typing import Final

from contracts.commands import AcceptOffer, CompleteTask
from contracts.configuration import Domain
from contracts.interactions import InteractionStarted
from contracts.tasks import TaskQueued
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.fold import fold
from router.domain.inputs import CommandInput, Input, InteractionInput
from router.domain.plans import Times, asked_by, on_entry
from router.domain.task import PLAIN, Task
from router.testing.parts import DOMAIN, agent, queue
from router.testing.story import TENANT, Story

from benchmarks import features, specialist
from benchmarks.report import Report

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
ADVERSARIAL_SIZES: Final = (1_000, 10_000, 100_000)
SIGNATURES: Final = 256
AGENTS: Final = 128
ROUNDS: Final = 9
TURNS: Final = 5
CLAIMS: Final = 31
"""Of the specialist by a whole decision, of each arm."""
SLOPE_GOAL: Final = "<= 0.15"
SCAN_GOAL: Final = ">= 10000"


def main() -> None:
    """Measure, print, and write `build/bench/match.jsonl`."""
    report = Report("match")
    for name, every_feature in (("match", False), ("match.full", True)):
        centre = Centre(every_feature=every_feature)
        claims = [_at_size(report, name, centre, size) for size in SIZES]
        report.write(f"{name}.claim.slope", slope(SIZES, claims), "", SLOPE_GOAL)
        del centre
    for size in ADVERSARIAL_SIZES:
        lanes_us, scan_us = specialist.found(specialist.waiting(size))
        report.write(f"match.specialist.{size}", lanes_us, "us")
        goal = SCAN_GOAL if size == ADVERSARIAL_SIZES[-1] else ""
        report.write(f"match.specialist_scan_ratio.{size}", scan_us / lanes_us, "x", goal)
    size = ADVERSARIAL_SIZES[-1]
    ours_us, scan_us = (specialist.decided(size, claims=CLAIMS, naive=naive) for naive in (False, True))
    report.write(f"match.specialist_decide.{size}", ours_us, "us")
    report.write(f"match.specialist_decide_scan_ratio.{size}", scan_us / ours_us, "x")


def _at_size(report: Report, name: str, centre: "Centre", size: int) -> float:
    """The claim; the others for information."""
    centre.fill(size)
    rounds = [centre.measure() for _ in range(ROUNDS)]
    claim = median(claim for claim, _, _ in rounds)
    report.write(f"{name}.claim.{size}", claim, "us")
    report.write(f"{name}.accept.{size}", median(accept for _, accept, _ in rounds), "us")
    report.write(f"{name}.arrival.{size}", median(arrival for _, _, arrival in rounds), "us")
    return claim


class Centre:
    """A domain where every agent is busy and many tasks wait."""

    def __init__(self, *, every_feature: bool = False, agents: int = AGENTS) -> None:
        chance = random.Random(7)
        skills = [f"skill-{number}" for number in range(40)]
        profiles = [chance.sample(skills, 10) for _ in range(AGENTS)]
        needs = [chance.sample(chance.choice(profiles), chance.randint(1, 3)) for _ in range(SIGNATURES)]
        self._queues = [f"q{number}" for number in range(SIGNATURES)]
        self._weights = [1 / rank for rank in range(1, SIGNATURES + 1)]
        self._chance = chance
        self._made = 0
        self._agents = agents
        self.story = Story(checker=None)
        queues = [queue(name, *needs[number], priority=number % 5) for number, name in enumerate(self._queues)]
        people = [agent(f"agent-{number}", *profiles[number % AGENTS]) for number in range(agents)]
        if every_feature:
            self.story.configure(*features.parts(queues, people))
        else:
            self.story.configure(Domain(id=DOMAIN), *queues, *people)
        self.busy: list[tuple[str, str]] = []
        """Agent and assignment."""
        self.fill(agents + SIZES[0])
        for person in people:
            self.story.on_duty(person.id)
            for task in self.story.domain.agents[person.id].tasks.values():
                decide(self.story.state, self._accept(task), self.story.now_ms)

    def fill(self, size: int) -> None:
        """Until so many wait. Folded, not decided, for speed."""
        domain, story = self.story.domain, self.story
        waiting = sum(line.counts["waiting"] for line in domain.queues.values())
        for queued in self.queued(size - waiting):
            fold(story.state, Fact(TENANT, queued), queued.queued_at_ms)
        gc.collect()
        gc.freeze()

    def queued(self, count: int) -> Iterator[TaskQueued]:
        """Tasks that come one after the other, a millisecond apart, as their queues would take them in."""
        domain = self.story.domain
        for name in self._chance.choices(self._queues, self._weights, k=max(0, count)):
            line = domain.queues[name]
            self._made += 1
            self.story.now_ms += 1
            now_ms = self.story.now_ms
            times = Times(since_ms=now_ms, entered_at_ms=now_ms, last_agent_id=None)
            waits = on_entry(domain, line, asked_by(line), times, now_ms)
            yield TaskQueued(
                task_id=f"i{self._made}.t1",
                interaction_id=f"i{self._made}",
                domain=DOMAIN,
                client=features.CLIENTS[self._made % 2],
                channel="webchat",
                queue=name,
                priority=waits.priority,
                cost=1,
                requirements=waits.requirements,
                queued_at_ms=now_ms,
                direction=line.settings.direction,
                terms=None if waits.terms is PLAIN else waits.terms,
            )

    def measure(self) -> tuple[float, float, float]:
        """One round: CPU microseconds of a claim, of an acceptance and of an arrival."""
        spent = [0.0, 0.0, 0.0]
        for _ in range(TURNS):
            self.story.now_ms += 1
            spent[0] += self._decide([self._complete(*busy) for busy in self.busy])
            offered = [task for task in self.story.domain.offers.values() if task.offer is not None]
            if len(offered) != self._agents:
                raise AssertionError("an agent found no task: the job is too small")
            self.busy = []
            spent[1] += self._decide([self._accept(task) for task in offered])
            spent[2] += self._decide([self._arrival(task.queue) for task in offered])
        return spent[0] / TURNS, spent[1] / TURNS, spent[2] / TURNS

    def _decide(self, inputs: Sequence[Input]) -> float:
        """CPU microseconds for each. The clock is read once for all: reading it costs more than deciding."""
        state, now_ms = self.story.state, self.story.now_ms
        start_ns = process_time_ns()
        for given in inputs:
            decide(state, given, now_ms)
        return (process_time_ns() - start_ns) / len(inputs) / 1000

    def _complete(self, agent_id: str, assignment_id: str) -> CommandInput:
        self._made += 1
        complete = CompleteTask(
            command_id=f"c{self._made}", domain=DOMAIN, agent_id=agent_id, assignment_id=assignment_id
        )
        return CommandInput(TENANT, complete)

    def _accept(self, task: Task) -> CommandInput:
        if task.offer is None:
            raise AssertionError("the task is not offered")
        agent_id, offer_id = task.offer.agent_id, task.offer.offer_id
        self.busy.append((agent_id, f"{offer_id}.a"))
        self._made += 1
        accept = AcceptOffer(command_id=f"a{self._made}", domain=DOMAIN, agent_id=agent_id, offer_id=offer_id)
        return CommandInput(TENANT, accept)

    def _arrival(self, name: str) -> InteractionInput:
        self._made += 1
        started = InteractionStarted(
            interaction_id=f"i{self._made}",
            domain=DOMAIN,
            client=features.CLIENTS[self._made % 2],
            channel="webchat",
            address="web:main",
            started_at_ms=self.story.now_ms,
            queue_hint=name,
        )
        return InteractionInput(TENANT, started)


def slope(sizes: tuple[int, ...], costs: list[float]) -> float:
    """Least squares of log cost over log size."""
    xs = [math.log(size) for size in sizes]
    ys = [math.log(cost) for cost in costs]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / sum((x - x_mean) ** 2 for x in xs)


if __name__ == "__main__":
    main()
