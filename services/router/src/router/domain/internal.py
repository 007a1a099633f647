"""Facts that the journal holds and `routing.events` does not: nobody outside the router needs them."""

from dataclasses import dataclass, field

from contracts.commands import CustomerFacts
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from contracts.queues import QueueOverridden
from contracts.quick import quick
from contracts.routing_parts import Measure


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionParked:
    """Accepted, but no queue is configured for it yet; it waits for configuration, with its waiting time running."""

    interaction_id: str
    domain: str
    client: str
    channel: str
    address: str
    queue_hint: str | None
    request_id: str | None
    asked_at_ms: int
    language: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    callback_possible: bool | None = None
    """None: what the configuration says of the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactKept:
    """What rules may read of the task's contact, for when the customer's facts come; `matched` and `failed` are the
    rules about its words, which are not kept."""

    task_id: str
    domain: str
    channel: str
    client: str
    address: str
    asked_at_ms: int
    queue_hint: str | None
    language: str | None
    attributes: dict[str, str]
    matched: tuple[str, ...]
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsKnown:
    """What the CRM knows of the customer of an interaction, which may still be on its way to the router."""

    interaction_id: str
    domain: str
    facts: CustomerFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionJoined:
    """The request for attention changed nothing: the interaction has this live task, or waits parked (none)."""

    request_id: str
    interaction_id: str
    domain: str
    task_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionClosed:
    """The interaction ended before or without a live task; later requests for attention are ignored."""

    interaction_id: str
    domain: str
    closed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalLapsed:
    """The agent may be offered again the task that they rejected or left unanswered."""

    task_id: str
    agent_id: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHeldForStep:
    """The offered task might go to one more agent, but a step of its plan is due: that comes when its offers end."""

    task_id: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingDeferred:
    """The agent could take more, but the batch is full: a continuation timer goes on. Until then no offers."""

    agent_id: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingResumed:
    """The deferred matching of this agent goes on in this batch."""

    agent_id: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffLapsed:
    """The agent may get offers again."""

    agent_id: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdherenceChecked:
    """What the agent's shift calendar says was compared with what they do."""

    agent_id: str
    domain: str
    differs_since_ms: int | None
    next_at_ms: int | None
    """When to look again; none without a calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaverFollowed:
    """What waits in line for this agent, who is not at work, was looked at up to this place; none: all of it."""

    agent_id: str
    domain: str
    behind: tuple[int, int, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaverNoted:
    """More transfers ask this agent alone, who cannot come, but the batch is full: a continuation timer goes on."""

    agent_id: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatesDeferred:
    """More could be offered, maybe through a gate that has opened, but the batch is full: a continuation timer goes on.
    Until then nobody in the domain gets an offer."""

    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatesResumed:
    """They go on in this batch."""

    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasesReadable:
    """Whether the agents' presence leases can be read; of the whole partition, so its tenant is empty."""

    readable: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRecordApplied:
    """One changed record of a configuration version; `config.applied` follows the last one."""

    domain: str
    record: ConfigurationRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationPartApplied:
    """As `ConfigurationRecordApplied`, for a record of a kind that came later."""

    domain: str
    part: ConfigurationPart


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotNamed:
    """The snapshot of the fold up to journal offset `offset` was read back and is good; its tenant is empty."""

    offset: int
    nonce: str
    checksum: str
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSwept:
    """A bounded step of what an override or an opening means for those who wait in the queue.

    Without `next_at_ms` it was the last; `opens_at_ms` then says when to look whether the queue has opened.
    """

    queue: str
    domain: str
    next_at_ms: int | None
    opens_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLookedAt:
    """What has changed for those who wait in a queue means nothing for this task."""

    task_id: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverridingMoved:
    """An override of all queues has come so far; none: it is done."""

    domain: str
    override: QueueOverridden | None
    after: str
    moved_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTurned:
    """The measure of an alert is on the other side of its limit since then, or back before that counted (none)."""

    alert: str
    queue: str
    domain: str
    measure: Measure
    turned_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsLooked:
    """The alerts of a domain were looked at, up to this queue; none: nothing happens that could change one."""

    domain: str
    after: str
    next_at_ms: int | None
