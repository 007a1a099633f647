"""Alerts: raised and cleared after their time, by looks that stop when nothing can change."""

from typing import Any

import pytest
from contracts.configuration import Domain
from contracts.queues import AlertChanged
from router.api.models import QueueView
from router.domain.alerts import LOOK_MS
from router.domain.inputs import TimersDue
from router.domain.internal import AlertsLooked
from router.domain.snapshot import dump, load
from router.domain.turn import FACTS_MAX
from router.engine.sequences import Sequences
from router.engine.views import all_views
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story

LOOK = LOOK_MS / 1000


def story(*alerts: dict[str, Any], **settings: Any) -> Story:
    told = Story(reruns=True)
    told.configure(
        Domain(id=DOMAIN), queue("chats", "es", alerts=list(alerts), **settings), address("chats"), agent("ann", "es:2")
    )
    return told


def alerts(happened: list[object]) -> list[tuple[str, bool, int]]:
    return [(data.alert, data.raised, data.value) for data in happened if isinstance(data, AlertChanged)]


def test_an_alert_is_raised_and_cleared_when_a_measure_passes_its_limit() -> None:
    told = story({"id": "long", "measure": "waiting", "above": 1})
    told.start("i1")
    told.start("i2")

    assert alerts(told.wait(LOOK)) == [("long", True, 2)]
    assert alerts(told.wait(60)) == []
    told.end("i1")
    assert alerts(told.wait(LOOK)) == [("long", False, 1)]


def test_a_limit_has_to_be_passed_for_so_long_both_ways() -> None:
    told = story({"id": "long", "measure": "waiting", "above": 0, "for_seconds": 20})
    told.start("i1")
    told.wait(LOOK)
    told.end("i1")
    told.wait(LOOK)
    told.start("i2")

    assert alerts(told.wait(20)) == []  # it was back in between
    assert alerts(told.wait(LOOK)) == [("long", True, 1)]
    told.end("i2")
    assert alerts(told.wait(20)) == []
    assert alerts(told.wait(LOOK)) == [("long", False, 0)]


def test_the_oldest_wait_passes_its_limit_though_nothing_happens() -> None:
    told = story({"id": "old", "measure": "oldest_wait_seconds", "above": 60})
    told.start("i1")

    assert alerts(told.wait(60)) == []
    assert alerts(told.wait(LOOK)) == [("old", True, 65)]


def test_ready_agents_are_those_who_could_take_a_task_of_the_queue_now() -> None:
    told = story({"id": "few", "measure": "ready_agents", "below": 1})
    told.configure(agent("bob"))
    told.on_duty("bob")

    assert alerts(told.wait(LOOK)) == [("few", True, 0)]
    told.on_duty("ann")
    assert alerts(told.wait(LOOK)) == [("few", False, 1)]
    told.start("i1")
    assert alerts(told.wait(LOOK)) == [("few", True, 0)]


def served(told: Story, name: str, *, after_seconds: float) -> None:
    told.start(name)
    told.wait(after_seconds)
    told.accept("ann", f"{name}.t1.o1")
    told.complete("ann", f"{name}.t1.o1.a")


def promising(**settings: Any) -> Story:
    told = story({"id": "bad", "measure": "service_level_percent", "below": 80}, offer_timeout_seconds=60, **settings)
    told.on_duty("ann")
    return told


def test_the_service_level_is_the_one_that_supervisors_see() -> None:
    told = promising(service_level={"within_seconds": 10})
    for number, seconds in enumerate((1, 1, 11)):
        served(told, f"i{number}", after_seconds=seconds)

    assert alerts(told.wait(LOOK)) == [("bad", True, 66)]
    told.set_state("ann", ready=False)
    told.start("i8")
    told.end("i8")  # hardly came
    told.set_state("ann", ready=True)
    for number in range(10, 13):
        served(told, f"i{number}", after_seconds=0)
    assert alerts(told.wait(LOOK)) == [("bad", False, 83)]
    lately = told.domain.queues["chats"].measured.lately(told.now_ms)
    assert (lately.within, lately.promised) == (5, 6)


