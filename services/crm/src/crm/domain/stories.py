"""What the CRM keeps of interactions, messages and tasks, and what an event makes of it.

Each topic has its own kinds of rows, so that it does not matter which topic is read first: an interaction's messages
and tasks may stand here before it does.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from contracts.interactions import EndReason, InteractionEnded, InteractionStarted, InteractionUpdated
from contracts.messages import MessageReceived, MessageSent
from contracts.tasks import TaskAbandoned, TaskAssigned, TaskCompleted, TaskQueued, TaskRequeued, WrapupStarted

from crm.domain.words import cleaned

NAME_LENGTH_MAX = 200

Direction = Literal["inbound", "outbound"]
TaskState = Literal["waiting", "assigned", "wrap-up", "completed", "abandoned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A conversation; the fields are the columns of table `interaction`.

    What its `interaction.started` tells is missing while only a later event of it was readable.
    """

    tenant_id: str
    interaction_id: str
    domain: str
    customer_id: str | None = None
    client: str | None = None
    channel: str | None = None
    address: str | None = None
    language: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    end_reason: EndReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing said; the fields are the columns of table `message`."""

    tenant_id: str
    interaction_id: str
    number: int
    message_id: str
    direction: Direction
    agent_id: str | None
    text: str
    at_ms: int
    delivered_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedMessage:
    """An agent's message that did not become part of the conversation; the columns of table `failed_message`."""

    tenant_id: str
    message_id: str
    interaction_id: str
    agent_id: str
    reason: str
    detail: str
    failed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the router made of an interaction's wish for an agent; the fields are the columns of table `task`."""

    tenant_id: str
    task_id: str
    interaction_id: str
    domain: str
    queue: str
    state: TaskState = "waiting"
    queued_at_ms: int | None = None
    agent_id: str | None = None
    """Who has it, or had it last."""
    assigned_at_ms: int | None = None
    waited_ms: int | None = None
    """Until the last assignment, or until it was abandoned."""
    requeues: int = 0
    ended_at_ms: int | None = None
    handled_ms: int | None = None
    reason: str | None = None
    """Why it was completed or abandoned."""
    disposition: str | None = None


TaskEvent = TaskQueued | TaskAssigned | TaskRequeued | WrapupStarted | TaskCompleted | TaskAbandoned


def started(before: Interaction, data: InteractionStarted) -> Interaction:
    """It begins; what a later event told stays."""
    return replace(
        before,
        client=data.client,
        channel=data.channel,
        address=data.address,
        language=data.language,
        attributes=_cleaned(data.attributes) | before.attributes,
        started_at_ms=data.started_at_ms,
    )


def updated(before: Interaction, data: InteractionUpdated) -> Interaction:
    """More is known."""
    return replace(before, attributes=before.attributes | _cleaned(data.attributes))


def ended(before: Interaction, data: InteractionEnded) -> Interaction:
    """It is over, for good."""
    return replace(before, ended_at_ms=data.ended_at_ms, end_reason=data.reason)


def message_of(tenant_id: str, data: MessageReceived | MessageSent) -> Message:
    """The message that the event tells of; without words where it holds none that can be read."""
    text = data.personal.get("text")
    inbound = isinstance(data, MessageReceived)
    return Message(
        tenant_id=tenant_id,
        interaction_id=data.interaction_id,
        number=data.number,
        message_id=data.message_id,
        direction="inbound" if inbound else "outbound",
        agent_id=None if isinstance(data, MessageReceived) else data.agent_id,
        text=cleaned(text) if isinstance(text, str) else "",
        at_ms=data.received_at_ms if isinstance(data, MessageReceived) else data.sent_at_ms,
    )


def name_of(personal: dict[str, object]) -> str | None:
    """The customer's name, if one was told."""
    name = personal.get("name")
    return cleaned(name).strip()[:NAME_LENGTH_MAX] or None if isinstance(name, str) else None


def followed(before: Task, data: TaskEvent) -> Task:
    """The task after an event. A task's events come in order and once: the consumers' rule sees to that."""
    match data:
        case TaskQueued():
            return replace(before, queue=data.queue, queued_at_ms=data.queued_at_ms)
        case TaskAssigned():
            return replace(
                before,
                state="assigned",
                queue=data.queue,
                agent_id=data.agent_id,
                assigned_at_ms=data.assigned_at_ms,
                waited_ms=data.waited_ms,
            )
        case TaskRequeued():
            return replace(
                before, state="waiting", queue=data.queue, queued_at_ms=data.queued_at_ms, requeues=before.requeues + 1
            )
        case WrapupStarted():
            return replace(before, state="wrap-up", agent_id=data.agent_id)
        case TaskCompleted():
            return replace(
                before,
                state="completed",
                agent_id=data.agent_id,
                ended_at_ms=data.completed_at_ms,
                handled_ms=data.handled_ms,
                reason=data.reason,
                disposition=data.disposition,
            )
        case TaskAbandoned():
            return replace(
                before,
                state="abandoned",
                ended_at_ms=data.abandoned_at_ms,
                waited_ms=data.waited_ms,
                reason=data.reason,
            )


def summary(channel: str | None, task: Task | None, *, is_over: bool) -> str:
    """What became of an interaction, in a line: `webchat with ana: solved`."""
    medium = channel or "interaction"
    if task is None:
        return f"{medium}, ended" if is_over else medium
    agent = f" with {task.agent_id}" if task.agent_id else ""
    match task.state:
        case "waiting":
            return f"{medium}, waiting in {task.queue}"
        case "abandoned":
            return f"{medium}, abandoned in {task.queue}"
        case "completed":
            return f"{medium}{agent}: {task.disposition or 'completed'}"
        case _:
            return f"{medium}{agent}: {task.state}"


def _cleaned(attributes: dict[str, str]) -> dict[str, str]:
    return {cleaned(name): cleaned(value) for name, value in attributes.items()}
