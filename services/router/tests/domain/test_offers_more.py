"""Offers to several agents at once, offers that accept themselves, time-outs by channel, and offers nobody answers."""

from contracts.agents import AgentBackedOff, AgentStateChanged
from contracts.configuration import Domain
from contracts.offers import OfferExpired, OfferIssued, OfferWithdrawn
from contracts.tasks import TaskAssigned, TaskQueued
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story


def story(*agents: str, capacity: int = 1, of_queue: dict[str, object] | None = None, **settings: object) -> Story:
    """Agents on duty, a second apart, for one queue."""
    told = Story(reruns=True)
    told.configure(
        Domain.model_validate({"id": DOMAIN} | settings),
        queue("chats", **(of_queue or {})),
        address("chats"),
        *[agent(name, capacity=capacity) for name in agents],
    )
    for name in agents:
        told.wait(1)
        told.on_duty(name)
    return told


def test_a_task_is_offered_to_as_many_agents_at_once_as_its_queue_says_the_best_first() -> None:
    told = story("cid", "ann", "bob", of_queue={"parallel_offers": 2})
    happened = told.start("i1")

    assert offered(happened) == [("i1.t1", "cid"), ("i1.t1", "ann")]
    assert [each.offer_id for each in every(happened, OfferIssued)] == ["i1.t1.o1", "i1.t1.o2"]


def test_the_first_to_accept_has_it_and_the_others_are_free_for_the_next() -> None:
    told = story("ann", "bob", "cid", of_queue={"parallel_offers": 3})
    told.start("i1")
    told.start("i2")
    happened = told.accept("bob", "i1.t1.o2")

    assert only(happened, TaskAssigned).agent_id == "bob"
    withdrawn = [(each.agent_id, each.reason) for each in every(happened, OfferWithdrawn)]
    assert withdrawn == [("ann", "answered_by_another"), ("cid", "answered_by_another")]
    assert offered(happened) == [("i2.t1", "ann"), ("i2.t1", "cid")]


def test_an_agent_who_declines_one_of_several_offers_makes_room_for_another_agent() -> None:
    told = story("ann", "bob", "cid", of_queue={"parallel_offers": 2})
    told.start("i1")
    happened = told.reject("ann", "i1.t1.o1")

    assert offered(happened) == [("i1.t1", "cid")]
    assert sorted(told.domain.tasks["i1.t1"].offers) == ["bob", "cid"]


def test_fewer_free_agents_than_offers_are_no_hindrance_and_the_next_one_joins() -> None:
    told = story("ann", of_queue={"parallel_offers": 2})
    told.start("i1")
    told.configure(agent("bob"))

    assert offered(told.on_duty("bob")) == [("i1.t1", "bob")]


def test_a_withdrawn_offer_counts_neither_as_refused_nor_as_unanswered() -> None:
    told = story("ann", "bob", of_queue={"parallel_offers": 2}, unanswered_offers_max=1)
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.wait(60)

    assert told.domain.agents["bob"].unanswered == 0
    assert told.domain.agents["bob"].state == "ready"
    assert offered(told.start("i2")) == [("i2.t1", "bob")]


def test_an_offer_of_a_queue_that_accepts_for_the_agent_is_an_assignment_in_the_same_instant() -> None:
    told = story("ann", of_queue={"auto_accept": True})
    happened = told.start("i1")

    assert [type(data).__name__ for data in happened] == [
        "TaskQueued",
        "OfferIssued",
        "OfferAccepted",
        "TaskAssigned",
    ]
    assert only(happened, OfferIssued).auto_accept
    assert only(happened, TaskAssigned).waited_ms == 0


def test_who_accepts_by_itself_is_offered_to_one_agent_whatever_the_queue_says_of_several() -> None:
    told = story("ann", "bob", of_queue={"auto_accept": True, "parallel_offers": 2})

    assert offered(told.start("i1")) == [("i1.t1", "ann")]
    assert offered(told.start("i2")) == [("i2.t1", "bob")]


def test_an_agent_who_gets_free_is_given_the_next_task_without_asking() -> None:
    told = story("ann", of_queue={"auto_accept": True})
    told.start("i1")
    told.start("i2")

    assert only(told.complete("ann", "i1.t1.o1.a"), TaskAssigned).task_id == "i2.t1"


