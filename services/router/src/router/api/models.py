"""What goes over the API: requests, responses, and the engine's views as Redis holds them."""

from typing import Annotated, Literal, Self

from contracts.agents import AgentState, Presence
from contracts.fields import Band, Channel, Code, Id, InstantMs, Number, Priority
from contracts.plain_text import PlainLines
from contracts.queues import AlertChanged, QueueOverridden
from contracts.routing_parts import ReasonCode
from contracts.tasks import Requirement, Role, Then, TransferKind
from pydantic import BaseModel, ConfigDict, Field, model_validator


class Request(BaseModel):
    """A body; unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class View(BaseModel):
    """What is shown; members that a newer engine writes are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StateChoice(Request):
    """The state to be in."""

    state: AgentState
    reason_code: Code | None = None
    when: Literal["when_free", "now"] = "when_free"
    """when_free: asked for during an offer or a conversation it takes effect when the last of them has ended."""


class AgentsStateChoice(StateChoice):
    """The state that somebody else is to be in."""

    when: Literal["when_free", "now"] = "now"


class Clocking(Request):
    """Whether the shift begins, or ends."""

    clocked_in: bool


class Parking(Request):
    """Until when; none: until the customer writes or somebody takes it up (422 `until_needed` once they have gone)."""

    until_ms: InstantMs | None = None


class TransferWish(Request):
    """To whom: exactly one of a queue, an agent, skills within the queue, or the next tier."""

    kind: TransferKind = "cold"
    queue: Code | None = None
    agent_id: Id | None = None
    requirements: list[Requirement] = Field(default=[], max_length=16)
    escalate: bool = False
    priority_add: Priority = 0
    forced: bool = False

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        targets = (self.queue is not None, self.agent_id is not None, bool(self.requirements), self.escalate)
        if sum(targets) != 1:
            raise ValueError("name exactly one of queue, agent_id, requirements and escalate")
        return self


class InDomain(Request):
    """`domain` may be left out where the tenant has only one."""

    domain: Id | None = None


class Rerouting(InDomain):
    """What changes for the waiting task."""

    queue: Code | None = None
    agent_id: Id | None = None
    priority: Priority | None = None
    band: Band | None = None


class Finish(InDomain):
    """How the stuck task ends."""

    disposition: Code | None = None


class Override(InDomain):
    """The whole of what holds instead of the configuration; empty: the configuration again."""

    closed: bool = False
    message: Annotated[PlainLines, Field(min_length=1, max_length=500)] | None = None
    priority: Priority | None = None
    until_ms: InstantMs | None = None


class TaskWish(InDomain):
    """A task that no customer asks for just now. `request_id` is the caller's own: a repeat makes no second task while
    that one lives, nor within 8 days of the request; later it is a new request."""

    request_id: Id
    kind: Literal["callback", "case", "dial"]
    client: Id
    channel: Channel
    queue: Code
    interaction_id: Id | None = None
    due_at_ms: InstantMs | None = None
    agent_id: Id | None = None
    agent_only_seconds: Annotated[int, Field(ge=0, le=7 * 86_400)] = 3600
    priority: Priority | None = None
    labels: list[Code] = Field(default=[], max_length=16)
    language: Code | None = None


class CallbackWish(InDomain):
    """When the customer who waits is called back; none: when it is their turn."""

    request_id: Id
    due_at_ms: InstantMs | None = None


class RequestTaken(View):
    """The request is kept; what comes of it is told by events."""

    request_id: Id


class Rejection(Request):
    """Why the offer is declined."""

    reason: Code | None = None


class Ending(Request):
    """How the conversation ends; `seen_number` is the last customer message that the agent had seen."""

    then: Then = "close"
    seen_number: Number | None = None
    disposition: Code | None = None


class Completion(Ending):
    """How the task ends."""


class CommandOutcome(View):
    """The command is decided."""

    command_id: Id
    outcome: Literal["done"] = "done"
    assignment_id: Id | None = Field(None, description="The assignment that an accepted offer made.")
    task_id: Id | None = Field(
        None, description="The task that a transfer or a request made, that was parked or taken up, or is the callback."
    )


class CommandPending(View):
    """The command is kept and not decided yet; its result will be at /commands/{command_id}."""

    command_id: Id


class OfferView(View):
    """A live offer."""

    offer_id: Id
    task_id: Id
    interaction_id: Id
    queue: Code
    channel: Channel
    priority: Priority
    queued_at_ms: InstantMs
    expires_at_ms: InstantMs
    sequence: str


