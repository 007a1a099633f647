"""A tenant's configuration: one document, validated as a whole, versioned by the router's API."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from contracts.calendars import Calendar, TimeZone
from contracts.channel_parts import Account, CannedReply, Mailbox, Template
from contracts.fields import Channel, Code, Cost, DeviceKind, Id
from contracts.part import Label, Part, Seconds
from contracts.routing_parts import (
    Agent,
    AgentBackoff,
    ClientShare,
    Plan,
    Queue,
    ReasonCode,
    Team,
    Waiting,
)
from contracts.rules import Rule
from contracts.voice_parts import VOICE, Extension, Flow, PhoneNumber, Prompt, RecordingPolicy, Supervision

WEB_CHAT: Final = "webchat"
EMAIL: Final = "email"
LongSeconds = Annotated[int, Field(ge=1, le=90 * 86_400)]
Reopening = Annotated[int, Field(ge=0, le=365 * 86_400)]
IdleReset = Literal["ready", "assignment", "outbound", "refusal"]
RESETS: Final[tuple[IdleReset, ...]] = ("ready", "assignment")


class Disposition(Part):
    """A coded outcome that agents choose from."""

    id: Code
    label: Label
    wrapup_seconds: Seconds | None = None
    """How long the wrap-up may take of a task that the agent ends with this outcome; none: what the queue says."""


class Domain(Part):
    """A routing domain: one pool of agents and the rules that hold for all of it."""

    id: Id
    time_zone: TimeZone = "UTC"
    """In which the domain's rules read hour, weekday and date."""
    costs: dict[Channel, Cost] = Field(default_factory=dict)
    """Capacity units that a task of the channel takes; 1 where nothing is said."""
    unanswered_offers_max: Annotated[int, Field(ge=1, le=100)] = 2
    """After so many unanswered offers in a row the agent is set not ready."""
    refused_backoff_seconds: Seconds = 60
    """A task that an agent rejected or left unanswered is not offered to this agent again for so long."""
    presence_grace_seconds: Seconds = 30
    present_by: list[DeviceKind] = Field(default_factory=list, max_length=20)
    """Kinds of devices that make an agent present; none: all. Another kind alone, a mobile one perhaps, does not."""
    keep_on_agent_loss: list[Channel] = Field(default_factory=list)
    """Channels whose assignments stay with a lost agent; all others are requeued."""
    dispositions: list[Disposition] = Field(default_factory=list, max_length=200)
    interruptible: list[Channel] = Field(default_factory=list)
    """Channels whose tasks do not stand in the way of others: they take capacity only from one another."""
    offer_timeouts: dict[Channel, Seconds] = Field(default_factory=dict)
    """How long an offer stands, by channel; else what the queue says."""
    aging_seconds_per_priority: Seconds | None = None
    """One point of priority is worth so many seconds of waiting; none: a higher priority always goes first."""
    longest_wait_seconds: Waiting | None = None
    """Who has waited so long goes before everybody who has not, whatever band, priority or share: nobody starves."""
    idle_reset_by: list[IdleReset] = Field(default_factory=lambda: list(RESETS))
    """What starts an agent's idle time anew: turning ready; the end of an assignment, of an outbound one; an offer
    that the agent refused or left unanswered."""
    outbound_idle_reserve: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Outbound work is offered only while more ready agents than these hold nothing."""
    unanswered_then: Literal["not_ready", "nothing"] = "not_ready"
    unanswered_reason_code: Code | None = None
    agent_backoff: AgentBackoff = AgentBackoff()
    transfer_seconds: Seconds = 180
    """A transfer that nobody has accepted by then fails; the owner, who has stayed, goes on."""
    parked_agent_seconds: Waiting = 60
    """For so long a parked task that comes back is offered to the agent who parked it alone, if they are at work."""
    not_ready_reasons: list[ReasonCode] = Field(default_factory=list, max_length=200)
    """What agents choose from; none: any code will do."""
    adherence_tolerance_seconds: Waiting = 300
    """An agent may begin or end a shift so much earlier or later than the shift calendar says."""
    client_shares: list[ClientShare] = Field(default_factory=list, max_length=1000)
    supervision: Supervision = Supervision()


class ChannelAddress(Part):
    """Where customers reach the tenant: an entry of the channel registry."""

    address: Id
    channel: Channel
    client: Id
    domain: Id
    queue: Code
    queues: list[Code] = Field(default_factory=list, max_length=50)
    """Further queues that the customer may choose beforehand."""
    origins: list[Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]] = Field(default_factory=list)
    """Web origins that may open a chat; the gateway's own pages always may."""
    identity_keys: list[Annotated[str, Field(max_length=4000)]] = Field(default_factory=list, max_length=2)
    """Public keys (PEM; EdDSA or ES256) that sign customers' identity tokens; two while one is rotated."""
    idle_close_seconds: LongSeconds = 1800
    """A conversation in which nobody waits for an agent ends after so long without a word."""
    reopen_seconds: Reopening = 0
    """Who writes within so long after the end goes on with what was said: a new interaction that names the one before
    (attribute `continues`). Not for web chat."""
    abandon_seconds: Seconds = 60
    """A customer whose socket is gone for so long has left."""
    callbacks: bool = False
    """Customers who come by this address can be called back, unless the gateway says otherwise of one: their numbers
    are known. A queue may then make callbacks of them, and they may ask for one."""
    idle_release_seconds: Seconds | None = None
    """A customer who has been silent for so long takes no capacity of the agent until they write again."""
    account: Account | None = None
    """The provider's, for an address of a provider's channel."""
    mailbox: Mailbox | None = None
    """For an e-mail address; without it a mail gateway of your own serves the address."""
    flow: Code | None = None
    """Of calls: what callers hear and may press; none: they wait for an agent with music."""
    caller_id: PhoneNumber | None = None
    """Of calls: the number of ours that phones outside are shown; none: the address's own."""

    @model_validator(mode="after")
    def _of_its_channel(self) -> Self:
        if self.mailbox is not None and self.channel != EMAIL:
            raise ValueError("`mailbox` belongs to the channel `email`, and to no other")
        if self.account is not None and self.channel in (EMAIL, WEB_CHAT):
            raise ValueError("`account` belongs to a channel of a provider")
        if self.channel != VOICE and (self.flow is not None or self.caller_id is not None):
            raise ValueError("`flow` and `caller_id` belong to the channel `voice`, and to no other")
        return self


