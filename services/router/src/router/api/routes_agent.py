"""Agents: their desk, offers, assignments. Everybody works as the subject of their token, nobody as somebody else."""

from typing import Annotated, Any, Final

from contracts.agents import CommandResult
from contracts.commands import AcceptOffer, CompleteTask, EndTask, RejectOffer
from contracts.configuration import Disposition
from contracts.fields import Id
from fastapi import APIRouter, Body, Depends, Path
from servicekit.auth import Principal, require
from servicekit.tickets import TICKET_SECONDS
from starlette.responses import JSONResponse

from router.api.models import (
    CommandOutcome,
    CommandPending,
    Completion,
    Ending,
    Me,
    Rejection,
    StateChoice,
    Ticket,
)
from router.api.parts import AgentSeat, CommandId, PartsOf, require_or_key

ROUTES: Final = APIRouter(tags=["agents"])
PENDING: Final[dict[int | str, dict[str, Any]]] = {  # Any: FastAPI's own type
    202: {"model": CommandPending, "description": "Kept, but not decided in time: ask /commands/{command_id}."}
}
OfferId = Annotated[Id, Path(alias="offer_id")]
AssignmentId = Annotated[Id, Path(alias="assignment_id")]


@ROUTES.get("/me", summary="Your desk")
async def me(seat: AgentSeat, parts: PartsOf) -> Me:
    """Your state, offers and assignments, and the number from which to open the socket."""
    return await parts.desk.me(seat)


@ROUTES.get("/me/dispositions", summary="Dispositions to choose from")
async def dispositions(seat: AgentSeat, parts: PartsOf) -> list[Disposition]:
    """The coded outcomes of your domain; none listed means that any code is taken."""
    return await parts.desk.dispositions(seat)


@ROUTES.put("/me/state", summary="Choose your state", responses=PENDING, response_model=CommandOutcome)
async def set_my_state(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, choice: StateChoice
) -> JSONResponse | CommandOutcome:
    """Ready or not ready; during an offer or a conversation it takes effect when that has ended."""
    return answer(command_id, await parts.desk.set_state(seat, choice, command_id))


@ROUTES.post("/offers/{offer_id}/accept", summary="Accept an offer", responses=PENDING, response_model=CommandOutcome)
async def accept(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, offer_id: OfferId
) -> JSONResponse | CommandOutcome:
    """Take the task; a stale offer is 409."""
    command = AcceptOffer(command_id=command_id, domain=seat.domain, agent_id=seat.agent_id, offer_id=offer_id)
    return answer(command_id, await parts.desk.submit(seat, command))


@ROUTES.post("/offers/{offer_id}/reject", summary="Decline an offer", responses=PENDING, response_model=CommandOutcome)
async def reject(
    seat: AgentSeat,
    parts: PartsOf,
    command_id: CommandId,
    offer_id: OfferId,
    rejection: Annotated[Rejection, Body()] = Rejection(),  # noqa: B008 - frozen
) -> JSONResponse | CommandOutcome:
    """The task takes its old place in line and is not offered to you again for a while."""
    command = RejectOffer(
        command_id=command_id,
        domain=seat.domain,
        agent_id=seat.agent_id,
        offer_id=offer_id,
        reason=rejection.reason,
    )
    return answer(command_id, await parts.desk.submit(seat, command))


@ROUTES.post("/assignments/{assignment_id}/typing", summary="You are typing", status_code=204)
async def typing(seat: AgentSeat, parts: PartsOf, assignment_id: AssignmentId) -> None:
    """Shown to the customer for a moment; not kept."""
    await parts.desk.typing(seat, assignment_id)


@ROUTES.post(
    "/assignments/{assignment_id}/end", summary="End the conversation", responses=PENDING, response_model=CommandOutcome
)
async def end(
    seat: AgentSeat,
    parts: PartsOf,
    command_id: CommandId,
    assignment_id: AssignmentId,
    ending: Annotated[Ending, Body()] = Ending(),  # noqa: B008 - frozen
) -> JSONResponse | CommandOutcome:
    """Go to wrap-up; a disposition that is known already may say how long it lasts."""
    command = EndTask(
        command_id=command_id,
        domain=seat.domain,
        agent_id=seat.agent_id,
        assignment_id=assignment_id,
        then=ending.then,
        seen_number=ending.seen_number,
        disposition=ending.disposition,
    )
    return answer(command_id, await parts.desk.submit(seat, command))


@ROUTES.post(
    "/assignments/{assignment_id}/complete",
    summary="Complete the task",
    responses=PENDING,
    response_model=CommandOutcome,
)
async def complete(
    seat: AgentSeat,
    parts: PartsOf,
    command_id: CommandId,
    assignment_id: AssignmentId,
    completion: Annotated[Completion, Body()] = Completion(),  # noqa: B008 - frozen
) -> JSONResponse | CommandOutcome:
    """Be done with it, from the conversation or from wrap-up."""
    command = CompleteTask(
        command_id=command_id,
        domain=seat.domain,
        agent_id=seat.agent_id,
        assignment_id=assignment_id,
        disposition=completion.disposition,
        then=completion.then,
        seen_number=completion.seen_number,
    )
    return answer(command_id, await parts.desk.submit(seat, command))


@ROUTES.get("/commands/{command_id}", summary="What became of a command")
async def command_result(
    principal: Annotated[Principal, Depends(require_or_key("agent", "supervisor"))],
    parts: PartsOf,
    command_id: Annotated[Id, Path()],
) -> CommandOutcome:
    """The result of a command that took longer, or of a request by its `request_id`: for supervisors and whoever
    asked. 404 while it is not known here, a refusal as the problem it was."""
    return outcome(await parts.desk.result(principal, command_id))


@ROUTES.post("/socket-tickets", summary="A ticket for a WebSocket", status_code=201)
async def socket_ticket(
    principal: Annotated[Principal, Depends(require("agent", "supervisor"))], parts: PartsOf
) -> Ticket:
    """Opens one socket within 30 seconds."""
    return Ticket(ticket=await parts.tickets.issue(principal), expires_in_seconds=TICKET_SECONDS)


def answer(command_id: str, result: CommandResult | None) -> JSONResponse | CommandOutcome:
    """200 with the outcome, or 202 when there is none yet."""
    if result is None:
        return JSONResponse(CommandPending(command_id=command_id).model_dump(), status_code=202)
    return outcome(result)


def outcome(result: CommandResult) -> CommandOutcome:
    """A result that is no refusal."""
    return CommandOutcome(command_id=result.command_id, assignment_id=result.assignment_id, task_id=result.task_id)
