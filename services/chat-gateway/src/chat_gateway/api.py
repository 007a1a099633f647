"""The visitor's HTTP side: what an address offers, open a window, renew it, read the transcript."""

from typing import Annotated, Final

from contracts.configuration import WEB_CHAT
from contracts.fields import Code, Id
from contracts.plain_text import PlainLine, PlainLines
from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from servicekit.ports import Ids
from servicekit.problems import ProblemError
from starlette.requests import HTTPConnection

from chat_gateway import frames
from chat_gateway.domain.records import Visit
from chat_gateway.limits import Limits
from chat_gateway.parts import Parts
from chat_gateway.tokens import TokenError, attributes_fit, read_identity

BEARER: Final = HTTPBearer(auto_error=False, description="The window token.")


class WindowRequest(BaseModel):
    """Who opens a chat window, and where."""

    model_config = ConfigDict(extra="forbid")

    address: Id = Field(description="The web-chat address, as configured.")
    visitor_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9-]{16,64}$", description="What the page remembers of an earlier visit."
    )
    name: PlainLine | None = Field(None, min_length=1, max_length=120)
    email: PlainLine | None = Field(None, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
    queue: Code | None = Field(None, description="One of the queues that the address offers.")
    language: Code | None = None
    identity_token: str | None = Field(
        None, max_length=6000, description="JWT of the tenant's backend (EdDSA or ES256): who the customer is."
    )
    attributes: dict[PlainLine, Annotated[PlainLines, Field(max_length=500)]] = Field(
        default_factory=dict, max_length=32, description="Facts for routing; 1 KiB in all."
    )


class WindowOpened(BaseModel):
    """The token is for the socket and the transcript; renew it before it expires."""

    window_token: str
    interaction_id: str
    visitor_id: str | None
    expires_at_ms: int


class QueueChoice(BaseModel):
    """A queue that the visitor may choose."""

    id: str
    name: str


class AddressView(BaseModel):
    """What a page needs before the chat."""

    address: str
    queues: list[QueueChoice]


class MessageView(BaseModel):
    """A message of the conversation, as in the socket's frame."""

    number: int
    sender: str = Field(serialization_alias="from")
    text: str
    at_ms: int
    agent_name: str | None
    client_message_id: str | None


class Transcript(BaseModel):
    """At most 200 messages; `state` is that of the conversation."""

    state: str
    last_number: int
    messages: list[MessageView]


def create_router(parts: Parts, ids: Ids, windows: Limits) -> APIRouter:
    """Routes under `/chat/v1`."""
    router = APIRouter(tags=["visitor"])
    windows_api = _Windows(parts, ids, windows)
    router.add_api_route("/addresses/{address:path}", windows_api.describe, methods=["GET"])
    router.add_api_route("/windows", windows_api.open, methods=["POST"], status_code=201)
    router.add_api_route("/windows/renew", windows_api.renew, methods=["POST"])
    router.add_api_route("/windows/current/messages", windows_api.transcript, methods=["GET"])
    return router


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


class _Windows:
    def __init__(self, parts: Parts, ids: Ids, windows: Limits) -> None:
        self._parts = parts
        self._ids = ids
        self._windows = windows

    async def describe(self, address: str) -> AddressView:
        """The queues to choose from before the chat."""
        self._require_known(address)
        queues = [QueueChoice(**queue) for queue in self._parts.directory.queues(address)]
        return AddressView(address=address, queues=queues)

    async def open(self, wanted: WindowRequest, request: Request) -> WindowOpened:
        """Open a chat window. An interaction begins with the first message only."""
        if not self._windows.take(request.client.host if request.client else ""):
            raise ProblemError(429, "too_many", "Too many chat windows; wait a minute.").with_headers(retry_after="60")
        self._require_known(wanted.address)
        self._require_origin(request, wanted.address)
        visit = self._visit(wanted)
        return _opened(*self._parts.tokens.issue(visit), visitor_id=_visitor_id(visit))

    async def renew(self, request: Request, credentials: Credentials) -> WindowOpened:
        """A new token for the same window, while the old one is valid."""
        visit = self._known(request, credentials)
        try:
            return _opened(*self._parts.tokens.issue(visit), visitor_id=_visitor_id(visit))
        except TokenError as error:
            raise ProblemError(401, error.code, error.reason) from error

    async def transcript(
        self, request: Request, credentials: Credentials, after: Annotated[int, Query(ge=0, le=frames.NUMBER_MAX)] = 0
    ) -> Transcript:
        """The visitor's own conversation behind message `after`."""
        visit = self._known(request, credentials)
        async with self._parts.store.transaction(visit.tenant_id) as tx:
            conversation = await tx.conversation(visit.tenant_id, visit.interaction_id)
            messages = await tx.messages_after(visit.tenant_id, visit.interaction_id, after)
        return Transcript(
            state=str(frames.state(conversation)["state"]),
            last_number=conversation.last_number if conversation else 0,
            messages=[
                MessageView(
                    number=message.number,
                    sender=message.sender,
                    text=message.text,
                    at_ms=message.at_ms,
                    agent_name=message.agent_name,
                    client_message_id=message.client_message_id,
                )
                for message in messages
            ],
        )

    def _visit(self, wanted: WindowRequest) -> Visit:
        place = self._parts.directory.place(wanted.address)
        if place is None:
            raise ProblemError(404, "address_unknown", "There is no such web-chat address.")
        if not attributes_fit(wanted.attributes):
            raise ProblemError(422, "attributes_too_large", "The attributes take more than 1 KiB.")
        offered = {queue["id"] for queue in self._parts.directory.queues(wanted.address)}
        if wanted.queue is not None and wanted.queue not in offered:
            raise ProblemError(422, "queue_unknown", "The address does not offer this queue.")
        return Visit(
            tenant_id=place.tenant_id,
            interaction_id=self._ids.new_id(),
            address=wanted.address,
            identifiers=self._identifiers(wanted),
            opened_at_ms=self._parts.clock.now_ms(),
            expires_at_ms=0,
            name=wanted.name,
            queue=wanted.queue,
            language=wanted.language,
            attributes=wanted.attributes,
        )

    def _identifiers(self, wanted: WindowRequest) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        if wanted.identity_token is None:
            found.append(_identifier("webchat", wanted.visitor_id or self._ids.new_id()))
        else:
            found.append(_identifier("external", self._subject(wanted, wanted.identity_token), verified=True))
        if wanted.email:
            found.append(_identifier("email", wanted.email))
        return found

    def _subject(self, wanted: WindowRequest, identity_token: str) -> str:
        configured = self._parts.directory.address(wanted.address)
        keys = configured[1].identity_keys if configured else []
        now_ms = self._parts.clock.now_ms()
        try:
            return read_identity(identity_token, keys=keys, address=wanted.address, now_ms=now_ms)
        except TokenError as error:
            raise ProblemError(401, error.code, error.reason) from error

    def _known(self, request: HTTPConnection, credentials: HTTPAuthorizationCredentials | None) -> Visit:
        try:
            visit = self._parts.tokens.read(credentials.credentials if credentials else "")
        except TokenError as error:
            raise ProblemError(401, error.code, error.reason).with_headers(www_authenticate="Bearer") from error
        self._require_origin(request, visit.address)
        return visit

    def _require_known(self, address: str) -> None:
        place = self._parts.directory.place(address)
        if place is None or place.channel != WEB_CHAT:
            if not self._parts.directory.complete:
                raise ProblemError(503, "starting", "The configuration is not read yet.").with_headers(retry_after="1")
            raise ProblemError(404, "address_unknown", "There is no such web-chat address.")

    def _require_origin(self, request: HTTPConnection, address: str) -> None:
        if not self._parts.origins.allows(request, address):
            raise ProblemError(403, "origin_forbidden", "This page may not chat with this address.")


def _identifier(kind: str, value: str, *, verified: bool = False) -> dict[str, object]:
    return {"type": kind, "value": value, "verified": verified}


def _visitor_id(visit: Visit) -> str | None:
    return next((str(each["value"]) for each in visit.identifiers if each["type"] == "webchat"), None)


def _opened(token: str, visit: Visit, *, visitor_id: str | None) -> WindowOpened:
    return WindowOpened(
        window_token=token,
        interaction_id=visit.interaction_id,
        visitor_id=visitor_id,
        expires_at_ms=visit.expires_at_ms,
    )
