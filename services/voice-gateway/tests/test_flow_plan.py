"""A plan is what the configuration says: the example of docs/voice-flow.md is loaded and called."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from contracts.configuration import Domain, TenantConfiguration
from contracts.voice_faults import voice_faults
from contracts.voice_parts import OWN_PROMPTS, Flow
from voice_gateway.domain import flow_prompts
from voice_gateway.domain.flow_plan import FlowPlan, from_configuration
from voice_gateway.domain.flow_words import (
    Ask,
    Begun,
    GivenUp,
    Queued,
    Recorded,
    RequestCallback,
    SurveyAnswer,
    Talking,
    TalkOver,
)
from voice_gateway.testing.callers import Caller

DOCS: Final = Path(__file__).parents[3] / "docs" / "voice-flow.md"


@pytest.fixture(name="flow")
def example() -> Flow:
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    document: dict[str, Any] = yaml.safe_load(block)  # Any: YAML
    return Flow.model_validate(document["flows"][0])


@pytest.fixture(name="plan")
def example_plan(flow: Flow) -> FlowPlan:
    return from_configuration(flow)


def test_nothing_is_wrong_with_the_example_but_what_it_does_not_show(flow: Flow) -> None:
    configuration = TenantConfiguration(clients=["shop"], domains=[Domain(id="main")], flows=[flow])

    assert [fault for _, fault in voice_faults(configuration) if not re.search("has no (prompt|queue)", fault)] == []


def test_the_example_leads_to_the_queue_that_is_chosen_in_the_language_that_is_chosen(plan: FlowPlan) -> None:
    caller = Caller(plan, Begun())
    assert caller.listens() == ["welcome", "language", "language"]
    caller.press("2")
    assert caller.listens() == ["what"]
    caller.press("22")

    assert caller.did(Ask) == [Ask(queue_hint="returns", language="en", attributes=(("topic", "order"),))]
    assert caller.position.consent == "unasked"


def test_the_example_announces_offers_a_callback_and_asks_at_the_end(plan: FlowPlan) -> None:
    caller = Caller(plan, Begun(consent="announce"))
    caller.press("211")
    assert caller.listens() == ["recorded"]
    caller.tell(Queued(queue="help", position=2, expected_wait_ms=300_000))
    assert caller.listens() == ["position", "expected_wait", "tip", "callback_offer"]
    caller.press("51")
    assert len(caller.did(RequestCallback)) == 1

    caller.tell(Talking())
    caller.tell(TalkOver())
    caller.press("15")
    assert [each.key for each in caller.did(SurveyAnswer) if isinstance(each, SurveyAnswer)] == ["1", "5"]


def test_the_example_takes_a_message(plan: FlowPlan) -> None:
    caller = Caller(plan, Begun())
    caller.press("211")
    caller.tell(GivenUp(to="voicemail", queue="help"))
    assert caller.listens() == ["voicemail", "beep"]

    caller.tell(Recorded(seconds=10))
    assert caller.listens() == ["voicemail_taken"]


def test_a_flow_without_more_is_a_plan_without_more() -> None:
    plan = from_configuration(Flow(id="default", domain="main"))

    assert plan == FlowPlan()


def test_every_prompt_that_a_flow_plays_by_itself_is_one_of_the_contracts() -> None:
    named = {value for name, value in vars(flow_prompts).items() if name.isupper()}

    assert named | {FlowPlan().language_prompt, FlowPlan().voicemail.prompt} == OWN_PROMPTS.keys()
