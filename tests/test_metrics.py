"""Metrics, as exported after a little story; docs/metrics.md, the dashboard and the alerts name the ones that exist."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from chat_gateway.metrics import ChatMetrics, ProviderMetrics
from chat_gateway.rooms import Rooms
from contracts.commands import AcceptOffer, SetAgentState
from contracts.offers import OfferIssued
from contracts.tasks import TaskAssigned
from gatewaykit.sending import SendingMetrics
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from router.domain.facts import PUBLIC
from router.engine.inputs import GROUP, INPUT_TOPICS
from router.engine.story import DOMAIN, Engine, open_story
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.virtual import run_virtual
from voice_gateway.metrics import VoiceInstruments
from voice_gateway.prompts import PromptMetrics
from voice_gateway.recordings import RecordingMetrics

ROOT: Final = Path(__file__).parents[1]
DASHBOARDS: Final = ROOT / "deploy/dashboards"
ROW: Final = re.compile(r"^\| `(centralino_\w+)` \| (\w+) \|(.*?)\| .+ \|$", re.MULTILINE)
NAMED: Final = re.compile(r"\b(?:centralino|process)_\w+")
SUFFIXES: Final = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
OF_ONE_SERVICE: Final = {"centralino_push_sockets"}
"""Made where the whole API is; services/router/tests/api/test_sockets.py counts by it."""

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Kind and labels by name."""
    rows = ROW.findall((ROOT / "docs/metrics.md").read_text())
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def samples_of(registry: CollectorRegistry) -> Samples:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"centralino_{name}", frozenset(labels.items())]


@pytest.fixture(scope="module")
def told() -> tuple[CollectorRegistry, Samples, Samples]:
    """The engine's registry; what it said while one of three chats was offered, and when it was assigned."""
    kept: list[tuple[CollectorRegistry, Samples, Samples]] = []

    async def run() -> None:
        async with open_story(seed=1) as story:
            await story.configure(agents={"ann": {"billing": 3}}, capacity=1)
            engine = story.start_engine()
            story.device_on("ann")
            await story.tell(SetAgentState(command_id="ready", domain=DOMAIN, agent_id="ann", state="ready"))
            await eventually(lambda: engine.domain.agents["ann"].routable, timeout_seconds=60)
            for number in range(3):
                await story.customer_arrives(f"i-{number}")
            await eventually(lambda: len(story.of(OfferIssued)) == 1 and _waiting(engine) == 2, timeout_seconds=60)
            await story.clock.sleep(5)
            before = samples_of(engine.registry)
            (offer,) = story.of(OfferIssued)
            await story.tell(
                AcceptOffer(command_id="yes", domain=DOMAIN, agent_id="ann", offer_id=offer.offer_id),
            )
            await eventually(lambda: story.of(TaskAssigned), timeout_seconds=60)
            story.live.away = True
            await story.customer_leaves("i-2")
            await story.clock.sleep(5)
            kept.append((engine.registry, before, samples_of(engine.registry)))

    run_virtual(run())
    return kept[0]


def _waiting(engine: Engine) -> int:
    return engine.domain.queues["support"].counts["waiting"]


def test_flow_of_contacts_is_exported(told: tuple[CollectorRegistry, Samples, Samples]) -> None:
    _, before, after = told
    queue = {"tenant": "acme", "domain": DOMAIN, "queue": "support"}
    assert [value(before, "engine_tasks", **queue, state=state) for state in ("waiting", "offered", "assigned")] == [
        2,
        1,
        0,
    ]
    assert [value(after, "engine_tasks", **queue, state=state) for state in ("waiting", "offered", "assigned")] == [
        1,
        0,
        1,
    ]
    assert value(before, "engine_oldest_waiting_seconds", **queue) >= 5
    counts = ("offered", "answered", "abandoned", "short_abandoned")
    assert [value(after, "engine_recent_contacts", **queue, count=count) for count in counts] == [3, 1, 1, 0]
    facts = {
        name: value(after, "engine_facts_total", partition="0", type=name) for name in ("task.queued", "offer.issued")
    }
    assert facts == {"task.queued": 3, "offer.issued": 1}
    assert value(after, "engine_facts_total", partition="0", type="task.assigned") == 1
    assert value(after, "engine_wait_seconds_count") == 1
    assert value(after, "engine_wait_seconds_sum") >= 0
    assert value(after, "engine_decision_seconds_count", partition="0") >= 4