def test_an_alert_on_the_service_level_ends_with_the_half_hour_though_nothing_happens() -> None:
    told = promising(service_level={"within_seconds": 10})
    served(told, "i1", after_seconds=11)
    raised = alerts(told.wait(LOOK))

    idle = told.wait(3600)

    assert raised == [("bad", True, 0)]
    assert alerts(idle) == [("bad", False, 0)]
    assert len([data for data in idle if isinstance(data, AlertsLooked)]) <= 8  # at the steps of the figures
    assert told.state.next_due_ms() is None


def test_news_are_looked_at_soon_though_the_next_look_was_far_away() -> None:
    told = promising(service_level={"within_seconds": 10})
    served(told, "i1", after_seconds=1)
    told.wait(LOOK)
    served(told, "i2", after_seconds=11)

    assert alerts(told.wait(LOOK)) == [("bad", True, 50)]


def test_a_queue_that_promises_nothing_has_no_service_level_to_watch() -> None:
    told = promising()
    served(told, "i1", after_seconds=50)

    assert alerts(told.wait(3600)) == []
    assert told.state.next_due_ms() is None


def test_the_expected_wait_can_raise_an_alert() -> None:
    told = story({"id": "slow", "measure": "expected_wait_seconds", "above": 25})
    told.start("i1")
    told.wait(20)
    told.on_duty("ann")
    told.accept("ann", "i1.t1.o1")
    told.start("i2")

    assert alerts(told.wait(LOOK)) == [("slow", True, 40)]


def test_nobody_looks_while_nothing_happens_and_nobody_waits() -> None:
    told = story({"id": "long", "measure": "waiting", "above": 1})
    told.wait(LOOK)

    assert told.wait(3600) == []
    told.start("i1")
    looks = [data for data in told.wait(60) if isinstance(data, AlertsLooked)]
    assert len(looks) == 60 / LOOK
    told.end("i1")
    told.wait(2 * LOOK)
    assert told.state.next_due_ms() is None


def test_an_alert_that_is_not_configured_any_more_is_cleared() -> None:
    told = story({"id": "long", "measure": "waiting", "above": 0})
    told.start("i1")
    told.wait(LOOK)
    told.configure(queue("chats", "es"))

    assert alerts(told.wait(LOOK)) == [("long", False, 0)]
    assert told.domain.alerting == set()


@pytest.mark.parametrize("left", ["empty", "with a task"])
def test_an_alert_of_a_queue_that_is_removed_is_cleared_before_the_queue_goes(left: str) -> None:
    told = story(
        {"id": "few", "measure": "ready_agents", "below": 1},
        {"id": "slow", "measure": "waiting", "above": 0, "for_seconds": 60},
    )
    told.start("i1")
    assert alerts(told.wait(LOOK)) == [("few", True, 0)]
    if left == "empty":
        told.end("i1")
    told.configure(removed="queue:acme.main/chats")
    told.end("i1")

    assert alerts(told.wait(LOOK)) == [("few", False, 0)]
    assert "chats" not in told.domain.queues


def test_the_view_of_a_queue_lists_the_alerts_that_stand_as_they_were_raised() -> None:
    told = story(
        {"id": "long", "measure": "waiting", "above": 0},
        {"id": "longer", "measure": "waiting", "above": 0, "for_seconds": 600},
    )

    def shown() -> list[object]:
        raw = all_views(load(dump(told.state)), Sequences())[told.domain.key]["queues"]["chats"]
        return list(QueueView.model_validate_json(raw or b"").alerts)

    told.start("i1")
    raised = [data for data in told.wait(LOOK) if isinstance(data, AlertChanged)]
    standing = shown()
    told.end("i1")
    told.wait(LOOK)

    assert len(raised) == 1
    assert standing == raised
    assert shown() == []


def test_alerts_of_many_queues_are_looked_at_in_bounded_steps() -> None:
    told = Story(checker=None)
    few = {"id": "few", "measure": "ready_agents", "below": 1}
    told.configure(Domain(id=DOMAIN), *[queue(f"q{number:03}", alerts=[few]) for number in range(600)])
    told.now_ms += LOOK_MS
    steps = []
    while (due_ms := told.state.next_due_ms()) is not None and due_ms <= told.now_ms:
        steps.append(told.give(TimersDue()))

    assert max(map(len, steps)) <= FACTS_MAX + 20
    assert sum(len(alerts(step)) for step in steps) == 600
