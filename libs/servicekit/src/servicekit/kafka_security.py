"""How clients speak to the brokers: in the clear or over TLS, as nobody or with a name and a password."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSecurity:
    """https://kafka.apache.org/documentation/#security_overview; without a CA file those of the system are trusted."""

    protocol: str = "PLAINTEXT"
    mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str | None = None

    def client_settings(self) -> dict[str, Any]:  # Any: aiokafka's
        """What each of aiokafka's clients is given. Raises OSError when the CA file cannot be read."""
        given: dict[str, Any] = {"security_protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            given["ssl_context"] = ssl.create_default_context(cafile=self.ca_file)
        if self.protocol.startswith("SASL"):
            given["sasl_mechanism"] = self.mechanism
            given["sasl_plain_username"] = self.username  # aiokafka's names, for SCRAM too
            given["sasl_plain_password"] = self.password
        return given


PLAINTEXT: Final = KafkaSecurity()


class KafkaSecuritySettings(BaseSettings):
    """Settings of whoever speaks to Kafka."""

    kafka_security_protocol: str = Field(
        "PLAINTEXT", pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$", description="As Kafka names it; SSL is TLS."
    )
    kafka_sasl_mechanism: str = Field(
        "SCRAM-SHA-512", pattern="^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$", description="Heeded by the SASL protocols."
    )
    kafka_sasl_username: str = Field("", description="Name that the SASL protocols need.")
    kafka_sasl_password: SecretStr | None = Field(None, description="Password that the SASL protocols need.")
    kafka_ssl_ca_file: str | None = Field(
        None, description="PEM file of who signs the brokers' certificates; without it the system's are trusted."
    )

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _needed(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        if str(info.data.get("kafka_security_protocol")).startswith("SASL") and not value:
            raise ValueError("a SASL protocol needs it")
        return value

    def kafka_security(self) -> KafkaSecurity:
        """For `KafkaLog`, and for clients beside it."""
        password = self.kafka_sasl_password
        return KafkaSecurity(
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username,
            password=password.get_secret_value() if password else "",
            ca_file=self.kafka_ssl_ca_file,
        )
