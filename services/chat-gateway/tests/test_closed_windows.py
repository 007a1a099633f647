"""What waits while the customer may no longer be written to is not handed to the provider."""

import asyncio
import hmac
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_gateway.testing.samples import DOMAIN, TENANT, routed
from chat_gateway.testing.written import SEQUENCE, WrittenGateway
from contracts.messages import MessageAnnounced, MessageFailed
from contracts.tasks import TaskTransferredOut
from contracts.written import MessageStatusChanged, WindowChanged
from gatewaykit.domain.content import Identifier, Window
from gatewaykit.domain.provider import Received
from gatewaykit.inbound import accept
from httpx import ASGITransport, AsyncClient
from servicekit.ports import HttpReply
from servicekit.store import EVERY_TENANT
from servicekit.testing.eventually import eventually
from servicekit.testing.fake_http import FakeHttp, programmed

PAGE = "messenger:one"
PHONE = "whatsapp:one"
HOUR_MS = 3_600_000
OUTSIDE = {"error": {"message": "outside of allowed window", "code": 10, "error_subcode": 2018278}}


class Page:
    """A gateway with one page of Messenger, to which a customer has written."""

    def __init__(self, folder: Path, *answers: HttpReply) -> None:
        answer = HttpReply(
            status=200, headers={"content-type": "application/json"}, body=b'{"recipient_id": "c1", "message_id": "m"}'
        )
        self.http = FakeHttp(programmed(*answers or [answer]))
        self.written = WrittenGateway(self.http, folder, public_url="https://chat.example")
        (folder / TENANT).mkdir()
        secrets = {use: [use] for use in ("app_secret", "access_token", "verify_token")}
        for use in secrets:
            (folder / TENANT / use).write_text("secret")
        self.written.address(PAGE, "messenger", {"provider": "messenger", "account_id": "1001", "secrets": secrets})
        self.written.address(PHONE, "whatsapp", {"provider": "whatsapp", "account_id": "1001", "secrets": secrets})

    async def begin(self, address: str = PAGE) -> str:
        """The agent's conversation with the customer."""
        place = self.written.directory.place(address)
        assert place
        item = Received(
            provider_message_id="q",
            account_id="1001",
            counterpart="c1",
            identifiers=(Identifier(type="messenger_psid", value="c1"),),
            text="hi",
        )
        async with self.written.store.transaction(EVERY_TENANT) as tx:
            done = await accept(tx, place, item, (), self.written.clock.now_ms())
        assert done.interaction_id
        await self.written.assign(done.interaction_id)
        return done.interaction_id

    async def window(self, interaction_id: str, *, opened_hours_ago: int, basis: Any) -> None:
        """Of the conversation since then, over by now."""
        opens_at_ms = self.written.clock.now_ms() - opened_hours_ago * HOUR_MS
        window = Window(opens_at_ms=opens_at_ms, closes_at_ms=opens_at_ms + 24 * HOUR_MS, basis=basis)
        async with self.written.store.transaction(EVERY_TENANT) as tx:
            before = await tx.lock_conversation(TENANT, interaction_id)
            assert before
            await tx.save_conversation(replace(before, reply_window=window))

    async def last_words(self, interaction_id: str) -> None:
        """The router has given up, and says so."""
        over = TaskTransferredOut(
            task_id=f"{interaction_id}.t1",
            interaction_id=interaction_id,
            domain=DOMAIN,
            queue="support",
            to="message",
            reason="closed",
            message="We are closed.",
            transferred_at_ms=self.written.clock.now_ms(),
            waited_ms=5,
        )
        await self.written.feed(routed(over, over.task_id, SEQUENCE + 1))

    async def outcomes(self, times: int = 1) -> list[tuple[str, str | None]]:
        """What becomes of all that waits."""
        running = asyncio.create_task(self.written.run())
        await eventually(lambda: len(self.written.announced(MessageStatusChanged)) >= times)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return [(each.status, each.reason) for each in self.written.announced(MessageStatusChanged)]

    async def deliver(self, address: str, body: object) -> None:
        """The provider tells it."""
        raw = json.dumps(body).encode()
        signature = hmac.new(b"secret", raw, "sha256").hexdigest()
        transport = ASGITransport(self.written.gateway.app)
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {"x-hub-signature-256": f"sha256={signature}", "content-type": "application/json"}
            answer = await client.post(f"/chat/v1/webhooks/{address}", content=raw, headers=headers)
        assert answer.status_code == 200

    def windows(self) -> list[tuple[str, bool]]:
        """Each that was told: its basis, and whether it was closed by then."""
        told = self.written.announced(WindowChanged)
        return [(each.basis, each.closes_at_ms <= each.changed_at_ms) for each in told]

    def asked(self) -> Sequence[Any]:
        return [json.loads(request.body) for request in self.http.requests]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path)


