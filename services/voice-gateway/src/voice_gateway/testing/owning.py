"""Samples, and a node that does as it is told, for tests of what an owner is made of."""

import asyncio
from collections.abc import AsyncIterator

from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from servicekit.errors import RetryLaterError
from servicekit.telemetry import Telemetry

from voice_gateway.domain.call import Call, Spent, Terms
from voice_gateway.domain.commands import Command
from voice_gateway.domain.driver import Capabilities
from voice_gateway.domain.events import Snapshot
from voice_gateway.domain.words import Party
from voice_gateway.metrics import VoiceInstruments, VoiceMetrics
from voice_gateway.resolving import VoiceDirectory

TENANT = "acme"
DOMAIN = "acme.main"
NUMBER = "+390612345"
ADDRESS = "tel:390612345"
ADA = "ada"
"""An agent with a SIP phone."""
NOW_MS = 1_750_000_000_000
ANNA = Party(number="+393331234567")


def metrics() -> VoiceMetrics:
    """Of a process of its own."""
    return VoiceMetrics(VoiceInstruments(Telemetry("test")), "n1")


def call_of(interaction_id: str = "i1", **more: object) -> Call:
    """A call that goes on, of which nothing is known yet."""
    terms = Terms(tenant_id=TENANT, domain=DOMAIN, client="shop", address=ADDRESS)
    return Call(
        interaction_id=interaction_id,
        root=interaction_id,
        terms=terms,
        direction="inbound",
        customer=ANNA,
        customer_leg_id=f"{interaction_id}-leg",
        begun_at_ms=NOW_MS,
        spent=Spent(now="ring", since_ms=NOW_MS),
        **more,  # type: ignore[arg-type]  # fields of the call
    )


def configuration() -> list[ConfigurationRecord | ConfigurationPart]:
    """One number, one queue, two agents with phones and one without."""
    queue = {"channel": "voice", "client": "shop", "domain": DOMAIN, "queue": "sales"}
    phone = {"kind": "sip", "answers_itself": True}
    outside = {"kind": "number", "number": "+390699999", "ring_seconds": 12}
    return [
        record("domain", DOMAIN, {"id": DOMAIN, "partition": 1, "supervision": {"announced": False}}),
        record("channel", ADDRESS, {"address": ADDRESS, "flow": "main", "caller_id": "+390600000", **queue}),
        record("agent", ADA, {"name": "Ada", "phone": phone}),
        record("agent", "bert", {"name": "Bert", "phone": outside}),
        record("agent", "carla", {"name": "Carla"}),
        part("flow", f"{DOMAIN}/main", {"id": "main", "domain": DOMAIN, "language": "it", "music": "jazz"}),
        part("recording", DOMAIN, {"policies": [{"id": "all", "domain": DOMAIN, "keep_days": 7, "consent": "none"}]}),
        part("extension", f"{DOMAIN}/91", {"id": "91", "domain": DOMAIN, "queue": "sales"}),
    ]


def record(kind: str, name: str, value: dict[str, object] | None) -> ConfigurationRecord:
    """A record of `config`."""
    return ConfigurationRecord(
        kind=kind,  # type: ignore[arg-type]  # one of those
        id=f"{kind}:{name}",
        domain=DOMAIN,
        version=1,
        value=value,
    )


def part(kind: str, name: str, value: dict[str, object] | None) -> ConfigurationPart:
    """A later one."""
    return ConfigurationPart(kind=kind, id=f"{kind}:{name}", domain=DOMAIN, version=1, value=value)


def configured() -> VoiceDirectory:
    """A directory that has read `configuration`."""
    directory = VoiceDirectory()
    for each in configuration():
        directory.apply(TENANT, each)
    directory.complete = True
    return directory


class ObedientNode:
    """A Driver that takes every command, in `taken`, unless it is away or slow."""

    name = "obedient"
    capabilities = Capabilities(simulated=True)

    def __init__(self) -> None:
        self.taken: list[Command] = []
        self.is_away = False
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.at_once = 0
        self.at_once_most = 0

    async def do(self, command: Command) -> None:
        """See Driver."""
        if self.is_away:
            raise RetryLaterError("the node is away")
        self.at_once += 1
        self.at_once_most = max(self.at_once, self.at_once_most)
        try:
            await self.go_on.wait()
        finally:
            self.at_once -= 1
        self.taken.append(command)

    async def snapshot(self) -> Snapshot:
        """See Driver."""
        if self.is_away:
            raise RetryLaterError("the node is away")
        return Snapshot(legs=(), rooms=(), at_ms=NOW_MS)

    async def recording(self, recording_id: str) -> AsyncIterator[bytes]:
        """See Driver."""
        yield recording_id.encode()

    async def forget_recording(self, recording_id: str) -> None:
        """See Driver."""
