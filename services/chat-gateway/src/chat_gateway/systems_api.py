"""For supervisors and administrators, about tenants' own systems (the open channel): handing over once more what one
has taken, and sending again to one that had answered 410."""

from dataclasses import asdict

from contracts.fields import InstantMs
from fastapi import APIRouter
from gatewaykit.replay import Replay
from pydantic import BaseModel, ConfigDict, Field
from servicekit.auth import Principal
from servicekit.problems import ProblemError

from chat_gateway.account_acts import AccountActs, Manager
from chat_gateway.store import ChatStore
from chat_gateway.tenant_systems import TenantSystems


class Resumed(BaseModel):
    """What came of it."""

    address: str
    resumed: bool = Field(description="False: nothing was stopped.")


class ReplayRequest(BaseModel):
    """Since when, and how far the call before came."""

    model_config = ConfigDict(extra="forbid")

    since_ms: InstantMs = Field(description="What was handed over at this instant or later.")
    after: str = Field(
        "", pattern=r"^([0-9a-f-]{36})?$", description="Both from the answer of the call before; none at first."
    )


class ReplayAnswer(BaseModel):
    """How far this call came."""

    since_ms: int = Field(description="With `after` where the next call goes on.")
    after: str
    taken: int = Field(description="So many were taken again.")
    refused: int = Field(description="So many the system would not have again.")
    ended: bool = Field(description="There is nothing more.")
    wait_ms: int = Field(description="The system answered that it wants no more for so long, or not at all.")


class SystemsApi:
    """Whatever it does is audited."""

    def __init__(self, acts: AccountActs, store: ChatStore, systems: TenantSystems, replay: Replay) -> None:
        self._acts = acts
        self._store = store
        self._systems = systems
        self._replay = replay

    def router(self) -> APIRouter:
        """Routes under `/chat/v1`."""
        router = APIRouter(tags=["accounts"])
        router.add_api_route(
            "/addresses/{address:path}/resume",
            self.resume,
            methods=["POST"],
            summary="Send to the tenant's system again, which had answered 410",
        )
        router.add_api_route(
            "/addresses/{address:path}/replay",
            self.replay,
            methods=["POST"],
            summary="Hand over once more what the tenant's system has taken",
        )
        return router

    async def resume(self, address: str, manager: Manager) -> Resumed:
        """What failed meanwhile an agent may have sent again. Repeating it changes nothing."""
        self._acts.require_own(address, manager)
        async with self._store.transaction(manager.tenant_id) as tx:
            resumed = await tx.resume_sending(manager.tenant_id, address)
            if resumed:
                await self._acts.audit_in(tx, manager, "address.resume", address)
        return Resumed(address=address, resumed=resumed)

    async def replay(self, address: str, wanted: ReplayRequest, manager: Manager) -> ReplayAnswer:
        """At most 200 messages and about 20 seconds of them; what has failed, was reported as delivered, or is older
        than a week is not among them. Only where the same reference is the same message however late: the open
        channel."""
        carried = self._acts.carried(address, manager)
        if not carried.provider.capabilities.replays:
            detail = f"{carried.provider.name} would make two messages of one: nothing can be handed over again."
            raise ProblemError(409, "cannot_replay", detail)
        await self._require_sending(address, manager)
        await self._acts.audit(manager, "address.replay", address, wanted.model_dump(exclude_defaults=True))
        line = (manager.tenant_id, address)
        done = await self._replay.step(line, since_ms=wanted.since_ms, after=wanted.after)
        await self._require_sending(address, manager)  # else what was refused unasked would count as offered
        return ReplayAnswer(**asdict(done))

    async def _require_sending(self, address: str, manager: Principal) -> None:
        if address in await self._systems.stopped_since(manager.tenant_id):
            detail = "The system has answered 410, so nothing is sent to it: POST .../resume first."
            raise ProblemError(409, "sending_stopped", detail)
