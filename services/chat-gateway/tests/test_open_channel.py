"""The open channel with a tenant's system on the other side, which answers as it is told."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from chat_gateway.live import Signal
from chat_gateway.providers.standard_webhooks import headers_of
from chat_gateway.tenant_systems import TenantSystems
from chat_gateway.testing.managers import SUBJECT, Managers
from chat_gateway.testing.samples import AGENT, TENANT
from chat_gateway.testing.written import WrittenGateway
from contracts.messages import MessageReceived
from contracts.written import MessageStatusChanged
from gatewaykit.domain.provider import Account, HttpRequest
from gatewaykit.fetch import Fetcher
from httpx import ASGITransport, AsyncClient, Response
from servicekit.database import DatabaseAwayError
from servicekit.ports import HttpReply
from servicekit.testing.eventually import eventually
from servicekit.testing.fake_http import FakeHttp, programmed

APP = "app"
URL = "https://93.184.216.34/hook"
IN, OUT = ("whsec_" + b64encode(bytes([n]) * 32).decode() for n in range(2))


ACCOUNT = Account(
    tenant_id=TENANT, address=APP, channel="open", provider="open", account_id="app", api_url="", webhook_url=""
)


def account(url: str = URL) -> dict[str, object]:
    secrets = {"inbound_secret": ["in"], "outbound_secret": ["out"]}
    return {"provider": "open", "account_id": "app", "secrets": secrets, "options": {"url": url}}


def says(status: int, **headers: str) -> HttpReply:
    return HttpReply(status=status, headers=headers, body=b"")


class App:
    """A gateway with one address of the open channel, before a system that gives these answers."""

    def __init__(self, folder: Path, *answers: HttpReply | Exception) -> None:
        self.http, self.managers = FakeHttp(programmed(*answers)), Managers(folder)
        self.written = WrittenGateway(self.http, folder, jwks_url=self.managers.jwks_url)
        (folder / TENANT).mkdir()
        (folder / TENANT / "in").write_text(IN)
        (folder / TENANT / "out").write_text(OUT)
        self.written.address(APP, "open", account())

    async def stopped(self) -> bool:
        [status] = (await self.request("GET", "/addresses")).json()["addresses"]
        return status["stopped_at_ms"] is not None

    async def ask(self, act: str, body: object = None, *, address: str = APP, **who: Any) -> Response:
        return await self.request("POST", f"/addresses/{address}/{act}", body, **who)

    async def request(self, method: str, path: str, body: object = None, **who: Any) -> Response:
        transport = ASGITransport(self.written.gateway.app)
        async with AsyncClient(transport=transport, base_url="http://test/chat/v1") as client:
            return await client.request(method, path, json=body, headers=self.managers.headers(**who))

    def audited(self) -> list[tuple[str, str, str, object]]:
        rows = self.written.store.database.tables.audit.values()
        return [(row.actor, row.action, row.target, row.content) for row in rows]

    async def post(self, body: object) -> int:
        raw = json.dumps(body).encode()
        headers = headers_of(f"w{uuid4().hex}", raw, [IN], at_ms=self.written.clock.now_ms())
        transport = ASGITransport(self.written.gateway.app)
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.post(f"/chat/v1/webhooks/{APP}", content=raw, headers=headers)).status_code

    async def customer_says(self, text: str = "hi", customer: str = "u1") -> str:
        """The interaction, which the sample agent has."""
        assert await self.post({"type": "message.received", "customer": {"id": customer}, "text": text}) == 200
        interaction_id: str = self.written.announced(MessageReceived)[-1].interaction_id
        await self.written.assign(interaction_id)
        return interaction_id

    async def while_running(self, until: Callable[[], object]) -> None:
        running = asyncio.create_task(self.written.run())
        await eventually(until)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async def agent_says(self, interaction_id: str, *message_ids: str) -> list[tuple[str, str | None]]:
        """What becomes of these, at last: status and reason."""
        for message_id in message_ids:
            await self.written.write(interaction_id, message_id, "hello")

        def told() -> list[tuple[str, str | None]]:
            changes = self.written.announced(MessageStatusChanged)
            return [(each.status, each.reason) for each in changes if each.message_id in message_ids]

        await self.while_running(lambda: len(told()) >= len(message_ids) or (self.written.hurry() and False))
        return told()


@pytest.mark.parametrize(("configured", "told"), [({"id": AGENT, "name": "Ana"}, {"name": "Ana"}), (None, None)])
async def test_the_agents_name_goes_with_their_words_if_configuration_gives_one(
    tmp_path: Path, configured: Mapping[str, object] | None, told: object
) -> None:
    app = App(tmp_path, says(200))
    if configured:
        app.written.configure("agent", AGENT, configured)
    outcome = await app.agent_says(await app.customer_says(), "m1")
    [asked] = app.http.requests

    assert outcome == [("sent", None)]
    assert json.loads(asked.body).get("agent") == told


def typing(customer: str) -> Mapping[str, object]:
    return {"type": "customer.typing", "customer": {"id": customer}}


async def test_that_a_customer_types_is_passed_on_once_and_kept_nowhere(tmp_path: Path) -> None:
    app = App(tmp_path)
    interaction_id = await app.customer_says()
    told, tables = len(app.written.announced()), app.written.store.database.tables
    before = [dict(tables.conversations), dict(tables.messages)]
    async with app.written.gateway.parts.signals.listen() as heard:
        status = await app.post({"events": [typing("u1"), typing("stranger"), typing("u1"), typing("u1")]})
        first, then = await anext(heard), await anext(heard)

    assert status == 200
    assert (first, then) == (Signal(interaction_id, "customer"), None)
    assert [dict(tables.conversations), dict(tables.messages)] == before
    assert len(app.written.announced()) == told


async def test_a_hint_that_cannot_be_passed_on_is_taken_and_forgotten(tmp_path: Path) -> None:
    app = App(tmp_path)
    await app.customer_says()
    app.written.interrupted.away = True

    assert await app.post(typing("u1")) == 200
    assert await app.post({"type": "message.received", "customer": {"id": "u1"}, "text": "hi"}) == 503


async def test_what_was_taken_is_handed_over_once_more_under_the_same_id(tmp_path: Path) -> None:
    app = App(tmp_path, *[says(200)] * 4, says(503, **{"retry-after": "9"}), says(200))
    await app.agent_says(await app.customer_says(), "m1", "m2")
    whole = await app.ask("replay", {"since_ms": 0})
    none = await app.ask("replay", {"since_ms": whole.json()["since_ms"], "after": whole.json()["after"]})
    busy = await app.ask("replay", {"since_ms": 0}, role="admin")
    ids = [request.headers["webhook-id"] for request in app.http.requests]
    bodies = [request.body for request in app.http.requests]

    assert [each.status_code for each in (whole, none, busy)] == [200, 200, 200]
    assert (whole.json()["taken"], whole.json()["ended"]) == (2, True)
    assert (none.json()["taken"], none.json()["ended"]) == (0, True)
    assert (busy.json()["taken"], busy.json()["ended"], busy.json()["wait_ms"]) == (0, False, 9000)
    assert ids[2:4] == ids[:2]
    assert bodies[2:4] == bodies[:2]
    assert len(ids) == 5
    assert await app.written.states("m1") == ["sent"]
    [first, *_] = app.audited()
    assert first == (SUBJECT, "address.replay", APP, {"since_ms": 0})
    assert len(app.audited()) == 3


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"role": "agent"}, 403),
        ({"role": "integrator"}, 403),
        ({"tenant_id": "other"}, 404),
        ({"address": "unknown"}, 404),
        ({"body": {}}, 422),
        ({"body": {"since_ms": -1}}, 422),
        ({"body": {"since_ms": 0, "after": "x"}}, 422),
        ({"body": {"since_ms": 0, "until_ms": 1}}, 422),
    ],
)
async def test_nobody_else_has_anything_handed_over(tmp_path: Path, asked: dict[str, Any], status: int) -> None:
    app = App(tmp_path, says(200))
    await app.agent_says(await app.customer_says(), "m1")

    assert (await app.ask("replay", **{"body": {"since_ms": 0}, **asked})).status_code == status
    assert len(app.http.requests) == 1
    assert app.audited() == []


async def test_after_410_nothing_is_asked_any_more_and_each_message_fails(tmp_path: Path) -> None:
    app = App(tmp_path, says(410))
    interaction_id = await app.customer_says()
    before = await app.stopped()
    outcomes = await app.agent_says(interaction_id, "m1", "m2", "m3")

    assert outcomes == [("failed", "gone")] * 3
    assert len(app.http.requests) == 1
    assert (before, await app.stopped()) == (False, True)
    assert await app.post({"type": "message.received", "customer": {"id": "u1"}, "text": "still here"}) == 200


async def test_an_operator_has_it_sent_to_again_and_an_agent_what_had_failed(tmp_path: Path) -> None:
    app = App(tmp_path, says(410), says(200))
    interaction_id = await app.customer_says()
    await app.agent_says(interaction_id, "m1")
    answers = [await app.ask("resume"), await app.ask("resume")]
    await app.written.write_again(interaction_id, "m1")
    await app.while_running(lambda: len(app.http.requests) == 2)

    assert [(each.status_code, each.json()["resumed"]) for each in answers] == [(200, True), (200, False)]
    assert not await app.stopped()
    assert app.audited() == [(SUBJECT, "address.resume", APP, {})]


@pytest.mark.parametrize(
    ("changed", "asked"),
    [
        (account("https://93.184.216.34/new"), 2),
        (account() | {"secrets": {"inbound_secret": ["in"], "outbound_secret": ["in", "out"]}}, 1),
    ],
)
async def test_another_url_is_sent_to_and_another_secret_is_no_other_system(
    tmp_path: Path, changed: Mapping[str, object], asked: int
) -> None:
    app = App(tmp_path, says(410), says(200))
    interaction_id = await app.customer_says()
    await app.agent_says(interaction_id, "m1")
    app.written.address(APP, "open", changed)
    stopped = await app.stopped()
    await app.agent_says(interaction_id, "m2")

    assert (len(app.http.requests), stopped) == (asked, asked == 1)


async def test_a_stop_that_cannot_be_kept_is_no_answer(tmp_path: Path) -> None:
    app = App(tmp_path, says(410))
    parts, clock = app.written.gateway.parts, app.written.clock

    async def resolve(host: str, port: int) -> list[str]:
        return [host]

    class Away:
        """PostgreSQL goes away while the system answers."""

        async def send(self, *_: Any, **__: Any) -> HttpReply:
            app.written.interrupted.away = True
            return says(410)

    systems = TenantSystems(parts.store, parts.directory, Fetcher(Away(), resolve), clock)
    with pytest.raises(DatabaseAwayError):
        await systems.deliver(ACCOUNT, HttpRequest(method="POST", url=URL), timeout_seconds=1, bytes_max=1)


async def test_nothing_is_handed_over_again_where_nothing_is_sent(tmp_path: Path) -> None:
    app = App(tmp_path, says(200), says(200), says(410))
    await app.agent_says(await app.customer_says(), "m1", "m2")
    during = await app.ask("replay", {"since_ms": 0})
    later = await app.ask("replay", {"since_ms": 0})
    await app.ask("resume")

    assert [(each.status_code, each.json()["code"]) for each in (during, later)] == [(409, "sending_stopped")] * 2
    assert len(app.http.requests) == 3
    assert [action for _, action, _, _ in app.audited()] == ["address.replay", "address.resume"]


@pytest.mark.parametrize(
    ("who", "status"), [({"role": "agent"}, 403), ({"tenant_id": "other"}, 404), ({"address": "unknown"}, 404)]
)
async def test_nobody_else_resumes(tmp_path: Path, who: dict[str, Any], status: int) -> None:
    app = App(tmp_path, says(410))
    await app.agent_says(await app.customer_says(), "m1")

    assert (await app.ask("resume", **who)).status_code == status
    assert await app.stopped()
