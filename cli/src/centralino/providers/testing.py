"""Simulated providers in a test's own event loop, and a webhook that remembers what it was told."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from httpx import AsyncClient, Response
from servicekit.http_server import Receive, Scope, Send, http_server
from servicekit.testing.eventually import eventually

from centralino.providers.server import providers_server
from centralino.providers.simulated import Simulated

Json = dict[str, Any]  # Any: JSON, that only tests read


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A request as it came to the webhook."""

    method: str
    url: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Webhook:
    """`got` grows; `answers` are given first, `answer` after them."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: deque[tuple[int, bytes]] = field(default_factory=deque)
    answer: tuple[int, bytes] = (200, b"")
    headers: dict[str, str] = field(default_factory=dict)
    """Of every answer."""
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Type and bytes by name, below the webhook's URL: what the centre would link to."""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is cleared nothing is answered."""

    def __post_init__(self) -> None:
        self.open.set()

    def reset(self) -> None:
        """As it was at the start; the URL stays."""
        fresh = Webhook(url=self.url)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        body = bytearray()
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        file = self.files.get(scope["path"].rpartition("/")[2])
        if file is not None:
            mime, content = file
            await _answer(send, 200, content, {"content-type": mime})
            return
        query = scope["query_string"].decode()
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        base = self.url.partition("/hooks/")[0]
        url = f"{base}{scope['path']}" + (f"?{query}" if query else "")
        self.got.append(Got(method=scope["method"], url=url, query=query, headers=headers, body=bytes(body)))
        await self.open.wait()
        status, answer = self.answers.popleft() if self.answers else self.answer
        await _answer(send, status, answer, self.headers)

    async def take(self, count: int = 1) -> list[Got]:
        """The oldest `count` requests, as soon as they are there; they are forgotten here."""
        await eventually(lambda: len(self.got) >= count)
        taken, self.got = self.got[:count], self.got[count:]
        return taken


async def _answer(send: Send, status: int, body: bytes, headers: MutableMapping[str, str]) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in {"content-length": str(len(body)), **headers}.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """One simulated provider, the webhook it tells, and clients of its control API and of the vendor's API."""

    name: str
    url: str
    webhook: Webhook
    client: AsyncClient
    simulated: Simulated

    async def control(self, method: str, path: str, body: Json | None = None) -> Json:
        """Asks the control API; raises AssertionError unless it says 200."""
        answer = await self.client.request(method, f"{self.url}/simulator/{self.name}{path}", json=body)
        if answer.status_code != 200:
            raise AssertionError(answer.text)
        told = answer.json()
        return told if isinstance(told, dict) else {"items": told}

    async def refused(self, path: str, body: Json) -> int:
        """Posts to the control API what it refuses, and says with which status."""
        answer = await self.client.post(f"{self.url}/simulator/{self.name}{path}", json=body)
        if answer.status_code < 400:
            raise AssertionError(answer.text)
        return answer.status_code

    async def api(self, method: str, path: str, **rest: Any) -> Response:  # Any: httpx's own arguments
        """Asks the vendor's API."""
        return await self.client.request(method, f"{self.url}/{self.name}{path}", **rest)

    async def say(self, text: str = "", **rest: Any) -> Json:  # Any: JSON
        """A customer, `Ann` if nobody is named, says something."""
        return await self.control("POST", "/say", {"customer": "Ann", "text": text, **rest})

    async def reset(self) -> None:
        """As it was at the start, the webhook too."""
        self.webhook.open.set()
        await self.simulated.reset()
        self.webhook.reset()

    async def idle(self) -> None:
        """Until nothing is left to deliver."""
        await eventually(lambda: asyncio.sleep(0, not self.simulated.deliveries.waiting))


class Webhooks:
    """One server for the webhooks of several providers: an ASGI application."""

    def __init__(self, names: Sequence[str]) -> None:
        self.by_name = {name: Webhook() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The path is `/hooks/<name>`, and what follows it is the webhook's own."""
        name = scope["path"].split("/")[2]
        await self.by_name[name](scope, receive, send)


@asynccontextmanager
async def rigs(*names: str, seed: int = 1) -> AsyncGenerator[dict[str, Rig]]:
    """The providers of these names; everything ends with the block."""
    webhooks = Webhooks(names)
    async with http_server(webhooks, "127.0.0.1", 0, drain_seconds=1) as base:
        for name, webhook in webhooks.by_name.items():
            webhook.url = f"{base}/hooks/{name}"
        async with (
            providers_server(names, webhook=f"{base}/hooks/{{provider}}", seed=seed) as (url, simulated),
            AsyncClient(timeout=10) as client,
        ):
            yield {
                name: Rig(name=name, url=url, webhook=webhooks.by_name[name], client=client, simulated=simulated[name])
                for name in names
            }
