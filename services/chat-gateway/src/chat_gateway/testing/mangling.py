"""What strangers may send: a provider's documented payload with parts of it replaced, missing or of another type."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from gatewaykit.domain.provider import (
    Account,
    Again,
    HttpReply,
    Item,
    NotUnderstoodError,
    Outgoing,
    Provider,
    WebRequest,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

ODD: st.SearchStrategy[object] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        2**63,
        10**30,
        1.5,
        float("inf"),
        "",
        "0",
        "x",
        ":",
        "<a|b",
        "\0",
        "\ud800",
        "x" * 1500,
        "9" * 5000,
        [],
        [None],
        [[]],
        {},
        {"id": {}},
    ]
)
patiently = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For a machine that does other things as well."""


@st.composite
def mangled(draw: st.DrawFn, payload: object) -> object:
    """The payload with one to three of its parts removed or replaced by anything."""
    value = deepcopy(payload)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            return draw(ODD)
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        if draw(st.booleans()):
            holder[key] = deepcopy(draw(ODD))
        else:
            del holder[key]
    return value


def bodies(*payloads: object) -> st.SearchStrategy[bytes]:
    """Bodies of JSON, nearly all of them."""
    values = st.sampled_from(payloads).flatmap(mangled)
    return values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=50)


def replies(*payloads: object) -> st.SearchStrategy[HttpReply]:
    """Answers to a request of ours."""
    headers: st.SearchStrategy[Mapping[str, str]] = st.fixed_dictionaries(
        {}, optional={"retry-after": st.text(max_size=12), "x-line-accepted-request-id": st.just("1")}
    )
    return st.builds(HttpReply, status=st.integers(100, 599), headers=headers, body=bodies(*payloads))


def check_parsing(provider: Provider, request: WebRequest, account: Account) -> None:
    """Fails if anything but NotUnderstoodError comes out, or a thing without the id that it should have, or a text that
    neither UTF-8 nor PostgreSQL can hold."""
    try:
        items = provider.parse(request, account, now_ms=1_700_000_000_000)
    except NotUnderstoodError:
        return
    assert all(isinstance(item, get_args(Item)) for item in items)
    assert all(getattr(item, "provider_message_id", None) != "" for item in items)
    for text in _texts(list(items)):
        assert "\0" not in text
        assert text.encode()


def check_outcome(provider: Provider, reply: HttpReply, outgoing: Outgoing) -> None:
    """Fails if an answer raises, or a failed server's one is believed. Where twice is once, 503 may say when again."""
    outcome = provider.outcome_of(reply, outgoing)

    if reply.status >= 500 and not (
        reply.status == 503 and provider.capabilities.idempotent and isinstance(outcome, Again)
    ):
        assert type(outcome).__name__ == "Uncertain"


def _places(value: Any) -> Iterator[tuple[Any, Any]]:  # Any: JSON, walked by whatever key is in it
    """Every container with every key or index in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if value:
            yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _texts(list(pair))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
