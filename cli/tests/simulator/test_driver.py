"""The driver: what customers and agents do, and what is counted of it."""

from typing import Any

import pytest
from centralino.simulator.driver import Driver
from centralino.simulator.erlang import erlang_b
from centralino.simulator.scenario import Scenario
from centralino.simulator.tally import Scope, Tally
from centralino.simulator.validation import IMPATIENT, exponential, pool
from contracts.commands import AcceptOffer
from contracts.offers import OfferIssued
from contracts.tasks import TaskAbandoned, TaskTransferredOut
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.inputs import CommandInput, Input
from router.domain.state import State

CALLS: Scope = ("contacts", "calls")
QUEUE: Scope = ("queue", "calls")
AGENTS: Scope = ("group", "agents")


def scenario(
    *,
    queue: dict[str, Any] | None = None,
    contact: dict[str, Any] | None = None,
    group: dict[str, Any] | None = None,
    day: dict[str, Any] | None = None,
    **parts: object,
) -> Scenario:
    """Four days of four hours, 60 contacts an hour of 2 min each, three agents; with changes."""
    calls = {"name": "calls", "queue": "calls", "per_hour": 60, "service": exponential(2), **(contact or {})}
    document: dict[str, object] = {
        "configuration": {
            "clients": ["shop"],
            "domains": [{"id": "main", "costs": {"email": 2}}],
            "queues": [{"id": "calls", "domain": "main", "name": "Calls", **(queue or {})}],
        },
        "contacts": [calls],
        "groups": [{"name": "agents", "number": 3, "agent": {"capacity": 1}, **(group or {})}],
        "days": 4,
        "day": {"periods": 4, "period_seconds": 3600, **(day or {})},
        **parts,
    }
    return Scenario.model_validate(document)


def simulated(wanted: Scenario) -> Tally:
    tally = Driver(wanted).run()
    assert not tally.refused
    return tally


def value(tally: Tally, scope: Scope, figure: str, period: int | None = None) -> float:
    return tally.figures(scope, period)[figure].value


def test_everybody_who_comes_is_answered_or_leaves() -> None:
    tally = simulated(scenario(contact={"patience": exponential(1)}))

    assert tally.contacts == 4 * value(tally, CALLS, "offered")
    assert value(tally, CALLS, "abandoned") > 0
    assert value(tally, CALLS, "offered") == value(tally, CALLS, "answered") + value(tally, CALLS, "abandoned")
    assert tally.figures(CALLS) == tally.figures(QUEUE)
    assert sum(value(tally, CALLS, "offered", period) for period in range(4)) == value(tally, CALLS, "offered")


def test_the_same_seed_gives_the_same_figures_and_another_seed_others() -> None:
    one, again, other = (simulated(scenario(seed=seed)).figures(CALLS) for seed in (1, 1, 2))

    assert one == again
    assert one != other


def test_more_agents_meet_the_same_contacts() -> None:
    few, many = (simulated(scenario(group={"number": number})) for number in (3, 30))

    assert few.contacts == many.contacts
    assert value(many, CALLS, "delayed") == 0
    assert value(few, CALLS, "delayed") > 0.3
    assert value(many, AGENTS, "busy") == pytest.approx(value(few, AGENTS, "busy") / 10, rel=0.03)


def test_another_contact_type_changes_nothing_in_the_chance_of_the_first() -> None:
    calls = {"name": "calls", "queue": "calls", "per_hour": 60, "service": exponential(2)}
    one = simulated(scenario(group={"number": 50}))
    two = simulated(scenario(group={"number": 50}, contacts=[{**calls, "name": "chats"}, calls]))

    assert value(one, CALLS, "offered") == value(two, CALLS, "offered")
    assert value(two, ("contacts", "chats"), "offered") != value(two, CALLS, "offered")
    assert value(two, QUEUE, "offered") == pytest.approx(two.contacts / 4)


