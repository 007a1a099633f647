"""What stood in Redis at a moment, in the form in which it is compared."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

View = dict[str, Any]  # Any: JSON
Views = dict[str, dict[str, View]]
"""By kind (agents, queues, assignments, domains) and id."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What stood in Redis at one moment; `position` is none while the domain's views are gone."""

    at_ms: int
    position: int | None
    views: Views


def sample_of(at_ms: int, meta: Mapping[bytes, bytes], hashes: Mapping[str, Mapping[bytes, bytes]]) -> Sample:
    """From what Redis answers."""
    views = {kind: {name.decode(): view_of(view) for name, view in kept.items()} for kind, kept in hashes.items()}
    return Sample(at_ms, int(meta[b"position"]) if meta else None, views)


def view_of(raw: bytes) -> View:
    """A view as compared: without counts and agents' time, which the router's tests hold against a naive recount."""
    view: dict[str, object] = json.loads(raw)
    for counted in ("measured", "time"):
        view.pop(counted, None)
    return view