class TransferView(View):
    """A transfer that is open."""

    transfer_id: Id
    kind: TransferKind
    state: Literal["requested", "consulting", "conference"]
    to_agent_id: Id | None = Field(description="Who accepted, if anybody has.")


class AssignmentView(View):
    """A task that an agent owns, or helps with."""

    assignment_id: Id
    task_id: Id
    interaction_id: Id
    agent_id: Id
    queue: Code
    channel: Channel
    sequence: str
    state: Literal["assigned", "wrapup"]
    counted: bool = Field(True, description="Whether it takes capacity: not while the customer is silent.")
    role: Role = Field("owner", description="consultant: helps unseen by the customer; participant: all talk together.")
    held_since_ms: InstantMs | None = Field(None, description="Since when the customer is on hold; none: not.")
    transfer: TransferView | None = Field(None, description="The open transfer that the owner asked for.")
    ends_at_ms: InstantMs | None = Field(None, description="When wrap-up ends by itself.")


class AgentView(View):
    """An agent as the engine sees it."""

    agent_id: Id
    state: AgentState
    reason_code: Code | None = None
    presence: Presence
    devices: list[Id] = Field(default=[], description="Devices that are alive, as `<kind>/<id>`.")
    clocked_in: bool = False
    adherent: bool = Field(True, description="Whether the agent works when the shift calendar says so.")
    pending_state: AgentState | None = Field(None, description="Comes when the last offer or assignment ends.")
    pending_reason_code: Code | None = None
    held: int = Field(description="Capacity units in use.")
    capacity: int
    idle_since_ms: InstantMs | None = None
    offers: list[OfferView] = []
    assignments: list[Id] = Field(default=[], description="Ids of assignments.")
    occupancy: "FigureView | None" = Field(None, description="`occupancy.v1` of the day (UTC), up to now.")
    time: dict[str, int] | None = Field(None, exclude=True)


class FigureView(View):
    """Both numbers of a figure; a number alone has no denominator. See docs/metrics-formulas.md."""

    numerator: int
    denominator: int | None


class Figures(View):
    """A queue's figures over some time."""

    since_ms: InstantMs = Field(description="From when on it is counted.")
    figures: dict[str, FigureView] = Field(description="By the formula's name and version.")


class MeasuredView(View):
    """A queue's counts as the engine keeps them: `router.domain.live_counts`."""

    since_ms: InstantMs | None
    earlier: dict[str, int]
    recent: list[tuple[int, dict[str, int]]]
    step_ms: int
    newest: dict[str, int]


class QueueView(View):
    """How many tasks of a queue are in which state, and what happened to them lately."""

    queue: Code
    waiting: int
    offered: int
    assigned: int
    wrapup: int
    oldest_queued_at_ms: InstantMs | None = None
    alerts: list[AlertChanged] = Field(default=[], description="Those that stand, as they were raised.")
    override: QueueOverridden | None = Field(None, description="What a supervisor set instead of the configuration.")
    recent: Figures | None = Field(None, description="The last half hour, begun at a full five minutes.")
    today: Figures | None = Field(None, description="The day, UTC.")
    measured: MeasuredView | None = Field(None, exclude=True)


class DomainView(View):
    """A domain as the engine has configured it."""

    domain: Id
    version: int
    not_ready_reasons: list[ReasonCode] = []


class Me(View):
    """The agent's desk. Open the socket with `after=push_sequence`: nothing is missed."""

    agent_id: Id
    name: str
    domain: Id
    state: AgentState
    reason_code: Code | None
    pending_state: AgentState | None = Field(description="Comes when the last offer or assignment ends.")
    pending_reason_code: Code | None
    presence: Presence
    clocked_in: bool
    held: int
    capacity: int
    not_ready_reasons: list[ReasonCode] = Field(description="To choose from; none: any code will do.")
    offers: list[OfferView]
    assignments: list[AssignmentView]
    push_sequence: int


class DomainLive(View):
    """One domain now."""

    domain: Id
    queues: list[QueueView]
    agents: list[AgentView]
    occupancy: FigureView | None = Field(None, description="Of all these agents.")


class Live(View):
    """All domains of the tenant now."""

    domains: list[DomainLive]


class Ticket(View):
    """Opens one WebSocket within 30 seconds: `?ticket=`."""

    ticket: str
    expires_in_seconds: int
