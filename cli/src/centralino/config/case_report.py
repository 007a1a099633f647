"""Whether a played case is what was expected, and how it differs."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from centralino.config.case_files import Case, Expected
from centralino.config.cases import Happened, Played

STATES: Final = {
    "task.queued": "waiting",
    "task.assigned": "assigned",
    "task.requeued": "waiting",
    "task.wrapup_started": "wrapup",
    "task.completed": "completed",
    "task.abandoned": "abandoned",
    "task.transferred_out": "transferred_out",
}
"""After an event; an offer that lives makes a waiting task an offered one."""
SHOWN: Final = ("queue", "agent_id", "state", "reason", "to", "step")
"""Fields of facts that a timeline shows, where they are there."""
NOT_IN_TIMELINES: Final = "decision.recorded"
COLUMN: Final = 56


def faults_of_case(case: Case, played: Played) -> list[str]:
    """Lines about everything that is not as expected; none when all is. Lines of a timeline that differ begin with
    `!`."""
    lines = [f"  ! {refusal}" for refusal in played.refusals]
    for contact, expected in case.expect.items():
        lines += _faults_of_contact(contact, expected, played.facts[contact])
    return lines


def timeline(facts: Sequence[Happened]) -> list[Happened]:
    """What a timeline shows."""
    return [fact for fact in facts if fact.event != NOT_IN_TIMELINES]


def line_of(fact: Happened) -> str:
    """`20 offer.expired agent=ana`."""
    shown = [(name, getattr(fact.data, name, None)) for name in SHOWN]
    fields = [f"{name.removesuffix('_id')}={value}" for name, value in shown if value is not None]
    return " ".join([f"{fact.at_ms / 1000:g}", fact.event, *fields])


def matches(line: str, fact: Happened) -> bool:
    """Whether the fact is what the line says; fields that the line does not name may be anything."""
    at, event, *fields = line.split()
    return (
        round(float(at) * 1000) == fact.at_ms
        and event == fact.event
        and all(_value(fact, name) == value for name, _, value in (each.partition("=") for each in fields))
    )


def _value(fact: Happened, name: str) -> str:
    value = getattr(fact.data, name, None)
    return str(getattr(fact.data, f"{name}_id", None) if value is None else value)


def _faults_of_contact(contact: str, expected: Expected, facts: Sequence[Happened]) -> Iterator[str]:
    actual = _outcome(facts)
    wrong = [
        f"{name} is {actual[name] or 'nobody'}, expected {getattr(expected, name) or 'nobody'}"
        for name in ("queue", "agent", "state")
        if name in expected.model_fields_set and getattr(expected, name) != actual[name]
    ]
    shown = timeline(facts)
    lines = expected.timeline
    differs = lines is not None and not (
        len(lines) == len(shown) and all(matches(line, fact) for line, fact in zip(lines, shown, strict=True))
    )
    if not wrong and not differs:
        return
    yield f"  {contact}: {'; '.join(wrong) or 'another timeline'}"
    if (why := _decision(facts)) is not None:
        yield f"    the last decision: {why}"
    yield from _side_by_side(lines, shown)


def _side_by_side(lines: Sequence[str] | None, facts: Sequence[Happened]) -> Iterator[str]:
    if lines is None:
        yield "    what happened:"
        yield from (f"    {line_of(fact)}" for fact in facts)
        return
    yield f"    {'expected':<{COLUMN}}actual"
    for line, fact in zip_longest(lines, facts):
        same = line is not None and fact is not None and matches(line, fact)
        yield f"  {' ' if same else '!'} {line or '':<{COLUMN}}{line_of(fact) if fact else ''}".rstrip()


def _outcome(facts: Sequence[Happened]) -> dict[str, str | None]:
    """Queue, agent and state after all facts."""
    queue = state = owner = None
    offers: dict[str, str] = {}
    for fact in facts:
        queue = getattr(fact.data, "queue", queue)
        if fact.event == "offer.issued":
            offers[fact.data.offer_id] = fact.data.agent_id
        elif fact.event.startswith("offer."):
            offers.pop(fact.data.offer_id, None)
        state = STATES.get(fact.event, state)
        if fact.event == "task.assigned":
            owner = fact.data.agent_id
        elif state in {"waiting", "abandoned"}:
            owner = None
    if state == "waiting" and offers:
        return {"queue": queue, "agent": list(offers.values())[-1], "state": "offered"}
    return {"queue": queue, "agent": owner, "state": state}


def _decision(facts: Sequence[Happened]) -> str | None:
    """Of how many agents how many could take it, and why not the others."""
    decisions = [decision for fact in facts if (decision := getattr(fact.data, "decision", None)) is not None]
    if not decisions:
        return None
    last = decisions[-1]
    out = ", ".join(f"{count} {reason}" for reason, count in last.excluded.items() if count)
    return f"{last.eligible} of {last.agents} agents could take it" + (f"; not: {out}" if out else "")
