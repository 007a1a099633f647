"""E-mail as a newcomer tries it: `centralino up`, any mail program, the agent's API, the sink's mailbox."""

import asyncio
import smtplib
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from centralino.backends import remove_postgres_data
from centralino.home import Home
from centralino.proof.clients import NO_CERTIFICATES, HttpDesk
from centralino.testing import Up, started
from centralino.tokens import development_token
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually

pytestmark = pytest.mark.timeout(240)

ANNA = "anna@customer.example"
HELP = "help@acme-outdoor.example"
DRAWING = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
WAIT_SECONDS = 30


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    try:
        with started(tmp_path / "data", tmp_path / "output") as running:
            yield running.wait_until_ready()
    finally:  # for root, PostgreSQL's data stand outside the data folder
        remove_postgres_data(tmp_path / "data")


async def test_a_mail_becomes_a_task_its_answer_arrives_and_the_customers_reply_joins(up: Up) -> None:
    addresses = up.report().addresses
    smtp = urlsplit(addresses["smtp"])
    assert addresses["sample-mailbox"] == f"mailto:{HELP}"
    assert f"Mail for {HELP} is taken by SMTP at {smtp.netloc}." in up.output
    async with ana_at_her_desk(up) as (desk, api), httpx.AsyncClient(base_url=addresses["mail-sink"]) as sink:
        await deliver(smtp.port, first_mail(), to=HELP)
        held = await taken_over(desk)
        crm = httpx.AsyncClient(headers=api.headers, base_url=f"{addresses['crm']}/interactions/{held.interaction_id}")
        async with crm:
            file_id = await upload(api, held.assignment_id)
            said = await api.post(f"/assignments/{held.assignment_id}/messages", json=answer_with(file_id))
            assert said.status_code == 202, said.text
            answer = await eventually(lambda: arrived(sink, "Re: Tent pole"), timeout_seconds=WAIT_SECONDS)
            before = await eventually(lambda: messages(crm, 3), timeout_seconds=WAIT_SECONDS)
            await deliver(smtp.port, reply_to(answer), to=answer["Reply-To"].addresses[0].addr_spec)
            after = await eventually(lambda: messages(crm, 4), timeout_seconds=WAIT_SECONDS)
            seen = await eventually(
                lambda: (number := desk.customer_number(held.interaction_id)) == after[-1]["number"] and number,
                timeout_seconds=WAIT_SECONDS,
            )
            assert await desk.complete(held.assignment_id, "c1", then="close", seen_number=seen) == "ok"
            ended = await eventually(lambda: state(crm, "ended"), timeout_seconds=WAIT_SECONDS)
        acknowledged = await arrived(sink, "Re: Tent pole", automatic=True)
        view = await desk.look()

    assert headers_of(answer) == {
        "From": f"Acme Outdoor <{HELP}>",
        "To": f"Anna <{ANNA}>",
        "In-Reply-To": "<m1@customer.example>",
        "References": "<m1@customer.example>",
        "DKIM-Signature": None,
        "Auto-Submitted": None,
    }
    parts = parts_of(answer)
    assert parts["text/plain"].startswith(b"A new one is on its way.\n\n-- \nKind regards,\nAna\nAcme Outdoor\n")
    assert b"<p>A new one is <b>on its way</b>.</p>" in parts["text/html"]
    assert parts["application/pdf"] == DRAWING
    assert acknowledged is not None
    assert acknowledged["Return-Path"] == "<>"
    assert [(each["direction"], each["subject"], each["has_html"], len(each["files"])) for each in after] == [
        ("inbound", "Tent pole", False, 0),
        ("outbound", None, False, 0),
        ("outbound", "Re: Tent pole", True, 1),
        ("inbound", "Re: Tent pole", True, 1),
    ]
    assert [each["message_id"] for each in after[:3]] == [each["message_id"] for each in before]
    assert after[-1]["text"] == "Thank you, see the picture."
    assert ended["attributes"].get("joined_by") is None
    assert [each for each in view.held if each.interaction_id == held.interaction_id] == []


