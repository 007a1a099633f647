"""The services of the embedded stack: how each is started, and its settings by environment."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from centralino import simulators
from centralino.home import Home
from centralino.prepare import application_url
from centralino.providers.catalogue import VENDORS

DOMAIN_PARTITIONS: Final = 4
ENGINE: Final = "router-engine"
SMTP: Final = "email-gateway.smtp"
"""Name of the port that takes mail."""
VOICE: Final = "voice-gateway"
RELAY: Final = "email-gateway.relay"
"""Of the mail server that delivers what is sent: here the sink, which keeps it."""
DRAIN_SECONDS: Final = 5
GROUP_SESSION_SECONDS: Final = 6
"""The least that Kafka takes: on one machine a service that died is back at once and wants its partitions."""
LEASE_SECONDS: Final = 3
_PASSED_ON: Final = ("CENTRALINO_LOG_LEVEL",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """Where the backends are; `postgres` is the administrator's URL, `kafka` is host:port."""

    kafka: str
    redis: str
    postgres: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a service's own variables are made of."""

    home: Home
    backends: Backends
    ports: Mapping[str, int]
    pages: Path

    def origins(self, service: str) -> list[str]:
        """The web origins of a service's pages."""
        return [f"http://{host}:{self.ports[service]}" for host in ("127.0.0.1", "localhost")]


def _nothing(_: Setting) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """A service: `command` follows the interpreter; `schema` is its package with migrations, if it has a database;
    `prefix` begins the paths of its API; `page` is what it serves to people."""

    name: str
    command: Sequence[str]
    schema: str | None = None
    prefix: str | None = None
    page: str | None = None
    pages: Mapping[str, str] = field(default_factory=dict)
    """Further ones: path by name."""
    own: Callable[[Setting], Mapping[str, str]] = field(default=_nothing)


def services() -> list[ServiceSpec]:
    """All of them."""
    return [
        ServiceSpec(
            name=ENGINE,
            command=["-m", "router.app", "engine"],
            own=lambda _: {"CENTRALINO_DOMAIN_PARTITIONS": str(DOMAIN_PARTITIONS)},
        ),
        ServiceSpec(
            name="router-api",
            command=["-m", "router.app", "api"],
            schema="router",
            prefix="/router/v1",
            page="agent-page",
            pages={"supervisor-page": "/supervisor/"},
            own=lambda setting: {
                "CENTRALINO_DOMAIN_PARTITIONS": str(DOMAIN_PARTITIONS),
                "CENTRALINO_API_KEY_PEPPER": setting.home.secret("api-key-pepper"),
                "CENTRALINO_PAGES_DIRECTORY": str(setting.pages),
                "CENTRALINO_FILES_URL": (setting.home.folder / "files").as_uri(),
                "CENTRALINO_FILE_LINK_SECRETS": setting.home.secret("file-link-secret"),
                "CENTRALINO_DEVELOPMENT_SIGNING_KEY_FILE": str(setting.home.signing_key()),
            },
        ),
        ServiceSpec(
            name="chat-gateway",
            command=["-m", "chat_gateway.app"],
            schema="chat_gateway",
            prefix="/chat/v1",
            page="customer-page",
            own=lambda setting: {
                "CENTRALINO_VISITOR_SECRET": setting.home.secret("visitor-secret"),
                "CENTRALINO_FILES_URL": (setting.home.folder / "files").as_uri(),
                "CENTRALINO_FILE_LINK_SECRETS": setting.home.secret("file-link-secret"),
                "CENTRALINO_SECRETS_PATH": simulators.secrets_of(setting.home),
                "CENTRALINO_PUBLIC_URL": setting.origins("chat-gateway")[0],
                "CENTRALINO_PROVIDER_URLS": json.dumps(simulators.provider_urls(setting.origins(simulators.NAME)[0])),
                "CENTRALINO_FETCH_HOSTS": setting.origins(simulators.NAME)[0].removeprefix("http://"),
                "CENTRALINO_PAGES_DIRECTORY": str(setting.pages),
            },
        ),
        *_mail_services(),
        _voice_service(),
        ServiceSpec(
            name="crm",
            command=["-m", "crm.app"],
            schema="crm",
            prefix="/crm/v1",
            # The agent's page, which the router's API serves, shows the customer's story.
            own=lambda setting: {"CENTRALINO_ALLOWED_ORIGINS": ",".join(setting.origins("router-api"))},
        ),
        ServiceSpec(
            name=simulators.NAME,
            command=["-m", "centralino.simulators"],
            pages={f"simulated-{name}": f"/page/?provider={name}" for name in VENDORS},
            own=lambda setting: simulators.environment(
                setting.home, setting.origins("chat-gateway")[0], setting.origins(VOICE)[0]
            ),
        ),
    ]


