"""Which handler reacts to which event, for consumers whose effect lies outside PostgreSQL (Redis pushes)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar, cast

from contracts import Event, UnknownTypeError, decode
from contracts.registry import BY_DATA
from opentelemetry.trace import SpanKind

from servicekit.errors import PoisonedError, RetryLaterError
from servicekit.ports import AppendUnknownError, Partition, Record
from servicekit.telemetry import Telemetry

T = TypeVar("T")

BACKEND_AWAY = (RetryLaterError, AppendUnknownError, OSError, TimeoutError)
"""Failures of the world around, not of the record: the loop tries the batch again for as long as it takes."""


@dataclass(frozen=True, slots=True)
class Delivery(Generic[T]):
    """An event as it came: `data` is `event.data`, typed; `record` says where it stood."""

    event: Event
    data: T
    record: Record


class Reactions:
    """A table: type of data -> handler. A second handler for the same type is refused."""

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[Delivery[object]], Awaitable[object]]] = {}

    def on(self, data: type[T], handle: Callable[[Delivery[T]], Awaitable[object]]) -> Self:
        """React to events whose data are `data`."""
        name = BY_DATA[data].name
        if name in self._handlers:
            raise ValueError(f"{name} has a handler already")
        # Sound: only deliveries of this very type are handed to it.
        self._handlers[name] = cast(Callable[[Delivery[object]], Awaitable[object]], handle)
        return self

    def handler(self, type_name: str) -> Callable[[Delivery[object]], Awaitable[object]] | None:
        """Who reacts to a type of event, if anybody."""
        return self._handlers.get(type_name)


class PartitionProcessor(Protocol):
    """What a ConsumerLoop does with records. Calls for one partition never overlap."""

    async def starts_at(self, partition: Partition) -> int | None:
        """The offset to go on from, where the position is kept with the state; none: Kafka's committed one."""
        ...

    async def process(self, records: Sequence[Record]) -> None:
        """Handle records of one partition, in order; all of them may have been handled before.

        Raises PoisonedError when a record cannot be handled, with everything before it done and nothing after it
        begun; RetryLaterError, OSError or TimeoutError when a backend is away.
        """
        ...

    async def skip(self, record: Record) -> None:
        """The record was parked in the dead-letter topic: go past it."""
        ...


class ReactionsProcessor:
    """Runs `Reactions`, one event at a time, each in a span whose parent is the trace that the event carries.

    What the handlers of a batch return, none aside, goes to `apply` in one call, in order; it must be idempotent, since
    it may get all of it again.
    """

    def __init__(
        self,
        reactions: Reactions,
        telemetry: Telemetry,
        apply: Callable[[Sequence[Any]], Awaitable[object]] | None = None,  # Any: what the handlers return
    ) -> None:
        self._reactions = reactions
        self._telemetry = telemetry
        self._apply = apply

    async def starts_at(self, partition: Partition) -> int | None:
        """Nothing is kept here: Kafka's committed offset."""
        return None

    async def process(self, records: Sequence[Record]) -> None:
        """Handle what somebody reacts to; pass over the rest, unknown types too."""
        answers: list[tuple[Record, object]] = []
        for record in records:
            try:
                answer = await self._handle(record)
            except BACKEND_AWAY:
                raise
            except Exception as error:
                await self._apply_all(answers)
                raise PoisonedError(record, error) from error
            if answer is not None:
                answers.append((record, answer))
        await self._apply_all(answers)

    async def skip(self, record: Record) -> None:
        """Nothing is kept here."""

    async def _handle(self, record: Record) -> object:
        event = read_event(record, self._reactions.handler)
        if event is None:
            return None
        handle = self._reactions.handler(event.type.name)
        if handle is None:
            return None
        with self._telemetry.span(
            f"handle {event.type.name}",
            traceparent=event.traceparent,
            kind=SpanKind.CONSUMER,
            attributes={"messaging.destination.name": record.topic, "messaging.kafka.offset": record.offset},
        ):
            return await handle(Delivery(event, event.data, record))

    async def _apply_all(self, answers: Sequence[tuple[Record, object]]) -> None:
        if self._apply is None or not answers:
            return
        try:
            await self._apply([answer for _, answer in answers])
        except BACKEND_AWAY:
            raise
        except Exception as error:
            if len(answers) == 1:
                raise PoisonedError(answers[0][0], error) from error
            for each in answers:  # finds the one that cannot be applied
                await self._apply_all([each])


def read_event(record: Record, handler: Callable[[str], object | None]) -> Event | None:
    """The event in a record, or none when nobody here reacts to its type; raises MalformedEventError.

    In binary mode the type is looked at before the data are decoded: what nobody wants costs nothing.
    """
    for name, raw in record.headers:
        if name == "ce_type" and handler(raw.decode("utf-8", "replace")) is None:
            return None
    try:
        return decode(record.value, record.headers)
    except UnknownTypeError:
        return None
