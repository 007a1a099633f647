"""The closed forms, against tables that others computed."""

from math import exp

import pytest
from centralino.simulator.erlang import delay, erlang_a, erlang_b, erlang_c

CLOSE = 1e-9
SIX_DIGITS = 5.1e-7


@pytest.mark.parametrize(("load", "agents", "blocked"), [(84, 90, 0.044620), (10, 10, 0.214582)])
def test_erlang_b_is_as_tabled(load: float, agents: int, blocked: float) -> None:
    assert erlang_b(load, agents) == pytest.approx(blocked, abs=SIX_DIGITS)


@pytest.mark.parametrize(
    ("load", "agents", "waits"),
    [(84, 90, 0.411957), (8, 10, 0.409180), (10, 12, 0.449388), (10, 14, 0.1741319335950)],
)
def test_erlang_c_is_as_tabled(load: float, agents: int, waits: float) -> None:
    assert erlang_c(load, agents) == pytest.approx(waits, abs=SIX_DIGITS)


def test_erlang_c_agrees_to_all_digits_that_are_known() -> None:
    wanted = delay(10 / 3, 1 / 3, 14)

    assert wanted.waits == pytest.approx(0.1741319335950, abs=CLOSE)
    assert wanted.within(20 / 60) == pytest.approx(0.8883500191794669, abs=CLOSE)


@pytest.mark.parametrize(
    ("given", "waits", "abandons", "mean_wait", "occupancy"),
    [
        ((4.2, 0.5, 12, 1), 0.127372, 0.029679, 0.029679, 0.679225),
        ((9.5 / 3, 1 / 3, 10, 0.2), 0.528155, 0.089753, 0.448765, 0.864735),
        ((13 / 3, 1 / 3, 10, 0.2), 0.898223, 0.247827, 1.239134, 0.977825),
        ((48, 1, 50, 1), 0.405404, 0.039418, 0.039418, 0.922159),
        ((100, 1, 100, 1), 0.513299, 0.039861, 0.039861, 0.960139),
        ((100, 1, 100, 0.5), 0.596703, 0.033030, 0.066060, 0.966970),
    ],
)
def test_erlang_a_is_as_tabled(
    given: tuple[float, float, int, float], waits: float, abandons: float, mean_wait: float, occupancy: float
) -> None:
    found = erlang_a(*given)

    assert found.waits == pytest.approx(waits, abs=SIX_DIGITS)
    assert found.abandons == pytest.approx(abandons, abs=SIX_DIGITS)
    assert found.mean_wait == pytest.approx(mean_wait, abs=SIX_DIGITS)
    assert found.occupancy == pytest.approx(occupancy, abs=SIX_DIGITS)


def test_erlang_a_with_one_agent_is_known_by_hand() -> None:
    assert erlang_a(1, 1, 1, 1).abandons == pytest.approx(exp(-1), abs=CLOSE)


@pytest.mark.parametrize(("arrivals", "service", "agents", "leaving"), [(48, 1, 50, 0.3), (13 / 3, 1 / 3, 10, 0.2)])
def test_erlang_a_solves_the_balance_of_its_chain(arrivals: float, service: float, agents: int, leaving: float) -> None:
    weights = [1.0]
    for number in range(1, 1500):
        down = min(number, agents) * service + max(0, number - agents) * leaving
        weights.append(weights[-1] * arrivals / down)
    all_states = sum(weights)
    in_line = sum((number - agents) * weight for number, weight in enumerate(weights) if number > agents)

    found = erlang_a(arrivals, service, agents, leaving)

    assert found.waits == pytest.approx(sum(weights[agents:]) / all_states, abs=CLOSE)
    assert found.mean_wait == pytest.approx(in_line / all_states / arrivals, abs=CLOSE)


def test_erlang_a_lies_between_b_and_c() -> None:
    assert erlang_a(8, 1, 10, 1e9).abandons == pytest.approx(erlang_b(8, 10), abs=1e-7)
    assert erlang_a(8, 1, 10, 1e-9).waits == pytest.approx(erlang_c(8, 10), abs=1e-7)


def test_without_end_the_waiting_room_makes_c_of_b() -> None:
    blocked = erlang_b(1, 1, waiting_max=3)

    assert blocked == pytest.approx(1 / 5, abs=CLOSE)  # five states alike


def test_what_has_no_equilibrium_is_refused() -> None:
    with pytest.raises(ValueError, match="equilibrium"):
        delay(10, 1, 10)
    with pytest.raises(ValueError, match="nobody leaves"):
        erlang_a(10, 1, 10, 0)
    assert erlang_c(11, 10) == 1
