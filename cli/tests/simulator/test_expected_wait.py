"""The router's expected wait against the wait that came: better than what it was compared with, and hardly biased."""

import pytest
from centralino.simulator.driver import Driver
from centralino.simulator.expected_wait import Watch, scenarios

SCENARIOS = dict(scenarios())


def watched(name: str, days: int) -> Watch:
    watch = Watch()
    Driver(SCENARIOS[name].model_copy(update={"days": days}), watch.decide).run()
    return watch


@pytest.mark.timeout(300)
def test_the_router_tells_the_wait_as_the_chosen_way_does_and_with_less_error_than_the_others() -> None:
    watch = watched("10 agents at 1.1, patience 4 min", days=2)
    mean = {name: errors.absolute / errors.count for name, errors in watch.errors.items()}
    bias = {name: errors.signed / errors.count for name, errors in watch.errors.items()}

    assert watch.errors["the router"].count > 2000
    assert mean["the router"] == pytest.approx(mean["wait per position, 1 in 32"], rel=0.02)
    for other in ("pace, 1 in 8", "handling x position / agents", "last to enter service", "head of line"):
        assert mean["the router"] < 0.9 * mean[other]
        assert abs(bias["the router"]) < 0.5 * abs(bias[other])


@pytest.mark.timeout(300)
def test_who_finds_an_agent_free_is_told_so() -> None:
    watch = watched("M/M/10 at 0.8", days=1)

    assert watch.free.count > 500
    assert watch.free.absolute == 0
