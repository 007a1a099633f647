"""The two pages in a real browser, on the whole embedded stack."""

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from centralino.backends import remove_postgres_data
from centralino.testing import started
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect
from servicekit.testing.eventually import eventually

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
WAIT_MS = 15_000

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


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def test_a_customer_writes_an_agent_answers_and_the_story_is_kept(
    browser: Browser, addresses: dict[str, str]
) -> None:
    complaints: list[str] = []
    agent = await opened(browser, addresses["agent-page"], complaints, width=1280)
    customer = await opened(browser, addresses["customer-page"], complaints, width=1100)

    await log_in(agent, "diego")
    await agent.select_option("#state", "ready:")
    await write_first(customer, name="Marta", queue="support-es", text="Hola, mi tienda de campaña está rota")
    await expect(agent.locator(".offer")).to_contain_text("you were chosen of 1 who can take it")
    await shoot(agent, "agent-offer")
    await agent.get_by_role("button", name="Accept").click()
    await expect(agent.locator("#messages")).to_contain_text("mi tienda de campaña")
    await expect(customer.locator("#with")).to_have_text("Diego")

    async def typing_is_seen() -> bool:
        """Nobody keeps such a signal: the first may come before the agent's page listens to this chat."""
        await customer.locator("#text").press_sequentially("¿")
        return await agent.locator("#typing").is_visible()

    await eventually(typing_is_seen, timeout_seconds=WAIT_MS / 1000)
    await customer.fill("#text", "")
    await say(agent, "Hola Marta, te mando una nueva.")
    await expect(customer.locator("#messages")).to_contain_text("te mando una nueva")
    await expect(agent.locator(".message.mine .stamp")).to_contain_text("delivered")
    await shoot(customer, "customer-answered")

    await customer.reload()
    await expect(customer.locator("#messages")).to_contain_text("te mando una nueva")
    await say(customer, "¡Gracias!")
    await expect(agent.locator("#messages")).to_contain_text("¡Gracias!")
    await expect(agent.locator("#customer-name")).to_have_text("Marta")
    await shoot(agent, "agent-conversation")

    await agent.select_option("#disposition", "solved")
    await agent.get_by_role("button", name="Complete").click()
    await expect(agent.locator("#conversations li")).to_have_count(0)
    await expect(customer.locator("#status")).to_have_text("The chat has ended.")
    await shoot(customer, "customer-ended")

    # The same customer comes again: the agent sees what was before.
    await customer.get_by_role("button", name="Start a new chat").click()
    await write_first(customer, name="Marta", queue="support-es", text="Otra pregunta")
    await agent.get_by_role("button", name="Accept").click()
    story = agent.locator("#story")
    await expect(story).to_contain_text("solved", ignore_case=True)
    await expect(story).to_contain_text("te mando una nueva")
    await shoot(agent, "agent-timeline")

    assert complaints == []


async def test_an_agent_comes_back_after_the_connection_was_lost(browser: Browser, addresses: dict[str, str]) -> None:
    complaints: list[str] = []
    agent = await opened(browser, addresses["agent-page"], complaints, width=1280)
    customer = await opened(browser, addresses["customer-page"], complaints, width=420, dark=True)
    await log_in(agent, "chloe")
    await agent.select_option("#state", "ready:")
    await write_first(customer, name="Noor", queue="sales", text="Which tent is the lightest?")
    await agent.get_by_role("button", name="Accept").click()
    await expect(customer.locator("#with")).to_have_text("Chloé")

    await agent.context.set_offline(True)
    await agent.evaluate("window.dispatchEvent(new Event('offline'))")
    await say(customer, "Are you there?")
    await agent.context.set_offline(False)

    await expect(agent.locator("#messages")).to_contain_text("Are you there?")
    await say(agent, "I am.")
    await expect(customer.locator("#messages")).to_contain_text("I am.")
    await shoot(customer, "customer-dark-narrow")
    await customer.get_by_role("button", name="End chat").click()
    await expect(agent.locator("#room-facts")).to_contain_text("wrap-up")


async def test_what_was_not_acknowledged_survives_a_reload_and_is_sent_once(
    browser: Browser, addresses: dict[str, str]
) -> None:
    cut_off = await opened(browser, addresses["customer-page"], [], width=420)
    await cut_off.route_web_socket("**/chat/v1/socket*", lambda _: None)  # takes every frame and passes none on
    await cut_off.fill("#first", "Is anybody there?")
    await cut_off.get_by_role("button", name="Start the chat").click()
    await expect(cut_off.locator(".message.pending")).to_have_text(re.compile("Is anybody there?"))
    await cut_off.close()

    again = await cut_off.context.new_page()
    await again.goto(addresses["customer-page"])

    await expect(again.locator(".message.mine:not(.pending)")).to_have_text(re.compile("Is anybody there?"))
    await again.reload()
    await expect(again.locator(".message.mine")).to_have_count(1)
    await expect(again.locator(".message.pending")).to_have_count(0)


async def opened(browser: Browser, url: str, complaints: list[str], *, width: int, dark: bool = False) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": 820}, color_scheme="dark" if dark else "light", locale="en-GB"
    )
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{message.text} {message.location}")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    return page


async def log_in(agent: Page, agent_id: str) -> None:
    await agent.select_option("#who", agent_id)
    await agent.get_by_role("button", name="Start working").click()
    await expect(agent.locator("#link")).to_have_text("connected")


async def write_first(customer: Page, *, name: str, queue: str, text: str) -> None:
    await customer.fill("#name", name)
    await customer.select_option("#queue", queue)
    await customer.fill("#first", text)
    await customer.get_by_role("button", name="Start the chat").click()
    await expect(customer.locator("#messages .message.mine:not(.pending)")).to_contain_text(re.compile(re.escape(text)))


async def say(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")
