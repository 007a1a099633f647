"""What the backends need before services start: topics, one database, a role and a schema for each service."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from contracts import topics
from contracts.topics import TOPICS, Topic, dead_letter_topic
from servicekit.migrate import ensure_application_role, migrate

from centralino.children import StartError

DATABASE: Final = "centralino"
DEAD_LETTER_HOURS: Final = 30 * 24
CONSUMERS: Final[Mapping[str, Sequence[Topic]]] = {
    "router-engine": (topics.INTERACTIONS, topics.ROUTING_INPUTS),
    "router-push": (topics.ROUTING_EVENTS, topics.MESSAGES),
    "chat-gateway": (topics.COMMANDS_CHAT, topics.ROUTING_EVENTS),
    "crm": (topics.INTERACTIONS, topics.MESSAGES, topics.ROUTING_EVENTS),
}
"""Who parks dead letters of what."""

_HOUR_MS: Final = 3_600_000
_CONNECT_SECONDS: Final = 10.0
_TOPIC_EXISTS: Final = 36  # https://kafka.apache.org/protocol#protocol_error_codes


async def create_topics(bootstrap: str, *, domain_partitions: int) -> int:
    """Create every topic that is missing; returns how many those were."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="centralino-up")
    await client.start()
    try:
        there = set(await client.list_topics())
        wanted = [_new_topic(topic, domain_partitions) for topic in TOPICS] + [
            _new_dead_letters(topic, group) for group, read in CONSUMERS.items() for topic in read
        ]
        missing = [topic for topic in wanted if topic.name not in there]
        if missing:
            answer = (await client.create_topics(missing)).to_object()
            refused = [each for each in answer["topic_errors"] if each["error_code"] not in {0, _TOPIC_EXISTS}]
            if refused:
                raise StartError(f"Kafka refused topic {refused[0]['topic']}: error {refused[0]['error_code']}")
        return len(missing)
    finally:
        await client.close()


async def create_database(server_url: str) -> str:
    """The stack's own database on the embedded server; returns the administrator's URL of it."""
    connection = await asyncpg.connect(server_url, timeout=_CONNECT_SECONDS)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{DATABASE}"))


def application_url(admin_url: str, package: str, password: str) -> str:
    """The URL by which a service connects: its own role, which owns nothing."""
    parts = urlsplit(admin_url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"centralino_{package}:{quote(password)}@{place}"))


async def migrate_schema(package: str, *, admin_url: str, url: str) -> int:
    """Role and schema of one service, up to date; returns how many migrations were applied."""
    await ensure_application_role(admin_url=admin_url, application_url=url)
    connection = await asyncpg.connect(admin_url, timeout=_CONNECT_SECONDS)
    try:
        # A given server may know the role from another data folder, with another password.
        statement = await connection.fetchval(
            "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)",
            urlsplit(url).username,
            urlsplit(url).password,
        )
        await connection.execute(statement)
    finally:
        await connection.close()
    return len(await migrate(package, admin_url=admin_url, application_url=url))


def _new_topic(topic: Topic, domain_partitions: int) -> NewTopic:
    retention_ms = topic.retention_hours * _HOUR_MS if topic.retention_hours > 0 else -1
    settings = {"retention.ms": str(retention_ms)}
    if topic.compacted:
        settings = {"cleanup.policy": "compact"}
    if topic.compacted or retention_ms < 0:
        settings |= {"retention.ms": "-1", "retention.bytes": "-1"}
    return NewTopic(topic.name, topic.partitions(domain_partitions), 1, topic_configs=settings)


def _new_dead_letters(topic: Topic, group: str) -> NewTopic:
    settings = {"retention.ms": str(DEAD_LETTER_HOURS * _HOUR_MS)}
    return NewTopic(dead_letter_topic(topic.name, group), 1, 1, topic_configs=settings)