def _mail_services() -> list[ServiceSpec]:
    return [
        ServiceSpec(
            name="email-gateway",
            command=["-m", "email_gateway.app"],
            schema="email_gateway",
            prefix="/mail/v1",
            own=lambda setting: {
                "CENTRALINO_REPLY_SECRET": setting.home.secret("reply-secret"),
                "CENTRALINO_FILES_URL": (setting.home.folder / "files").as_uri(),
                "CENTRALINO_FILE_LINK_SECRETS": setting.home.secret("file-link-secret"),
                "CENTRALINO_SECRETS_PATH": simulators.secrets_of(setting.home),
                "CENTRALINO_SMTP_PORT": str(setting.ports[SMTP]),
                "CENTRALINO_RELAY_PORT": str(setting.ports[RELAY]),
                "CENTRALINO_RELAY_TLS": "none",
            },
        ),
        ServiceSpec(
            name="mail-sink",
            command=["-m", "centralino.mail_sink"],
            prefix="/mailbox/v1",
            page="mailbox-page",
            own=lambda setting: {
                "CENTRALINO_SMTP_PORT": str(setting.ports[RELAY]),
                "CENTRALINO_MAIL_FOLDER": str(setting.home.folder / "mail"),
                "CENTRALINO_PAGES_DIRECTORY": str(setting.pages),
            },
        ),
    ]


def _voice_service() -> ServiceSpec:
    """With a node that is simulated, and one of a simulated provider: this machine may have no telephony."""
    return ServiceSpec(
        name=VOICE,
        command=["-m", "voice_gateway.app"],
        schema="voice_gateway",
        prefix="/voice/v1",
        own=lambda setting: {
            "CENTRALINO_VOICE_NODES": json.dumps(
                [
                    {"name": "simulated", "driver": "simulated"},
                    simulators.voice_node(setting.home, setting.origins(simulators.NAME)[0]),
                ]
            ),
            # A gateway that died is back at once and wants its nodes.
            "CENTRALINO_LEASE_SECONDS": str(LEASE_SECONDS),
            "CENTRALINO_FILES_URL": (setting.home.folder / "files").as_uri(),
            "CENTRALINO_FILE_LINK_SECRETS": setting.home.secret("file-link-secret"),
            "CENTRALINO_SECRETS_PATH": simulators.secrets_of(setting.home),
            "CENTRALINO_PUBLIC_URL": setting.origins(VOICE)[0],
            # The agent's page, which the router's API serves, has the buttons of the agent's phone.
            "CENTRALINO_ALLOWED_ORIGINS": ",".join(setting.origins("router-api")),
        },
    )


def with_engines(specs: Sequence[ServiceSpec], count: int) -> list[ServiceSpec]:
    """The services with so many engines: `router-engine`, `router-engine-2` and so on."""
    more = [
        replace(spec, name=f"{spec.name}-{number}")
        for spec in specs
        if spec.name == ENGINE
        for number in range(2, count + 1)
    ]
    return [*specs, *more]


def port_names(specs: Sequence[ServiceSpec]) -> list[str]:
    """Names of the ports that the services need; `<service>.health` is the operators' page."""
    own = [name for spec in specs for name in (spec.name, health_port(spec))]
    return [*own, SMTP, RELAY] if any(spec.name == "email-gateway" for spec in specs) else own


def health_port(spec: ServiceSpec) -> str:
    """Name of the port of the service's operators' page."""
    return f"{spec.name}.health"


def database_url(schema: str, setting: Setting) -> str:
    """By which the service of this schema connects."""
    return application_url(setting.backends.postgres, schema, setting.home.secret(f"role-{schema}"))


def command(spec: ServiceSpec) -> list[str]:
    """The whole command line."""
    return [sys.executable, *spec.command]


def environment(spec: ServiceSpec, setting: Setting) -> dict[str, str]:
    """The machine's environment without any of our settings, then exactly ours."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("CENTRALINO_") or name in _PASSED_ON
    }
    database = {"CENTRALINO_DATABASE_URL": database_url(spec.schema, setting)} if spec.schema else {}
    return {
        **inherited,
        "CENTRALINO_KAFKA_BOOTSTRAP": setting.backends.kafka,
        "CENTRALINO_REDIS_URL": setting.backends.redis,
        "CENTRALINO_HOST": "127.0.0.1",
        "CENTRALINO_PORT": str(setting.ports[spec.name]),
        "CENTRALINO_HEALTH_PORT": str(setting.ports[health_port(spec)]),
        "CENTRALINO_JWKS_URL": setting.home.jwks_url(),
        "CENTRALINO_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "CENTRALINO_GROUP_SESSION_SECONDS": str(GROUP_SESSION_SECONDS),
        **database,
        **spec.own(setting),
    }
