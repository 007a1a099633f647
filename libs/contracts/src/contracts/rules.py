"""A classification rule of a domain: what it asks of a contact, and what then holds for the task."""

from typing import Annotated

from pydantic import Field

from contracts.fields import Band, Code, Id, Priority
from contracts.part import Part
from contracts.routing_parts import RequiredSkill

Expression = Annotated[str, Field(min_length=1, max_length=1000)]
"""A boolean expression in CEL (Common Expression Language); docs/rules.md has the attributes and functions."""


class Rule(Part):
    """One of the ordered rules of a domain.

    The first rule that matches ends it, unless it says `go_on`. Labels of all that matched add up; of every other
    effect the first value stays.
    """

    id: Code
    domain: Id
    when: Expression
    queue: Code | None = None
    requirements: Annotated[list[RequiredSkill], Field(max_length=16)] | None = None
    """Instead of the queue's; an empty list asks for nothing."""
    priority: Priority | None = None
    band: Band | None = None
    labels: list[Code] = Field(default_factory=list, max_length=16)
    language: Code | None = None
    go_on: bool = False
    """Look at the rules behind this one too."""
