"""What a service tells about itself: traces through Kafka headers, Prometheus metrics, and `log` for JSON events.

Nothing here carries what people wrote or who they are: only codes, ids and numbers.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from servicekit.ports import Outgoing

TRACEPARENT: Final = "traceparent"
_W3C: Final = TraceContextTextMapPropagator()
_LATENCY_BUCKETS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def log(name: str) -> logging.Logger:
    """The logger of a module: `LOG.info("offer_issued", extra={"offer_id": offer_id})`."""
    return logging.getLogger(f"centralino.{name}")


class Telemetry:
    """One process's traces and metrics. Without an OTLP endpoint spans are made and passed on, but not exported."""

    def __init__(self, service: str, *, otlp_endpoint: str | None = None) -> None:
        self.registry = CollectorRegistry()
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
        if otlp_endpoint:
            self.export_to(_otlp(otlp_endpoint))
        self.tracer = self._provider.get_tracer("servicekit")
        self.records_seconds = Histogram(
            "consumer_batch_seconds",
            "Time to handle a batch.",
            ["group", "topic"],
            registry=self.registry,
            buckets=_LATENCY_BUCKETS_SECONDS,
        )
        self.dead_letters = self.counter("dead_letters", "Records parked.", "group", "topic")
        self.retries = self.counter("consumer_retries", "Batches tried again.", "group", "topic")
        self.lag_records = self.gauge("consumer_lag_records", "Records not yet handled.", "group", "topic", "partition")

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A counter of this process."""
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A gauge of this process."""
        return Gauge(name, text, labels, registry=self.registry)

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
        parent = _W3C.extract({TRACEPARENT: traceparent}) if traceparent else None
        with self.tracer.start_as_current_span(
            name, parent, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(trace.StatusCode.ERROR)
                raise

    def export_to(self, processor: SpanProcessor) -> None:
        """Send finished spans to one more place."""
        self._provider.add_span_processor(processor)

    def close(self) -> None:
        """Hand over what was not exported yet; waits for the collector at most its time-out."""
        self._provider.shutdown()


def traceparent() -> str | None:
    """The W3C trace context of the current span, for an event or a request header."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get(TRACEPARENT)


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


def _otlp(endpoint: str) -> SpanProcessor:
    # Imported here: the exporter brings an HTTP client that a service without a collector need not load.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))
