"""The two pages in a real browser, on the whole embedded stack."""

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
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
    await go_home(agent)

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


async def test_a_hold_outlives_a_reload_and_a_refused_transfer_is_told_in_words(
    browser: Browser, addresses: dict[str, str]
) -> None:
    agent, _ = await chatting(browser, addresses, "ben", name="Lena", text="The zip is broken")
    state, alert = agent.locator("#talk-state"), agent.locator("dialog[open] [role=alert]")

    await agent.get_by_role("button", name="Hold").click()
    await expect(state).to_contain_text("On hold since")
    await agent.reload()  # the desk knows what the page has forgotten
    await log_in(agent, "ben")
    await expect(state).to_contain_text("On hold since")
    await shoot(agent, "agent-hold")
    await agent.get_by_role("button", name="Resume").press("Enter")
    await expect(state).to_have_text("")

    await transfer(agent, "agent:ema")
    await expect(alert).to_have_text("Nobody who could take the task is at work.")
    await shoot(agent, "agent-transfer-refused")
    await agent.get_by_label("Even if it is closed").check()
    await agent.get_by_role("button", name="Transfer", exact=True).click()
    await expect(state).to_have_text("Waiting for somebody to take over.")
    await agent.reload()
    await log_in(agent, "ben")
    await agent.get_by_role("button", name="Take back").click()
    await expect(state).to_have_text("You took the transfer back.")
    await go_home(agent)


async def test_a_break_that_is_asked_for_during_a_chat_is_told_outlives_a_reload_and_comes_after_it(
    browser: Browser, addresses: dict[str, str]
) -> None:
    agent, _ = await chatting(browser, addresses, "ben", name="Lena", text="The zip is broken")
    state, pending = agent.locator("#state"), agent.locator("#pending")
    assert await state.locator("option").all_text_contents() == ["Not ready", "Break", "Lunch", "Meeting", "Ready"]

    await state.select_option("Lunch")
    await expect(pending).to_have_text("Lunch after this. Nothing new is offered to you until then.")
    await agent.reload()
    await log_in(agent, "ben")
    await expect(pending).to_have_text(re.compile("Lunch after this"))
    await expect(state).to_have_value("not_ready:lunch")
    await shoot(agent, "agent-pending")
    await agent.set_viewport_size({"width": 390, "height": 820})
    await shoot(agent, "agent-pending-narrow")
    await agent.set_viewport_size({"width": 1280, "height": 820})
    await state.select_option("Ready")
    await expect(pending).to_have_text("")
    await expect(state).to_have_class("ready")

    await state.select_option("Break")
    await expect(pending).to_have_text(re.compile("Break after this"))
    await agent.get_by_role("button", name="Complete").click()
    await expect(pending).to_have_text("")
    await expect(state).to_have_class("not_ready")
    await expect(state).to_have_value("not_ready:break")
    await agent.context.close()


async def test_a_callback_shows_whom_it_is_for(browser: Browser, addresses: dict[str, str]) -> None:
    agent, _ = await chatting(browser, addresses, "ben", name="Lena", text="The zip is broken")

    await agent.get_by_role("button", name="Call back…").click()
    await shoot(agent, "agent-callback-dialog")
    await agent.get_by_role("button", name="Ask for it").click()
    await expect(agent.locator("#talk-state")).to_have_text("To be called back as soon as somebody is free.")
    await expect(agent.locator(".offer h3")).to_have_text("Callback for support")
    await agent.get_by_role("button", name="Accept").click()
    await agent.locator("#conversations button").nth(1).click()

    await expect(agent.locator("#room-facts")).to_contain_text("Callback")
    await expect(agent.locator("#customer-name")).to_have_text("Lena")
    await expect(agent.locator("#messages")).to_contain_text("The zip is broken")
    await agent.get_by_role("button", name="Complete").click()
    await expect(agent.locator("#conversations li")).to_have_count(1)

    await agent.get_by_role("button", name="Call back…").click()
    day = datetime.now(UTC).date() + timedelta(days=30)
    await agent.get_by_label("When", exact=True).fill(f"{day}T09:30")
    await agent.get_by_role("button", name="Ask for it").click()
    await expect(agent.locator("#talk-state")).to_have_text(
        re.compile(rf"To be called back: {day.day} \w+ {day.year}, 09:30\.")
    )
    await agent.get_by_role("button", name="Cancel the callback").click()
    await expect(agent.locator("#talk-state")).to_have_text("Nobody calls back.")
    await shoot(agent, "agent-callback-cancelled")
    await go_home(agent)


