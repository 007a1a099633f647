"""What the CRM keeps of the router's work: tasks as they are now, and each step on the way there."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Literal

from contracts.assignments import AssignmentHeld, AssignmentRetrieved, AssignmentRoleChanged, TransferChanged
from contracts.tasks import (
    Role,
    TaskAbandoned,
    TaskAssigned,
    TaskCompleted,
    TaskDeferred,
    TaskQueued,
    TaskRequeued,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    TaskUnassigned,
    WrapupStarted,
)

TaskState = Literal["waiting", "assigned", "wrap-up", "completed", "abandoned", "transferred-out"]
TaskEvent = (
    TaskQueued
    | TaskRerouted
    | TaskDeferred
    | TaskResumed
    | TaskAssigned
    | TaskRequeued
    | TaskUnassigned
    | WrapupStarted
    | TaskCompleted
    | TaskAbandoned
    | TaskTransferredOut
)
PartEvent = AssignmentHeld | AssignmentRetrieved | AssignmentRoleChanged | TransferChanged
"""About somebody's part in a task; these name no queue."""
StepEvent = TaskEvent | PartEvent

TOLD: Final = (
    "kind",
    "state",
    "from_queue",
    "queue",
    "from_agent_id",
    "to_agent_id",
    "agent_id",
    "role",
    "to",
    "to_task_id",
    "reason",
    "disposition",
    "until_ms",
    "deferred_for",
    "held_ms",
    "by",
)
"""The fields of events that a step keeps."""
ASKING: Final = ("task.queued", "task.rerouted")
"""Types of steps that tell whom a transfer asks."""


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
    role: Role | None = "owner"
    """What that agent is in the conversation; none while a transfer's task waits."""
    deferred_for: str | None = None
    """Why it is not offered to anybody for now."""
    assigned_at_ms: int | None = None
    waited_ms: int | None = None
    """Until the last assignment, or until it was abandoned or given up."""
    requeues: int = 0
    ended_at_ms: int | None = None
    handled_ms: int | None = None
    held_ms: int | None = None
    """Of it, on hold."""
    reason: str | None = None
    """Why it was completed, abandoned or given up."""
    disposition: str | None = None
    given_to: str | None = None
    """Where it went instead of being completed: `handed_over` to another task, `callback`, `voicemail`, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that the router did about an interaction; the fields are the columns of table `routing_step`."""

    tenant_id: str
    interaction_id: str
    sequence: str
    """Of the event."""
    task_id: str
    type: str
    """Of the event."""
    at_ms: int
    told: dict[str, str | int] = field(default_factory=dict)
    """Of the event's fields those in TOLD that say something."""


def step_of(data: StepEvent, *, tenant_id: str, sequence: str, event_type: str, at_ms: int) -> Step:
    """What is kept of the event; of a transfer's task the agent, too, who alone is asked."""
    fields = asdict(data)
    if isinstance(data, TaskQueued | TaskRerouted) and data.transfer is not None:
        fields["to_agent_id"] = data.transfer.to_agent_id
    return Step(
        tenant_id=tenant_id,
        interaction_id=data.interaction_id,
        sequence=sequence,
        task_id=task_id_of(data),
        type=event_type,
        at_ms=at_ms,
        told={name: fields[name] for name in TOLD if fields.get(name) is not None},
    )


def task_id_of(data: StepEvent) -> str:
    """The task that the event is about: of a transfer the one that it made."""
    return data.transfer_id if isinstance(data, TransferChanged) else data.task_id


def followed(before: Task, data: StepEvent) -> Task:
    """The task after an event. A task's events come in order and once: the consumers' rule sees to that."""
    match data:
        case TaskQueued() | TaskRerouted() | TaskDeferred() | TaskResumed() | TaskRequeued() | TaskUnassigned():
            return _waits(before, data)
        case TaskAssigned():
            return replace(
                before,
                state="assigned",
                queue=data.queue,
                agent_id=data.agent_id,
                role=data.role,
                deferred_for=None,
                assigned_at_ms=data.assigned_at_ms,
                waited_ms=data.waited_ms,
            )
        case AssignmentRoleChanged():
            return replace(before, role=data.role)
        case TransferChanged():
            return replace(before, role="owner") if data.state == "completed" else before
        case WrapupStarted():
            given_to = "handed_over" if data.handed_over_to else before.given_to
            return replace(before, state="wrap-up", agent_id=data.agent_id, given_to=given_to)
        case TaskCompleted() | TaskAbandoned() | TaskTransferredOut():
            return _over(before, data)
        case AssignmentHeld() | AssignmentRetrieved():
            return before


