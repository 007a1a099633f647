"""Settings that every service has. A service subclasses `ServiceSettings` with fields of its own."""

from typing import Annotated, Final, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicekit.errors import SettingsError
from servicekit.kafka_security import KafkaSecuritySettings

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]

PREFIX: Final = "CENTRALINO_"


class ServiceSettings(KafkaSecuritySettings):
    """Read once from the environment, prefix `CENTRALINO_`; never changed afterwards."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma-separated.")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis or Valkey.")
    database_url: str = Field(
        "postgresql://centralino_app@127.0.0.1:5432/centralino",
        description="PostgreSQL as the application role, which owns nothing and cannot bypass row-level security.",
    )
    database_admin_url: str | None = Field(None, description="PostgreSQL as the owner of the schemas; for `migrate`.")
    schema_wait_seconds: Seconds = Field(
        90, description="A starting service with a database waits so long for its migrations to be applied, then ends."
    )
    host: str = Field("127.0.0.1", description="Address that the API and the health page listen on.")
    port: Port = Field(0, description="Port of the API; 0 takes a free one, named in the event `service_ready`.")
    health_port: Port = Field(0, description="Port of /health/live, /health/ready and /metrics; 0 takes a free one.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged.")
    jwks_url: str = Field("", description="Keys that sign access tokens: an http(s): or file: URL of a JWK set.")
    token_issuer: str = Field("centralino", description="Required `iss` of access tokens.")
    token_audience: str = Field("centralino", description="Required `aud` of access tokens.")
    trusted_proxies: str = Field(
        "127.0.0.1", description="Proxies whose X-Forwarded-For is believed: addresses or networks, comma-separated."
    )
    notice_seconds: float = Field(
        0, ge=0, description="A stopping service takes new requests for so long, until load balancers have noticed."
    )
    drain_seconds: Seconds = Field(30, description="How long a stopping service may finish what is in flight.")
    group_session_seconds: Seconds = Field(
        30, description="A consumer not heard of for so long loses its partitions; Kafka takes 6 s and more."
    )
    delivery_timeout_seconds: Seconds = Field(
        10, description="After so long without acknowledgement an append to Kafka counts as unknown."
    )


S = TypeVar("S", bound=BaseSettings)


def read_settings(settings_class: type[S]) -> S:
    """Settings from the environment; raises SettingsError with one sentence per fault, never naming a value."""
    try:
        return settings_class()
    except ValidationError as error:
        faults = [f"{PREFIX}{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}." for fault in error.errors()]
        raise SettingsError("\n".join(faults)) from None
