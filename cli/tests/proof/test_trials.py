"""Plans are pure and cover what they should; reports say what came of them."""

from dataclasses import replace

import pytest
from centralino.proof.trials.plan import PARTS, Plan, cases, plan_of
from centralino.proof.trials.report import line, percentile, summary, unmet
from centralino.proof.trials.trial import Verdict

KILLS = cases(kinds=["kill"])


def test_a_seed_is_one_plan() -> None:
    assert [plan_of(seed, KILLS) for seed in range(50)] == [plan_of(seed, KILLS) for seed in range(50)]
    assert len({plan_of(seed, KILLS).delay_seconds for seed in range(50)}) == 50


def test_as_many_seeds_as_cases_meet_each_case_once() -> None:
    everything = cases()

    assert {plan_of(seed, KILLS).part for seed in range(1, 8)} == set(PARTS)
    assert {(p.part, p.kind) for p in (plan_of(s, everything) for s in range(len(everything)))} == set(everything)


def test_only_sensible_kinds_are_planned() -> None:
    assert cases(["crm"]) == [("crm", "kill"), ("crm", "restart"), ("crm", "freeze")]
    assert cases(["redis", "kafka"], ["empty", "mid-append"]) == [("redis", "empty")]
    assert cases(["redis"], ["read-only", "mid-append"]) == [("redis", "read-only")]
    assert cases(["router-engine"], ["mid-append"]) == [("router-engine", "mid-append")]


def test_a_frozen_broker_stays_frozen_for_twenty_seconds_and_an_engine_for_longer_than_its_lease() -> None:
    broker = plan_of(3, cases(["kafka"], ["freeze"]))
    engines = [plan_of(seed, cases(["router-engine"], ["freeze"])) for seed in range(20)]

    assert broker.seconds == 20
    assert min(plan.seconds for plan in engines) > 2


@pytest.mark.parametrize(("share", "expected"), [(0.5, 10.0), (0.95, 19.0), (1.0, 20.0)])
def test_percentiles_are_of_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(20, 0, -1)], share) == expected


def verdict(seed: int, next_offer_ms: int | None = None) -> Verdict:
    plan = Plan(seed=seed, part="crm", kind="kill", at_share=0.5, delay_seconds=0.1)
    return Verdict(plan=plan, real_kafka=False, error=None, next_offer_ms=next_offer_ms, requests=10, ambiguous=2)


def test_the_report_counts_runs_faults_and_figures() -> None:
    broken = replace(verdict(3), faults=["S1 at the end: lost"])
    table = summary([verdict(1, 1000), verdict(2, 3000), broken])

    assert "| kill crm, embedded | 3 | 1 | 1.0 3.0 3.0 | - | - | - | 6 of 30 | 0 | 0 |" in table
    assert "1 faults: S1 at the end: lost" in line(broken, 3, 3)
    assert "sound (next offer 1.0 s, 2 unknown" in line(verdict(1, 1000), 1, 3)


def death(next_offer_ms: int) -> Verdict:
    plan = Plan(seed=1, part="router-engine", kind="kill", at_share=0.5, delay_seconds=0.1)
    return replace(verdict(1, next_offer_ms), plan=plan)


def test_a_campaign_whose_engines_are_replaced_too_late_has_not_kept_its_promise() -> None:
    one_is_late = [death(2000)] * 19 + [death(9000)]

    assert unmet(one_is_late, 1) == []
    assert unmet([*one_is_late, death(6000)], 1) == [
        "after an engine's death the next offer came within 6.0 s (p95), not 5"
    ]
    assert unmet([*one_is_late, death(6000)], 2) == []
    assert unmet([verdict(1, 60_000)], 1) == []


def test_engines_that_were_never_frozen_in_an_append_have_shown_nothing() -> None:
    plan = Plan(seed=1, part="router-engine", kind="mid-append", at_share=0.5, delay_seconds=0.1)
    empty = replace(verdict(1), plan=plan)

    assert unmet([empty] * 4, 1) == []
    assert "frozen with a batch on its way" in unmet([empty] * 5, 1)[0]
    assert unmet([*[empty] * 5, replace(empty, void_batches=1)], 1) == []


def test_a_trial_that_did_not_come_to_its_end_is_not_sound() -> None:
    plan = plan_of(1, KILLS)

    assert not Verdict(plan=plan, real_kafka=False).sound
    assert "kill router-api" in str(plan)
