"""What a scenario file holds (docs/simulator.md): the tenant's configuration, contacts, groups of agents, days.

TOML or JSON, which the standard library reads.
"""

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from contracts.configuration import TenantConfiguration
from contracts.configuration_faults import form_faults
from contracts.fields import Attributes, Channel, Code, Id
from contracts.routing_parts import Agent
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from router.api.configuration import faults_of

DAY_SECONDS_MAX = 86_400
CONTACTS_A_DAY_MAX = 2_000_000
"""Expected; all of a day are kept until it is over."""
CONTACTS_MAX = 200_000_000
"""Expected in all days: hours."""
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
DaySeconds = Annotated[int, Field(ge=0, le=DAY_SECONDS_MAX)]


class ScenarioError(ValueError):
    """The scenario file cannot be used; the message is one sentence for its author."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Exponential(_Part):
    """Memoryless."""

    distribution: Literal["exponential"]
    mean_seconds: Positive


class Lognormal(_Part):
    """Mean and standard deviation are those of the durations, not of their logarithms."""

    distribution: Literal["lognormal"]
    mean_seconds: Positive
    deviation_seconds: Positive


class Gamma(_Part):
    """Shape (mean / deviation) squared."""

    distribution: Literal["gamma"]
    mean_seconds: Positive
    deviation_seconds: Positive


class Uniform(_Part):
    """Every duration between the two alike."""

    distribution: Literal["uniform"]
    least_seconds: NonNegative
    most_seconds: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least_seconds > self.most_seconds:
            raise ValueError("least_seconds is more than most_seconds")
        return self


class Fixed(_Part):
    """Always the same; 0 is allowed."""

    distribution: Literal["fixed"]
    seconds: NonNegative


Duration = Annotated[Exponential | Lognormal | Gamma | Uniform | Fixed, Field(discriminator="distribution")]


class ContactType(_Part):
    """Contacts of one kind: where they arrive, how often, how long they wait and are served."""

    name: Code
    address: Id | None = None
    """A channel address of the configuration; without one `queue` says where contacts go."""
    queue: Code | None = None
    """The customer's choice of a queue, as `queue_hint` of `interaction.started`."""
    domain: Id | None = None
    """Only without an address, and if the configuration has several domains."""
    channel: Channel = "voice"
    language: Code | None = None
    attributes: Attributes = Field(default_factory=dict)
    per_hour: NonNegative | Annotated[list[NonNegative], Field(min_length=1)]
    """Poisson arrivals: one rate, or one for each period of the day."""
    patience: Duration | None = None
    """From arrival until the customer leaves unless an agent has accepted; none: for ever."""
    service: Duration
    service_by_group: dict[Code, Duration] = Field(default_factory=dict)
    """Where a group of agents is faster or slower than `service` says."""
    wrapup: Duration | None = None
    """Cut by the queue's `wrapup_seconds`; none: the agent completes at once."""
    in_target_seconds: Positive = 20

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.address is None and self.queue is None:
            raise ValueError("name an address or a queue")
        return self


class Shift(_Part):
    """When the agents of a group are ready, in seconds of the day; who is busy at its end finishes."""

    from_seconds: DaySeconds
    to_seconds: DaySeconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.from_seconds >= self.to_seconds:
            raise ValueError("from_seconds is not before to_seconds")
        return self


class Group(_Part):
    """Agents who are alike: `number` new ones after the template `agent`, or `agents` of the configuration."""

    name: Code
    number: Annotated[int, Field(ge=0, le=15_000)] = 0
    agent: dict[str, object] = Field(default_factory=dict)
    """Any field of an agent in the configuration but `id` and `name`; `domain` may be left out if there is one."""
    agents: list[Id] = Field(default_factory=list)
    shifts: list[Shift] = Field(default_factory=list)
    """None: always ready."""
    ring: Duration | None = None
    """From an offer until the agent accepts; none: at once. Longer than the queue's time-out, the offer expires."""

    @property
    def members(self) -> list[str]:
        """Agents' ids, those of the template named `<group>-<number>`."""
        return [*self.agents, *(f"{self.name}-{number + 1}" for number in range(self.number))]


class Day(_Part):
    """A day's periods, and what comes before and after them."""

    periods: Annotated[int, Field(ge=1, le=1440)] = 1
    period_seconds: Annotated[int, Field(ge=1, le=DAY_SECONDS_MAX)] = 28_800
    starts: Literal["empty", "continued"] = "empty"
    """empty: each day is a centre of its own, and is served until nobody waits; continued: one long run."""
    warmup_periods: Annotated[int, Field(ge=0)] = 0
    """First periods of each day that count for nothing."""
    warmup_days: Annotated[int, Field(ge=0)] = 0
    """First days that count for nothing, of `days`."""
    first: AwareDatetime = datetime(2026, 1, 5, tzinfo=UTC)
    """When the first day begins (a Monday). An empty day begins 24 hours after the one before."""

    @property
    def seconds(self) -> int:
        """Length of all periods together."""
        return self.periods * self.period_seconds

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.seconds > DAY_SECONDS_MAX:
            raise ValueError("the periods are longer than 24 hours together")
        if self.warmup_periods >= self.periods:
            raise ValueError("warmup_periods leaves no period to count")
        return self


