"""Scenarios whose figures are known, from closed forms and from what others have published.

`python -m centralino.simulator.validation` runs them at full length and prints the tables of docs/simulator.md;
the tests run them shorter. Every figure has to lie within the joint error of all that are compared (Bonferroni).
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from time import process_time
from typing import Final

from centralino.simulator.driver import Driver
from centralino.simulator.erlang import delay, erlang_a, erlang_b
from centralino.simulator.figures import Estimate, student
from centralino.simulator.scenario import Scenario
from centralino.simulator.tally import Scope, Tally

CONFIDENCE: Final = 0.999
"""That all figures together lie within their errors, if the simulator is right."""
CALLS: Final[Scope] = ("contacts", "calls")
AGENTS: Final[Scope] = ("group", "agents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a figure has to be."""

    figure: str
    value: float
    scope: Scope = CALLS
    error: float = 0.0
    """Standard error of who published it; a closed form has none."""
    rounding: float = 0.0
    """How far the published digits may be from what they were."""


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario and what is known of it."""

    name: str
    scenario: Scenario
    known: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of a case, known and simulated."""

    case: str
    known: Known
    simulated: Estimate
    allowed: float
    """The greatest difference that chance explains."""

    @property
    def agrees(self) -> bool:
        """Whether chance explains the difference."""
        return abs(self.simulated.value - self.known.value) <= self.allowed


def compare(cases: Sequence[Case], run: Callable[[Case], Tally]) -> list[Compared]:
    """Run the cases; the errors are those of all their figures together."""
    single = 1 - (1 - CONFIDENCE) / sum(len(case.known) for case in cases)
    return [each for case in cases for each in _compared(case, run(case), single)]


def _compared(case: Case, tally: Tally, confidence: float) -> Iterator[Compared]:
    for known in case.known:
        simulated = tally.figures(known.scope)[known.figure]
        error = sqrt(simulated.error**2 + known.error**2)
        allowed = student(simulated.days - 1, confidence) * error + known.rounding
        yield Compared(case.name, known, simulated, allowed)


# Scenarios


def pool(
    per_minute: float,
    service_minutes: float,
    agents: int,
    *,
    days: int,
    hours: int,
    warmup_hours: int = 0,
    patience: dict[str, object] | None = None,
) -> Scenario:
    """One queue, agents who are alike, Poisson arrivals and exponential service."""
    document: dict[str, object] = {
        "configuration": {
            "clients": ["shop"],
            "domains": [{"id": "main"}],
            "queues": [{"id": "calls", "domain": "main", "name": "Calls"}],
        },
        "contacts": [
            {
                "name": "calls",
                "queue": "calls",
                "per_hour": per_minute * 60,
                "patience": patience,
                "service": exponential(service_minutes),
            }
        ],
        "groups": [{"name": "agents", "number": agents, "agent": {"capacity": 1}}],
        "days": days,
        "day": {"periods": hours, "period_seconds": 3600, "warmup_periods": warmup_hours},
    }
    return Scenario.model_validate(document)


def exponential(minutes: float) -> dict[str, object]:
    """With this mean."""
    return {"distribution": "exponential", "mean_seconds": 60 * minutes}


IMPATIENT: Final[dict[str, object]] = {"distribution": "fixed", "seconds": 0}
"""Nobody waits: who finds no agent at once is lost."""


def loss(load: float, agents: int, *, days: int) -> Case:
    """Erlang B; service 3 min."""
    blocked = erlang_b(load, agents)
    return Case(
        f"Erlang B, load {load:g}, {agents} agents",
        pool(load / 3, 3, agents, days=days, hours=10, warmup_hours=2, patience=IMPATIENT),
        (
            Known(figure="abandonment", value=blocked),
            Known(figure="busy", value=load * (1 - blocked) / agents, scope=AGENTS),
        ),
    )


def waiting(load: float, agents: int, *, days: int) -> Case:
    """Erlang C; service 3 min, target 20 s."""
    wanted = delay(load / 3, 1 / 3, agents)
    return Case(
        f"Erlang C, load {load:g}, {agents} agents",
        pool(load / 3, 3, agents, days=days, hours=16, warmup_hours=4),
        (
            Known(figure="delayed", value=wanted.waits),
            Known(figure="service_level", value=wanted.within(1 / 3)),
            Known(figure="mean_wait_seconds", value=60 * wanted.mean_wait),
            Known(figure="busy", value=wanted.occupancy, scope=AGENTS),
        ),
    )


