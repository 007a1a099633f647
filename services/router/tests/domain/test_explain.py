"""Explanations: sentences as supervisors read them, and counts that agree with what decides."""

from collections import Counter
from random import Random

import pytest
from contracts.configuration import Domain
from contracts.routing_parts import ClientShare, Destination, ReasonCode, Step
from contracts.tasks import Requirement, Terms
from router.domain import explain_words as words
from router.domain.explain import explain_queue, explain_task, explaining_queue, explaining_task
from router.domain.explain_agents import explain_agent, explain_target_agent
from router.domain.explain_answers import AgentExplained, TaskExplained
from router.domain.explain_census import CHUNK, at_once
from router.domain.snapshot import dump, load
from router.domain.task import Task
from router.testing import oracle
from router.testing.ledger import Ledger
from router.testing.parts import DOMAIN, Later, Part, address, agent, plan, queue, skill
from router.testing.story import TENANT, Story
from router.testing.walk import Walk

RELAXING = plan(
    "patient",
    Step(after_seconds=30, requirements=[skill("es:2")]),
    Step(after_seconds=90, requirements=[]),
    Step(after_seconds=300, overflow=Destination(to="queue", queue="sales")),
)
CENSUS = {
    "team": "lacks_skill",
    "channel": "lacks_skill",
    "client": "lacks_skill",
    "direction": "lacks_skill",
    "requirement": "lacks_skill",
    "one_of": "lacks_skill",
    "none_of": "lacks_skill",
    "pending_state": "not_ready",
    "being_served": "not_ready",
    "channel_full": "at_capacity",
    "transfers_it": "refused_before",
}
"""What decisions call it."""


def centre(*parts: Part | Later, **domain: object) -> Story:
    """Queue `spanish` wants es>=4 and relaxes; `sales` wants fr."""
    told = Story()
    told.configure(
        Domain.model_validate({"id": DOMAIN, **domain}),
        RELAXING,
        queue("spanish", "es:4", plan="patient", offer_timeout_seconds=20),
        queue("sales", "fr"),
        address("spanish", "sales", "any"),
        *parts,
    )
    return told


def task_explained(told: Story, task_id: str = "i1.t1") -> TaskExplained:
    found = explain_task(told.domain, task_id, told.now_ms)
    assert found is not None
    return found


def agent_explained(told: Story, agent_id: str) -> AgentExplained:
    found = explain_agent(told.domain, agent_id, told.now_ms)
    assert found is not None
    return found


def occupy(told: Story, interaction_id: str, **how: str) -> str:
    """The contact is taken by whoever it is offered to; the assignment."""
    told.start(interaction_id, **how)
    offer_id = f"{interaction_id}.t1.o1"
    told.accept(told.domain.offers[offer_id].offer_of(offer_id).agent_id, offer_id)
    return f"{offer_id}.a"


def test_pain_13_why_was_this_task_skipped_is_answered_by_counts_of_agents_by_reason() -> None:
    novices = [agent(f"novice{number}", "es:3") for number in range(9)]
    experts = [agent(name, "es:5") for name in ("ann", "bob", "cid", "dee", "eve")]
    told = centre(*novices, *experts, not_ready_reasons=[ReasonCode(id="lunch", label="Lunch").model_dump()])
    told.on_duty(*(each.id for each in novices), "ann", "bob", "cid")
    for number in range(3):
        occupy(told, f"busy{number}")
    told.seen("dee", "eve")
    for name in ("dee", "eve"):
        told.set_state(name, ready=False, reason="lunch")
    told.start("i1")
    told.wait(18)

    found = task_explained(told)

    assert found.summary == (
        "0 of 14 eligible: 9 lack es>=4, 2 not ready (Lunch), 3 at capacity; relaxes in 12 s to es>=2"
    )
    assert [(reason.code, reason.detail, reason.count) for reason in found.reasons] == [
        ("requirement", "es>=4", 9),
        ("not_ready", "Lunch", 2),
        ("at_capacity", "", 3),
    ]
    assert (found.agents, found.eligible, found.position, found.waited_ms) == (14, 0, 1, 18_000)


def test_pain_13_why_do_i_get_nothing_is_answered_to_an_agent() -> None:
    told = centre(agent("ann", "es:5"), agent("bob", "es:1"))
    told.on_duty("ann", "bob")
    occupy(told, "busy")
    told.start("i1")
    told.wait(5)

    assert agent_explained(told, "ann").summary == (
        "gets nothing now: at capacity (1 of 1 units); next would be i1.t1 of queue spanish, which has waited 5 s"
    )
    assert agent_explained(told, "bob").summary == ("ready; nothing waits that they could serve: 1 asks for es>=4")


