"""A customer of each simulated provider, and an agent at the router's API, on the embedded stack."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from centralino.home import Home
from centralino.proof.clients import NO_CERTIFICATES, HttpDesk
from centralino.providers.catalogue import VENDORS
from centralino.testing import Up, started
from centralino.tokens import development_token
from httpx import AsyncClient
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually

pytestmark = pytest.mark.timeout(180)
SECONDS = 30.0


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("channels")
    with started(folder / "data", folder / "output") as stack:
        yield stack.wait_until_ready()


@asynccontextmanager
async def agent(up: Up) -> AsyncGenerator[tuple[HttpDesk, AsyncClient]]:
    """Ben, ready and listening."""
    token = development_token(Home.open(up.data), role="agent", subject="ben", tenant="acme")
    headers = {"authorization": f"Bearer {token}"}
    url = up.report().addresses["router-api"]
    async with AsyncClient(base_url=url, headers=headers, timeout=15, verify=NO_CERTIFICATES) as client:
        desk = HttpDesk(client=client, agent_id="ben", clock=SystemClock())
        listening = asyncio.create_task(desk.listen())
        await eventually(lambda: _ready(desk), timeout_seconds=SECONDS)
        yield desk, client
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def _ready(desk: HttpDesk) -> bool:
    return await desk.be_ready("") == "ok" or (await desk.look()).ready


@pytest.mark.parametrize("name", VENDORS)
async def test_a_customer_is_answered_and_goes_on(up: Up, name: str) -> None:
    addresses = up.report().addresses
    simulator = addresses[f"simulated-{name}"].partition("/page/")[0] + f"/simulator/{name}"
    async with agent(up) as (desk, client), AsyncClient(timeout=30, verify=NO_CERTIFICATES) as outside:

        async def control(method: str, path: str, body: Any = None) -> Any:
            answer = await outside.request(method, f"{simulator}{path}", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

        await control("POST", "/say", {"customer": "Ann", "text": "My stove does not burn"})
        offer = await eventually(lambda: _offer(desk), timeout_seconds=SECONDS)
        assert await desk.accept(str(offer), f"accept-{name}") == "ok"
        assignment_id = f"{offer}.a"
        held = next(each for each in (await desk.look()).held if each.assignment_id == assignment_id)
        assert await desk.say(held.assignment_id, f"answer-{name}", "Is there gas?") == "ok"
        told = await control("GET", "/messages?side=centre&wait_ms=20000")
        if "read" in VENDORS[name].can:
            await control("POST", "/status", {"message_id": told["messages"][0]["id"], "status": "read"})
        await control("POST", "/say", {"customer": "Ann", "text": "No"})
        await eventually(lambda: desk.customer_number(held.interaction_id) == 3, timeout_seconds=SECONDS)
        wanted = next(word for word in ("read", "delivered", "sent") if word in {*VENDORS[name].can, "sent"})
        story = f"{addresses['crm']}/interactions/{held.interaction_id}/messages"

        async def known() -> Any:
            messages = (await client.get(story)).json()["messages"]
            return messages if len(messages) == 3 and messages[1].get("status") == wanted else None

        messages: Any = await eventually(known, timeout_seconds=SECONDS)
        done = await desk.complete(held.assignment_id, f"done-{name}", then="close", seen_number=3)

    assert [each["text"] for each in told["messages"]] == ["Is there gas?"]
    assert [each["text"] for each in messages] == ["My stove does not burn", "Is there gas?", "No"]
    assert done == "ok"


async def _offer(desk: HttpDesk) -> str | None:
    offers = (await desk.look()).offer_ids
    return offers[0] if offers else None
