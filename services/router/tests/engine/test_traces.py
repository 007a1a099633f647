"""Which trace an event belongs to, and which spans a batch leaves."""

import pytest
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from contracts.tasks import TaskQueued
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from router.engine.inbox import Given
from router.engine.spans import BatchSpans, publishing
from router.engine.traces import Traces
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story
from servicekit.ports import Record
from servicekit.telemetry import Telemetry

CONTACT = f"00-{1:032x}-{1:016x}-01"
ANSWER = f"00-{1:032x}-{2:016x}-01"
AGENT = f"00-{9:032x}-{9:016x}-01"
RECORD = Record(
    topic="interactions",
    partition=0,
    offset=7,
    key=None,
    value=b"",
    headers=(("ce_type", b"interaction.started"),),
    timestamp_ms=0,
)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(exporter: InMemorySpanExporter) -> Telemetry:
    telemetry = Telemetry("router-engine")
    telemetry.export_to(SimpleSpanProcessor(exporter))
    return telemetry


def named(exporter: InMemorySpanExporter) -> list[str]:
    return [span.name for span in exporter.get_finished_spans()]


def test_what_another_input_leads_to_stays_in_the_contacts_trace_for_as_long_as_the_task_lives() -> None:
    told, traces = Story(), Traces()
    told.configure(Domain(id=DOMAIN), queue("billing", "billing:2"), address("billing"), agent("ann", "billing:3"))
    [queued] = [data for data in told.start("i1") if isinstance(data, TaskQueued)]
    came = traces.context_of(queued, CONTACT)
    [issued] = [data for data in told.on_duty("ann") if isinstance(data, OfferIssued)]
    offered = [traces.context_of(issued, given) for given in (AGENT, None, ANSWER)]
    abandoned = [data for data in told.end("i1") if type(data).__name__ == "TaskAbandoned"]
    over = [traces.context_of(data, None) for data in abandoned]

    assert (came, offered, over) == (CONTACT, [CONTACT, CONTACT, ANSWER], [CONTACT])
    assert not traces


def test_a_decision_is_a_span_until_its_batch_is_confirmed_and_what_follows_has_it_as_parent(
    telemetry: Telemetry, exporter: InMemorySpanExporter
) -> None:
    spans = BatchSpans(telemetry)
    context = spans.decided(Given(record=RECORD, traceparent=CONTACT))
    spans.appending()
    before = named(exporter)
    spans.confirmed(3, 42)
    append, decision = exporter.get_finished_spans()

    assert before == []
    assert [append.name, decision.name] == ["append routing.journal", "decide interaction.started"]
    assert decision.context is not None
    assert append.parent is not None
    assert append.parent.span_id == decision.context.span_id
    assert context == f"00-{1:032x}-{decision.context.span_id:016x}-01"
    assert (decision.attributes or {})["centralino.journal.offset"] == 42


def test_a_dropped_batch_leaves_no_span(telemetry: Telemetry, exporter: InMemorySpanExporter) -> None:
    spans = BatchSpans(telemetry)
    spans.decided(Given(record=RECORD, traceparent=CONTACT))
    spans.appending()
    del spans

    assert named(exporter) == []


def test_each_traced_event_has_a_span_around_its_publication(
    telemetry: Telemetry, exporter: InMemorySpanExporter
) -> None:
    with publishing(telemetry, [CONTACT, None, ANSWER]):
        assert named(exporter) == []

    assert named(exporter) == ["publish routing.events"] * 2


def test_where_nothing_is_exported_the_context_is_passed_on_as_it_came() -> None:
    assert BatchSpans(Telemetry("router-engine")).decided(Given(record=RECORD, traceparent=CONTACT)) == CONTACT
