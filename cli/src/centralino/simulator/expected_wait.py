"""How well a wait can be told beforehand: ways to estimate it, on simulated traffic, against the wait that came.

`python -m centralino.simulator.expected_wait` prints the tables of docs/expected-wait.md. What counts are contacts that
had to wait and were answered: who finds a free agent waits no time, and every way knows that. The estimators see the
facts of `decide` alone, in their order. The first of them is the router's own, `task.queued.expected_wait_ms`.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Final  # Any: fields of a scenario

from contracts.offers import OfferIssued
from contracts.tasks import TaskAbandoned, TaskAssigned, TaskCompleted, TaskQueued
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.inputs import Input
from router.domain.need import has_skills, skills_of
from router.domain.state import DomainState, State

from centralino.simulator.driver import Driver
from centralino.simulator.opening import TENANT
from centralino.simulator.scenario import Scenario
from centralino.simulator.validation import exponential

DOMAIN: Final = "main"
UNKNOWN: Final = -1.0


@dataclass(slots=True)
class Mean:
    """A moving average in which the newest value counts one in `weight`, an ordinary one until there are so many."""

    weight: int
    count: int = 0
    value: float = UNKNOWN

    def add(self, value: float) -> None:
        """One more."""
        self.count = min(self.count + 1, self.weight)
        self.value = value if self.count == 1 else self.value + (value - self.value) / self.count


@dataclass(slots=True)
class Line:
    """A queue, as the facts show it."""

    waiting: dict[str, tuple[int, int]] = field(default_factory=dict)
    """When each came, and at which position."""
    started_ms: int | None = None
    left_ms: int | None = None
    paces: dict[int, Mean] = field(default_factory=lambda: {weight: Mean(weight) for weight in (8, 32)})
    departures: Mean = field(default_factory=lambda: Mean(32))
    waits: dict[int, Mean] = field(default_factory=lambda: {weight: Mean(weight) for weight in (8, 32, 64)})
    positions: dict[int, Mean] = field(default_factory=lambda: {weight: Mean(weight) for weight in (8, 32, 64)})
    handled: Mean = field(default_factory=lambda: Mean(32))
    last_wait: float = UNKNOWN

    def assigned(self, task_id: str, now_ms: int, *, at_once: bool) -> None:
        """A task left for an agent."""
        came_ms, position = self.waiting.pop(task_id)
        if self.started_ms is not None:
            for pace in self.paces.values():
                pace.add(now_ms - self.started_ms)
        self._leaves(now_ms)
        self.started_ms = now_ms if self.waiting else None
        self.last_wait = now_ms - came_ms
        if not at_once:
            for weight, waits in self.waits.items():
                waits.add(now_ms - came_ms)
                self.positions[weight].add(position)

    def abandoned(self, task_id: str, now_ms: int) -> None:
        """A customer left."""
        del self.waiting[task_id]
        self._leaves(now_ms)

    def _leaves(self, now_ms: int) -> None:
        if self.left_ms is not None:
            self.departures.add(now_ms - self.left_ms)
        self.left_ms = now_ms if self.waiting else None


Estimator = Callable[["Watch", str, int], float]
"""Of the watch, a queue and an instant: the wait of who has just come, in milliseconds; UNKNOWN if it cannot tell."""


def paced(weight: int) -> Estimator:
    """Mean interval between two assignments while somebody waits, times the position."""

    def estimate(watch: "Watch", queue: str, _: int) -> float:
        line = watch.lines[queue]
        return _product(line.paces[weight].value, len(line.waiting))

    return estimate


def ratio(weight: int) -> Estimator:
    """What the last who had to wait did wait, for each position that they had when they came, times the position."""

    def estimate(watch: "Watch", queue: str, _: int) -> float:
        line = watch.lines[queue]
        waits, positions = line.waits[weight].value, line.positions[weight].value
        return UNKNOWN if waits == UNKNOWN else waits / positions * len(line.waiting)

    return estimate


def departed(watch: "Watch", queue: str, _: int) -> float:
    """As the pace, with those who left counted as well."""
    line = watch.lines[queue]
    return _product(line.departures.value, len(line.waiting))


def handled(watch: "Watch", queue: str, _: int) -> float:
    """Mean handling time times the position in the queue, over the agents who could serve it."""
    line = watch.lines[queue]
    return _product(line.handled.value, len(line.waiting)) / watch.agents(queue)


def handled_all(watch: "Watch", queue: str, _: int) -> float:
    """As `handled`, with all who wait anywhere before one."""
    ahead = sum(len(line.waiting) for line in watch.lines.values())
    return _product(watch.lines[queue].handled.value, ahead) / watch.agents(queue)


def last_to_enter_service(watch: "Watch", queue: str, _: int) -> float:
    """What the last one waited (LES; Ibrahim and Whitt 2009)."""
    return watch.lines[queue].last_wait


def head_of_line(watch: "Watch", queue: str, now_ms: int) -> float:
    """What the first in line has waited so far (HOL; the same)."""
    first = next(iter(watch.lines[queue].waiting.values()))
    return now_ms - first[0]


def _product(value: float, times: int) -> float:
    return UNKNOWN if value == UNKNOWN else value * times


ESTIMATORS: Final[dict[str, Estimator]] = {
    "pace, 1 in 8": paced(8),
    "pace, 1 in 32": paced(32),
    "departures, 1 in 32": departed,
    "wait per position, 1 in 8": ratio(8),
    "wait per position, 1 in 32": ratio(32),
    "wait per position, 1 in 64": ratio(64),
    "handling x position / agents": handled,
    "handling x all before / agents": handled_all,
    "last to enter service": last_to_enter_service,
    "head of line": head_of_line,
}


@dataclass(slots=True)
class Errors:
    """Of one way to tell."""

    count: int = 0
    absolute: float = 0
    signed: float = 0
    squared: float = 0

    def add(self, error_ms: float) -> None:
        """Told less came."""
        self.count += 1
        self.absolute += abs(error_ms)
        self.signed += error_ms
        self.squared += error_ms * error_ms


class Watch:
    """Stands between a driver and `decide`, and asks every estimator about everybody who has to wait."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.errors = {name: Errors() for name in ("the router", *ESTIMATORS)}
        self.waited_ms = 0
        self.free = Errors()
        """What the router told those who found an agent free, and so waited no time."""
        self._told: dict[str, dict[str, float]] = {}
        self._domain: DomainState | None = None
        self._agents: dict[tuple[str, int], int] = {}

    def decide(self, state: State, given: Input, now_ms: int) -> list[Fact]:
        """The production `decide`."""
        if not state.domains:
            self.lines, self._told = {}, {}
        facts = decide(state, given, now_ms)
        self._domain = state.find(TENANT, DOMAIN)
        at_once = {fact.data.task_id for fact in facts if isinstance(fact.data, OfferIssued)}
        for fact in facts:
            self._read(fact.data, now_ms, at_once)
        return facts

    def agents(self, queue: str) -> int:
        """Who could serve the queue: ready, with its skills, free or not."""
        if self._domain is None:
            return 1
        wanted = skills_of(self._domain.queues[queue].requirements)
        ready = (agent for agent in self._domain.agents.values() if agent.state == "ready")
        return max(1, sum(has_skills(agent.skills, wanted, (), ()) for agent in ready))

    def _read(self, data: object, now_ms: int, at_once: set[str]) -> None:
        match data:
            case TaskQueued():
                line = self.lines.setdefault(data.queue, Line())
                line.waiting[data.task_id] = (now_ms, len(line.waiting) + 1)
                self._tell(data, now_ms, at_once)
            case TaskAssigned():
                told = self._told.pop(data.task_id, None)
                self.lines[data.queue].assigned(data.task_id, now_ms, at_once=told is None)
                if told is not None and UNKNOWN not in told.values():
                    self._compare(told, data.waited_ms)
            case TaskAbandoned():
                self._told.pop(data.task_id, None)
                self.lines[data.queue].abandoned(data.task_id, now_ms)
            case TaskCompleted():
                self.lines[data.queue].handled.add(data.handled_ms)

    def _tell(self, data: TaskQueued, now_ms: int, at_once: set[str]) -> None:
        if data.task_id in at_once:
            self.free.add(data.expected_wait_ms or 0)
            return
        told = {name: estimate(self, data.queue, now_ms) for name, estimate in ESTIMATORS.items()}
        told["the router"] = UNKNOWN if data.expected_wait_ms is None else data.expected_wait_ms
        self._told[data.task_id] = told

    def _compare(self, told: dict[str, float], waited_ms: int) -> None:
        self.waited_ms += waited_ms
        for name, wait_ms in told.items():
            self.errors[name].add(wait_ms - waited_ms)


