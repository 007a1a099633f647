"""Calls on the agent's and the supervisor's page, in a real browser: the router and the voice gateway are played."""

import json
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, Route, WebSocketRoute, async_playwright, expect
from router.api.service import PAGES_POLICY
from servicekit.testing.eventually import eventually

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PAGES = Path(str(files("centralino"))) / "pages"
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
ORIGIN = "http://localhost"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
Json = dict[str, Any]
AGENT: Json = {"domain": "d", "skills": {}}
ASSIGNMENT = {"assignment_id": "a1", "interaction_id": "i1", "task_id": "t1", "queue": "help", "channel": "voice"}
LEG = {"leg_id": "l1", "party": "agent", "agent_id": "ann"}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@dataclass
class Played:
    """The services that the pages ask; `asked` are commands: method, path, body."""

    phone: Json | None = None
    """What the gateway says of Ann's phone; none: she has none."""
    seen: Json = field(default_factory=lambda: {"rings": False, "talks": False, "shown": None, "hears": []})
    """The simulated phone."""
    past: list[Json] = field(default_factory=list)
    """The customer's timeline, newest first."""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    role: str = "owner"
    refusal: tuple[int, Json] | None = None
    socket: WebSocketRoute | None = None
    sip: list[str] = field(default_factory=list)
    """First lines of what the browser phone says."""
    sequence: int = 0

    async def serve(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith(("/router/", "/crm/", "/voice/")):
            status, answer = self.answer(route.request, path)
            await route.fulfill(status=status, json=answer)
            return
        file = PAGES / (path.lstrip("/") + ("index.html" if path.endswith("/") else ""))
        headers = {"content-security-policy": PAGES_POLICY}
        if file.is_file():
            await route.fulfill(body=file.read_bytes(), content_type=KINDS[file.suffix], headers=headers)
        else:
            await route.fulfill(json={})

    def answer(self, request: Request, path: str) -> tuple[int, Any]:
        last = path.rpartition("/")[2]
        if path == "/voice/v1/phone":
            return 200, self.phone
        if request.method != "GET" and ("/assignments/" in path or "/simulated/" in path):
            self.asked.append((request.method, path, request.post_data_json))
            return self.refusal or (202, {"request_id": f"r{len(self.asked)}"})
        if "/simulated/" in path:
            return 200, self.seen
        agent = {"agent_id": "ann", "state": "ready", "assignments": ["a1"]}
        me = {"state": "ready", "offers": [], "not_ready_reasons": [], "push_sequence": 0}
        ann = {**AGENT, "id": "ann", "name": "Ann", "phone": self.phone and {"kind": "sip"}}
        agents = [ann, {**AGENT, "id": "eve", "name": "Eve"}]
        answers: Json = {
            "configuration": {"agents": agents, "queues": [], "channels": []},
            "tokens": {"token": "t"},
            "socket-tickets": {"ticket": "t"},
            "me": {**me, "assignments": [{**ASSIGNMENT, "state": "assigned", "role": self.role}]},
            "live": {"domains": [{"agents": [agent, {**agent, "agent_id": "eve", "assignments": []}]}]},
        }
        customer = {"customer_id": "c", "name": "Marta", "identifiers": []}
        told = {"messages": [], "entries": self.past, "customer": customer}
        return 200, told if path.startswith("/crm/") else answers.get(last, [])

    def tell(self, type_name: str, **data: Any) -> None:
        assert self.socket is not None
        self.sequence += 1
        frame = {"sequence": self.sequence, "type": type_name, "data": {"interaction_id": "i1"} | data}
        self.socket.send(json.dumps(frame))


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Page]:
    expect.set_options(timeout=10_000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page(viewport={"width": 1280, "height": 820}, locale="en-GB")
        yield page
        await browser.close()


async def opened(page: Page, path: str, played: Played) -> list[str]:
    """The page, with somebody logged in; what the browser complains about."""
    complaints = list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def connected(socket: WebSocketRoute) -> None:
        played.socket = socket
        socket.on_message(lambda _: None)
        socket.send(json.dumps({"type": "hello", "sequence": 0, "resumed": True}))

    def spoken(socket: WebSocketRoute) -> None:
        socket.on_message(lambda message: played.sip.append(str(message).splitlines()[0]))

    await page.route_web_socket(re.compile("agent-socket"), connected)
    await page.route_web_socket(re.compile("asterisk"), spoken)
    await page.route("**/*", played.serve)
    await page.goto(f"{ORIGIN}{path}")
    await page.get_by_role("button", name="Start working").click()
    return complaints


async def called(page: Page, played: Played) -> list[str]:
    """Ann at her desk with a call."""
    complaints = await opened(page, "/agent/", played)
    await expect(page.locator("#customer-name")).to_have_text("Marta")
    await expect(page.locator("#link")).to_have_text("connected")
    return complaints


async def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png")


async def test_a_call_is_followed_from_the_ring_to_its_end(page: Page) -> None:
    played = Played()
    complaints = await called(page, played)
    state = page.locator("#call-state")
    await expect(page.get_by_role("textbox", name="Answer")).to_be_hidden()
    await expect(page.locator("#phone")).to_be_hidden()
    played.tell("call.leg_started", **LEG, direction="outbound", started_at_ms=1)
    await expect(state).to_have_text("Your phone is called.")
    played.tell("call.leg_ringing", **LEG, ringing_at_ms=1)
    await expect(state).to_have_text("Your phone rings: answer it.")
    played.tell("call.leg_answered", **LEG, by="human", answered_at_ms=1)
    await expect(state).to_have_text(re.compile(r"^Talking since \d\d:\d\d\.$"))
    await expect(page.locator("#pause-recording")).to_be_hidden()
    played.tell("call.recording_changed", recording_id="r", state="started", changed_at_ms=1)
    played.tell("call.supervised", supervisor_id="eve", agent_id="ann", mode="whisper", announced=True)
    await expect(state).to_have_text(re.compile(r"Recorded\. Eve speaks to you alone\.$"))
    await shoot(page, "agent-call")
    await page.get_by_role("button", name="Pause the recording").click()
    played.tell("call.recording_changed", recording_id="r", state="paused", changed_at_ms=1)
    await expect(state).to_contain_text("The recording pauses.")
    await page.get_by_role("button", name="Record again").click()
    played.tell("call.supervised", supervisor_id="eve", agent_id="ann", mode="over", announced=True)
    await expect(state).not_to_contain_text("Eve")
    played.tell("assignment.held", assignment_id="a1", held_at_ms=1)
    await expect(state).not_to_contain_text("Talking")
    await expect(page.locator("#talk-state")).to_contain_text("On hold since")
    await page.get_by_role("button", name="Hang up").click()
    played.tell("call.leg_ended", leg_id="l0", party="customer", cause="hung_up", by_us=False, ended_at_ms=1)
    await expect(state).to_contain_text("The customer has hung up.")
    played.tell("task.wrapup_started", assignment_id="a1", ends_at_ms=9)
    await expect(page.locator("#call")).to_be_hidden()

    call = "/router/v1/assignments/a1"
    assert [(method, path) for method, path, _ in played.asked] == [
        ("PUT", f"{call}/call/recording"),
        ("PUT", f"{call}/call/recording"),
        ("POST", f"{call}/end"),
    ]
    assert [body["paused"] for _, _, body in played.asked[:2]] == [True, False]
    assert complaints == []


async def test_keys_go_in_their_order_and_a_refused_mute_is_taken_back(page: Page) -> None:
    played = Played()
    complaints = await called(page, played)
    await page.get_by_text("Keys", exact=True).click()
    keys = page.locator("#keypad")
    for key in "15#":
        await keys.get_by_role("button", name=key, exact=True).click()
    await page.get_by_role("button", name="Mute", exact=True).click()
    await expect(page.locator("#call-state")).to_have_text("You are muted.")
    unmute = page.get_by_role("button", name="Unmute")
    played.tell("call.command_refused", command_id="r4", reason="assignment_gone", refused_at_ms=1, agent_id="ann")
    await expect(page.locator("#notice")).to_have_text("Not done: the call is not yours any more.")
    await expect(unmute).to_have_count(0)

    assert [body for _, _, body in played.asked] == [*({"keys": key} for key in "15#"), {"muted": True}]
    assert complaints == []


async def test_a_reload_forgets_nothing_of_a_call(page: Page) -> None:
    played = Played()
    await called(page, played)
    played.tell("call.leg_answered", **LEG, by="human", answered_at_ms=1)
    played.tell("call.recording_changed", recording_id="r", state="paused", changed_at_ms=1)
    await expect(page.locator("#call-state")).to_contain_text("The recording pauses.")
    await page.reload()
    await page.get_by_role("button", name="Start working").click()

    await expect(page.locator("#call-state")).to_have_text(re.compile(r"^Talking since .*\. The recording pauses\.$"))
    await expect(page.get_by_role("button", name="Record again")).to_be_visible()


@pytest.mark.parametrize(
    ("cause", "words"), [("busy", "Your phone is busy."), ("no_answer", "Your phone was not answered.")]
)
async def test_a_phone_that_does_not_answer_is_told(page: Page, cause: str, words: str) -> None:
    played = Played()
    await called(page, played)
    played.tell("call.leg_started", **LEG, direction="outbound", started_at_ms=1)
    played.tell("call.leg_ended", **LEG, cause=cause, by_us=False, ended_at_ms=1)

    await expect(page.locator("#call-state")).to_have_text(words)


async def test_who_only_helps_presses_no_keys_and_pauses_nothing(page: Page) -> None:
    played = Played(role="consultant")
    await called(page, played)
    played.tell("call.recording_changed", recording_id="r", state="started", changed_at_ms=1)
    await expect(page.locator("#call-state")).to_have_text("Recorded.")

    for hidden in ("#keypad-part", "#pause-recording", "#end"):
        await expect(page.locator(hidden)).to_be_hidden()
    await expect(page.locator("#mute")).to_be_visible()


async def test_of_a_past_call_the_customers_story_tells_what_it_was(page: Page) -> None:
    call = {"kind": "call", "interaction_id": "i0", "at_ms": 1}
    talked = {**call, "type": "call.measured", "summary": "talked for 39 s"}
    phones = [{**call, "type": "call.leg_ringing", "summary": "the phone of ann rings"} for _ in range(30)]
    began = {"kind": "interaction", "interaction_id": "i0", "at_ms": 1, "summary": "voice with ann: solved"}
    await called(page, Played(past=[talked, *phones, began]))

    told = page.locator("#story li > div:first-child")
    await expect(told).to_have_text(["talked for 39 s", "voice with ann: solved"])


async def test_a_simulated_phone_says_so_and_has_its_buttons(page: Page) -> None:
    played = Played(phone={"kind": "simulated", "endpoint_id": "ann-phone"})
    complaints = await called(page, played)
    await expect(page.locator("#phone-kind")).to_contain_text("Simulated call")
    await expect(page.locator("#phone-state")).to_have_text("Idle.")
    played.seen = {"rings": True, "talks": False, "shown": "+39069", "hears": []}
    await expect(page.locator("#phone-state")).to_have_text("Rings: +39069.")
    await page.get_by_role("button", name="Answer", exact=True).click()
    played.seen = {"rings": False, "talks": True, "shown": "+39069", "hears": ["+39069", "a" + "4" * 20, "words:Hi."]}
    await expect(page.locator("#phone-state")).to_have_text("Talks. It hears +39069, another agent, “Hi.”.")
    await shoot(page, "agent-simulated-phone")
    for _ in range(2):
        await page.get_by_role("button", name="Its hold button").click()
    await page.locator("#phone-hang-up").click()
    played.seen = {"rings": False, "talks": False, "shown": None, "hears": []}
    await expect(page.locator("#phone-state")).to_have_text("Idle.")
    await expect(page.locator("#phone-hang-up")).to_be_hidden()

    phone = "/voice/v1/simulated/phones/ann-phone"
    assert [(path.removeprefix(f"{phone}/"), body) for _, path, body in played.asked] == [
        ("answer", {}),
        ("hold", {"held": True}),
        ("hold", {"held": False}),
        ("hang_up", {}),
    ]
    assert complaints == []


async def test_a_browser_phone_registers_with_what_the_gateway_gave_it(page: Page) -> None:
    given = {"url": "ws://asterisk.example/ws", "domain": "asterisk.example", "endpoint_id": "ann-1", "password": "p"}
    played = Played(phone={"kind": "browser", **given})
    complaints = await called(page, played)
    await expect(page.locator("#phone-kind")).to_have_text("This browser is your phone.")
    await expect(page.locator("#phone-state")).to_have_text("Not registered.")
    await eventually(lambda: played.sip)

    assert played.sip[0] == "REGISTER sip:asterisk.example SIP/2.0"
    assert complaints == []


async def test_a_supervisor_listens_changes_and_leaves(page: Page) -> None:
    played = Played()
    complaints = await opened(page, "/supervisor/", played)
    rows = page.locator("#agents li")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Ann · conversation 1")
    await expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    for name, words in (
        ("Listen", "you listen, and nobody hears you."),
        ("Whisper", "the agent alone hears you."),
        ("Barge in", "everybody hears you."),
        ("Take over", "you talk instead of the agent."),
    ):
        await page.get_by_role("button", name=name).click()
        await expect(rows).to_contain_text(words)
    await shoot(page, "supervisor-call")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    played.refusal = (409, {"detail": "This conversation is no call.", "code": "not_a_call"})
    await page.get_by_role("button", name="Listen").click()
    await expect(page.locator("#notice")).to_have_text("This conversation is no call.")

    modes = [(method, body and body["mode"]) for method, _, body in played.asked]
    assert {path for _, path, _ in played.asked} == {"/router/v1/agents/ann/assignments/a1/supervision"}
    assert modes == [
        ("POST", "spy"),
        ("POST", "whisper"),
        ("POST", "barge"),
        ("POST", "take_over"),
        ("DELETE", None),
        ("POST", "spy"),
    ]
    assert complaints == []