class TenantConfiguration(Part):
    """The whole document. References between its parts: `configuration_faults`."""

    clients: list[Id] = Field(min_length=1, max_length=1000)
    skills: list[Code] = Field(default_factory=list, max_length=1000)
    domains: list[Domain] = Field(min_length=1, max_length=100)
    queues: list[Queue] = Field(default_factory=list, max_length=5000)
    agents: list[Agent] = Field(default_factory=list, max_length=15_000)
    channels: list[ChannelAddress] = Field(default_factory=list, max_length=5000)
    plans: list[Plan] = Field(default_factory=list, max_length=1000)
    rules: list[Rule] = Field(default_factory=list, max_length=5000)
    """Of each domain in this order."""
    calendars: list[Calendar] = Field(default_factory=list, max_length=1000)
    teams: list[Team] = Field(default_factory=list, max_length=1000)
    templates: list[Template] = Field(default_factory=list, max_length=5000)
    replies: list[CannedReply] = Field(default_factory=list, max_length=5000)
    prompts: list[Prompt] = Field(default_factory=list, max_length=5000)
    flows: list[Flow] = Field(default_factory=list, max_length=1000)
    recording: list[RecordingPolicy] = Field(default_factory=list, max_length=1000)
    """Of each domain in this order."""
    extensions: list[Extension] = Field(default_factory=list, max_length=5000)
