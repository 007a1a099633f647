"""Supervisors: what goes on now, and agents' states."""

from typing import Annotated, Final

from contracts.fields import Id
from fastapi import APIRouter, Depends, Path
from servicekit.auth import Principal, require
from starlette.responses import JSONResponse

from router.api.models import CommandOutcome, Live, StateChoice
from router.api.parts import CommandId, PartsOf, require_or_key
from router.api.routes_agent import PENDING, answer

ROUTES: Final = APIRouter(tags=["supervisors"])


@ROUTES.get("/live", summary="Queues and agents now")
async def live(principal: Annotated[Principal, Depends(require_or_key("supervisor"))], parts: PartsOf) -> Live:
    """All domains of your tenant."""
    return await parts.desk.live(await parts.desk.places(principal.tenant_id))


@ROUTES.put(
    "/agents/{agent_id}/state", summary="Choose an agent's state", responses=PENDING, response_model=CommandOutcome
)
async def set_agents_state(
    principal: Annotated[Principal, Depends(require("supervisor"))],
    parts: PartsOf,
    command_id: CommandId,
    agent_id: Annotated[Id, Path()],
    choice: StateChoice,
) -> JSONResponse | CommandOutcome:
    """Audited."""
    return answer(command_id, await parts.desk.set_agents_state(principal, agent_id, choice, command_id))
