"""The agent's page in written channels, in a real browser: the router's API and the CRM are played by the test."""

import json
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, Route, WebSocketRoute, async_playwright, expect
from router.api.service import PAGES_POLICY

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PAGES = Path(str(files("centralino"))) / "pages"
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
ORIGIN = "http://localhost"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63506838000002"
    "240161dd149a900000000049454e44ae426082"
)
PHONE: dict[str, Any] = {
    "channel": "whatsapp",
    "address": "w",
    "provider": "whatsapp",
    "text_max": 4096,
    "caption_max": 1024,
    "html_max": 0,
    "subject": False,
    "files": {"types": ["image/png"], "bytes_max": 1000, "count_max": 10},
    "templates": True,
    "template_needed": False,
    "free_text": True,
    "free_text_until_ms": None,
    "modes": ["reply"],
    "replies": True,
    "threads": False,
    "statuses": ["sent", "delivered", "read", "failed"],
    "window": {"basis": "customer_message", "opens_at_ms": 0, "closes_at_ms": None},
}
MAIL = {
    **PHONE,
    "channel": "email",
    "subject": True,
    "html_max": 1000,
    "templates": False,
    "modes": ["reply", "forward"],
}
REPLY = {
    "id": "hi",
    "name": "Hi",
    "text": "Hello {customer_name}, {ticket} {{:}}",
    "missing": ["customer_name", "ticket"],
}
TEMPLATE = {"id": "t1", "name": "hola", "language": "es", "text": "Hola {name}", "variables": ["name"]}

