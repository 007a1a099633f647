"""What waits to be decided: records, presence, snapshots' names; a bounded queue in front of the decider."""

import asyncio

import msgspec
from servicekit.ports import Record

from router.domain.facts import Fact
from router.domain.inputs import ConfigurationStep, Input, LeasesRead, PresenceObserved, TimersDue
from router.engine.journal import Cause
from router.engine.sources import (
    ENGINE,
    TIMERS,
    FromConfiguration,
    FromLeases,
    FromPresence,
    FromTopic,
    Source,
)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to decide, or only a position that moves on (`input` none), or a fact of the engine itself.

    `record` is where the input came from; `cause` is none while more inputs of the same record follow.
    """

    input: Input | None = None
    fact: Fact | None = None
    record: Record | None = None
    cause: Cause | None = None
    event_id: str | None = None
    traceparent: str | None = None


Inbox = asyncio.Queue[Given]


def cause_of(record: Record) -> Cause:
    """Read on after this record."""
    return (record.topic, record.partition, record.offset + 1)


def source_of(given: Given) -> Source:
    """Of an input that is about to be decided."""
    if given.cause is not None and type(given.input) is not ConfigurationStep:  # nearly always, so first
        topic, _, position = given.cause
        return FromTopic(topic, position - 1)
    match given.input:
        case TimersDue():
            return TIMERS
        case ConfigurationStep() as step:
            return FromConfiguration(step.tenant_id, step.domain, step.version, step.hash, step.last)
        case PresenceObserved() as observed:
            return FromPresence(observed)
        case LeasesRead() as read:
            return FromLeases(read)
    return ENGINE
