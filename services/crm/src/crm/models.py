"""What the API answers."""

from typing import Annotated, Literal, Self

from contracts.fields import Code
from contracts.messages import Visibility
from contracts.written import MessageStatus
from pydantic import BaseModel, ConfigDict, Field, model_validator

from crm.domain.routing import TaskState

LABELS_MAX = 20


class IdentifierLine(BaseModel):
    """What a customer is known by."""

    type: str
    value: str
    verified: bool = Field(description="Proven by the gateway; otherwise only said.")


class CustomerLine(BaseModel):
    """A customer."""

    customer_id: str
    name: str | None
    created_at_ms: int
    identifiers: list[IdentifierLine]
    tier: str | None = Field(description="As routing rules know it.")
    language: str | None
    labels: list[str]


class CustomerChange(BaseModel):
    """What routing is to know of a customer; what is left out stays, null takes it back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tier: Code | None = None
    language: Code | None = None
    labels: Annotated[list[Code], Field(max_length=LABELS_MAX)] = []

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("nothing is to change")
        return self


class CustomerPage(BaseModel):
    """Customers, newest first."""

    customers: list[CustomerLine]
    next_cursor: str | None = Field(description="For the next page; none on the last one.")


class Outcome(BaseModel):
    """What became of an interaction's last task."""

    task_id: str
    queue: str
    state: TaskState
    agent_id: str | None = Field(description="Who has it, or had it last.")
    deferred_for: str | None = Field(description="Why it is not offered to anybody for now.")
    queued_at_ms: int | None
    waited_ms: int | None = Field(description="Until the last assignment, or until it was abandoned or given up.")
    requeues: int
    ended_at_ms: int | None
    handled_ms: int | None
    held_ms: int | None = Field(description="Of `handled_ms`, on hold.")
    reason: str | None
    disposition: str | None
    given_to: str | None = Field(description="Where it went instead of being completed: callback, voicemail, ...")


class StepLine(BaseModel):
    """One thing that the router did."""

    at_ms: int
    summary: str
    type: str = Field(description="Of the routing event.")
    task_id: str
    told: dict[str, str | int] = Field(description="Fields of the event: queues, agents, reason, ...")


class CallLine(BaseModel):
    """One thing that happened on a call."""

    at_ms: int
    summary: str
    type: str = Field(description="Of the event.")
    told: dict[str, bool | int | float | str] = Field(description="Fields of the event: party, agent, cause, ...")


class SegmentLine(BaseModel):
    """What one of them said."""

    from_ms: int
    to_ms: int
    party: str
    text: str


class TranscriptLine(BaseModel):
    """What was said on a call, as an integrator wrote it down."""

    transcript_id: str
    recording_id: str | None
    language: str
    attached_at_ms: int
    text: str | None
    segments: list[SegmentLine]


class Transcripts(BaseModel):
    """All of a call, the first first."""

    transcripts: list[TranscriptLine]


class FailedMessageLine(BaseModel):
    """An agent's message that did not become part of the conversation."""

    message_id: str
    agent_id: str
    reason: str
    detail: str
    failed_at_ms: int


class WindowLine(BaseModel):
    """Until when the customer may be written to freely."""

    opens_at_ms: int
    closes_at_ms: int | None = Field(description="None: without end.")
    basis: str = Field(description="`customer_message`, `advertisement`, `human_agent`, ...; `blocked`: closed.")
    changed_at_ms: int


class InteractionView(BaseModel):
    """A conversation."""

    interaction_id: str
    domain: str
    client: str | None
    channel: str | None
    address: str | None
    language: str | None
    attributes: dict[str, str]
    state: Literal["open", "ended"]
    started_at_ms: int | None
    ended_at_ms: int | None
    end_reason: str | None
    end_cause: str | None = Field(description="The router's own reason, where it gave the task up.")
    customer: CustomerLine | None
    outcome: Outcome | None
    story: list[StepLine]
    call: list[CallLine] = Field(description="What happened on the telephone, in order; supervisors see who listened.")
    failed_messages: list[FailedMessageLine]
    window: WindowLine | None = Field(description="None while the channel has told of none.")
    continues: str | None = Field(description="The interaction that this one goes on from.")
    continued_by: list[str] = Field(description="Interactions that go on from this one.")


