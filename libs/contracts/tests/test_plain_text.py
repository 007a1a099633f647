"""Control characters stand in no text that people set; where text may have lines, line breaks and tabs do."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from contracts.configuration import TenantConfiguration
from contracts.configuration_faults import InvalidConfigurationError, read_configuration
from contracts.plain_text import PlainLine, PlainLines, text_faults
from pydantic import TypeAdapter, ValidationError

SEVERAL_LINES = "two\r\nlines\tand a tab"
CONTROLLED = ("Nu\x00l", "be\x07ll", "de\x7fl", "es\x9bcape")
DOCUMENT: dict[str, Any] = {
    "clients": ["acme-books"],
    "domains": [{"id": "acme.main", "dispositions": [{"id": "solved", "label": "Solved\x00"}]}],
    "queues": [
        {
            "id": "billing",
            "domain": "acme.main",
            "name": "Bil\nling",
            "closed": {"to": "message", "message": "We are\nclosed.\x00"},
        }
    ],
    "agents": [{"id": "ana", "domain": "acme.main", "name": "Nu\x00l"}],
}


def free_texts(schema: Any, root: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all strings that no pattern bounds; `*` for an item."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    for choice in schema.get("anyOf", []):
        yield from free_texts(choice, root, path)
    for name, field in schema.get("properties", {}).items():
        yield from free_texts(field, root, (*path, name))
    for item in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(item, dict):
            yield from free_texts(item, root, (*path, "*"))
    if schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "const", "format"}:
        yield path


def document_texts() -> list[tuple[str, ...]]:
    """Those of the configuration document."""
    schema = TypeAdapter(TenantConfiguration).json_schema()
    return sorted({path for path in free_texts(schema, schema) if path[-1] != "time_zone"})  # one of a list


@pytest.mark.parametrize("path", document_texts(), ids="/".join)
def test_every_text_of_a_document_is_looked_at(path: tuple[str, ...]) -> None:
    def faults(text: str) -> list[str]:
        part: object = text
        for name in reversed(path):
            part = [part] if name == "*" else {name: part}
        return [where for where, _ in text_faults(part)]

    pointer = "/" + "/".join("0" if name == "*" else name for name in path)
    has_lines = path[-1] in {"message", "when", "text", "signature", "acknowledgement"} or "identity_keys" in path

    assert faults("Zoë & co., 東京\u00a0\u2028") == []
    assert faults(SEVERAL_LINES) == ([] if has_lines else [pointer])
    assert [faults(text) for text in CONTROLLED] == [[pointer]] * len(CONTROLLED)


def test_a_document_is_refused_with_the_place_of_each_control_character() -> None:
    with pytest.raises(InvalidConfigurationError) as refused:
        read_configuration(json.dumps(DOCUMENT).encode())

    faults = {fault.path: fault.message for fault in refused.value.faults}
    assert faults.keys() == {
        "/domains/0/dispositions/0/label",
        "/queues/0/name",
        "/queues/0/closed/message",
        "/agents/0/name",
    }
    assert faults["/agents/0/name"] == "character 3 is U+0000; control characters are not text"


def test_a_document_that_an_earlier_release_took_is_still_read() -> None:
    read = TenantConfiguration.model_validate(DOCUMENT)

    assert read.agents[0].name == "Nu\x00l"


@pytest.mark.parametrize("kind", [PlainLine, PlainLines], ids=["line", "lines"])
@pytest.mark.parametrize("text", CONTROLLED)
def test_plain_text_has_no_control_characters(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError, match=r"control characters .*are not text"):
        TypeAdapter(kind).validate_python(text)


def test_plain_lines_have_line_breaks_and_a_plain_line_has_none() -> None:
    assert TypeAdapter(PlainLines).validate_python(SEVERAL_LINES) == SEVERAL_LINES
    with pytest.raises(ValidationError, match=r"U\+000D"):
        TypeAdapter(PlainLine).validate_python(SEVERAL_LINES)
