"""The event envelope: CloudEvents 1.0 with its Kafka binding, binary and structured mode.

Sources: cloudevents/spec v1.0.2 `spec.md`, `bindings/kafka-protocol-binding.md`, `extensions/sequence.md`;
trace context as headers `traceparent` and `tracestate` (W3C Trace Context).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Final, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from contracts.quick import quick
from contracts.registry import BY_DATA, BY_NAME, EventType

Headers = Sequence[tuple[str, bytes]]

JSON: Final = b"application/json"
STRUCTURED: Final = b"application/cloudevents+json"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REQUIRED: Final = ("specversion", "id", "type", "source", "time", "tenantid")
_SPECVERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", JSON)
_ATTRIBUTE_LENGTH_MAX: Final = 512
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}")


class MalformedEventError(ValueError):
    """The record is not an event that the contracts know how to read; it can never be handled."""


class UnknownTypeError(ValueError):
    """The event is of a type that this release does not know; a reader passes it over."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event with its CloudEvents attributes; `data` is an instance of the type's data class.

    `subject` is what the event is about (it is the record's key as well); `sequence` orders routing events
    as text; `causation_id` is the id of the event or command that led to this one.
    """

    id: str
    source: str
    tenant_id: str
    subject: str
    time_ms: int
    data: object
    sequence: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None

    @property
    def type(self) -> EventType:
        """The registered type of the data."""
        return BY_DATA[cast(type, type(self.data))]


def encode(event: Event) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Binary mode: data as value, attributes as `ce_` headers.

    Raises MalformedEventError for what readers would refuse: attributes or data that break the contract.
    """
    headers = headers_of(
        event.type,
        event_id=event.id,
        source=event.source,
        tenant_id=event.tenant_id,
        subject=event.subject,
        time_ms=event.time_ms,
        sequence=event.sequence,
        causation_id=event.causation_id,
        traceparent=event.traceparent,
    )
    adapter = adapter_of(event.type.data)
    try:
        value = adapter.dump_json(event.data, warnings="none")
        adapter.validate_json(value, strict=True)
    except ValidationError as error:
        raise MalformedEventError(f"{event.type.name}: {_reason(error)}") from error
    except PydanticSerializationError as error:
        raise MalformedEventError(f"{event.type.name}: data are not JSON") from error
    return value, headers


def headers_of(  # noqa: PLR0913 - an event's attributes, each by name
    entry: EventType,
    *,
    event_id: str,
    source: str,
    tenant_id: str,
    subject: str,
    time_ms: int,
    sequence: str | None,
    causation_id: str | None,
    traceparent: str | None,
) -> list[tuple[str, bytes]]:
    """Binary mode's headers, for a writer that has the data as JSON already and knows that they keep the contract.

    Raises MalformedEventError for attributes that readers would refuse.
    """
    if not (event_id and source and _is_tenant(tenant_id)):
        named = {"id": event_id, "type": entry.name, "source": source, "time": rfc3339(time_ms), "tenantid": tenant_id}
        _check_attributes({"specversion": "1.0", **named})
    headers = [
        *_headers_alike(entry.name, source, tenant_id, time_ms),
        ("ce_id", event_id.encode()),
        ("ce_subject", subject.encode()),
    ]
    if sequence is not None:
        headers.append(("ce_sequence", sequence.encode()))
    if causation_id is not None:
        headers.append(("ce_causationid", causation_id.encode()))
    characters = len(event_id) + len(source) + len(subject) + len(sequence or "") + len(causation_id or "")
    if characters > _ATTRIBUTE_LENGTH_MAX:  # one of them may be too long
        _check_attributes({name[3:]: text.decode() for name, text in headers})
    headers.append(_CONTENT_TYPE)
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers


@lru_cache(1024)
def _headers_alike(name: str, source: str, tenant_id: str, time_ms: int) -> tuple[tuple[str, bytes], ...]:
    """Those that many events of one batch have in common."""
    return (
        _SPECVERSION,
        ("ce_type", name.encode()),
        ("ce_source", source.encode()),
        ("ce_time", rfc3339(time_ms).encode()),
        ("ce_tenantid", tenant_id.encode()),
    )


def encode_structured(event: Event) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Structured mode: one JSON document with attributes and data; for writers that cannot set headers."""
    data, _ = encode(event)
    document: dict[str, object] = dict(_attributes(event))
    document["datacontenttype"] = JSON.decode()
    document["data"] = from_json(data)
    if event.traceparent:
        document["traceparent"] = event.traceparent
    return to_json(document), [("content-type", STRUCTURED)]


def decode(value: bytes | None, headers: Headers) -> Event:
    """Read either mode; fields that this release does not know are passed over (consumers read open).

    Raises MalformedEventError or UnknownTypeError.
    """
    fields = {name: raw for name, raw in headers if raw}
    if _is_structured(fields):
        return _event(*_open_structured(value))
    try:
        attributes = {name[3:]: raw.decode() for name, raw in fields.items() if name[:3] == "ce_"}
        if "traceparent" in fields:
            attributes["traceparent"] = fields["traceparent"].decode()
    except UnicodeDecodeError as error:
        raise MalformedEventError(f"header {_not_text(fields)!r} is not UTF-8") from error
    return _event(attributes, value)


def is_event(headers: Headers) -> bool:
    """Whether the record claims to be a CloudEvent at all."""
    fields = {name: raw for name, raw in headers if raw}
    return "ce_id" in fields or _is_structured(fields)


@cache
def adapter_of(data: type) -> TypeAdapter[object]:
    """The one validator of a data class, open to unknown fields."""
    return TypeAdapter(data)


@lru_cache
def rfc3339(instant_ms: int) -> str:
    """`2026-01-31T12:00:00.000Z` (RFC 3339, UTC)."""
    instant = _EPOCH + timedelta(milliseconds=instant_ms)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant_ms % 1000:03d}Z"


def instant_ms(text: str) -> int:
    """UTC milliseconds of an RFC 3339 text. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("time has no zone")
    since = instant - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + round(since.microseconds / 1000)


def _attributes(event: Event) -> dict[str, str]:
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "type": event.type.name,
        "source": event.source,
        "time": rfc3339(event.time_ms),
        "subject": event.subject,
        "tenantid": event.tenant_id,
    }
    if event.sequence is not None:
        attributes["sequence"] = event.sequence
    if event.causation_id is not None:
        attributes["causationid"] = event.causation_id
    return attributes


