"""A call centre for tests: the services of the embedded stack, a real Asterisk, and telephones that speak SIP.

Customers and agents are telephones of the test. Agents accept and go on by the router's API, and who hears whom is
asked of the telephones.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
from servicekit.auth import Role
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually
from voice_gateway.domain.words import Party
from voice_gateway.testing.asterisk import write_sound
from voice_gateway.testing.asterisk_node import PASSWORD, AsteriskNode
from voice_gateway.testing.node import SETTLED_SECONDS
from voice_gateway.testing.phones import Manner, Seen
from voice_gateway.testing.sip_phones import SipPhones
from voice_gateway.testing.stream_bot import StreamBot

from centralino.backends import remove_postgres_data
from centralino.home import Home
from centralino.proof.clients import NO_CERTIFICATES, HttpDesk
from centralino.services import ENGINE, VOICE, ServiceSpec, Setting, services
from centralino.simulators import secrets_of
from centralino.stack import Given, Stack
from centralino.tokens import development_token
from centralino.web import call

TENANT: Final = "centre"
DOMAIN: Final = "centre.main"
NUMBER: Final = "+390612345"
EXTENSION: Final = "77"
"""Eve's."""
CUSTOMERS: Final = ("anna", "bert")
AGENTS: Final = ("ada", "eve", "ida")
SUPERVISOR: Final = "sol"
WELCOME: Final = "hello"
# Multiples of 10 Hz, none the third or fifth of another: what a telephone distorts sounds there.
TONES: Final = dict(
    zip((*CUSTOMERS, *AGENTS, SUPERVISOR, WELCOME, "music"), (410, 530, 670, 830, 1010, 1190, 1370, 1790), strict=True)
)
SECONDS: Final = 40.0
"""How long a test waits for anything; a busy machine needs some of it."""
RING_SECONDS: Final = 6
_SERVICES: Final = (ENGINE, "router-api", VOICE, "crm")
_SOUND_SECONDS: Final = 2
_REQUEST_SECONDS: Final = 30.0
_ARI: Final = "Basic " + b64encode(f"centralino:{PASSWORD}".encode()).decode()
Json = dict[str, Any]  # Any: a document


