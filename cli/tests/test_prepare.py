import asyncio
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
from base64 import b64decode
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from centralino.prepare import (
    CONSUMERS,
    PrepareSettings,
    application_url,
    create_database,
    create_topics,
    migrate_schema,
    prepare,
)
from centralino.proof.running import COMMAND
from chat_gateway import consumers as chat_gateway
from contracts.configuration_faults import read_configuration
from contracts.topics import TOPICS
from crm import consumers as crm
from crm import metrics_consumer as crm_metrics
from email_gateway import consumers as email_gateway
from router.api import consumers as router_push
from router.engine import inputs as router_engine
from servicekit.kafka_security import KafkaSecurity
from servicekit.testing import kafka_jars
from servicekit.testing.certificates import make_certificate
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tokens import TokenIssuer


def test_each_consumer_has_a_dead_letter_topic_for_all_that_it_reads() -> None:
    read = {each.GROUP: set(each.TOPICS) for each in (chat_gateway, email_gateway, crm, crm_metrics, router_push)}
    read[router_engine.GROUP] = {topic.name for topic in router_engine.INPUT_TOPICS}

    assert {group: {topic.name for topic in topics} for group, topics in CONSUMERS.items()} == read


def test_the_sample_tenant_is_a_valid_configuration() -> None:
    configuration = read_configuration((files("centralino") / "sample" / "acme.json").read_bytes())

    assert {domain.id for domain in configuration.domains} == {"acme.main"}


async def test_given_backends_are_prepared_and_may_be_prepared_again(
    kafka_url: str, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = prepare_settings(kafka_url, await create_database(postgres_url))

    await prepare(settings)
    await prepare(settings)
    said = capsys.readouterr().out
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await client.start()
    try:
        there = set(await client.list_topics())
    finally:
        await client.close()
    connection = await asyncpg.connect(settings.crm_database_url, timeout=10)
    try:
        rows = await connection.fetchval("SELECT count(*) FROM crm.customer", timeout=10)
    finally:
        await connection.close()

    assert {topic.name for topic in TOPICS} <= there
    assert rows == 0
    assert "topics: 0 created" in said
    assert "schema crm: 0 migrations applied" in said


async def test_a_role_gets_the_password_that_its_url_encodes(postgres: FreshDatabase) -> None:
    password = "p@ss/w%rd:%41"
    url = application_url(postgres.admin_url, "encoded", password)

    for _ in range(2):
        await migrate_schema("crm", admin_url=postgres.admin_url, url=url)
        kept = await verifier(postgres.admin_url, "centralino_encoded")

        assert kept[2] == stored_key(password, kept)
        assert kept[2] != stored_key(quote(password, safe=""), kept)


@pytest.mark.real_kafka
async def test_topics_are_created_over_tls_with_a_password(tmp_path: Path) -> None:
    reason = kafka_jars.available()
    if reason is not None:
        pytest.skip(reason)
    made = make_certificate(tmp_path)
    security = KafkaSecurity(protocol="SASL_SSL", username="u", password="p", ca_file=str(made.certificate))
    with kafka_jars.kafka_secured(tmp_path / "kafka", security, made.key) as bootstrap:
        created = await create_topics(bootstrap, domain_partitions=1, security=security)

    assert created > len(TOPICS)


async def test_a_development_stack_gets_a_key_that_stays_and_pages_that_find_the_services(
    kafka_url: str, postgres_url: str, tmp_path: Path
) -> None:
    settings = prepare_settings(kafka_url, await create_database(postgres_url))
    wanted = settings.model_copy(
        update={"development_folder": tmp_path, "page_addresses": {"crm": "http://127.0.0.1:8082"}}
    )

    await prepare(wanted)
    key = (tmp_path / "keys/signing.pem").read_bytes()
    await prepare(wanted)

    assert (tmp_path / "keys/signing.pem").read_bytes() == key
    assert TokenIssuer.load(tmp_path / "keys/signing.pem").jwks() == json.loads(
        (tmp_path / "public/jwks.json").read_text()
    )
    assert (tmp_path / "public/pages/agent/index.html").exists()
    assert json.loads((tmp_path / "public/pages/shared/addresses.json").read_text()) == wanted.page_addresses


async def test_backends_that_stay_away_end_it_after_a_bound(kafka_url: str) -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"postgresql://admin:secret@127.0.0.1:{nobody.getsockname()[1]}/centralino"
        async with asyncio.timeout(30):
            with pytest.raises(OSError, match="Errno"):
                await prepare(prepare_settings(kafka_url, away, wait_seconds=0.1))


def test_a_stopped_container_ends_it_while_it_waits() -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"127.0.0.1:{nobody.getsockname()[1]}"
        settings = prepare_settings(away, f"postgresql://admin:secret@{away}/centralino").model_dump()
        given = {f"CENTRALINO_{name.upper()}": str(value) for name, value in settings.items() if isinstance(value, str)}
        command = [sys.executable, "-c", COMMAND, "prepare"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | given) as waiting:
            try:
                assert waiting.stdout is not None
                first = waiting.stdout.readline()
                waiting.terminate()
                ended = waiting.wait(timeout=30)
            finally:
                waiting.kill()

    assert first.startswith("waiting")
    assert ended == 128 + signal.SIGTERM


async def verifier(admin_url: str, role: str) -> tuple[int, bytes, bytes]:
    """What PostgreSQL keeps of a password: iterations, salt, stored key. One that trusts everybody keeps it too."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        kept = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", role, timeout=10)
    finally:
        await connection.close()
    _, rounds, salt, stored, _ = re.split(r"[$:]", kept)
    return int(rounds), b64decode(salt), b64decode(stored)


def stored_key(password: str, kept: tuple[int, bytes, bytes]) -> bytes:
    """https://www.rfc-editor.org/rfc/rfc5802#section-3"""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), kept[1], kept[0])
    return hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()


def prepare_settings(kafka: str, admin_url: str, *, wait_seconds: float = 30) -> PrepareSettings:
    place = urlsplit(admin_url)

    def url(package: str) -> str:
        netloc = f"centralino_{package}:toy-password@{place.netloc.rpartition('@')[2]}"
        return urlunsplit(place._replace(netloc=netloc))

    return PrepareSettings(
        kafka_bootstrap=kafka,
        database_admin_url=admin_url,
        router_database_url=url("router"),
        chat_gateway_database_url=url("chat_gateway"),
        email_gateway_database_url=url("email_gateway"),
        voice_gateway_database_url=url("voice_gateway"),
        crm_database_url=url("crm"),
        topic_replicas=1,
        wait_seconds=wait_seconds,
    )
