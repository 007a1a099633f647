"""L1, L2 and L4: waits, lags and time-outs that took too long are found, and those that met trouble are not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from centralino.proof.history import History, Stood, Tables
from centralino.proof.lag import Lag, caught_up_at_ms, lag_faults
from centralino.proof.timing import Bounds, Trouble, next_offer_ms, timing_faults
from contracts import Event
from contracts.agents import (
    AgentBackedOff,
    AgentState,
    AgentStateChanged,
    AgentStatePending,
    ConfigurationApplied,
)
from contracts.configuration_records import ConfigurationRecord
from contracts.interactions import InteractionStarted
from contracts.offers import Decision, OfferExpired, OfferIssued, OfferRejected, OfferWithdrawn
from contracts.tasks import (
    Requirement,
    TaskAssigned,
    TaskDeferred,
    TaskQueued,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    Terms,
)
from contracts.topics import CONFIG, INTERACTIONS, ROUTING_EVENTS
from servicekit.ports import Partition

DOMAIN: Final = "acme.main"
CALM: Final = Trouble(struck_at_ms=0, calm_at_ms=0)
BOUNDS: Final = Bounds()
Step = tuple[int, object]


def story(*steps: Step, started_at_ms: int = 1000, **settings: object) -> History:
    """What the engine said, each with when it could be seen; one interaction, and ann, who has billing 3.

    `settings` are the domain's.
    """
    ann = {"id": "ann", "domain": DOMAIN, "name": "Ann", "skills": {"billing": 3}, "capacity": 1}
    records = [
        ConfigurationRecord(kind="agent", id="agent:ann", domain=DOMAIN, version=1, value=ann),
        ConfigurationRecord(
            kind="domain",
            id=f"domain:{DOMAIN}",
            domain=DOMAIN,
            version=1,
            value={"id": DOMAIN, "refused_backoff_seconds": 10} | settings,
        ),
    ]
    started = InteractionStarted(
        interaction_id="i1", domain=DOMAIN, client="shop", channel="webchat", address="a:b", started_at_ms=started_at_ms
    )
    applied = ConfigurationApplied(domain=DOMAIN, version=1, hash="h", applied_at_ms=0)
    return History(
        journal=[],
        routing=stood(ROUTING_EVENTS.name, [(0, applied), (0, ready()), *steps]),
        interactions=stood(INTERACTIONS.name, [(started_at_ms, started)]),
        messages=[],
        configuration=stood(CONFIG.name, [(0, record) for record in records]),
        malformed=[],
        dead_letters=[],
        accepted=[],
        tables=Tables(gateway=[], crm=[], crm_tasks={}),
    )


def stood(topic: str, steps: Sequence[Step]) -> list[Stood]:
    return [
        Stood(
            Partition(topic, 0),
            offset,
            Event(
                id=f"e{offset}",
                source="/test",
                tenant_id="acme",
                subject="s",
                time_ms=at_ms,
                data=data,
                sequence=f"0001-{offset:015d}-00000",
            ),
            at_ms,
        )
        for offset, (at_ms, data) in enumerate(steps)
    ]


def ready(state: str = "ready") -> AgentStateChanged:
    return AgentStateChanged(
        agent_id="ann",
        domain=DOMAIN,
        state="ready" if state == "ready" else "not_ready",
        reason_code=None,
        cause="command",
        changed_at_ms=0,
    )


def queued(*, minimum: int = 2) -> TaskQueued:
    return TaskQueued(
        task_id="i1.t1",
        interaction_id="i1",
        domain=DOMAIN,
        client="shop",
        channel="webchat",
        queue="help",
        priority=5,
        cost=1,
        requirements=(Requirement(skill="billing", minimum=minimum),),
        queued_at_ms=1000,
    )


def issued(number: int = 1, *, expires_at_ms: int = 20_000) -> OfferIssued:
    return OfferIssued(
        offer_id=f"i1.t1.o{number}",
        task_id="i1.t1",
        interaction_id="i1",
        domain=DOMAIN,
        queue="help",
        channel="webchat",
        priority=5,
        agent_id="ann",
        issued_at_ms=0,
        expires_at_ms=expires_at_ms,
        queued_at_ms=0,
        decision=Decision(rule="longest_idle", agents=1, eligible=1),
    )


def expired(number: int = 1) -> OfferExpired:
    return OfferExpired(
        offer_id=f"i1.t1.o{number}", task_id="i1.t1", domain=DOMAIN, agent_id="ann", unanswered=1, expired_at_ms=0
    )


def rejected() -> OfferRejected:
    return OfferRejected(
        offer_id="i1.t1.o1", task_id="i1.t1", domain=DOMAIN, agent_id="ann", reason=None, rejected_at_ms=0
    )


def found(history: History, trouble: Trouble = CALM, *, since_ms: int = 0) -> list[str]:
    return [str(fault) for fault in timing_faults(history, trouble, BOUNDS, since_ms=since_ms)]


def test_an_offer_within_five_seconds_is_in_time() -> None:
    assert found(story((1100, queued()), (5900, issued()))) == []


@pytest.mark.parametrize("queued_at_ms", [1100, 6900])
def test_a_contact_that_waits_longer_with_an_agent_ready_is_found_from_its_start_on(queued_at_ms: int) -> None:
    late = found(story((queued_at_ms, queued()), (7000, issued())))

    assert late == ["L1 at i1.t1.o1: i1.t1 was offered after 6000 ms with an agent ready and nothing broken"]


@pytest.mark.parametrize(
    "trouble", [Trouble(1500, 6500), Trouble(500, 2500)], ids=["in the middle of the wait", "before it"]
)
def test_of_a_wait_that_meets_trouble_only_the_rest_counts(trouble: Trouble) -> None:
    assert found(story((1100, queued()), (7000, issued())), trouble) == []


def test_a_wait_long_after_the_trouble_is_found() -> None:
    assert found(story((1100, queued()), (9000, issued())), Trouble(1200, 2000)) != []


def test_nobody_ready_or_skilled_or_free_is_no_fault() -> None:
    not_ready = [(1100, queued()), (1100, ready("not_ready")), (9000, ready()), (9100, issued())]
    no_skill = [(1100, queued(minimum=5)), (9000, issued())]
    busy = [(900, queued()), (950, issued()), (960, assigned()), (9000, replace(queued(), task_id="i1.t2"))]

    assert [found(story(*steps)) for steps in (not_ready, no_skill, busy)] == [[], [], []]


def test_a_wait_that_was_too_long_before_the_trouble_began_is_a_fault() -> None:
    assert found(story((1100, queued()), (8100, issued())), Trouble(7500, 8000)) != []
    assert found(story((1100, queued()), (8100, issued())), Trouble(4000, 8000)) == []


def assigned() -> TaskAssigned:
    return TaskAssigned(
        task_id="i1.t1",
        interaction_id="i1",
        domain=DOMAIN,
        queue="help",
        channel="webchat",
        assignment_id="i1.t1.o1.a",
        offer_id="i1.t1.o1",
        agent_id="ann",
        assigned_at_ms=0,
        waited_ms=0,
    )


def test_an_agent_who_refused_is_not_expected_again_before_the_backoff_is_over() -> None:
    refused = [(1100, queued()), (1200, issued()), (1300, rejected())]

    assert found(story(*refused, (11_400, ready()), (11_500, issued(2)))) == []
    assert found(story(*refused, (11_400, ready()), (17_000, issued(2)))) != []


LATE: Final = "L1 at i1.t1.o1: i1.t1 was offered after 7000 ms with an agent ready and nothing broken"


def deferred() -> TaskDeferred:
    return TaskDeferred(
        task_id="i1.t1",
        interaction_id="i1",
        domain=DOMAIN,
        queue="help",
        reason="scheduled",
        until_ms=None,
        deferred_at_ms=0,
    )


def resumed() -> TaskResumed:
    return TaskResumed(task_id="i1.t1", interaction_id="i1", domain=DOMAIN, queue="help", reason="due", resumed_at_ms=0)


def rerouted(minimum: int, *, teams: tuple[str, ...] = ()) -> TaskRerouted:
    return TaskRerouted(
        task_id="i1.t1",
        interaction_id="i1",
        domain=DOMAIN,
        queue="help",
        from_queue="help",
        reason="relaxed",
        priority=5,
        requirements=(Requirement(skill="billing", minimum=minimum),),
        terms=Terms(teams=teams),
        rerouted_at_ms=0,
        entered_at_ms=0,
    )


def pending(state: AgentState | None) -> AgentStatePending:
    return AgentStatePending(agent_id="ann", domain=DOMAIN, state=state, reason_code=None, asked_at_ms=0)


def backed_off(until_ms: int) -> AgentBackedOff:
    return AgentBackedOff(agent_id="ann", domain=DOMAIN, cause="expired", until_ms=until_ms, backed_off_at_ms=0)


@pytest.mark.parametrize(
    ("holds", "lets_go"),
    [
        (deferred(), resumed()),
        (rerouted(5), rerouted(2)),
        (rerouted(2, teams=("a",)), rerouted(2)),
        (pending("not_ready"), pending(None)),
        (backed_off(9000), ready()),
    ],
)
def test_what_holds_a_task_back_counts_until_it_lets_go(holds: object, lets_go: object) -> None:
    held_back = story((1100, queued()), (1200, holds), (9000, lets_go), (9100, issued()))
    let_go_early = story((1100, queued()), (1200, holds), (2100, lets_go), (9100, issued()))

    assert found(held_back) == []
    assert found(let_go_early) == [LATE]


def test_a_task_that_its_queue_has_given_up_waits_no_more() -> None:
    out = TaskTransferredOut(
        task_id="i1.t1",
        interaction_id="i1",
        domain=DOMAIN,
        queue="help",
        to="message",
        reason="closed",
        transferred_at_ms=0,
        waited_ms=0,
    )

    assert found(story((1100, queued()), (1200, out), (9000, replace(queued(), task_id="i1.t2")))) == []


def test_an_offer_to_another_that_was_withdrawn_frees_its_agent() -> None:
    other = replace(issued(), offer_id="i0.t1.o1", task_id="i0.t1")
    withdrawn = OfferWithdrawn(
        offer_id="i0.t1.o1", task_id="i0.t1", domain=DOMAIN, agent_id="ann", reason="rerouted", withdrawn_at_ms=0
    )
    taken = [(900, replace(queued(), task_id="i0.t1", interaction_id="i0")), (950, other), (1100, queued())]

    assert found(story(*taken, (9100, issued()))) == []
    assert found(story(*taken, (2100, withdrawn), (9100, issued()))) == [LATE]


def test_a_client_at_its_cap_waits_rightly() -> None:
    """Bob, who is of no configuration, has what the cap allows."""
    taken = [
        (900, replace(queued(), task_id="i0.t1", interaction_id="i0")),
        (950, replace(issued(), offer_id="i0.t1.o1", task_id="i0.t1", agent_id="bob")),
        (1100, queued()),
        (9100, issued()),
    ]

    assert found(story(*taken, client_shares=[{"client": "shop", "units_max": 1}])) == []
    assert found(story(*taken, client_shares=[{"client": "shop", "units_max": 2}])) != []


def test_outbound_work_with_a_reserve_is_expected_at_no_time() -> None:
    steps = [(1000, replace(queued(), direction="outbound")), (9100, issued())]

    assert found(story(*steps, outbound_idle_reserve=1)) == []
    assert found(story(*steps)) != []


def test_an_offer_that_outlives_its_time_out_is_found() -> None:
    in_time = story((1100, queued()), (1200, issued(expires_at_ms=7000)), (8900, expired()))
    late = story((1100, queued()), (1200, issued(expires_at_ms=7000)), (9100, expired()))

    assert found(in_time) == []
    assert found(late) == ["L4 at 0001-000000000000004-00000: i1.t1.o1 outlived its time-out by 2100 ms"]
    assert found(late, Trouble(6000, 8000)) == []
    assert found(late, since_ms=1) == []


def test_patience_stretches_the_bounds() -> None:
    late = story((1100, queued()), (7000, issued()))

    assert list(timing_faults(late, CALM, replace(BOUNDS, patience=2.0))) == []


def test_the_next_offer_is_the_first_that_was_decided_after_the_blow() -> None:
    history = story((1100, queued()), (1200, issued()), (1300, rejected()), (4200, issued(2)))

    assert next_offer_ms(history, 1200) == 3000
    assert next_offer_ms(history, 5000) is None


def lags(*behind: int, every_ms: int = 1000) -> list[Lag]:
    return [Lag(number * every_ms, {"crm": one, "outbox": 0}) for number, one in enumerate(behind)]


def test_a_reader_that_came_to_the_end_in_time_is_no_fault() -> None:
    trouble = Trouble(0, 2000)

    assert list(lag_faults(lags(0, 5, 3, 0, 2, 0), trouble, BOUNDS)) == []
    assert caught_up_at_ms(lags(0, 5, 3, 0, 2, 0), trouble) == 3000


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (lags(0, 5, 4), "L2 at crm: never came to the end after the trouble; it is 4 behind"),
        (lags(0, 5, 0, every_ms=40_000), "L2 at crm: came to the end 79000 ms after the trouble"),
        (lags(0, 0, 3), "L2 at crm: is 3 behind in the end"),
        ([], "L2 at the end: nobody could be asked how far they are"),
    ],
)
def test_a_reader_that_stays_behind_is_found(seen: list[Lag], text: str) -> None:
    assert [str(fault) for fault in lag_faults(seen, Trouble(500, 1000), BOUNDS)] == [text]
