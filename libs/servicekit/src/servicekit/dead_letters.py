"""Dead letters: records that a group can never handle, parked with why, for an operator to redrive."""

import traceback
from typing import Final

from contracts import MalformedEventError
from contracts.topics import dead_letter_topic

from servicekit.errors import RejectError
from servicekit.ports import Clock, LogFactory, Outgoing, Record
from servicekit.telemetry import Telemetry, log

LOG: Final = log("consume")


class DeadLetters:
    """Writes to `<topic>.<group>.dlq`. A writer is opened for each letter: they are rare, and none is left broken."""

    def __init__(self, group: str, log: LogFactory, clock: Clock, telemetry: Telemetry) -> None:
        self.group = group
        self._telemetry = telemetry
        self._log = log
        self._clock = clock

    def expect(self, topic: str) -> None:
        """Tell of the topic before its first letter: of a counter that is born at 1 Prometheus sees no increase."""
        self._telemetry.dead_letters.labels(self.group, topic)

    async def write(self, record: Record, error: Exception) -> None:
        """Append value, key and headers unchanged plus `dlq_*` headers; twice is possible, never is not.

        Raises AppendUnknownError (try again) or AppendRefusedError (there is no such topic, or it takes no such size).
        """
        letter = Outgoing(
            topic=dead_letter_topic(record.topic, self.group),
            key=record.key,
            value=record.value,
            headers=(*record.headers, *self._context(record, error)),
            partition=0,
        )
        async with self._log.writer(f"{self.group}-dead-letters") as writer:
            await writer.append(letter)
        self._telemetry.dead_letters.labels(self.group, record.topic).inc()
        LOG.error("record_parked", extra={name: text.decode() for name, text in self._context(record, error)})

    def _context(self, record: Record, error: Exception) -> list[tuple[str, bytes]]:
        context = {
            "dlq_topic": record.topic,
            "dlq_partition": record.partition,
            "dlq_offset": record.offset,
            "dlq_timestamp_ms": record.timestamp_ms,
            "dlq_group": self.group,
            "dlq_error": type(error).__name__,
            "dlq_reason": _reason(error),
            "dlq_parked_at_ms": self._clock.now_ms(),
        }
        return [(name, str(value).encode()) for name, value in context.items()]


def _reason(error: Exception) -> str:
    """Why: our own two kinds say it without personal data; of a bug only its place is told."""
    if isinstance(error, RejectError):
        return error.reason
    if isinstance(error, MalformedEventError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} {frames[-1].name}" if frames else ""
