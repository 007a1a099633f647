"""What comes to the webhooks' routes, beside what providers send that do nothing wrong."""

import asyncio
import hmac
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from chat_gateway import webhooks
from chat_gateway.notes import WebhookNotes
from chat_gateway.providers.meta import hub_signature
from chat_gateway.testing.samples import TENANT
from chat_gateway.testing.written import WrittenGateway
from contracts.messages import MessageAnnounced, MessageReceived
from gatewaykit.domain.provider import Capabilities, Sent
from gatewaykit.sending import SendingLimits, claim, settle
from httpx import ASGITransport, AsyncClient, Response
from servicekit.store import EVERY_TENANT
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually
from servicekit.testing.fake_http import FakeHttp, programmed

SECRETS = {"app_secret": ["app"], "access_token": ["token"], "verify_token": ["verify"]}
NOW_MS = SystemClock().now_ms()
PAGES = {"messenger:one": "1001", "messenger:two": "1002", "messenger:other-app": "1003"}


def said(page: str, mid: str, customer: str = "c1", text: str = "hi") -> dict[str, Any]:
    words = {"mid": mid, "text": text}
    event = {"sender": {"id": customer}, "recipient": {"id": page}, "timestamp": NOW_MS, "message": words}
    return {"id": page, "time": NOW_MS, "messaging": [event]}


def body_of(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"object": "page", "entry": entries}).encode()


