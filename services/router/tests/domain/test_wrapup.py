"""Wrap-up: whose it is, how long it lasts, what stays when it runs out."""

from contracts.agents import CommandResult
from contracts.configuration import Disposition, Domain
from contracts.tasks import TaskCompleted, WrapupStarted
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story

DISPOSITIONS = [Disposition(id="sold", label="Sold", wrapup_seconds=200), Disposition(id="lost", label="Lost")]


def story(*, capacity: int = 1) -> Story:
    """Ann talks to i1, of a queue whose wrap-ups last 60 s."""
    told = Story()
    told.configure(
        Domain(id=DOMAIN, dispositions=DISPOSITIONS),
        queue("sales"),
        queue("short", wrapup_seconds=10),
        address("sales", "short"),
        agent("ann", capacity=capacity),
    )
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    return told


def test_pain_09_each_wrapup_lasts_as_long_as_its_own_queue_says_and_none_ends_another() -> None:
    told = story(capacity=2)
    told.start("i2", queue="short")
    told.accept("ann", "i2.t1.o1")
    told.end_task("ann", "i1.t1.o1.a")
    told.wait(5)
    told.end_task("ann", "i2.t1.o1.a")
    from_ms = told.now_ms

    ended = [(each.task_id, each.completed_at_ms - from_ms) for each in every(told.wait(60), TaskCompleted)]
    assert ended == [("i2.t1", 10_000), ("i1.t1", 55_000)]


def test_pain_09_a_wrapup_ends_by_the_servers_clock_whoever_repeats_or_changes_what() -> None:
    told = story()
    ends_at_ms = only(told.end_task("ann", "i1.t1.o1.a"), WrapupStarted).ends_at_ms
    told.wait(30)
    again = told.end_task("ann", "i1.t1.o1.a", disposition="sold")
    told.configure(queue("sales", wrapup_seconds=5))
    told.set_state("ann", ready=False, when="now")
    told.set_state("ann", ready=True)
    told.take_over()
    happened = told.wait(30)

    assert every(again, WrapupStarted) == []
    assert only(happened, TaskCompleted).completed_at_ms == ends_at_ms == told.now_ms


def test_pain_09_capacity_is_free_at_the_end_of_the_wrapup_and_not_before() -> None:
    told = story()
    told.end_task("ann", "i1.t1.o1.a")
    told.start("i2")

    assert offered(told.wait(59.9)) == []
    assert offered(told.wait(0.1)) == [("i2.t1", "ann")]


def test_a_task_that_changed_nothing_but_its_configuration_keeps_the_wrapup_that_it_came_with() -> None:
    told = story()
    told.configure(queue("sales", wrapup_seconds=5))

    assert only(told.end_task("ann", "i1.t1.o1.a"), WrapupStarted).ends_at_ms == told.now_ms + 60_000


def test_pain_09_a_disposition_may_have_a_wrapup_of_its_own_length() -> None:
    told = story()
    started = only(told.end_task("ann", "i1.t1.o1.a", disposition="sold"), WrapupStarted)

    assert (started.disposition, started.ends_at_ms) == ("sold", told.now_ms + 200_000)
    assert only(told.wait(200), TaskCompleted).reason == "wrapup_timed_out"


def test_a_disposition_without_a_length_of_its_own_has_the_queues() -> None:
    told = story()

    assert only(told.end_task("ann", "i1.t1.o1.a", disposition="lost"), WrapupStarted).ends_at_ms == (
        told.now_ms + 60_000
    )


def test_the_disposition_that_was_named_at_the_end_stays_when_the_wrapup_runs_out() -> None:
    told = story()
    told.end_task("ann", "i1.t1.o1.a", disposition="lost")

    assert only(told.wait(60), TaskCompleted).disposition == "lost"


def test_the_disposition_that_is_named_last_counts() -> None:
    told = story()
    told.end_task("ann", "i1.t1.o1.a", disposition="lost")

    assert only(told.complete("ann", "i1.t1.o1.a", disposition="sold"), TaskCompleted).disposition == "sold"


def test_an_unknown_disposition_ends_nothing() -> None:
    told = story()
    refused = only(told.end_task("ann", "i1.t1.o1.a", disposition="won"), CommandResult).refusal

    assert refused is not None
    assert (refused.code, refused.http_status) == ("unknown_disposition", 422)
    assert told.domain.tasks["i1.t1"].state == "assigned"


def test_a_wrapup_stays_with_an_agent_who_is_lost() -> None:
    told = story()
    told.end_task("ann", "i1.t1.o1.a")
    told.gone("ann")

    assert only(told.wait(60), TaskCompleted).reason == "wrapup_timed_out"
