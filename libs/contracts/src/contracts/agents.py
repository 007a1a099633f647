"""What agents chose and whether they can be reached, written by the router engine (topic `routing.events`)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import Code, Count, Id, InstantMs, Text
from contracts.quick import quick

AgentState = Literal["ready", "not_ready"]
Presence = Literal["present", "lost", "absent", "unconfirmed"]
"""lost: no heartbeat, grace is running; absent: grace is over; unconfirmed: not seen since the engine took over."""
StateCause = Literal["command", "unanswered_offers", "presence_lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStateChanged:
    """The agent's chosen state; routable is ready and present."""

    agent_id: Id
    domain: Id
    state: AgentState
    reason_code: Code | None
    cause: StateCause
    changed_at_ms: InstantMs
    by: Id | None = None
    """The supervisor who chose it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatePending:
    """Asked for during an offer or an assignment: it takes effect when the last of them ends. Until then no offers."""

    agent_id: Id
    domain: Id
    state: AgentState | None
    """None: what was pending is taken back."""
    reason_code: Code | None
    asked_at_ms: InstantMs
    by: Id | None = None
    clocks_out: bool = False
    """The agent is to be clocked out with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentBackedOff:
    """After an offer that came to nothing the agent gets no other before `until_ms`."""

    agent_id: Id
    domain: Id
    cause: Code
    """`rejected`, `expired`, `connect_failed`."""
    until_ms: InstantMs
    backed_off_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentClocked:
    """The agent began or ended a shift."""

    agent_id: Id
    domain: Id
    clocked_in: bool
    clocked_at_ms: InstantMs
    by: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAdherenceChanged:
    """Whether the agent works when the shift says so, and only then."""

    agent_id: Id
    domain: Id
    adherent: bool
    expected: bool
    """At work, by the shift calendar."""
    clocked_in: bool
    changed_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPresenceChanged:
    """Whether the agent can be reached; also when it is other devices by which they can, or cannot."""

    agent_id: Id
    domain: Id
    presence: Presence
    grace_ends_at_ms: InstantMs | None
    changed_at_ms: InstantMs
    devices: tuple[Id, ...] = ()
    """Which of the agent's devices are alive, as `<kind>/<id>`; of who is lost or absent those that do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a command was refused, ready for problem+json (RFC 9457)."""

    code: Code
    detail: Text
    http_status: Annotated[int, Field(ge=400, le=599)]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What became of a command; a repeated command id gets the first result again."""

    command_id: Id
    domain: Id
    agent_id: Id | None
    outcome: Literal["done", "refused"]
    refusal: Refusal | None
    decided_at_ms: InstantMs
    assignment_id: Id | None = None
    """The assignment that an accepted offer made."""
    task_id: Id | None = None
    """The task that a transfer or a request made, that was parked or taken up, or is the callback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationApplied:
    """From this position on the domain is routed by this version."""

    domain: Id
    version: Count
    hash: Id
    applied_at_ms: InstantMs
