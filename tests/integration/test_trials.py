"""A few seeds of the fault story on real processes; `make faults` runs as many as wanted."""

from pathlib import Path

import pytest
from centralino.proof.trials.plan import cases, plan_of
from centralino.proof.trials.trial import Size, judge_plans

PATIENCE = 6.0
"""The bounds of time are for a machine that does nothing else."""
PLANS = [
    plan_of(1, cases(["router-engine"], ["kill"])),
    plan_of(2, cases(["redis"], ["empty"])),
    plan_of(3, cases(["router-engine"], ["freeze"])),
]


@pytest.mark.timeout(600)
def test_every_promise_is_kept_while_engines_die_or_freeze_and_valkey_is_emptied(tmp_path: Path) -> None:
    verdicts = judge_plans(PLANS, Size(chats=16, patience=PATIENCE), tmp_path / "trials")

    assert [(verdict.error, verdict.faults) for verdict in verdicts] == [(None, [])] * len(PLANS)
    assert verdicts[0].next_offer_ms is not None
    assert verdicts[2].take_overs >= 1