@dataclass(slots=True)
class Desk:
    """What an agent, or a supervisor, does over the API. `voice` and `crm` are the URLs of the others."""

    who: str
    api: httpx.AsyncClient
    voice: str
    crm: str

    async def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        """The answer of the router's API, once the router has decided. Raises AssertionError for a refusal."""
        answer = await self.send(method, path, body)
        if answer.status_code == httpx.codes.ACCEPTED and (command_id := answer.json().get("command_id")):
            answer = await eventually(partial(self._decided, command_id), timeout_seconds=SECONDS)
        _sure(answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}")
        return dict(answer.json())

    async def send(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        """The answer of the router's API, whatever it is."""
        return await self.api.request(method, path, json=body, headers={"idempotency-key": str(uuid4())})

    async def _decided(self, command_id: str) -> httpx.Response:
        answer = await self.api.get(f"/commands/{command_id}")
        _sure(answer.status_code != httpx.codes.NOT_FOUND, f"{command_id} is not decided")
        return answer

    async def look(self) -> Json:
        """The desk."""
        return await self.ask("GET", "/me")

    async def ready(self) -> None:
        """From now on they are offered tasks."""
        await self.ask("PUT", "/me/state", {"state": "ready"})

    async def offer(self) -> Json:
        """What they are offered, once they are."""

        async def offered() -> list[Json]:
            return list((await self.look())["offers"])

        return (await eventually(offered, timeout_seconds=SECONDS))[0]

    async def accept(self) -> Json:
        """Take what is offered; the assignment."""
        offer = await self.offer()
        taken = await self.ask("POST", f"/offers/{offer['offer_id']}/accept")
        return await self.holding(taken["assignment_id"], "assigned")

    async def holding(self, assignment_id: str, state: str) -> Json:
        """One of their assignments, once it is in this state."""

        async def held() -> Json:
            found = {each["assignment_id"]: each for each in (await self.look())["assignments"]}
            states = {each: found[each]["state"] for each in found}
            _sure(states.get(assignment_id) == state, f"{self.who} has {states}, wanted {assignment_id} {state}")
            return dict(found[assignment_id])

        return await eventually(held, timeout_seconds=SECONDS)

    async def complete(self, assignment_id: str, disposition: str | None = None) -> None:
        """Be done with it."""
        await self.ask("POST", f"/assignments/{assignment_id}/complete", {"disposition": disposition})

    async def is_free(self) -> bool:
        """They have nothing and are offered nothing."""
        desk = await self.look()
        return not desk["offers"] and not desk["assignments"]

    async def leave(self) -> None:
        """Whatever they have is over, and they are offered no more."""
        await self.send("PUT", "/me/state", {"state": "not_ready", "reason_code": "break"})
        desk = await self.look()
        for offer in desk["offers"]:
            await self.send("POST", f"/offers/{offer['offer_id']}/reject", {})
        for held in desk["assignments"]:
            await self.send("POST", f"/assignments/{held['assignment_id']}/complete", {})
        await eventually(self.is_free, timeout_seconds=SECONDS)


@dataclass(slots=True)
class CallCentre:
    """All of it, once it is open."""

    node: AsteriskNode
    phones: SipPhones
    stack: Stack
    home: Home
    desks: dict[str, Desk] = field(default_factory=dict)
    endpoints: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Agents' phones: their user and password."""

    def url(self, service: str) -> str:
        """Of its API."""
        return self.stack.addresses()[service]

    def token(self, role: Role, who: str) -> str:
        """Of somebody."""
        return development_token(self.home, role=role, subject=who, tenant=TENANT)

    async def call(self, customer: str, caller: str) -> None:
        """A customer calls, and talks with the machine."""
        await self.phones.call(customer, NUMBER, Party(number=caller))
        await self.until(customer, lambda seen: seen.talks)

    async def behave(self, agent: str, manner: Manner) -> None:
        """What the agent's phone does by itself from now on."""
        _sure(await self.phones.register(agent, *self.endpoints[agent], manner), f"{agent} cannot log in")

    async def until(self, phone: str, check: Callable[[Seen], object]) -> Seen:
        """A phone, once it is as it should be."""

        def seen() -> Seen:
            found = self.phones.seen(phone)
            _sure(check(found), f"{phone} is {found}")
            return found

        return await eventually(seen, timeout_seconds=SECONDS)

    async def picks_up(self, phone: str) -> None:
        """Once it rings."""
        await self.until(phone, lambda seen: seen.rings)
        await self.phones.answer(phone)

    async def hears(self, **wanted: set[str]) -> None:
        """Once all these phones hear just this, all at once and for a while."""
        loop = asyncio.get_running_loop()
        since: float | None = None

        def settled() -> bool:
            nonlocal since
            heard = {phone: set(self.phones.seen(phone).hears) for phone in wanted}
            since = (since or loop.time()) if heard == wanted else None
            _sure(heard == wanted, f"heard {heard}, wanted {wanted}")
            return since is not None and loop.time() >= since + SETTLED_SECONDS

        await eventually(settled, timeout_seconds=SECONDS)

    async def idle(self, *phones: str) -> None:
        """None of these phones rings or talks any more."""
        for phone in phones:
            await self.until(phone, lambda seen: not (seen.rings or seen.talks))

    async def interaction(self, interaction_id: str) -> Json:
        """As the CRM shows it to the supervisor."""
        sol = self.desks[SUPERVISOR]
        answer = await sol.api.get(f"{sol.crm}/interactions/{interaction_id}")
        _sure(answer.is_success, f"{answer.status_code} {answer.text}")
        return dict(answer.json())

    async def clear(self) -> None:
        """As after opening: nobody calls, nobody has anything, agents' phones ring until they are answered. Raises
        AssertionError where the node still has a channel or a bridge."""
        for phone in (*CUSTOMERS, *AGENTS, SUPERVISOR):
            if self.phones.seen(phone).talks:
                await self.phones.hang_up(phone)
        await asyncio.gather(*(self.desks[agent].leave() for agent in AGENTS))
        await self.idle(*CUSTOMERS, *AGENTS, SUPERVISOR)
        await eventually(self._nothing_left, timeout_seconds=SECONDS)
        for agent in AGENTS:
            await self.behave(agent, "rings")

    async def _nothing_left(self) -> bool:
        ari = f"http://127.0.0.1:{self.node.http_port}/ari"
        for kind in ("channels", "bridges"):
            answer = await self.desks[SUPERVISOR].api.get(f"{ari}/{kind}", headers={"authorization": _ARI})
            _sure(answer.json() == [], f"{kind}: {answer.text}")
        return True


@asynccontextmanager
async def call_centre(folder: Path) -> AsyncGenerator[CallCentre]:
    """With its files in a folder. All its agents are at their desks, none is ready."""
    async with AsyncExitStack() as stack:
        bot = StreamBot(TONES)
        phones = SipPhones(TONES, bot)
        await phones.open()
        stack.push_async_callback(phones.close)
        node = AsteriskNode(folder / "node", phones.port)
        write_sound(folder / "node" / "music" / "music.wav", TONES["music"], _SOUND_SECONDS)
        write_sound(_made(folder / "sounds" / TENANT) / "hello.wav", TONES[WELCOME], _SOUND_SECONDS)
        await node.start()
        stack.callback(node.end)
        phones.node_port = node.sip_port
        running = _running(folder, node)
        home, services_stack = await asyncio.to_thread(running.__enter__)
        stack.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
        centre = CallCentre(node, phones, services_stack, home)
        await _configure(centre)
        for who in (*AGENTS, SUPERVISOR):
            centre.desks[who] = await stack.enter_async_context(_at_work(centre, who))
            centre.endpoints[who] = await eventually(partial(_phone, centre.desks[who]), timeout_seconds=SECONDS)
            await centre.behave(who, "rings")
        yield centre


@contextmanager
def _running(folder: Path, node: AsteriskNode) -> Iterator[tuple[Home, Stack]]:
    password = folder / "ari-password"
    password.write_text(PASSWORD)
    nodes = [
        {
            "name": "asterisk",
            "driver": "asterisk",
            "url": f"http://127.0.0.1:{node.http_port}",
            "password_file": str(password),
            "phones": {"domain": "asterisk", "sip_url": f"sip:127.0.0.1:{node.sip_port}"},
        }
    ]
    home = Home.open(folder / "data")
    stack = Stack(home, Given(), _specs({"CENTRALINO_VOICE_NODES": json.dumps(nodes)}, folder / "sounds"))
    try:
        with home.locked(), stack.opened():
            yield home, stack
    finally:  # for root, PostgreSQL's data stand outside the data folder
        remove_postgres_data(home.folder)


def _specs(nodes: Mapping[str, str], sounds: Path) -> list[ServiceSpec]:
    """The services that a call needs."""

    def own(setting: Setting) -> Mapping[str, str]:
        return {
            **nodes,
            "CENTRALINO_SOUNDS_PATH": str(sounds),
            "CENTRALINO_PUBLIC_URL": setting.origins(VOICE)[0],
            "CENTRALINO_FILES_URL": (setting.home.folder / "files").as_uri(),
            "CENTRALINO_FILE_LINK_SECRETS": setting.home.secret("file-link-secret"),
            "CENTRALINO_SECRETS_PATH": secrets_of(setting.home),
        }

    found = [spec for spec in services() if spec.name in _SERVICES]
    return [replace(spec, own=own) if spec.name == VOICE else spec for spec in found]


async def _configure(centre: CallCentre) -> None:
    url = f"{centre.url('router-api')}/configuration"
    token = centre.token("admin", "admin")
    status, text = await asyncio.to_thread(
        call, "PUT", url, token=token, headers={"if-match": '"0"'}, body=configuration()
    )
    _sure(status == httpx.codes.OK, text)


def configuration() -> Json:
    """One queue for all, by telephone; talks are recorded, supervisors are not announced."""
    domain = {
        "id": DOMAIN,
        "refused_backoff_seconds": 3,
        "presence_grace_seconds": 60,
        "agent_backoff": {"connect_failed_seconds": 1},
        "not_ready_reasons": [{"id": "break", "label": "Break"}],
        "supervision": {"announced": False},
    }
    phone = {"kind": "sip", "ring_seconds": RING_SECONDS}
    in_domain = {"domain": DOMAIN}
    return {
        "clients": ["shop"],
        "skills": ["en"],
        "domains": [domain],
        "queues": [
            {**in_domain, "id": "help", "name": "Help", "requirements": [{"skill": "en"}], "wrapup_seconds": 300}
        ],
        "agents": [
            {**in_domain, "id": who, "name": who.title(), "skills": {"en": 3}, "phone": phone}
            for who in (*AGENTS, SUPERVISOR)
        ],
        "channels": [
            {
                **in_domain,
                "address": f"tel:{NUMBER[1:]}",
                "channel": "voice",
                "client": "shop",
                "queue": "help",
                "flow": "phone",
            }
        ],
        "prompts": [{**in_domain, "id": WELCOME, "files": {"en": "hello.wav"}}],
        "flows": [{**in_domain, "id": "phone", "welcome": WELCOME}],
        "recording": [{**in_domain, "id": "all", "consent": "none"}],
        "extensions": [{**in_domain, "id": EXTENSION, "agent": "eve"}],
    }


@asynccontextmanager
async def _at_work(centre: CallCentre, who: str) -> AsyncGenerator[Desk]:
    """Somebody at their desk, whose page is open."""
    token = centre.token("supervisor" if who == SUPERVISOR else "agent", who)
    headers = {"authorization": f"Bearer {token}"}
    client = httpx.AsyncClient(
        base_url=centre.url("router-api"), headers=headers, verify=NO_CERTIFICATES, timeout=_REQUEST_SECONDS
    )
    async with client:
        desk = Desk(who, client, centre.url(VOICE), centre.url("crm"))
        listening = asyncio.create_task(HttpDesk(client, who, SystemClock()).listen())
        try:
            yield desk
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def _phone(desk: Desk) -> tuple[str, str]:
    """The user and password of somebody's phone, once the node knows them."""
    answer = await desk.api.post(f"{desk.voice}/phone")
    _sure(answer.is_success and all(each["ready"] for each in answer.json()["nodes"]), answer.text)
    return answer.json()["endpoint_id"], answer.json()["password"]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _sure(is_so: object, what: str) -> None:
    if not is_so:
        raise AssertionError(what)