def test_the_whole_timeline_of_a_task_is_told_with_what_is_past_and_what_is_to_come() -> None:
    told = centre(agent("ann", "es:1"))
    told.start("i1")
    told.wait(40)

    found = task_explained(told)

    assert found.plan == "0 s: es>=4; 30 s: es>=2; 90 s: any; 300 s: overflow to sales"
    assert [moment.done for moment in found.timeline] == [True, True, False, False]
    assert [moment.at_ms for moment in found.timeline] == [
        found.queued_at_ms + after_ms for after_ms in (0, 30_000, 90_000, 300_000)
    ]
    assert found.summary == "0 of 1 eligible: 1 lacks es>=2; relaxes in 50 s to any"
    told.wait(60)
    assert task_explained(told).summary == "0 of 1 eligible: 1 not ready; overflows in 200 s to sales"


def test_everything_that_a_plan_may_change_has_words() -> None:
    steps = plan(
        "rich",
        Step(after_seconds=0, agents=["ann"], last_agent=True),
        Step(after_seconds=20, none_of=[skill("es:5")], teams=["north", "south"], priority_add=2),
        Step(after_seconds=900, any_of=[[skill("fr"), skill("it:2-3")]], requirements=[], band=3),
        Step(after_seconds=7200, overflow=Destination(to="message", message="Sorry.")),
    )
    told = centre(
        steps,
        queue("any", "es:1-3", plan="rich", customer_facts_wait_ms=9),
        agent("ann", "fr"),
        longest_wait_seconds=3600,
    )
    told.on_duty("ann")
    told.start("i1", queue="any")
    told.facts("i1", last_agent_id="bob")

    assert task_explained(told).plan == (
        "0 s: es<=3, only ann, bob; "
        "20 s: es<=3 and no es>=5 and team north or south, everybody who fits, priority +2; "
        "15 min: one of (fr or it 2 to 3) and no es>=5 and team north or south, band 3; "
        "1 h: goes before everything that has waited less than the longest wait; "
        "2 h: overflow to a closing message"
    )


def test_each_requirement_tells_how_many_lack_it_whatever_else_they_lack() -> None:
    told = centre(queue("any", "es:2", "fr"), agent("ann", "es:2"), agent("bob", "fr"), agent("cid"))
    told.start("i1", queue="any")

    found = task_explained(told)

    assert [(each.code, each.detail, each.count) for each in found.reasons] == [
        ("requirement", "es>=2", 2),
        ("requirement", "fr", 1),
    ]
    lacking = {each.detail: each.lacking for each in found.asked}
    assert (lacking["es>=2"], lacking["fr"], lacking["webchat"]) == (2, 2, 0)


def test_whom_and_what_agents_serve_is_told() -> None:
    told = centre(
        queue("any", teams=["north"]),
        agent("ann", team="south"),
        agent("bob", team="north", channels={"voice": 1}),
        agent("cid", team="north", clients=["bank"]),
        agent("dee", team="north", directions=["outbound"]),
    )
    told.start("i1", queue="any")

    assert task_explained(told).summary == (
        "0 of 4 eligible: 1 is not in team north, 1 does not serve webchat, 1 does not serve client shop, "
        "1 takes no inbound work"
    )


def test_a_live_offer_is_told_with_the_time_left_and_steps_wait_for_it() -> None:
    told = centre(agent("ann", "es:4"), agent("bob", "es:3"))
    told.on_duty("ann", "bob")
    told.start("i1")
    told.wait(15)

    found = task_explained(told)

    assert found.summary == (
        "offered to ann, who has 5 s left to answer; 0 of 2 eligible: 1 has it offered, 1 lacks es>=4; "
        "relaxes in 15 s to es>=2"
    )
    assert [offer.agent_id for offer in found.offers] == ["ann"]


