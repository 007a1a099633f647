"""What goes over the API about conversations in writing: messages, what the channel can carry, texts, files."""

import re
from typing import Annotated, Self

from contracts.channel_limits import TEXT_MAX, Mode, Status
from contracts.commands import SendMode
from contracts.fields import Channel, Code, Id, InstantMs
from contracts.messages import Visibility
from contracts.plain_text import PlainLine
from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from router.api.models import Request, View

HTML_MAX = 200_000
NOTE_MAX = 4000
MessageText = Annotated[str, Field(max_length=TEXT_MAX, pattern=r"^[^\x00]*$")]
"""PostgreSQL text, where the gateways keep it, cannot hold NUL."""
ADDRESS_MAX = 320


def _address(text: str) -> str:
    """Of what is wrong with it the sentence says what to do; pydantic's own shows a pattern."""
    if len(text) > ADDRESS_MAX or not _ADDRESS.fullmatch(text):
        sentence = "must be an e-mail address alone, as in anna@shop.example: without a name beside it and without < >"
        raise PydanticCustomError("mail_address", sentence)
    return text


_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")
MailAddress = Annotated[PlainLine, AfterValidator(_address), WithJsonSchema({"type": "string", "format": "email"})]
FileName = Annotated[PlainLine, Field(min_length=1, max_length=200)]


class MessageRequest(Request):
    """What the agent says; `message_id` is the client's own, so that a retry is no second message.

    What the conversation's channel can carry of it stands at `/assignments/{assignment_id}/channel`.
    """

    message_id: Id = Field(description="The client's own, as no other message of the tenant has it: best a UUID.")
    text: MessageText = ""
    visibility: Visibility = Field("customer", description="internal: the other agents of the conversation only.")
    in_reply_to: Id | None = Field(None, description="The message that is answered; none: the customer's last.")
    template: Code | None = Field(None, description="Of /templates: goes instead of a text.")
    variables: dict[Code, Annotated[str, Field(max_length=1000)]] = Field(
        {}, max_length=50, description="The template's, by name."
    )
    mode: SendMode | None = Field(None, description="E-mail: to whom it goes; none: `reply`.")
    to: list[MailAddress] = Field([], max_length=50, description="E-mail: instead of whom the mode says.")
    cc: list[MailAddress] = Field([], max_length=50)
    bcc: list[MailAddress] = Field([], max_length=50)
    subject: Annotated[PlainLine, Field(min_length=1, max_length=400)] | None = None
    html: Annotated[str, Field(min_length=1, max_length=HTML_MAX, pattern=r"^[^\x00]*$")] | None = Field(
        None, description="E-mail: beside the text, which is what is kept where HTML is not shown."
    )
    files: list[Id] = Field([], max_length=50, description="Ids that /files gave.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.visibility == "internal":
            self._note()
        elif self.template is not None:
            if self.text or self.html or self.files:
                raise ValueError("a template goes alone: leave out `text`, `html` and `files`")
        elif not (self.text.strip() or self.files or self.mode == "forward"):
            raise ValueError("say something: `text`, `files` or a `template`")
        if self.variables and self.template is None:
            raise ValueError("`variables` belong to a `template`")
        if self.mode == "forward" and not self.to:
            raise ValueError("say to whom it is forwarded: `to`")
        return self

    def _note(self) -> None:
        if self.model_fields_set - {"message_id", "text", "visibility"}:
            raise ValueError("a note to the other agents is `text` alone")
        if not 0 < len(self.text) <= NOTE_MAX:
            raise ValueError(f"a note has 1 to {NOTE_MAX} characters")


class MessageTaken(View):
    """The message is on its way; `message.sent`, `message.noted` or `message.failed` follows on the socket."""

    message_id: Id


class Split(Request):
    """The messages that become a conversation of their own."""

    message_ids: list[Id] = Field(min_length=1, max_length=200)


class Join(Request):
    """The conversation whose messages come into this one."""

    interaction_id: Id


class WindowView(View):
    """Until when the customer may be written to freely."""

    basis: str = Field(
        description="customer_message, advertisement, human_agent; always: the channel has no such rule; blocked: the "
        "customer blocked us; unknown: nothing was heard of it lately."
    )
    opens_at_ms: InstantMs | None = None
    closes_at_ms: InstantMs | None = Field(None, description="None: without end, or unknown.")


class FileLimits(View):
    """What files a message may have; no types: none."""

    types: list[str] = Field(description="MIME types, `image/*` or `*/*`.")
    bytes_max: int
    count_max: int


class ChannelView(View):
    """What the conversation's channel can carry, and whether free text may be sent now."""

    channel: Channel
    address: Id | None = Field(description="The tenant's own; none: not known any more.")
    provider: Code | None
    text_max: int = Field(description="Characters.")
    caption_max: int = Field(description="Characters of a text that goes with a file; a longer one goes by itself.")
    html_max: int = Field(description="Characters; 0: text alone.")
    subject: bool
    files: FileLimits
    templates: bool = Field(description="Whether the channel has any.")
    template_needed: bool = Field(description="Nothing else may be sent now.")
    free_text: bool | None = Field(description="Whether it may be sent now; none: nobody here knows, the gateway does.")
    free_text_until_ms: InstantMs | None = Field(None, description="None: without end, or unknown.")
    modes: list[Mode]
    replies: bool = Field(description="A message may name the one that it answers.")
    threads: bool = Field(description="Conversations may be split and joined.")
    statuses: list[Status] = Field(description="What the channel tells of a message; others never come.")
    window: WindowView


class TemplateView(View):
    """A text that is sent as it is, but for its variables, also when the window is closed."""

    id: Code
    name: str
    language: str
    text: str
    subject: str | None = Field(description="E-mail: it goes with this one, unless the message names another.")
    html: str | None = Field(description="E-mail: it is shown so.")
    variables: list[str] = Field(description="To be filled, all of them.")


class ReplyView(View):
    """A text to be changed and sent; what is known stands in it already."""

    id: Code
    name: str
    text: str
    missing: list[str] = Field(description="Variables that still stand in the text, as `{name}`.")


class Upload(View):
    """A file that may be sent within a day, by its id; then it is gone."""

    blob_id: Id
    name: str
    mime: str = Field(description="As its bytes say.")
    size_bytes: int
    sha256: str


class FileLink(View):
    """Where a file can be fetched without a token, for a short time."""

    url: str
    expires_at_ms: InstantMs