Json = dict[str, Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@dataclass
class PlayedRouter:
    """Answers what the page asks; `asked` are its commands, with path and body."""

    shape: Json
    asked: list[tuple[str, Any]] = field(default_factory=list)
    socket: WebSocketRoute | None = None
    loaded: list[str] = field(default_factory=list)
    sequence: int = 0
    history: list[Json] = field(default_factory=list)
    """Messages that the CRM has of every conversation."""
    entries: list[Json] = field(default_factory=list)
    """The customer's timeline."""
    faults: list[Json] = field(default_factory=list)
    """Why commands are refused."""

    async def serve(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        self.loaded.append(route.request.url)
        if not route.request.url.startswith(ORIGIN):
            await route.abort()
        elif url.path.startswith("/router/v1/files/"):
            await route.fulfill(body=PIXEL, content_type="image/png")
        elif url.path.startswith(("/router/", "/crm/")):
            status, answer = self.answer(route.request, url.path, parse_qs(url.query))
            await route.fulfill(status=status, json=answer)
        else:
            file = PAGES / (url.path.lstrip("/") + ("index.html" if url.path.endswith("/") else ""))
            headers = {"content-security-policy": PAGES_POLICY}
            if file.is_file():
                await route.fulfill(body=file.read_bytes(), content_type=KINDS[file.suffix], headers=headers)
            else:
                await route.fulfill(json={"crm": ""})

    def answer(self, request: Request, path: str, query: Json) -> tuple[int, Any]:
        last = path.rpartition("/")[2]
        if request.method == "POST" and "/assignments/" in path:
            if last == "files":
                return 201, {"blob_id": "up-1", "name": query["name"][0], "mime": "image/png", "size_bytes": 67}
            self.asked.append((path.removeprefix("/router/v1/assignments/a1/"), request.post_data_json))
            if self.faults:
                return 422, {"detail": "The request has faults.", "faults": self.faults}
            return 202, {}
        if "/files/" in path:
            return 200, {"url": f"/router/v1/files/{last}?sig=x", "expires_at_ms": 1}
        if path.startswith("/crm/"):
            return 200, {
                "messages": self.history,
                "entries": self.entries,
                "customer": {"customer_id": "c", "name": "Marta", "identifiers": []},
            }
        configuration = {
            "agents": [{"id": "ann", "name": "Ann", "domain": "d", "skills": {}}],
            "queues": [],
            "channels": [],
        }
        assignment = {
            "assignment_id": "a1",
            "interaction_id": "i1",
            "task_id": "t1",
            "queue": "help",
            "state": "assigned",
        }
        assignment |= {"channel": self.shape["channel"], "role": "owner"}
        me = {"state": "ready", "offers": [], "assignments": [assignment], "not_ready_reasons": [], "push_sequence": 0}
        answers: Json = {
            "configuration": configuration,
            "tokens": {"token": "t"},
            "socket-tickets": {"ticket": "t"},
            "me": me,
            "channel": self.shape,
            "replies": [REPLY],
            "templates": [TEMPLATE] if self.shape["templates"] else [],
        }
        return 200, answers.get(last, [])

    def tell(self, type_name: str, **data: Any) -> None:
        assert self.socket is not None
        self.sequence += 1
        frame = {"sequence": self.sequence, "type": type_name, "data": {"interaction_id": "i1"} | data}
        self.socket.send(json.dumps(frame))

    def received(self, number: int, **personal: Any) -> None:
        self.tell("message.received", message_id=f"m{number}", number=number, received_at_ms=number, personal=personal)

    def sent(self, message_id: str, number: int, text: str) -> None:
        personal = {"text": text}
        self.tell(
            "message.sent", message_id=message_id, number=number, agent_id="ann", sent_at_ms=number, personal=personal
        )


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Page]:
    expect.set_options(timeout=10_000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page(viewport={"width": 1280, "height": 820}, locale="en-GB")
        yield page
        await browser.close()


async def working(page: Page, shape: Json) -> tuple[PlayedRouter, list[str]]:
    """Ann at her desk with one conversation of this shape, and what the browser complains about."""
    router, complaints = PlayedRouter(shape), list[str]()
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def connected(socket: WebSocketRoute) -> None:
        router.socket = socket
        socket.on_message(lambda _: None)
        socket.send(json.dumps({"type": "hello", "sequence": 0, "resumed": True}))

    await page.route_web_socket(re.compile("agent-socket"), connected)
    await page.route("**/*", router.serve)
    await page.goto(f"{ORIGIN}/agent/")
    await page.get_by_role("button", name="Start working").click()
    await expect(page.locator("#link")).to_have_text("connected")
    await expect(page.locator("#customer-name")).to_have_text("Marta")
    return router, complaints


async def test_what_is_written_stays_with_its_conversation(page: Page) -> None:
    router, complaints = await working(page, MAIL)
    await page.get_by_label("How to answer").select_option("Forward")
    await page.get_by_role("textbox", name="Bcc").fill("chef@x.example")
    await page.fill("#text", "For Marta alone")
    await page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": PIXEL})
    await expect(page.locator("#attached li")).to_contain_text("a.png")
    other = {"assignment_id": "a2", "interaction_id": "i2", "task_id": "t2", "queue": "help", "channel": "email"}
    router.tell("task.assigned", **other, agent_id="ann", role="owner")
    conversations = page.locator("#conversations button")
    await conversations.nth(1).click()
    await expect(page.locator("#text")).to_have_value("")
    await expect(page.locator("#attached li")).to_have_count(0)
    seen = [await page.locator(f"#{name}").input_value() for name in ("mode", "mail-bcc")]
    await conversations.nth(0).click()
    await expect(page.locator("#text")).to_have_value("For Marta alone")
    await page.press("#text", "Control+Enter")
    await expect(page.locator(".message.mine .bubble")).to_have_text("For Marta alone")
    await expect(page.locator("#mode")).to_have_value("reply")
    await expect(page.locator("#mail-bcc")).to_have_value("")

    [(path, body)] = router.asked
    assert seen == ["reply", ""]
    assert await page.locator("#mode option").all_text_contents() == ["Reply", "Forward"]
    assert (path, body["mode"], body["bcc"], body["files"]) == ("messages", "forward", ["chef@x.example"], ["up-1"])
    assert complaints == []


async def test_a_template_that_was_only_looked_at_is_no_text_elsewhere(page: Page) -> None:
    router, complaints = await working(page, PHONE)
    await page.get_by_label("Templates").select_option("t1")
    await expect(page.locator("#text")).to_have_value("Hola {name}")
    other = {"assignment_id": "a2", "interaction_id": "i2", "task_id": "t2", "queue": "help", "channel": "whatsapp"}
    router.tell("task.assigned", **other, agent_id="ann", role="owner")
    for number in (1, 0):
        await page.locator("#conversations button").nth(number).click()
        await expect(page.locator("#text")).to_have_value("")

    assert complaints == []


async def test_conversations_are_split_and_joined_and_a_refusal_is_told(page: Page) -> None:
    router, complaints = await working(page, {**MAIL, "threads": True})
    router.received(1, text="My tent is broken")
    router.received(2, text="And the kettle")
    await page.get_by_role("button", name="Split…").click()
    await page.get_by_label("And the kettle").check()
    await shoot(page, "agent-written-split")
    await page.get_by_role("button", name="Split", exact=True).click()
    router.tell("message.moved", to_interaction_id="i7", moved=[{"message_id": "m2", "number": 1}], moved_at_ms=1)
    await expect(page.locator(".message .bubble")).to_have_text(["My tent is broken"])

    entry = {"interaction_id": "i9", "channel": "email", "state": "open", "at_ms": 1}
    router.entries = [
        {**entry, "kind": "message", "summary": "The kettle, again"},
        {**entry, "kind": "interaction", "summary": "email"},
        {**entry, "kind": "interaction", "summary": "email", "interaction_id": "i8", "state": "ended"},
        {**entry, "kind": "interaction", "summary": "chat", "interaction_id": "i7", "channel": "webchat"},
    ]
    await page.get_by_role("button", name="Join…").click()
    await expect(page.locator("#join-other option")).to_have_count(1)
    await shoot(page, "agent-written-join")
    await page.get_by_role("button", name="Join", exact=True).click()
    router.history = [
        {"message_id": "m9", "number": 3, "text": "The kettle, again", "direction": "inbound", "at_ms": 3}
    ]
    moved = {"interaction_id": "i9", "to_interaction_id": "i1", "moved": [{"message_id": "m9", "number": 3}]}
    router.tell("message.moved", **moved)
    await expect(page.locator(".message .bubble")).to_have_text(["My tent is broken", "The kettle, again"])

    router.tell("message.failed", message_id="request", agent_id="ann", reason="x", detail="Somebody else wrote it.")
    await expect(page.locator("#notice")).to_have_text("Somebody else wrote it.")
    assert router.asked == [("split", {"message_ids": ["m2"]}), ("join", {"interaction_id": "i9"})]
    assert complaints == []


async def test_what_nobody_of_us_wrote_is_shown_and_said_to_be_so(page: Page) -> None:
    router, complaints = await working(page, PHONE)
    for number, reason in enumerate(("sent_elsewhere", "acknowledged"), 1):
        told = {"message_id": f"m{number}", "number": number, "announced_at_ms": 1, "personal": {"text": reason}}
        router.tell("message.announced", **told, reason=reason)

    stamps = page.locator(".message .stamp")
    await expect(stamps.nth(0)).to_contain_text("sent past Centralino")
    await expect(stamps.nth(1)).to_contain_text("automatic")
    assert complaints == []


async def test_what_became_of_a_message_is_marked_and_it_is_sent_again_by_hand(page: Page) -> None:
    router, complaints = await working(page, PHONE)
    router.sent("m1", 1, "Is it broken?")
    stamp = page.locator(".message .stamp")
    await expect(page.get_by_role("button", name="Send again")).to_be_hidden()
    for status, mark in (("sent", "sent"), ("delivered", "delivered"), ("read", "read")):
        router.tell("message.status_changed", message_id="m1", status=status, changed_at_ms=1)
        await expect(stamp).to_have_text(re.compile(rf"· {mark}$"))
    missed = [{"address": "zoe@x.example", "status": "failed", "reason": "bounced"}]
    missed += [{"address": "a@x.example", "status": "read", "reason": "complained"}]
    about = {"message_id": "m1", "status": "read", "changed_at_ms": 1}
    router.tell("message.status_changed", **about, personal={"recipients": missed})
    await expect(stamp).to_have_text(
        re.compile(r"· read · not to zoe@x.example \(bounced\) · called unwanted by a@x.example$")
    )
    router.sent("m2", 2, "Hello?")
    router.tell("message.status_changed", message_id="m2", status="unknown", changed_at_ms=1, detail="No answer.")
    await expect(stamp.nth(1)).to_contain_text("nobody knows whether it was sent · No answer.")
    await shoot(page, "agent-written-unknown")
    router.sent("m3", 3, "Are you there?")
    closed = {"reason": "window_closed", "detail": "Meta's error 131047: Re-engagement message"}
    router.tell("message.status_changed", message_id="m3", status="failed", changed_at_ms=1, **closed)
    await expect(stamp.nth(2)).to_have_text(
        re.compile("· not delivered · The customer wrote too long ago for free text$")
    )
    refused = {"reason": "content_refused", "detail": "no video/mp4"}
    router.tell("message.status_changed", message_id="m3", status="failed", changed_at_ms=1, **refused)
    await expect(stamp.nth(2)).to_contain_text("does not take this text or file (no video/mp4)")
    router.tell("message.status_changed", message_id="m3", status="failed", changed_at_ms=1, reason="smtp_599")
    await expect(stamp.nth(2)).to_have_text(re.compile("· not delivered · smtp_599$"))
    async with page.expect_request("**/resend"):
        await page.get_by_role("button", name="Send again").first.click()

    assert router.asked == [("messages/m2/resend", {})]
    assert complaints == []


async def test_a_long_conversation_scrolls_by_itself_and_leaves_the_answer_in_sight(page: Page) -> None:
    router, _ = await working(page, MAIL)
    for number in range(1, 41):
        router.received(number, text=f"The {number}th line of many.")
    await expect(page.locator(".message").last).to_be_in_viewport()
    await expect(page.locator(".message").first).not_to_be_in_viewport()
    await expect(page.locator("#text")).to_be_in_viewport(ratio=1)
    await expect(page.locator("#my-name")).to_be_in_viewport()


async def test_an_offer_is_called_by_its_channel(page: Page) -> None:
    router, _ = await working(page, PHONE)
    offer = {"queue": "letters", "queued_at_ms": 1, "expires_at_ms": 9_999_999_999_999, "decision": None}
    for channel, words in (("email", "E-mail for letters"), ("carrier-pigeon", "carrier-pigeon for letters")):
        about = {"offer_id": channel, "task_id": channel, "interaction_id": channel, "channel": channel, **offer}
        router.tell("offer.issued", **about)
        await expect(page.get_by_role("heading", name=words)).to_be_visible()


async def test_a_closed_window_asks_for_a_template(page: Page) -> None:
    shape = {**PHONE, "free_text_until_ms": 9_999_999_999_999}
    router, complaints = await working(page, shape)
    banner = page.locator("#window")
    await expect(banner).to_contain_text("You may write freely for")
    router.shape = {**PHONE, "free_text": False, "template_needed": True, "free_text_until_ms": 1}
    router.tell("window.changed", opens_at_ms=0, closes_at_ms=1, basis="customer_message", changed_at_ms=1)
    await expect(banner).to_have_text("The customer wrote too long ago for free text. Send a template.")

    await page.get_by_label("Templates").select_option("t1")
    await page.get_by_label("name", exact=True).fill("Marta")
    await expect(page.locator("#text")).to_have_value("Hola Marta")
    await shoot(page, "agent-written-template")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator(".message.mine .bubble")).to_have_text("Hola Marta")

    [(path, body)] = router.asked
    assert path == "messages"
    assert (body["template"], body["variables"], "text" in body) == ("t1", {"name": "Marta"}, False)
    assert complaints == []


async def test_files_go_both_ways_and_a_canned_reply_is_filled_from_the_crm(page: Page) -> None:
    router, complaints = await working(page, PHONE)
    picture = {"blob_id": "b1", "name": "tent.png", "mime": "image/png", "size_bytes": 67_000}
    router.received(1, text="", files=[picture])
    await expect(page.locator(".files img")).to_have_attribute("src", "/router/v1/files/b1?sig=x")
    await expect(page.get_by_role("button", name="tent.png · 67 kB")).to_be_visible()
    await page.get_by_label("Canned replies").select_option("hi")
    await expect(page.locator("#text")).to_have_value("Hello Marta, {ticket} {:}")
    await page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": PIXEL})
    await expect(page.locator("#attached li")).to_contain_text("a.png")
    await shoot(page, "agent-written-files")
    await page.press("#text", "Enter")
    await expect(page.locator("#attached li")).to_have_count(0)
    router.tell("message.edited", message_id="m1", edited_at_ms=2, personal={"text": "see", "files": [picture]})
    await expect(page.locator(".message .stamp").first).to_contain_text("edited")
    router.tell("message.erased", message_id="m1", erased_at_ms=3)
    await expect(page.locator(".message.erased .bubble")).to_have_text("The customer took this message back.")
    await expect(page.locator(".message.erased img")).to_have_count(0)

    assert router.asked[0][1]["files"] == ["up-1"]
    assert complaints == []


async def test_a_refused_address_is_named_as_people_count(page: Page) -> None:
    router, _ = await working(page, MAIL)
    router.faults = [{"where": "body", "path": "/cc/1", "message": "must be an e-mail address alone"}]
    await page.fill("#text", "Please look")
    await page.press("#text", "Control+Enter")

    await expect(page.get_by_text("cc number 2: must be an e-mail address alone")).to_be_visible()


async def test_a_mail_runs_nothing_loads_nothing_from_elsewhere_and_is_answered_as_chosen(page: Page) -> None:
    router, complaints = await working(page, MAIL)
    inline = {"blob_id": "b1", "name": "i.png", "mime": "image/png", "size_bytes": 67, "inline_id": "pic"}
    html = (
        '<p style="color:red">My <b>tent</b></p><img src="cid:pic" alt="tent"><img src="https://spy.example/x.png">'
        '<script>parent.document.title = "taken"</script><img src="x" onerror="parent.document.title=1">'
        '<meta http-equiv="refresh" content="0;url=https://spy.example/">'
    )
    personal = {"text": "My tent", "html": html, "subject": "Broken", "from": "marta@x.example", "cc": ["b@x.example"]}
    router.received(1, **personal, quoted="On Monday you wrote", files=[inline])
    frame = page.frame_locator("iframe.mail")
    await expect(frame.locator("b")).to_have_text("tent")
    await expect(frame.locator("img[alt=tent]")).to_have_js_property("naturalWidth", 1)
    await expect(page.locator(".mail-head")).to_have_text("Broken · from marta@x.example · cc b@x.example")
    await expect(page.locator(".quoted div")).to_be_hidden()
    await page.get_by_text("What was written before").click()
    await expect(page.locator(".quoted div")).to_have_text("On Monday you wrote")

    await page.get_by_label("How to answer").select_option("Forward")
    await page.get_by_role("textbox", name="To", exact=True).fill("it@x.example, hr@x.example")
    await page.fill("#text", "Please look")
    await page.press("#text", "Enter")
    await shoot(page, "agent-written-mail")
    assert router.asked == []
    await page.press("#text", "Control+Enter")
    await expect(page.locator(".message.mine .bubble")).to_have_text("Please look")

    [(_, body)] = router.asked
    assert (body["mode"], body["to"], body["text"]) == ("forward", ["it@x.example", "hr@x.example"], "Please look")
    assert await page.locator("iframe.mail").get_attribute("sandbox") == ""
    assert await page.title() == "Agent · Centralino"
    assert [url for url in router.loaded if not url.startswith(ORIGIN)] == []
    # What the mail wanted and may not do; nothing of it was done.
    assert all("Content Security Policy" in complaint for complaint in complaints), complaints


async def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png")