def _event(attributes: dict[str, str], data: bytes | None) -> Event:
    _check_attributes(attributes)
    entry = BY_NAME.get(attributes["type"])
    if entry is None:
        raise UnknownTypeError(f"type {attributes['type'][:100]!r}")
    try:
        time_ms = instant_ms(attributes["time"])
        parsed = adapter_of(entry.data).validator.validate_json(data or b"", strict=True)
    except ValidationError as error:
        raise MalformedEventError(f"{entry.name}: {_reason(error)}") from error
    except ValueError as error:
        raise MalformedEventError(f"{entry.name}: time is not RFC 3339") from error
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        tenant_id=attributes["tenantid"],
        subject=attributes.get("subject", ""),
        time_ms=time_ms,
        data=parsed,
        sequence=attributes.get("sequence"),
        causation_id=attributes.get("causationid"),
        traceparent=attributes.get("traceparent"),
    )


def _check_attributes(attributes: dict[str, str]) -> None:
    """Tenant ids are checked to the letter: they choose which rows a transaction may see."""
    if not all(map(attributes.get, _REQUIRED)):
        missing = [name for name in _REQUIRED if not attributes.get(name)]
        raise MalformedEventError(f"CloudEvents attribute missing: {', '.join(missing)}")
    if attributes["specversion"] != "1.0":
        raise MalformedEventError("specversion is not 1.0")
    if not _is_tenant(attributes["tenantid"]):
        raise MalformedEventError("tenantid is not an identifier")
    if max(map(len, attributes.values())) > _ATTRIBUTE_LENGTH_MAX:
        name = max(attributes, key=lambda name: len(attributes[name]))
        raise MalformedEventError(f"attribute {name[:100]!r} is longer than {_ATTRIBUTE_LENGTH_MAX} characters")


@lru_cache(4096)
def _is_tenant(text: str) -> bool:
    return _TENANT.fullmatch(text) is not None


def _open_structured(value: bytes | None) -> tuple[dict[str, str], bytes]:
    try:
        document: object = from_json(value or b"", allow_inf_nan=False)
    except ValueError as error:
        raise MalformedEventError("structured event is not JSON") from error
    if not isinstance(document, dict):
        raise MalformedEventError("structured event is not a JSON object")
    data = to_json(document.pop("data", None))
    return {name: text for name, text in cast(dict[str, object], document).items() if isinstance(text, str)}, data


def _is_structured(fields: Mapping[str, bytes]) -> bool:
    content_type = fields.get("content-type", JSON)
    return content_type != JSON and content_type.lower().startswith(STRUCTURED)


def _not_text(fields: Mapping[str, bytes]) -> str:
    """The first of our headers that is not UTF-8."""
    ours = {name: raw for name, raw in fields.items() if name == "traceparent" or name.startswith("ce_")}
    return next(name for name, raw in ours.items() if raw.decode(errors="replace").encode() != raw)


def _reason(error: ValidationError) -> str:
    """Where and why, without the value: it may be personal data."""
    faults = [f"/{'/'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5]]
    return "; ".join(faults)
