"""A queue's live figures, from the engine's counts to the supervisor's view."""

import json
from random import Random

import pytest
from contracts.configuration import Domain
from router.api.live_figures import SHOWN, occupancy_of, with_figures, with_occupancy
from router.api.models import AgentView, QueueView
from router.domain.live_counts import DAY_MS, day_of, summed
from router.engine.sequences import Sequences
from router.engine.views import all_views
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story
from router.testing.walk import Walk

HOUR_SECONDS = 3600


def busy_hour() -> Story:
    """Three come: one is answered at once, one leaves after a minute, one waits."""
    told = Story()
    told.configure(
        Domain(id=DOMAIN),
        queue("chats", service_level={"within_seconds": 20}, offer_timeout_seconds=600),
        address("chats"),
        agent("ann"),
    )
    told.on_duty("ann")
    for number in range(3):
        told.start(f"i{number}")
    [offer_id] = told.domain.offers
    told.accept("ann", offer_id)
    told.wait(60)
    told.end("i1")
    return told


def shown(told: Story) -> QueueView:
    raw = all_views(told.state, Sequences())[told.domain.key]["queues"]["chats"]
    return with_figures(QueueView.model_validate_json(raw or b""), told.now_ms)


def figure(view: QueueView, name: str, over: str = "recent") -> tuple[int, int | None]:
    figures = view.recent if over == "recent" else view.today
    assert figures is not None
    return (figures.figures[name].numerator, figures.figures[name].denominator)


def test_the_view_says_what_happened_lately_and_since_when_it_counts() -> None:
    told = busy_hour()
    view = shown(told)

    assert view.recent is not None
    assert view.recent.since_ms == told.now_ms - 60_000
    assert set(view.recent.figures) == {formula.name for formula in SHOWN} | {"backlog.v1"}
    assert figure(view, "offered.v1") == figure(view, "offered.v1", "today") == (3, None)
    assert figure(view, "service_level.v1") == (1, 2)
    assert "measured" not in json.loads(view.model_dump_json())


def test_the_last_half_hour_passes_without_any_event_and_the_day_stays() -> None:
    told = busy_hour()
    told.now_ms += HOUR_SECONDS * 1000
    view = shown(told)

    assert figure(view, "offered.v1") == (0, None)
    assert figure(view, "service_level.v1") == (0, 0)
    assert figure(view, "service_level.v1", "today") == (1, 2)


def test_yesterday_is_not_today() -> None:
    told = busy_hour()
    told.now_ms += 24 * HOUR_SECONDS * 1000

    assert figure(shown(told), "offered.v1", "today") == (0, None)


def test_a_queue_where_nothing_happened_and_one_of_an_older_engine_have_no_figures() -> None:
    told = Story()
    told.configure(Domain(id=DOMAIN), queue("chats"))
    older = QueueView(queue="chats", waiting=1, offered=0, assigned=0, wrapup=0)

    assert shown(told).recent is None
    assert with_figures(older, told.now_ms) == older


def seen(told: Story, agent_id: str) -> AgentView:
    raw = all_views(told.state, Sequences())[told.domain.key]["agents"][agent_id]
    return with_occupancy(AgentView.model_validate_json(raw or b""), told.now_ms)


def test_the_backlog_is_what_waits_now_offered_and_deferred_included() -> None:
    told = busy_hour()
    told.start("i3")
    told.request("r1", in_seconds=3600)
    told.configure(agent("bob"))
    told.on_duty("bob")

    assert [task.state for task in told.domain.tasks.values()] == ["assigned", "offered", "waiting", "waiting"]
    assert figure(shown(told), "backlog.v1") == figure(shown(told), "backlog.v1", "today") == (3, None)


@pytest.mark.parametrize("seed", range(8))
def test_the_backlog_is_all_waits_that_began_less_those_that_ended(seed: int) -> None:
    day = Walk(Random(seed))
    for _ in range(100):
        day.step()
    for name, line in day.told.domain.queues.items():
        counts = summed([line.measured.earlier, *(plain for _, plain in line.measured.steps())])
        raw = all_views(day.told.state, Sequences())[day.told.domain.key]["queues"][name]
        view = with_figures(QueueView.model_validate_json(raw or b""), day.told.now_ms)
        if view.today is not None and day_of(day.told.now_ms) == day_of(Story().now_ms):
            assert view.today.figures["backlog.v1"].numerator == counts.waits_begun - counts.waits_ended


def test_occupancy_counts_up_to_now_and_begins_anew_at_midnight() -> None:
    told = busy_hour()
    told.configure(agent("bob"))
    told.on_duty("bob")
    told.end("i2")
    told.wait(20)
    told.end("i0")  # a stretch ends, and her wrap-up begins
    ann, bob = seen(told, "ann"), seen(told, "bob")
    told.now_ms += 24 * HOUR_SECONDS * 1000

    assert ann.occupancy is not None
    assert (ann.occupancy.numerator, ann.occupancy.denominator) == (80_000, 80_000)
    assert bob.occupancy is not None
    assert (bob.occupancy.numerator, bob.occupancy.denominator) == (0, 20_000)
    both = occupancy_of([ann, bob, AgentView(agent_id="x", state="ready", presence="present", held=0, capacity=1)])
    assert (both.numerator, both.denominator) == (80_000, 100_000)
    tomorrow = seen(told, "ann").occupancy
    assert tomorrow is not None
    assert tomorrow.numerator == told.now_ms % DAY_MS
    assert "time" not in json.loads(ann.model_dump_json())
