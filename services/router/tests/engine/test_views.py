"""Which views a batch's facts touch."""

import dataclasses
import json
from collections.abc import Callable

import msgspec
import pytest
from contracts.agents import CommandResult
from contracts.assignments import AssignmentRoleChanged
from contracts.configuration import Domain
from contracts.offers import OfferAccepted, OfferExpired, OfferRejected, OfferRescinded
from contracts.queues import QueueOverridden
from contracts.routing_parts import ReasonCode
from router.api.models import AgentView, AssignmentView, QueueView
from router.domain.facts import INTERNAL, PUBLIC, Fact
from router.domain.internal import AttentionJoined, ContactKept, RefusalLapsed, TaskHeldForStep, TaskLookedAt
from router.engine.sequences import Published, Sequences
from router.engine.views import OF_A_TASK, Touched, all_views
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import TENANT, Story

Step = Callable[[Story], list[object]]


def test_the_queue_is_looked_up_for_every_fact_that_changes_a_task_without_naming_its_queue() -> None:
    named = {data: {field.name for field in dataclasses.fields(data)} for data in (PUBLIC | INTERNAL).values()}
    without_queue = {data for data, fields in named.items() if "task_id" in fields and "queue" not in fields}

    of_no_queue = {AttentionJoined, CommandResult, ContactKept, RefusalLapsed, TaskHeldForStep, TaskLookedAt} | {
        data for name, data in PUBLIC.items() if name.startswith("assignment.")
    }
    assert without_queue - of_no_queue == set(OF_A_TASK)


@pytest.mark.parametrize(
    ("kind", "step", "state"),
    [
        (OfferAccepted, lambda told: told.accept("ann", "i1.t1.o1"), "assigned"),
        (OfferRejected, lambda told: told.reject("ann", "i1.t1.o1"), "waiting"),
        (OfferExpired, lambda told: told.wait(20), "waiting"),
        (OfferRescinded, lambda told: told.configure(removed="agent:ann"), "waiting"),
    ],
)
def test_what_becomes_of_an_offer_renews_the_view_of_its_task_s_queue(kind: type, step: Step, state: str) -> None:
    told, touched, sequences = Story(), Touched(), Sequences()
    told.configure(Domain(id=DOMAIN), queue("billing", "billing"), address("billing"), agent("ann", "billing"))
    told.on_duty("ann")
    told.start("i1")

    touched.note(told.state, [Fact(TENANT, data) for data in step(told) if isinstance(data, kind)])

    [(domain, views)] = touched.views(told.state, sequences).items()
    assert views["queues"] == all_views(told.state, sequences)[domain]["queues"]
    assert json.loads(views["queues"]["billing"] or b"")[state] == 1


def test_a_domain_s_view_says_which_version_it_has_switched_to_and_why_agents_may_be_not_ready() -> None:
    told, touched, sequences = Story(), Touched(), Sequences()
    told.configure(Domain(id=DOMAIN), queue("billing"))
    lunch = ReasonCode(id="lunch", label="Lunch", paid=False)

    touched.note(
        told.state, [Fact(TENANT, data) for data in told.configure(Domain(id=DOMAIN, not_ready_reasons=[lunch]))]
    )

    [(domain, views)] = touched.views(told.state, sequences).items()
    reasons = [{"id": "lunch", "label": "Lunch", "paid": False}]
    assert json.loads(views["domains"][DOMAIN] or b"") == {
        "domain": DOMAIN,
        "version": 2,
        "not_ready_reasons": reasons,
    }
    assert all_views(told.state, sequences)[domain]["domains"] == views["domains"]


