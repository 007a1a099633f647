"""What supervisors did to queues, and alerts, written by the router engine (topic `routing.events`)."""

from dataclasses import dataclass

from contracts.fields import Code, Id, InstantMs, Priority, Text
from contracts.routing_parts import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOverridden:
    """A supervisor's word over the configuration, until taken back; the whole of it as it stands from now on."""

    queue: Code
    domain: Id
    closed: bool
    message: Text | None
    """What customers are told while it is closed so."""
    priority: Priority | None
    """Instead of the configured one; none: as configured."""
    until_ms: InstantMs | None
    by: Id | None
    """None: it ran out."""
    overridden_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChanged:
    """A measure of a queue passed the limit of an alert, or is back."""

    alert: Code
    queue: Code
    domain: Id
    measure: Measure
    raised: bool
    value: int
    limit: int
    changed_at_ms: InstantMs
