"""A call does what its flow wants, and tells it what happens."""

from dataclasses import replace
from typing import Final

import pytest
from contracts.interactions import InteractionStarted
from contracts.tasks import DeferredFor, TaskQueued
from voice_gateway.domain.advance import advance
from voice_gateway.domain.call import Terms
from voice_gateway.domain.commands import Play
from voice_gateway.domain.events import KeyPressed, LegAnswered, LegIncoming, PlaybackEnded
from voice_gateway.domain.facts import CallArrived, Fact, NodeTold, Routed, TimerDue
from voice_gateway.domain.flow_plan import Announcements, FlowPlan, LanguageKey, Menu, MenuItem
from voice_gateway.domain.step import Step
from voice_gateway.domain.waiting import FLOW
from voice_gateway.domain.words import Party

PLAN: Final = FlowPlan(
    menu="what",
    menus=(
        Menu(name="what", prompt="what", items=(MenuItem(key="2", queue="orders", attributes=(("topic", "order"),)),)),
    ),
    announcements=Announcements(every_seconds=30),
)
TERMS: Final = Terms(tenant_id="acme", domain="main", client="shop", address="tel:39021", flow=PLAN)


def test_a_key_of_the_menu_asks_for_the_queue_and_the_place_is_said_that_is_known_when_the_time_comes() -> None:
    step = answered(TERMS)
    (asked,) = [command for command in step.commands if isinstance(command, Play)]
    assert "what" in asked.media[0].uri

    step = after(step, NodeTold(event=KeyPressed(leg_id="leg", key="2", at_ms=2)), 2)
    (started,) = [said.data for said in step.messages if isinstance(said.data, InteractionStarted)]
    assert (started.queue_hint, started.attributes["topic"]) == ("orders", "order")
    after(step, NodeTold(event=PlaybackEnded(playback_id=asked.playback_id, end="stopped", at_ms=3)), 3)

    due_ms = step.call.timers[FLOW]
    told = [each for each in after(step, TimerDue(name=FLOW, place=4), due_ms).commands if isinstance(each, Play)]
    assert ["position=4" in each.media[0].uri for each in told] == [True]


@pytest.mark.parametrize(("deferred_for", "said"), [(None, True), ("customer_facts", False)])
def test_a_place_is_said_of_who_stands_in_line(deferred_for: DeferredFor | None, said: bool) -> None:
    step = answered(replace(TERMS, flow=replace(PLAN, menu=None)))
    data = TaskQueued(
        task_id="t",
        interaction_id=step.call.interaction_id,
        domain="main",
        client="shop",
        channel="voice",
        queue="help",
        priority=5,
        cost=1,
        requirements=(),
        queued_at_ms=1,
        position=1,
        deferred_for=deferred_for,
    )
    step = after(step, Routed(data=data, sequence="1"), 2)

    assert any(isinstance(command, Play) for command in step.commands) == said


def test_the_language_of_an_address_is_none_that_the_caller_is_known_to_speak() -> None:
    languages = (LanguageKey(key="1", language="it"), LanguageKey(key="2", language="en"))
    step = answered(replace(TERMS, language="it", flow=FlowPlan(language="it", languages=languages)))

    assert step.call.flow is not None
    assert step.call.flow.stage == "language"


def answered(terms: Terms) -> Step:
    incoming = LegIncoming(leg_id="leg", called="39021", caller=Party(number="+39333"), at_ms=0)
    step = advance(None, CallArrived(leg=incoming, terms=terms), 0)
    return after(step, NodeTold(event=LegAnswered(leg_id="leg", at_ms=1)), 1)


def after(step: Step, fact: Fact, now_ms: int) -> Step:
    return advance(step.call, fact, now_ms)
