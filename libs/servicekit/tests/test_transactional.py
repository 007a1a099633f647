"""Effect and position commit together: nothing twice, nothing skipped, a poison record alone."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
from contracts import Event, encode
from contracts.agents import AgentStateChanged
from contracts.messages import MessageReceived
from contracts.topics import ROUTING_EVENTS
from servicekit.database import Database, Transaction
from servicekit.errors import PoisonedError, RejectError, RetryLaterError
from servicekit.ports import Partition, Record
from servicekit.reactions import Delivery
from servicekit.store import EVERY_TENANT, Tenant
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.store_laws import said
from servicekit.transactional import TransactionalProcessor, TransactionalReactions

GROUP = "crm"


@dataclass
class Handlers:
    """Takes each message into the inbox, a table that commits and rolls back with the position."""

    poison: int = 0
    away: bool = False
    transactions: list[Transaction] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    async def on_message(self, transaction: Transaction, delivery: Delivery[MessageReceived]) -> None:
        if self.away:
            raise RetryLaterError
        self.transactions.append(transaction)
        await transaction.execute(
            "INSERT INTO inbox (tenant_id, source, message_id) VALUES (:tenant, 'test', :id)",
            tenant=delivery.event.tenant_id,
            id=delivery.data.message_id,
        )
        if delivery.data.number == self.poison:
            raise RejectError("poison")

    async def on_state(self, _: Transaction, delivery: Delivery[AgentStateChanged]) -> None:
        self.states.append(delivery.event.id)


class PlainStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[Transaction]:
        return self._database.transaction(tenant)


@pytest.fixture
async def database(postgres: FreshDatabase) -> AsyncGenerator[Database, None]:
    async with migrated(postgres.admin_url, "servicekit") as kept:
        yield kept.database


def processor_of(database: Database, handlers: Handlers) -> TransactionalProcessor[Transaction]:
    reactions = TransactionalReactions[Transaction]()
    reactions.on(MessageReceived, handlers.on_message).on(AgentStateChanged, handlers.on_state)
    return TransactionalProcessor(
        group=GROUP, store=PlainStore(database), reactions=reactions, telemetry=Telemetry("test")
    )


def record_of(event: Event, offset: int, *, topic: str | None = None) -> Record:
    value, headers = encode(event)
    return Record(topic or event.type.topic.name, 0, offset, b"key", value, tuple(headers), 0)


def messages(*numbers: int) -> list[Record]:
    return [record_of(said(number), number - 1) for number in numbers]


def state(sequence: str) -> Event:
    changed = AgentStateChanged(
        agent_id="a-1", domain="acme.main", state="ready", reason_code=None, cause="command", changed_at_ms=1
    )
    return Event(
        id=sequence,
        source="/router/engine",
        tenant_id="acme",
        subject="a-1",
        time_ms=1,
        data=changed,
        sequence=sequence,
    )


async def taken(database: Database) -> list[str]:
    async with database.transaction(EVERY_TENANT) as transaction:
        rows = await transaction.all("SELECT message_id FROM inbox ORDER BY message_id")
    return [row["message_id"] for row in rows]


def ids(*numbers: int) -> Sequence[str]:
    return [f"chat-1-{number}" for number in numbers]


async def test_what_is_new_of_a_batch_is_shown_before_the_first_is_handled(database: Database) -> None:
    handlers, shown = Handlers(), list[tuple[str, int]]()

    async def prepare(_: Transaction, deliveries: Sequence[Delivery[object]]) -> None:
        shown.extend((delivery.event.id, len(handlers.transactions)) for delivery in deliveries)

    reactions = TransactionalReactions[Transaction]().before(prepare).on(MessageReceived, handlers.on_message)
    processor = TransactionalProcessor(
        group=GROUP, store=PlainStore(database), reactions=reactions, telemetry=Telemetry("test")
    )
    await processor.process(messages(1))
    await processor.process(messages(1, 2, 3))

    assert shown == [(said(1).id, 0), (said(2).id, 1), (said(3).id, 1)]


async def test_a_batch_is_one_transaction(database: Database) -> None:
    handlers = Handlers()
    processor = processor_of(database, handlers)

    await processor.process(messages(1, 2, 3))

    assert await taken(database) == ids(1, 2, 3)
    assert len(set(map(id, handlers.transactions))) == 1
    assert await processor.starts_at(Partition("messages", 0)) == 3
    assert await processor.starts_at(Partition("messages", 1)) is None


async def test_records_that_come_again_have_no_second_effect(database: Database) -> None:
    processor = processor_of(database, Handlers())
    await processor.process(messages(1, 2))

    await processor.process(messages(1, 2, 3))

    assert await taken(database) == ids(1, 2, 3)


async def test_a_poison_record_stands_alone_and_what_precedes_it_is_kept(database: Database) -> None:
    processor = processor_of(database, Handlers(poison=3))

    with pytest.raises(PoisonedError) as poisoned:
        await processor.process(messages(1, 2, 3, 4))

    assert poisoned.value.record.offset == 2
    assert isinstance(poisoned.value.error, RejectError)
    assert await taken(database) == ids(1, 2)


async def test_after_the_skip_the_partition_goes_on(database: Database) -> None:
    processor = processor_of(database, Handlers(poison=3))
    with pytest.raises(PoisonedError) as poisoned:
        await processor.process(messages(3, 4))

    await processor.skip(poisoned.value.record)
    await processor.process(messages(3, 4))

    assert await taken(database) == ids(4)
    assert await processor.starts_at(Partition("messages", 0)) == 4


async def test_a_malformed_record_is_poison_and_a_type_without_handler_is_passed_over(database: Database) -> None:
    good, malformed = messages(1, 2)
    malformed = Record("messages", 0, 1, b"key", b"{", malformed.headers, 0)
    unknown = Record("messages", 0, 2, b"key", b"{}", (("ce_type", b"message.sung"),), 0)
    processor = processor_of(database, Handlers())

    with pytest.raises(PoisonedError) as poisoned:
        await processor.process([good, malformed, unknown])
    await processor.skip(malformed)
    await processor.process([unknown])

    assert poisoned.value.record.offset == 1
    assert await processor.starts_at(Partition("messages", 0)) == 3


async def test_a_backend_that_is_away_is_nobodys_poison(database: Database) -> None:
    handlers = Handlers(away=True)
    processor = processor_of(database, handlers)
    for records in (messages(1), messages(1, 2)):
        with pytest.raises(RetryLaterError):
            await processor.process(records)

    handlers.away = False
    await processor.process(messages(1, 2))

    assert await taken(database) == ids(1, 2)


async def test_a_routing_event_that_is_published_again_is_ignored_by_its_sequence(database: Database) -> None:
    handlers = Handlers()
    processor = processor_of(database, handlers)
    sequences = ["0001-07-00", "0001-07-01", "0001-07-00", "0001-07-01", "0001-08-00"]

    await processor.process([record_of(state(sequence), offset) for offset, sequence in enumerate(sequences[:3])])
    await processor.process([record_of(state(sequence), 3 + offset) for offset, sequence in enumerate(sequences[3:])])

    assert handlers.states == ["0001-07-00", "0001-07-01", "0001-08-00"]
    assert await processor.starts_at(Partition(ROUTING_EVENTS.name, 0)) == 5


async def test_a_type_has_one_handler() -> None:
    handlers = Handlers()
    reactions = TransactionalReactions[Transaction]().on(MessageReceived, handlers.on_message)

    with pytest.raises(ValueError, match="already"):
        reactions.on(MessageReceived, handlers.on_message)
