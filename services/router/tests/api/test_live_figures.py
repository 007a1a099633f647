"""A queue's live figures, from the engine's counts to the supervisor's view."""

import json

from contracts.configuration import Domain
from router.api.live_figures import SHOWN, with_figures
from router.api.models import QueueView
from router.engine.sequences import Sequences
from router.engine.views import all_views
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story

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
    assert set(view.recent.figures) == {formula.name for formula in SHOWN}
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
