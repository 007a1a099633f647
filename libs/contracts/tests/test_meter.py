"""Metrics are pure functions of the events: figures that a reader can check, and a naive recount of any history."""

from random import Random

import pytest
from contracts.meter import Key, Meter
from contracts.metrics import BY_NAME, COUNT_NAMES, FORMULAS, INTERVAL_MS, Counts
from contracts.metrics_oracle import recounted
from contracts.metrics_story import NINE_MS, Centre, busy_day, metered
from hypothesis import given
from hypothesis import strategies as st


def plain(counts: dict[Key, Counts]) -> dict[Key, dict[str, int]]:
    return {key: found for key, each in counts.items() if (found := each.plain())}


@pytest.fixture
def centre() -> Centre:
    return Centre()


# The pain: double counting, disputed metrics


def test_pain_10_a_contact_that_is_offered_five_times_requeued_and_answered_twice_counts_once(centre: Centre) -> None:
    centre.queue("t1")
    for agent in ("ann", "bob", "cid", "dee"):
        centre.offer("t1", agent)
    centre.wait(8)
    centre.accept("t1", "bob")
    for agent in ("ann", "cid", "dee"):
        centre.withdraw("t1", agent)
    centre.wait(100)
    centre.requeue("t1")
    centre.wait(30)
    centre.answer("t1", "cid")
    centre.wait(60)
    centre.complete("t1")

    assert centre.figure("offered.v1") == (1, None)
    assert centre.figure("answered.v1") == (1, None)
    assert centre.figure("service_level.v1") == (1, 1)
    assert centre.figure("asa.v1") == (8_000, 1)
    assert centre.figure("aht.v1") == (160_000, 1)
    assert centre.figure("abandon_rate.v1") == (0, 1)
    assert centre.figure("backlog.v1") == (0, None)


def test_pain_10_each_figure_adds_up_from_its_parts_whatever_they_are(centre: Centre) -> None:
    """Quotients would not: both numbers are kept."""
    for number in range(3):
        centre.queue(f"a{number}", client="shop")
        centre.answer(f"a{number}")
    centre.wait(INTERVAL_MS / 1000)
    centre.queue("b", client="bank")
    centre.wait(60)
    centre.answer("b")
    by_key = [
        BY_NAME["service_level.v1"].value(counts) for key, counts in metered(centre.told).items() if key.of == "queue"
    ]

    assert [each.ratio for each in by_key] == [1.0, 0.0]
    assert centre.figure("service_level.v1") == (3, 4)


def test_pain_10_every_figure_has_the_tasks_behind_it(centre: Centre) -> None:
    meter, behind = Meter(), Counts()
    centre.queue("t1")
    centre.queue("t2")
    centre.answer("t1")
    centre.abandon("t2")
    entries = [entry for tenant_id, data in centre.told for entry in meter.fold(tenant_id, data)]
    for entry in entries:
        behind.add(entry.counts)

    assert [entry.task_id for entry in entries if entry.counts.answered] == ["t1"]
    assert [entry.task_id for entry in entries if entry.counts.offered] == ["t1", "t2"]
    assert behind.plain() == centre.counts().plain()


# Service level


def test_abandons_count_against_the_service_level_and_short_ones_do_not_count_at_all(centre: Centre) -> None:
    for number, seconds in enumerate((19, 20, 21)):
        centre.queue(f"answered-{number}")
        centre.wait(seconds)
        centre.answer(f"answered-{number}")
    centre.queue("left-soon")
    centre.wait(6)
    centre.abandon("left-soon")
    centre.queue("left-at-once")
    centre.wait(5)
    centre.abandon("left-at-once")

    assert centre.figure("service_level.v1") == (2, 4)
    assert centre.figure("abandoned.v1") == (1, None)
    assert centre.figure("short_abandon.v1") == (1, 5)


def test_a_queue_without_a_service_level_has_none(centre: Centre) -> None:
    centre.queue("t1")
    centre.answer("t1", within_seconds=None)
    centre.queue("t2")
    centre.wait(60)
    centre.abandon("t2", within_seconds=None)

    assert centre.figure("service_level.v1") == (0, 0)
    assert BY_NAME["service_level.v1"].value(centre.counts()).ratio is None
    assert centre.figure("answered.v1") == (1, None)


