"""The big story on running services: many chats, a few agents with mixed skills, and what may happen meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import httpx
from servicekit.system import SystemChance, SystemClock

from centralino.children import StartError
from centralino.home import Home
from centralino.proof.checker import find_faults
from centralino.proof.clients import REQUEST_SECONDS, HttpDesk, open_window
from centralino.proof.collect import Places, collect
from centralino.proof.faults import Fault
from centralino.proof.history import Said
from centralino.proof.people import AgentAtWork, Customer
from centralino.proof.tenant import ADDRESS, SKILLS, TENANT, configuration
from centralino.tokens import development_token

ARRIVALS_PER_SECOND: Final = 10.0
KNOWN_SECONDS_MAX: Final = 30.0
SETTLE_SECONDS_MAX: Final = 60.0

Meanwhile = Callable[[], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Story:
    """`run` it, then ask `faults`. `addresses` are those that `centralino status` names."""

    home: Home
    addresses: dict[str, str]
    chats: int = 200
    agents: int = 20
    seconds_max: float = 180.0
    customers: list[Customer] = field(default_factory=list)
    clock: SystemClock = field(default_factory=SystemClock)
    chance: SystemChance = field(default_factory=SystemChance)

    async def run(self, meanwhile: Meanwhile | None = None) -> None:
        """All chats from the first word to the end; `meanwhile` is done when half of the chats have begun.

        Raises TimeoutError when there is no end.
        """
        await self._configure()
        async with AsyncExitStack() as stack:
            staff = [task for number in range(self.agents) for task in await self._agent(stack, number)]
            try:
                async with asyncio.timeout(self.seconds_max), asyncio.TaskGroup() as chats:
                    for number in range(self.chats):
                        chats.create_task(self._chat(number))
                        if meanwhile is not None and number == self.chats // 2:
                            chats.create_task(_done(meanwhile))
                        await self.clock.sleep(1 / ARRIVALS_PER_SECOND)
            finally:
                for task in staff:
                    task.cancel()
                await asyncio.wait(staff)
        for task in staff:
            if not task.cancelled():
                task.result()

    async def faults(self) -> list[Fault]:
        """What is wrong with the history, once all is written, or a minute later."""
        kafka = self.addresses["kafka"].removeprefix("kafka://")
        places = Places(kafka=kafka, postgres=self.addresses["postgres"])
        deadline_ms = self.clock.now_ms() + round(SETTLE_SECONDS_MAX * 1000)
        while True:
            found = find_faults(await collect(places, self.accepted()), finished=True)
            if not found or self.clock.now_ms() > deadline_ms:
                return found
            await self.clock.sleep(1)

    def accepted(self) -> Sequence[Said]:
        """What was acknowledged to customers."""
        return [said for customer in self.customers for said in customer.accepted]

    async def _configure(self) -> None:
        token = development_token(self.home, role="admin", subject="proof", tenant=TENANT)
        document = configuration(self.agents).model_dump(mode="json")
        async with self._client(self.addresses["router-api"], token) as admin:
            answer = await admin.put("/configuration", json=document, headers={"if-match": '"0"'})
            answer.raise_for_status()
            deadline_ms = self.clock.now_ms() + round(KNOWN_SECONDS_MAX * 1000)
            url = f"{self.addresses['chat-gateway']}/addresses/{ADDRESS}"
            while (await admin.get(url)).status_code != httpx.codes.OK:
                if self.clock.now_ms() > deadline_ms:
                    raise StartError(f"the chat gateway does not know {ADDRESS} after {KNOWN_SECONDS_MAX:.0f} s")
                await self.clock.sleep(0.1)

    async def _agent(self, stack: AsyncExitStack, number: int) -> list[asyncio.Task[None]]:
        agent_id = f"agent-{number}"
        token = development_token(self.home, role="agent", subject=agent_id, tenant=TENANT)
        client = await stack.enter_async_context(self._client(self.addresses["router-api"], token))
        desk = HttpDesk(client, agent_id, self.clock)
        agent = AgentAtWork(
            agent_id=agent_id,
            desk=desk,
            clock=self.clock,
            chance=self.chance,
            answers=1 + number % 2,
            reject_odds=0.05,
            ignore_odds=0.03,
            keep_open_odds=0.1,
        )
        return [asyncio.create_task(desk.listen()), asyncio.create_task(agent.work())]

    async def _chat(self, number: int) -> None:
        wanted = {"address": ADDRESS, "name": f"Customer {number}", "queue": SKILLS[number % len(SKILLS)]}
        window = await open_window(
            self.addresses["chat-gateway"], f"127.0.{1 + number // 250}.{1 + number % 250}", wanted
        )
        customer = Customer(
            interaction_id=window.interaction_id,
            connect=window.connect,
            clock=self.clock,
            chance=self.chance,
            texts=[f"text {text} of customer {number}" for text in range(1 + number % 3)],
            at_once=1 + number % 2,
        )
        self.customers.append(customer)
        await customer.chat()

    def _client(self, url: str, token: str) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=REQUEST_SECONDS)


async def _done(meanwhile: Meanwhile) -> None:
    await meanwhile()
