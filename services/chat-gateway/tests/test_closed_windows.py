"""What waits while the customer may no longer be written to is not handed to the provider."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_gateway.testing.samples import DOMAIN, TENANT, routed
from chat_gateway.testing.written import SEQUENCE, WrittenGateway
from contracts.messages import MessageAnnounced
from contracts.tasks import TaskTransferredOut
from contracts.written import MessageStatusChanged
from gatewaykit.domain.content import Identifier, Window
from gatewaykit.domain.provider import Received
from gatewaykit.inbound import accept
from servicekit.ports import HttpReply
from servicekit.store import EVERY_TENANT
from servicekit.testing.eventually import eventually
from servicekit.testing.fake_http import FakeHttp, programmed

PAGE = "messenger:one"
HOUR_MS = 3_600_000


class Page:
    """A gateway with one page of Messenger, to which a customer has written."""

    def __init__(self, folder: Path) -> None:
        answer = HttpReply(
            status=200, headers={"content-type": "application/json"}, body=b'{"recipient_id": "c1", "message_id": "m"}'
        )
        self.http = FakeHttp(programmed(answer))
        self.written = WrittenGateway(self.http, folder, public_url="https://chat.example")
        (folder / TENANT).mkdir()
        secrets = {use: [use] for use in ("app_secret", "access_token", "verify_token")}
        for use in secrets:
            (folder / TENANT / use).write_text("secret")
        self.written.address(PAGE, "messenger", {"provider": "messenger", "account_id": "1001", "secrets": secrets})

    async def begin(self) -> str:
        """The agent's conversation with the customer."""
        place = self.written.directory.place(PAGE)
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

    async def outcomes(self) -> list[tuple[str, str | None]]:
        """What becomes of all that waits."""
        running = asyncio.create_task(self.written.run())
        await eventually(lambda: self.written.announced(MessageStatusChanged))
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return [(each.status, each.reason) for each in self.written.announced(MessageStatusChanged)]

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
