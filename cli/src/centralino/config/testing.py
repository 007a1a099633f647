"""A small configuration that lint finds nothing in but a queue without overflow, and its parts in few words."""

from typing import Any, Final

from contracts.configuration import TenantConfiguration

Json = dict[str, Any]  # Any: JSON
ANA: Final[Json] = {"id": "ana", "domain": "main", "name": "Ana", "skills": {"es": 3, "en": 2}, "capacity": 2}
TO_HELP: Final[Json] = {"after_seconds": 60, "overflow": {"to": "queue", "queue": "help"}}


def document(**changes: Any) -> TenantConfiguration:  # Any: JSON
    """Ana serves the queue `help` of domain `main`; `changes` stand in place of whole parts."""
    base: Json = {
        "clients": ["shop"],
        "skills": ["es", "en"],
        "domains": [{"id": "main"}, {"id": "empty"}],
        "queues": [queue(es=3)],
        "agents": [ANA],
        "channels": [address("help")],
    }
    return TenantConfiguration.model_validate({**base, **changes})


def queue(name: str = "help", domain: str = "main", timeout: int = 20, **fields: Any) -> Json:  # Any: JSON
    """Fields of a queue, and skills by their names."""
    skills = {skill: fields.pop(skill) for skill in ("es", "en") if skill in fields}
    requirements = [{"skill": skill, "minimum": minimum} for skill, minimum in skills.items()]
    base = {"id": name, "domain": domain, "name": name, "offer_timeout_seconds": timeout}
    return {**base, "requirements": requirements, **fields}


def plan(*steps: Json) -> Json:
    """The plan `usual`; without steps it overflows to `help` after a minute."""
    return {"id": "usual", "domain": "main", "steps": list(steps) or [TO_HELP]}


def rule(name: str, when: str, domain: str = "main") -> Json:
    """It matches, and does nothing."""
    return {"id": name, "domain": domain, "when": when}


def share(client: str, minimum_percent: int = 0, **more: int) -> Json:
    """What a client gets, in percent at least, and `units_max`."""
    return {"client": client, "minimum_percent": minimum_percent, **more}


def address(default: str, *others: str) -> Json:
    """The address of the web page, its queue and the queues that a customer may choose."""
    base = {"address": "web:main", "channel": "webchat", "client": "shop", "domain": "main"}
    return {**base, "queue": default, "queues": list(others)}


def number(**fields: Any) -> Json:  # Any: JSON
    """The number that leads to queue `help` by flow `shop`."""
    return {**address("help"), "address": "tel:1", "channel": "voice", "flow": "shop", **fields}


def flow(**fields: Any) -> Json:  # Any: JSON
    """The flow `shop`, whose menu says prompt `what` and whose key 1 leads to queue `help`."""
    menu = {"id": "first", "prompt": "what", "items": [{"key": "1", "queue": "help"}]}
    return {"id": "shop", "domain": "main", "menu": "first", "menus": [menu], **fields}


def prompt(name: str, **texts: str) -> Json:
    """Its words by language."""
    return {"id": name, "domain": "main", "texts": texts or {"en": "What?"}}


def policy(name: str, **fields: Any) -> Json:  # Any: JSON
    """Of every call in `main`."""
    return {"id": name, "domain": "main", **fields}
