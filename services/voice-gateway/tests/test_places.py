"""Whom the counting tells which place: `tests/integration/test_places_in_line.py` compares it with the router's."""

from typing import Any, Final

import pytest
from contracts.tasks import (
    Requirement,
    TaskAbandoned,
    TaskAssigned,
    TaskDeferred,
    TaskQueued,
    TaskResumed,
    TaskUnassigned,
    Terms,
    WrapupStarted,
)
from voice_gateway.domain.places import LINE_MAX, Places

TENANT: Final = "acme"
ALL: Final[dict[str, Any]] = {"interaction_id": "i", "domain": "main", "queue": "help"}  # Any: fields of events


def queued(places: Places, name: str, at_ms: int, *, position: int | None = None, **fields: Any) -> None:
    data = TaskQueued(
        task_id=name,
        client="shop",
        channel="voice",
        cost=1,
        requirements=(Requirement(skill="it"),),
        queued_at_ms=at_ms,
        position=position,
        **{**ALL, "priority": 5, **fields},
    )
    places.heard(TENANT, data)


def assigned(places: Places, name: str) -> None:
    ids: dict[str, Any] = {"channel": "voice", "assignment_id": "a", "offer_id": "o", "agent_id": "ada"}
    places.heard(TENANT, TaskAssigned(task_id=name, assigned_at_ms=9, waited_ms=9, **ids, **ALL))


def abandoned(places: Places, name: str) -> None:
    places.heard(TENANT, TaskAbandoned(task_id=name, reason="customer_left", abandoned_at_ms=9, waited_ms=9, **ALL))


def test_who_waited_before_the_counting_began_is_before_everybody_until_they_leave() -> None:
    places = Places()
    queued(places, "mine", 100, position=3)
    assert places.of(TENANT, "mine") == 3

    assigned(places, "one-of-before")
    assert places.of(TENANT, "mine") == 2
    queued(places, "next", 200, position=3)
    assert places.of(TENANT, "next") == 3
    abandoned(places, "other-of-before")
    assert places.of(TENANT, "mine") == 1


def test_who_leaves_and_is_known_changes_nothing_of_those_before() -> None:
    places = Places()
    queued(places, "mine", 200, position=3)
    queued(places, "behind", 300, position=4)
    assigned(places, "behind")

    assert places.of(TENANT, "mine") == 3


def test_a_higher_band_goes_first() -> None:
    places = Places()
    queued(places, "mine", 100, position=1)
    queued(places, "urgent", 200, position=2, terms=Terms(band=1))

    assert (places.of(TENANT, "urgent"), places.of(TENANT, "mine")) == (1, 2)


def test_a_task_that_is_done_is_forgotten() -> None:
    places = Places()
    queued(places, "done", 100, position=1)
    ended: dict[str, Any] = {"assignment_id": "a", "agent_id": "ada", "reason": "agent_ended", "then": "close"}
    places.heard(TENANT, WrapupStarted(task_id="done", seen_number=None, started_at_ms=9, ends_at_ms=9, **ended, **ALL))
    places.heard(TENANT, TaskResumed(task_id="done", reason="due", resumed_at_ms=9, **ALL))

    assert places.of(TENANT, "done") is None


def test_how_long_the_line_is_corrects_what_was_counted() -> None:
    places = Places()
    queued(places, "mine", 100, position=9)
    queued(places, "next", 200, position=3)

    assert (places.of(TENANT, "mine"), places.of(TENANT, "next")) == (2, 3)


def test_who_has_an_agent_or_is_deferred_has_no_place_and_gets_the_old_one_back() -> None:
    places = Places()
    queued(places, "first", 100, position=1)
    queued(places, "second", 200, position=2)

    assigned(places, "first")
    assert (places.of(TENANT, "first"), places.of(TENANT, "second")) == (None, 1)
    back: dict[str, Any] = {
        "assignment_id": "a",
        "agent_id": "ada",
        "queued_at_ms": 100,
        "unassigned_at_ms": 9,
        "handled_ms": 0,
    }
    places.heard(TENANT, TaskUnassigned(task_id="first", reason="connect_failed", **back, **ALL))
    assert (places.of(TENANT, "first"), places.of(TENANT, "second")) == (1, 2)

    places.heard(TENANT, TaskDeferred(task_id="first", reason="closed", until_ms=None, deferred_at_ms=9, **ALL))
    assert places.of(TENANT, "second") == 1
    places.heard(TENANT, TaskResumed(task_id="first", reason="opened", resumed_at_ms=9, **ALL))
    assert places.of(TENANT, "second") == 2
    places.heard(TENANT, TaskUnassigned(task_id="first", reason="parked", **back, **ALL))
    assert places.of(TENANT, "first") is None


@pytest.mark.parametrize("other", [{"queue": "sales"}, {"domain": "north"}])
def test_other_lines_are_nobodys_concern(other: dict[str, str]) -> None:
    places = Places()
    queued(places, "theirs", 50, position=1, **other)
    queued(places, "mine", 100, position=1)

    assert places.of(TENANT, "mine") == 1
    assert places.of("other-tenant", "mine") is None


def test_in_a_very_long_line_nobody_is_told_a_place() -> None:
    places = Places()
    for number in range(LINE_MAX + 1):
        queued(places, f"t{number}", number, position=number + 1)
    assert places.of(TENANT, "t0") is None

    abandoned(places, "t7")
    assert places.of(TENANT, "t9") == 9
