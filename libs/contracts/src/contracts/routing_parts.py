"""Parts of a configuration document that say how tasks are routed: queues, plans, teams, and what goes with them."""

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from contracts.fields import Band, Channel, Code, Cost, Direction, Id, Priority, Proficiency, Units
from contracts.part import Label, Part, Seconds
from contracts.voice_parts import Phone

Waiting = Annotated[int, Field(ge=0, le=7 * 86_400)]
"""Seconds of waiting: zero counts."""
Required = Annotated[list["RequiredSkill"], Field(max_length=16)]
Choice = Literal["least_loaded", "longest_idle", "best_proficiency", "round_robin"]
Measure = Literal["waiting", "oldest_wait_seconds", "service_level_percent", "expected_wait_seconds", "ready_agents"]


def _needs(field: str, value: JsonDict, other: str, kind: str, *, alone: bool = True) -> JsonDict:
    """For editors, who know no validator: where the field has the value the other one is needed; else it is refused,
    or (not `alone`) allowed."""
    found: JsonDict = {
        "if": {"properties": {field: value}, "required": [field]},
        "then": {"properties": {other: {"type": kind}}, "required": [other]},
    }
    return {**found, "else": {"properties": {other: {"type": "null"}}}} if alone else found


def _either(*fields: str) -> JsonDict:
    """For editors: exactly one of the whole numbers is set."""
    return {
        "oneOf": [
            {
                "properties": {each: {"type": "integer" if each == field else "null"} for each in fields},
                "required": [field],
            }
            for field in fields
        ]
    }


BOTH: Final[tuple[Direction, ...]] = ("inbound", "outbound")


class RequiredSkill(Part):
    """A skill and the proficiencies that will do; in `none_of` those that will not."""

    skill: Code
    minimum: Proficiency = 1
    maximum: Proficiency = 5

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError("minimum is above maximum: nobody has such a proficiency")
        return self


class Destination(Part):
    """Where a task goes that its queue gives up on: another queue, among the callbacks of its own queue, or out of the
    router by its gateway."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _needs("to", {"const": "queue"}, "queue", "string"),
                _needs("to", {"const": "message"}, "message", "string", alone=False),
            ]
        }
    )

    to: Literal["queue", "callback", "voicemail", "message"]
    queue: Code | None = None
    """The other queue, for `to: queue`."""
    message: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """What the customer is told; the last words for `to: message`."""
    otherwise: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """The last words for a customer who cannot be called back, for `to: callback`; none: the gateway's own."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.to == "queue" and self.queue is None:
            raise ValueError("`to: queue` needs the `queue`")
        if self.to != "queue" and self.queue is not None:
            raise ValueError("`queue` belongs to `to: queue`, and to nothing else")
        if self.to == "message" and self.message is None:
            raise ValueError("`to: message` needs the `message`")
        if self.otherwise is not None and self.to != "callback":
            raise ValueError("`otherwise` belongs to `to: callback`: who cannot be called back hears it")
        return self


class ServiceLevel(Part):
    """The promise of a queue: so many percent answered within so many seconds."""

    within_seconds: Seconds = 20
    target_percent: Annotated[int, Field(ge=1, le=100)] = 80


class Alert(Part):
    """Tells supervisors when a measure of the queue passes a limit for some time; exactly one of the limits is set."""

    model_config = ConfigDict(json_schema_extra=_either("above", "below"))

    id: Code
    measure: Measure
    above: Annotated[int, Field(ge=0)] | None = None
    below: Annotated[int, Field(ge=0)] | None = None
    for_seconds: Waiting = 0

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("an alert has either `above` or `below`")
        return self


