"""Kafka over TLS and with a password: by settings, on a real broker."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from pydantic import SecretStr
from servicekit.errors import SettingsError
from servicekit.kafka import KafkaLog
from servicekit.kafka_security import KafkaSecurity
from servicekit.ports import LogAwayError, Outgoing, Partition
from servicekit.settings import ServiceSettings, read_settings
from servicekit.telemetry import Telemetry
from servicekit.testing import kafka_jars
from servicekit.testing.certificates import make_certificate
from servicekit.testing.log_laws import read_some

NAMED = {"kafka_sasl_username": "centralino", "kafka_sasl_password": "a-password"}


def test_without_settings_clients_speak_in_the_clear_as_nobody() -> None:
    assert ServiceSettings().kafka_security().client_settings() == {"security_protocol": "PLAINTEXT"}


def test_settings_become_those_of_the_clients(tmp_path: Path) -> None:
    ca_file = str(make_certificate(tmp_path).certificate)
    given = {**NAMED, "kafka_security_protocol": "SASL_SSL", "kafka_ssl_ca_file": ca_file}
    security = ServiceSettings.model_validate(given).kafka_security()
    settings = security.client_settings()
    context = settings.pop("ssl_context")

    assert settings == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "centralino",
        "sasl_plain_password": "a-password",
    }
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1
    assert "a-password" not in repr(security)


def test_a_name_and_a_password_are_asked_for_where_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRALINO_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")

    with pytest.raises(SettingsError) as raised:
        read_settings(ServiceSettings)

    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == [
        "CENTRALINO_KAFKA_SASL_USERNAME",
        "CENTRALINO_KAFKA_SASL_PASSWORD",
    ]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, KafkaSecurity]]:
    """host:port of a broker that asks for TLS and a password, and what it takes."""
    reason = kafka_jars.available()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("secured")
    made = make_certificate(folder)
    security = KafkaSecurity(
        protocol="SASL_SSL", username="centralino", password="a-password", ca_file=str(made.certificate)
    )
    with kafka_jars.kafka_secured(folder / "kafka", security, made.key) as url:
        yield url, security


@pytest.mark.real_kafka
async def test_writer_reader_and_admin_work_over_tls_with_a_password(secured: tuple[str, KafkaSecurity]) -> None:
    bootstrap, security = secured
    await create_topic(bootstrap, security)
    log, partition = log_of(bootstrap, security), Partition("t", 0)
    async with log.writer("w") as writer, log.admin() as admin:
        for value in (b"one", b"two"):
            await writer.append(Outgoing(topic="t", key=b"k", value=value, headers=()))
        await admin.delete_before(partition, 1)
    async with log.reader("r") as reader:
        await reader.assign({partition: 1})
        values = [record.value for record in await read_some(reader, 1)]

    assert values == [b"two"]


@pytest.mark.real_kafka
async def test_a_wrong_password_and_an_unknown_certificate_are_refused(
    secured: tuple[str, KafkaSecurity], tmp_path: Path
) -> None:
    bootstrap, security = secured
    other = str(make_certificate(tmp_path).certificate)
    for wrong in (replace(security, password="another"), replace(security, ca_file=other)):
        with pytest.raises((KafkaError, LogAwayError)):
            async with log_of(bootstrap, wrong).writer("w"):
                pass


def log_of(bootstrap: str, security: KafkaSecurity) -> KafkaLog:
    settings = ServiceSettings(
        kafka_bootstrap=bootstrap,
        kafka_security_protocol=security.protocol,
        kafka_sasl_username=security.username,
        kafka_sasl_password=SecretStr(security.password),
        kafka_ssl_ca_file=security.ca_file,
    )
    return KafkaLog.by_settings(settings, client_id="t", telemetry=Telemetry("test"))


async def create_topic(bootstrap: str, security: KafkaSecurity) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **security.client_settings())
    await client.start()
    try:
        await client.create_topics([NewTopic("t", 1, 1)])
    finally:
        await client.close()