def test_who_refused_and_who_backed_off_is_told() -> None:
    told = centre(
        queue("any"),
        *(agent(name) for name in ("ann", "bob")),
        refused_backoff_seconds=60,
        agent_backoff={"rejected_seconds": 30},
    )
    told.on_duty("ann")
    told.start("i1", queue="any")
    told.reject("ann", "i1.t1.o1")

    assert task_explained(told).summary == "0 of 2 eligible: 1 not ready, 1 backed off after an offer"
    assert agent_explained(told, "ann").bars == ("backed off after an offer", "for 30 s more")
    told.wait(40)
    found = task_explained(told)
    assert found.summary == "0 of 2 eligible: 1 not ready, 1 refused it"
    assert [(each.agent_id, each.until_ms - told.now_ms) for each in found.refused_by] == [("ann", 20_000)]


def test_a_cap_of_a_client_is_told_with_its_units() -> None:
    told = centre(
        queue("any"), agent("ann", capacity=2), client_shares=[ClientShare(client="shop", units_max=1).model_dump()]
    )
    told.on_duty("ann")
    occupy(told, "i0", queue="any")
    told.start("i1", queue="any")

    assert task_explained(told).summary == "0 of 1 eligible: 1 kept back: client shop holds 1 of at most 1 units"
    assert "1 kept back: client shop" in agent_explained(told, "ann").summary


def test_agents_kept_back_for_inbound_work_are_told() -> None:
    told = centre(queue("any", direction="outbound"), agent("ann"), outbound_idle_reserve=1)
    told.on_duty("ann")
    told.start("i1", queue="any")

    assert task_explained(told).summary == (
        "0 of 1 eligible: 1 kept back: outbound work waits while only 1 agents are idle, 1 are reserved"
    )


def test_an_assignment_is_told_with_the_decision_that_made_it_and_that_survives_a_snapshot() -> None:
    told = centre(agent("ann", "es:4"), agent("bob", "es:3"))
    told.on_duty("bob")
    told.start("i1")
    told.wait(12)
    told.on_duty("ann")
    told.accept("ann", "i1.t1.o1")
    told.wait(95)

    found = explain_task(load(dump(told.state)).find(TENANT, DOMAIN), "i1.t1", told.now_ms)

    assert found is not None
    assert found.summary == (
        "assigned to ann 95 s ago, after a wait of 12 s; chosen as whoever had room first, as this task was first in "
        "line for them, of 1 eligible among 2 agents (1 could not serve it), by version 1 of the configuration"
    )
    assert found.owner is not None
    assert found.owner.decision is not None
    assert found.owner.decision.rule == "priority_longest_waiting"
    told.end_task("ann", "i1.t1.o1.a")
    assert task_explained(told).summary.startswith("in wrap-up with ann, assigned 95 s ago")


def test_positions_follow_the_order_in_which_tasks_go() -> None:
    told = centre(queue("any"), agent("ann"))
    for name in ("i1", "i2"):
        told.start(name, queue="any")
        told.wait(1)
    told.configure(queue("any", priority=9))
    told.start("i3", queue="any")

    assert [task_explained(told, f"{name}.t1").position for name in ("i3", "i1", "i2")] == [1, 2, 3]


def test_a_deferred_task_is_in_nobodys_way() -> None:
    told = centre(queue("any"))
    told.start("i1", queue="any")
    told.start("i2", queue="any")
    told.callback("i1", request_id="c1", in_seconds=60)

    assert task_explained(told, "i2.t1").position == 1


def test_what_an_agent_would_get_next_heeds_minimum_shares() -> None:
    told = centre(
        queue("any"), agent("ann"), client_shares=[ClientShare(client="bank", minimum_percent=50).model_dump()]
    )
    told.on_duty("ann")
    occupy(told, "i0", queue="any")
    told.start("i1", queue="any")
    told.wait(1)
    told.start("i2", queue="any", client="bank")

    following = agent_explained(told, "ann").next

    assert following is not None
    assert following.task_id == "i2.t1"


def test_a_target_says_whether_it_is_open_staffed_and_how_long_it_takes() -> None:
    told = centre(agent("ann", "es:5"), agent("bob", "es:4"), agent("cid"))
    told.on_duty("ann", "bob", "cid")
    occupy(told, "i0")

    found = explain_queue(told.domain, "spanish", told.now_ms)
    empty = explain_queue(told.domain, "sales", told.now_ms)
    to_others = [
        at_once(explaining_queue(told.domain, "spanish", told.now_ms, apart_from=name)) for name in ("ann", "bob")
    ]

    assert found is not None
    assert found.summary == "open; 2 agents who could serve it are at work, 1 free now; 0 wait; expected wait 0 s"
    assert (found.open, found.at_work, found.free, found.expected_wait_ms) == (True, 2, 1, 0)
    assert [(each.at_work, each.free) for each in to_others if each] == [(1, 1), (1, 0)]
    assert empty is not None
    assert (empty.at_work, empty.expected_wait_ms) == (0, None)
    assert explain_queue(told.domain, "nowhere", told.now_ms) is None


