"""The envelope keeps every event, agrees with other readers, and refuses what is not an event."""

import json
from datetime import datetime
from pathlib import Path
from typing import cast

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from contracts import Event, MalformedEventError, UnknownTypeError, decode, encode, encode_structured
from contracts.envelope import adapter_of, instant_ms, is_event, rfc3339
from contracts.messages import MessageReceived
from contracts.registry import BY_NAME, EVENT_TYPES, EventType
from contracts.testing import documents, events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOLDEN = Path(__file__).parent / "golden"
every_type = pytest.mark.parametrize("entry", EVENT_TYPES, ids=lambda entry: entry.name)
few = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


@every_type
@few
@given(data=st.data())
def test_an_event_comes_back_as_it_was_from_both_modes(entry: EventType, data: st.DataObject) -> None:
    event = data.draw(events(entry))

    assert decode(*encode(event)) == event
    assert decode(*encode_structured(event)) == event


@every_type
@few
@given(data=st.data())
def test_the_fast_decoder_reads_what_the_validating_one_reads(entry: EventType, data: st.DataObject) -> None:
    document = json.dumps(data.draw(documents(entry)) | {"of_a_later_release": 1}).encode()

    assert msgspec.json.decode(document, type=entry.data) == adapter_of(entry.data).validate_json(document, strict=True)


def test_every_type_has_a_golden_event() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == BY_NAME.keys()


@every_type
def test_the_golden_event_is_read_and_written_with_nothing_lost(entry: EventType) -> None:
    text = (GOLDEN / f"{entry.name}.json").read_bytes()
    event = decode(text, STRUCTURED)
    again = json.loads(encode_structured(event)[0])

    golden = json.loads(text)
    assert isinstance(event.data, entry.data)
    assert again | {"data": None} == golden | {"data": None}
    assert _keeps(again["data"], golden["data"])


@every_type
def test_the_cloudevents_sdk_reads_what_we_write(entry: EventType) -> None:
    text = (GOLDEN / f"{entry.name}.json").read_bytes()
    event = decode(text, STRUCTURED)
    value, headers = encode(event)
    seen = from_kafka_event(KafkaMessage(headers=dict(headers), key=None, value=value))

    golden = json.loads(text)
    assert _keeps(seen.get_data(), golden["data"])
    assert (seen.get_id(), seen.get_type(), seen.get_source()) == (event.id, entry.name, event.source)
    assert seen.get_subject() == event.subject
    assert seen.get_extension("tenantid") == event.tenant_id
    assert rfc3339(event.time_ms) == golden["time"]
    assert seen.get_time() == CloudEvent(_attributes(golden), golden["data"]).get_time()


@every_type
def test_we_read_what_the_cloudevents_sdk_writes(entry: EventType) -> None:
    text = (GOLDEN / f"{entry.name}.json").read_bytes()
    golden = json.loads(text)
    written = CloudEvent(_attributes(golden), golden["data"])
    binary, structured = to_binary_event(written), to_structured_event(written)

    expected = decode(text, STRUCTURED)
    assert _read(structured) == expected
    assert decode(binary.value, [*binary.headers.items(), ("traceparent", _trace(expected))]) == expected


def test_a_reader_passes_over_fields_and_attributes_it_does_not_know() -> None:
    event = _golden("message.received")
    value, headers = encode(event)
    later = value.replace(b"{", b'{"of_a_later_release": 1, ', 1)

    assert decode(later, [*headers, ("ce_later", b"x"), ("other", b"\xff")]) == event


