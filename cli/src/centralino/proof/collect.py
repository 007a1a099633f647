"""Reads what a run has left behind in real Kafka and PostgreSQL."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
from contracts.topics import (
    CONFIG,
    INTERACTIONS,
    MESSAGES,
    ROUTING_EVENTS,
    ROUTING_INPUTS,
    ROUTING_JOURNAL,
    dead_letter_topic,
)
from servicekit.kafka import KafkaLog
from servicekit.ports import LogReader, Partition, Record
from servicekit.telemetry import Telemetry

from centralino.prepare import CONSUMERS
from centralino.proof.history import History, Request, Said, Tables, read_history
from centralino.services import DOMAIN_PARTITIONS

READ: Final = (CONFIG, INTERACTIONS, MESSAGES, ROUTING_EVENTS, ROUTING_INPUTS, ROUTING_JOURNAL)
KAFKA_SECONDS: Final = 10.0
DATABASE_SECONDS: Final = 30.0
SILENT_READS_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to read: Kafka as host:port, PostgreSQL as its administrator."""

    kafka: str
    postgres: str
    domain_partitions: int = DOMAIN_PARTITIONS


async def collect(places: Places, accepted: Sequence[Said], requests: Sequence[Request] = ()) -> History:
    """Everything from the first offset to the end as it is now."""
    wanted = {topic.name: topic.partitions(places.domain_partitions) for topic in READ}
    parked = {dead_letter_topic(topic.name, group): 1 for group, read in CONSUMERS.items() for topic in read}
    log = KafkaLog(
        places.kafka, client_id="proof", delivery_timeout_seconds=KAFKA_SECONDS, telemetry=Telemetry("proof")
    )
    async with log.reader("proof") as reader:
        found = await read_to_end(
            reader, [Partition(name, each) for name, n in (wanted | parked).items() for each in range(n)]
        )
    async with _connected(places.postgres) as database:
        tables = await _tables(database)
    dead_letters = [f"{letter.topic}@{letter.offset}: {_reason(letter)}" for letter in found if letter.topic in parked]
    records = {name: [record for record in found if record.topic == name] for name in wanted}
    return read_history(records, dead_letters=dead_letters, accepted=accepted, requests=requests, tables=tables)


async def read_to_end(reader: LogReader, partitions: Sequence[Partition]) -> list[Record]:
    """All that these hold now, by topic, partition and offset."""
    bounds = {at: await reader.bounds(at) for at in partitions}
    ends: Mapping[Partition, int] = {at: end for at, (first, end) in bounds.items() if first < end}
    await reader.assign({at: bounds[at][0] for at in ends})
    records: list[Record] = []
    reached: set[Partition] = set()
    silent = 0
    # A compacted partition may have lost its last offsets: then silence is its end.
    while len(reached) < len(ends) and silent < SILENT_READS_MAX:
        found = await reader.read(records_max=1000, timeout_seconds=0.5)
        silent = 0 if found else silent + 1
        records += [record for record in found if record.offset < ends[record.at]]
        reached |= {record.at for record in found if record.offset + 1 >= ends[record.at]}
    return sorted(records, key=lambda record: (record.topic, record.partition, record.offset))


async def _tables(database: "asyncpg.Connection") -> Tables:
    gateway = await database.fetch("SELECT * FROM chat_gateway.message", timeout=DATABASE_SECONDS)
    crm = await database.fetch("SELECT * FROM crm.message", timeout=DATABASE_SECONDS)
    tasks = await database.fetch("SELECT task_id, state FROM crm.task", timeout=DATABASE_SECONDS)
    return Tables(
        gateway=[
            Said(
                interaction_id=row["interaction_id"],
                number=row["number"],
                sender=row["sender"],
                text=row["text"],
                message_id=row["message_id"],
            )
            for row in gateway
        ],
        crm=[
            Said(
                interaction_id=row["interaction_id"],
                number=row["number"],
                sender="customer" if row["direction"] == "inbound" else "agent" if row["agent_id"] else "system",
                text=row["text"],
                message_id=row["message_id"],
                internal=row["visibility"] == "internal",
            )
            for row in crm
        ],
        crm_tasks={row["task_id"]: row["state"] for row in tasks},
    )


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator["asyncpg.Connection"]:
    connection = await asyncpg.connect(url, timeout=KAFKA_SECONDS)
    try:
        yield connection
    finally:
        await connection.close()


def _reason(letter: Record) -> str:
    headers = dict(letter.headers)
    return b" ".join(headers.get(name, b"") for name in ("dlq_error", "dlq_reason")).decode(errors="replace")
