"""Supervisors: what goes on now, and what they do about it. Everything they do is audited."""

from typing import Annotated, Final

from contracts.fields import Code, Id
from fastapi import APIRouter, Body, Depends, Path, Query
from servicekit.auth import Principal, require
from starlette.responses import JSONResponse

from router.api.models import (
    AgentsStateChoice,
    CallbackWish,
    Clocking,
    CommandOutcome,
    Finish,
    InDomain,
    Live,
    Override,
    RequestTaken,
    Rerouting,
    TaskWish,
    TransferWish,
)
from router.api.parts import AuditedAct, PartsOf, require_or_key
from router.api.routes_agent import PENDING, AssignmentId, answer
from router.api.routes_conversations import TransferId

ROUTES: Final = APIRouter(tags=["supervisors"])
Supervisor = Annotated[Principal, Depends(require("supervisor"))]
AgentId = Annotated[Id, Path(alias="agent_id")]
TaskId = Annotated[Id, Path(alias="task_id")]


@ROUTES.get("/live", summary="Queues and agents now")
async def live(principal: Annotated[Principal, Depends(require_or_key("supervisor"))], parts: PartsOf) -> Live:
    """All domains of your tenant."""
    return await parts.desk.live(await parts.desk.places(principal.tenant_id))


@ROUTES.put(
    "/agents/{agent_id}/state", summary="Choose an agent's state", responses=PENDING, response_model=CommandOutcome
)
async def set_agents_state(
    principal: Supervisor, parts: PartsOf, act: AuditedAct, agent_id: AgentId, choice: AgentsStateChoice
) -> JSONResponse | CommandOutcome:
    """At once, also during an offer (which is rescinded) or a conversation, unless `when` is `when_free`."""
    return answer(*await parts.supervision.set_state(principal, agent_id, choice, act))


@ROUTES.post(
    "/agents/{agent_id}/drain", summary="Let an agent finish", responses=PENDING, response_model=CommandOutcome
)
async def drain(
    principal: Supervisor, parts: PartsOf, act: AuditedAct, agent_id: AgentId
) -> JSONResponse | CommandOutcome:
    """No new work from now on; not ready when the last task is done."""
    return answer(*await parts.supervision.drain(principal, agent_id, act))


@ROUTES.put(
    "/agents/{agent_id}/clock",
    summary="Begin or end an agent's shift",
    responses=PENDING,
    response_model=CommandOutcome,
)
async def clock_agent(
    principal: Supervisor, parts: PartsOf, act: AuditedAct, agent_id: AgentId, clocking: Clocking
) -> JSONResponse | CommandOutcome:
    """For the agent who forgot."""
    decided = await parts.supervision.clock_agent(principal, agent_id, act, clocked_in=clocking.clocked_in)
    return answer(*decided)


@ROUTES.post(
    "/agents/{agent_id}/assignments/{assignment_id}/reassign",
    summary="Give a conversation to somebody else",
    responses=PENDING,
    response_model=CommandOutcome,
)
async def reassign(
    principal: Supervisor,
    parts: PartsOf,
    act: AuditedAct,
    agent_id: AgentId,
    assignment_id: AssignmentId,
    wish: TransferWish,
) -> JSONResponse | CommandOutcome:
    """The agent keeps it until somebody has accepted."""
    decided = await parts.supervision.reassign(principal, agent_id, assignment_id, wish, act)
    return answer(*decided)


@ROUTES.post(
    "/agents/{agent_id}/transfers/{transfer_id}/cancel",
    summary="Take an agent's transfer back",
    responses=PENDING,
    response_model=CommandOutcome,
)
async def cancel_transfer(
    principal: Supervisor, parts: PartsOf, act: AuditedAct, agent_id: AgentId, transfer_id: TransferId
) -> JSONResponse | CommandOutcome:
    """The agent, who has asked for it, keeps the conversation."""
    return answer(*await parts.supervision.cancel_transfer(principal, agent_id, transfer_id, act))


