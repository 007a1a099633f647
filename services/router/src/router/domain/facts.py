"""A fact: something that became true in one tenant, as the journal holds it."""

from collections.abc import Iterable
from functools import cache
from typing import Final

import msgspec
from contracts.registry import EVENT_TYPES
from contracts.topics import ROUTING_EVENTS

from router.domain import internal


class Fact(msgspec.Struct, frozen=True):
    """`data` is an instance of a data class of topic `routing.events`, or of `router.domain.internal`."""

    tenant_id: str
    data: object


PUBLIC: Final[dict[str, type]] = {entry.name: entry.data for entry in EVENT_TYPES if entry.topic is ROUTING_EVENTS}
INTERNAL: Final[dict[str, type]] = {
    "internal.interaction_parked": internal.InteractionParked,
    "internal.contact_kept": internal.ContactKept,
    "internal.facts_known": internal.FactsKnown,
    "internal.attention_joined": internal.AttentionJoined,
    "internal.interaction_closed": internal.InteractionClosed,
    "internal.refusal_lapsed": internal.RefusalLapsed,
    "internal.task_held_for_step": internal.TaskHeldForStep,
    "internal.matching_deferred": internal.MatchingDeferred,
    "internal.matching_resumed": internal.MatchingResumed,
    "internal.backoff_lapsed": internal.BackoffLapsed,
    "internal.adherence_checked": internal.AdherenceChecked,
    "internal.leaver_followed": internal.LeaverFollowed,
    "internal.leaver_noted": internal.LeaverNoted,
    "internal.gates_deferred": internal.GatesDeferred,
    "internal.gates_resumed": internal.GatesResumed,
    "internal.queue_swept": internal.QueueSwept,
    "internal.task_looked_at": internal.TaskLookedAt,
    "internal.overriding_moved": internal.OverridingMoved,
    "internal.alert_turned": internal.AlertTurned,
    "internal.alerts_looked": internal.AlertsLooked,
    "internal.leases_readable": internal.LeasesReadable,
    "internal.configuration_record_applied": internal.ConfigurationRecordApplied,
    "internal.configuration_part_applied": internal.ConfigurationPartApplied,
    "internal.snapshot_named": internal.SnapshotNamed,
}
_TYPES: Final = PUBLIC | INTERNAL
_NAMES: Final = {data: name for name, data in _TYPES.items()}
_ENCODER: Final = msgspec.json.Encoder()
_PUBLIC_DATA: Final = frozenset(PUBLIC.values())

JournaledFact = tuple[str, str, msgspec.Raw]
"""Tenant, type name, data: how the journal's JSON holds a fact; declare it so to decode a batch in one pass."""


def is_public(data: object) -> bool:
    """Whether the data go to `routing.events`."""
    return type(data) in _PUBLIC_DATA


def bytes_of(fact: Fact) -> int:
    """What the fact takes in a batch of the journal, rounded up."""
    return len(_ENCODER.encode(fact.data)) + len(_NAMES[type(fact.data)]) + len(fact.tenant_id) + 16


def encode_facts(facts: Iterable[Fact]) -> list[tuple[str, str, object]]:
    """What `msgspec.json.encode` writes as the facts of a batch."""
    return [(fact.tenant_id, _NAMES[type(fact.data)], fact.data) for fact in facts]


def decode_facts(records: Iterable[JournaledFact]) -> list[Fact]:
    """The facts of a decoded batch. An unknown type is a KeyError: an older release must not fold past it."""
    return [Fact(tenant_id, _decoder(name).decode(data)) for tenant_id, name, data in records]


@cache
def _decoder(name: str) -> msgspec.json.Decoder[object]:
    return msgspec.json.Decoder(_TYPES[name])
