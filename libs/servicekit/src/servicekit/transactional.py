"""Consumers whose effect lies in PostgreSQL: effect, announcements and position commit together."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, Self, TypeVar, cast

from contracts.registry import BY_DATA
from contracts.topics import ROUTING_EVENTS
from opentelemetry.trace import SpanKind

from servicekit.errors import PoisonedError
from servicekit.ports import Partition, Record
from servicekit.reactions import BACKEND_AWAY, Delivery, read_event
from servicekit.store import EVERY_TENANT, Store, TransactionBase
from servicekit.telemetry import Telemetry, log

LOG: Final = log("transactional")

T = TypeVar("T")
Tx = TypeVar("Tx", bound=TransactionBase)


class TransactionalReactions(Generic[Tx]):
    """A table: type of data -> handler, which gets the open transaction. A second handler for a type is refused."""

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[Tx, Delivery[object]], Awaitable[None]]] = {}
        self.prepare: Callable[[Tx, Sequence[Delivery[object]]], Awaitable[None]] = _nothing

    def before(self, prepare: Callable[[Tx, Sequence[Delivery[object]]], Awaitable[None]]) -> Self:
        """Show all events of a batch before the first is handled: what handlers need can be read in one go."""
        self.prepare = prepare
        return self

    def on(self, data: type[T], *handlers: Callable[[Tx, Delivery[T]], Awaitable[None]]) -> Self:
        """React to events whose data are `data`, one handler after the other. The transaction serves every tenant: name
        `event.tenant_id`."""
        name = BY_DATA[data].name
        if name in self._handlers:
            raise ValueError(f"{name} has a handler already")
        # Sound: only deliveries of this very type are handed to it.
        handle = handlers[0] if len(handlers) == 1 else _in_turn(handlers)
        self._handlers[name] = cast(Callable[[Tx, Delivery[object]], Awaitable[None]], handle)
        return self

    def handler(self, type_name: str) -> Callable[[Tx, Delivery[object]], Awaitable[None]] | None:
        """Who reacts to a type of event, if anybody."""
        return self._handlers.get(type_name)


def _in_turn(
    handlers: Sequence[Callable[[Tx, Delivery[T]], Awaitable[None]]],
) -> Callable[[Tx, Delivery[T]], Awaitable[None]]:
    async def handle(transaction: Tx, delivery: Delivery[T]) -> None:
        for each in handlers:
            await each(transaction, delivery)

    return handle


class TransactionalProcessor(Generic[Tx]):
    """A PartitionProcessor: one transaction for a batch; one per record where the batch fails, to find the culprit."""

    def __init__(
        self, *, group: str, store: Store[Tx], reactions: TransactionalReactions[Tx], telemetry: Telemetry
    ) -> None:
        self._group = group
        self._store = store
        self._reactions = reactions
        self._telemetry = telemetry

    async def starts_at(self, partition: Partition) -> int | None:
        """The offset kept with the state, if there is one."""
        async with self._store.transaction(EVERY_TENANT) as transaction:
            return await transaction.next_offset(self._group, partition)

    async def process(self, records: Sequence[Record]) -> None:
        """Handle records of one partition in order; what was handled before is passed over."""
        if len(records) > 1 and await self._done_together(records):
            return
        for record in records:
            try:
                await self._handle([record])
            except BACKEND_AWAY:
                raise
            except Exception as error:
                raise PoisonedError(record, error) from error

    async def skip(self, record: Record) -> None:
        """The record was parked: go past it."""
        async with self._store.transaction(EVERY_TENANT) as transaction:
            await transaction.advance(self._group, record.at, record.offset + 1)

    async def _done_together(self, records: Sequence[Record]) -> bool:
        try:
            await self._handle(records)
        except BACKEND_AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - nothing is committed; one by one shows which record it was
            LOG.info("batch_split", extra={"group": self._group, "error": type(error).__name__})
            return False
        return True

    async def _handle(self, records: Sequence[Record]) -> None:
        events = [(record, read_event(record, self._reactions.handler)) for record in records]
        async with self._store.transaction(EVERY_TENANT) as transaction:
            fresh: list[Delivery[object]] = []
            for record, event in events:
                # The consumers' rule (design.md section 3.6): a new engine publishes again from its watermark.
                sequence = event.sequence if event and record.topic == ROUTING_EVENTS.name else None
                moved = await transaction.advance(self._group, record.at, record.offset + 1, sequence)
                if moved and event:
                    fresh.append(Delivery(event, event.data, record))
            await self._reactions.prepare(transaction, fresh)
            for delivery in fresh:
                await self._react(transaction, delivery)

    async def _react(self, transaction: Tx, delivery: Delivery[object]) -> None:
        event, record = delivery.event, delivery.record
        handle = self._reactions.handler(event.type.name)
        if handle is None:
            return
        with self._telemetry.span(
            f"handle {event.type.name}",
            traceparent=event.traceparent,
            kind=SpanKind.CONSUMER,
            attributes={"messaging.destination.name": record.topic, "messaging.kafka.offset": record.offset},
        ):
            await handle(transaction, delivery)


async def _nothing(_: object, __: Sequence[Delivery[object]]) -> None:
    """Handlers read for themselves."""
