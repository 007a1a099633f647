"""The plan of a simulated story: what there is to do, and what goes wrong meanwhile. A seed makes it."""

from dataclasses import dataclass
from typing import Final, Literal

from servicekit.ports import Chance
from servicekit.testing.memory_log import Faults
from servicekit.testing.virtual import SeededChance

CLOCK_STEPS_MAX: Final = 3
NTP_STEP_MS: Final = 2_000
RESTORED_STEP_MS: Final = 90_000
"""What a virtual machine that was suspended, or set by hand, is off at most."""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """An engine's machine sets its wall clock."""

    at_seconds: float
    engine: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Freeze:
    """The engine that owns the partition stands still for so long."""

    at_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Printed when a seed fails. Instants count from the first customer on."""

    seed: int
    chats: int
    agents: int
    trouble_seconds: float
    death_risk: float
    """At each durable step of each process."""
    faults: Faults
    live_saved_at_seconds: float
    live_away_at_seconds: float
    live_away_seconds: float
    live_comes_back: Literal["kept", "wiped", "rolled back"]
    freezes: tuple[Freeze, ...]
    clock_steps: tuple[ClockStep, ...]

    def calm(self) -> "Plan":
        """The same without anything going wrong."""
        return Plan(
            seed=self.seed,
            chats=self.chats,
            agents=self.agents,
            trouble_seconds=self.trouble_seconds,
            death_risk=0.0,
            faults=Faults(),
            live_saved_at_seconds=0.0,
            live_away_at_seconds=0.0,
            live_away_seconds=0.0,
            live_comes_back="kept",
            freezes=(),
            clock_steps=(),
        )


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    chance = SeededChance(seed)
    trouble_seconds = chance.uniform(8, 25)
    away_at_seconds = chance.uniform(2, trouble_seconds)
    return Plan(
        seed=seed,
        chats=6,
        agents=3,
        trouble_seconds=trouble_seconds,
        death_risk=chance.uniform(0, 0.03),
        faults=Faults(
            lost=chance.uniform(0, 0.03),
            late=chance.uniform(0, 0.03),
            doubled=chance.uniform(0, 0.05),
            slow=chance.uniform(0, 0.05),
            latency_seconds_max=chance.uniform(0, 0.05),
        ),
        live_saved_at_seconds=chance.uniform(0, away_at_seconds),
        live_away_at_seconds=away_at_seconds,
        live_away_seconds=max(0.0, chance.uniform(-10, 10)),
        live_comes_back=_one_of(chance, "kept", "wiped", "rolled back"),
        freezes=tuple(
            Freeze(chance.uniform(2, trouble_seconds), chance.uniform(0.5, 9))
            for _ in range(round(chance.uniform(0, 2)))
        ),
        clock_steps=tuple(
            _clock_step(chance, trouble_seconds) for _ in range(round(chance.uniform(0, CLOCK_STEPS_MAX)))
        ),
    )


def _one_of(chance: Chance, *kinds: Literal["kept", "wiped", "rolled back"]) -> Literal["kept", "wiped", "rolled back"]:
    return kinds[min(int(chance.uniform(0, len(kinds))), len(kinds) - 1)]


def _clock_step(chance: Chance, trouble_seconds: float) -> ClockStep:
    longest = NTP_STEP_MS if chance.uniform(0, 1) < 0.7 else RESTORED_STEP_MS
    engine = round(chance.uniform(0, 1))
    return ClockStep(chance.uniform(0, trouble_seconds), engine, round(chance.uniform(-longest, longest)))