@asynccontextmanager
async def ana_at_her_desk(up: Up) -> AsyncGenerator[tuple[HttpDesk, httpx.AsyncClient]]:
    token = development_token(Home.open(up.data), role="agent", subject="ana", tenant="acme")
    router = up.report().addresses["router-api"]
    client = httpx.AsyncClient(base_url=router, headers={"authorization": f"Bearer {token}"}, verify=NO_CERTIFICATES)
    async with client:
        desk = HttpDesk(client, "ana", SystemClock())
        listening = asyncio.create_task(desk.listen())
        try:
            await eventually(lambda: ready(desk), timeout_seconds=WAIT_SECONDS)
            yield desk, client
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def ready(desk: HttpDesk) -> bool:
    return await desk.be_ready("r1") == "ok"


async def taken_over(desk: HttpDesk) -> Any:  # Any: Held
    async def offered() -> list[str]:
        return list((await desk.look()).offer_ids)

    async def held() -> list[object]:
        return list((await desk.look()).held)

    [offer_id] = await eventually(offered, timeout_seconds=WAIT_SECONDS)
    assert await desk.accept(offer_id, "a1") == "ok"
    return (await eventually(held, timeout_seconds=WAIT_SECONDS))[0]


def first_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Anna <{ANNA}>", HELP, "Tent pole"
    mail["Message-ID"] = "<m1@customer.example>"
    mail.set_content("One pole of my tent is broken.")
    return mail


def reply_to(answer: EmailMessage) -> EmailMessage:
    """As a mail program makes one."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Anna <{ANNA}>", str(answer["Reply-To"]), str(answer["Subject"])
    mail["Message-ID"] = "<m2@customer.example>"
    mail["In-Reply-To"] = str(answer["Message-ID"])
    mail["References"] = f"{answer['References']} {answer['Message-ID']}"
    mail.set_content("Thank you, see the picture.")
    mail.add_alternative("<p>Thank you, see the <i>picture</i>.</p>", subtype="html")
    mail.add_attachment(b"\x89PNG\r\n\x1a\n" + b"0" * 40, maintype="image", subtype="png", filename="pole.png")
    return mail


async def deliver(port: int | None, mail: EmailMessage, *, to: str) -> None:
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port or 0, timeout=20) as client:
            client.send_message(mail, from_addr=ANNA, to_addrs=[to])

    await asyncio.to_thread(send)


async def upload(api: httpx.AsyncClient, assignment_id: str) -> str:
    answer = await api.post(f"/assignments/{assignment_id}/files", params={"name": "drawing.pdf"}, content=DRAWING)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["blob_id"])


def answer_with(file_id: str) -> dict[str, object]:
    return {
        "message_id": "5b7e0c5e-9c64-4c0e-8f3c-0d9a5f1f2a11",
        "text": "A new one is on its way.",
        "html": "<p>A new one is <b>on its way</b>.</p>",
        "files": [file_id],
    }


async def arrived(sink: httpx.AsyncClient, subject: str, *, automatic: bool = False) -> EmailMessage | None:
    """What Anna has got with that subject, from an agent or from the gateway itself."""
    for line in (await sink.get("/messages")).json()["messages"]:
        raw = (await sink.get(f"/messages/{line['number']}/raw")).content
        mail = message_from_bytes(raw, policy=policy.default)
        if line["recipients"] == [ANNA] and line["subject"] == subject and ("Auto-Submitted" in mail) == automatic:
            return mail
    return None


async def messages(crm: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:  # Any: a document
    """The conversation, once it has so many messages."""
    found: list[dict[str, Any]] = (await crm.get("/messages")).json().get("messages", [])
    return found if len(found) >= count else []


async def state(crm: httpx.AsyncClient, wanted: str) -> dict[str, Any] | None:  # Any: a document
    found: dict[str, Any] = (await crm.get(str(crm.base_url).rstrip("/"))).json()
    return found if found["state"] == wanted else None


def headers_of(mail: EmailMessage) -> dict[str, str | None]:
    names = ("From", "To", "In-Reply-To", "References", "DKIM-Signature", "Auto-Submitted")
    return {name: None if mail[name] is None else str(mail[name]) for name in names}


def parts_of(mail: EmailMessage) -> dict[str, bytes]:
    """By type; lines of texts end as ours do."""
    parts = {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}
    return {
        kind: content.replace(b"\r\n", b"\n") if kind.startswith("text/") else content
        for kind, part in parts.items()
        if isinstance(content := part.get_payload(decode=True), bytes)
    }
