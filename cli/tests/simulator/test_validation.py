"""The production `decide` under random traffic, against what is known; and that a wrong discipline is found out."""

import pytest
from centralino.simulator.driver import Decides, Driver
from centralino.simulator.tally import Tally
from centralino.simulator.validation import (
    Case,
    compare,
    leaving,
    mmc,
    of_all_types,
    pool,
    skilled,
    waiting,
)
from contracts.interactions import InteractionStarted
from msgspec.structs import replace as with_data
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.inputs import Input, InteractionInput
from router.domain.state import State

DAYS = 12


def simulated(case: Case, decides: Decides = decide) -> Tally:
    tally = Driver(case.scenario, decides).run()
    assert not tally.refused
    return tally


@pytest.mark.timeout(200)  # 15 s of CPU on a machine that others load
@pytest.mark.parametrize("case", [waiting(8, 10, days=40), leaving(9.5 / 3, 3, 10, 5, days=20)])
def test_erlang_c_and_a_come_out_and_what_chance_explains_is_little(case: Case) -> None:
    """Two cases with many days; Erlang B, further loads and published figures are in the run of docs/simulator.md."""
    for compared in compare([case], simulated):
        assert compared.agrees, compared
        assert compared.allowed < 0.4 * compared.known.value, compared


def test_an_agent_too_few_is_found_out() -> None:
    known = mmc(days=DAYS)
    fewer = Case(known.name, pool(4.2, 2, 11, days=DAYS, hours=8), known.known)

    wrong = {each.known.figure for each in compare([fewer], simulated) if not each.agrees}

    assert wrong >= {"in_target", "service_level_of_answered", "busy"}


def test_last_come_first_served_is_found_out() -> None:
    wrong = [
        each.known.figure
        for each in compare([waiting(8, 10, days=DAYS)], lambda case: simulated(case, last_come_first_served))
        if not each.agrees
    ]

    assert wrong == ["service_level"]


def last_come_first_served(state: State, given: Input, now_ms: int) -> list[Fact]:
    """`decide` with a queue that is a stack: who comes later seems to have come before."""
    if isinstance(given, InteractionInput) and isinstance(given.data, InteractionStarted):
        data = InteractionStarted(
            interaction_id=given.data.interaction_id,
            domain=given.data.domain,
            client=given.data.client,
            channel=given.data.channel,
            address=given.data.address,
            started_at_ms=2_000_000_000_000 - now_ms,
            queue_hint=given.data.queue_hint,
        )
        given = with_data(given, data=data)
    return decide(state, given, now_ms)


def test_two_skills_an_agent_are_nearly_as_good_as_all() -> None:
    two, six = (Driver(skilled(skills, days=2, hours=12, warmup_hours=4)).run() for skills in (2, 6))

    assert of_all_types(two, "mean_wait_seconds") == pytest.approx(of_all_types(six, "mean_wait_seconds"), rel=0.5)