def test_how_long_an_offer_stands_is_said_by_its_channel_else_by_its_queue() -> None:
    told = story("ann", capacity=2, of_queue={"offer_timeout_seconds": 15}, offer_timeouts={"email": 300})
    mail = only(told.start("i1", channel="email"), OfferIssued)
    chat = only(told.start("i2"), OfferIssued)

    assert mail.expires_at_ms - mail.issued_at_ms == 300_000
    assert chat.expires_at_ms - chat.issued_at_ms == 15_000
    assert every(told.wait(14.9), OfferExpired) == []
    assert only(told.wait(0.1), OfferExpired).task_id == "i2.t1"


def test_unanswered_offers_make_not_ready_for_the_configured_reason() -> None:
    told = story("ann", unanswered_offers_max=1, unanswered_reason_code="no_answer")
    told.start("i1")
    changed = only(told.wait(20), AgentStateChanged)

    assert (changed.state, changed.reason_code, changed.cause) == ("not_ready", "no_answer", "unanswered_offers")


def test_unanswered_offers_may_lead_to_nothing_but_a_pause() -> None:
    told = story("ann", unanswered_offers_max=1, unanswered_then="nothing", agent_backoff={"expired_seconds": 30})
    told.start("i1")
    happened = told.wait(20)

    assert every(happened, AgentStateChanged) == []
    assert only(happened, AgentBackedOff).cause == "expired"
    told.start("i2")
    assert offered(told.wait(29.9)) == []
    assert offered(told.wait(0.1)) == [("i2.t1", "ann")]


def test_who_is_set_not_ready_is_not_backed_off_as_well() -> None:
    told = story("ann", unanswered_offers_max=1, agent_backoff={"expired_seconds": 300})
    told.start("i1")
    happened = told.wait(20)

    assert every(happened, AgentBackedOff) == []
    told.start("i2")
    assert offered(told.set_state("ann", ready=True)) == [("i2.t1", "ann")]


def test_a_back_off_ends_when_the_agent_turns_ready_anew() -> None:
    told = story("ann", agent_backoff={"rejected_seconds": 300})
    told.start("i1")
    told.reject("ann", "i1.t1.o1")
    told.start("i2")
    told.set_state("ann", ready=False)

    assert offered(told.set_state("ann", ready=True)) == [("i2.t1", "ann")]


def test_a_back_off_holds_no_other_agent_back() -> None:
    told = story("ann", "bob", agent_backoff={"rejected_seconds": 300})
    told.start("i1")

    assert offered(told.reject("ann", "i1.t1.o1")) == [("i1.t1", "bob")]


def test_a_refused_task_is_not_offered_to_the_same_agent_before_its_time_whatever_the_others_do() -> None:
    told = story("ann", "bob", refused_backoff_seconds=40, unanswered_offers_max=9)
    told.start("i1")
    told.reject("ann", "i1.t1.o1")
    told.reject("bob", "i1.t1.o2")

    assert offered(told.start("i2")) == [("i2.t1", "ann")]  # it is this task that they declined
    told.end("i2")

    assert offered(told.wait(39.9)) == []
    assert offered(told.wait(0.1)) == [("i1.t1", "ann")]


def test_a_customer_who_leaves_has_every_offer_taken_back_and_the_agents_served() -> None:
    told = story("ann", "bob", of_queue={"parallel_offers": 2})
    told.start("i1")
    queued = only(told.start("i2"), TaskQueued)
    happened = told.end("i1")

    assert [task for task, _ in offered(happened)] == [queued.task_id] * 2


def test_tasks_that_come_back_together_go_on_to_others_the_first_in_line_first() -> None:
    told = story("ann", capacity=2)
    told.configure(queue("vip", priority=9), address("chats", "vip"), agent("bob"))
    told.start("i1")
    told.start("i2", queue="vip")
    told.on_duty("bob")

    assert offered(told.set_state("ann", ready=False)) == [("i2.t1", "bob")]


def test_an_agent_with_room_for_two_is_offered_the_same_task_once() -> None:
    told = story("ann", capacity=2, of_queue={"parallel_offers": 2})

    assert offered(told.start("i1")) == [("i1.t1", "ann")]


def test_who_turns_ready_again_begins_a_new_count_of_unanswered_offers() -> None:
    told = story("ann", unanswered_offers_max=2)
    told.start("i1")
    told.wait(20)
    told.set_state("ann", ready=False)
    told.set_state("ann", ready=True)
    told.start("i2")

    assert only(told.wait(20), OfferExpired).unanswered == 1
