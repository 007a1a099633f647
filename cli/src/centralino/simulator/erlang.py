"""Closed forms of queues with Poisson arrivals and exponential times, to check a simulation by.

Sources: R. B. Cooper, Introduction to Queueing Theory (1981), for B and C; C. Palm (1957), and Garnett, Mandelbaum
and Reiman (2002), for A, here as the birth-death chain that it is. `load` is arrival rate times mean service time.
"""

from dataclasses import dataclass
from math import exp


def erlang_b(load: float, agents: int, waiting_max: int = 0) -> float:
    """M/M/c/K: the share of contacts that find every agent and every place to wait taken, and are lost."""
    blocked = 1.0
    for number in range(1, agents + waiting_max + 1):
        blocked = load * blocked / (min(number, agents) + load * blocked)
    return blocked


def erlang_c(load: float, agents: int) -> float:
    """M/M/c: the share of contacts that wait; 1 if the load is too much for the agents."""
    if load >= agents:
        return 1.0
    blocked = erlang_b(load, agents)
    return blocked / (1 - load / agents * (1 - blocked))


@dataclass(frozen=True, slots=True)
class Delay:
    """M/M/c in equilibrium; times in the unit of the rates."""

    waits: float
    """Share of contacts that wait."""
    mean_wait: float
    occupancy: float
    excess_rate: float
    """Who waits, waits longer than t with probability exp(-excess_rate * t)."""

    def within(self, time: float) -> float:
        """Service level: the share of contacts that wait at most so long."""
        return 1 - self.waits * exp(-self.excess_rate * time)


def delay(arrival_rate: float, service_rate: float, agents: int) -> Delay:
    """Erlang C; the load must be less than the agents."""
    load = arrival_rate / service_rate
    if load >= agents:
        raise ValueError("with at least as much load as agents there is no equilibrium")
    waits = erlang_c(load, agents)
    excess_rate = agents * service_rate - arrival_rate
    return Delay(waits=waits, mean_wait=waits / excess_rate, occupancy=load / agents, excess_rate=excess_rate)


@dataclass(frozen=True, slots=True)
class Impatience:
    """M/M/c+M in equilibrium; times in the unit of the rates."""

    waits: float
    """Share of contacts that find every agent busy."""
    abandons: float
    mean_wait: float
    """Of all contacts, until they are answered or leave."""
    occupancy: float


def erlang_a(arrival_rate: float, service_rate: float, agents: int, abandonment_rate: float) -> Impatience:
    """Any load will do: who waits leaves at `abandonment_rate`, which must be more than 0."""
    if abandonment_rate <= 0:
        raise ValueError("nobody leaves: that is Erlang C")
    term = all_busy = 1.0
    in_line = 0.0
    length = 0
    while term > 1e-18 * all_busy or arrival_rate > agents * service_rate + length * abandonment_rate:
        length += 1
        term *= arrival_rate / (agents * service_rate + length * abandonment_rate)
        all_busy += term
        in_line += length * term
    just_busy = 1 / (1 / erlang_b(arrival_rate / service_rate, agents) - 1 + all_busy)
    mean_wait = just_busy * in_line / arrival_rate
    abandons = abandonment_rate * mean_wait
    return Impatience(
        waits=just_busy * all_busy,
        abandons=abandons,
        mean_wait=mean_wait,
        occupancy=arrival_rate * (1 - abandons) / (agents * service_rate),
    )
