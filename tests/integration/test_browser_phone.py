"""The browser phone of the agent's page at a real Asterisk: a Chromium whose microphone plays a tone answers a call."""

import json
import math
import re
import shutil
import socket
import struct
import wave
from collections.abc import AsyncIterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, WebSocketRoute, async_playwright, expect
from router.api.service import PAGES_POLICY
from voice_gateway.domain.commands import Dial, Provision
from voice_gateway.domain.events import LegAnswered, LegEnded
from voice_gateway.domain.words import Party
from voice_gateway.domain.words import Phone as Target
from voice_gateway.testing.asterisk import TONES, AsteriskUnderTest, asterisk_under_test
from voice_gateway.testing.asterisk_install import available
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import until_seen

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PAGES = Path(str(files("centralino"))) / "pages"
ORIGIN = "http://localhost"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
MICROPHONE_RATE = 48_000
LOUDEST = """async () => {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(document.getElementById("phone-sound").srcObject).connect(analyser);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  return levels.indexOf(Math.max(...levels)) * context.sampleRate / 8192;
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.real_asterisk,
    pytest.mark.timeout(120, func_only=True),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    reason = available() or _no_address()
    if reason is not None:
        pytest.skip(reason)


def _no_address() -> str | None:
    """Browsers offer no loopback address to the other side (RFC 8828). Nothing is sent: the route alone is asked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, suppress(OSError):
        asking.connect(("192.0.2.1", 9))
        return None
    return "a browser's phone needs an address of this machine other than loopback"


@pytest_asyncio.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    expect.set_options(timeout=15_000)
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={_microphone(tmp_path / 'microphone.wav')}",
        # The page comes from nowhere, Asterisk is on this machine, and nobody can resolve names of multicast DNS.
        "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield await browser.new_page(locale="en-GB")
        await browser.close()


async def test_a_browser_answers_a_call_hears_and_is_heard(page: Page, tmp_path: Path) -> None:
    async with asterisk_under_test(tmp_path / "node") as node:
        story, endpoint_id = Story(node), node.new_id()
        await story.do(Provision(endpoint_id=endpoint_id, password="p", browser=True))
        await _work(page, node, endpoint_id)
        await expect(page.locator("#phone-state")).to_have_text("Registered: calls ring here.")
        anna = await story.caller("anna")
        leg_id = node.new_id()
        to, shown = Target(endpoint_id=endpoint_id), Party(number="+390698765")
        await story.do(Dial(leg_id=leg_id, to=to, ring_seconds=20, shown=shown))
        await expect(page.locator("#phone-state")).to_have_text("Rings: +390698765.")
        await page.locator("#phone-answer").click()
        await story.told.until(LegAnswered, leg_id=leg_id)
        await story.room("talk", anna, leg_id)
        await until_seen(node, "anna", lambda seen: "ada" in seen.hears)
        heard = await page.evaluate(LOUDEST)
        await page.locator("#phone-hang-up").click()
        ended = await story.told.until(LegEnded, leg_id=leg_id)

        assert heard == pytest.approx(TONES["anna"], abs=10)
        assert (ended.cause, ended.by_us) == ("hung_up", False)
        await expect(page.locator("#phone-state")).to_have_text("Registered: calls ring here.")


async def _work(page: Page, node: AsteriskUnderTest, endpoint_id: str) -> None:
    """Ann at her desk, whose phone is this browser; the router and the voice gateway are played."""
    given: dict[str, Any] = {"kind": "browser", "endpoint_id": endpoint_id, "password": "p", "domain": "asterisk"}
    given["url"] = f"ws://127.0.0.1:{node.node.http_port}/ws"
    ann = {"id": "ann", "name": "Ann", "domain": "d", "skills": {}, "phone": {"kind": "browser"}}
    me = {"state": "ready", "offers": [], "assignments": [], "not_ready_reasons": [], "push_sequence": 0}
    answers: dict[str, object] = {
        "configuration": {"agents": [ann], "queues": [], "channels": []},
        "tokens": {"token": "t"},
        "socket-tickets": {"ticket": "t"},
        "me": me,
        "phone": given,
        "addresses.json": {},
    }

    async def serve(route: Route) -> None:
        path = urlsplit(route.request.url).path
        file = PAGES / (path.lstrip("/") + ("index.html" if path.endswith("/") else ""))
        if file.is_file():
            headers = {"content-security-policy": PAGES_POLICY}
            await route.fulfill(body=file.read_bytes(), content_type=KINDS[file.suffix], headers=headers)
        else:
            await route.fulfill(json=answers.get(path.rpartition("/")[2], []))

    def connected(socket: WebSocketRoute) -> None:
        socket.on_message(lambda _: None)
        socket.send(json.dumps({"type": "hello", "sequence": 0, "resumed": True}))

    await page.route_web_socket(re.compile("agent-socket"), connected)
    await page.route(f"{ORIGIN}/**/*", serve)
    await page.goto(f"{ORIGIN}/agent/")
    await page.get_by_role("button", name="Start working").click()


def _microphone(file: Path) -> Path:
    """Ada's tone, with pauses: a steady one is noise to a browser, which takes it away."""
    turn = 2 * math.pi * TONES["ada"] / MICROPHONE_RATE
    sound = [round(9_000 * math.sin(turn * place)) for place in range(MICROPHONE_RATE * 6 // 10)]
    with wave.open(str(file), "wb") as writer:
        writer.setparams((1, 2, MICROPHONE_RATE, 0, "NONE", ""))
        writer.writeframes(struct.pack(f"<{len(sound)}h", *sound) + bytes(2 * MICROPHONE_RATE * 4 // 10))
    return file
