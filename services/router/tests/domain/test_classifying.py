"""Where rules send a contact, at once and when the customer's facts come."""

from collections.abc import Callable

import pytest
from contracts.calendars import Calendar
from contracts.configuration import Domain
from contracts.routing_parts import Destination, Step
from contracts.tasks import TaskQueued, TaskRerouted, TaskResumed, TaskTransferredOut
from router.domain.rules import InvalidRulesError, compile_rules
from router.testing.parts import DOMAIN, address, agent, plan, queue, rules
from router.testing.story import Story


def story(**of_queue: object) -> Story:
    told = Story(reruns=True)
    told.configure(
        Domain(id=DOMAIN),
        queue("general", **of_queue),
        queue("complaints"),
        queue("gold"),
        rules(
            angry={"when": "text.contains('angry')", "labels": ["angry"], "go_on": True},
            gold={"when": "customer.tier == 'gold'", "queue": "gold", "priority": 9},
            cross={"when": "'angry' in labels", "queue": "complaints"},
            spanish={
                "when": "language == 'es'", "requirements": [{"skill": "es", "minimum": 3}], "language": "es"
            },
        ),
        address("general"),
        agent("ann", "es:2"),
        agent("bob", "es:4"),
    )  # fmt: skip
    return told


def queued(happened: list[object]) -> TaskQueued:
    [task] = [data for data in happened if isinstance(data, TaskQueued)]
    return task


def test_a_rule_about_the_words_sends_to_a_queue_and_the_words_are_nowhere_in_the_journal() -> None:
    told = story()
    happened = told.start("i1", text="I am angry about 4111")

    assert (queued(happened).queue, queued(happened).labels) == ("complaints", ("angry",))
    assert "4111" not in str(happened)


def test_a_rule_replaces_what_the_queue_asks_for() -> None:
    told = story()
    told.on_duty("ann")

    task = queued(told.start("i1", language="es"))
    assert [(each.skill, each.minimum) for each in task.requirements] == [("es", 3)]
    assert told.domain.tasks["i1.t1"].state == "waiting"


def test_without_a_rule_that_matches_the_address_decides() -> None:
    assert queued(story().start("i1", text="hello")).queue == "general"


def test_a_queue_waits_for_the_facts_and_then_the_rules_decide_anew() -> None:
    told = story(customer_facts_wait_ms=2000)
    told.on_duty("ann")
    task = queued(told.start("i1", text="hello"))
    happened = told.facts("i1", tier="gold")

    assert (task.deferred_for, task.deferred_until_ms) == ("customer_facts", told.now_ms + 2000)
    [rerouted] = [data for data in happened if isinstance(data, TaskRerouted)]
    assert (rerouted.queue, rerouted.reason, rerouted.priority) == ("gold", "classified", 9)
    assert told.domain.tasks["i1.t1"].state == "offered"


def test_facts_that_came_before_their_interaction_are_known_at_once() -> None:
    told = story(customer_facts_wait_ms=2000)
    told.facts("i1", tier="gold")

    task = queued(told.start("i1"))
    assert (task.queue, task.deferred_for) == ("gold", None)


def test_facts_that_never_come_cost_the_stated_time_and_no_more() -> None:
    told = story(customer_facts_wait_ms=2000)
    told.on_duty("ann")
    told.start("i1")
    happened = told.wait(2)

    assert [data.reason for data in happened if isinstance(data, TaskResumed)] == ["due"]
    assert told.domain.tasks["i1.t1"].state == "offered"


def test_late_facts_move_a_task_that_still_waits() -> None:
    told = story(customer_facts_wait_ms=1000)
    told.start("i1")
    told.wait(30)
    told.facts("i1", tier="gold")

    assert told.domain.tasks["i1.t1"].queue == "gold"
    assert told.domain.tasks["i1.t1"].queued_at_ms == told.now_ms - 30_000


def test_a_queue_that_does_not_wait_for_facts_never_looks_at_them() -> None:
    told = story()
    told.start("i1")

    assert told.facts("i1", tier="gold") == []


def test_what_the_words_said_counts_when_the_facts_come_although_the_words_are_gone() -> None:
    told = story(customer_facts_wait_ms=2000)
    told.configure(queue("complaints", customer_facts_wait_ms=2000))
    told.start("i1", text="so angry")
    told.facts("i1", tier="silver")

    assert told.domain.tasks["i1.t1"].queue == "complaints"
    assert told.domain.tasks["i1.t1"].labels == ("angry",)


def test_the_last_agent_is_tried_first_and_alone_as_long_as_the_plan_says() -> None:
    told = story(customer_facts_wait_ms=2000, plan="mine")
    told.configure(
        plan("mine", Step(after_seconds=0, last_agent=True), Step(after_seconds=20)),
    )
    told.on_duty("ann", "bob")
    told.start("i1")
    told.facts("i1", last_agent_id="bob")

    assert told.domain.tasks["i1.t1"].terms.agents == ("bob",)
    assert list(told.domain.tasks["i1.t1"].offers) == ["bob"]


def test_late_facts_bring_no_step_while_the_queue_is_closed() -> None:
    told = story(customer_facts_wait_ms=1000, plan="later")
    told.configure(plan("later", Step(after_seconds=30, band=4)), Domain(id=DOMAIN, longest_wait_seconds=40))
    told.start("i1")
    told.override("general", closed=True)
    told.wait(60)
    told.facts("i1", last_agent_id="bob")

    closed = told.domain.tasks["i1.t1"]
    assert (closed.deferred_for, closed.last_agent_id) == ("closed", "bob")
    assert (closed.terms.step, closed.terms.longest_wait) == (0, False)

    told.override("general")
    told.wait(29)
    assert told.domain.tasks["i1.t1"].terms.step == 0
    told.wait(1)
    assert told.domain.tasks["i1.t1"].terms.step == 1


