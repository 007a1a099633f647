"""What can happen to a call: each is read once, in order, and is all that `advance` knows of the world."""

from dataclasses import dataclass
from typing import Any

from voice_gateway.domain.call import AgentPhone, Terms
from voice_gateway.domain.events import Event, LegIncoming, Snapshot
from voice_gateway.domain.words import Party


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArrived:
    """Somebody calls a number of ours."""

    leg: LegIncoming
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class DialAsked:
    """An agent has accepted a task for which a customer is to be called (kind `callback` or `dial`): the agent's phone
    rings first. `data` is its `task.assigned`."""

    data: Any
    sequence: str
    phone: AgentPhone | None
    customer: Party
    """Whose `number` is called."""
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTold:
    """An event of one of the call's legs, rooms, playbacks or recordings."""

    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """An event of topic routing-events about the call's interaction: `data` is its dataclass of contracts."""

    data: Any
    sequence: str
    phone: AgentPhone | None = None
    """Of `task.assigned`: the agent's, which the owner looked up; none: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An agent's or a supervisor's command: `data` is its dataclass of contracts."""

    data: Any
    phone: AgentPhone | None = None
    """Of `call.supervise`: the supervisor's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerDue:
    """One of `Call.timers` is due."""

    name: str
    place: int | None = None
    """Of the flow's: where in line the call's task stands now, if that is known (`Places`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """How the node stands, after it could not be heard; commands that were to be done have been done before."""

    snapshot: Snapshot


Fact = CallArrived | DialAsked | NodeTold | Routed | Asked | TimerDue | Reconciled