# Scenarios


def centre(contacts: Sequence[dict[str, Any]], groups: Sequence[dict[str, Any]], **settings: Any) -> Scenario:
    """Days of 16 hours that start empty, knowing nothing; queues are those that the contacts name."""
    queues = [
        {
            "id": each["queue"],
            "domain": DOMAIN,
            "name": each["queue"],
            "requirements": each.pop("requirements", []),
            "priority": each.pop("priority", 5),
        }
        for each in contacts
    ]
    skills = sorted({skill["skill"] for each in queues for skill in each["requirements"]})
    document = {
        "configuration": {"clients": ["shop"], "skills": skills, "domains": [{"id": DOMAIN}], "queues": queues},
        "contacts": contacts,
        "groups": groups,
        "day": {"periods": 16, "period_seconds": 3600},
    }
    return Scenario.model_validate(document | settings)


def calls(name: str, per_hour: object, minutes: float, **fields: Any) -> dict[str, Any]:
    """A contact type with its queue."""
    return {"name": name, "queue": name, "per_hour": per_hour, "service": exponential(minutes)} | fields


def crew(number: int, name: str = "agents", **skills: int) -> dict[str, Any]:
    """Agents who hold one task."""
    return {"name": name, "number": number, "agent": {"capacity": 1, "skills": skills}}