def test_a_router_that_accepts_for_the_agents_leads_to_the_same_figures() -> None:
    wanted = scenario(contact={"patience": exponential(1)})

    by_agents, by_router = Driver(wanted).run(), Driver(wanted, accepting).run()

    assert by_agents.figures(CALLS) == by_router.figures(CALLS)
    assert by_agents.figures(AGENTS) == by_router.figures(AGENTS)


def accepting(state: State, given: Input, now_ms: int) -> list[Fact]:
    """`decide` as it will be for a queue with automatic acceptance: the offer is answered in the same decision."""
    facts = decide(state, given, now_ms)
    for fact in list(facts):
        if isinstance(fact.data, OfferIssued):
            offer = fact.data
            accept = AcceptOffer(
                command_id=f"auto-{offer.offer_id}",
                domain=offer.domain,
                agent_id=offer.agent_id,
                offer_id=offer.offer_id,
            )
            facts += decide(state, CommandInput(fact.tenant_id, accept), now_ms)
    return facts


def test_whom_the_router_gives_up_is_diverted() -> None:
    tally = Driver(scenario(contact={"patience": IMPATIENT}), giving_up).run()

    assert value(tally, CALLS, "diverted") > 0
    assert value(tally, CALLS, "abandoned") == 0
    assert value(tally, CALLS, "offered") * (1 - value(tally, CALLS, "diverted")) == pytest.approx(
        value(tally, CALLS, "answered")
    )


def test_who_is_called_back_counts_as_diverted_and_takes_an_agent_all_the_same() -> None:
    shown = scenario(
        contact={"address": "tel:1", "queue": None, "per_hour": 240, "patience": exponential(3)},
        configuration={
            "clients": ["shop"],
            "domains": [{"id": "main"}],
            "queues": [{"id": "calls", "domain": "main", "name": "Calls", "plan": "short"}],
            "plans": [
                {"id": "short", "domain": "main", "steps": [{"after_seconds": 60, "overflow": {"to": "callback"}}]}
            ],
            "channels": [
                {
                    "address": "tel:1",
                    "channel": "voice",
                    "client": "shop",
                    "domain": "main",
                    "queue": "calls",
                    "callbacks": True,
                }
            ],
        },
    )
    tally = simulated(shown)
    answered, diverted = (
        value(tally, CALLS, "answered"),
        value(tally, CALLS, "diverted") * value(tally, CALLS, "offered"),
    )

    assert diverted > 0
    assert answered + diverted + value(tally, CALLS, "abandoned") == pytest.approx(value(tally, CALLS, "offered"))
    assert value(tally, CALLS, "asa_seconds") <= 60
    assert value(tally, AGENTS, "busy") > 0.97  # with callbacks beyond the day nobody is idle


def giving_up(state: State, given: Input, now_ms: int) -> list[Fact]:
    """`decide` as it will be for a queue that is full: for who would abandon, a closing message."""
    return [given_up(fact) for fact in decide(state, given, now_ms)]


def given_up(fact: Fact) -> Fact:
    if not isinstance(fact.data, TaskAbandoned):
        return fact
    out = TaskTransferredOut(
        task_id=fact.data.task_id,
        interaction_id=fact.data.interaction_id,
        domain=fact.data.domain,
        queue=fact.data.queue,
        to="message",
        reason="full",
        transferred_at_ms=fact.data.abandoned_at_ms,
        waited_ms=fact.data.waited_ms,
    )
    return Fact(fact.tenant_id, out)


def test_ringing_is_waiting() -> None:
    ringing = simulated(scenario(group={"number": 30, "ring": {"distribution": "fixed", "seconds": 5}}))

    assert value(ringing, CALLS, "asa_seconds") == 5
    assert value(ringing, CALLS, "delayed") == 1


def test_who_leaves_while_it_rings_has_abandoned() -> None:
    tally = simulated(
        scenario(
            contact={"patience": {"distribution": "fixed", "seconds": 4}},
            group={"number": 30, "ring": {"distribution": "fixed", "seconds": 5}},
        )
    )

    assert value(tally, CALLS, "abandonment") == 1
    assert value(tally, CALLS, "mean_wait_seconds") == 4
    assert value(tally, AGENTS, "busy") == 0


