"""What the backends need before services start: topics, one database, a role and a schema for each service."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError
from contracts import topics
from contracts.topics import TOPICS, Topic, dead_letter_topic
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.kafka_security import PLAINTEXT, KafkaSecurity, KafkaSecuritySettings
from servicekit.migrate import ensure_application_role, migrate, password_of, role_of
from servicekit.settings import PREFIX, Seconds

from centralino.children import StartError
from centralino.development import lay_out_pages, make_signing_key

T = TypeVar("T")
DATABASE: Final = "centralino"
DEAD_LETTER_HOURS: Final = 30 * 24
CONSUMERS: Final[Mapping[str, Sequence[Topic]]] = {
    "router-engine": (topics.INTERACTIONS, topics.ROUTING_INPUTS),
    "router-push": (topics.ROUTING_EVENTS, topics.MESSAGES, topics.INTERACTIONS),
    "chat-gateway": (topics.COMMANDS_CHAT, topics.ROUTING_EVENTS),
    "email-gateway": (topics.COMMANDS_EMAIL, topics.ROUTING_EVENTS),
    "crm": (topics.INTERACTIONS, topics.MESSAGES, topics.ROUTING_EVENTS),
    "crm-metrics": (topics.ROUTING_EVENTS,),
}
"""Who parks dead letters of what."""

_HOUR_MS: Final = 3_600_000
_CONNECT_SECONDS: Final = 10.0
_AGAIN_SECONDS: Final = 1.0
_AWAY: Final = (KafkaConnectionError, OSError, asyncpg.CannotConnectNowError)
_TOPIC_EXISTS: Final = 36  # https://kafka.apache.org/protocol#protocol_error_codes


class PrepareSettings(KafkaSecuritySettings):
    """Of `centralino prepare`, from the environment, prefix `CENTRALINO_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka_bootstrap: str = Field(description="Kafka brokers, host:port, comma-separated.")
    database_admin_url: str = Field(description="The database, as its owner, who may create roles.")
    router_database_url: str = Field(description="CENTRALINO_DATABASE_URL of the router's API: its role and password.")
    chat_gateway_database_url: str = Field(description="CENTRALINO_DATABASE_URL of the chat gateway.")
    email_gateway_database_url: str = Field(description="CENTRALINO_DATABASE_URL of the e-mail gateway.")
    voice_gateway_database_url: str = Field(description="CENTRALINO_DATABASE_URL of the voice gateway.")
    crm_database_url: str = Field(description="CENTRALINO_DATABASE_URL of the CRM.")
    domain_partitions: int = Field(4, ge=1, le=1000, description="Partitions that routing domains are spread over.")
    topic_replicas: int = Field(3, ge=1, le=9, description="Copies of each partition; of three one may be away.")
    wait_seconds: Seconds = Field(120, description="How long Kafka and PostgreSQL may take to come up.")
    development_folder: Path | None = Field(
        None, description="Only for development: gets keys/signing.pem, public/jwks.json and public/pages."
    )
    page_addresses: dict[str, str] = Field(
        default_factory=dict,
        description="JSON: the origin of router-api, chat-gateway, voice-gateway and crm as browsers see it.",
    )


async def prepare(settings: PrepareSettings) -> None:
    """Topics, roles and schemas on backends that are given; may be repeated. Raises when they stay away."""
    deadline = time.monotonic() + settings.wait_seconds
    create = partial(
        create_topics,
        settings.kafka_bootstrap,
        domain_partitions=settings.domain_partitions,
        replicas=settings.topic_replicas,
        security=settings.kafka_security(),
    )
    made = await _until_there(deadline, create)
    print(f"topics: {made} created", flush=True)
    urls = {
        "router": settings.router_database_url,
        "chat_gateway": settings.chat_gateway_database_url,
        "email_gateway": settings.email_gateway_database_url,
        "voice_gateway": settings.voice_gateway_database_url,
        "crm": settings.crm_database_url,
    }
    for package, url in urls.items():
        migrate_one = partial(migrate_schema, package, admin_url=settings.database_admin_url, url=url)
        applied = await _until_there(deadline, migrate_one)
        print(f"schema {package}: {applied} migrations applied", flush=True)
    if settings.development_folder is not None:
        public = settings.development_folder / "public"
        make_signing_key(settings.development_folder / "keys" / "signing.pem", public / "jwks.json")
        lay_out_pages(public / "pages", settings.page_addresses)


async def create_topics(
    bootstrap: str, *, domain_partitions: int, replicas: int = 1, security: KafkaSecurity = PLAINTEXT
) -> int:
    """Create every topic that is missing; returns how many those were."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="centralino-up", **security.client_settings())
    try:
        await client.start()
        there = set(await client.list_topics())
        wanted = [_new_topic(topic, domain_partitions, replicas) for topic in TOPICS] + [
            _new_dead_letters(topic, group, replicas) for group, read in CONSUMERS.items() for topic in read
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
    return urlunsplit(parts._replace(netloc=f"centralino_{package}:{quote(password, safe='')}@{place}"))


async def migrate_schema(package: str, *, admin_url: str, url: str) -> int:
    """Role and schema of one service, up to date; returns how many migrations were applied."""
    await ensure_application_role(admin_url=admin_url, application_url=url)
    connection = await asyncpg.connect(admin_url, timeout=_CONNECT_SECONDS)
    try:
        # A given server may know the role from another data folder, with another password.
        statement = await connection.fetchval(
            "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)",
            role_of(url),
            password_of(url),
        )
        await connection.execute(statement)
    finally:
        await connection.close()
    return len(await migrate(package, admin_url=admin_url, application_url=url))


async def _until_there(deadline: float, call: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await call()
        except _AWAY as error:
            if time.monotonic() > deadline:
                raise
            print(f"waiting: {type(error).__name__}", flush=True)
        await asyncio.sleep(_AGAIN_SECONDS)


def _new_topic(topic: Topic, domain_partitions: int, replicas: int) -> NewTopic:
    retention_ms = topic.retention_hours * _HOUR_MS if topic.retention_hours > 0 else -1
    settings = {"retention.ms": str(retention_ms)}
    if topic.compacted:
        settings = {"cleanup.policy": "compact"}
    if topic.compacted or retention_ms < 0:
        settings |= {"retention.ms": "-1", "retention.bytes": "-1"}
    settings |= _durable(replicas)
    return NewTopic(topic.name, topic.partitions(domain_partitions), replicas, topic_configs=settings)


def _new_dead_letters(topic: Topic, group: str, replicas: int) -> NewTopic:
    settings = {"retention.ms": str(DEAD_LETTER_HOURS * _HOUR_MS)} | _durable(replicas)
    return NewTopic(dead_letter_topic(topic.name, group), 1, replicas, topic_configs=settings)


def _durable(replicas: int) -> dict[str, str]:
    """An acknowledged record is on two brokers at least: the default of one would lose it with that one."""
    return {"min.insync.replicas": "2"} if replicas > 1 else {}
