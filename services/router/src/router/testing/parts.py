"""Parts of a configuration, in few words."""

from collections.abc import Iterable
from typing import Final

from contracts.configuration import ChannelAddress, Domain
from contracts.configuration_records import ConfigurationRecord, RecordKind
from contracts.routing_parts import Agent, Queue, RequiredSkill

DOMAIN: Final = "acme.main"
Part = Domain | Queue | Agent | ChannelAddress


def record_of(part: Part, version: int) -> ConfigurationRecord:
    """The part as it stands in topic `config`."""
    kind, name = _name_of(part)
    value = part.model_dump(mode="json")
    if isinstance(part, Domain):
        value["partition"] = 0
    domain = part.id if isinstance(part, Domain) else part.domain
    return ConfigurationRecord(kind=kind, id=f"{kind}:{name}", domain=domain, version=version, value=value)


def _name_of(part: Part) -> tuple[RecordKind, str]:
    match part:
        case Domain():
            return "domain", part.id
        case Queue():
            return "queue", f"{part.domain}/{part.id}"
        case Agent():
            return "agent", part.id
        case ChannelAddress():
            return "channel", part.address


def queue(name: str, *skills: str, priority: int = 5, wrapup_seconds: int = 60) -> Queue:
    """A queue; a skill is a name, or a name and the least proficiency (`billing:3`)."""
    return Queue(
        id=name,
        domain=DOMAIN,
        name=name,
        requirements=[RequiredSkill(skill=skill, minimum=minimum) for skill, minimum in _skills(skills)],
        priority=priority,
        wrapup_seconds=wrapup_seconds,
    )


def agent(name: str, *skills: str, capacity: int = 1) -> Agent:
    """An agent with skills as in `queue`."""
    return Agent(id=name, domain=DOMAIN, name=name, skills=dict(_skills(skills)), capacity=capacity)


def address(default: str, *others: str) -> ChannelAddress:
    """The address `web:main`, its queue and the queues that a customer may choose."""
    return ChannelAddress(
        address="web:main", channel="webchat", client="shop", domain=DOMAIN, queue=default, queues=list(others)
    )


def _skills(texts: Iterable[str]) -> list[tuple[str, int]]:
    return [(text.partition(":")[0], int(text.partition(":")[2] or 1)) for text in texts]
