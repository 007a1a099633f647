"""What a service tells about itself: traces through Kafka headers, Prometheus metrics, and `log` for JSON events.

Nothing here carries what people wrote or who they are: only codes, ids and numbers.
"""

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from servicekit.ports import Outgoing

NAMESPACE: Final = "centralino"
TRACEPARENT: Final = "traceparent"
OTLP_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""OpenTelemetry's own: either one turns the export on; the other OTEL_* (headers, sampler, ...) are heeded as well."""
_W3C: Final = TraceContextTextMapPropagator()
_LATENCY_BUCKETS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def log(name: str) -> logging.Logger:
    """The logger of a module: `LOG.info("offer_issued", extra={"offer_id": offer_id})`."""
    return logging.getLogger(f"centralino.{name}")


class Telemetry:
    """One process's traces and metrics. Where nothing is exported no span is made: a trace is only passed on."""

    def __init__(self, service: str) -> None:
        # A series beside each counter and histogram, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
        self.registry = CollectorRegistry()
        self.exporting = False
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
        self._tracer = self._provider.get_tracer("servicekit")
        self.records_seconds = self.histogram("consumer_batch_seconds", "Time to handle a batch.", "group", "topic")
        self.dead_letters = self.counter("dead_letters", "Records parked.", "group", "topic")
        self.retries = self.counter("consumer_retries", "Batches tried again.", "group", "topic")
        self.lag_records = self.gauge("consumer_lag_records", "Records not yet handled.", "group", "topic", "partition")
        self.outbox_rows = self.gauge("outbox_rows", "Events that wait to be published; counted up to 100 000.")
        self.outbox_published = self.counter("outbox_published", "Events published from the outbox.")
        self.outbox_refused = self.counter("outbox_refused", "Events of the outbox that Kafka will never take.")
        self.requests_seconds = self.histogram(
            "http_request_seconds", "Time to answer a request.", "method", "route", "status"
        )
        ProcessCollector(registry=self.registry)
        self.gauge("asyncio_tasks", "Tasks of the event loop.").set_function(_tasks)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A counter of this process; its name gets the prefix `centralino_` and the suffix `_total`."""
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A gauge of this process."""
        return Gauge(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def histogram(self, name: str, text: str, *labels: str) -> Histogram:
        """A histogram of seconds."""
        return Histogram(
            name, text, labels, namespace=NAMESPACE, registry=self.registry, buckets=_LATENCY_BUCKETS_SECONDS
        )

    @contextmanager
    def span(
        self,
        name: str,
        *,
        traceparent: str | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int] | None = None,
    ) -> Iterator[trace.Span]:
        """A span around a block; its parent is the given W3C `traceparent`, else the span around it.

        A failure is noted by the name of its type only: messages of exceptions may hold personal data.
        """
        span = self.begin(name, traceparent=traceparent, kind=kind, attributes=attributes)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except BaseException as error:
                note_failure(span, error)
                raise

    def begin(
        self,
        name: str,
        *,
        traceparent: str | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int] | None = None,
    ) -> trace.Span:
        """A span that whoever has it ends, for work that is not one block; see `span`."""
        parent = _W3C.extract({TRACEPARENT: traceparent}) if traceparent else None
        if not self.exporting:
            return trace.NonRecordingSpan(trace.get_current_span(parent).get_span_context())
        return self._tracer.start_span(name, parent, kind=kind, attributes=attributes)

    def export_as_told(self) -> None:
        """Export as OpenTelemetry's standard environment variables say, if they name a place."""
        if any(os.environ.get(variable) for variable in OTLP_VARIABLES):
            self.export_to(_otlp())

    def export_to(self, processor: SpanProcessor) -> None:
        """Send finished spans to one more place."""
        self.exporting = True
        self._provider.add_span_processor(processor)

    def close(self) -> None:
        """Hand over what was not exported yet; waits for the collector at most its time-out."""
        self._provider.shutdown()


def traceparent() -> str | None:
    """The W3C trace context of the current span, for an event or a request header."""
    return traceparent_from(trace.get_current_span())


def traceparent_from(span: trace.Span) -> str | None:
    """The W3C trace context of a span; none of one that stands for no trace."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span))
    return carrier.get(TRACEPARENT)


def note_failure(span: trace.Span, error: BaseException) -> None:
    """That the span's work failed, and by which type of exception."""
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(trace.StatusCode.ERROR)


def traceparent_of(headers: Sequence[tuple[str, bytes]]) -> str | None:
    """The trace context that a record carries; a malformed one counts as none."""
    for name, raw in headers:
        if name == TRACEPARENT:
            return raw.decode("ascii", "replace")
    return None


def carrying_trace(outgoing: Outgoing) -> Outgoing:
    """The record with the current span's context, unless it carries one already."""
    context = traceparent()
    if context is None or traceparent_of(outgoing.headers) is not None:
        return outgoing
    return Outgoing(
        topic=outgoing.topic,
        key=outgoing.key,
        value=outgoing.value,
        headers=(*outgoing.headers, (TRACEPARENT, context.encode())),
        partition=outgoing.partition,
    )


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # asked for outside of a loop, as tests do
        return 0


def _otlp() -> SpanProcessor:
    # Imported here: the exporter brings an HTTP client that a service without a collector need not load.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())