@ROUTES.post(
    "/tasks/{task_id}/resume", summary="Take a parked task up", responses=PENDING, response_model=CommandOutcome
)
async def resume(
    principal: Supervisor,
    parts: PartsOf,
    act: AuditedAct,
    task_id: TaskId,
    wish: Annotated[InDomain, Body()] = InDomain(),  # noqa: B008 - frozen
) -> JSONResponse | CommandOutcome:
    """It waits for an agent again, for the one who parked it first."""
    return answer(*await parts.supervision.unpark(principal, task_id, wish, act))


@ROUTES.post(
    "/tasks/{task_id}/reroute", summary="Move a waiting task", responses=PENDING, response_model=CommandOutcome
)
async def reroute(
    principal: Supervisor, parts: PartsOf, act: AuditedAct, task_id: TaskId, wish: Rerouting
) -> JSONResponse | CommandOutcome:
    """To another queue, to one agent, up or down; its waiting time stays."""
    return answer(*await parts.supervision.reroute(principal, task_id, wish, act))


@ROUTES.post("/tasks/{task_id}/finish", summary="End a stuck task", responses=PENDING, response_model=CommandOutcome)
async def finish(
    principal: Supervisor,
    parts: PartsOf,
    act: AuditedAct,
    task_id: TaskId,
    wish: Annotated[Finish, Body()] = Finish(),  # noqa: B008 - frozen
) -> JSONResponse | CommandOutcome:
    """Whatever its state; the conversation ends."""
    return answer(*await parts.supervision.finish(principal, task_id, wish, act))


@ROUTES.put("/queues/{queue}/override", summary="Overrule a queue", responses=PENDING, response_model=CommandOutcome)
async def override(
    principal: Supervisor, parts: PartsOf, act: AuditedAct, queue: Annotated[Code, Path()], wish: Override
) -> JSONResponse | CommandOutcome:
    """Close it at once, open it again (an empty override), or give it another priority."""
    return answer(*await parts.supervision.override(principal, queue, wish, act))


@ROUTES.put("/override", summary="Overrule all queues", responses=PENDING, response_model=CommandOutcome)
async def override_all(
    principal: Supervisor, parts: PartsOf, act: AuditedAct, wish: Override
) -> JSONResponse | CommandOutcome:
    """The emergency closing of a domain, and its end."""
    return answer(*await parts.supervision.override(principal, None, wish, act))


@ROUTES.post("/task-requests", summary="Ask for a callback, a case, a call", status_code=202)
async def request_task(
    principal: Annotated[Principal, Depends(require_or_key("supervisor", "agent"))], parts: PartsOf, wish: TaskWish
) -> RequestTaken:
    """At once or at a time, for one agent first if named. The same `request_id` again changes nothing."""
    await parts.supervision.request_task(principal, wish)
    return RequestTaken(request_id=wish.request_id)


@ROUTES.post("/interactions/{interaction_id}/callback", summary="Keep the place, call back", status_code=202)
async def request_callback(
    principal: Annotated[Principal, Depends(require_or_key("supervisor"))],
    parts: PartsOf,
    interaction_id: Annotated[Id, Path()],
    wish: CallbackWish,
) -> RequestTaken:
    """The customer who waits may hang up."""
    await parts.supervision.request_callback(principal, interaction_id, wish)
    return RequestTaken(request_id=wish.request_id)


@ROUTES.delete(
    "/interactions/{interaction_id}/callback",
    summary="Do not call back any more",
    responses=PENDING,
    response_model=CommandOutcome,
)
async def cancel_callback(
    principal: Annotated[Principal, Depends(require_or_key("supervisor", "agent"))],
    parts: PartsOf,
    act: AuditedAct,
    interaction_id: Annotated[Id, Path()],
    domain: Annotated[Id | None, Query(description="Needed where your tenant has several.")] = None,
    task_id: Annotated[
        Id | None, Query(description="Of the callback: no later one of the interaction is meant.")
    ] = None,
) -> JSONResponse | CommandOutcome:
    """The customer has thought better of it: a callback that nobody has accepted yet ends, also a scheduled one."""
    cancelled = await parts.supervision.cancel_callback(principal, interaction_id, act, domain=domain, task_id=task_id)
    return answer(*cancelled)
