"""A call by webhook telephony on the whole embedded stack: a simulated provider, and an agent at the page."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from centralino.backends import remove_postgres_data
from centralino.simulators import VOICE
from centralino.testing import started
from httpx import AsyncClient
from playwright.async_api import async_playwright, expect
from servicekit.testing.eventually import eventually
from voice_gateway.resolving import endpoint_of

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ANNA = "anna"
BEN = endpoint_of("acme", "ben")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("stack")
    with started(folder / "data", folder / "output") as up:
        yield up.wait_until_ready().report().addresses
    remove_postgres_data(folder / "data")


async def test_a_call_by_webhooks_waits_is_answered_held_and_ended(addresses: dict[str, str]) -> None:
    expect.set_options(timeout=15_000)
    provider = addresses["simulated-slack"].partition("/page/")[0]
    async with async_playwright() as playwright, AsyncClient(base_url=f"{provider}/{VOICE}", timeout=10) as phones:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        agent = await browser.new_page(locale="en-GB")
        await agent.goto(addresses["agent-page"])
        await agent.select_option("#who", "ben")
        await agent.get_by_role("button", name="Start working").click()
        await agent.select_option("#state", "ready:")
        number = addresses["sample-number"].removeprefix("tel:")
        await phones.post(f"/phones/{ANNA}/call", json={"number": number, "caller": "+12025550123"})
        await expect(agent.get_by_role("heading", name="Call for support")).to_be_visible(timeout=60_000)
        await eventually(lambda: _heard(phones, ANNA, "music"), timeout_seconds=30)
        await agent.get_by_role("button", name="Accept").click()
        await eventually(lambda: _is(phones, BEN, "rings", value=True), timeout_seconds=30)
        await phones.post(f"/phones/{BEN}/answer", json={})
        await expect(agent.locator("#call-state")).to_contain_text("Talking since")
        await eventually(lambda: _is(phones, ANNA, "hears", value=[BEN]), timeout_seconds=30)
        await agent.get_by_role("button", name="Hold", exact=True).click()
        await eventually(lambda: _heard(phones, ANNA, "music"), timeout_seconds=30)
        await agent.get_by_role("button", name="Resume", exact=True).click()
        await eventually(lambda: _is(phones, ANNA, "hears", value=[BEN]), timeout_seconds=30)
        await phones.post(f"/phones/{ANNA}/hang-up", json={})
        await expect(agent.locator("#room-facts")).to_contain_text("wrap-up")
        await eventually(lambda: _is(phones, BEN, "talks", value=False), timeout_seconds=30)
        await browser.close()


async def _seen(phones: AsyncClient, phone: str) -> dict[str, Any]:  # Any: JSON
    return dict((await phones.get(f"/phones/{phone}")).json())


async def _is(phones: AsyncClient, phone: str, name: str, *, value: object) -> bool:
    return bool((await _seen(phones, phone)).get(name) == value)


async def _heard(phones: AsyncClient, phone: str, word: str) -> bool:
    return any(word in each for each in (await _seen(phones, phone))["hears"])
