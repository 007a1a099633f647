"""The page of the simulated providers in a real browser."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from centralino.providers.catalogue import VENDORS
from centralino.providers.testing import Rig, rigs
from playwright.async_api import Browser, ConsoleMessage, async_playwright, expect

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


async def answered(one: Rig, customer: str) -> None:
    headers = {"authorization": f"Bearer {one.simulated.vendor.secrets['bot_token']}"}
    body = {"channel": customer, "text": "It is &lt;b&gt;under way&lt;/b&gt;"}
    answer = await one.api("POST", "/chat.postMessage", json=body, headers=headers)
    assert answer.json()["ok"]


async def test_somebody_writes_as_a_customer_and_sees_the_answer(browser: Browser) -> None:
    complaints: list[str] = []

    def complain(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    async with rigs(*VENDORS) as made:  # all, as `up` starts them
        one = made["slack"]
        page = await browser.new_page()
        page.on("console", complain)
        await page.goto(f"{one.url}/")
        await page.select_option("#provider", "slack")
        await page.fill("#name", "Ann")
        await page.get_by_role("button", name="New").click()
        await page.fill("#text", "Where is my parcel?")
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator("#messages .mine")).to_contain_text("Where is my parcel?", timeout=10_000)
        [got] = await one.webhook.take()
        customer = next(iter(one.simulated.world.customers))
        await answered(one, customer)
        await expect(page.locator("#messages")).to_contain_text("It is <b>under way</b>", timeout=15_000)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SCREENSHOTS / "simulated-providers.png")
        await page.close()

    assert b"Where is my parcel?" in got.body
    assert complaints == []


async def test_a_providers_own_page_is_about_it_alone(browser: Browser) -> None:
    async with rigs("telegram", "slack") as made:
        base = made["slack"].url
        page = await browser.new_page()
        await page.goto(f"{base}/page/?provider=slack")
        await expect(page.locator("#provider option")).to_have_text(["Slack"])
        await page.goto(f"{base}/page/?provider=none")
        await expect(page.locator("#problem")).to_have_text("there is no such provider")
        await page.goto(f"{base}/page/")
        await expect(page.locator("#provider option")).to_have_count(2)
        await page.close()