async def test_a_person_may_still_answer_where_the_gateway_may_not(page: Page) -> None:
    interaction_id = await page.begin()
    await page.window(interaction_id, opened_hours_ago=30, basis="customer_message")
    await page.written.write(interaction_id, "m1", "hello")

    assert await page.outcomes() == [("sent", None)]
    assert [each.get("tag") for each in page.asked()] == ["HUMAN_AGENT"]


async def test_last_words_are_not_sent_beyond_the_window_and_fail(page: Page) -> None:
    interaction_id = await page.begin()
    await page.window(interaction_id, opened_hours_ago=30, basis="customer_message")
    await page.last_words(interaction_id)

    assert await page.outcomes() == [("failed", "window_closed")]
    assert [each.personal["text"] for each in page.written.announced(MessageAnnounced)] == ["We are closed."]
    assert page.asked() == []


async def test_what_waits_is_not_sent_to_who_has_blocked_us_meanwhile(page: Page) -> None:
    interaction_id = await page.begin()
    await page.window(interaction_id, opened_hours_ago=1, basis="customer_message")
    await page.written.write(interaction_id, "m1", "hello")
    await page.window(interaction_id, opened_hours_ago=0, basis="blocked")

    assert await page.outcomes() == [("failed", "blocked")]
    assert page.asked() == []


async def test_a_provider_that_refuses_closes_the_window_and_at_last_that_of_people_too(tmp_path: Path) -> None:
    refusal = HttpReply(status=400, headers={"content-type": "application/json"}, body=json.dumps(OUTSIDE).encode())
    page = Page(tmp_path, refusal, refusal)
    interaction_id = await page.begin()
    await page.window(interaction_id, opened_hours_ago=1, basis="customer_message")
    await page.written.write(interaction_id, "m1", "hello")
    first = await page.outcomes()
    windows = page.windows()
    await page.written.write_again(interaction_id, "m1")
    await page.outcomes(2)
    await page.written.write(interaction_id, "m2", "hello?")

    assert first == [("failed", "window_closed")]
    assert windows == [("customer_message", True)]
    assert page.windows() == [("customer_message", True), ("human_agent", True)]
    assert [each.get("tag") for each in page.asked()] == [None, "HUMAN_AGENT"]
    assert [(each.message_id, each.reason) for each in page.written.announced(MessageFailed)] == [
        ("m2", "window_closed")
    ]


async def test_a_delivery_that_tells_of_the_refusal_closes_the_window_once(tmp_path: Path) -> None:
    taken = HttpReply(
        status=200, headers={"content-type": "application/json"}, body=b'{"messages": [{"id": "wamid.1"}]}'
    )
    page = Page(tmp_path, taken)
    interaction_id = await page.begin(PHONE)
    await page.window(interaction_id, opened_hours_ago=1, basis="customer_message")
    await page.written.write(interaction_id, "m1", "hello")
    await page.outcomes()
    status: dict[str, Any] = {"id": "wamid.1", "status": "failed", "timestamp": "1700000000", "recipient_id": "c1"}
    status |= {"errors": [{"code": 131047, "title": "Re-engagement message"}]}
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1001"}, "statuses": [status]}
    body = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "9", "changes": [{"field": "messages", "value": value}]}],
    }
    await page.deliver(PHONE, body)
    await page.deliver(PHONE, body)

    assert [each.reason for each in page.written.announced(MessageStatusChanged)] == [None, "window_closed"]
    assert page.windows() == [("customer_message", True)]
