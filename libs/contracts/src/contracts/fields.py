"""Field types that several events share: their limits stand here once and reach the JSON Schemas."""

from typing import Annotated, Literal

from pydantic import Field

Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]*$")]
"""An opaque identifier; never personal data."""

Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
"""A configured name: of a queue, a skill, a reason, a disposition."""

Channel = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z][a-z0-9_]*$")]
"""The medium: `webchat`, `email`, `voice`, ... Open for integrators' own channels."""

Text = Annotated[str, Field(min_length=1, max_length=500)]
"""A sentence for people, free of personal data."""

InstantMs = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""UTC milliseconds since 1970 (exact in every JSON reader)."""

DurationMs = Annotated[int, Field(ge=0, le=2**53 - 1)]

Milliseconds = Annotated[float, Field(ge=0)]
"""A measured time below the millisecond too."""

Fraction = Annotated[float, Field(ge=0, le=1)]

Proficiency = Annotated[int, Field(ge=1, le=5)]

Priority = Annotated[int, Field(ge=0, le=9)]
"""Importance class of a task: 9 is served before 0."""

Band = Annotated[int, Field(ge=0, le=9)]
"""Strict class of tasks: whatever is in band 9 is served before band 8, whatever its priority."""

Direction = Literal["inbound", "outbound"]
"""Who opened the conversation: the customer, or the centre."""

DeviceKind = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z][a-z0-9_]*$")]
"""What an agent works on: `desktop`, `mobile`, ... Open for integrators' own kinds."""

Cost = Annotated[int, Field(ge=1, le=1000)]
"""Capacity units, of one task or one agent."""

Units = Annotated[int, Field(ge=1, le=2**53 - 1)]
"""Capacity units, of any number of agents together."""

Count = Annotated[int, Field(ge=0, le=2**53 - 1)]

Number = Annotated[int, Field(ge=1, le=2**53 - 1)]
"""Place of a message in its conversation: 1, 2, 3... without gaps."""

Attributes = Annotated[dict[str, Annotated[str, Field(max_length=500)]], Field(max_length=32)]
"""Facts for routing, without personal data."""

Personal = dict[str, object]
"""Personal data: a plain object, or `{kid, ct}` once the tenant's encryption is on.

It stands only in `data.personal` of `interactions`, `messages` and `customers`. Keys in the plain form:
`text` (what was said), `subject` (of an e-mail), `name`, `identifiers` (`[{type, value, verified}]`), `html`
(sanitised), `quoted` (what an e-mail repeats), `files` (`[{blob_id, name, mime, size_bytes, sha256, inline_id}]`),
`from`, `to`, `cc`, `bcc` (e-mail addresses), `variables` (of a template), `recipients` (`[{address, status, reason}]`),
`number` (of a phone), `keys` (of its keypad), `segments` (of a transcript, `[{from_ms, to_ms, party, text}]`).
"""