class FileLine(BaseModel):
    """A file of a message; whoever may see the conversation is given its bytes by the router's API or the gateway."""

    blob_id: str
    name: str
    mime: str | None
    size_bytes: int | None
    sha256: str | None
    inline_id: str | None = Field(description="The Content-ID by which `html` names it.")


class RecipientLine(BaseModel):
    """What became of a message for one of several recipients."""

    address: str
    status: MessageStatus
    reason: str | None = Field(description="Why it failed.")


class Written(BaseModel):
    """What written channels tell of a message beside its words, and what became of it."""

    subject: str | None
    in_reply_to: str | None = Field(description="The message that this one answers.")
    attributes: dict[str, str] = Field(description="What the gateway found out: `authenticated`, `automatic`, ...")
    parties: dict[str, list[str]] = Field(description="Addresses of an e-mail: `from`, `to`, `cc`, `bcc`.")
    files: list[FileLine]
    has_html: bool = Field(description="Whether `/interactions/{interaction_id}/messages` has it as HTML, too.")
    status: MessageStatus | None = Field(description="How far it got, on channels that tell.")
    status_at_ms: int | None
    status_reason: str | None
    status_detail: str | None
    recipients: list[RecipientLine] = Field(description="How far it got for each, where they are several.")
    edited_at_ms: int | None = Field(description="Since when the customer has it worded so; none: from the beginning.")
    erased_at_ms: int | None = Field(description="When the customer took it back: it has no words and files any more.")
    moved_from: str | None = Field(description="The interaction that it was in before an agent split or joined.")


class SaidLine(Written):
    """One thing said."""

    message_id: str
    number: int = Field(description="Place in the conversation: 1, 2, 3...")
    direction: Literal["inbound", "outbound"]
    agent_id: str | None = Field(description="None of an outbound one: the gateway itself said it.")
    text: str
    at_ms: int
    visibility: Visibility
    delivered_at_ms: int | None = Field(description="When the customer's device had it; of agents' messages.")


class MessageLine(SaidLine):
    """One thing said, whole."""

    html: str | None = Field(description="Sanitised; to be shown in a frame that runs nothing.")
    quoted: str | None = Field(description="What an e-mail repeats of those before.")


class MessagePage(BaseModel):
    """A conversation, in order."""

    messages: list[MessageLine]
    next_after: int | None = Field(description="`after` for the next page; none on the last one.")


class InteractionEntry(BaseModel):
    """An interaction began; its outcome is today's."""

    kind: Literal["interaction"] = "interaction"
    at_ms: int
    summary: str
    interaction_id: str
    channel: str | None
    state: Literal["open", "ended"]
    end_reason: str | None
    continues: str | None = Field(description="The interaction that this one goes on from.")
    outcome: Outcome | None


class MessageEntry(Written):
    """Something was said."""

    kind: Literal["message"] = "message"
    at_ms: int
    summary: str
    interaction_id: str
    message_id: str
    number: int
    direction: Literal["inbound", "outbound"]
    agent_id: str | None
    visibility: Visibility


class CallEntry(CallLine):
    """Something happened on a call."""

    kind: Literal["call"] = "call"
    interaction_id: str


class TimelinePage(BaseModel):
    """A customer's story, newest first."""

    entries: list[InteractionEntry | MessageEntry | CallEntry]
    next_cursor: str | None = Field(description="For the next page; none on the last one.")


class FoundMessage(SaidLine):
    """A message and where it stands."""

    interaction_id: str
    customer_id: str | None


class FoundPage(BaseModel):
    """Messages that were searched, newest first."""

    messages: list[FoundMessage]
    next_cursor: str | None = Field(description="For the next page; none on the last one.")
