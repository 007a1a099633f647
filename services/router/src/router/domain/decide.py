"""What an input leads to: the only way in which anything becomes true in the router."""

from collections.abc import Callable
from typing import Final

from router.domain.arrivals import customer_facts, interaction
from router.domain.commands import command
from router.domain.configuration import step
from router.domain.connections import connection
from router.domain.facts import Fact
from router.domain.finish import finish
from router.domain.inputs import (
    CommandInput,
    ConfigurationStep,
    FactsInput,
    Input,
    InteractionInput,
    LeasesRead,
    PresenceObserved,
    RequestInput,
    ServiceInput,
    TimersDue,
)
from router.domain.presence import leases_read, observed
from router.domain.requests import request
from router.domain.state import State
from router.domain.timers import timers_due
from router.domain.turn import Turn


def decide(state: State, given: Input, now_ms: int) -> list[Fact]:
    """The facts that the input leads to at `now_ms`, in order; none when it changes nothing.

    The state has moved by exactly these facts when this returns: who cannot append them drops the whole state. The
    same state, input and instant always give the same facts. `now_ms` never runs backwards from call to call, and
    whoever folds the facts later passes the same value. A waiting task never has an eligible agent afterwards, but
    for what a due timer goes on with.
    """
    turn = Turn(state, now_ms)
    _DECIDERS[type(given)](turn, given)
    finish(turn)
    return turn.facts


_DECIDERS: Final[dict[type[Input], Callable[..., None]]] = {
    InteractionInput: interaction,
    CommandInput: command,
    FactsInput: customer_facts,
    RequestInput: request,
    ServiceInput: connection,
    ConfigurationStep: step,
    PresenceObserved: observed,
    LeasesRead: leases_read,
    TimersDue: timers_due,
}
