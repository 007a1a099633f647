import json
import logging

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel, ValidationError
from servicekit.logs import SAYINGS_MAX, SAYINGS_SECONDS, FewSayings, JsonFormatter
from servicekit.ports import Outgoing
from servicekit.telemetry import Telemetry, carrying_trace, traceparent, traceparent_of

REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(exporter: InMemorySpanExporter) -> Telemetry:
    telemetry = Telemetry("tests")
    telemetry.export_to(SimpleSpanProcessor(exporter))
    return telemetry


def test_a_trace_goes_on_through_the_headers_of_a_record(telemetry: Telemetry, exporter: InMemorySpanExporter) -> None:
    with telemetry.span("publish"):
        sent = carrying_trace(Outgoing(topic="t", key=b"k", value=b"v", headers=(("a", b"1"),)))
    with telemetry.span("handle", traceparent=traceparent_of(sent.headers)):
        pass
    published, handled = exporter.get_finished_spans()

    assert published.context is not None
    assert handled.parent is not None
    assert (handled.parent.trace_id, handled.parent.span_id) == (
        published.context.trace_id,
        published.context.span_id,
    )
    assert sent.headers[0] == ("a", b"1")


def test_a_record_that_carries_a_trace_keeps_it(telemetry: Telemetry) -> None:
    outgoing = Outgoing(topic="t", key=None, value=b"v", headers=(("traceparent", REMOTE.encode()),))
    with telemetry.span("publish"):
        assert carrying_trace(outgoing) is outgoing


def test_where_nothing_is_exported_a_trace_is_passed_on_and_none_is_begun() -> None:
    silent = Telemetry("tests")
    with silent.span("handle", traceparent=REMOTE):
        passed_on = traceparent()
    with silent.span("handle"):
        begun = traceparent()

    assert (passed_on, begun) == (REMOTE, None)


def test_outside_a_span_nothing_is_added() -> None:
    outgoing = Outgoing(topic="t", key=None, value=b"v")

    assert carrying_trace(outgoing) is outgoing
    assert traceparent() is None


@pytest.mark.parametrize("broken", ["", "00-xyz", "\udcff", REMOTE[:-1]])
def test_a_malformed_trace_context_starts_a_new_trace(
    telemetry: Telemetry, exporter: InMemorySpanExporter, broken: str
) -> None:
    with telemetry.span("handle", traceparent=broken):
        pass

    assert exporter.get_finished_spans()[0].parent is None


def test_a_span_tells_the_type_of_a_failure_but_not_its_words(
    telemetry: Telemetry, exporter: InMemorySpanExporter
) -> None:
    with pytest.raises(ValueError, match="words"), telemetry.span("handle"):
        raise ValueError("words of a customer")
    [span] = exporter.get_finished_spans()

    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert "words" not in span.to_json()


def test_a_log_event_is_one_line_of_json_with_its_fields() -> None:
    record = logging.makeLogRecord(
        {"name": "centralino.router", "levelname": "INFO", "msg": "offer_issued", "offer_id": "o1", "created": 0.0}
    )
    document = json.loads(JsonFormatter("router").format(record))

    assert document == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "INFO",
        "service": "router",
        "logger": "centralino.router",
        "event": "offer_issued",
        "offer_id": "o1",
    }


def test_what_a_library_says_is_an_event_of_its_own() -> None:
    record = logging.makeLogRecord({"name": "aiokafka", "msg": "lost %s", "args": ("node 1",), "levelname": "WARNING"})
    document = json.loads(JsonFormatter("router").format(record))

    assert (document["event"], document["text"]) == ("library_said", "lost node 1")


def test_an_exception_is_logged_by_type_and_place_without_the_data_that_it_quotes() -> None:
    class Person(BaseModel):
        age: int

    with pytest.raises(ValidationError) as refused:
        Person.model_validate({"age": "Anna Rossi, 47"})
    failure = (refused.type, refused.value, refused.tb)
    record = logging.makeLogRecord({"name": "centralino.x", "msg": "failed", "exc_info": failure})
    line = JsonFormatter("router").format(record)

    assert "Anna" not in line
    assert json.loads(line)["error"] == "ValidationError"
    assert "test_telemetry.py" in json.loads(line)["frames"][0]


def test_a_library_that_repeats_itself_is_heard_now_and_then_and_our_own_events_always() -> None:
    few = FewSayings()

    def passes(logger: str, at: float) -> logging.LogRecord | None:
        record = logging.LogRecord(logger, logging.ERROR, "file", 1, "away", None, None)
        record.created = at
        return record if few.filter(record) else None

    flood = [passes("aiokafka.conn", 100.0) for _ in range(50)]
    own = [passes("centralino.run", 100.0) for _ in range(50)]
    later = passes("aiokafka.conn", 100.0 + SAYINGS_SECONDS)

    assert sum(record is not None for record in flood) == SAYINGS_MAX
    assert None not in own
    assert later is not None
    assert later.__dict__["left_out"] == 50 - SAYINGS_MAX
