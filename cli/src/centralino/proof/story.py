"""The big story on running services: many chats, a few agents with mixed skills, and what may happen meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final

import httpx
from servicekit.ports import Chance
from servicekit.system import SystemChance, SystemClock

from centralino.children import StartError
from centralino.home import Home
from centralino.proof.checker import find_faults
from centralino.proof.clients import NO_CERTIFICATES, REQUEST_SECONDS, HttpDesk, Transport, Window, open_window
from centralino.proof.collect import Places, collect
from centralino.proof.faults import Fault
from centralino.proof.history import History, Request, Said
from centralino.proof.people import AGAIN_SECONDS, AgentAtWork, AwayError, Customer
from centralino.proof.tenant import ADDRESSES, SKILLS, TENANT, configuration
from centralino.tokens import development_token

KNOWN_SECONDS_MAX: Final = 30.0
SETTLE_SECONDS_MAX: Final = 60.0

Meanwhile = Callable[[], Awaitable[None]]
Judge = Callable[[History], list[Fault]]


@dataclass(slots=True, kw_only=True)
class Story:
    """`run` it, then ask `faults`. `addresses` are those that `centralino status` names."""

    home: Home
    addresses: dict[str, str]
    chats: int = 200
    agents: int = 20
    arrivals_per_second: float = 10.0
    ignore_odds: float = 0.03
    seconds_max: float = 180.0
    end_seconds_max: float = 300.0
    """How long chats that have begun may take to their ends, where more begin until it is enough."""
    transport: Transport | None = None
    customers: list[Customer] = field(default_factory=list)
    staff: list[AgentAtWork] = field(default_factory=list)
    desks: dict[str, HttpDesk] = field(default_factory=dict)
    clock: SystemClock = field(default_factory=SystemClock)
    chance: Chance = field(default_factory=SystemChance)

    async def run(self, meanwhile: Meanwhile | None = None, *, at_share: float = 0.5) -> None:
        """Configure, staff, tell. Raises TimeoutError when there is no end."""
        async with self.opened():
            await self.tell(meanwhile, at_share=at_share)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """The tenant is configured and its agents are at work inside."""
        await self._configure()
        async with AsyncExitStack() as stack:
            working = [task for number in range(self.agents) for task in await self._agent(stack, number)]
            try:
                yield
            finally:
                for task in working:
                    task.cancel()
                await asyncio.wait(working)
        for task in working:
            if not task.cancelled():
                task.result()

    async def tell(self, meanwhile: Meanwhile | None = None, *, at_share: float = 0.5) -> None:
        """All chats from the first word to the end; `meanwhile` is done when this share of the chats has begun.

        May be told again. Raises TimeoutError when there is no end.
        """
        told = len(self.customers)
        try:
            async with asyncio.timeout(self.seconds_max), asyncio.TaskGroup() as chats:
                for number in range(self.chats):
                    chats.create_task(self._chat(number))
                    if meanwhile is not None and number == int(self.chats * at_share):
                        chats.create_task(_done(meanwhile))
                    await self.clock.sleep(1 / self.arrivals_per_second)
        finally:
            for customer in self.customers[told:]:
                customer.give_up()

    async def tell_until(self, enough: Callable[[], bool]) -> None:
        """Chats begin until it is enough, and all come to their ends. Raises TimeoutError when there is no end."""
        begun = count()
        try:
            async with asyncio.timeout(self.seconds_max) as limit, asyncio.TaskGroup() as chats:
                while not enough():
                    chats.create_task(self._chat(next(begun)))
                    await self.clock.sleep(1 / self.arrivals_per_second)
                limit.reschedule(asyncio.get_running_loop().time() + self.end_seconds_max)
        finally:
            for customer in self.customers:
                customer.give_up()

    async def faults(self, judge: Judge | None = None) -> list[Fault]:
        """What is wrong with the history (by the checker, or by `judge`), once all is written, or a minute later."""
        judge = judge or partial(find_faults, finished=True)
        deadline_ms = self.clock.now_ms() + round(SETTLE_SECONDS_MAX * 1000)
        while True:
            found = judge(await self.history()) + [fault for agent in self.staff for fault in agent.faults]
            if not found or self.clock.now_ms() > deadline_ms:
                return found
            await self.clock.sleep(1)

    async def history(self) -> History:
        """All that is there now."""
        kafka = self.addresses["kafka"].removeprefix("kafka://")
        places = Places(kafka=kafka, postgres=self.addresses["postgres"])
        return await collect(places, self.accepted(), self.requests())

    def accepted(self) -> Sequence[Said]:
        """What was acknowledged to customers."""
        return [said for customer in self.customers for said in customer.accepted]

    def requests(self) -> Sequence[Request]:
        """What customers and agents asked for, and how it went."""
        asked = [customer.requests for customer in self.customers] + [agent.requests for agent in self.staff]
        return [request for requests in asked for request in requests]

    async def _configure(self) -> None:
        token = development_token(self.home, role="admin", subject="proof", tenant=TENANT)
        document = configuration(self.agents).model_dump(mode="json")
        async with self._client(self.addresses["router-api"], token) as admin:
            answer = await admin.put("/configuration", json=document, headers={"if-match": '"0"'})
            answer.raise_for_status()
            deadline_ms = self.clock.now_ms() + round(KNOWN_SECONDS_MAX * 1000)
            for address in ADDRESSES:
                url = f"{self.addresses['chat-gateway']}/addresses/{address}"
                while (await admin.get(url)).status_code != httpx.codes.OK:
                    if self.clock.now_ms() > deadline_ms:
                        raise StartError(f"the chat gateway does not know {address} after {KNOWN_SECONDS_MAX:.0f} s")
                    await self.clock.sleep(0.1)

    async def _agent(self, stack: AsyncExitStack, number: int) -> list[asyncio.Task[None]]:
        agent_id = f"agent-{number}"
        token = development_token(self.home, role="agent", subject=agent_id, tenant=TENANT)
        client = await stack.enter_async_context(self._client(self.addresses["router-api"], token))
        desk = self.desks[agent_id] = HttpDesk(client, agent_id, self.clock, self.addresses.get("crm"))
        agent = AgentAtWork(
            agent_id=agent_id,
            desk=desk,
            clock=self.clock,
            chance=self.chance,
            answers=1 + number % 2,
            reject_odds=0.05,
            ignore_odds=self.ignore_odds,
            keep_open_odds=0.1,
        )
        self.staff.append(agent)
        return [asyncio.create_task(desk.listen()), asyncio.create_task(agent.work())]

    async def _chat(self, number: int) -> None:
        address = ADDRESSES[number // len(SKILLS) % len(ADDRESSES)]
        wanted = {"address": address, "name": f"Customer {number}", "queue": SKILLS[number % len(SKILLS)]}
        window = await self._window(f"127.0.{1 + number // 250}.{1 + number % 250}", wanted)
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

    async def _window(self, source: str, wanted: Mapping[str, object]) -> Window:
        """As a page does: again until the gateway is there."""
        while True:
            try:
                gateway = self.addresses["chat-gateway"]
                return await open_window(gateway, source, wanted, transport=self.transport)
            except AwayError:
                await self.clock.sleep(self.chance.uniform(*AGAIN_SECONDS))

    def _client(self, url: str, token: str) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"}
        way = self.transport() if self.transport else httpx.AsyncHTTPTransport(verify=NO_CERTIFICATES)
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=REQUEST_SECONDS, transport=way)


async def _done(meanwhile: Meanwhile) -> None:
    await meanwhile()
