"""Agents: what they say in writing, and what they need to know for it. The same calls for every channel."""

from typing import Annotated, Final

from contracts.channel_limits import FILE_BYTES_MAX
from contracts.fields import Code, Id
from fastapi import APIRouter, Path, Query
from starlette.requests import Request

from router.api.models import RequestTaken
from router.api.models_written import (
    ChannelView,
    FileLink,
    FileName,
    Join,
    MessageRequest,
    MessageTaken,
    ReplyView,
    Split,
    TemplateView,
    Upload,
)
from router.api.parts import AgentSeat, CommandId, PartsOf
from router.api.routes_agent import AssignmentId

ROUTES: Final = APIRouter(tags=["agents"])
FILES_PATH: Final = "/assignments/{assignment_id}/files"
UPLOAD_BYTES_MAX: Final = FILE_BYTES_MAX
"""What no channel carries is not even read; each channel has its own bound."""
Language = Annotated[Code | None, Query(description="None: the customer's, if it is known. `any`: all.")]


@ROUTES.post("/assignments/{assignment_id}/messages", summary="Say something to the customer", status_code=202)
async def send_message(
    seat: AgentSeat, parts: PartsOf, assignment_id: AssignmentId, message: MessageRequest
) -> MessageTaken:
    """Hand a message to the gateway of the conversation's channel; whether it was sent is told on the socket.

    422 `channel_cannot` names everything that the channel does not carry; 409 `window_closed`: only a template goes.
    """
    await parts.conversations.say(seat, assignment_id, message)
    return MessageTaken(message_id=message.message_id)


@ROUTES.get("/assignments/{assignment_id}/channel", summary="What the channel can carry now")
async def channel(seat: AgentSeat, parts: PartsOf, assignment_id: AssignmentId) -> ChannelView:
    """Length of texts, files, templates, how to reply, what is told of a message, and whether free text may be sent."""
    return await parts.conversations.channel(seat, assignment_id)


@ROUTES.get("/assignments/{assignment_id}/templates", summary="Templates to choose from")
async def templates(
    seat: AgentSeat, parts: PartsOf, assignment_id: AssignmentId, language: Language = None
) -> list[TemplateView]:
    """Those of the conversation's address: what may be sent when the window is closed."""
    return await parts.conversations.templates(seat, assignment_id, language)


@ROUTES.get("/assignments/{assignment_id}/replies", summary="Canned replies to choose from")
async def replies(
    seat: AgentSeat, parts: PartsOf, assignment_id: AssignmentId, language: Language = None
) -> list[ReplyView]:
    """Those for the conversation's channel, queue and language. Fill what is `missing` from the CRM, or ask."""
    return await parts.conversations.replies(seat, assignment_id, language)


@ROUTES.post(
    FILES_PATH,
    summary="Give a file to be sent",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
async def upload(
    seat: AgentSeat,
    parts: PartsOf,
    assignment_id: AssignmentId,
    request: Request,
    name: Annotated[FileName, Query(description="As the customer sees it.")],
) -> Upload:
    """The body is the file. What it is, is seen from its bytes; the channel says which and how large. Name its id in a
    message within a day."""
    found = await parts.conversations.of(seat, assignment_id)
    conversation = (found.assignment.interaction_id, found.assignment.channel, found.limits)
    return await parts.uploads.take(seat, conversation, name, request.stream())


@ROUTES.get("/assignments/{assignment_id}/files/{blob_id}", summary="A link to a file of a message")
async def file_link(
    seat: AgentSeat,
    parts: PartsOf,
    assignment_id: AssignmentId,
    blob_id: Annotated[Id, Path()],
    *,
    name: Annotated[FileName, Query(description="As which it is saved.")] = "file",
    inline: Annotated[bool, Query(description="To be shown in place; pictures, sounds and films alone are.")] = False,
) -> FileLink:
    """Good for five minutes, without a token. Who has a conversation may see the files of the tenant's messages, as
    they may read the messages in the CRM."""
    await parts.conversations.of(seat, assignment_id)
    return await parts.uploads.link(seat.tenant_id, blob_id, name, inline=inline)


@ROUTES.post(
    "/assignments/{assignment_id}/messages/{message_id}/resend", summary="Send a message again", status_code=202
)
async def resend(
    seat: AgentSeat,
    parts: PartsOf,
    command_id: CommandId,
    assignment_id: AssignmentId,
    message_id: Annotated[Id, Path()],
) -> RequestTaken:
    """One that failed, or of which nobody knows whether it was sent: the customer may get it twice."""
    await parts.conversations.resend(seat, assignment_id, message_id, command_id)
    return RequestTaken(request_id=command_id)


@ROUTES.post("/assignments/{assignment_id}/split", summary="Split the conversation", status_code=202)
async def split(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, assignment_id: AssignmentId, wanted: Split
) -> RequestTaken:
    """These messages are about something else: they become a conversation of their own. `message.moved` follows."""
    await parts.conversations.split(seat, assignment_id, wanted.message_ids, command_id)
    return RequestTaken(request_id=command_id)


@ROUTES.post("/assignments/{assignment_id}/join", summary="Join another conversation", status_code=202)
async def join(
    seat: AgentSeat, parts: PartsOf, command_id: CommandId, assignment_id: AssignmentId, wanted: Join
) -> RequestTaken:
    """What was said in another one of the same customer comes into this one; the other ends."""
    await parts.conversations.join(seat, assignment_id, wanted.interaction_id, command_id)
    return RequestTaken(request_id=command_id)
