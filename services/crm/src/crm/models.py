"""What the API answers."""

from typing import Literal

from pydantic import BaseModel, Field


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


class CustomerPage(BaseModel):
    """Customers, newest first."""

    customers: list[CustomerLine]
    next_cursor: str | None = Field(description="For the next page; none on the last one.")


class Outcome(BaseModel):
    """What became of an interaction's last task."""

    task_id: str
    queue: str
    state: Literal["waiting", "assigned", "wrap-up", "completed", "abandoned"]
    agent_id: str | None = Field(description="Who has it, or had it last.")
    queued_at_ms: int | None
    waited_ms: int | None = Field(description="Until the last assignment, or until it was abandoned.")
    requeues: int
    ended_at_ms: int | None
    handled_ms: int | None
    reason: str | None
    disposition: str | None


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
    customer: CustomerLine | None
    outcome: Outcome | None
    failed_messages: list[FailedMessageLine]


class MessageLine(BaseModel):
    """One thing said."""

    message_id: str
    number: int = Field(description="Place in the conversation: 1, 2, 3...")
    direction: Literal["inbound", "outbound"]
    agent_id: str | None
    text: str
    at_ms: int
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
