"""The checker takes for sound the statuses that the sending of gateways can tell, no more and no fewer."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import get_args

from centralino.proof.afterwards import follows
from contracts.written import MessageStatus
from gatewaykit.domain.outgoing import (
    GIVE_UP_MS,
    OutgoingRow,
    lapsed,
    news,
    reported,
    settled,
    to_send_again,
)
from gatewaykit.domain.provider import Again, Capabilities, Refused, Sent, StatusReport, StatusWord, Uncertain
from gatewaykit.domain.recipients import State

ROUNDS_MAX = 2
PARTS = 2
World = tuple[tuple[State, ...], ...]
"""By part the states of its rows, one for each time that it was sent."""
UNSAFE = Capabilities(text_max=1, statuses=get_args(StatusWord))
ANSWERS = (
    Sent(provider_message_id=None),
    Refused(code="x", detail=""),
    Again(after_ms=1, scope="pair"),
    Uncertain(),
)


def row(part: int, round_: int, state: State) -> OutgoingRow:
    return OutgoingRow(
        tenant_id="acme",
        outgoing_id=f"{part}/{round_}",
        message_id="m1",
        interaction_id="i1",
        domain="acme.main",
        address="whatsapp:1",
        counterpart="anna",
        part=part,
        round=round_,
        number=part,
        payload=None,
        state=state,
        attempts=1,
        created_at_ms=0,
        due_at_ms=0,
        changed_at_ms=0,
        tried_at_ms=0,
        lease_until_ms=0 if state == "sending" else None,
    )


@cache
def states_after(state: State) -> set[State]:
    """Whatever time, an answer or a report makes of a part."""
    return set(_states_after(state))


def _states_after(state: State) -> Iterator[State]:
    before = row(1, 1, state)
    for capabilities, now_ms in product((UNSAFE, replace(UNSAFE, idempotent=True)), (0, GIVE_UP_MS)):
        yield lapsed(before, capabilities, now_ms).state
        if state != "pending":
            for answer in ANSWERS:
                yield settled(before, answer, capabilities, attempt=1, now_ms=now_ms, again_at_ms=now_ms).state
    for word in get_args(StatusWord):
        yield reported(before, StatusReport(account_id="1", status=word), 0).state
    if state == "pending":
        yield "sending"


@cache
def worlds_after(world: World) -> list[tuple[World, MessageStatus | None]]:
    """With what is told of the step; an agent's wish to have it sent again tells nothing."""
    found: list[tuple[World, MessageStatus | None]] = []
    rows = rows_of(world)
    for place, before in enumerate(rows):
        for state in states_after(before.state):
            after = [*rows[:place], replace(before, state=state), *rows[place + 1 :]]
            told = news(rows, after, 0)
            found.append((world_of(after), told.status if told else None))
    doubtful = to_send_again(rows)
    if doubtful and all(each.round < ROUNDS_MAX for each in doubtful):
        found.append((world_of([*rows, *(row(each.part, each.round + 1, "pending") for each in doubtful)]), None))
    return found


def rows_of(world: World) -> list[OutgoingRow]:
    return [row(part, round_, state) for part, states in enumerate(world, 1) for round_, state in enumerate(states, 1)]


def world_of(rows: Sequence[OutgoingRow]) -> World:
    return tuple(tuple(each.state for each in rows if each.part == part) for part in range(1, PARTS + 1))


def test_the_steps_that_gateways_can_tell_are_those_that_are_sound() -> None:
    """Every way that a message of two parts can go, each sent twice at most."""
    steps: set[tuple[bool, MessageStatus, MessageStatus]] = set()
    seen: set[tuple[World, MessageStatus | None, bool]] = set()
    ahead: list[tuple[World, MessageStatus | None, bool]] = [((("pending",),) * PARTS, None, False)]
    while ahead:
        world, last, doubted = ahead.pop()
        for after, told in worlds_after(world):
            if told and last:
                steps.add((doubted, last, told))
            doubted_now = doubted or told in ("failed", "unknown")
            found = (after, told or last, doubted_now)
            if found not in seen:
                seen.add(found)
                ahead.append(found)
    sound = {
        (doubted, last, status)
        for doubted, last, status in product((False, True), get_args(MessageStatus), get_args(MessageStatus))
        if (doubted or last not in ("failed", "unknown")) and follows(status, ["unknown", last] if doubted else [last])
    }

    assert steps == sound
