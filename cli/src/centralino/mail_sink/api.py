"""What the sink has, as JSON: for its page and for tests."""

import asyncio
from typing import Annotated, NoReturn

from email_gateway.domain.addresses import Address
from email_gateway.domain.mail import ParsedMail
from email_gateway.domain.parse import parse_mail
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field
from servicekit.problems import ProblemError

from centralino.mail_sink.kept import MESSAGES_MAX, Kept, MailFiles

Number = Annotated[int, Path(ge=1, le=2**53)]


class MailLine(BaseModel):
    """A message in short."""

    number: int
    received_at_ms: int
    size_bytes: int
    recipients: list[str] = Field(description="Of the envelope: who got it, blind copies too.")
    sender: str = Field(description="Who it says it is from, with the name.")
    subject: str


class FileLine(BaseModel):
    """A file in a message."""

    name: str
    mime: str
    size_bytes: int
    inline_id: str | None = Field(description="The Content-ID by which the HTML names it.")


class MailView(MailLine):
    """A message."""

    to: list[str]
    cc: list[str]
    reply_to: list[str] = Field(description="Where an answer goes; empty: to `sender`.")
    message_id: str | None
    in_reply_to: list[str]
    text: str
    html: str = Field(description="Sanitised; empty: it has none.")
    files: list[FileLine]
    headers: list[tuple[str, str]] = Field(description="All fields in their order, names in lower case.")


class MailPage(BaseModel):
    """Newest first."""

    messages: list[MailLine]


def create_router(kept: MailFiles) -> APIRouter:
    """The routes of /mailbox/v1."""
    routes, actions = APIRouter(tags=["mailbox"]), _Actions(kept)
    routes.get("/messages", summary="The newest messages")(actions.messages)
    routes.delete("/messages", summary="Remove them all", status_code=204)(actions.empty)
    routes.get("/messages/{number}", summary="A message")(actions.message)
    routes.get("/messages/{number}/raw", summary="A message as it came", response_class=Response)(actions.raw)
    return routes


class _Actions:
    def __init__(self, kept: MailFiles) -> None:
        self._kept = kept
        self._lines: dict[int, MailLine] = {}
        """Read once: a message never changes."""

    async def messages(
        self, after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=MESSAGES_MAX)] = 100
    ) -> MailPage:
        """Those with a number over `after`."""
        found = self._kept.newest(after=after, count=limit)
        lines = [line for each in found if (line := await self._line(each))]
        self._lines = {number: line for number, line in self._lines.items() if self._kept.one(number)}
        return MailPage(messages=lines)

    async def message(self, number: Number) -> MailView:
        """Everything of it but the files' bytes, which the raw message has."""
        kept = self._kept.one(number)
        if kept is None:
            _missing(number)
        return _view(kept, await asyncio.to_thread(self._read, number))

    async def raw(self, number: Number) -> Response:
        """For a mail program. What the sink has added: `Return-Path` and `Delivered-To`, at the top."""
        if self._kept.one(number) is None:
            _missing(number)
        content = await asyncio.to_thread(self._kept.content, number)
        headers = {"content-disposition": f'attachment; filename="{number}.eml"'}
        return Response(content, media_type="message/rfc822", headers=headers)

    async def empty(self) -> None:
        """Nothing brings them back."""
        self._kept.empty()
        self._lines.clear()

    async def _line(self, kept: Kept) -> MailLine | None:
        if kept.number not in self._lines:
            try:
                mail = await asyncio.to_thread(self._read, kept.number)
            except FileNotFoundError:  # removed meanwhile
                return None
            self._lines[kept.number] = _line(kept, mail)
        return self._lines[kept.number]

    def _read(self, number: int) -> ParsedMail:
        return parse_mail(self._kept.content(number))


def _missing(number: int) -> NoReturn:
    raise ProblemError(404, "message_unknown", f"There is no message {number}, or not any more.")


def _line(kept: Kept, mail: ParsedMail) -> MailLine:
    return MailLine(
        number=kept.number,
        received_at_ms=kept.received_at_ms,
        size_bytes=kept.size_bytes,
        recipients=list(mail.delivered_to),
        sender=_said(mail.from_) if mail.from_ else "",
        subject=mail.subject,
    )


def _view(kept: Kept, mail: ParsedMail) -> MailView:
    return MailView(
        **_line(kept, mail).model_dump(),
        to=[_said(each) for each in mail.to],
        cc=[_said(each) for each in mail.cc],
        reply_to=[each.address for each in mail.reply_to],
        message_id=mail.message_id,
        in_reply_to=list(mail.in_reply_to),
        text=mail.text,
        html=mail.html,
        files=[
            FileLine(name=each.name, mime=each.mime, size_bytes=len(each.data), inline_id=each.inline_id)
            for each in mail.attachments
        ],
        headers=[(name, value.decode("utf-8", "replace")) for name, value in mail.headers.fields],
    )


def _said(address: Address) -> str:
    return f"{address.name} <{address.address}>" if address.name else address.address