def test_what_becomes_known_of_the_conversation_counts_while_it_waits() -> None:
    told = story(customer_facts_wait_ms=2000)
    told.configure(rules(plan_b={"when": "attributes['plan'] == 'b'", "queue": "gold"}))
    told.start("i1")
    told.update("i1", plan="b")
    told.wait(2)
    told.facts("i1")

    assert told.domain.tasks["i1.t1"].queue == "gold"


def test_a_queue_that_is_closed_when_the_facts_come_gives_the_task_up() -> None:
    told = story(customer_facts_wait_ms=2000)
    never = Calendar.model_validate({"id": "never", "domain": DOMAIN, "time_zone": "UTC", "weekly": {}})
    told.configure(never, queue("gold", closed=Destination(to="message", message="Sorry."), calendar="never"))
    told.start("i1")
    happened = told.facts("i1", tier="gold")

    [out] = [data for data in happened if isinstance(data, TaskTransferredOut)]
    assert (out.to, out.message, out.reason) == ("message", "Sorry.", "closed")


def test_a_queue_that_is_closed_when_the_wait_for_facts_ends_keeps_the_task_for_the_next_opening() -> None:
    never = Calendar.model_validate({"id": "never", "domain": DOMAIN, "time_zone": "UTC", "weekly": {}})
    told = story(customer_facts_wait_ms=2000, calendar="never")
    told.configure(never)
    told.on_duty("ann")
    told.start("i1")
    told.wait(2)

    assert told.domain.tasks["i1.t1"].deferred_for == "closed"


def test_rules_that_read_what_nobody_can_know_again_are_refused_by_the_one_who_publishes_them() -> None:
    both = rules(both={"when": "text.contains('x') && customer.known", "queue": "gold"}).rules

    with pytest.raises(InvalidRulesError, match="both"):
        compile_rules(both)


def test_a_rule_that_takes_the_queues_band_away_leaves_terms_as_if_there_had_been_none() -> None:
    told = Story()
    told.configure(Domain(id=DOMAIN), queue("chats", band=3), rules(calm={"when": "client == 'shop'", "band": 0}))
    [queued] = [fact for fact in told.start("i1") if isinstance(fact, TaskQueued)]

    assert queued.terms is None


def test_what_rules_ask_is_never_taken_for_what_another_contact_asked_before() -> None:
    told = Story(checker=None)  # keeps nothing of a contact that has gone, so that its requirements' place is free
    told.configure(
        Domain(id=DOMAIN),
        queue("chats"),
        rules(
            es={"when": "language == 'es'", "requirements": [{"skill": "spanish"}]},
            fr={"when": "language == 'fr'", "requirements": [{"skill": "french"}]},
        ),
        agent("ann", "spanish"),
    )
    told.on_duty("ann")
    for number in range(20):
        language = "fr" if number % 2 else "es"
        told.start(f"i{number}", language=language)
        assert bool(told.domain.offers) == (language == "es"), number
        told.end(f"i{number}")


@pytest.mark.parametrize("known", [True, False])
def test_a_queue_that_waits_for_facts_is_full_as_any_other_once_they_came_or_did_not(*, known: bool) -> None:
    told = story(customer_facts_wait_ms=2000, waiting_max=2, full=Destination(to="voicemail"))
    for number in range(4):
        told.start(f"i{number}")
    happened = [told.facts(f"i{number}") for number in range(4)] if known else [told.wait(2)]

    out = [(data.task_id, data.reason) for each in happened for data in each if isinstance(data, TaskTransferredOut)]
    assert out == [("i2.t1", "full"), ("i3.t1", "full")]
    assert told.domain.queues["general"].waiting == 2


def moved(told: Story) -> None:
    told.reroute("i1.t1", queue="complaints")


def prioritised(told: Story) -> None:
    told.reroute("i1.t1", priority=7)


def put_into_a_band(told: Story) -> None:
    told.reroute("i1.t1", band=3)


def given_up(told: Story) -> None:
    told.configure(plan("away", Step(after_seconds=5, overflow=Destination(to="queue", queue="complaints"))))
    told.wait(5)


def offered_once(told: Story) -> None:
    told.on_duty("ann")
    told.set_state("ann", ready=False)


@pytest.mark.parametrize("decides", [moved, prioritised, put_into_a_band, given_up, offered_once])
def test_late_facts_change_nothing_that_was_decided_meanwhile(decides: Callable[[Story], None]) -> None:
    told = story(customer_facts_wait_ms=1000, plan="away")
    told.start("i1")
    told.wait(2)
    decides(told)
    task = told.domain.tasks["i1.t1"]
    before = (task.queue, task.priority, task.terms)
    told.facts("i1", tier="gold")

    assert (task.queue, task.priority, task.terms) == before


def test_an_override_of_the_queue_does_not_keep_late_facts_from_counting() -> None:
    told = story(customer_facts_wait_ms=1000)
    told.start("i1")
    told.wait(2)
    told.override("general", priority=8)
    told.wait(0)
    told.facts("i1", tier="gold")

    assert told.domain.tasks["i1.t1"].queue == "gold"
