"""Finds what is broken of S1 to S6 in what a run has left behind, and which answers to its people were not true.

It stands on the events' contracts alone and shares no code with what it judges: the consumers' rule, the journal's fold
rule and the life of a task are written here a second time, as the design tells them.
"""

from centralino.proof.faults import Fault
from centralino.proof.history import History
from centralino.proof.journal import journal_faults
from centralino.proof.messages import message_faults
from centralino.proof.requests import command_faults, request_faults
from centralino.proof.routing import Routing


def find_faults(history: History, *, finished: bool) -> list[Fault]:
    """Everything that is wrong; `finished`: the run came to its end, so every task has to be over."""
    routing = Routing(history)
    routing.read()
    return [
        *[Fault("L5", place, "is no event") for place in history.malformed],
        *[Fault("L5", place, "a valid record was parked") for place in history.dead_letters],
        *journal_faults(history),
        *routing.faults,
        *routing.end_faults(finished=finished),
        *message_faults(history, routing.assignments),
        *request_faults(history),
        *(command_faults(history) if finished else ()),
    ]