def _waits(
    before: Task, data: TaskQueued | TaskRerouted | TaskDeferred | TaskResumed | TaskRequeued | TaskUnassigned
) -> Task:
    waiting = replace(before, state="waiting", queue=data.queue)
    match data:
        case TaskQueued():
            role: Role | None = "owner" if data.transfer is None else None
            return replace(waiting, queued_at_ms=data.queued_at_ms, deferred_for=data.deferred_for, role=role)
        case TaskDeferred():
            return replace(waiting, deferred_for=data.reason)
        case TaskResumed():
            return replace(waiting, deferred_for=None)
        case TaskRequeued():
            return replace(waiting, queued_at_ms=data.queued_at_ms, requeues=before.requeues + 1)
        case _:
            return waiting


def _over(before: Task, data: TaskCompleted | TaskAbandoned | TaskTransferredOut) -> Task:
    ended = replace(before, reason=data.reason, deferred_for=None)
    match data:
        case TaskCompleted():
            return replace(
                ended,
                state="completed",
                agent_id=data.agent_id,
                ended_at_ms=data.completed_at_ms,
                handled_ms=data.handled_ms,
                held_ms=data.held_ms,
                disposition=data.disposition,
            )
        case TaskAbandoned():
            return replace(ended, state="abandoned", ended_at_ms=data.abandoned_at_ms, waited_ms=data.waited_ms)
        case TaskTransferredOut():
            return replace(
                ended,
                state="transferred-out",
                agent_id=data.agent_id or before.agent_id,
                ended_at_ms=data.transferred_at_ms,
                waited_ms=data.waited_ms,
                handled_ms=data.handled_ms,
                held_ms=data.held_ms,
                disposition=data.disposition,
                given_to=data.to,
            )


def summary(channel: str | None, task: Task | None, *, is_over: bool) -> str:
    """What became of an interaction, in a line: `webchat with ana: solved`."""
    medium = channel or "interaction"
    if task is None:
        return f"{medium}, ended" if is_over else medium
    agent = f" with {task.agent_id}" if task.agent_id else ""
    match task.state:
        case "waiting":
            return f"{medium}, {task.deferred_for or 'waiting'} in {task.queue}"
        case "abandoned":
            return f"{medium}, abandoned in {task.queue}"
        case "transferred-out":
            return f"{medium}{agent}, {task.given_to} from {task.queue}"
        case "completed":
            return f"{medium}{agent}: {task.disposition or 'completed'}"
        case _:
            return f"{medium}{agent}: {task.state}"


def sentences(steps: Iterable[Step]) -> Iterator[str]:
    """Each step of an interaction in a line: `moved from sales to billing (overflowed)`."""
    asked: dict[str, str | int | None] = {}
    for step in steps:
        if step.type in ASKING:
            asked[step.task_id] = step.told.get("to_agent_id")
        yield _sentence(step, asked.get(step.task_id))


def _sentence(step: Step, asked: str | int | None) -> str:
    """`asked`: the agent whom the transfer that the step is about asks alone."""
    told = defaultdict(lambda: "nobody", {name: str(value) for name, value in step.told.items()})
    to = told.get("to_agent_id") or asked
    told["to"] = told["to"] if step.type != "transfer.changed" else f" to {to}" if to else ""
    same_line = step.type == "task.rerouted" and told["from_queue"] == told["queue"]
    said = "waits on in {queue}" if same_line else _SENTENCES.get(step.type, step.type)
    reasons = [told[name] for name in ("reason", "deferred_for", "disposition") if name in told]
    return said.format_map(told) + (f" ({', '.join(reasons)})" if reasons else "")


_SENTENCES: Final = {
    "task.queued": "waits in {queue}",
    "task.rerouted": "moved from {from_queue} to {queue}",
    "task.deferred": "put by",
    "task.resumed": "back in line",
    "task.assigned": "assigned to {agent_id} as {role}",
    "task.requeued": "taken from {agent_id}",
    "task.unassigned": "taken from {agent_id}",
    "task.wrapup_started": "{agent_id} wraps up",
    "task.completed": "completed by {agent_id}",
    "task.abandoned": "abandoned in {queue}",
    "task.transferred_out": "{to} from {queue}",
    "assignment.held": "put on hold by {agent_id}",
    "assignment.retrieved": "off hold after {held_ms} ms",
    "assignment.role_changed": "{agent_id} is {role}",
    "transfer.changed": "{kind} transfer from {from_agent_id}{to}: {state}",
}