def test_a_type_of_a_later_release_is_told_apart_from_a_malformed_event() -> None:
    value, headers = _changed(ce_type=b"message.received.v9")

    with pytest.raises(UnknownTypeError, match=r"message\.received\.v9"):
        decode(value, headers)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ce_id": b""}, "attribute missing: id"),
        ({"ce_tenantid": b""}, "attribute missing: tenantid"),
        ({"ce_tenantid": b"*"}, "tenantid is not an identifier"),
        ({"ce_tenantid": b"acme\n"}, "tenantid is not an identifier"),
        ({"ce_specversion": b"0.3"}, "specversion is not 1.0"),
        ({"ce_source": b"/" * 513}, "'source' is longer than 512"),
        ({"ce_time": b"yesterday"}, "time is not RFC 3339"),
        ({"ce_time": b"2026-01-31T12:00:00"}, "time is not RFC 3339"),
        ({"ce_subject": b"\xff"}, "'ce_subject' is not UTF-8"),
    ],
    ids=str,
)
def test_malformed_attributes_are_refused_with_a_reason(changes: dict[str, bytes], reason: str) -> None:
    value, headers = _changed(**changes)

    with pytest.raises(MalformedEventError, match=reason):
        decode(value, headers)


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"[" * 100_000, b"null", b"\xff", b'{"data": "\\ud800"}'])
@pytest.mark.parametrize("headers", [STRUCTURED, None], ids=["structured", "binary"])
def test_bytes_that_are_no_event_are_refused(value: bytes | None, headers: list[tuple[str, bytes]] | None) -> None:
    with pytest.raises(MalformedEventError):
        decode(value, headers or encode(_golden("message.received"))[1])


@pytest.mark.parametrize(
    ("field", "wrong", "path"),
    [
        ("message_id", "kim@example.org secret", "/message_id"),
        ("number", "31337", "/number"),
        ("number", True, "/number"),
        ("number", 31337.0, "/number"),
        ("received_at_ms", -31337, "/received_at_ms"),
        ("personal", "secret", "/personal"),
    ],
)
def test_malformed_data_are_refused_by_path_and_without_the_value(field: str, wrong: object, path: str) -> None:
    document = json.loads((GOLDEN / "message.received.json").read_bytes())
    document["data"][field] = wrong

    with pytest.raises(MalformedEventError) as refused:
        decode(json.dumps(document).encode(), STRUCTURED)
    assert path in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "31337" not in str(refused.value)


@pytest.mark.parametrize("wrong", ["", "with space", 5, None])
def test_a_writer_cannot_break_the_contract(wrong: str) -> None:
    data = cast(MessageReceived, _golden("message.received").data)
    fields = {name: getattr(data, name) for name in MessageReceived.__dataclass_fields__}
    broken = MessageReceived(**fields | {"message_id": wrong})

    with pytest.raises(MalformedEventError, match="/message_id"):
        encode(_event(broken, tenant_id="acme"))
    with pytest.raises(MalformedEventError, match="not JSON"):
        encode(_event(MessageReceived(**fields | {"personal": {"text": object()}}), tenant_id="acme"))
    for stranger in ("*", "\ud800"):
        with pytest.raises(MalformedEventError, match="tenantid"):
            encode(_event(data, tenant_id=stranger))


def test_records_that_are_not_events_are_told_apart() -> None:
    assert is_event(encode(_golden("message.received"))[1])
    assert is_event(STRUCTURED)
    assert not is_event([("content-type", b"application/json"), ("other", b"application/cloudevents+json")])


@settings(deadline=None)
@given(st.integers(0, 253_402_300_799_999))
def test_instants_keep_their_milliseconds(instant: int) -> None:
    assert instant_ms(rfc3339(instant)) == instant


def _golden(name: str) -> Event:
    return decode((GOLDEN / f"{name}.json").read_bytes(), STRUCTURED)


def _event(data: object, *, tenant_id: str) -> Event:
    return Event(id="e", source="/test", tenant_id=tenant_id, subject="s", time_ms=0, data=data)


def _changed(**changes: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    value, headers = encode(_golden("message.received"))
    return value, list((dict(headers) | changes).items())


def _attributes(golden: dict[str, object]) -> dict[str, object]:
    attributes = {name: value for name, value in golden.items() if name != "data"}
    return attributes | {"time": datetime.fromisoformat(str(golden["time"]))}


def _read(message: KafkaMessage) -> Event:
    return decode(message.value, list(message.headers.items()))


def _trace(event: Event) -> bytes:
    return (event.traceparent or "").encode()


def _keeps(whole: object, part: object) -> bool:
    """Whether all of `part`, which may be of an older release, stands in `whole`."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(name in whole and _keeps(whole[name], value) for name, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(_keeps, whole, part))
    return whole == part
