"""What the engine tells of a contact's trace: the decision, the append to the journal, the publication."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from contracts.topics import ROUTING_EVENTS, ROUTING_JOURNAL
from opentelemetry.trace import Span, SpanKind
from servicekit.telemetry import Telemetry, traceparent_from

from router.engine.inbox import Given


class BatchSpans:
    """The spans of one batch: each decision until its journal record is confirmed, and the append."""

    def __init__(self, telemetry: Telemetry | None = None) -> None:
        self._telemetry = telemetry if telemetry is not None and telemetry.exporting else None
        self._decisions: list[Span] = []
        self._appends: list[Span] = []

    def decided(self, given: Given) -> str | None:
        """An input has an effect; returns the context for what follows from it."""
        if self._telemetry is None or given.traceparent is None or given.record is None:
            return given.traceparent
        record = given.record
        span = self._telemetry.begin(
            f"decide {dict(record.headers).get('ce_type', b'input').decode()}",
            traceparent=given.traceparent,
            kind=SpanKind.CONSUMER,
            attributes={"messaging.destination.name": record.topic, "messaging.kafka.offset": record.offset},
        )
        self._decisions.append(span)
        return traceparent_from(span)

    def appending(self) -> None:
        """The batch goes to the journal: a span for each decision, for they are of several traces."""
        if self._telemetry is not None:
            name = f"append {ROUTING_JOURNAL.name}"
            contexts = [traceparent_from(decision) for decision in self._decisions]
            self._appends = [self._telemetry.begin(name, traceparent=each, kind=SpanKind.PRODUCER) for each in contexts]

    def confirmed(self, partition: int, offset: int) -> None:
        """The batch counts. One that is dropped leaves no spans."""
        for span in (*self._appends, *self._decisions):
            span.set_attributes({"centralino.journal.partition": partition, "centralino.journal.offset": offset})
            span.end()


@contextmanager
def publishing(telemetry: Telemetry | None, contexts: Iterable[str | None]) -> Iterator[None]:
    """A span for each event that carries one of these contexts, around its publication."""
    spans = []
    if telemetry is not None and telemetry.exporting:
        name = f"publish {ROUTING_EVENTS.name}"
        spans = [telemetry.begin(name, traceparent=given, kind=SpanKind.PRODUCER) for given in contexts if given]
    try:
        yield
    finally:
        for span in spans:
            span.end()
