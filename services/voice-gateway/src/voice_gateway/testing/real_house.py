"""A voice gateway as a process on real parts: an Asterisk with telephones, a broker, PostgreSQL; the router beside it
is small. What a test wants to lose it can lose: the gateway, the Asterisk, the broker, the way to the database."""

import json
import os
import signal
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final  # Any: JSON, and an event of any type
from urllib.parse import urlsplit, urlunsplit

from contracts.commands import ConnectAssignment
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from contracts.topics import TOPICS
from servicekit.auth import Role
from servicekit.http_client import http_client
from servicekit.kafka import KafkaLog
from servicekit.ports import HttpNotSentError, HttpUnknownError
from servicekit.run import Shell
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.kafka_clients import DevelopmentBroker
from servicekit.testing.parts import create_topic
from servicekit.testing.tokens import TokenIssuer

from voice_gateway.domain.words import Party
from voice_gateway.testing.asterisk import MUSIC_SECONDS, TONES, Cable, write_sound
from voice_gateway.testing.asterisk_node import PASSWORD, AsteriskNode
from voice_gateway.testing.owning import ADA, NUMBER, TENANT
from voice_gateway.testing.phones import MUSIC
from voice_gateway.testing.router_beside import RouterBeside
from voice_gateway.testing.sip_phones import SipPhones
from voice_gateway.testing.small_router import SmallRouter
from voice_gateway.testing.stream_bot import StreamBot

LEASE_SECONDS: Final = 3
START_SECONDS: Final = 60.0
SOON_SECONDS: Final = 20.0
"""Until something shows that takes a moment on an idle machine."""
MUSIC_CLASS: Final = "jazz"
"""Of the sample configuration."""


class GatewayProcess:
    """The service, and what it says in `output`; killed and started again it is the same one."""

    def __init__(self, environment: Mapping[str, str], output: Path) -> None:
        self._environment = {**os.environ, **environment}
        self._output = output
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns at once."""
        command = [sys.executable, "-m", "voice_gateway.app"]
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(command, env=self._environment, stdout=output, stderr=output)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal it, and wait for its end."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(START_SECONDS)
            self.process = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RealHouseOptions:
    """What is not as usual."""

    of_node: Mapping[str, object] = field(default_factory=dict)
    """Settings of the gateway's node."""
    configuration: Sequence[ConfigurationRecord | ConfigurationPart] = ()
    """After the sample."""
    trunk_port: int | None = None
    """Where numbers outside are dialled, if not at the house's telephones."""
    prepare: Callable[[AsteriskNode], object] = lambda _: None
    """Called before the Asterisk is started."""


