"""A call as its node's owner keeps it: who is on the line, for whom, and where. Plain data.

A call has one customer, whose leg begins it or is dialled; agents' legs by their assignments (`Seat`); supervisors'
legs (`Watch`). `Leg.room_id` and `Watch.told` say what the node was told, not what it told: what should be is worked
out from the rest (`arrange`), and the difference is what the node is told next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from contracts.fields import Direction
from contracts.interactions import EndReason
from contracts.quick import quick
from contracts.tasks import Role, TransferKind
from pydantic import TypeAdapter

from voice_gateway.domain.driver import Capabilities
from voice_gateway.domain.flow_plan import Consent, FlowPlan
from voice_gateway.domain.flow_words import FlowPosition
from voice_gateway.domain.words import WITHHELD, MonitorMode, Party, Quality, Target

VERSION: Final = 1
"""Of the form in which calls are kept."""

LegOf = Literal["customer", "agent", "supervisor"]
LegState = Literal["incoming", "dialled", "ringing", "up"]
Purpose = Literal["wait", "talk", "consult"]
"""wait: each hears music; talk: customer and agents; consult: agents among themselves, never recorded."""
RecordingKind = Literal["talk", "voicemail"]
RecordingState = Literal["running", "paused", "stopping"]
Spending = Literal["ring", "wait", "talk", "hold", "after"]
"""What a customer's time goes to; after: nobody is looked for any more (a survey, a message, last words)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPhone:
    """Where an agent or a supervisor is called."""

    to: Target
    answers_itself: bool = False
    ring_seconds: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPolicy:
    """Whether calls of these queues, clients and directions are recorded; none named: of all."""

    queues: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    directions: tuple[Direction, ...] = ()
    record: bool = True
    consent: Consent = "none"
    keep_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What a phone may dial to give a talk away: the queue or the agent that it stands for."""

    dialled: str
    queue: str | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the configuration, and the node, say for this call; read once, when it begins."""

    tenant_id: str
    domain: str
    client: str
    address: str
    queue_hint: str | None = None
    language: str | None = None
    shown: Party = WITHHELD
    """Whom phones outside show for us: a number of ours."""
    flow: FlowPlan | None = None
    """What a caller goes through; none: music, and an agent."""
    music: str | None = None
    callback_possible: bool = True
    ring_customer_seconds: int = 45
    detect_machines: bool = False
    """Whether it is a machine that answers is found out, of customers who are called."""
    recording: tuple[RecordingPolicy, ...] = ()
    """The first that fits counts; none: not recorded."""
    supervision_announced: bool = False
    """Agents hear that somebody listens."""
    extensions: tuple[Extension, ...] = ()
    alive_seconds: int = 120
    """Legs live so long without an owner, and are told to live on four times in it."""
    can: Capabilities = field(default_factory=Capabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One party's line."""

    leg_id: str
    of: LegOf
    state: LegState
    begun_at_ms: int
    agent_id: str | None = None
    """Whose phone: an agent's or a supervisor's."""
    answered_at_ms: int | None = None
    room_id: str | None = None
    """Where the node was told to put it."""
    muted: bool = False
    holds: bool = False
    """The phone has put its other side on hold by itself."""
    releasing: bool = False
    """The node was told to end it."""
    refusals: int = 0
    """How often the node would not put it where it belongs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where legs are put."""

    room_id: str
    purpose: Purpose
    opened_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """An agent's assignment in this call, while it lasts."""

    assignment_id: str
    task_id: str
    agent_id: str
    queue: str
    role: Role
    sequence: str
    """Of the event that gave the role: commands name it."""
    phone: AgentPhone | None
    leg_id: str | None = None
    """None: the phone's leg is over, and the router has been told."""
    rings: int = 0
    """How often the phone was dialled."""
    connected: bool = False
    """The router was told that customer and agent can talk."""
    held: bool = False
    """The customer is on hold by this agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The open one."""

    transfer_id: str
    kind: TransferKind
    from_assignment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A supervisor at an agent's place."""

    supervisor_id: str
    assignment_id: str
    agent_id: str
    leg_id: str
    mode: MonitorMode
    announced: bool
    command_id: str
    """Of the last wish: who is told if it cannot be."""
    told: tuple[str, MonitorMode] | None = None
    """The leg and the mode that the node was told."""
    said: str | None = None
    """What was announced last."""
    taking_over: bool = False
    request_id: str | None = None
    """What the router was asked to take it over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One that the node makes, or has ended and not told of yet."""

    recording_id: str
    kind: RecordingKind
    where_id: str
    """The room, or of voicemail the leg."""
    state: RecordingState
    begun_at_ms: int
    keep_days: int
    paused_at_ms: int | None = None
    pauses: tuple[tuple[int, int], ...] = ()
    """Milliseconds since it began, from and to."""
    stopped_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Where the customer's time went, in milliseconds; `now` counts from `since_ms`."""

    now: Spending
    since_ms: int
    ring_ms: int = 0
    wait_ms: int = 0
    talk_ms: int = 0
    hold_ms: int = 0
    after_ms: int = 0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One interaction on the telephone."""

    interaction_id: str
    root: str
    """From which the ids of its legs, rooms and events are derived: an interaction may be called twice."""
    terms: Terms
    direction: Direction
    customer: Party
    customer_leg_id: str
    begun_at_ms: int
    spent: Spent
    legs: tuple[Leg, ...] = ()
    rooms: tuple[Room, ...] = ()
    seats: tuple[Seat, ...] = ()
    task_id: str | None = None
    """The interaction's main task."""
    queue: str | None = None
    """In which it waits or waited."""
    transfer: Transfer | None = None
    watches: tuple[Watch, ...] = ()
    recordings: tuple[Recording, ...] = ()
    not_recorded: int = 0
    """How often the node has failed to record it."""
    recording_paused: bool = False
    """An agent wants it so (card data), until that agent or the owner wants it otherwise, or another has the call."""
    paused_by: str | None = None
    timers: Mapping[str, int] = field(default_factory=dict)
    """What is due, and when (UTC milliseconds)."""
    flow: FlowPosition | None = None
    callback_id: str | None = None
    """The request to be called back that the router has not answered."""
    message_id: str | None = None
    """The request for a task of the caller's message that the router has not answered."""
    gone: tuple[EndReason, str | None] | None = None
    """The customer has gone, but the router has not answered what they wished (a callback, a task of their message):
    reason and cause that are told then."""
    dialled: bool = False
    """The customer of an outbound call was."""
    last_agent: tuple[str, str] | None = None
    """Agent and assignment that the customer talked with last."""
    routed_sequence: str = ""
    """Of the last event of the router that was read."""
    wished: tuple[str, str] | None = None
    """The transfer that a phone has asked for and that is not answered, and the id of what the router was asked."""
    asked: bool = False
    """`interaction.started` was said."""
    ids: int = 0
    """How many were derived so far."""
    commands: tuple[str, ...] = ()
    """Ids of the last commands of agents and supervisors that were done or refused."""
    quality: Quality = field(default_factory=Quality)
    """The worst of its legs so far."""
    closing: EndReason | None = None
    """Why it ends, once it does while the customer is still there."""
    cause: str | None = None
    ended_at_ms: int | None = None
    """`interaction.ended` was said."""
    over: bool = False
    """No leg and no recording is left: it need not be kept."""

    def leg(self, leg_id: str | None) -> Leg | None:
        """One that is not over."""
        return next((leg for leg in self.legs if leg.leg_id == leg_id), None)

    def seat(self, assignment_id: str | None) -> Seat | None:
        """An assignment that lasts."""
        return next((seat for seat in self.seats if seat.assignment_id == assignment_id), None)

    def seat_at(self, leg_id: str) -> Seat | None:
        """Whose phone the leg is."""
        return next((seat for seat in self.seats if seat.leg_id == leg_id), None)

    def room(self, purpose: Purpose) -> Room | None:
        """The open one; there is one of each at most."""
        return next((room for room in self.rooms if room.purpose == purpose), None)

    @property
    def owner(self) -> Seat | None:
        """Who has the main task."""
        return next((seat for seat in self.seats if seat.task_id == self.task_id), None)


_KEPT: Final = TypeAdapter(Call)
_FORM: Final = TypeAdapter(tuple[int, object])


class UnknownFormError(Exception):
    """A kept call has a form that this release does not know; a newer one has written it."""


def call_to_json(call: Call) -> bytes:
    """The form in which it is kept: `[version, call]`."""
    return b"[%d,%b]" % (VERSION, _KEPT.dump_json(call, exclude_defaults=True))


def call_from_json(kept: bytes) -> Call:
    """Raises UnknownFormError."""
    version, call = _FORM.validate_json(kept)
    if version != VERSION:
        raise UnknownFormError(f"a call of form {version}, and {VERSION} is known")
    return _KEPT.validate_python(call, strict=False)
