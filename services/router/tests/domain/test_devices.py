"""Presence by several devices of one agent: which are alive, and which of them count."""

from contracts.agents import AgentPresenceChanged, AgentStateChanged
from contracts.configuration import Domain
from contracts.offers import DecisionRecorded
from contracts.tasks import TaskRequeued
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story

DESK, TAB, PHONE = "desktop/desk", "desktop/tab", "mobile/phone"


def story(*present_by: str) -> Story:
    """Ann is on duty at her desk."""
    told = Story()
    told.configure(
        Domain(id=DOMAIN, present_by=list(present_by)), queue("chats"), address("chats"), agent("ann", capacity=2)
    )
    told.leases(readable=True)
    told.alive("ann", DESK)
    told.set_state("ann", ready=True)
    return told


def test_pain_02_a_closed_tab_changes_nothing_while_another_device_is_alive() -> None:
    told = story()
    told.start("i1")
    idle_since_ms = told.domain.agents["ann"].idle_since_ms
    told.wait(5)
    told.alive("ann", DESK, TAB)
    [changed] = told.alive("ann", TAB)

    assert isinstance(changed, AgentPresenceChanged)
    assert (changed.presence, changed.grace_ends_at_ms, changed.devices) == ("present", None, (TAB,))
    assert told.domain.tasks["i1.t1"].state == "offered"
    assert told.domain.agents["ann"].idle_since_ms == idle_since_ms
    assert offered(told.start("i2")) == [("i2.t1", "ann")]


def test_pain_02_nobody_is_present_after_the_last_device_is_gone() -> None:
    told = story()
    told.alive("ann", DESK, PHONE)
    told.alive("ann", PHONE)
    [lost] = told.alive("ann")

    assert isinstance(lost, AgentPresenceChanged)
    assert (lost.presence, lost.devices) == ("lost", ())
    assert offered(told.start("i1")) == []


def test_the_same_devices_again_are_no_fact() -> None:
    told = story()
    told.alive("ann", DESK, PHONE)

    assert told.alive("ann", DESK, PHONE) == []


def test_a_device_that_does_not_count_makes_nobody_present() -> None:
    told = story("desktop")
    told.alive("ann")
    told.wait(31)
    told.set_state("ann", ready=True)
    told.start("i1")
    [changed] = told.alive("ann", PHONE)

    assert isinstance(changed, AgentPresenceChanged)
    assert (changed.presence, changed.devices) == ("absent", (PHONE,))
    assert only(told.start("i2"), DecisionRecorded).decision.excluded == {"not_present": 1}
    assert offered(told.alive("ann", DESK, PHONE)) == [("i1.t1", "ann"), ("i2.t1", "ann")]


def test_pain_02_a_phone_that_stays_on_keeps_no_work_of_an_agent_who_left_the_desk() -> None:
    told = story("desktop")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.alive("ann", DESK, PHONE)
    [lost] = told.alive("ann", PHONE)
    happened = told.wait(30)

    assert isinstance(lost, AgentPresenceChanged)
    assert (lost.presence, lost.devices, lost.grace_ends_at_ms) == ("lost", (PHONE,), told.now_ms)
    assert only(happened, AgentPresenceChanged).devices == (PHONE,)
    assert only(happened, AgentStateChanged).cause == "presence_lost"
    assert only(happened, TaskRequeued).reason == "agent_lost"


def test_a_device_that_does_not_count_changes_nothing_about_the_grace() -> None:
    told = story("desktop")
    told.alive("ann")
    told.wait(20)
    [changed] = told.alive("ann", PHONE)
    again = told.alive("ann", PHONE)

    assert isinstance(changed, AgentPresenceChanged)
    assert (changed.presence, changed.grace_ends_at_ms) == ("lost", told.now_ms + 10_000)
    assert again == []
    assert [each.presence for each in every(told.wait(10), AgentPresenceChanged)] == ["absent"]
    assert [each.presence for each in every(told.wait(60), AgentPresenceChanged)] == []


def test_devices_that_do_not_count_prove_nothing_while_leases_cannot_be_read() -> None:
    told = story("desktop")
    told.leases(readable=False)

    assert told.alive("ann", PHONE) == []
    assert told.domain.agents["ann"].presence == "present"


def test_where_no_kinds_are_configured_any_device_will_do() -> None:
    told = story()
    told.alive("ann")
    [back] = told.alive("ann", PHONE)

    assert isinstance(back, AgentPresenceChanged)
    assert back.presence == "present"