def test_an_overflow_counts_in_both_queues_and_its_whole_wait_in_the_one_that_answers(centre: Centre) -> None:
    centre.queue("t1")
    centre.wait(15)
    centre.reroute("t1", "help")
    centre.wait(15)
    centre.answer("t1")

    assert centre.figure("offered.v1") == centre.figure("offered.v1", "help") == (1, None)
    assert centre.figure("service_level.v1") == (0, 0)
    assert centre.figure("overflow_rate.v1") == (1, 1)
    assert centre.figure("service_level.v1", "help") == (0, 1)
    assert centre.figure("asa.v1", "help") == (30_000, 1)


def test_a_step_of_the_plan_counts_nothing(centre: Centre) -> None:
    centre.queue("t1")
    before = centre.counts().plain()
    centre.reroute("t1")

    assert centre.counts().plain() == before


def test_a_transfers_contact_waits_from_the_transfer_on(centre: Centre) -> None:
    began_ms = centre.at_ms
    centre.wait(300)
    centre.queue("t2", "help", transfer="cold", queued_at_ms=began_ms)
    centre.wait(7)
    centre.answer("t2")

    assert centre.figure("asa.v1", "help") == (7_000, 1)
    assert centre.counts("help").offered_by_transfer == 1


def test_a_consult_is_help_and_no_contact(centre: Centre) -> None:
    centre.queue("t2", "help", transfer="consult")
    centre.wait(40)
    centre.answer("t2")
    centre.wait(60)
    centre.leave("t2", "finished", "transfer_over")

    assert centre.figure("offered.v1", "help") == centre.figure("answered.v1", "help") == (0, None)
    assert centre.figure("aht.v1", "help") == (60_000, 0)
    assert centre.counts("help").others_assigned == 1


def test_a_contact_that_becomes_a_callback_is_neither_answered_nor_abandoned(centre: Centre) -> None:
    centre.queue("kept-place")
    centre.wait(10)
    centre.reroute("kept-place", kind="callback")
    centre.wait(900)
    centre.answer("kept-place")
    centre.queue("tomorrow")
    centre.defer("tomorrow", "scheduled")
    centre.queue("gateway")
    centre.leave("gateway", "callback")

    assert centre.figure("service_level.v1") == (0, 0)
    assert centre.counts().called_back == 3
    assert centre.figure("answered.v1") == centre.figure("abandoned.v1") == (0, None)
    assert (centre.counts().others_offered, centre.counts().others_assigned) == (1, 1)


def test_time_before_a_closed_queue_opens_is_no_wait(centre: Centre) -> None:
    centre.queue("t1")
    centre.defer("t1", "closed")
    centre.wait(8 * 3600)
    centre.resume("t1")
    centre.wait(3)
    centre.answer("t1")

    assert centre.figure("asa.v1") == (3_000, 1)


# Handling, agents


def test_handle_time_is_talk_hold_and_wrapup_over_handled(centre: Centre) -> None:
    centre.queue("t1")
    centre.answer("t1")
    centre.wait(100)
    centre.wrap_up("t1")
    centre.wait(20)
    centre.complete("t1", held_seconds=30)

    counts = centre.counts()
    assert centre.figure("aht.v1") == centre.figure("aht.v1", "ann") == (120_000, 1)
    assert (counts.hold_ms, counts.wrapup_ms) == (30_000, 20_000)


def test_time_before_parking_counts_and_the_task_is_handled_once(centre: Centre) -> None:
    centre.queue("t1")
    centre.answer("t1", "ann")
    centre.wait(100)
    centre.unassign("t1")
    centre.wait(3600)
    centre.answer("t1", "bob")
    centre.wait(50)
    centre.complete("t1")

    assert centre.figure("aht.v1") == (150_000, 1)
    assert centre.figure("aht.v1", "ann") == (100_000, 0)
    assert centre.figure("aht.v1", "bob") == (50_000, 1)
    assert centre.figure("answered.v1") == (1, None)


def test_a_handed_over_contact_is_handled_by_both_agents_and_transferred_by_one(centre: Centre) -> None:
    centre.queue("t1")
    centre.answer("t1", "ann")
    centre.queue("t2", "help", transfer="cold", queued_at_ms=NINE_MS)
    centre.wait(10)
    centre.answer("t2", "bob")
    centre.leave("t1", "handed_over", "transferred")
    centre.wait(30)
    centre.complete("t2")

    assert centre.figure("transfer_rate.v1") == centre.figure("transfer_rate.v1", "ann") == (1, 1)
    assert centre.figure("transfer_rate.v1", "help") == centre.figure("transfer_rate.v1", "bob") == (0, 1)


