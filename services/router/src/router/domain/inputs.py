"""What the router decides about. The shell turns records, presence leases and its clock into these."""

from dataclasses import dataclass

import msgspec
from contracts.commands import (
    AcceptOffer,
    CancelCallback,
    ClockAgent,
    CompleteTask,
    ConnectAssignment,
    CustomerFacts,
    EndTask,
    FinishTask,
    HoldTask,
    MoveTransfer,
    OverrideQueue,
    ParkTask,
    RejectOffer,
    RequestCallback,
    RequestTask,
    RerouteTask,
    SetAgentState,
    TransferTask,
    UnparkTask,
)
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from contracts.interactions import (
    ActivityChanged,
    AttentionRequested,
    InteractionEnded,
    InteractionStarted,
    InteractionUpdated,
)

InteractionData = InteractionStarted | InteractionUpdated | ActivityChanged | AttentionRequested | InteractionEnded
AgentCommand = (
    AcceptOffer
    | RejectOffer
    | SetAgentState
    | EndTask
    | CompleteTask
    | HoldTask
    | ParkTask
    | UnparkTask
    | TransferTask
    | MoveTransfer
    | ClockAgent
)
SupervisorCommand = RerouteTask | FinishTask | OverrideQueue | CancelCallback
"""Theirs, but for the last also agents' and gateways': whoever gives one stands in `by`."""
CommandData = AgentCommand | SupervisorCommand
RequestData = RequestTask | RequestCallback
ServiceData = ConnectAssignment


class InteractionInput(msgspec.Struct, frozen=True):
    """An event of topic `interactions`."""

    tenant_id: str
    data: InteractionData


class CommandInput(msgspec.Struct, frozen=True):
    """A command of topic `routing.inputs`. Each yields one `command.result`; a repeated id yields the first again."""

    tenant_id: str
    data: CommandData


class FactsInput(msgspec.Struct, frozen=True):
    """What the CRM knows of an interaction's customer, of topic `routing.inputs`. The newest counts."""

    tenant_id: str
    data: CustomerFacts


class ServiceInput(msgspec.Struct, frozen=True):
    """What a service reports by topic `routing.inputs`: no command, so it has no result. A repeat changes nothing."""

    tenant_id: str
    data: ServiceData


class RequestInput(msgspec.Struct, frozen=True):
    """A request of topic `routing.inputs`, by its own id; the result's command id is the request's."""

    tenant_id: str
    data: RequestData


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationStep:
    """Changed records of one configuration version, at most 200; the step with `last` switches the version.

    A step of a version that is not newer than the domain's is ignored. A record whose `domain` is another one
    counts as removed here (an agent or address that moved).
    """

    tenant_id: str
    domain: str
    version: int
    hash: str
    records: tuple[ConfigurationRecord | ConfigurationPart, ...]
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceObserved:
    """Agents with a fresh heartbeat, and agents without one; at most 128 together. Repeats change nothing.

    `gone`, and devices that do not count, are ignored while leases cannot be read.
    """

    tenant_id: str
    domain: str
    seen: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    devices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Agents of `seen` with their devices that are alive, as `<kind>/<id>`."""


@dataclass(frozen=True, slots=True)
class LeasesRead:
    """Whether the presence leases could be read just now; only a change leads to a fact."""

    readable: bool


@dataclass(frozen=True, slots=True)
class TimersDue:
    """Handle at most 256 due timers; call again while `State.next_due_ms()` is not later than now."""


Input = (
    InteractionInput
    | CommandInput
    | RequestInput
    | FactsInput
    | ServiceInput
    | ConfigurationStep
    | PresenceObserved
    | LeasesRead
    | TimersDue
)