def leaving(per_minute: float, service_minutes: float, agents: int, patience_minutes: float, *, days: int) -> Case:
    """Erlang A."""
    wanted = erlang_a(per_minute, 1 / service_minutes, agents, 1 / patience_minutes)
    patience = exponential(patience_minutes)
    load = per_minute * service_minutes
    return Case(
        f"Erlang A, load {load:g}, {agents} agents, patience {patience_minutes / service_minutes:g} services",
        pool(per_minute, service_minutes, agents, days=days, hours=8, warmup_hours=2, patience=patience),
        (
            Known(figure="delayed", value=wanted.waits),
            Known(figure="abandonment", value=wanted.abandons),
            Known(figure="mean_wait_seconds", value=60 * wanted.mean_wait),
            Known(figure="busy", value=wanted.occupancy, scope=AGENTS),
        ),
    )


def mmc(*, days: int) -> Case:
    """ContactCenters (L'Ecuyer and Buist), doc/examples/MMC.java and MMC.res: 1,000 days from empty, 8 h, drained."""
    return Case(
        "ContactCenters MMC",
        pool(4.2, 2, 12, days=days, hours=8),
        (
            _published("in_target", 1816.158, 57.043),
            _published("service_level_of_answered", 0.902, 0.033, rounding=0.0005),
            _published("asa_seconds", 60 * 0.099, 60 * 0.045, rounding=60 * 0.0005),
            _published("busy", 0.695, 0.023, scope=AGENTS, rounding=0.0005),
        ),
    )


def mmcab(*, days: int) -> Case:
    """The same where customers leave: MMCAb.java and MMCAb.res."""
    return Case(
        "ContactCenters MMCAb",
        pool(4.2, 2, 12, days=days, hours=8, patience=exponential(1)),
        (
            _published("abandoned", 58.609, 15.295),
            _published("in_target", 1906.008, 35.828),
            _published("service_level_of_answered", 0.975, 0.0079, rounding=0.0005),
            _published("asa_seconds", 60 * 0.024, 60 * 0.0060, rounding=60 * 0.0005),
            _published("busy", 0.675, 0.019, scope=AGENTS, rounding=0.0005),
            _published("service_level", 0.968, 0.0099, rounding=0.0005),
        ),
    )


def _published(figure: str, value: float, deviation: float, *, scope: Scope = CALLS, rounding: float = 0.0) -> Known:
    """A figure with its standard deviation over 1,000 days."""
    return Known(figure=figure, value=value, scope=scope, error=deviation / sqrt(1000), rounding=rounding)


def shapes(*, days: int) -> list[Case]:
    """Load 50 on 50 agents, service 3 min, patience of mean 5 min and another shape each.

    Source: S. Hanisch, erlang-a-demo, README: 20 runs of 50,000 contacts, standard errors at most 0.13 points.
    """
    known = {
        "exponential": (exponential(5), 0.050),
        "uniform": ({"distribution": "uniform", "least_seconds": 0, "most_seconds": 600}, 0.041),
        "lognormal": ({"distribution": "lognormal", "mean_seconds": 300, "deviation_seconds": 450}, 0.044),
        "fixed": ({"distribution": "fixed", "seconds": 300}, 0.012),
    }
    return [
        Case(
            f"patience {shape}",
            pool(50 / 3, 3, 50, days=days, hours=12, warmup_hours=4, patience=patience),
            (Known(figure="abandonment", value=abandonment, error=0.0013, rounding=0.0005),),
        )
        for shape, (patience, abandonment) in known.items()
    ]


