"""The real services in one process on fake ports and a virtual clock, dying on purpose: S1 to S6 and L3 hold.

The services: engines, chat gateway with its sockets, CRM consumers, the API's command path. Deaths come at awaits
between durable steps; appends to the log are lost, late, doubled or acknowledged too late; Redis goes away and may come
back empty or as it was a while ago; owners of a partition stand still and come back as zombies; clocks are set.
A failing seed tells its plan; `tell(plan_of(seed))` repeats it exactly.
"""

from collections import Counter

import pytest
from centralino.proof.simulation.broken import BROKEN
from centralino.proof.simulation.many import describe, tell_many
from centralino.proof.simulation.plan import plan_of
from centralino.proof.simulation.story import Told, tell

SEEDS = 500
SEEDS_SECONDS_MAX = 1200
CAUGHT_WITHIN_SEEDS = 100
HAPPENED = {
    "append lost": 550,
    "append late": 550,
    "append doubled": 1000,
    "append slow": 950,
    "append unknown but landed in routing.journal": 700,
    "append unknown but landed in routing.events": 6200,
    "take-over": 1300,
    "zombie's batch": 350,
    "void batch": 100,
    "step-down: AppendUnknownError": 100,
    "step-down: FencedError": 75,
    "step-down: LeaseLostError": 40,
    "step-down: StaleProjectionError": 9,
    "owner frozen": 200,
    "clock forwards": 150,
    "clock backwards": 150,
    "Redis wiped": 75,
    "Redis rolled back": 75,
    "Redis said gap": 15,
    "Redis said rewritten": 1050,
    "snapshot chunk": 300,
    "death: engine before an append to routing.journal": 100,
    "death: engine after an append to routing.journal": 100,
    "death: engine before an append to routing.events": 250,
    "death: engine after an append to routing.events": 100,
    "death: gateway before a commit": 550,
    "death: gateway after a commit": 550,
    "death: gateway before published rows are removed": 35,
    "death: crm after a commit": 300,
    "death: api after an append to routing.inputs": 55,
}
"""How often all seeds together must at least have met each kind of trouble: about half of what they do today."""


@pytest.mark.timeout(SEEDS_SECONDS_MAX)
def test_whatever_goes_wrong_no_contact_and_no_message_is_lost_doubled_or_out_of_order() -> None:
    happened: Counter[str] = Counter()
    failed: list[Told] = []
    for told in tell_many(range(SEEDS)):
        happened.update(told.happened)
        failed += [told] if told.faults else []

    assert not failed, "\n\n".join(describe(told) for told in failed[:3])
    assert {kind: happened[kind] for kind, least in HAPPENED.items() if happened[kind] < least} == {}


def test_a_seed_repeats_exactly() -> None:
    plan = plan_of(SEEDS)

    first, second = tell(plan), tell(plan)

    assert first.deaths, "the seed must be one where something dies"
    assert (first.fingerprint, first.deaths) == (second.fingerprint, second.deaths)


@pytest.mark.timeout(SEEDS_SECONDS_MAX)
@pytest.mark.parametrize("promise", BROKEN)
def test_the_stories_find_out_when_a_promise_is_broken(promise: str) -> None:
    told = (tell(plan_of(seed), make_world=BROKEN[promise]) for seed in range(CAUGHT_WITHIN_SEEDS))

    assert any(each.faults for each in told)
