"""A call on the whole embedded stack, by the pages of an agent and a supervisor. Its telephony is simulated."""

import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from centralino.backends import remove_postgres_data
from centralino.testing import started
from playwright.async_api import Browser, Page, async_playwright, expect
from servicekit.testing.eventually import eventually

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
CALLER = "+12025550123"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@dataclass
class Customer:
    """A simulated telephone outside."""

    page: Page
    voice: str
    token: str

    async def call(self, number: str) -> None:
        await self._ask("POST", "/calls", {"number": number, "caller": CALLER})

    async def hears(self) -> list[str]:
        return list((await self._ask("GET", f"/phones/{CALLER.replace('+', '%2B')}"))["hears"])

    async def _ask(self, method: str, path: str, body: object = None) -> dict[str, list[str]]:
        headers = {"authorization": f"Bearer {self.token}"}
        answer = await self.page.request.fetch(
            f"{self.voice}/simulated{path}", method=method, data=body, headers=headers
        )
        assert answer.ok, await answer.text()
        return dict(await answer.json())


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("stack")
    with started(folder / "data", folder / "output") as up:
        yield up.wait_until_ready().report().addresses
    remove_postgres_data(folder / "data")


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=15_000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


async def test_a_call_is_answered_held_listened_to_and_ended_by_the_pages(
    browser: Browser, addresses: dict[str, str]
) -> None:
    complaints: list[str] = []
    agent = await working(browser, addresses["agent-page"], "ben", complaints)
    await agent.select_option("#state", "ready:")
    await expect(agent.locator("#phone-kind")).to_contain_text("Simulated call")
    customer = await customer_of(agent, addresses)
    await customer.call(addresses["sample-number"].removeprefix("tel:"))
    await expect(agent.get_by_role("heading", name="Call for support")).to_be_visible(timeout=60_000)
    await agent.get_by_role("button", name="Accept").click()
    await expect(agent.locator("#call-state")).to_have_text("Your phone rings: answer it.")
    await expect(agent.locator("#phone-state")).to_have_text(f"Rings: {CALLER}.")
    await agent.locator("#phone-answer").click()
    await expect(agent.locator("#call-state")).to_contain_text("Talking since")
    await expect(agent.locator("#phone-state")).to_have_text(f"Talks. It hears {CALLER}.")
    [voice] = await customer.hears()

    await hold(agent, customer, voice)
    await supervise(browser, addresses["supervisor-page"], customer, voice, complaints)
    await agent.locator("#end").click()
    await expect(agent.locator("#room-facts")).to_contain_text("wrap-up")
    await expect(agent.locator("#phone-state")).to_have_text("Idle.")

    assert await customer.hears() == []
    assert complaints == []


async def hold(agent: Page, customer: Customer, voice: str) -> None:
    """By the page's button: music, and back to the agent."""
    for button, heard in (("Hold", ["music"]), ("Resume", [voice])):
        await agent.get_by_role("button", name=button, exact=True).click()
        await until_hears(customer, heard)


async def supervise(browser: Browser, url: str, customer: Customer, voice: str, complaints: list[str]) -> None:
    """Ana listens, unheard by the customer, barges in and leaves."""
    supervisor = await working(browser, url, "ana", complaints)
    state = supervisor.locator("#phone-state")
    await expect(state).to_have_text("Idle.")
    await supervisor.get_by_role("button", name="Listen").click()
    await expect(state).to_contain_text("Rings")
    await supervisor.locator("#phone-answer").click()
    await expect(state).to_have_text(f"Talks. It hears {CALLER}, another agent.")
    assert await customer.hears() == [voice]
    await supervisor.get_by_role("button", name="Barge in").click()
    await eventually(lambda: two_voices(customer))
    await supervisor.get_by_role("button", name="Stop").click()
    await expect(state).to_have_text("Idle.")
    await until_hears(customer, [voice])


async def two_voices(customer: Customer) -> bool:
    return len(await customer.hears()) == 2


async def until_hears(customer: Customer, wanted: list[str]) -> None:
    async def hears() -> bool:
        return await customer.hears() == wanted

    await eventually(hears)


async def customer_of(page: Page, addresses: dict[str, str]) -> Customer:
    """With a token of the embedded stack: nobody presses buttons from elsewhere."""
    who = {"role": "supervisor", "subject": "customers", "tenant": "acme"}
    answer = await page.request.post(f"{addresses['router-api']}/development/tokens", data=who)
    return Customer(page, addresses["voice-gateway"], (await answer.json())["token"])


async def working(browser: Browser, url: str, who: str, complaints: list[str]) -> Page:
    """A page with somebody logged in."""
    page = await browser.new_page(locale="en-GB")
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda told: complaints.append(told.text) if told.type in {"error", "warning"} else None)
    await page.goto(url)
    await page.select_option("#who", who)
    await page.get_by_role("button", name="Start working").click()
    return page