def test_agents_who_are_too_slow_are_set_not_ready_and_a_day_without_an_end_is_given_up() -> None:
    slow = Driver(scenario(group={"ring": {"distribution": "fixed", "seconds": 25}}, days=1)).run()

    assert value(slow, CALLS, "offered") > 0
    assert value(slow, CALLS, "answered") == 0
    assert value(slow, AGENTS, "staffed_hours") < 1


def test_wrap_up_keeps_agents_busy_and_the_queue_cuts_it() -> None:
    plain, written, cut = (
        simulated(scenario(queue={"wrapup_seconds": limit}, contact={"wrapup": wrapup}, group={"number": 30}))
        for limit, wrapup in ((60, None), (60, {"distribution": "fixed", "seconds": 30}), (10, exponential(60)))
    )
    contacts_per_second = value(plain, CALLS, "offered") / (4 * 3600 * 30)

    more = value(written, AGENTS, "busy") - value(plain, AGENTS, "busy")
    assert more == pytest.approx(30 * contacts_per_second, rel=0.02)
    more = value(cut, AGENTS, "busy") - value(plain, AGENTS, "busy")
    assert more == pytest.approx(10 * contacts_per_second, rel=0.02)


def test_a_group_may_be_faster() -> None:
    slow = simulated(scenario(group={"number": 30}))
    fast = simulated(scenario(contact={"service_by_group": {"agents": exponential(1)}}, group={"number": 30}))

    assert value(fast, AGENTS, "busy") == pytest.approx(value(slow, AGENTS, "busy") / 2, rel=0.1)


def test_agents_are_there_while_their_shift_is() -> None:
    tally = simulated(
        scenario(
            contact={"patience": exponential(1), "service": {"distribution": "fixed", "seconds": 1}},
            group={"shifts": [{"from_seconds": 3600, "to_seconds": 7200}]},
        )
    )

    assert value(tally, AGENTS, "staffed_hours") == pytest.approx(3, abs=0.01)
    assert value(tally, CALLS, "answered", 1) > 0.9 * value(tally, CALLS, "offered", 1)
    assert value(tally, CALLS, "answered", 0) + value(tally, CALLS, "answered", 2) < 8
    assert value(tally, CALLS, "answered", 3) == 0


def test_occupancy_counts_units_and_busy_counts_agents() -> None:
    tally = simulated(scenario(contact={"channel": "email"}, group={"number": 30, "agent": {"capacity": 4}}))

    assert value(tally, AGENTS, "occupancy") == pytest.approx(value(tally, AGENTS, "busy") / 2, rel=1e-6)


def test_agents_and_addresses_of_the_configuration_can_be_used() -> None:
    document: dict[str, object] = {
        "clients": ["shop"],
        "domains": [{"id": "main"}, {"id": "other"}],
        "queues": [{"id": name, "domain": "other", "name": name} for name in ("calls", "vip")],
        "agents": [{"id": "ana", "domain": "other", "name": "Ana"}],
        "channels": [
            {
                "address": "tel:1",
                "channel": "voice",
                "client": "shop",
                "domain": "other",
                "queue": "calls",
                "queues": ["vip"],
            }
        ],
    }

    tally = simulated(
        scenario(
            configuration=document,
            contact={"address": "tel:1", "queue": "vip"},
            group={"number": 0, "agent": {}, "agents": ["ana"]},
        )
    )

    assert value(tally, ("queue", "vip"), "answered") == tally.contacts / 4
    assert QUEUE not in tally.counts


def test_one_long_run_counts_each_day_after_its_warm_up() -> None:
    tally = simulated(scenario(days=6, day={"starts": "continued", "warmup_days": 2}))

    assert tally.figures(CALLS)["offered"].days == 4
    assert value(tally, CALLS, "offered") == value(tally, CALLS, "answered")
    assert value(tally, AGENTS, "staffed_hours") == 12