class Scenario(_Part):
    """The whole file."""

    configuration: TenantConfiguration
    """As the router's API takes it; in the file also the path of such a document, relative to the file."""
    contacts: Annotated[list[ContactType], Field(min_length=1, max_length=1000)]
    groups: Annotated[list[Group], Field(min_length=1, max_length=1000)]
    days: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    seed: int = 1
    lines: Annotated[int, Field(ge=1)] | None = None
    """Contacts that the centre can have at once; one more is blocked before the router hears of it. None: any."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    day: Day = Day()

    @property
    def tenant(self) -> TenantConfiguration:
        """The configuration with the agents that the groups' templates make. Raises ValueError for a wrong template."""
        made = [_agent(self, group, name) for group in self.groups for name in group.members[len(group.agents) :]]
        return self.configuration.model_copy(update={"agents": [*self.configuration.agents, *made]})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for fault in _faults(self):
            raise ValueError(fault)
        return self


def read_scenario(path: Path, **changes: object) -> Scenario:
    """The file, with values that replace the file's. Raises ScenarioError."""
    try:
        content = _content(path)
        named = content.get("configuration")
        if isinstance(named, str):
            content["configuration"] = _content(path.parent / named)
        return Scenario.model_validate({**content, **changes})
    except ValidationError as error:
        faults = form_faults(error, Scenario)
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        place = f"{faults[0].path}: " if faults[0].path else ""
        raise ScenarioError(f"{path}: {place}{faults[0].message}{more}") from error


def _content(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # of both readers, and of the encoding
        kind = "TOML" if path.suffix == ".toml" else "JSON (a TOML file's name ends with .toml)"
        raise ScenarioError(f"{path} is no {kind}: {error}") from error
    if not isinstance(content, dict):
        raise ScenarioError(f"{path} holds no object")
    return content


def _agent(scenario: Scenario, group: Group, name: str) -> Agent:
    domains = [domain.id for domain in scenario.configuration.domains]
    template = {"domain": domains[0], **group.agent} if len(domains) == 1 else group.agent
    try:
        return Agent.model_validate({**template, "id": name, "name": name})
    except ValidationError as error:
        fault = form_faults(error, Agent)[0]
        raise ValueError(f"group {group.name!r}: agent{fault.path}: {fault.message}") from error


def _faults(scenario: Scenario) -> Iterator[str]:
    for kind, names in (("contact type", [each.name for each in scenario.contacts]), ("group", _names(scenario))):
        if len(set(names)) < len(names):
            yield f"a {kind}'s name stands twice"
    tenant = scenario.tenant
    for fault in faults_of(tenant, before=None):
        yield f"configuration{fault.path}: {fault.message}"
    if scenario.day.warmup_days >= scenario.days:
        yield "warmup_days leaves no day to count"
    members = [agent for group in scenario.groups for agent in group.members]
    known = {agent.id for agent in tenant.agents}
    for agent in members:
        if agent not in known:
            yield f"the configuration has no agent {agent!r}"
    if len(set(members)) < len(members):
        yield "an agent is in two groups"
    for contact in scenario.contacts:
        yield from _contact_faults(scenario, contact)
    yield from _traffic_faults(scenario)


def _traffic_faults(scenario: Scenario) -> Iterator[str]:
    a_day = sum(_a_day(scenario.day, contact) for contact in scenario.contacts)
    if a_day > CONTACTS_A_DAY_MAX:
        yield f"{a_day:.3g} contacts a day are more than {CONTACTS_A_DAY_MAX}: lower per_hour, or shorten the day"
    if a_day * scenario.days > CONTACTS_MAX:
        yield f"{a_day * scenario.days:.3g} contacts in {scenario.days} days are more than {CONTACTS_MAX}: fewer days"


def _a_day(day: Day, contact: ContactType) -> float:
    """Expected contacts."""
    rates = contact.per_hour if isinstance(contact.per_hour, list) else [contact.per_hour] * day.periods
    return sum(rates) * day.period_seconds / 3600


def _contact_faults(scenario: Scenario, contact: ContactType) -> Iterator[str]:
    name, document = contact.name, scenario.configuration
    leads = {channel.address: [channel.queue, *channel.queues] for channel in document.channels}
    if contact.address is not None and contact.address not in leads:
        yield f"contacts {name!r}: the configuration has no channel address {contact.address!r}"
    if contact.address in leads and contact.queue not in {None, *leads[contact.address]}:
        to = ", ".join(leads[contact.address])
        yield f"contacts {name!r}: {contact.address} does not lead to queue {contact.queue!r}, but to {to}"
    if contact.address is None and contact.domain is None and len(document.domains) > 1:
        yield f"contacts {name!r}: say which domain the queue is of"
    domain = contact.domain or document.domains[0].id
    if contact.address is None and (domain, contact.queue) not in {(each.domain, each.id) for each in document.queues}:
        yield f"contacts {name!r}: domain {domain!r} has no queue {contact.queue!r}"
    if isinstance(contact.per_hour, list) and len(contact.per_hour) != scenario.day.periods:
        yield f"contacts {name!r}: per_hour has {len(contact.per_hour)} rates for {scenario.day.periods} periods"
    for group in contact.service_by_group.keys() - set(_names(scenario)):
        yield f"contacts {name!r}: service_by_group names no group {group!r}"


def _names(scenario: Scenario) -> list[str]:
    return [group.name for group in scenario.groups]
