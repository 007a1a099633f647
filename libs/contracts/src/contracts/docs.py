"""Pages written from the models: `python -m contracts.docs --write` or `--check`.

`docs/events.md` comes from the registry, `docs/metrics-formulas.md` from the formulas.
"""

import argparse
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

from contracts import metrics_docs
from contracts.compatibility import Schema, inlined
from contracts.registry import EVENT_TYPES, EventType
from contracts.schema import event_schema
from contracts.topics import TOPICS, PartitionRule, Topic

PAGE: Final = Path("docs/events.md")
_PARTITIONS: Final[dict[PartitionRule, str]] = {
    "domain": "the number that the configuration gives the event's domain; the writer sets it",
    "interaction": "Kafka's default partitioner over the record's key, the interaction id",
    "single": "one partition",
}
_HEAD: Final = """\
# Events

Generated from the models by `make docs`; a test fails when it is not current.

Every event is a [CloudEvent 1.0](https://github.com/cloudevents/spec) in Kafka's binary mode: JSON data as the
record's value, attributes as headers `ce_<name>`; readers accept structured mode too. Attributes of every event: `id`,
`source`, `type`, `time`, `subject` (what the event is about), `tenantid`; where it applies `sequence` (place among
routing events), `causationid` (id of the event or command that led to this one) and the header `traceparent` (W3C Trace
Context). Instants are UTC milliseconds since 1970, named `*_at_ms`.

## The rule for readers

1. Per partition of `routing.events`, pass over an event whose `sequence` is not greater (compared as text) than that of
   the last one you handled. Everywhere else pass over an event whose `source` and `id` you have handled.
2. Pass over types and fields that you do not know: an event only gains optional fields; a new meaning is a new type.
3. `data.personal` holds personal data, in the clear or as `{kid, ct}`; it stands in no topic but `interactions`,
   `messages` and the commands to gateways. Keep it out of logs.
4. A record that you can never handle goes to `<topic>.<group>.dlq`, with value, key and headers unchanged, plus
   headers `dlq_*`; go on with the next one.

## The rule for writers

Validate against the closed schema (`libs/contracts/src/contracts/schemas/produced`), write only the types that name you
as a writer, and derive the event's id from what caused it, so that a repetition is seen to be one.
"""


def main(arguments: list[str]) -> int:
    """The command line, run at the root of the repository; 1 when a page is not current."""
    parser = argparse.ArgumentParser(prog="python -m contracts.docs", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="renew the pages")
    action.add_argument("--check", action="store_true", help="fail if a page is not current")
    pages = {PAGE: page(), metrics_docs.PAGE: metrics_docs.page()}
    if parser.parse_args(arguments).write:
        for path, text in pages.items():
            path.write_text(text)
        return 0
    stale = [path for path, text in pages.items() if path.read_text() != text]
    sys.stderr.writelines(f"{path} is not what the models say: run make docs\n" for path in stale)
    return 1 if stale else 0


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(line for topic in TOPICS for line in _topic(topic))])


def _topic(topic: Topic) -> Iterator[str]:
    yield f"## Topic `{topic.name}`\n"
    yield f"- Partition: {_PARTITIONS[topic.rule]}."
    yield f"- Kept: {_kept(topic)}."
    if topic.internal:
        yield "- Internal to the router: its records are no contract, and nobody else reads them."
    yield ""
    for entry in EVENT_TYPES:
        if topic in (entry.topic, *entry.also):
            yield from _type(entry)


def _kept(topic: Topic) -> str:
    if topic.compacted:
        return "the last record of each key (compacted)"
    return "until its owner deletes records" if topic.retention_hours < 0 else f"{topic.retention_hours} hours"


def _type(entry: EventType) -> Iterator[str]:
    schema = event_schema(entry, "consumed")
    yield f"### `{entry.name}`\n"
    yield f"{inspect.getdoc(entry.data)} Written by: {', '.join(entry.writers)}.\n"
    yield "| field | value | |"
    yield "|---|---|---|"
    yield from _rows(inlined(schema, schema), "")
    yield ""


def _rows(schema: Schema, prefix: str) -> Iterator[str]:
    required = cast(list[str], schema.get("required", []))
    for name, field in cast(dict[str, Schema], schema["properties"]).items():
        optional = "" if name in required else ", optional"
        note = str(field.get("description", "")).replace("\n", " ")
        yield f"| `{prefix}{name}` | {_value(field)}{optional} | {note} |"
        for branch in _branches(field):
            if "properties" in branch:
                yield from _rows(branch, f"{prefix}{name}.")
            elif "properties" in cast(Schema, branch.get("items", {})):
                yield from _rows(cast(Schema, branch["items"]), f"{prefix}{name}[].")


def _branches(schema: Schema) -> list[Schema]:
    return cast(list[Schema], schema.get("anyOf", [schema]))


def _value(schema: Schema) -> str:
    return " or ".join(_plain(branch) for branch in _branches(schema))


def _plain(schema: Schema) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in cast(list[str], schema["enum"]))
    match schema["type"]:
        case "string":
            return f"text{_up_to(schema, 'maxLength')}"
        case "integer":
            return f"integer{_between(schema)}"
        case "array":
            return f"list of {_plain(cast(Schema, schema['items']))}{_up_to(schema, 'maxItems')}"
        case other:
            return str(other)


def _up_to(schema: Schema, key: str) -> str:
    return f" up to {schema[key]}" if key in schema else ""


def _between(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is None or high == 2**53 - 1:
        return "" if low is None else f" from {low}"
    return f" {low} to {high}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