@pytest.mark.parametrize("of", ["billing", None])
def test_a_queue_s_view_shows_a_supervisor_s_override_until_it_ends(of: str | None) -> None:
    told, sequences = Story(), Sequences()
    told.configure(Domain(id=DOMAIN), queue("billing"), queue("sales"))

    def shown(happened: list[object]) -> dict[str, QueueOverridden | None]:
        touched = Touched()
        touched.note(told.state, [Fact(TENANT, data) for data in happened])
        [(domain, views)] = touched.views(told.state, sequences).items()
        assert views["queues"].items() <= all_views(told.state, sequences)[domain]["queues"].items()
        return {name: QueueView.model_validate_json(raw or b"").override for name, raw in views["queues"].items()}

    begun = told.override(of, closed=True, message="Until noon.", priority=None, for_seconds=60)
    overridden = {data.queue: data for data in begun if isinstance(data, QueueOverridden)}

    assert overridden.keys() == ({of} if of else {"billing", "sales"})
    assert shown(begun) == overridden
    assert shown(told.wait(61)) == dict.fromkeys(overridden)


def test_an_agent_s_view_says_what_they_asked_for_while_they_hold_something() -> None:
    told, sequences = Story(), Sequences()
    told.configure(Domain(id=DOMAIN), queue("billing"), address("billing"), agent("ann"))
    told.on_duty("ann")
    told.start("i1")

    def shown() -> tuple[str, str | None, str | None]:
        raw = all_views(told.state, sequences)[f"{TENANT}/{DOMAIN}"]["agents"]["ann"]
        view = AgentView.model_validate_json(raw or b"")
        return view.state, view.pending_state, view.pending_reason_code

    told.set_state("ann", ready=False, when="when_free", reason="lunch")
    assert shown() == ("ready", "not_ready", "lunch")
    told.set_state("ann", ready=True)
    assert shown() == ("ready", None, None)


def test_an_assignment_s_view_says_since_when_it_is_on_hold_and_how_far_its_transfer_is() -> None:
    told, touched, sequences = Story(), Touched(), Sequences()
    told.configure(Domain(id=DOMAIN), queue("billing"), address("billing"), agent("ann"), agent("bob"))
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.on_duty("bob")

    def shown(happened: list[object]) -> tuple[bool, str | None, str | None]:
        touched.note(told.state, [Fact(TENANT, data) for data in happened])
        [(domain, views)] = touched.views(told.state, sequences).items()
        kept = {name: view for name, view in views["assignments"].items() if view is not None}
        assert kept.items() <= all_views(told.state, sequences)[domain]["assignments"].items()
        view = AssignmentView.model_validate_json(views["assignments"]["i1.t1.o1.a"] or b"")
        if view.transfer is None:
            return view.held_since_ms is not None, None, None
        return view.held_since_ms is not None, view.transfer.state, view.transfer.to_agent_id

    assert shown(told.hold("ann", "i1.t1.o1.a", held=True)) == (True, None, None)
    assert shown(told.hold("ann", "i1.t1.o1.a", held=False)) == (False, None, None)
    assert shown(told.transfer("ann", "i1.t1.o1.a", kind="consult", to_agent_id="bob")) == (False, "requested", None)
    assert shown(told.accept("bob", "i1.t2.o1")) == (False, "consulting", "bob")
    assert shown(told.move("ann", "i1.t2", "conference")) == (False, "conference", "bob")
    assert shown(told.move("ann", "i1.t2", "cancel")) == (False, None, None)


def test_an_assignment_s_sequence_is_that_of_the_event_that_gave_it_its_role() -> None:
    sequences = Sequences()
    told = Story()
    told.configure(Domain(id=DOMAIN), queue("billing", "billing"), address("billing"), agent("ann", "billing"))
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    (assigned,) = (task.assigned for task in told.state.domains[f"{TENANT}/{DOMAIN}"].tasks.values())
    assert assigned is not None
    changed = AssignmentRoleChanged(
        assignment_id=assigned.assignment_id,
        task_id=assigned.task_id,
        interaction_id="i1",
        domain=DOMAIN,
        agent_id="ann",
        role="participant",
        changed_at_ms=1,
    )
    for sequence, data in [("0001-1-0", assigned), ("0001-2-0", changed)]:
        sequences.note([Published(sequence, Fact(TENANT, data), msgspec.Raw(b"{}"), None, None)])

    (view,) = all_views(told.state, sequences)[f"{TENANT}/{DOMAIN}"]["assignments"].values()
    shown = json.loads(view or b"")
    assert (shown["sequence"], shown["role"]) == ("0001-2-0", "owner")