async def test_what_is_parked_by_keyboard_comes_back_first(browser: Browser, addresses: dict[str, str]) -> None:
    agent, _ = await chatting(browser, addresses, "ben", name="Kim", text="Can I return it?")

    await agent.get_by_role("button", name="Park…").press("Enter")
    await expect(agent.locator("#park-for")).to_be_focused()
    await agent.keyboard.press("Escape")
    await expect(agent.get_by_role("button", name="Park…")).to_be_focused()
    await agent.keyboard.press("Enter")
    await agent.get_by_role("button", name="Park", exact=True).press("Enter")
    await expect(agent.locator("#conversations li")).to_have_count(0)
    await shoot(agent, "agent-parked")
    await agent.get_by_role("button", name="Take Kim back").press("Enter")
    await agent.get_by_role("button", name="Accept").click()

    await expect(agent.locator("#customer-name")).to_have_text("Kim")
    await expect(agent.locator("#parked-part")).to_be_hidden()
    await go_home(agent)


async def test_a_consult_becomes_a_conference_and_a_warm_transfer(browser: Browser, addresses: dict[str, str]) -> None:
    ben, customer = await chatting(browser, addresses, "ben", name="Omar", text="The stove leaks")
    ana = await on_phone(browser, addresses, "ana")

    await transfer(ben, "agent:ana", ask_first=True)
    await expect(ben.locator("#talk-state")).to_have_text("Waiting for a colleague to help.")
    await ana.get_by_role("button", name="Accept").click()
    await expect(ana.locator("#talk-state")).to_have_text("You help Ben. The customer does not see you.")
    await expect(ben.locator("#talk-state")).to_have_text("Ana helps you. The customer does not see it.")
    await expect(ana.get_by_role("button", name="Transfer…")).to_be_hidden()
    await say(ana, "It needs a new gasket.")
    await expect(ben.locator(".message.internal .stamp")).to_contain_text("Ana · colleagues only")
    await ben.get_by_label("Colleagues only").check()
    await say(ben, "Please tell him.")
    await expect(ana.locator(".message.internal", has_text="Please tell him.")).to_be_visible()
    await shoot(ben, "agent-consult")
    await shoot(ana, "agent-phone-consult")

    await ben.get_by_role("button", name="Let the customer in").click()
    await expect(ana.locator("#talk-state")).to_have_text("You talk with the customer together with Ben.")
    await say(ana, "We send you a gasket.")
    await expect(customer.locator("#messages")).to_contain_text("We send you a gasket.")
    await expect(customer.locator("#messages")).not_to_contain_text("Please tell him.")
    await shoot(ben, "agent-conference")
    await ben.get_by_role("button", name="Hand over").click()

    await expect(ben.locator("#talk-state")).to_have_text("Ana has taken over.")
    await expect(ben.locator("#room-facts")).to_contain_text("wrap-up")
    await expect(ana.get_by_role("button", name="Transfer…")).to_be_visible()
    await go_home(ben)
    await go_home(ana)


