"""Events of a transfer of the sample visitor's conversation: task 1 is the first owner's, task 2 the transfer's."""

from typing import Any, Final, Literal

from contracts import Event
from contracts.agents import CommandResult, Refusal
from contracts.assignments import AssignmentRoleChanged, TransferChanged, TransferState
from contracts.tasks import (
    DeferredFor,
    Origin,
    Role,
    TaskDeferred,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    TaskUnassigned,
    Terms,
)
from servicekit.testing.set_clock import NOW_MS

from chat_gateway.testing.samples import AGENT, DOMAIN, assigned, queued, routed

HELPER: Final = "agent-2"
FIRST: Final = "i1.t1"
SECOND: Final = "i1.t2"
ORIGIN: Final = Origin(
    kind="consult", from_task_id=FIRST, from_assignment_id=f"{FIRST}.o1.a", from_agent_id=AGENT, requested_by=AGENT
)


def asked(*, interaction_id: str = "i1", sequence: int) -> Event:
    """The owner asks for help: the second task waits."""
    return queued(interaction_id=interaction_id, task=2, sequence=sequence, transfer=ORIGIN)


def joined(*, interaction_id: str = "i1", sequence: int, role: Role = "consultant") -> Event:
    """The other agent takes the second task."""
    return assigned(interaction_id=interaction_id, task=2, sequence=sequence, agent_id=HELPER, role=role)


def moved(state: TransferState, *, sequence: int, reason: str | None = None) -> Event:
    """The transfer is in this state now."""
    data = TransferChanged(
        transfer_id=SECOND,
        interaction_id="i1",
        domain=DOMAIN,
        kind="consult",
        state=state,
        from_task_id=FIRST,
        from_assignment_id=f"{FIRST}.o1.a",
        from_agent_id=AGENT,
        to_agent_id=HELPER,
        reason=reason,
        changed_at_ms=NOW_MS,
    )
    return routed(data, SECOND, sequence)


def now_is(role: Role, *, sequence: int) -> Event:
    """The other agent has another part."""
    data = AssignmentRoleChanged(
        assignment_id=f"{SECOND}.o1.a",
        task_id=SECOND,
        interaction_id="i1",
        domain=DOMAIN,
        agent_id=HELPER,
        role=role,
        changed_at_ms=NOW_MS,
    )
    return routed(data, SECOND, sequence)


def given_up(
    to: Literal["callback", "voicemail", "message", "handed_over", "finished"],
    *,
    interaction_id: str = "i1",
    task: int = 1,
    sequence: int,
    **more: Any,  # Any: fields of the event
) -> Event:
    """The router gives the task up."""
    task_id = f"{interaction_id}.t{task}"
    values = {"reason": "overflowed", **more}
    data = TaskTransferredOut(
        task_id=task_id,
        interaction_id=interaction_id,
        domain=DOMAIN,
        queue="support-en",
        to=to,
        transferred_at_ms=NOW_MS,
        waited_ms=5,
        **values,
    )
    return routed(data, task_id, sequence)


def unassigned(reason: str, *, task: int = 1, sequence: int) -> Event:
    """The agent gave the task back."""
    data = TaskUnassigned(
        task_id=f"i1.t{task}",
        interaction_id="i1",
        domain=DOMAIN,
        queue="support-en",
        assignment_id=f"i1.t{task}.o1.a",
        agent_id=AGENT,
        reason=reason,
        queued_at_ms=NOW_MS,
        unassigned_at_ms=NOW_MS,
        handled_ms=7,
    )
    return routed(data, data.task_id, sequence)


def deferred(reason: DeferredFor, *, sequence: int) -> Event:
    """The first task is not offered for now."""
    data = TaskDeferred(
        task_id=FIRST,
        interaction_id="i1",
        domain=DOMAIN,
        queue="support-en",
        reason=reason,
        until_ms=None,
        deferred_at_ms=NOW_MS,
    )
    return routed(data, FIRST, sequence)


def resumed(*, sequence: int) -> Event:
    """The first task may be offered again."""
    data = TaskResumed(
        task_id=FIRST,
        interaction_id="i1",
        domain=DOMAIN,
        queue="support-en",
        reason="customer_returned",
        resumed_at_ms=NOW_MS,
    )
    return routed(data, FIRST, sequence)


def rerouted(
    *,
    queue: str,
    sequence: int,
    priority: int = 5,
    band: int = 0,
    reason: str = "overflowed",
    message: str | None = None,
) -> Event:
    """The first task waits elsewhere, or as a callback."""
    data = TaskRerouted(
        task_id=FIRST,
        interaction_id="i1",
        domain=DOMAIN,
        queue=queue,
        from_queue="support-en",
        reason=reason,
        message=message,
        priority=priority,
        requirements=(),
        terms=Terms(band=band),
        rerouted_at_ms=NOW_MS,
        entered_at_ms=NOW_MS,
    )
    return routed(data, FIRST, sequence)


def decided(request_id: str, refusal: str | None, *, sequence: int) -> Event:
    """What became of a request for a callback; `refusal` is its code."""
    data = CommandResult(
        command_id=request_id,
        domain=DOMAIN,
        agent_id=None,
        outcome="done" if refusal is None else "refused",
        refusal=None if refusal is None else Refusal(code=refusal, detail="No.", http_status=409),
        decided_at_ms=NOW_MS,
    )
    return routed(data, request_id, sequence)
