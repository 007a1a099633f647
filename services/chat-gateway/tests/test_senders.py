"""Between what is to be sent and a provider's HTTP API: a Telegram bot that answers as it is told."""

import asyncio
import hashlib
import json
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from chat_gateway.domain.files import GIVE_UP_MS, pause_ms
from chat_gateway.testing.samples import TENANT
from chat_gateway.testing.written import WrittenGateway
from contracts.messages import MessageReceived
from contracts.written import MessageErased, MessageFilesChanged, MessageStatusChanged
from gatewaykit.domain.provider import Unsent
from gatewaykit.inbound import accept
from httpx import ASGITransport, AsyncClient
from servicekit.ports import HttpNotSentError, HttpReply, HttpTooLargeError, HttpUnknownError
from servicekit.testing.eventually import eventually
from servicekit.testing.fake_http import FakeHttp, programmed

TOKEN = "77:very-secret-token"
SENT = {"ok": True, "result": {"message_id": 10, "chat": {"id": 5001, "type": "private"}, "date": 1_700_000_001}}
ADA = {"id": 5001, "is_bot": False, "first_name": "Ada"}
CHAT = {"id": 5001, "type": "private"}
FOUND = {"ok": True, "result": {"file_id": "f1", "file_path": "documents/a.pdf"}}
PDF = b"%PDF-1.7 and so on"
BOT = "telegram:bot"


def said(answer: object, status: int = 200, mime: str = "application/json") -> HttpReply:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return HttpReply(status=status, headers={"content-type": mime}, body=body)


class Bot:
    """A gateway with one bot, before a Telegram that gives these answers."""

    def __init__(self, folder: Path, *answers: HttpReply | Exception) -> None:
        self.http = FakeHttp(programmed(*answers))
        self.written = WrittenGateway(self.http, folder, public_url="https://chat.example")
        (folder / TENANT).mkdir()
        (folder / TENANT / "token").write_text(TOKEN)
        (folder / TENANT / "hook").write_text("hook")
        secrets = {"bot_token": ["token"], "webhook_secret": ["hook"]}
        self.written.address(BOT, "telegram", {"provider": "telegram", "account_id": "77", "secrets": secrets})

    async def customer_says(self, **words: object) -> MessageReceived:
        message = {"message_id": 9, "from": ADA, "chat": CHAT, "date": 1_700_000_000, **words}
        transport = ASGITransport(self.written.gateway.app)
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.post(
                f"/chat/v1/webhooks/{BOT}",
                json={"update_id": 1, "message": message},
                headers={"x-telegram-bot-api-secret-token": "hook"},
            )
        assert answer.status_code == 200
        received: MessageReceived = self.written.announced(MessageReceived)[-1]
        return received

    async def agent_says(self, **words: Any) -> list[str]:
        """What becomes of it, at last."""
        message = await self.customer_says(text="hi")
        await self.written.assign(message.interaction_id)
        await self.written.write(message.interaction_id, "m1", **({"text": "hello"} | words))
        told = self.written.announced

        async def story() -> None:
            await eventually(lambda: told(MessageStatusChanged) or self.written.hurry())

        await self.while_running(story())
        return [each.status for each in told(MessageStatusChanged)]

    async def while_running(self, story: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(self.written.run())
        await story
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async def file(self, *, seconds: float = 10) -> MessageFilesChanged:
        """What was told first of files."""
        told = self.written.announced

        async def story() -> None:
            await eventually(lambda: told(MessageFilesChanged), timeout_seconds=seconds)

        await self.while_running(story())
        first: MessageFilesChanged = told(MessageFilesChanged)[0]
        return first


async def test_what_telegram_has_taken_is_sent(tmp_path: Path) -> None:
    bot = Bot(tmp_path, said(SENT))

    assert await bot.agent_says() == ["sent"]
    [asked] = bot.http.requests
    assert asked.url == f"https://api.telegram.org/bot{TOKEN}/sendMessage"
    assert json.loads(asked.body) == {"chat_id": "5001", "text": "hello"}


@pytest.mark.parametrize("error", [HttpUnknownError("ReadTimeout"), HttpTooLargeError(200)])
async def test_of_what_was_asked_and_not_answered_nobody_knows(tmp_path: Path, error: Exception) -> None:
    assert await Bot(tmp_path, error).agent_says() == ["unknown"]


async def test_what_was_not_sent_goes_again(tmp_path: Path) -> None:
    bot = Bot(tmp_path, HttpNotSentError("ConnectError"), said(SENT))
    message = await bot.customer_says(text="hi")
    await bot.written.assign(message.interaction_id)
    await bot.written.write(message.interaction_id, "m1", "hello")

    async def story() -> None:
        await eventually(lambda: bot.written.announced(MessageStatusChanged))

    await bot.while_running(story())

    assert [each.status for each in bot.written.announced(MessageStatusChanged)] == ["sent"]
    assert len(bot.http.requests) == 2


async def test_no_token_reaches_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bot = Bot(tmp_path, ValueError(f"bad https://api.telegram.org/bot{TOKEN}/"))

    assert await bot.agent_says() == ["failed"]
    assert TOKEN not in caplog.text
    assert TOKEN not in str(bot.written.store.database.tables.outgoings)


async def test_bytes_are_uploaded_where_the_provider_wants_them_and_a_deleted_file_is_told(tmp_path: Path) -> None:
    bot = Bot(tmp_path, said(SENT))
    kept = await bot.written.blobs.put(TENANT, "up-1", PDF, bytes_max=1000)
    file = {"blob_id": "up-1", "name": "a.pdf", "mime": kept.mime, "size_bytes": kept.size_bytes, "sha256": kept.sha256}
    first = await bot.agent_says(text="", files=[file])
    (tmp_path / "other").mkdir()
    gone = await Bot(tmp_path / "other").agent_says(files=[file])

    assert first == ["sent"]
    assert PDF in bot.http.requests[0].body
    assert gone == ["failed"]


async def test_a_customers_file_is_told_once_it_is_kept(tmp_path: Path) -> None:
    bot = Bot(tmp_path, said(FOUND), said(PDF, mime="application/octet-stream"))
    message = await bot.customer_says(document={"file_id": "f1", "file_name": "../a.pdf"})
    told = await bot.file()

    assert (told.message_id, told.fetched, told.pending, told.failed) == (message.message_id, 1, 0, 0)
    files: Any = told.personal["files"]
    [file] = files
    assert (file["mime"], file["size_bytes"]) == ("application/pdf", len(PDF))
    assert "/" not in file["name"]
    assert await bot.written.blobs.get(TENANT, file["blob_id"]) == PDF


async def test_a_file_that_is_larger_than_what_is_looked_at_is_kept_whole(tmp_path: Path) -> None:
    large = PDF + bytes(range(256)) * 4096
    bot = Bot(tmp_path, said(FOUND), said(large, mime="application/octet-stream"))
    await bot.customer_says(document={"file_id": "f1", "file_name": "a.pdf"})
    files: Any = (await bot.file()).personal["files"]

    assert (files[0]["mime"], files[0]["size_bytes"]) == ("application/pdf", len(large))
    assert files[0]["sha256"] == hashlib.sha256(large).hexdigest()
    assert await bot.written.blobs.get(TENANT, files[0]["blob_id"], bytes_max=len(large)) == large


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([said({"ok": False, "error_code": 404, "description": "no"}, 404)], "file_gone"),
        ([said(FOUND), HttpTooLargeError(200)], "file_too_large"),
        ([said({}, 400)], "file_refused"),
    ],
)
async def test_a_file_that_will_not_come_is_told(tmp_path: Path, answers: list[HttpReply], reason: str) -> None:
    bot = Bot(tmp_path, *answers)
    await bot.customer_says(document={"file_id": "f1"})
    told = await bot.file()

    assert (told.fetched, told.pending, told.failed, told.reason) == (0, 0, 1, reason)
    assert told.personal == {"files": []}


