"""The log port over Kafka, by aiokafka 0.14, with the defaults that it needs and does not have.

What each setting and bound is for: reliability.md section 1.1 and parts.md section 1b. In short: an idempotent producer
retries for ever, so each append has its own deadline; a stopped broker holds `stop()`, so closing is bounded; the
committed offset of a group races with a seek, so positions are always set explicitly.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError

from servicekit.kafka_connection import closed, connected, topic_partition
from servicekit.kafka_reader import KafkaGroupReader, KafkaReader
from servicekit.kafka_security import PLAINTEXT, KafkaSecurity
from servicekit.kafka_writer import RECORD_BYTES_MAX, KafkaWriter
from servicekit.ports import GroupMember, GroupReader, LogAdmin, LogAwayError, LogReader, LogWriter, Partition
from servicekit.settings import ServiceSettings
from servicekit.telemetry import Telemetry

BATCH_BYTES: Final = 256 * 1024
"""What a partition may hold back while a request is in flight; aiokafka's 16 KiB would make large writers wait."""
RETRY_BACKOFF_MS: Final = 50
FETCH_BYTES_MAX: Final = 8 * 1024 * 1024
PARTITION_FETCH_BYTES_MAX: Final = 1024 * 1024
HEARTBEAT_MS_MAX: Final = 3_000
SESSION_TIMEOUT_SECONDS: Final = 30.0
REBALANCE_TIMEOUT_MS: Final = 30_000
NO_POLL_LIMIT_MS: Final = 24 * 3_600_000
"""A member that aiokafka thinks idle never rejoins (aiokafka issue 1187); our own watchdog looks for real stalls."""


class KafkaLog:
    """LogFactory. `delivery_timeout_seconds` bounds each append, and reaching the brokers at all."""

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        delivery_timeout_seconds: float,
        telemetry: Telemetry,
        session_timeout_seconds: float = SESSION_TIMEOUT_SECONDS,
        security: KafkaSecurity = PLAINTEXT,
    ) -> None:
        self._brokers = {"bootstrap_servers": bootstrap, **security.client_settings()}
        self._client_id = client_id
        self._timeout_seconds = delivery_timeout_seconds
        # A third of the deadline: a lost answer can be asked for again, and then again.
        self._request_timeout_ms = max(1000, round(delivery_timeout_seconds * 1000 / 3))
        self._session_timeout_ms = round(session_timeout_seconds * 1000)
        self._telemetry = telemetry

    @classmethod
    def by_settings(cls, settings: ServiceSettings, *, client_id: str, telemetry: Telemetry) -> Self:
        """Of a process that read these settings, a service's children included."""
        return cls(
            settings.kafka_bootstrap,
            client_id=client_id,
            delivery_timeout_seconds=settings.delivery_timeout_seconds,
            telemetry=telemetry,
            session_timeout_seconds=settings.group_session_seconds,
            security=settings.kafka_security(),
        )

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncGenerator[LogWriter]:
        """A new idempotent producer."""
        producer = AIOKafkaProducer(
            **self._brokers,
            client_id=f"{self._client_id}-{name}",
            enable_idempotence=True,  # implies acks=all
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=RECORD_BYTES_MAX,
            request_timeout_ms=self._request_timeout_ms,
            retry_backoff_ms=RETRY_BACKOFF_MS,
        )
        writer = KafkaWriter(producer, deadline_seconds=self._timeout_seconds, telemetry=self._telemetry)
        try:
            await connected(producer.start(), self._timeout_seconds)
            yield writer
        finally:
            await writer.close()

    @asynccontextmanager
    async def reader(self, name: str) -> AsyncGenerator[LogReader]:
        """A new consumer without a group."""
        consumer = self._consumer(name, auto_offset_reset="none")
        try:
            await connected(consumer.start(), self._timeout_seconds)
            yield KafkaReader(consumer, timeout_seconds=self._timeout_seconds)
        finally:
            await closed(consumer.stop())

    @asynccontextmanager
    async def group(self, group: str, topics: Sequence[str], member: GroupMember) -> AsyncGenerator[GroupReader]:
        """A new member of a group, by the eager sticky assignor (aiokafka has no other that is sticky)."""
        consumer = self._consumer(
            group,
            auto_offset_reset="earliest",
            group_id=group,
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=min(HEARTBEAT_MS_MAX, self._session_timeout_ms // 3),
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            max_poll_interval_ms=NO_POLL_LIMIT_MS,
            partition_assignment_strategy=(StickyPartitionAssignor,),
        )
        reader = KafkaGroupReader(consumer, member, timeout_seconds=self._timeout_seconds)
        try:
            await connected(consumer.start(), self._timeout_seconds)
            consumer.subscribe(topics=list(topics), listener=reader)
            yield reader
        finally:
            await closed(consumer.stop())

    @asynccontextmanager
    async def admin(self) -> AsyncGenerator[LogAdmin]:
        """A new admin client."""
        client = AIOKafkaAdminClient(**self._brokers, client_id=f"{self._client_id}-admin")
        try:
            await connected(client.start(), self._timeout_seconds)
            yield _KafkaAdmin(client, self._timeout_seconds)
        finally:
            await closed(client.close())

    def _consumer(self, name: str, **settings: object) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._brokers,
            client_id=f"{self._client_id}-{name}",
            enable_auto_commit=False,
            isolation_level="read_committed",
            check_crcs=True,
            fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
            retry_backoff_ms=RETRY_BACKOFF_MS,
            **settings,
        )


class _KafkaAdmin:
    def __init__(self, client: AIOKafkaAdminClient, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds

    async def partitions_of(self, topic: str) -> int:
        """How many there are; asks for all topics, because a broker may make the one that it is asked for."""
        topics = await connected(self._client.describe_topics(), self._timeout_seconds)
        return next((len(each["partitions"]) for each in topics if each["topic"] == topic), 0)

    async def delete_before(self, partition: Partition, offset: int) -> None:
        """Delete all records before the offset."""
        request = {topic_partition(partition): RecordsToDelete(before_offset=offset)}
        try:
            await connected(self._client.delete_records(request), self._timeout_seconds)
        except KafkaError as error:
            raise LogAwayError(f"records were not deleted: {type(error).__name__}") from error