class Queue(Part):
    """An ordered set of waiting tasks and what an agent needs to serve them."""

    model_config = ConfigDict(json_schema_extra=_needs("waiting_max", {"type": "integer"}, "full", "object"))

    id: Code
    domain: Id
    name: Label
    requirements: Required = Field(default_factory=list)
    """All of them."""
    any_of: Annotated[list[Required], Field(max_length=8)] = Field(default_factory=list)
    """Of each group at least one."""
    none_of: Required = Field(default_factory=list)
    teams: Annotated[list[Code], Field(max_length=50)] = Field(default_factory=list)
    """Agents of these teams alone; none: of any, or of no team."""
    band: Band = 0
    """A higher band is served strictly before a lower one, whatever the priorities."""
    priority: Priority = 5
    offer_timeout_seconds: Seconds = 20
    wrapup_seconds: Seconds = 60
    plan: Code | None = None
    calendar: Code | None = None
    """Opening hours; always open without one."""
    closed: Destination | None = None
    """Where tasks go outside the opening hours; without it they wait for the next opening."""
    waiting_max: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    full: Destination | None = None
    """Where a task goes that finds `waiting_max` before it."""
    service_level: ServiceLevel | None = None
    short_abandon_seconds: Waiting = 5
    """Who left sooner had hardly come: counted apart."""
    choose_agent: Choice = "least_loaded"
    parallel_offers: Annotated[int, Field(ge=1, le=50)] = 1
    """To so many agents at once; the first to accept has it."""
    auto_accept: bool = False
    """An offer is accepted for the agent in the same instant."""
    first_response_seconds: Seconds | None = None
    """An agent who has accepted a contact, or for whom it was, and does nothing for so long loses it, as an offer left
    unanswered. Only for channels whose gateway reports what the agent does first (`assignment.connect`): web chat."""
    customer_facts_wait_ms: Annotated[int, Field(ge=0, le=10_000)] = 0
    """How long a task waits for what the CRM knows of the customer before it is offered to anybody."""
    escalates_to: Code | None = None
    """The queue of the next tier."""
    direction: Direction = "inbound"
    alerts: Annotated[list[Alert], Field(max_length=20)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _full_needs_a_limit(self) -> Self:
        if (self.waiting_max is None) != (self.full is None):
            raise ValueError("`waiting_max` and `full` belong together")
        return self


class Step(Part):
    """What changes for a task once it has been `after_seconds` in the queue. What is not set stays as it was."""

    after_seconds: Waiting
    requirements: Required | None = None
    any_of: Annotated[list[Required], Field(max_length=8)] | None = None
    none_of: Required | None = None
    teams: Annotated[list[Code], Field(max_length=50)] | None = None
    agents: Annotated[list[Id], Field(max_length=20)] = Field(default_factory=list)
    """These agents alone until the next step; passed over when none of them is at work."""
    last_agent: bool = False
    """The agent alone who served this customer last; passed over when unknown or not at work."""
    priority_add: Annotated[int, Field(ge=0, le=9)] = 0
    band: Band | None = None
    overflow: Destination | None = None
    """The queue gives the task up; the last step."""


class Plan(Part):
    """Steps over the time that a task waits."""

    id: Code
    domain: Id
    steps: Annotated[list[Step], Field(min_length=1, max_length=32)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times = [step.after_seconds for step in self.steps]
        if times != sorted(set(times)):
            raise ValueError("steps stand in the order of their after_seconds, no two at the same time")
        if any(step.overflow for step in self.steps[:-1]):
            raise ValueError("no step can come after an overflow")
        return self


class Team(Part):
    """Agents who belong together."""

    id: Code
    domain: Id
    name: Label


class ClientShare(Part):
    """How much of the domain's agents one client gets; measured in capacity units in use."""

    client: Id
    minimum_percent: Annotated[int, Field(ge=0, le=100)] = 0
    """While it has less and something of it waits, it goes before the others."""
    units_max: Units | None = None
    """Never more at once."""


class AgentBackoff(Part):
    """For how many seconds an agent gets no offer at all after one that came to nothing, by cause."""

    rejected_seconds: Waiting = 0
    expired_seconds: Waiting = 0
    connect_failed_seconds: Waiting = 5


class ReasonCode(Part):
    """Why an agent is not ready."""

    id: Code
    label: Label
    paid: bool = True
    """Whether the time counts as paid."""


class Agent(Part):
    """A person who serves tasks; `id` is the subject of their access token."""

    id: Id
    domain: Id
    name: Label
    """Shown to customers; choose it accordingly."""
    skills: dict[Code, Proficiency] = Field(default_factory=dict)
    capacity: Cost = 3
    """Capacity units the agent can hold at once."""
    team: Code | None = None
    channels: dict[Channel, Annotated[int, Field(ge=1, le=100)]] = Field(default_factory=dict)
    """Channels that the agent serves and how many tasks of each at once; none: all, without such a limit."""
    clients: Annotated[list[Id], Field(max_length=1000)] = Field(default_factory=list)
    """Clients that the agent serves; none: all."""
    directions: Annotated[list[Direction], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: list(BOTH)
    )
    shift_calendar: Code | None = None
    """When the agent is expected to be clocked in; adherence is judged by it."""
    phone: Phone | None = None
    """Where the agent is called; none: calls cannot be connected to them."""
