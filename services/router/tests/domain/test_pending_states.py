"""A state that is asked for during an offer, a conversation or a wrap-up: it comes when the last of them ends."""

import pytest
from contracts.agents import AgentBackedOff, AgentStateChanged, AgentStatePending, CommandResult
from contracts.configuration import Domain
from contracts.offers import OfferExpired, OfferRescinded
from contracts.routing_parts import ReasonCode
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story


def story(*, capacity: int = 2, **settings: object) -> Story:
    """Ann alone serves the chats."""
    told = Story()
    told.configure(
        Domain.model_validate({"id": DOMAIN} | settings),
        queue("chats"),
        address("chats"),
        agent("ann", capacity=capacity),
    )
    told.on_duty("ann")
    return told


def lunch(told: Story) -> list[object]:
    return told.set_state("ann", ready=False, when="when_free", reason="lunch")


def state_of(told: Story) -> tuple[str, str | None]:
    ann = told.domain.agents["ann"]
    return ann.state, ann.reason_code


def test_pain_08_a_break_asked_for_during_an_offer_leaves_the_offer_and_comes_after_the_work() -> None:
    told = story()
    told.start("i1")
    pending = only(lunch(told), AgentStatePending)
    assert (pending.state, pending.reason_code) == ("not_ready", "lunch")
    assert offered(told.start("i2")) == []
    told.accept("ann", "i1.t1.o1")
    told.end_task("ann", "i1.t1.o1.a")
    assert state_of(told)[0] == "ready"
    happened = told.complete("ann", "i1.t1.o1.a")

    changed = only(happened, AgentStateChanged)
    assert (changed.state, changed.reason_code, changed.cause) == ("not_ready", "lunch", "command")
    assert offered(happened) == []


def test_a_break_asked_for_during_an_offer_comes_when_the_offer_is_rejected() -> None:
    told = story()
    told.start("i1")
    lunch(told)

    assert only(told.reject("ann", "i1.t1.o1"), AgentStateChanged).reason_code == "lunch"


def test_a_break_asked_for_during_a_wrapup_comes_when_it_ends_or_runs_out() -> None:
    for runs_out in (False, True):
        told = story()
        told.start("i1")
        told.accept("ann", "i1.t1.o1")
        told.end_task("ann", "i1.t1.o1.a")
        lunch(told)
        happened = told.wait(60) if runs_out else told.complete("ann", "i1.t1.o1.a")

        assert only(happened, AgentStateChanged).reason_code == "lunch"


def test_a_break_waits_for_the_last_of_several_tasks() -> None:
    told = story(capacity=3)
    for name in ("i1", "i2", "i3"):
        told.start(name)
    told.accept("ann", "i1.t1.o1")
    told.accept("ann", "i2.t1.o1")
    told.end_task("ann", "i2.t1.o1.a")
    lunch(told)

    assert every(told.reject("ann", "i3.t1.o1"), AgentStateChanged) == []
    assert every(told.complete("ann", "i1.t1.o1.a"), AgentStateChanged) == []
    assert every(told.complete("ann", "i2.t1.o1.a"), AgentStateChanged) != []


def test_of_two_breaks_that_were_asked_for_the_later_one_comes() -> None:
    told = story()
    told.start("i1")
    lunch(told)
    told.set_state("ann", ready=False, when="when_free", reason="training")

    assert only(told.reject("ann", "i1.t1.o1"), AgentStateChanged).reason_code == "training"


def test_a_break_that_is_taken_back_does_not_come_and_work_goes_on_at_once() -> None:
    told = story()
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    lunch(told)
    told.start("i2")
    happened = told.set_state("ann", ready=True)

    assert only(happened, AgentStatePending).state is None
    assert offered(happened) == [("i2.t1", "ann")]
    assert every(told.complete("ann", "i1.t1.o1.a"), AgentStateChanged) == []


