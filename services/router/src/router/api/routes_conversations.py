"""Agents: what they do with a conversation beside talking: hold, park, transfer, consult, conference."""

from typing import Annotated, Final, Literal

from contracts.commands import ClockAgent, HoldTask, MoveTransfer, ParkTask, UnparkTask
from contracts.fields import Id
from fastapi import APIRouter, Body, Path
from starlette.responses import JSONResponse

from router.api.models import Clocking, CommandOutcome, Parking, TransferWish
from router.api.parts import AgentSeat, CommandId, PartsOf
from router.api.routes_agent import PENDING, AssignmentId, answer
from router.api.supervision import transfer_of

ROUTES: Final = APIRouter(tags=["agents"])
TransferId = Annotated[Id, Path(alias="transfer_id")]


@ROUTES.put("/me/clock", summary="Begin or end your shift", responses=PENDING, response_model=CommandOutcome)
async def clock(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, clocking: Clocking
) -> JSONResponse | CommandOutcome:
    """Ending it makes you not ready, once what you have is done."""
    command = ClockAgent(
        command_id=command_id, domain=seat.domain, agent_id=seat.agent_id, clocked_in=clocking.clocked_in
    )
    return answer(command_id, await parts.desk.submit(seat, command))


@ROUTES.post(
    "/assignments/{assignment_id}/hold", summary="Put on hold", responses=PENDING, response_model=CommandOutcome
)
async def hold(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, assignment_id: AssignmentId
) -> JSONResponse | CommandOutcome:
    """The customer waits; the time is counted."""
    return await _hold(seat, parts, command_id, assignment_id, held=True)


@ROUTES.post(
    "/assignments/{assignment_id}/retrieve", summary="Take off hold", responses=PENDING, response_model=CommandOutcome
)
async def retrieve(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, assignment_id: AssignmentId
) -> JSONResponse | CommandOutcome:
    """The customer is back."""
    return await _hold(seat, parts, command_id, assignment_id, held=False)


@ROUTES.post("/assignments/{assignment_id}/park", summary="Put aside", responses=PENDING, response_model=CommandOutcome)
async def park(
    seat: AgentSeat,
    parts: PartsOf,
    command_id: CommandId,
    assignment_id: AssignmentId,
    parking: Annotated[Parking, Body()] = Parking(),  # noqa: B008 - frozen
) -> JSONResponse | CommandOutcome:
    """It takes none of your capacity and comes back to you first, at a time or when the customer writes."""
    command = ParkTask(
        command_id=command_id,
        domain=seat.domain,
        agent_id=seat.agent_id,
        assignment_id=assignment_id,
        until_ms=parking.until_ms,
    )
    return answer(command_id, await parts.desk.submit(seat, command))


@ROUTES.post("/tasks/{task_id}/unpark", summary="Take up again", responses=PENDING, response_model=CommandOutcome)
async def unpark(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, task_id: Annotated[Id, Path()]
) -> JSONResponse | CommandOutcome:
    """A parked task waits for an agent again, you first."""
    command = UnparkTask(command_id=command_id, domain=seat.domain, agent_id=seat.agent_id, task_id=task_id)
    return answer(command_id, await parts.desk.submit(seat, command))


@ROUTES.post(
    "/assignments/{assignment_id}/transfer",
    summary="Transfer, or consult",
    responses=PENDING,
    response_model=CommandOutcome,
)
async def transfer(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, assignment_id: AssignmentId, wish: TransferWish
) -> JSONResponse | CommandOutcome:
    """To a queue, an agent, skills or the next tier. You stay until somebody accepts; `task_id` of the answer names the
    transfer. 409 `target_closed` or `target_unstaffed` unless `forced`."""
    command = transfer_of(seat, assignment_id, wish, command_id)
    return answer(command_id, await parts.desk.submit(seat, command))


@ROUTES.post(
    "/transfers/{transfer_id}/{move}", summary="Go on with a transfer", responses=PENDING, response_model=CommandOutcome
)
async def move_transfer(
    seat: AgentSeat,
    parts: PartsOf,
    command_id: CommandId,
    transfer_id: TransferId,
    move: Literal["complete", "conference", "cancel"],
) -> JSONResponse | CommandOutcome:
    """Hand over, let the customer in, or take it back."""
    command = MoveTransfer(
        command_id=command_id, domain=seat.domain, agent_id=seat.agent_id, transfer_id=transfer_id, move=move
    )
    return answer(command_id, await parts.desk.submit(seat, command))


async def _hold(
    seat: AgentSeat, parts: PartsOf, command_id: str, assignment_id: str, *, held: bool
) -> JSONResponse | CommandOutcome:
    command = HoldTask(
        command_id=command_id, domain=seat.domain, agent_id=seat.agent_id, assignment_id=assignment_id, held=held
    )
    return answer(command_id, await parts.desk.submit(seat, command))