def test_an_agent_as_a_target_says_whether_they_are_at_work_and_free() -> None:
    told = centre(queue("any"), agent("ann"), agent("bob"))
    told.on_duty("ann")

    free = explain_target_agent(told.domain, "ann", told.now_ms)
    away = explain_target_agent(told.domain, "bob", told.now_ms)

    assert free is not None
    assert (free.summary, free.free) == ("ann is at work and free", 1)
    assert away is not None
    assert (away.summary, away.at_work) == ("bob is not at work: not ready", 0)
    assert explain_target_agent(told.domain, "nobody", told.now_ms) is None


def test_what_has_ended_or_never_was_is_not_explained() -> None:
    told = centre(agent("ann"))

    assert explain_task(told.domain, "i1.t1", told.now_ms) is None
    assert explain_agent(told.domain, "nobody", told.now_ms) is None


def test_a_long_answer_is_worked_off_in_pieces_and_is_the_same() -> None:
    told = centre(*(agent(f"a{number}", "es:1") for number in range(3 * CHUNK)))
    told.start("i1")

    pieces = sum(1 for _ in explaining_task(told.domain, "i1.t1", told.now_ms))

    assert pieces == 3
    assert at_once(explaining_task(told.domain, "i1.t1", told.now_ms)) == task_explained(told)


@pytest.mark.parametrize(
    ("required", "text"),
    [
        (Requirement(skill="es"), "es"),
        (Requirement(skill="es", minimum=4), "es>=4"),
        (Requirement(skill="es", minimum=3, maximum=3), "es=3"),
        (Requirement(skill="es", maximum=2), "es<=2"),
        (Requirement(skill="es", minimum=2, maximum=4), "es 2 to 4"),
    ],
)
def test_a_requirement_reads_as_it_is_meant(required: Requirement, text: str) -> None:
    assert words.asks([required], Terms()) == text


@pytest.mark.parametrize("seed", range(6))
def test_on_busy_days_explanations_agree_with_what_decides_and_change_nothing(seed: int) -> None:
    day = Walk(Random(seed))
    explained = Counter[str]()
    for _ in range(100):
        day.step()
        told = day.told
        before = dump(told.state)
        for task in list(told.domain.tasks.values()):
            found = task_explained(told, task.task_id)
            explained[found.state] += 1
            if task.assigned is None:
                assert _by_census(found) == _by_oracle(told, task)
        for name, each in told.domain.agents.items():
            best = _best_regardless_of_room(told, name)
            following = agent_explained(told, name).next
            assert (following.task_id if following else None) == best, (name, each.state)

        assert dump(told.state) == before
        for name in told.domain.queues:
            explain_queue(told.domain, name, told.now_ms)

    assert explained["waiting"] > 20


def _by_census(found: TaskExplained) -> Counter[str]:
    counts = Counter[str]()
    for reason in found.reasons:
        counts[CENSUS.get(reason.code, reason.code)] += reason.count
    assert counts.total() + (found.eligible or 0) == found.agents
    return counts


def _book(told: Story) -> Ledger:
    assert told.checker is not None
    return told.checker.ledgers[told.domain.key]


def _by_oracle(told: Story, task: Task) -> Counter[str]:
    book, domain = _book(told), told.domain
    return Counter(
        reason
        for name, each in domain.agents.items()
        if (reason := "has_offer" if name in task.offers else oracle.exclusion(book, domain, each, task)) is not None
    )


def _best_regardless_of_room(told: Story, name: str) -> str | None:
    """By the oracle's order, for an agent who is there and holds nothing."""
    book, domain = _book(told), told.domain
    each = domain.agents[name]
    other = ("not_ready", "not_present", "backed_off", "at_capacity")
    mine = []
    for task in domain.tasks.values():
        if not oracle.seeks(book, task):
            continue
        reason = oracle.exclusion(book, domain, each, task)
        if reason in {None, *other} and name not in {*task.offers, *task.refused_by}:
            mine.append(task)
    mine = [task for task in mine if not oracle.is_shut(domain, task)]
    return min(mine, key=lambda task: oracle.place(book, domain, task)).task_id if mine else None