def test_the_first_periods_of_a_day_can_be_left_out() -> None:
    tally = simulated(scenario(day={"warmup_periods": 1}))

    assert value(tally, CALLS, "offered", 0) == 0
    assert 0 < 4 * value(tally, CALLS, "offered") < tally.contacts
    assert value(tally, AGENTS, "staffed_hours") == 9


def test_a_contact_that_finds_no_line_is_blocked() -> None:
    wanted = pool(2, 1, 2, days=20, hours=2).model_copy(update={"lines": 3})

    tally = simulated(wanted)

    blocked = tally.figures(CALLS)["blocked"]
    assert abs(blocked.value - erlang_b(2, 2, waiting_max=1)) < blocked.half_width(0.999)
    assert value(tally, CALLS, "offered") * (1 - blocked.value) == pytest.approx(value(tally, CALLS, "answered"))


def test_who_has_no_patience_never_waits() -> None:
    tally = simulated(scenario(contact={"patience": IMPATIENT}))

    assert value(tally, CALLS, "abandoned") > 0
    assert value(tally, CALLS, "mean_wait_seconds") == 0


def test_patience_ends_with_the_answer() -> None:
    group = {"number": 30, "ring": {"distribution": "fixed", "seconds": 1}}
    patient = simulated(scenario(group=group))
    hasty = simulated(scenario(contact={"patience": {"distribution": "fixed", "seconds": 2}}, group=group))

    assert value(hasty, AGENTS, "busy") == value(patient, AGENTS, "busy")


def test_who_works_to_the_end_of_the_day_serves_those_who_still_wait() -> None:
    tally = simulated(scenario(group={"number": 1, "shifts": [{"from_seconds": 0, "to_seconds": 14_400}]}))

    assert value(tally, CALLS, "mean_wait_seconds") > 600
    assert value(tally, CALLS, "answered") == value(tally, CALLS, "offered")


def test_who_is_busy_at_the_end_of_a_shift_finishes_and_counts_until_then() -> None:
    tally = simulated(
        scenario(
            contact={"per_hour": 600, "patience": IMPATIENT, "service": {"distribution": "fixed", "seconds": 1800}},
            group={"shifts": [{"from_seconds": 0, "to_seconds": 5400}]},
        )
    )

    assert 3 * 1.5 < value(tally, AGENTS, "staffed_hours") < 3 * 2
    assert 0.9 < value(tally, AGENTS, "busy") < 1
    assert value(tally, AGENTS, "staffed_hours", 3) == 0


def test_the_night_between_two_days_is_nobodys_shift() -> None:
    shifts = {"shifts": [{"from_seconds": 3600, "to_seconds": 14_400}]}
    tally = simulated(scenario(contact={"per_hour": 6}, group=shifts, day={"starts": "continued"}))

    assert value(tally, AGENTS, "staffed_hours", 0) < 0.3
    assert value(tally, AGENTS, "staffed_hours", 1) == 3


def test_in_target_is_sooner_than_the_target() -> None:
    levels = [level_with(target, patience=60) for target in (5, 6)]
    late, early = (level_with(target, patience=4) for target in (4, 5))

    assert levels == [0, 1]
    assert late == 0
    assert str(early) == "nan"  # nobody was answered, and nobody who left had waited for longer than promised


def level_with(target: float, *, patience: float) -> float:
    """The service level where agents ring for five seconds."""
    contact = {"in_target_seconds": target, "patience": {"distribution": "fixed", "seconds": patience}}
    ring = {"distribution": "fixed", "seconds": 5}
    return value(simulated(scenario(contact=contact, group={"number": 40, "ring": ring})), CALLS, "service_level")


def test_a_large_centre_is_configured_in_steps() -> None:
    tally = simulated(scenario(contact={"per_hour": 1}, group={"number": 450}, days=1))

    assert value(tally, AGENTS, "staffed_hours") == 450 * 4


def test_agents_answer_at_once_whom_they_would_lose_otherwise() -> None:
    timed = simulated(scenario(queue={"first_response_seconds": 5}))
    plain = simulated(scenario())

    assert value(timed, AGENTS, "busy") == value(plain, AGENTS, "busy")