def test_occupancy_counts_an_hour_of_two_chats_at_once_as_one_hour(centre: Centre) -> None:
    centre.presence("ann", present=True)
    centre.state("ann", ready=True)
    centre.wait(1800)
    for task in ("t1", "t2"):
        centre.queue(task)
        centre.answer(task)
    centre.state("ann", ready=False)
    centre.wait(3600)
    centre.complete("t1")
    centre.complete("t2")
    centre.wait(600)
    centre.state("ann", ready=True)

    assert centre.figure("occupancy.v1", "ann") == (3_600_000, 5_400_000)
    assert centre.figure("concurrency.v1", "ann") == (7_200_000, 3_600_000)


def test_time_is_cut_at_the_quarters_of_the_hour(centre: Centre) -> None:
    centre.presence("ann", present=True)
    centre.wait(600)
    centre.state("ann", ready=True)
    centre.wait(1200)
    centre.presence("ann", present=False)
    idle = {key.at_ms - NINE_MS: counts.idle_ms for key, counts in metered(centre.told).items() if counts.idle_ms}

    assert idle == {0: 300_000, INTERVAL_MS: 900_000}


def test_the_error_of_the_expected_wait_is_a_distance_and_its_bias_has_a_sign(centre: Centre) -> None:
    for number, (expected, came) in enumerate(((30, 10), (30, 40))):
        centre.queue(f"t{number}")
        centre.wait(came)
        centre.answer(f"t{number}", expected_seconds=expected)

    assert centre.figure("expected_wait_error.v1") == (30_000, 2)
    assert centre.figure("expected_wait_bias.v1") == (10_000, 2)


def test_a_task_whose_beginning_was_not_seen_is_not_counted() -> None:
    centre = Centre()
    centre.queue("t1")
    centre.told.clear()
    centre.answer("t1")
    centre.wait(60)
    centre.complete("t1")

    assert centre.counts().plain() == {}
    assert centre.counts("ann").plain() == {"busy_ms": 60_000, "task_ms": 60_000}


# Against the naive recount


@given(st.integers(0, 2**32), st.integers(1, 120))
def test_the_meter_says_what_a_naive_recount_of_the_whole_history_says(seed: int, steps: int) -> None:
    told = busy_day(Random(seed), steps).told

    assert plain(metered(told)) == recounted(told)


@given(st.integers(0, 2**32), st.integers(1, 120))
def test_every_contact_offered_has_one_outcome_or_still_waits(seed: int, steps: int) -> None:
    meter, total = Meter(), Counts()
    for tenant_id, data in busy_day(Random(seed), steps).told:
        meter.fold(tenant_id, data)
    for key, counts in meter.counts.items():
        if key.of == "queue":
            total.add(counts)
    outcomes = total.answered + total.abandoned + total.short_abandoned
    outcomes += total.moved_out + total.called_back + total.passed_out
    still = sum(task.waits_since_ms is not None for task in meter.tasks.values())

    assert total.offered == outcomes + still
    waiting = sum(task.assigned_at_ms is None for task in meter.tasks.values())
    assert total.waits_begun - total.waits_ended == waiting


@given(st.lists(st.integers(0, 1000), min_size=3, max_size=3), st.sampled_from(COUNT_NAMES))
def test_counts_add_up_in_any_grouping(numbers: list[int], name: str) -> None:
    left, right, tail = Counts(), Counts(), Counts()
    for number in numbers[:2]:
        left.add(Counts(**{name: number}))
    left.add(Counts(**{name: numbers[2]}))
    for number in numbers[1:]:
        tail.add(Counts(**{name: number}))
    right.add(Counts(**{name: numbers[0]}))
    right.add(tail)

    assert left == right


def test_formulas_are_named_with_their_version_and_use_counts_that_exist() -> None:
    assert len(BY_NAME) == len(FORMULAS)
    for formula in FORMULAS:
        base, _, version = formula.name.rpartition(".v")
        assert base
        assert int(version) >= 1
        assert {*formula.numerator, *formula.less, *formula.denominator} <= set(COUNT_NAMES), formula.name
        assert (formula.unit == "number") == (not formula.denominator)