PATIENT: Final = {"distribution": "exponential", "mean_seconds": 240}
WAVES: Final = [80, 100, 160, 220, 240, 230, 170, 120, 110, 150, 210, 240, 200, 140, 90, 70]
BILLING: Final = [{"skill": "billing"}]


def scenarios() -> Iterator[tuple[str, Scenario]]:
    """Means of service 3 min unless said."""
    for load in (0.8, 0.9, 0.95):
        yield f"M/M/10 at {load:g}", centre([calls("calls", 200 * load, 3)], [crew(10)])
    yield "M/M/50 at 0.95", centre([calls("calls", 950, 3)], [crew(50)])
    yield "10 agents at 1.1, patience 4 min", centre([calls("calls", 220, 3, patience=PATIENT)], [crew(10)])
    yield "rates between 0.35 and 1.2, patience 4 min", centre([calls("calls", WAVES, 3, patience=PATIENT)], [crew(10)])
    yield (
        "rates between 0.35 and 1.2, lognormal service",
        centre(
            [
                calls("calls", WAVES, 3, patience=PATIENT)
                | {"service": {"distribution": "lognormal", "mean_seconds": 180, "deviation_seconds": 180}}
            ],
            [crew(10)],
        ),
    )
    leave = crew(8, "morning") | {"shifts": [{"from_seconds": 0, "to_seconds": 28_800}]}
    day = calls("calls", [210] * 8 + [100] * 8, 3, patience=PATIENT)
    yield "8 of 14 agents leave at midday, patience 4 min", centre([day], [crew(6), leave])
    shared = [calls("general", 110, 3), calls("billing", 55, 4, requirements=BILLING)]
    yield "two queues share 10 agents at 0.92", centre(shared, [crew(10, billing=1)])
    shared = [calls("general", 110, 3), calls("billing", 55, 4, requirements=BILLING, priority=7)]
    yield "the same, one before the other", centre(shared, [crew(10, billing=1)])
    shared = [calls("general", 120, 3, patience=PATIENT), calls("billing", 60, 4, requirements=BILLING)]
    yield "the same, 6 of 11 agents serve both", centre(shared, [crew(5), crew(6, "seniors", billing=1)])


def main() -> None:
    """Print a table for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--only", default="", help="scenarios whose name holds these words")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for name, scenario in scenarios():
        if arguments.only not in name:
            continue
        watch = Watch()
        Driver(scenario.model_copy(update={"days": arguments.days, "seed": arguments.seed}), watch.decide).run()
        print("\n".join(_table(name, watch)), flush=True)


def _table(name: str, watch: Watch) -> Iterator[str]:
    count = max(1, watch.errors["the router"].count)
    yield f"\n**{name}**: {count:,} waited, {watch.waited_ms / count / 1000:.1f} s on average"
    told = watch.free.absolute / max(1, watch.free.count) / 1000
    yield f"{watch.free.count:,} found an agent free; the router had told them {told:.1f} s on average"
    yield "\n| way | mean absolute error, s | bias, s | root of mean square, s |\n|---|--:|--:|--:|"
    for way, errors in watch.errors.items():
        means = (errors.absolute / count, errors.signed / count, sqrt(errors.squared / count))
        yield "| " + " | ".join([way, *(f"{each / 1000:.1f}" for each in means)]) + " |"


if __name__ == "__main__":
    main()