def skilled(skills: int, *, days: int, hours: int, warmup_hours: int) -> Scenario:
    """Six contact types of load 14 each, 90 agents with 2 or 6 skills each, in equal shares of every combination.

    30 contacts can wait; service 10 min. After Wallace and Whitt, A Staffing Algorithm for Call Centers with
    Skill-Based Routing (2005).
    """
    names = [f"s{number}" for number in range(6)]
    held = [names] if skills == 6 else [[a, b] for a in names for b in names if a != b]
    groups = [
        {
            "name": "-".join(each) if skills < 6 else "agents",
            "number": 90 // len(held),
            "agent": {"capacity": 1, "skills": dict.fromkeys(each, 3)},
        }
        for each in held
    ]
    document: dict[str, object] = {
        "configuration": {
            "clients": ["shop"],
            "skills": names,
            "domains": [{"id": "main"}],
            "queues": [
                {"id": name, "domain": "main", "name": name, "requirements": [{"skill": name}]} for name in names
            ],
        },
        "contacts": [
            {
                "name": name,
                "queue": name,
                "per_hour": 84,
                "service": exponential(10),
            }
            for name in names
        ],
        "groups": groups,
        "lines": 120,
        "days": days,
        "day": {"periods": hours, "period_seconds": 3600, "warmup_periods": warmup_hours},
    }
    return Scenario.model_validate(document)


def of_all_types(tally: Tally, figure: str) -> float:
    """The figure's mean over contact types, which are equally frequent."""
    values = [tally.figures(scope)[figure].value for scope in tally.counts if scope[0] == "contacts"]
    return sum(values) / len(values)


# The full run


def closed_forms(*, days: int) -> list[Case]:
    """Erlang B, C and A."""
    return [
        loss(8, 10, days=days),
        loss(10, 10, days=days),
        waiting(10, 14, days=days),
        waiting(8, 10, days=days),
        leaving(4.2, 2, 12, 1, days=days),
        leaving(9.5 / 3, 3, 10, 5, days=days),
        leaving(13 / 3, 3, 10, 5, days=days),
        leaving(48, 1, 50, 1, days=days // 5),
    ]


def _run(case: Case) -> Tally:
    driver = Driver(case.scenario)
    started = process_time()
    tally = driver.run()
    seconds = process_time() - started
    print(f"{case.name}: {tally.contacts:,} contacts, {tally.contacts / seconds:,.0f} a CPU second", flush=True)
    if tally.refused:
        raise AssertionError(f"{case.name}: the router refused {tally.refused} commands")
    return tally


def _table(cases: Sequence[Case]) -> Iterator[str]:
    compared = compare(cases, _run)
    yield "| case | figure | known | simulated | difference | allowed | |"
    yield "|---|---|--:|--:|--:|--:|---|"
    for each in compared:
        known, simulated = each.known.value, each.simulated.value
        cells = [each.case, each.known.figure, *(f"{x:.5g}" for x in (known, simulated)), f"{simulated - known:+.2g}"]
        yield "| " + " | ".join([*cells, f"{each.allowed:.2g}", "within" if each.agrees else "BEYOND"]) + " |"


def _skills(days: int) -> Iterator[str]:
    runs = [_run(Case(f"{n} skills", skilled(n, days=days, hours=24, warmup_hours=8), ())) for n in (2, 6)]
    yield f"Every agent with every skill blocks {erlang_b(84, 90, 30):.5f}.\n"
    yield "| figure | 2 skills an agent | 6 skills | ratio |"
    yield "|---|--:|--:|--:|"
    for figure in ("blocked", "mean_wait_seconds"):
        two, six = (of_all_types(tally, figure) for tally in runs)
        yield f"| {figure} | {two:.4g} | {six:.4g} | {two / six:.2f} |"


_TABLES: Final[dict[str, Callable[[int], Iterator[str]]]] = {
    "closed-forms": lambda days: _table(closed_forms(days=days // 10)),
    "contactcenters": lambda days: _table([mmc(days=days), mmcab(days=days)]),
    "patience": lambda days: _table(shapes(days=days // 20)),
    "skills": lambda days: _skills(days // 20),
}


def main() -> None:
    """Print the tables of docs/simulator.md."""
    parser = argparse.ArgumentParser(prog="python -m centralino.simulator.validation")
    parser.add_argument("tables", nargs="*", default=list(_TABLES), metavar="TABLE", help=f"of {', '.join(_TABLES)}")
    parser.add_argument("--days", type=int, default=1000, help="of ContactCenters' examples; others a tenth or less")
    options = parser.parse_args()
    for name in options.tables:
        print("\n".join(["", *_TABLES[name](options.days), ""]), flush=True)


if __name__ == "__main__":
    main()
