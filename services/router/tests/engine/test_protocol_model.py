"""The model of the commit protocol: no order of steps breaks a promise, and without any one rule some order does."""

from pathlib import Path

import pytest
from router.testing.model.__main__ import main
from router.testing.model.rules import RULES
from router.testing.model.scopes import SCOPES
from router.testing.model.search import Found, search

SCOPE_SECONDS_MAX = 300
HERE = Path(__file__).parent
SEEN = {
    "journal": {
        "a zombie's batch lands": 5_000,
        "a zombie's batch lands; the fence": 20_000,
        "a batch overtakes another and lands": 100,
        "a zombie's batch overtakes another and lands": 300,
        "a batch lands twice": 1_000,
        "a batch lands; the fence": 5_000,
        "takes over and publishes again": 1_000,
    },
    "story": {"an agent accepts": 5_000, "decides accept": 5_000, "a zombie's batch lands": 4_000},
    "expiry": {
        "decides expire": 300,
        "a zombie's batch that expires lands": 1_000,
        "a zombie's batch that expires lands twice": 500,
        "a zombie's batch that expires overtakes another and lands": 200,
        "a batch that expires lands; the fence": 1_000,
        "an agent accepts": 5_000,
        "takes over and publishes again": 300,
    },
    "reader": {"publishes and does not know it": 10_000, "the reader restarts": 40_000},
    "redis": {
        "Redis is wiped": 5_000,
        "Redis is rolled back": 5_000,
        "finds a gap and rewrites Redis": 10_000,
        "finds a later epoch in Redis": 3_000,
        "changes Redis": 2_000,
    },
    "presence": {"a device dies": 4_000, "decides observe": 6_000},
    "commands": {"decides expire": 100, "accept is said again": 4_000, "start is said again": 2_000},
    "snapshot": {
        "a snapshot is taken": 500,
        "a snapshot is torn": 400,
        "decides name": 1_000,
        "the journal is shortened": 10_000,
        "takes over by a snapshot and publishes again": 100,
    },
}
"""How often each scope must at least have tried what it is about: else the search could be right for nothing."""
ELSEWHERE = {
    "take-overs are paced": (
        "test_engine.py::test_an_owner_that_is_fenced_again_and_again_takes_over_a_few_times_a_minute"
    ),
    "an owner without Redis stays": "test_engine.py::test_redis_away_the_owner_stays_decides_and_lets_no_grace_run",
    "an epoch record of unknown outcome makes no owner": (
        "test_takeover.py::test_an_epoch_record_of_unknown_outcome_makes_no_owner"
    ),
    "deciding is deterministic": "test_deciding.py::test_folding_the_batches_gives_the_live_state",
    "the journal's clock never steps back": "test_deciding.py::test_the_journals_clock_never_steps_back",
    "a batch has a bound": "test_engine.py::test_the_journal_holds_no_batch_larger_than_its_bound",
    "one task hands records over in order": (
        "test_pipeline.py::test_pipelined_appends_of_all_sizes_land_contiguously_on_a_broker"
    ),
    "publishing that is stuck stops deciding": (
        "test_publisher.py::test_publishing_that_is_stuck_beyond_its_bound_holds_deciding_back"
    ),
    "a journal made anew has a later generation": (
        "test_takeover.py::test_an_empty_journal_beside_events_is_refused_until_the_generation_is_raised"
    ),
    "grace runs only while leases can be read": "test_engine.py::test_grace_stands_still_while_leases_cannot_be_read",
    "nobody is gone before a readable lease length": (
        "test_inputs.py::test_presence_says_gone_only_after_a_whole_readable_lease_length"
    ),
    "a snapshot is read back before it is named": (
        "test_takeover.py::test_a_snapshot_that_reads_back_otherwise_is_not_named"
    ),
    "the two newest good snapshots are kept": (
        "test_takeover.py::test_all_but_the_two_newest_good_snapshots_are_removed_and_the_journal_follows"
    ),
}
"""Rules of time, size and Kafka's own ways, which the model has no words for, and the tests that hold them."""


@pytest.mark.timeout(SCOPE_SECONDS_MAX)
@pytest.mark.parametrize("name", SCOPES)
def test_no_order_of_steps_and_faults_breaks_a_promise(name: str) -> None:
    found = search(SCOPES[name])

    assert found.broken is None, "\n".join(found.story)
    assert found.whole
    assert _too_seldom(found, name) == {}


@pytest.mark.parametrize("rule", RULES)
def test_without_the_rule_some_order_breaks_a_promise(rule: str) -> None:
    found = search(SCOPES[RULES[rule].scope], without=rule)

    assert found.broken == RULES[rule].promise, "\n".join(found.story)


def test_a_scope_that_there_is_not_is_refused_with_the_names_of_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["story", "fable"])
    said = capsys.readouterr().err

    assert ended.value.code == 2
    assert "no such scope: fable;" in said
    assert all(name in said for name in SCOPES)


def test_without_a_name_all_scopes_are_searched(capsys: pytest.CaptureFixture[str]) -> None:
    broken = main(["--worlds-max", "10"])
    said = capsys.readouterr().out

    assert broken == 0
    assert all(f"{name}: " in said for name in SCOPES)


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)
def test_the_other_rules_have_a_test_of_their_own(place: str) -> None:
    module, name = place.split("::")

    assert f"def {name}(" in (HERE / module).read_text()


def _too_seldom(found: Found, name: str) -> dict[str, int]:
    return {step: found.steps[step] for step, least in SEEN[name].items() if found.steps[step] < least}