class Pages:
    """A gateway with three pages, of which two have one app."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.written = WrittenGateway(FakeHttp(programmed()), folder, **settings)
        (folder / TENANT).mkdir()
        for name, value in (("app", "secret"), ("app-2", "secret-2"), ("token", "t"), ("verify", "v")):
            (folder / TENANT / name).write_text(value)
        for address, page in PAGES.items():
            app = "app-2" if page == "1003" else "app"
            account = {"provider": "messenger", "account_id": page, "secrets": {**SECRETS, "app_secret": [app]}}
            self.written.address(address, "messenger", account)

    async def deliver(
        self, body: bytes, *, address: str = "messenger:one", secret: str = "secret", method: str = "POST"
    ) -> Response:
        headers = {"x-hub-signature-256": hub_signature(secret.encode(), body)}
        return await self.post(body, headers, address=address, method=method)

    async def post(self, body: bytes, headers: dict[str, str], *, address: str, method: str = "POST") -> Response:
        transport = ASGITransport(self.written.gateway.app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, f"/chat/v1/webhooks/{address}", content=body, headers=headers)

    def texts(self) -> list[str]:
        return [each.personal["text"] for each in self.written.announced(MessageReceived)]

    def counted(self, name: str, **labels: str) -> float:
        registry = self.written.gateway.shell.telemetry.registry
        return registry.get_sample_value(f"centralino_{name}_total", labels) or 0.0


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(tmp_path)


async def test_a_delivery_may_be_about_all_pages_of_its_app_and_no_other(pages: Pages) -> None:
    entries = [said(page, f"m{page}", text=page) for page in (*PAGES.values(), "1004")]
    answer = await pages.deliver(body_of(*entries))

    assert answer.status_code == 200
    assert pages.texts() == ["1001", "1002"]
    assert {each.address for each in pages.written.store.database.tables.conversations.values()} == {
        "messenger:one",
        "messenger:two",
    }
    assert pages.counted("provider_items", provider="messenger", outcome="account_unknown") == 2


async def test_one_customers_messages_stay_in_order_and_bad_ids_harm_no_other(pages: Pages) -> None:
    entries = [said("1001", f"m{number}", f"c{number % 2}", f"{number}") for number in range(6)]
    answer = await pages.deliver(body_of(*entries, said("1001", "\u00e9" * 600, "c0", "lost")))

    assert answer.status_code == 200
    assert [text for text in pages.texts() if int(text) % 2 == 0] == ["0", "2", "4"]
    assert sorted(pages.texts()) == ["0", "1", "2", "3", "4", "5"]


async def test_more_than_one_transaction_holds_is_taken_whole(pages: Pages) -> None:
    entries = [said("1001", f"m{number}", f"c{number % 7}", f"{number}") for number in range(250)]
    answer = await pages.deliver(body_of(*entries))

    assert answer.status_code == 200
    assert len(pages.texts()) == 250


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"secret": "no"}, 401),
        ({"address": "messenger:none"}, 404),
        ({"address": "messenger:other-app"}, 401),
        ({"method": "GET"}, 405),
    ],
)
async def test_what_is_not_believed_has_no_effect(pages: Pages, change: dict[str, str], status: int) -> None:
    answer = await pages.deliver(body_of(said("1001", "m1")), **change)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert pages.written.announced() == []


async def test_a_wrong_and_a_missing_signature_are_told_the_same_and_counted(pages: Pages) -> None:
    transport = ASGITransport(pages.written.gateway.app)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        missing = await client.post("/chat/v1/webhooks/messenger:one", content=b"{}")
    wrong = await pages.deliver(b"{}", secret="no")

    [notes] = [loop for loop in pages.written.gateway.loops if isinstance(loop, WebhookNotes)]
    await notes.keep()
    [note] = pages.written.store.database.tables.webhook_notes.values()

    assert missing.json() == wrong.json()
    assert (note.address, note.refused_because, note.delivered_at_ms) == ("messenger:one", "forged", None)
    assert pages.counted("provider_deliveries_refused", address="messenger:one", reason="forged") == 2


async def test_what_is_not_understood_is_refused_and_not_logged(pages: Pages, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await pages.deliver(b'{"object": "page", "entry": "a private thing"}')

    assert answer.status_code == 400
    assert answer.json()["detail"].endswith("say: entry is not a list.")
    assert "private" not in answer.text
    assert "private" not in caplog.text + str([record.__dict__ for record in caplog.records])
    assert "delivery_not_understood" in caplog.messages


async def test_a_body_beyond_the_bound_is_not_read(pages: Pages) -> None:
    within, beyond = (b" " * (webhooks.BODY_BYTES_MAX + more) for more in (0, 1))

    assert (await pages.deliver(within, secret="no")).status_code == 401
    assert (await pages.deliver(beyond, secret="no")).status_code == 413


async def test_without_a_secret_it_comes_again(pages: Pages, tmp_path: Path) -> None:
    (tmp_path / TENANT / "token").unlink()
    answer = await pages.deliver(body_of(said("1001", "m1")))

    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert pages.counted("provider_deliveries_refused", address="messenger:one", reason="secret_missing") == 1


async def test_before_the_configuration_is_read_it_comes_again(pages: Pages) -> None:
    pages.written.directory.complete = False

    assert (await pages.deliver(b"{}", address="messenger:none")).status_code == 503


@pytest.mark.parametrize("missing", ["configuration", "secret"])
async def test_what_is_about_an_account_that_is_not_known_yet_comes_again(pages: Pages, missing: str) -> None:
    account = {"provider": "messenger", "account_id": "1004", "secrets": {**SECRETS, "access_token": ["late"]}}
    if missing == "secret":
        pages.written.address("messenger:late", "messenger", account)
    pages.written.directory.complete = missing == "secret"
    body = body_of(said("1001", "m1", text="ours"), said("1004", "m2", text="the other's"))
    early = await pages.deliver(body)
    taken = pages.texts()
    pages.written.address("messenger:late", "messenger", {**account, "secrets": SECRETS})
    pages.written.directory.complete = True
    again = await pages.deliver(body)

    assert (early.status_code, taken) == (503, ["ours"])
    assert "retry-after" in early.headers
    assert (again.status_code, pages.texts()) == (200, ["ours", "the other's"])


@pytest.mark.parametrize(("age_seconds", "status"), [(0, 200), (400, 403), (-400, 403)])
async def test_a_question_that_was_signed_at_another_time_is_not_answered(
    pages: Pages, age_seconds: int, status: int
) -> None:
    secrets = {"signing_secret": ["app"], "bot_token": ["token"]}
    pages.written.address("slack:one", "slack", {"provider": "slack", "account_id": "T1", "secrets": secrets})
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aB"}).encode()
    stamp = f"{SystemClock().now_ms() // 1000 - age_seconds}"
    signature = hmac.new(b"secret", b":".join((b"v0", stamp.encode(), body)), "sha256").hexdigest()
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={signature}"}
    answer = await pages.post(body, headers, address="slack:one")

    assert answer.status_code == status
    assert ("3eZbrw1aB" in answer.text) == (status == 200)


async def test_a_database_that_is_away_is_told_and_nothing_is_lost(pages: Pages) -> None:
    pages.written.interrupted.away = True
    first = await pages.deliver(body_of(said("1001", "m1")))
    pages.written.interrupted.away = False
    second = await pages.deliver(body_of(said("1001", "m1")))

    assert (first.status_code, second.status_code) == (503, 200)
    assert "retry-after" in first.headers
    assert pages.texts() == ["hi"]


async def test_no_more_wait_than_may_and_nobody_waits_longer_than_a_provider(tmp_path: Path) -> None:
    pages = Pages(tmp_path, deliveries_at_once=1, deliveries_waiting=1)
    pages.written.interrupted.open.clear()
    bodies = [body_of(said("1001", f"m{number}", text=f"{number}")) for number in range(3)]
    answers = await asyncio.gather(*(asyncio.create_task(pages.deliver(body)) for body in bodies))
    pages.written.interrupted.open.set()
    after = await pages.deliver(bodies[1])

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert pages.counted("provider_deliveries", provider="", outcome="busy") == 1
    assert pages.counted("provider_deliveries", provider="messenger", outcome="late") == 2
    assert after.status_code == 200
    assert pages.texts() == ["0", "1"]  # the first had its turn


async def test_who_waits_long_for_a_turn_is_put_off_and_who_has_it_is_not_cut_short(tmp_path: Path) -> None:
    pages = Pages(tmp_path, deliveries_at_once=1)
    pages.written.interrupted.open.clear()
    has_it = asyncio.create_task(pages.deliver(body_of(said("1001", "m1", text="first"))))
    await eventually(lambda: pages.written.interrupted.begun)
    waits = asyncio.create_task(pages.deliver(body_of(said("1001", "m2", text="second"))))
    put_off = await waits
    pages.written.interrupted.open.set()
    taken = await has_it

    assert (taken.status_code, put_off.status_code) == (200, 503)
    assert pages.texts() == ["first"]


async def test_an_echo_before_the_providers_answer_waits_for_it(pages: Pages) -> None:
    store = pages.written.store
    await pages.deliver(body_of(said("1001", "m1", "c1")))
    [conversation] = pages.written.conversations("messenger:one")
    await pages.written.assign(conversation.interaction_id)
    await pages.written.write(conversation.interaction_id, "a1", "hello")
    now_ms = pages.written.clock.now_ms()
    async with store.transaction(EVERY_TENANT) as tx:
        line, limits = (TENANT, "messenger:one"), SendingLimits()
        [row] = await claim(tx, line, Capabilities(text_max=1), now_ms, rows_max=1, limits=limits)
    echo = said("1001", "m2", "1001", "hello")
    echo["messaging"][0] |= {"sender": {"id": "1001"}, "recipient": {"id": "c1"}}
    echo["messaging"][0]["message"]["is_echo"] = True
    waiting = asyncio.create_task(pages.deliver(body_of(echo)))
    await eventually(lambda: pages.written.interrupted.begun > 2)
    async with store.transaction(EVERY_TENANT) as tx:
        await settle(tx, row, Sent(provider_message_id="m2"), Capabilities(text_max=1), now_ms=now_ms, jitter=0)
    answer = await waiting

    assert answer.status_code == 200
    assert pages.written.announced(MessageAnnounced) == []


async def test_an_echo_of_somebody_else_is_taken_when_nothing_is_awaited(pages: Pages) -> None:
    await pages.deliver(body_of(said("1001", "m1", "c1")))
    echo = said("1001", "m2", "1001", "from the inbox")
    echo["messaging"][0] |= {"sender": {"id": "1001"}, "recipient": {"id": "c1"}}
    echo["messaging"][0]["message"] |= {"is_echo": True, "metadata": "somebody's reference"}
    await pages.deliver(body_of(echo))

    assert [each.personal["text"] for each in pages.written.announced(MessageAnnounced)] == ["from the inbox"]
