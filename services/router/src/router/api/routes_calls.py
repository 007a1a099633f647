"""Calls: what agents do in theirs, supervisors in agents', and integrators after them. All of it goes to the voice
gateway; events `call.*` tell what came of it, `call.command_refused` what did not."""

from typing import Annotated, Final

from contracts.fields import Id
from fastapi import APIRouter, Depends, Path
from servicekit.auth import Principal

from router.api.models import RequestTaken
from router.api.models_calls import KeysPressed, Muting, RecordingPause, SupervisionWish, TranscriptWish
from router.api.parts import AgentSeat, AuditedAct, CommandId, PartsOf, require_or_key
from router.api.routes_agent import AssignmentId
from router.api.routes_supervisor import AgentId, Supervisor

ROUTES: Final = APIRouter(tags=["calls"])
CALL: Final = "/assignments/{assignment_id}/call"
SUPERVISION: Final = "/agents/{agent_id}/assignments/{assignment_id}/supervision"


@ROUTES.post(f"{CALL}/keys", summary="Press keys", status_code=202)
async def send_keys(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, assignment_id: AssignmentId, pressed: KeysPressed
) -> RequestTaken:
    """The other side hears them: a machine that asks, perhaps. 409 `role_forbids` for who helps unseen."""
    await parts.calls.send_keys(seat, assignment_id, pressed.keys, command_id)
    return RequestTaken(request_id=command_id)


@ROUTES.put(f"{CALL}/mute", summary="Mute yourself", status_code=202)
async def mute(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, assignment_id: AssignmentId, muting: Muting
) -> RequestTaken:
    """Nobody hears you, or they do again."""
    await parts.calls.mute(seat, assignment_id, command_id, muted=muting.muted)
    return RequestTaken(request_id=command_id)


@ROUTES.put(f"{CALL}/recording", summary="Pause the recording", status_code=202)
async def pause_recording(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, assignment_id: AssignmentId, pause: RecordingPause
) -> RequestTaken:
    """What is said meanwhile, card data perhaps, is not in it. `call.recording_changed` follows."""
    await parts.calls.pause_recording(seat, assignment_id, command_id, paused=pause.paused)
    return RequestTaken(request_id=command_id)


@ROUTES.delete(f"{CALL}/legs/{{leg_id}}", summary="Put somebody out of the call", status_code=202)
async def drop_leg(
    seat: AgentSeat,
    parts: PartsOf,
    command_id: CommandId,
    assignment_id: AssignmentId,
    leg_id: Annotated[Id, Path()],
) -> RequestTaken:
    """Events `call.leg_started` name the legs. The customer's is not yours to drop: end the conversation."""
    await parts.calls.drop_leg(seat, assignment_id, leg_id, command_id)
    return RequestTaken(request_id=command_id)


@ROUTES.post(SUPERVISION, summary="Listen to a call, or take part", status_code=202, tags=["supervisors"])
async def supervise(
    supervisor: Supervisor,
    parts: PartsOf,
    act: AuditedAct,
    agent_id: AgentId,
    assignment_id: AssignmentId,
    wish: SupervisionWish,
) -> RequestTaken:
    """Your phone rings; asked again with another mode it changes to that. 409 `no_phone` if the configuration has none
    for you, 403 `client_forbidden` if it names clients whom you serve and this is none of them."""
    return RequestTaken(request_id=await parts.calls.supervise(supervisor, agent_id, assignment_id, wish.mode, act))


@ROUTES.delete(SUPERVISION, summary="Leave an agent's call", status_code=202, tags=["supervisors"])
async def end_supervision(
    supervisor: Supervisor, parts: PartsOf, act: AuditedAct, agent_id: AgentId, assignment_id: AssignmentId
) -> RequestTaken:
    """Your phone leaves it; hanging up does the same."""
    return RequestTaken(request_id=await parts.calls.supervise(supervisor, agent_id, assignment_id, "over", act))


@ROUTES.post("/interactions/{interaction_id}/transcripts", summary="Attach a transcript", status_code=202)
async def attach_transcript(
    principal: Annotated[Principal, Depends(require_or_key())],
    parts: PartsOf,
    act: AuditedAct,
    interaction_id: Annotated[Id, Path()],
    wish: TranscriptWish,
) -> RequestTaken:
    """Of a call, also one that is over. It comes into the customer's timeline with `call.transcript_attached`."""
    return RequestTaken(request_id=await parts.calls.attach_transcript(principal, interaction_id, wish, act))