def test_a_break_that_cannot_wait_gives_the_offer_back_and_keeps_the_conversation() -> None:
    told = story()
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.start("i2")
    lunch(told)
    happened = told.set_state("ann", ready=False, when="now", reason="fire")

    assert only(happened, OfferRescinded).task_id == "i2.t1"
    assert only(happened, AgentStateChanged).reason_code == "fire"
    assert told.domain.tasks["i1.t1"].state == "assigned"
    assert every(told.complete("ann", "i1.t1.o1.a"), AgentStateChanged) == []


def test_without_work_a_break_comes_at_once() -> None:
    happened = lunch(story())

    assert [type(data) for data in happened] == [AgentStateChanged, CommandResult]


def test_an_agent_on_a_break_who_still_talks_changes_the_reason_at_once() -> None:
    told = story()
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.set_state("ann", ready=False, when="now", reason="lunch")

    assert only(told.set_state("ann", ready=False, when="when_free", reason="training"), AgentStateChanged)
    assert state_of(told) == ("not_ready", "training")


def test_who_is_lost_with_a_break_to_come_is_not_ready_because_they_were_lost() -> None:
    told = story()
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    lunch(told)
    told.gone("ann")
    changed = only(told.wait(30), AgentStateChanged)

    assert (changed.cause, changed.reason_code) == ("presence_lost", None)
    assert told.domain.agents["ann"].pending is None


def test_unanswered_offers_do_not_put_another_state_in_place_of_the_break_to_come() -> None:
    told = story(unanswered_offers_max=1, unanswered_reason_code="away")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.start("i2")
    lunch(told)
    happened = told.wait(20)

    assert only(happened, OfferExpired).unanswered == 1
    assert every(happened, AgentStateChanged) == []
    assert only(told.complete("ann", "i1.t1.o1.a"), AgentStateChanged).reason_code == "lunch"


def test_the_break_comes_when_the_offer_runs_out_during_which_it_was_asked_for() -> None:
    told = story(unanswered_offers_max=1, unanswered_reason_code="away")
    told.start("i1")
    lunch(told)

    assert only(told.wait(20), AgentStateChanged).reason_code == "lunch"


def test_a_break_to_come_outlives_a_take_over() -> None:
    told = story()
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    lunch(told)
    told.take_over()
    told.leases(readable=True)

    assert offered(told.seen("ann")) == []
    assert only(told.complete("ann", "i1.t1.o1.a"), AgentStateChanged).reason_code == "lunch"


def test_a_reason_that_is_not_configured_is_refused_whenever_it_is_to_come() -> None:
    told = story(not_ready_reasons=[ReasonCode(id="lunch", label="Lunch")])
    told.start("i1")
    refused = only(told.set_state("ann", ready=False, when="when_free", reason="nap"), CommandResult).refusal

    assert refused is not None
    assert (refused.code, refused.http_status) == ("unknown_reason", 422)
    assert told.domain.agents["ann"].pending is None
    assert only(lunch(told), CommandResult).outcome == "done"


@pytest.mark.parametrize(("cause", "seconds"), [("rejected", 4), ("expired", 7)])
def test_pain_08_an_agent_whose_offer_came_to_nothing_is_not_asked_again_in_a_loop(cause: str, seconds: int) -> None:
    told = story(
        unanswered_then="nothing",
        refused_backoff_seconds=1,
        agent_backoff={"rejected_seconds": 4, "expired_seconds": 7},
    )
    told.start("i1")
    happened = told.reject("ann", "i1.t1.o1") if cause == "rejected" else told.wait(20)

    backed_off = only(happened, AgentBackedOff)
    assert (backed_off.cause, backed_off.until_ms) == (cause, told.now_ms + seconds * 1000)
    assert offered(told.start("i2")) == []
    assert offered(told.wait(seconds - 0.1)) == []
    assert offered(told.wait(0.1)) == [("i1.t1", "ann"), ("i2.t1", "ann")]
