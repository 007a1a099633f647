"""What the API does."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from contracts.voice_parts import address_of
from servicekit.auth import Principal
from servicekit.ports import Ids
from servicekit.problems import ProblemError

from voice_gateway.drivers.simulated import SimulatedDriver
from voice_gateway.parts import Parts
from voice_gateway.resolving import endpoint_of
from voice_gateway.settings import VoiceNode
from voice_gateway.store import AskedPhone

KNOWN_SECONDS_MAX: Final = 5.0
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPhone:
    """A phone and its new password; `ready` are the nodes that know it by now."""

    kind: str
    endpoint_id: str
    password: str
    nodes: Sequence[VoiceNode]
    ready: Sequence[str]


async def give_phone(parts: Parts, principal: Principal) -> GivenPhone:
    """Make the agent's phone known under a new password at every node where phones register. Raises ProblemError."""
    tenant_id, agent_id = principal.tenant_id, principal.subject
    phone = parts.directory.phone(tenant_id, agent_id)
    if phone is None or phone.kind == "number":
        raise ProblemError(409, "phone_unknown", "The configuration gives this agent no phone that needs a password.")
    nodes = [owner.node for owner in parts.owners if owner.node.phones or owner.node.driver == "simulated"]
    endpoint_id, password, now_ms = endpoint_of(tenant_id, agent_id), _password(parts.ids), parts.clock.now_ms()
    async with parts.store.transaction(tenant_id) as tx:
        for node in nodes:
            await tx.ask_phone(
                AskedPhone(
                    tenant_id=tenant_id,
                    agent_id=agent_id,
                    node=node.name,
                    endpoint_id=endpoint_id,
                    browser=phone.kind == "browser",
                    password=password,
                    asked_at_ms=now_ms,
                )
            )
    for owner in parts.owners:
        owner.phones_wanted.set()
    ready = await _known(parts, principal, {node.name for node in nodes})
    return GivenPhone(kind=phone.kind, endpoint_id=endpoint_id, password=password, nodes=nodes, ready=ready)


async def _known(parts: Parts, principal: Principal, wanted: set[str]) -> list[str]:
    """The nodes that know the phone, once all do or after a while: one may be away."""
    until_ms = parts.clock.now_ms() + round(1000 * KNOWN_SECONDS_MAX)
    while True:
        async with parts.store.transaction(principal.tenant_id) as tx:
            known = await tx.phones_done(principal.tenant_id, principal.subject)
        if wanted <= set(known) or parts.clock.now_ms() >= until_ms:
            return [name for name in known if name in wanted]
        await parts.clock.sleep(LOOK_SECONDS)


def simulated(parts: Parts) -> SimulatedDriver:
    """The simulated node that this replica runs. Raises ProblemError."""
    for owner in parts.owners:
        if isinstance(owner.driver, SimulatedDriver):
            return owner.driver
    raise ProblemError(503, "node_away", "No simulated node is run here now. Try again in a moment.")


def own_number(parts: Parts, principal: Principal, number: str) -> str:
    """A number of the caller's tenant. Raises ProblemError."""
    found = parts.directory.address(address_of(number))
    if found is None or found[0] != principal.tenant_id:
        raise ProblemError(404, "number_unknown", "The configuration has no such number of the channel `voice`.")
    return number


def _password(ids: Ids) -> str:
    """Of two ids, which have 74 random bits each."""
    digest = sha256(f"{ids.new_id()}{ids.new_id()}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
