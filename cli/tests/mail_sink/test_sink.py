"""The sink as the run shell runs it: mail in by smtplib, out by its API."""

import asyncio
import os
import smtplib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import httpx
import pytest
import uvloop
from centralino.mail_sink.__main__ import POLICY, SinkSettings, open_sink
from servicekit.run import Shell, serve
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog

PAGES = Path(__file__).parents[2] / "src" / "centralino" / "pages"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def sink(folder: Path) -> AsyncGenerator[tuple[httpx.AsyncClient, int]]:
    settings = SinkSettings.model_validate(
        {
            "port": free_port(),
            "smtp_port": free_port(),
            "mail_folder": folder,
            "pages_directory": PAGES,
            "notice_seconds": 0,
        }
    )
    shell = Shell(SystemClock(), SystemIds(), SystemChance(), MemoryLog({}), Telemetry("mail-sink"))
    stop = asyncio.Event()
    serving = asyncio.create_task(serve("mail-sink", settings, open_sink, shell=shell, stop=stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}") as client:
        await eventually(lambda: answers(client))
        yield client, settings.smtp_port
    stop.set()
    await serving


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/mailbox/v1/messages")).status_code == 200
    except httpx.TransportError:
        return False


def send(port: int, content: bytes, recipients: list[str], sender: str = "help@shop.example") -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.sendmail(sender, recipients, content)


def made() -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Shop <help@shop.example>", "anna@customer.example", "Grüße"
    mail["Reply-To"], mail["Message-ID"] = "reply+x@shop.example", "<m1@shop.example>"
    mail.set_content("Soon.\n")
    mail.add_alternative('<p>Soon.<script>alert(1)</script><img src="https://spy.example/x.png"></p>', subtype="html")
    mail.add_attachment(b"%PDF-1.4\n", maintype="application", subtype="pdf", filename="a.pdf")
    return mail.as_bytes(policy=SMTP)


LETTER = made()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_what_is_sent_can_be_read(tmp_path: Path, loop: str) -> None:
    async def story() -> tuple[list[dict[str, object]], dict[str, object], httpx.Response]:
        async with sink(tmp_path) as (client, port):
            for content in (LETTER, b"Subject: \xff\r\nFrom: <<<\r\n\r\n\x00"):
                await asyncio.to_thread(send, port, content, ["anna@customer.example", "blind@customer.example"])
            listed = (await client.get("/mailbox/v1/messages")).json()["messages"]
            one, raw = await client.get("/mailbox/v1/messages/1"), await client.get("/mailbox/v1/messages/1/raw")
            return listed, one.json(), raw

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        listed, one, raw = runner.run(story())

    assert [(each["number"], each["recipients"]) for each in listed] == [
        (2, ["anna@customer.example", "blind@customer.example"]),
        (1, ["anna@customer.example", "blind@customer.example"]),
    ]
    assert (one["subject"], one["sender"], one["reply_to"]) == (
        "Grüße",
        "Shop <help@shop.example>",
        ["reply+x@shop.example"],
    )
    assert (one["text"], one["message_id"], one["html"]) == ("Soon.", "m1@shop.example", "<p>Soon.<img></p>")
    assert one["files"] == [{"name": "a.pdf", "mime": "application/pdf", "size_bytes": 9, "inline_id": None}]
    assert raw.headers["content-type"] == "message/rfc822"
    assert raw.content.endswith(LETTER)


async def test_a_mail_from_nobody_says_so(tmp_path: Path) -> None:
    async with sink(tmp_path) as (client, port):
        await asyncio.to_thread(send, port, LETTER, ["anna@customer.example"], "")
        raw = (await client.get("/mailbox/v1/messages/1/raw")).content

    assert raw.startswith(b"Return-Path: <>\r\nDelivered-To: anna@customer.example\r\n")


async def test_it_can_be_emptied_but_not_by_another_site(tmp_path: Path) -> None:
    async with sink(tmp_path) as (client, port):
        await asyncio.to_thread(send, port, LETTER, ["anna@customer.example"])
        preflight = {"origin": "https://evil.example", "access-control-request-method": "DELETE"}
        foreign = await client.options("/mailbox/v1/messages", headers=preflight)
        emptied = await client.delete("/mailbox/v1/messages")
        after = (await client.get("/mailbox/v1/messages")).json()
        missing = [(await client.get(f"/mailbox/v1/messages/1{what}")).status_code for what in ("", "/raw")]

    assert "access-control-allow-origin" not in foreign.headers
    assert emptied.status_code == 204
    assert after == {"messages": []}
    assert missing == [404, 404]
    assert os.listdir(tmp_path) == []


async def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with sink(tmp_path) as (client, _):
        page = await client.get("/mailbox/")
        parts = [await client.get(path) for path in ("/mailbox/mailbox.js", "/mailbox/style.css", "/shared/dom.js")]

    assert page.headers["content-security-policy"] == POLICY
    assert [each.status_code for each in [page, *parts]] == [200] * 4
    assert "http://" not in page.text
    assert "https://" not in page.text
