"""What agents' phones and operators ask for; and a simulated node's other side: customers' calls, phones' buttons."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field
from servicekit.auth import Principal, require
from servicekit.store import EVERY_TENANT

from voice_gateway import handlers
from voice_gateway.domain.words import Party
from voice_gateway.drivers.phones import Phones
from voice_gateway.parts import Parts
from voice_gateway.resolving import endpoint_of
from voice_gateway.settings import VoiceNode

MINE: Final = "mine"
Called = Annotated[Principal, Depends(require("agent", "supervisor"))]
Admin = Annotated[Principal, Depends(require("admin"))]
Anybody = Annotated[Principal, Depends(require("agent", "supervisor", "admin"))]
PhoneName = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9+._-]+$")]
Button = Literal["answer", "decline", "hang_up", "hold", "keys"]
Number = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^\+?[0-9A-Za-z._-]+$")]


class PhonePlaceLine(BaseModel):
    """Where the phone registers."""

    node: str
    ready: bool = Field(description="The node knows the new password; else it will as soon as it is there.")
    domain: str | None = None
    websocket_url: str | None = Field(None, description="Of a browser: SIP over WebSocket.")
    sip_url: str | None = None
    ice_servers: list[dict[str, object]] = Field(default_factory=list)


class PhoneCredentials(BaseModel):
    """The agent's phone; `url`, `domain` and `ice_servers` are those of the first node, for who registers at one."""

    kind: str = Field(description="`sip`, `browser`, or `simulated`: there is no telephone, its buttons are requests.")
    endpoint_id: str = Field(description="The user.")
    password: str = Field(description="Shown once; the one before does not count any more.")
    url: str | None = None
    domain: str | None = None
    ice_servers: list[dict[str, object]] = Field(default_factory=list)
    nodes: list[PhonePlaceLine]


class NodeLine(BaseModel):
    """A node of telephony."""

    node: str
    driver: str
    owned: bool = Field(description="A replica runs it.")
    connected: bool = Field(description="It can be heard and commanded.")


class NodeList(BaseModel):
    """All that were ever run."""

    nodes: list[NodeLine]


class SimulatedCall(BaseModel):
    """Who calls whom."""

    model_config = ConfigDict(extra="forbid")

    number: Number = Field(description="A number of the tenant's that somebody dials.")
    caller: Number = Field("+390000000001", description="Whose phone it is; one phone makes one call at a time.")
    name: str | None = Field(None, max_length=80)


class SimulatedPhone(BaseModel):
    """A phone of a simulated node, as it is now."""

    phone: str
    rings: bool
    talks: bool
    shown: str | None = Field(description="The number that it shows while it rings.")
    hears: list[str] = Field(description="Phones that it hears, sounds, `music`, `ringing`.")
    keys: str = Field(description="Keys that were sent to it.")


class Press(BaseModel):
    """What a button needs."""

    model_config = ConfigDict(extra="forbid")

    keys: str = Field("", max_length=40, pattern=r"^[0-9A-D*#]*$")
    held: bool = True


def create_router(parts: Parts, *, simulates: bool) -> APIRouter:
    """The routes of /voice/v1; those of simulated phones only where a node is simulated."""
    routes, actions = APIRouter(tags=["voice"]), _Actions(parts)
    routes.post("/phone", summary="A new password for one's phone")(actions.phone)
    routes.get("/nodes", summary="How the nodes of telephony are")(actions.nodes)
    if simulates:
        routes.post("/simulated/calls", summary="Have a simulated customer call", status_code=201)(actions.call)
        routes.get("/simulated/phones/{phone}", summary="A simulated phone")(actions.seen)
        routes.post("/simulated/phones/{phone}/{button}", summary="Press a button of a simulated phone")(actions.press)
    return routes


class _Actions:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def phone(self, principal: Called) -> PhoneCredentials:
        """At every node where phones register; one that is away gets it when it is back."""
        given = await handlers.give_phone(self._parts, principal)
        lines = [_place(node, ready=node.name in given.ready) for node in given.nodes]
        first = lines[0] if lines else PhonePlaceLine(node="", ready=False)
        is_simulated = any(node.driver == "simulated" for node in given.nodes)
        return PhoneCredentials(
            kind="simulated" if is_simulated else given.kind,
            endpoint_id=given.endpoint_id,
            password=given.password,
            url=first.websocket_url if given.kind == "browser" else first.sip_url,
            domain=first.domain,
            ice_servers=first.ice_servers,
            nodes=lines,
        )

    async def nodes(self, principal: Admin) -> NodeList:
        """As their owners told last, whichever replica they are."""
        async with self._parts.store.transaction(EVERY_TENANT) as tx:
            found = await tx.nodes(now_ms=self._parts.clock.now_ms())
        rows = [NodeLine(node=row.node, driver=row.driver, owned=row.owned, connected=row.connected) for row in found]
        return NodeList(nodes=rows)

    async def call(self, principal: Anybody, wanted: SimulatedCall) -> SimulatedPhone:
        """There is no telephone: the call is made in memory, and goes its whole way from there."""
        phones = handlers.simulated(self._parts).phones
        number = handlers.own_number(self._parts, principal, wanted.number)
        phones.call(wanted.caller, number, Party(number=wanted.caller, name=wanted.name))
        return _seen(phones, wanted.caller)

    async def seen(self, principal: Anybody, phone: PhoneName) -> SimulatedPhone:
        """`mine` is the agent's own."""
        return _seen(handlers.simulated(self._parts).phones, _named(principal, phone))

    async def press(
        self, principal: Anybody, phone: PhoneName, button: Button, wanted: Press | None = None
    ) -> SimulatedPhone:
        """What does not fit changes nothing: to answer a phone that does not ring."""
        phones, name, press = handlers.simulated(self._parts).phones, _named(principal, phone), wanted or Press()
        match button:
            case "answer":
                phones.answer(name)
            case "decline":
                phones.decline(name)
            case "hang_up":
                phones.hang_up(name)
            case "hold":
                phones.hold(name, held=press.held)
            case "keys":
                phones.press(name, press.keys)
        return _seen(phones, name)


def _named(principal: Principal, phone: str) -> str:
    return endpoint_of(principal.tenant_id, principal.subject) if phone == MINE else phone


def _seen(phones: Phones, name: str) -> SimulatedPhone:
    line = phones.line(name)
    return SimulatedPhone(
        phone=name,
        rings=line.rings,
        talks=line.talks,
        shown=line.invited.shown.number if line.invited else None,
        hears=sorted(phones.hears(name)),
        keys=line.keys,
    )


def _place(node: VoiceNode, *, ready: bool) -> PhonePlaceLine:
    if node.phones is None:
        return PhonePlaceLine(node=node.name, ready=ready)
    return PhonePlaceLine(node=node.name, ready=ready, **node.phones.model_dump())