def test_state_of_an_engine_is_exported(told: tuple[CollectorRegistry, Samples, Samples]) -> None:
    _, before, after = told
    assert value(before, "engine_owned", partition="0") == 1
    assert value(before, "engine_take_overs_total", partition="0") == 1
    assert value(before, "engine_projection_age_seconds", partition="0") == 0
    assert value(before, "engine_publish_behind_batches", partition="0") == 0
    assert value(before, "engine_inbox_inputs", partition="0") == 0
    for topic in INPUT_TOPICS:
        assert value(before, "dead_letters_total", group=GROUP, topic=topic.name) == 0
    # Redis was away for the last five seconds.
    assert 4 <= value(after, "engine_projection_age_seconds", partition="0") <= 6
    assert value(after, "engine_projection_behind_domains", partition="0") == 1


def test_a_partition_whose_engine_died_while_redis_is_away_shows_as_owned_by_nobody() -> None:
    """Who is left can take no lease: the alert sees the partition only if it says that it does not own it."""
    told: list[Samples] = []

    async def run() -> None:
        async with open_story(seed=1) as story:
            first, second = story.start_engine(), story.start_engine()
            await eventually(lambda: first.owner.reign or second.owner.reign, timeout_seconds=60)
            owner, other = (first, second) if first.owner.reign else (second, first)
            told.append(samples_of(other.registry))
            story.live.away = True
            await owner.kill()
            await story.clock.sleep(60)
            told.append(samples_of(other.registry))

    run_virtual(run())

    assert [value(samples, "engine_owned", partition="0") for samples in told] == [0, 0]
    assert value(told[0], "engine_take_overs_total", partition="0") == 0
    assert value(told[0], "engine_decision_seconds_count", partition="0") == 0


def test_page_names_every_metric_with_its_kind_and_labels(told: tuple[CollectorRegistry, Samples, Samples]) -> None:
    registry, _, after = told
    telemetry = Telemetry("tests")
    ChatMetrics(telemetry, Rooms(sockets_max=1))
    ProviderMetrics(telemetry)
    SendingMetrics(telemetry)
    VoiceInstruments(telemetry)
    PromptMetrics(telemetry)
    RecordingMetrics(telemetry)
    families = {family.name: family.type for each in (registry, telemetry.registry) for family in each.collect()}
    existing = {
        name + ("_total" if kind == "counter" else ""): kind
        for name, kind in families.items()
        if name.startswith("centralino_")
    }
    page = documented()
    assert existing == {name: kind for name, (kind, _) in page.items() if name not in OF_ONE_SERVICE}
    for name, labels in after:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if base in page:
            assert {label for label, _ in labels} - {"le"} == page[base][1], name


def expressions() -> Iterator[str]:
    dashboard: dict[str, Any] = json.loads((DASHBOARDS / "centralino.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for group in yaml.safe_load((DASHBOARDS / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert rule["labels"]["severity"] in {"warning", "critical"}
            assert rule["annotations"]["summary"]
            yield rule["expr"]


def test_dashboard_and_alerts_ask_for_metrics_that_exist() -> None:
    series = {
        name.removesuffix("_total") + suffix: labels
        for name, (kind, labels) in documented().items()
        for suffix in SUFFIXES[kind]
    }
    own = {sample for sample, _ in samples_of(Telemetry("tests").registry)}
    asked = list(expressions())
    assert len(asked) > 20
    for expression in asked:
        assert expression.count("(") == expression.count(")"), expression
        names = set(NAMED.findall(expression))
        assert names, expression
        assert names <= series.keys() | own, expression
        given = {label for name in names for label in series.get(name, frozenset())} | {"le", "job", "instance"}
        by = {label.strip() for each in re.findall(r"by \(([^)]*)\)", expression) for label in each.split(",")}
        assert by <= given, expression
        assert set(re.findall(r'type="([^"]+)"', expression)) <= PUBLIC.keys(), expression


def test_an_alert_on_any_increase_also_sees_what_a_new_series_began_with() -> None:
    """What happens before a process is first scraped is in no increase."""
    asked = 0
    for group in yaml.safe_load((DASHBOARDS / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            for name, window in re.findall(r"increase\((\w+)\[(\w+)\]\)\)? > 0", rule["expr"]):
                asked += 1
                assert f"{name} unless {name} offset {window}" in rule["expr"], rule["alert"]
    assert asked == 2


def test_panels_stand_side_by_side_under_ids_of_their_own() -> None:
    panels = json.loads((DASHBOARDS / "centralino.json").read_text())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len({panel["id"] for panel in panels}) == len(panels)
