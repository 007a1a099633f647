"""The frames on a visitor's WebSocket; the README has the table."""

import json
from typing import Annotated, Final, Literal

from gatewaykit.domain.records import Conversation, Message
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from chat_gateway.store import PlaceInLine

TEXT_MAX: Final = 4000
ID_MAX: Final = 64
FRAME_BYTES_MAX: Final = 16 * 1024
NUMBER_MAX: Final = 2**31 - 1

Frame = dict[str, object]


class FrameError(Exception):
    """The visitor's frame was refused; `code` is for the page, `reason` for its developer."""

    def __init__(self, code: str, reason: str, client_message_id: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.client_message_id = client_message_id


def _said(text: str) -> str:
    if not text.strip() or "\x00" in text:
        raise ValueError("text is empty or holds NUL")
    return text


class _ClientFrame(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MessageFrame(_ClientFrame):
    """The customer says something; the same `client_message_id` again gets the same acknowledgement."""

    type: Literal["message"]
    client_message_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    text: Annotated[str, Field(max_length=TEXT_MAX), AfterValidator(_said)]


class DeliveredFrame(_ClientFrame):
    """The device has every message up to `number`."""

    type: Literal["delivered"]
    number: Annotated[int, Field(ge=1, le=NUMBER_MAX)]


class SignalFrame(_ClientFrame):
    """typing: the customer writes; end: the customer ends the chat; callback: who waits asks to be called back; ping:
    the page is alive."""

    type: Literal["typing", "end", "callback", "ping"]


ClientFrame = MessageFrame | DeliveredFrame | SignalFrame
_CLIENT: Final = TypeAdapter[ClientFrame](Annotated[ClientFrame, Field(discriminator="type")])


def read_frame(raw: str) -> ClientFrame:
    """What the client wants. Raises FrameError."""
    try:
        return _CLIENT.validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        path = "/".join(map(str, first["loc"]))
        code, reason = "bad_frame", f"/{path}: {first['msg']}"
        if first["type"] == "string_too_long" and path.endswith("text"):
            code, reason = "text_too_long", f"A message has at most {TEXT_MAX} characters."
        raise FrameError(code, reason, _client_message_id(raw)) from None


def hello(conversation: Conversation | None, queues: list[dict[str, str]], *, callbacks: bool) -> Frame:
    """The first frame: the state, the number of the last message, the queues to choose from, whether callbacks may be
    asked for."""
    number = conversation.last_number if conversation else 0
    return {**state(conversation), "type": "hello", "number": number, "queues": queues, "callbacks": callbacks}


def acknowledged(client_message_id: str, number: int) -> Frame:
    """The message is accepted: it will not be lost."""
    return {"type": "ack", "client_message_id": client_message_id, "number": number}


def said(message: Message) -> Frame:
    """One message of the conversation."""
    frame: Frame = {
        "type": "message",
        "number": message.number,
        "from": message.sender,
        "text": message.text,
        "at_ms": message.at_ms,
    }
    if message.agent_name:
        frame["agent_name"] = message.agent_name
    if message.client_message_id:
        frame["client_message_id"] = message.client_message_id
    return frame


def state(conversation: Conversation | None) -> Frame:
    """Who has the conversation, or why it ended."""
    if conversation is None:
        return {"type": "state", "state": "open"}
    frame: Frame = {"type": "state", "state": conversation.state}
    if conversation.agent_name:
        frame["agent_name"] = conversation.agent_name
    if conversation.end_reason:
        frame["reason"] = conversation.end_reason
    return frame


def position(place: PlaceInLine) -> Frame:
    """The visitor's place in line; `expected_at_ms` stands still, so that nothing is sent while nothing changes."""
    frame: Frame = {"type": "position", "position": place.number, "queue": place.queue, "waiting": place.waiting}
    if place.expected_at_ms is not None:
        frame["expected_at_ms"] = place.expected_at_ms
    return frame


def error(code: str, reason: str, **more: object) -> Frame:
    """Something was refused, or the socket will close; what is None is left out."""
    extra = {name: value for name, value in more.items() if value is not None}
    return {"type": "error", "code": code, "reason": reason, **extra}


def _client_message_id(raw: str) -> str | None:
    """Of a refused frame, so that the page knows which message it was; none if even that cannot be read."""
    try:
        given = json.loads(raw)["client_message_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return given if isinstance(given, str) and len(given) <= ID_MAX else None
