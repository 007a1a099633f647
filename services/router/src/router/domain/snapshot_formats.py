"""Snapshots of the releases before, as this one would have written them.

The journal before a snapshot may be gone, so an engine that meets one after an upgrade has to go on from it. What a
later release keeps beside is filled with what holds when nothing is configured of it.
"""

from collections.abc import Callable
from typing import Any, Final

from router.domain.state import STRICT_MS

Plain = dict[str, Any]  # Any: decoded JSON
FORMAT: Final = 3
"""Rises with every change after which either of two releases would misread, or not read, the other's snapshots: above
all with a field that is not left out for a good default. `_UPGRADES` then gains a step."""


def upgraded(content: Plain) -> Plain:
    """The content in this release's format. Raises ValueError when there is no way from its own."""
    while content.get("format") != FORMAT:
        upgrade = _UPGRADES.get(content.get("format"))
        if upgrade is None:
            raise ValueError(f"snapshot format {content.get('format')!r}, this release reads up to {FORMAT}")
        content = upgrade(content)
    return content


def _from_1(content: Plain) -> Plain:
    """Before plans, parallel offers and aging (0.1.0)."""
    return content | {"format": 2, "domains": [_domain_from_1(domain) for domain in content["domains"]]}


def _domain_from_1(domain: Plain) -> Plain:
    return domain | {
        "plans": [],
        "calendars": [],
        "rules": [],
        "early_facts": [],
        "offers_made": 0,
        "gates_deferred": False,
        "overriding": None,
        "alerts_at_ms": None,
        "alerts_after": "",
        "queues": [_queue_from_1(queue, domain["domain"]) for queue in domain["queues"]],
        "tasks": [_task_from_1(task) for task in domain["tasks"]],
    }


def _queue_from_1(queue: Plain, domain: str) -> Plain:
    """The queue's name for people was not kept; the next version of the configuration that touches it brings it."""
    names = ("requirements", "priority", "offer_timeout_seconds", "wrapup_seconds")
    settings = {"id": queue["queue"], "domain": domain, "name": queue["queue"]}
    return {
        "queue": queue["queue"],
        "settings": settings | {name: queue[name] for name in names},
        "removed": queue["removed"],
        "override": None,
        "sweeps_at_ms": None,
        "opens_at_ms": None,
        "waits_ms": 0,
        "positions": 0,
        "alerts": {},
    }


def _task_from_1(task: Plain) -> Plain:
    """Priority was strict, and there was one offer at most."""
    offer = task["offer"]
    kept = {name: value for name, value in task.items() if name != "offer"}
    return kept | {
        "offers": {} if offer is None else {offer["agent_id"]: offer},
        "order": task["queued_at_ms"] - task["priority"] * STRICT_MS,
        "entered_at_ms": task["queued_at_ms"],
    }


def _from_2(content: Plain) -> Plain:
    """Between 0.1.0 and the release after it, where fields came and went without another format."""
    return content | {"format": 3, "domains": [_domain_from_2(domain) for domain in content["domains"]]}


def _domain_from_2(domain: Plain) -> Plain:
    """Nobody was followed who had left; what an override had added to a priority was kept beside it."""
    tasks = [{"base_priority": task["priority"] - task.get("boost", 0)} | task for task in domain["tasks"]]
    return {"leavers": []} | domain | {"tasks": tasks}


_UPGRADES: Final[dict[object, Callable[[Plain], Plain]]] = {1: _from_1, 2: _from_2}
"""One step from each older format."""