async def test_whoever_accepts_a_cold_transfer_to_a_queue_has_the_customer(
    browser: Browser, addresses: dict[str, str]
) -> None:
    ben, customer = await chatting(browser, addresses, "ben", name="Ida", text="Which pump fits?")
    ana = await on_phone(browser, addresses, "ana")
    assert await device_kinds(ben) == {"ana": {"mobile"}, "ben": {"desktop"}}

    await transfer(ben, "queue:support")
    await expect(ana.locator(".offer")).to_be_visible()
    await shoot(ana, "agent-phone-offer")
    await ana.get_by_role("button", name="Accept").click()

    await expect(ana.locator("#messages")).to_contain_text("Which pump fits?")
    await expect(ben.locator("#talk-state")).to_have_text("Ana has taken over.")
    await expect(customer.locator("#with")).to_have_text("Ana")
    await shoot(ana, "agent-phone-room")
    await ana.get_by_role("button", name="Transfer…").click()
    await shoot(ana, "agent-phone-dialog")
    overflow = await ana.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow == 0
    await ana.keyboard.press("Escape")
    await go_home(ben)
    await go_home(ana)


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


async def opened(
    browser: Browser, url: str, complaints: list[str], *, width: int, dark: bool = False, phone: bool = False
) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": 820},
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        is_mobile=phone,
        has_touch=phone,
    )
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)

    def note(message: ConsoleMessage) -> None:
        # The CRM may be a moment behind the router: the page asks it again, and the browser notes the 404.
        is_early = "404" in message.text and "/crm/v1/interactions/" in message.location["url"]
        if message.type in {"error", "warning"} and not is_early:
            complaints.append(f"{message.text} {message.location}")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    return page


async def log_in(agent: Page, agent_id: str) -> None:
    await agent.select_option("#who", agent_id)
    await agent.get_by_role("button", name="Start working").click()
    await expect(agent.locator("#link")).to_have_text("connected")


async def chatting(
    browser: Browser, addresses: dict[str, str], agent_id: str, *, name: str, text: str
) -> tuple[Page, Page]:
    """An agent who has just accepted a customer of the queue `support`, and the customer."""
    agent = await opened(browser, addresses["agent-page"], [], width=1280)
    customer = await opened(browser, addresses["customer-page"], [], width=420)
    await log_in(agent, agent_id)
    await agent.select_option("#state", "ready:")
    await write_first(customer, name=name, queue="support", text=text)
    await agent.get_by_role("button", name="Accept").click()
    await expect(agent.locator("#customer-name")).to_have_text(name)
    return agent, customer


async def on_phone(browser: Browser, addresses: dict[str, str], agent_id: str) -> Page:
    """An agent who can be offered something."""
    agent = await opened(browser, addresses["agent-page"], [], width=390, phone=True)
    await log_in(agent, agent_id)
    await agent.select_option("#state", "ready:")

    async def is_present() -> bool:
        return agent_id in await device_kinds(agent)

    await eventually(is_present, timeout_seconds=WAIT_MS / 1000)
    return agent


async def transfer(agent: Page, target: str, *, ask_first: bool = False) -> None:
    await agent.get_by_role("button", name="Transfer…").click()
    await agent.select_option("#transfer-to", target)
    if ask_first:
        await agent.get_by_label("Ask first").check()
    await agent.get_by_role("button", name="Transfer", exact=True).click()


async def go_home(agent: Page) -> None:
    """Nothing is offered to them in the tests that follow."""
    await agent.select_option("#state", "not_ready:")
    await agent.get_by_role("button", name="Complete").click()
    await expect(agent.locator("#conversations li")).to_have_count(0)
    await agent.context.close()


async def device_kinds(page: Page) -> dict[str, set[str]]:
    """Of the agents who can be offered something: what a supervisor is told of their devices."""
    agents = await page.evaluate(
        """async () => {
          const headers = { "content-type": "application/json" };
          const body = JSON.stringify({ role: "supervisor", subject: "sue", tenant: "acme" });
          const issued = await fetch("/router/v1/development/tokens", { method: "POST", headers, body });
          const { token } = await issued.json();
          const live = await fetch("/router/v1/live", { headers: { authorization: `Bearer ${token}` } });
          return (await live.json()).domains[0].agents;
        }"""
    )
    return {
        agent["agent_id"]: {device.partition("/")[0] for device in agent["devices"]}
        for agent in agents
        if (agent["state"], agent["presence"]) == ("ready", "present")
    }


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
