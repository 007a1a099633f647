"""Why: of a live task, of an agent, and of where a task might go."""

from dataclasses import replace
from typing import Annotated, Final

from contracts.fields import Channel, Code, Id
from fastapi import APIRouter, Depends, Path, Query
from servicekit.auth import Principal
from servicekit.problems import ProblemError

from router.api.handlers import looks_over, place_of
from router.api.live import Place
from router.api.parts import Parts, PartsOf, require_or_key
from router.domain.explain_answers import AgentExplained, TargetExplained, TaskExplained

ROUTES: Final = APIRouter(tags=["explanations"])
Caller = Annotated[Principal, Depends(require_or_key("supervisor", "agent"))]
AgentId = Annotated[Id, Path(alias="agent_id")]
NO_TASK: Final = (
    "No live task has this id. What became of a task that has ended is told by its events: read the timeline of its "
    "interaction in the CRM."
)


@ROUTES.get("/tasks/{task_id}/explain", summary="Why is this task where it is?")
async def explain_task(caller: Caller, parts: PartsOf, task_id: Annotated[Id, Path()]) -> TaskExplained:
    """Why nobody has it yet, agent by agent counted, with all that changes over time; or who has it and why. Agents ask
    about tasks that they have, or have offered."""
    places = await _places(caller, parts)
    found = await parts.questions.ask(places, "task", task_id, TaskExplained)
    if found is None or not (looks_over(caller) or _concerns(found, caller.subject)):
        raise ProblemError(404, "task_not_live", NO_TASK)
    return found if looks_over(caller) else replace(found, refused_by=())


@ROUTES.get("/agents/{agent_id}/explain", summary="Why does this agent get nothing?")
async def explain_agent(caller: Caller, parts: PartsOf, agent_id: AgentId) -> AgentExplained:
    """What stands in the way, and which task would come first. Agents ask about themselves."""
    if not looks_over(caller) and agent_id != caller.subject:
        raise ProblemError(403, "role_missing", "Agents may ask about themselves only.")
    found = await parts.questions.ask(await _places(caller, parts), "agent", agent_id, AgentExplained)
    if found is None:
        raise ProblemError(404, "agent_unknown", "The engine knows no such agent.")
    return found


@ROUTES.get("/agents/{agent_id}/availability", summary="May a task be sent to this agent?")
async def agent_availability(caller: Caller, parts: PartsOf, agent_id: AgentId) -> TargetExplained:
    """Whether they are at work and free."""
    found = await parts.questions.ask(await _places(caller, parts), "agent_as_target", agent_id, TargetExplained)
    if found is None:
        raise ProblemError(404, "agent_unknown", "The engine knows no such agent.")
    return found


@ROUTES.get("/queues/{queue}/availability", summary="May a task be sent to this queue?")
async def queue_availability(
    caller: Caller,
    parts: PartsOf,
    queue: Annotated[Code, Path()],
    domain: Annotated[Id | None, Query(description="Needed where your tenant has several.")] = None,
    channel: Annotated[Channel | None, Query(description="Of the task that would be sent; none: of any.")] = None,
    client: Annotated[Id | None, Query(description="Likewise.")] = None,
) -> TargetExplained:
    """Whether it is open, how many agents who could serve it are at work and free, and the expected wait. An agent
    who asks is not counted: it is their task that would go there."""
    places = [place for place in await _places(caller, parts) if domain in {None, place.domain}]
    if len(places) > 1:
        raise ProblemError(422, "domain_missing", "Your tenant has several domains: say which one.")
    found = None
    if places:
        going = {"channel": channel, "client": client}
        going["apart_from"] = caller.subject if "agent" in caller.roles else None
        found = await parts.questions.ask(places, "queue_as_target", queue, TargetExplained, **going)
    if found is None:
        raise ProblemError(404, "queue_unknown", "The engine knows no queue of this name that takes tasks.")
    return found


def _concerns(found: TaskExplained, agent_id: str) -> bool:
    has = found.owner is not None and found.owner.agent_id == agent_id
    return has or any(offer.agent_id == agent_id for offer in found.offers)


async def _places(caller: Principal, parts: Parts) -> list[Place]:
    """The tenant's domains; for an agent the one where they work."""
    if looks_over(caller):
        return await parts.desk.places(caller.tenant_id)
    return [place_of(await parts.desk.seat(caller))]
