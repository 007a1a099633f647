"""Parts of a configuration, in few words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final  # Any: tests name fields of the parts

from contracts.calendars import Calendar
from contracts.configuration import ChannelAddress, Domain
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord, RecordKind
from contracts.routing_parts import Agent, Plan, Queue, RequiredSkill, Step
from contracts.rules import Rule


@dataclass(frozen=True)
class Rules:
    """All rules of the domain, in order."""

    rules: tuple[Rule, ...]
    domain: str = "acme.main"
    id: str = ""


DOMAIN: Final = "acme.main"
Part = Domain | Queue | Agent | ChannelAddress
Later = Plan | Calendar | Rules
"""Parts that have records of their own kind."""


def record_of(part: Part, version: int) -> ConfigurationRecord:
    """The part as it stands in topic `config`."""
    kind, name = _name_of(part)
    value = part.model_dump(mode="json")
    if isinstance(part, Domain):
        value["partition"] = 0
    domain = part.id if isinstance(part, Domain) else part.domain
    return ConfigurationRecord(kind=kind, id=f"{kind}:{name}", domain=domain, version=version, value=value)


def later_record_of(part: Later, version: int) -> ConfigurationPart:
    """The part as it stands in topic `config`."""
    if isinstance(part, Rules):
        value: dict[str, object] = {"rules": [rule.model_dump(mode="json") for rule in part.rules]}
        return ConfigurationPart(
            kind="rules", id=f"rules:{part.domain}", domain=part.domain, version=version, value=value
        )
    kind = "plan" if isinstance(part, Plan) else "calendar"
    value = part.model_dump(mode="json")
    return ConfigurationPart(
        kind=kind, id=f"{kind}:{part.domain}/{part.id}", domain=part.domain, version=version, value=value
    )


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


def queue(name: str, *skills: str, **settings: Any) -> Queue:
    """A queue; skills as `skill` reads them."""
    return Queue(
        id=name,
        domain=DOMAIN,
        name=name,
        requirements=[skill(text) for text in skills],
        **settings,
    )


def agent(name: str, *skills: str, capacity: int = 1, **settings: Any) -> Agent:
    """An agent; a skill is a name, or a name and the proficiency (`billing:3`)."""
    return Agent(
        id=name,
        domain=DOMAIN,
        name=name,
        skills=dict(_skills(skills)),
        capacity=capacity,
        **settings,
    )


def plan(name: str, *steps: Step) -> Plan:
    """A plan of these steps."""
    return Plan(id=name, domain=DOMAIN, steps=list(steps))


def rules(**expressions: dict[str, Any]) -> Rules:
    """Rules by id, in order: `vip={"when": "customer.tier == 'gold'", "priority": 9}`."""
    made = (Rule.model_validate({"id": name, "domain": DOMAIN} | fields) for name, fields in expressions.items())
    return Rules(tuple(made))


def skill(text: str) -> RequiredSkill:
    """`billing`, at least (`billing:3`), or between (`billing:2-3`)."""
    name, _, levels = text.partition(":")
    low, _, high = levels.partition("-")
    return RequiredSkill(skill=name, minimum=int(low or 1), maximum=int(high or 5))


def address(default: str, *others: str, callbacks: bool = False) -> ChannelAddress:
    """The address `web:main`, its queue and the queues that a customer may choose."""
    return ChannelAddress(
        address="web:main",
        channel="webchat",
        client="shop",
        domain=DOMAIN,
        queue=default,
        queues=list(others),
        callbacks=callbacks,
    )


def _skills(texts: Iterable[str]) -> list[tuple[str, int]]:
    return [(text.partition(":")[0], int(text.partition(":")[2] or 1)) for text in texts]
