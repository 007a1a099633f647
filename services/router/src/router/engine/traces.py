"""The trace context of each task's events.

It is in the trace that the task's contact came with, also when something else led to an event: an agent who became
ready, a timer. It is stored with the journal's batches, so that whoever publishes gives the same.
"""

from typing import Final

from contracts.tasks import TaskAbandoned, TaskCompleted, TaskQueued, TaskTransferredOut

_ENDS: Final = (TaskCompleted, TaskAbandoned, TaskTransferredOut)
VERSION_AND_TRACE: Final = slice(0, 35)
"""Of a W3C trace context, what two of one trace have in common."""


class Traces(dict[str, str]):
    """By task id: the trace context that its contact came with, for as long as the task lives."""

    def context_of(self, data: object, given: str | None) -> str | None:
        """The context for the event with these data, which an input with context `given` led to.

        It is the input's if that goes on with the task's trace, as when the agent's client sends back what it was told.
        """
        task_id = getattr(data, "task_id", None)
        if task_id is None:
            return given
        if isinstance(data, TaskQueued):
            if given is not None:
                self[task_id] = given
            return given
        own = self.pop(task_id, None) if isinstance(data, _ENDS) else self.get(task_id)
        if own is None or (given is not None and given[VERSION_AND_TRACE] == own[VERSION_AND_TRACE]):
            return given
        return own
