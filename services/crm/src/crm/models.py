"""What the API answers."""

from typing import Annotated, Literal, Self

from contracts.fields import Code
from contracts.messages import Visibility
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


class FailedMessageLine(BaseModel):
    """An agent's message that did not become part of the conversation."""

    message_id: str
    agent_id: str
    reason: str
    detail: str
    failed_at_ms: int


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
    failed_messages: list[FailedMessageLine]


class MessageLine(BaseModel):
    """One thing said."""

    message_id: str
    number: int = Field(description="Place in the conversation: 1, 2, 3...")
    direction: Literal["inbound", "outbound"]
    agent_id: str | None = Field(description="None of an outbound one: the gateway itself said it.")
    text: str
    at_ms: int
    visibility: Visibility
    delivered_at_ms: int | None = Field(description="When the customer's device had it; of agents' messages.")


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
    outcome: Outcome | None


class MessageEntry(BaseModel):
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


class TimelinePage(BaseModel):
    """A customer's story, newest first."""

    entries: list[InteractionEntry | MessageEntry]
    next_cursor: str | None = Field(description="For the next page; none on the last one.")


class FoundMessage(MessageLine):
    """A message and where it stands."""

    interaction_id: str
    customer_id: str | None


class FoundPage(BaseModel):
    """Messages that were searched, newest first."""

    messages: list[FoundMessage]
    next_cursor: str | None = Field(description="For the next page; none on the last one.")
