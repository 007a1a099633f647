"""What waits to be decided: records, presence, snapshots' names; a bounded queue in front of the decider."""

import asyncio

import msgspec
from servicekit.ports import Record

from router.domain.facts import Fact
from router.domain.inputs import Input
from router.engine.journal import Cause


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