async def test_a_provider_that_is_away_is_asked_again(tmp_path: Path) -> None:
    bot = Bot(tmp_path, HttpNotSentError("ConnectError"), said({}, 503), said(FOUND), said(PDF, mime="x/y"))
    await bot.customer_says(document={"file_id": "f1"})

    assert (await bot.file(seconds=15)).fetched == 1
    assert len(bot.http.requests) == 4


async def test_what_was_taken_back_while_it_was_fetched_is_not_kept(tmp_path: Path) -> None:
    bot = Bot(tmp_path, said(FOUND), said(PDF, mime="x/y"))
    message = await bot.customer_says(document={"file_id": "f1"})
    store, place = bot.written.store, bot.written.directory.place(BOT)
    assert place is not None
    unsent = Unsent(provider_message_id="5001:9", account_id="77", counterpart="5001")

    async def story() -> None:
        async with store.transaction(TENANT) as tx:
            await accept(tx, place, unsent, (), bot.written.clock.now_ms())
        await eventually(lambda: not store.database.tables.pending_files)

    await bot.while_running(story())

    assert [each.message_id for each in bot.written.announced(MessageErased)] == [message.message_id]
    assert bot.written.blobs.kept == {}
    assert bot.written.announced(MessageFilesChanged) == []


def test_pauses_grow_to_five_minutes() -> None:
    assert [pause_ms(attempt, 0) for attempt in (1, 2, 3)] == [1000, 2000, 4000]
    assert pause_ms(1000, 0) == 300_000
    assert pause_ms(1000, 1) < GIVE_UP_MS