class RealHouse(RouterBeside):
    """See the module."""

    def __init__(
        self, shell: Shell, directory: Path, broker: DevelopmentBroker, database: Cable, options: RealHouseOptions
    ) -> None:
        super().__init__(shell)
        self.broker = broker
        self.database = database
        self._bot = StreamBot(TONES)
        self.phones = SipPhones(TONES, self._bot)
        self.output = directory / "gateway.log"
        self._directory = directory
        self._options = options
        self._issuer = TokenIssuer.generate()
        self._port = _free_port()

    @asynccontextmanager
    async def opened(self, database_url: str) -> AsyncIterator["RealHouse"]:
        """The Asterisk and the gateway run, and Ada's telephone is known."""
        await self.phones.open()
        self.node = AsteriskNode(self._directory / "node", self._options.trunk_port or self.phones.port)
        write_sound(self.node.files / "music" / "music.wav", TONES[MUSIC], MUSIC_SECONDS)
        classes = self.node.files / "etc" / "musiconhold_local.conf"
        classes.write_text(f"[{MUSIC_CLASS}]\nmode = files\ndirectory = {self.node.path('music')}\n")
        self._options.prepare(self.node)
        self.gateway = GatewayProcess({}, self.output)
        try:
            await self.node.start()
            self.phones.node_port = self.node.sip_port
            self.gateway = GatewayProcess(self._environment(database_url), self.output)
            await self.configure(*self._options.configuration)
            self.gateway.start()
            await eventually(self.is_connected, timeout_seconds=START_SECONDS)
            await self._register()
            yield self
        finally:
            self.gateway.end()
            await self.phones.close()
            self.node.end(signal.SIGKILL)

    def _environment(self, database_url: str) -> dict[str, str]:
        secret, keys = self._directory / "ari", self._directory / "jwks.json"
        secret.write_text(PASSWORD)
        keys.write_text(json.dumps(self._issuer.jwks()))
        url = f"http://127.0.0.1:{self.node.http_port}"
        phones = {"domain": "asterisk", "sip_url": f"sip:127.0.0.1:{self.node.sip_port}"}
        node = {"name": "n1", "driver": "asterisk", "url": url, "user": "centralino", "password_file": str(secret)}
        settings = {
            "kafka_bootstrap": self.broker.address,
            "database_url": database_url,
            "jwks_url": keys.as_uri(),
            "files_url": f"file://{self._directory}/files",
            "file_link_secrets": "l" * 32,
            "secrets_path": str(self._directory),
            "public_url": f"http://127.0.0.1:{self._port}",
            "voice_nodes": json.dumps([{**node, "phones": phones, **self._options.of_node}]),
            "port": str(self._port),
            "lease_seconds": str(LEASE_SECONDS),
        }
        return {f"CENTRALINO_{name.upper()}": value for name, value in settings.items()}

    async def is_connected(self) -> bool:
        """The gateway says that it owns the node and speaks to it."""
        with suppress(HttpNotSentError, HttpUnknownError):
            status, answer = await self._ask("GET", "/nodes", role="admin")
            return status == 200 and all(each["connected"] for each in answer["nodes"])
        return False

    async def _register(self) -> None:
        _, given = await self._ask("POST", "/phone")
        endpoint, password = str(given["endpoint_id"]), str(given["password"])

        async def registered() -> bool:
            return await self.phones.register(ADA, endpoint, password)

        await eventually(registered, timeout_seconds=SOON_SECONDS)

    async def _ask(self, method: str, path: str, *, role: Role = "agent") -> tuple[int, Any]:
        now_ms = self.shell.clock.now_ms()
        token = self._issuer.token(subject=ADA, tenant_id=TENANT, roles=[role], now_ms=now_ms)
        return await _asked(f"http://127.0.0.1:{self._port}/voice/v1{path}", method, f"Bearer {token}")

    async def call_in(self, phone: str = "anna") -> None:
        """A customer dials our number."""
        await self.phones.call(phone, NUMBER, Party(number=f"+39333{list(TONES).index(phone):07}"))

    async def talking(self) -> SmallRouter:
        """Anna has called, and talks with Ada. The router of her call."""
        before = len(self.started())
        await self.call_in()
        await eventually(lambda: len(self.started()) > before, timeout_seconds=SOON_SECONDS)
        router = self.routers[self.started()[-1]]
        await self.accepted(router, "anna")
        return router

    async def accepted(self, router: SmallRouter, phone: str) -> None:
        """Ada accepts, and talks with this customer."""
        connected = len(self.of(ConnectAssignment))
        await eventually(lambda: router.accept(ADA), timeout_seconds=SOON_SECONDS)
        await self._until_heard({phone: {ADA}, ADA: {phone}}, SOON_SECONDS)
        await eventually(lambda: len(self.of(ConnectAssignment)) > connected, timeout_seconds=SOON_SECONDS)

    async def until_hear(self, within_seconds: float = SOON_SECONDS, **wanted: set[str]) -> None:
        """Once all these telephones hear just this."""
        await self._until_heard(wanted, within_seconds)

    async def _until_heard(self, wanted: Mapping[str, set[str]], within_seconds: float) -> None:
        def heard() -> bool:
            assert {phone: set(self.phones.seen(phone).hears) for phone in wanted} == wanted
            return True

        await eventually(heard, timeout_seconds=within_seconds)

    async def until_idle(self, *phones: str, within_seconds: float = SOON_SECONDS) -> None:
        """Once none of these telephones has a call."""
        await eventually(
            lambda: not any(self.phones.seen(phone).talks for phone in phones), timeout_seconds=within_seconds
        )

    async def until_nothing_is_left(self) -> None:
        """Once the Asterisk has no channel and no bridge."""

        async def nothing() -> bool:
            url, known = f"http://127.0.0.1:{self.node.http_port}/ari", b64encode(f"centralino:{PASSWORD}".encode())
            left = [await _asked(f"{url}/{what}", "GET", f"Basic {known.decode()}") for what in ("channels", "bridges")]
            assert left == [(200, []), (200, [])]
            return True

        await eventually(nothing, timeout_seconds=SOON_SECONDS)

    async def lets_pass(self, seconds: float) -> None:
        """Time goes by while something is away."""
        await self.shell.clock.sleep(seconds)


@asynccontextmanager
async def real_house(
    directory: Path, admin_url: str, options: RealHouseOptions = RealHouseOptions()
) -> AsyncIterator[RealHouse]:
    """A house on a new database."""
    broker = DevelopmentBroker(directory / "broker")
    broker.start()
    database = Cable(urlsplit(admin_url).port or 5432)
    try:
        for topic in TOPICS:
            await create_topic(broker.address, topic.name, partitions=topic.partitions(4))
        await database.connect()
        telemetry = Telemetry("router")
        log = KafkaLog(broker.address, client_id="router", delivery_timeout_seconds=60, telemetry=telemetry)
        shell = Shell(SystemClock(), SystemIds(), SystemChance(), log, telemetry)
        async with migrated(admin_url, "voice_gateway") as kept:
            house = RealHouse(shell, directory, broker, database, options)
            async with house.opened(_through(database, kept.application_url)), house.listening():
                yield house
    finally:
        await database.cut()
        broker.send_signal(signal.SIGCONT)
        broker.stop(signal.SIGKILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


async def _asked(url: str, method: str, authorization: str) -> tuple[int, Any]:
    """Status and JSON. Raises HttpNotSentError, HttpUnknownError."""
    request = _Request(method=method, url=url, headers={"authorization": authorization})
    async with http_client() as http:
        reply = await http.send(request, timeout_seconds=10, bytes_max=10_000_000)
    return reply.status, json.loads(reply.body or b"null")


def _through(cable: Cable, url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{cable.port}"))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
