"""What the conformance suite works on: the chat gateway before the simulated providers, behind real sockets."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping, MutableSequence, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chat_gateway.carriers import PROVIDERS
from chat_gateway.testing.samples import TENANT
from chat_gateway.testing.written import WrittenGateway
from contracts.messages import MessageReceived
from contracts.written import MessageStatusChanged
from gatewaykit.domain.provider import Provider
from httpx import AsyncClient
from servicekit.http_client import HttpClient, http_client
from servicekit.http_server import AsgiApp, Receive, Scope, Send, http_server
from servicekit.ports import Http, HttpReply, HttpRequest, HttpSink, HttpUpload
from servicekit.testing.eventually import eventually

from centralino.providers.catalogue import VENDORS, configuration
from centralino.providers.server import providers_server
from centralino.providers.simulated import Simulated

Json = dict[str, Any]  # Any: JSON, that only tests read
HASTY_SECONDS: Final = 1.0
PATIENT_SECONDS: Final = 60.0
"""More than the gateway ever waits."""


@dataclass(slots=True)
class Front:
    """Passes requests to the gateway; the next deliveries are answered with these statuses instead, and all wait until
    it is `open`."""

    app: AsgiApp | None = None
    refusals: MutableSequence[int] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "/webhooks/" in scope["path"]:
            await self.open.wait()
        if self.app is None or (self.refusals and "/webhooks/" in scope["path"]):
            status = self.refusals.pop(0) if self.refusals else 503
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)


@dataclass(slots=True)
class Patience:
    """The gateway's way to the provider: an Http that waits for no answer longer than `seconds`."""

    http: Http
    seconds: float = PATIENT_SECONDS

    async def send(
        self,
        request: HttpRequest,
        *,
        timeout_seconds: float,
        bytes_max: int,
        address: str | None = None,
        sink: HttpSink | None = None,
        upload: HttpUpload | None = None,
    ) -> HttpReply:
        """See Http."""
        seconds = min(timeout_seconds, self.seconds)
        return await self.http.send(
            request, timeout_seconds=seconds, bytes_max=bytes_max, address=address, sink=sink, upload=upload
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One provider's channel: the simulator on one side, the gateway on the other."""

    name: str
    url: str
    client: AsyncClient
    simulated: Simulated
    front: Front
    http: Patience
    written: WrittenGateway

    @property
    def provider(self) -> Provider:
        """Our side."""
        vendor = self.simulated.vendor
        return PROVIDERS[vendor.provider, vendor.channel]

    async def control(self, method: str, path: str, body: Json | None = None) -> Json:
        """Asks the simulator; raises AssertionError unless it says 200."""
        answer = await self.client.request(method, f"{self.url}/simulator/{self.name}{path}", json=body)
        if answer.status_code != 200:
            raise AssertionError(answer.text)
        told = answer.json()
        return told if isinstance(told, dict) else {"items": told}

    async def say(self, text: str = "", customer: str = "Ann", **rest: Any) -> Json:  # Any: JSON
        """A customer says something."""
        return await self.control("POST", "/say", {"customer": customer, "text": text, **rest})

    async def idle(self) -> list[Json]:
        """Every delivery, once none is left."""
        await eventually(lambda: asyncio.sleep(0, not self.simulated.deliveries.waiting))
        return list((await self.control("GET", "/deliveries"))["deliveries"])

    def received(self) -> list[MessageReceived]:
        """Customers' messages, in the order in which they were taken."""
        return self.written.announced(MessageReceived)

    def texts(self) -> list[str]:
        """Their words."""
        return [str(each.personal["text"]) for each in self.received()]

    async def first(self, text: str = "hello", **rest: Any) -> MessageReceived:  # Any: JSON
        """A customer's message as it was taken; the sample agent has the conversation then."""
        await self.say(text, **rest)
        await eventually(lambda: bool(self.received()))
        message = self.received()[0]
        await self.written.assign(message.interaction_id)
        return message

    async def write_into(self, fault: Mapping[str, object], message: MessageReceived) -> None:
        """The agent writes `one`, as `m1`, and the provider meets it with the fault."""
        await self.control("POST", "/faults", dict(fault))
        self.http.seconds = HASTY_SECONDS if fault["kind"] == "timeout" else PATIENT_SECONDS
        await self.written.write(message.interaction_id, "m1", "one")
        await eventually(lambda: not self.simulated.faults)
        self.http.seconds = PATIENT_SECONDS

    async def got(self, count: int = 1) -> list[Json]:
        """What customers got, once it is so much."""
        found: list[Json] = []

        async def enough() -> bool:
            nonlocal found
            found = (await self.control("GET", "/messages?side=centre"))["messages"]
            return len(found) >= count

        await eventually(enough)
        return found

    def statuses(self, message_id: str) -> list[str]:
        """What was told of a message of ours, in order."""
        told = self.written.announced(MessageStatusChanged)
        return [each.status for each in told if each.message_id == message_id]

    async def becomes(self, message_id: str, *statuses: str) -> str:
        """Waits until one of these is told last."""
        await eventually(lambda: bool(set(self.statuses(message_id)[-1:]) & set(statuses)))
        return self.statuses(message_id)[-1]


def who_can(*abilities: str) -> list[str]:
    """Providers whose simulators can all that."""
    return [name for name, vendor in VENDORS.items() if vendor.can >= set(abilities)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Simulators, and the front of a gateway that is yet to come."""

    url: str
    public_url: str
    front: Front
    http: HttpClient
    client: AsyncClient
    simulated: Mapping[str, Simulated]


@asynccontextmanager
async def stage(names: Sequence[str]) -> AsyncGenerator[Stage]:
    """These providers, until the block is left."""
    front = Front()
    async with (
        http_client() as http,
        AsyncClient(timeout=15) as client,
        http_server(front, "127.0.0.1", 0, drain_seconds=1) as public_url,
        providers_server(names, webhook=f"{public_url}/chat/v1/webhooks/{{provider}}") as (url, simulated),
    ):
        yield Stage(url=url, public_url=public_url, front=front, http=http, client=client, simulated=simulated)


@asynccontextmanager
async def bench(on: Stage, name: str, folder: Path) -> AsyncGenerator[Bench]:
    """One provider as at the start, before a new gateway that has its secrets in the folder."""
    simulated = on.simulated[name]
    on.front.app = None
    await simulated.reset()
    vendor, http = simulated.vendor, Patience(on.http)
    written = WrittenGateway(
        http,
        folder,
        public_url=on.public_url,
        provider_urls={f"{vendor.provider}/{vendor.channel}": simulated.base_url},
        fetch_hosts=on.url.removeprefix("http://"),
    )
    account: Any = configuration(vendor)["account"]
    written.address(name, vendor.channel, account)
    (folder / TENANT).mkdir()
    for use, [secret] in account["secrets"].items():
        (folder / TENANT / secret).write_text(vendor.secrets[use])
    on.front.app, on.front.refusals = written.gateway.app, []
    on.front.open.set()
    running = asyncio.create_task(written.run())
    try:
        yield Bench(
            name=name,
            url=on.url,
            client=on.client,
            simulated=simulated,
            front=on.front,
            http=http,
            written=written,
        )
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def content(raw: bytes) -> str:
    """As the control API takes a file."""
    return base64.b64encode(raw).decode()
