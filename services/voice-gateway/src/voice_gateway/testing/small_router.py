"""The router as one call sees it: tasks, assignments and transfers of a single interaction, by docs/transfers.md.

It knows nothing of queues and skills: whoever writes the story says who accepts. It is for tests of calls; the real one
is `router.domain.decide`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal  # Any: an event of any type

from contracts.agents import CommandResult, Refusal
from contracts.assignments import (
    AssignmentConnected,
    AssignmentHeld,
    AssignmentRetrieved,
    AssignmentRoleChanged,
    TransferChanged,
    TransferState,
)
from contracts.commands import (
    ConnectAssignment,
    EndTask,
    HoldTask,
    MoveTransfer,
    RequestCallback,
    RequestTask,
    TransferTask,
)
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.tasks import (
    Leaving,
    Role,
    TaskAbandoned,
    TaskAssigned,
    TaskKind,
    TaskQueued,
    TaskRequeued,
    TaskRerouted,
    TaskTransferredOut,
    TaskUnassigned,
    Terms,
    TransferKind,
    WrapupStarted,
)

QUEUE = "sales"


@dataclass(slots=True, kw_only=True)
class Task:
    """One task and its assignment, if it has one."""

    task_id: str
    kind: TaskKind = "contact"
    state: Literal["waiting", "assigned", "ended"] = "waiting"
    assignment_id: str = ""
    agent_id: str = ""
    role: Role = "owner"
    connected: bool = False
    held: bool = False
    transfer: TransferKind | None = None
    """Of a second task, while its transfer is open."""
    first: str = ""
    """The task that it was made for."""
    to_agent_id: str | None = None


@dataclass(slots=True, kw_only=True)
class SmallRouter:
    """`tell` hears its events, each with its sequence."""

    tell: Callable[[Any, str], None]
    now_ms: Callable[[], int]
    tasks: dict[str, Task] = field(default_factory=dict)
    interaction_id: str = ""
    sequence: int = 0
    closed: bool = False

    def hears(self, data: Any) -> None:
        """Something that the gateway says; what does not concern the router it passes over."""
        handlers: dict[type, Callable[[Any], None]] = {
            InteractionStarted: self._started,
            InteractionEnded: self._ended,
            ConnectAssignment: self._connect,
            EndTask: self._end,
            HoldTask: self._hold,
            TransferTask: self._transfer,
            MoveTransfer: self._move,
            RequestCallback: self._call_back,
            RequestTask: self._request,
        }
        if type(data) in handlers:
            handlers[type(data)](data)

    def callback(self, agent_id: str) -> None:
        """A callback is accepted, of a customer with whom there is no call."""
        self.interaction_id = "i1"
        self._queue(Task(task_id="t1", kind="callback"))
        self.accept(agent_id)

    def waiting(self) -> Task | None:
        """A task that an agent can accept: that of an open transfer first."""
        found = [task for task in self.tasks.values() if task.state == "waiting"]
        return next((task for task in found if task.transfer), found[0] if found else None)

    def main(self) -> Task | None:
        """The interaction's main task."""
        return next((task for task in self.tasks.values() if task.state != "ended" and not task.transfer), None)

    def second(self) -> Task | None:
        """That of the open transfer."""
        return next((task for task in self.tasks.values() if task.transfer and task.state != "ended"), None)

    def seat(self, agent_id: str) -> Task | None:
        """What the agent has."""
        return next(
            (task for task in self.tasks.values() if task.agent_id == agent_id and task.state == "assigned"), None
        )

    def accept(self, agent_id: str) -> Task | None:
        """An agent takes what waits, if they may."""
        task = self.waiting()
        if task is None or self.seat(agent_id) is not None or task.to_agent_id not in (None, agent_id):
            return None
        task.state, task.agent_id, task.connected, task.held = "assigned", agent_id, False, False
        task.assignment_id = f"{task.task_id}.{self.sequence}.a"
        task.role = "consultant" if task.transfer == "consult" else "owner"
        self._emit(
            TaskAssigned, task, channel="voice", offer_id="o", assigned_at_ms=self.now_ms(), waited_ms=0, kind=task.kind
        )
        if task.transfer == "consult":
            self._changed(task, "consulting")
        elif task.transfer == "cold":
            self._hand_over(task)
        return task

    def lose(self, agent_id: str) -> None:
        """The agent's presence is lost."""
        task = self.seat(agent_id)
        if task is None:
            return
        if task.transfer:
            self._over(task, "failed", "agent_lost")
        elif not self._inherited(task, "owner_lost"):
            task.state = "waiting"
            self._emit(TaskRequeued, task, reason="agent_lost", queued_at_ms=1, requeued_at_ms=1)

    def give_up(self, to: Leaving) -> None:
        """The queue gives the waiting main task up, or (`finished`) a supervisor ends it."""
        task = self.main()
        if task is None or (task.state != "waiting" and to != "finished"):
            return
        if (second := self.second()) is not None:
            self._over(second, "cancelled", "by_supervisor")
        self._out(task, to)

    def call_back(self) -> None:
        """The waiting task becomes a callback."""
        task = self.main()
        if task is None or task.state != "waiting":
            return
        task.kind = "callback"
        on = {"from_queue": QUEUE, "priority": 5, "requirements": (), "terms": Terms()}
        self._emit(TaskRerouted, task, **on, reason="callback", rerouted_at_ms=1, entered_at_ms=1, kind="callback")

    def hold(self, agent_id: str, *, held: bool) -> None:
        """An agent asks for it in the API."""
        if (task := self.seat(agent_id)) is not None:
            self._hold(_command(HoldTask, task, held=held))

    def transfer(self, kind: TransferKind) -> None:
        """The owner asks for it in the API."""
        task = self.main()
        if task is not None and task.state == "assigned":
            self._transfer(_command(TransferTask, task, kind=kind, queue=QUEUE))

    def move(self, move: Literal["complete", "conference", "cancel"]) -> None:
        """The owner moves the open transfer in the API."""
        if (second := self.second()) is not None:
            first = self.tasks[second.first]
            self._move(_command(MoveTransfer, first, transfer_id=second.task_id, move=move))

    def end(self, agent_id: str) -> None:
        """An agent ends their task in the API."""
        if (task := self.seat(agent_id)) is not None:
            self._end(_command(EndTask, task))

    def _started(self, data: InteractionStarted) -> None:
        if self.interaction_id:
            return
        self.interaction_id = data.interaction_id
        self._queue(Task(task_id="t1"))

    def _request(self, data: RequestTask) -> None:
        if self.closed or self.main() is not None:
            self._result(data.request_id, "interaction_ended" if self.closed else "interaction_busy")
        else:
            self._queue(Task(task_id=f"t{len(self.tasks) + 1}", kind=data.kind))
            self._result(data.request_id, None)

    def _queue(self, task: Task) -> None:
        self.tasks[task.task_id] = task
        on = {"client": "c", "channel": "voice", "priority": 5, "cost": 1, "requirements": ()}
        on |= {"kind": task.kind, "callback_possible": True, "position": 1}
        self._emit(TaskQueued, task, **on, queued_at_ms=self.now_ms())

    def _ended(self, data: InteractionEnded) -> None:
        if (second := self.second()) is not None:
            self._over(second, "cancelled", "interaction_ended")
        task, self.closed = self.main(), True
        if task is not None and task.state == "assigned":
            self._wrap_up(task)
        elif task is not None and task.kind == "contact":
            task.state = "ended"
            self._emit(TaskAbandoned, task, reason=data.reason, abandoned_at_ms=1, waited_ms=0)

    def _connect(self, data: ConnectAssignment) -> None:
        task = self._of(data.assignment_id)
        if task is None or task.connected:
            return
        if data.failure is None:
            task.connected = True
            self._emit(AssignmentConnected, task, connected_at_ms=1)
        elif not self._inherited(task, "connect_failed"):
            task.state = "waiting"
            self._emit(TaskUnassigned, task, reason="connect_failed", queued_at_ms=1, unassigned_at_ms=1, handled_ms=0)
            if task.transfer:
                self._changed(task, "requested", "connect_failed")

    def _end(self, data: EndTask) -> None:
        task, second = self._of(data.assignment_id), self.second()
        if task is None:
            self._result(data.command_id, "assignment_gone")
        elif data.as_helper and not task.transfer:
            self._result(data.command_id, "role_changed")
        elif task.transfer:
            self._over(task, "cancelled", "by_consultant")
        elif second is not None and (second.transfer == "cold" or second.role == "participant"):
            self._take_place(second, "owner_ended")
            self._wrap_up(task, second.task_id)
        else:
            if second is not None:
                self._over(second, "cancelled", "owner_ended")
            self._wrap_up(task)

    def _hold(self, data: HoldTask) -> None:
        task = self._of(data.assignment_id)
        if task is None or task.role == "consultant" or task.held == data.held:
            return
        task.held = data.held
        if data.held:
            self._emit(AssignmentHeld, task, held_at_ms=1)
        else:
            self._emit(AssignmentRetrieved, task, held_ms=0, retrieved_at_ms=1)

    def _transfer(self, data: TransferTask) -> None:
        task = self._of(data.assignment_id)
        if task is None or task.transfer or self.second() is not None:
            self._result(data.command_id, "transfer_open")
        elif data.to_agent_id == task.agent_id:
            self._result(data.command_id, "target_is_owner")
        else:
            second = Task(
                task_id=f"t{len(self.tasks) + 1}",
                kind=task.kind,
                transfer=data.kind,
                first=task.task_id,
                to_agent_id=data.to_agent_id,
            )
            self.tasks[second.task_id] = second
            self._changed(second, "requested")
            self._result(data.command_id, None)

    def _move(self, data: MoveTransfer) -> None:
        second = self.second()
        if second is None or second.task_id != data.transfer_id:
            self._result(data.command_id, "transfer_over")
        elif data.move == "cancel":
            self._over(second, "cancelled", "by_owner")
        elif second.state != "assigned":
            self._result(data.command_id, "not_accepted")
        elif data.move == "complete":
            self._hand_over(second)
            self._result(data.command_id, None)
        elif second.role == "consultant":
            self._role(second, "participant")
            self._changed(second, "conference")

    def _call_back(self, data: RequestCallback) -> None:
        task = self.main()
        if task is None or task.state != "waiting":
            self._result(data.request_id, "task_gone")
        else:
            self.call_back()
            self._result(data.request_id, None)

    def _hand_over(self, second: Task) -> None:
        self._role(second, "owner")
        self._changed(second, "completed")
        second.transfer = None
        self._wrap_up(self.tasks[second.first], second.task_id)

    def _inherited(self, task: Task, reason: str) -> bool:
        """Whether another task takes the place of one whose owner goes; the first is given up then."""
        second = self.second()
        if second is None or task.transfer:
            return False
        if second.transfer == "consult" and second.state != "assigned":
            self._over(second, "failed", reason)
            return False
        self._take_place(second, reason)
        self._out(task, "handed_over", second.task_id)
        return True

    def _take_place(self, second: Task, reason: str) -> None:
        if second.state == "assigned":
            self._role(second, "owner")
        self._changed(second, "completed", reason)
        second.transfer, second.to_agent_id = None, None

    def _over(self, second: Task, state: TransferState, reason: str) -> None:
        self._changed(second, state, reason)
        self._out(second, "handed_over", second.first)

    def _out(self, task: Task, to: Leaving, to_task_id: str | None = None) -> None:
        had = {"assignment_id": None, "agent_id": None} if task.state == "waiting" else {}
        task.state = "ended"
        self._emit(
            TaskTransferredOut,
            task,
            **had,
            to=to,
            reason="overflowed",
            transferred_at_ms=1,
            waited_ms=0,
            to_task_id=to_task_id,
        )

    def _wrap_up(self, task: Task, handed_over_to: str | None = None) -> None:
        task.state = "ended"
        self._emit(
            WrapupStarted,
            task,
            reason="agent_ended",
            then="close" if handed_over_to is None else "keep_open",
            seen_number=None,
            started_at_ms=1,
            ends_at_ms=2,
            handed_over_to=handed_over_to,
        )

    def _role(self, task: Task, role: Role) -> None:
        if task.role != role:
            task.role = role
            self._emit(AssignmentRoleChanged, task, changed_at_ms=1)

    def _changed(self, second: Task, state: TransferState, reason: str | None = None) -> None:
        first = self.tasks[second.first]
        self._emit(
            TransferChanged,
            second,
            transfer_id=second.task_id,
            kind=second.transfer,
            state=state,
            from_task_id=first.task_id,
            from_assignment_id=first.assignment_id,
            from_agent_id=first.agent_id,
            to_agent_id=second.agent_id if second.state == "assigned" else None,
            reason=reason,
            changed_at_ms=1,
        )

    def _result(self, command_id: str, refusal: str | None) -> None:
        why = Refusal(code=refusal, detail="no", http_status=409) if refusal else None
        outcome = "refused" if refusal else "done"
        self._emit(
            CommandResult, None, command_id=command_id, agent_id=None, outcome=outcome, refusal=why, decided_at_ms=1
        )

    def _of(self, assignment_id: str) -> Task | None:
        found = (task for task in self.tasks.values() if task.assignment_id == assignment_id)
        return next((task for task in found if task.state == "assigned"), None)

    def _emit(self, data: type, task: Task | None, **told: Any) -> None:
        """An event of a type, which has of the task what it has a field for."""
        known: dict[str, Any] = {"interaction_id": self.interaction_id, "domain": "d", "queue": QUEUE}
        if task is not None:
            known |= {name: getattr(task, name) for name in ("task_id", "assignment_id", "agent_id", "role")}
        names = {each.name for each in fields(data)}
        self.sequence += 1
        self.tell(data(**{name: known[name] for name in known.keys() & names} | told), f"1-{self.sequence:08d}-0")


def _command(data: type, task: Task, **wanted: Any) -> Any:
    known = {"command_id": "api", "domain": "d", "agent_id": task.agent_id}
    if data is not MoveTransfer:
        known["assignment_id"] = task.assignment_id
    return data(**known, **wanted)
