"""What it costs to find the one task, behind all others, that a specialist may have: lanes against a scan in order.

`found` asks the lanes alone, `decided` the whole domain: `decide` on the specialist's `task.complete`, with the next
offer and its decision record. The naive arm is the same domain but for its matcher, which looks through the waiting
tasks in order until one fits; nothing else of it is made slower.
"""

import gc
from collections.abc import Callable, Iterable
from statistics import median
from time import process_time_ns
from typing import Final

from contracts.commands import AcceptOffer, CompleteTask
from contracts.configuration import Domain
from contracts.tasks import Requirement, TaskQueued
from router.domain.agent import Agent
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.fold import fold
from router.domain.gates import Gates
from router.domain.inputs import CommandInput
from router.domain.lanes import Lanes
from router.domain.task import Task
from router.testing.parts import DOMAIN, agent, queue
from router.testing.story import TENANT, Story
from typing_extensions import override

SPECIALIST: Final = "ann"
OTHERS: Final = 40
"""So many skills that the specialist lacks."""


def found(tasks: list[Task], lanes_repeats: int = 5000) -> tuple[float, float]:
    """CPU microseconds of finding the task, which is the last, by lanes and by a scan in order."""
    specialist = Agent(agent_id=SPECIALIST, skills={"rare": 5}, capacity=1)
    lanes = Lanes()
    for task in tasks:
        lanes.task_waits(task)
    expected = tasks[-1].task_id

    def scan() -> str | None:
        return _first(tasks, specialist)

    if lanes.best_task(specialist) != expected or scan() != expected:
        raise AssertionError("lanes and scan find different tasks")
    return _cost_us(lambda: lanes.best_task(specialist), lanes_repeats), _cost_us(scan, max(3, 300_000 // len(tasks)))


def decided(size: int, *, claims: int, naive: bool) -> float:
    """CPU microseconds of a whole claim, the median; as many tasks wait all the time."""
    story = Story(checker=None)
    names = [f"skill-{number}" for number in range(OTHERS)]
    queues = [queue(name, name) for name in (*names, "rare")]
    story.configure(Domain(id=DOMAIN), *queues, agent(SPECIALIST, "rare:5"))
    if naive:
        domain = story.domain
        domain.lanes = Scan(domain.gates, domain.tasks)
        domain.lanes.agent_changed(domain.agents[SPECIALIST])
    for number in range(size):
        _queue(story, f"t{number}", names[number % OTHERS])
    _queue(story, "rare-0", "rare")
    story.on_duty(SPECIALIST)
    gc.collect()
    gc.freeze()
    return median(_claim(story, number) for number in range(claims))


class Scan(Lanes):
    """Lanes that nobody asks for a task: a scan finds it."""

    __slots__ = ("_tasks",)

    def __init__(self, gates: Gates, tasks: dict[str, Task]) -> None:
        super().__init__(gates)
        self._tasks = tasks

    @override
    def best_task(self, agent: Agent) -> str | None:
        return _first((task for task in self._tasks.values() if task.in_line), agent)


def _first(tasks: Iterable[Task], agent: Agent) -> str | None:
    for task in tasks:
        if all(agent.skills.get(each.skill, 0) >= each.minimum for each in task.requirements):
            return task.task_id
    return None


def _claim(story: Story, number: int) -> float:
    """Accept what is offered, let the next one come, and then the claim, which alone is timed."""
    domain = story.domain
    [(offer_id, task)] = domain.offers.items()
    accept = AcceptOffer(command_id=f"a{number}", domain=DOMAIN, agent_id=SPECIALIST, offer_id=offer_id)
    decide(story.state, CommandInput(TENANT, accept), story.now_ms)
    _queue(story, f"rare-{number + 1}", "rare")
    complete = CompleteTask(command_id=f"c{number}", domain=DOMAIN, agent_id=SPECIALIST, assignment_id=f"{offer_id}.a")
    start_ns = process_time_ns()
    decide(story.state, CommandInput(TENANT, complete), story.now_ms)
    spent_us = (process_time_ns() - start_ns) / 1000
    if [each.queue for each in domain.offers.values()] != ["rare"] or task.task_id in domain.tasks:
        raise AssertionError("the specialist found no other task")
    return spent_us


def _queue(story: Story, name: str, queue_name: str) -> None:
    """Folded, not decided, for speed."""
    story.now_ms += 1
    queued = TaskQueued(
        task_id=f"{name}.t1",
        interaction_id=name,
        domain=DOMAIN,
        client="shop",
        channel="webchat",
        queue=queue_name,
        priority=5,
        cost=1,
        requirements=story.domain.queues[queue_name].requirements,
        queued_at_ms=story.now_ms,
    )
    fold(story.state, Fact(TENANT, queued), story.now_ms)


def waiting(size: int) -> list[Task]:
    """So many tasks that the specialist may not have, and behind them one that they may."""
    needs = [f"skill-{number % OTHERS}" for number in range(size)]
    return [_task(number, skill) for number, skill in enumerate([*needs, "rare"])]


def _task(number: int, skill: str) -> Task:
    return Task(
        task_id=f"t{number}",
        interaction_id=f"i{number}",
        client="shop",
        channel="webchat",
        queue="any",
        priority=5,
        base_priority=5,
        cost=1,
        requirements=(Requirement(skill=skill),),
        queued_at_ms=number,
        offer_timeout_seconds=20,
        wrapup_seconds=60,
    )


def _cost_us(call: Callable[[], object], repeats: int) -> float:
    costs = []
    for _ in range(5):
        start_ns = process_time_ns()
        for _repeat in range(repeats):
            call()
        costs.append((process_time_ns() - start_ns) / repeats / 1000)
    return median(costs)
