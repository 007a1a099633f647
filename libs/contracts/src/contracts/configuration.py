"""A tenant's configuration: one document, validated as a whole, versioned by the router's API."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.fields import Channel, Code, Cost, Id, Priority, Proficiency

Seconds = Annotated[int, Field(ge=1, le=86_400)]
Label = Annotated[str, Field(min_length=1, max_length=120)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Disposition(_Part):
    """A coded outcome that agents choose from."""

    id: Code
    label: Label


class Domain(_Part):
    """A routing domain: one pool of agents and the rules that hold for all of it."""

    id: Id
    costs: dict[Channel, Cost] = Field(default_factory=dict)
    """Capacity units that a task of the channel takes; 1 where nothing is said."""
    unanswered_offers_max: Annotated[int, Field(ge=1, le=100)] = 2
    """After so many unanswered offers in a row the agent is set not ready."""
    refused_backoff_seconds: Seconds = 60
    """A task that an agent rejected or left unanswered is not offered to this agent again for so long."""
    presence_grace_seconds: Seconds = 30
    keep_on_agent_loss: list[Channel] = Field(default_factory=list)
    """Channels whose assignments stay with a lost agent; all others are requeued."""
    dispositions: list[Disposition] = Field(default_factory=list, max_length=200)


class RequiredSkill(_Part):
    """A skill and the lowest proficiency that will do."""

    skill: Code
    minimum: Proficiency = 1


class Queue(_Part):
    """An ordered set of waiting tasks and what an agent needs to serve them."""

    id: Code
    domain: Id
    name: Label
    requirements: list[RequiredSkill] = Field(default_factory=list, max_length=16)
    priority: Priority = 5
    offer_timeout_seconds: Seconds = 20
    wrapup_seconds: Seconds = 60


class Agent(_Part):
    """A person who serves tasks; `id` is the subject of their access token."""

    id: Id
    domain: Id
    name: Label
    """Shown to customers; choose it accordingly."""
    skills: dict[Code, Proficiency] = Field(default_factory=dict)
    capacity: Cost = 3
    """Capacity units the agent can hold at once."""


class ChannelAddress(_Part):
    """Where customers reach the tenant: an entry of the channel registry."""

    address: Id
    channel: Channel
    client: Id
    domain: Id
    queue: Code
    queues: list[Code] = Field(default_factory=list, max_length=50)
    """Further queues that the customer may choose beforehand."""
    origins: list[Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]] = Field(default_factory=list)
    """Web origins that may open a chat; the gateway's own pages always may."""
    identity_keys: list[Annotated[str, Field(max_length=4000)]] = Field(default_factory=list, max_length=2)
    """Public keys (PEM; EdDSA or ES256) that sign customers' identity tokens; two while one is rotated."""
    idle_close_seconds: Seconds = 1800
    abandon_seconds: Seconds = 60
    """A customer whose socket is gone for so long has left."""


class TenantConfiguration(_Part):
    """The whole document. References between its parts are checked by `reference_faults`."""

    clients: list[Id] = Field(min_length=1, max_length=1000)
    skills: list[Code] = Field(default_factory=list, max_length=1000)
    domains: list[Domain] = Field(min_length=1, max_length=100)
    queues: list[Queue] = Field(default_factory=list, max_length=5000)
    agents: list[Agent] = Field(default_factory=list, max_length=15_000)
    channels: list[ChannelAddress] = Field(default_factory=list, max_length=5000)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the document; `path` is a JSON Pointer (RFC 6901) into it."""

    path: str
    message: str


class InvalidConfigurationError(ValueError):
    """The configuration document is wrong at every path that `faults` names; the version before it stays in force."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in faults[:5]))
        self.faults = tuple(faults)


def read_configuration(document: bytes) -> TenantConfiguration:
    """The document (JSON), checked as a whole; references are looked at once every value has its form.

    Raises InvalidConfigurationError.
    """
    try:
        configuration = TenantConfiguration.model_validate_json(document, strict=True)
    except ValidationError as error:
        raise InvalidConfigurationError(form_faults(error)) from error
    faults = reference_faults(configuration)
    if faults:
        raise InvalidConfigurationError(faults)
    return configuration


def form_faults(error: ValidationError) -> list[Fault]:
    """Where and why pydantic refused a document, without the refused values."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return [Fault("".join(f"/{_escaped(part)}" for part in fault["loc"]), fault["msg"]) for fault in faults]


def reference_faults(configuration: TenantConfiguration) -> list[Fault]:
    """Every name used twice and every reference to something that is not there."""
    return [*_doubles(configuration), *_dangling(configuration)]


def _doubles(configuration: TenantConfiguration) -> Iterator[Fault]:
    named: tuple[tuple[str, list[str]], ...] = (
        ("clients", list(configuration.clients)),
        ("skills", list(configuration.skills)),
        ("domains", [domain.id for domain in configuration.domains]),
        ("queues", [f"{queue.domain}/{queue.id}" for queue in configuration.queues]),
        ("agents", [agent.id for agent in configuration.agents]),
        ("channels", [channel.address for channel in configuration.channels]),
        *(
            (f"domains/{index}/dispositions", [disposition.id for disposition in domain.dispositions])
            for index, domain in enumerate(configuration.domains)
        ),
        *(
            (f"queues/{index}/requirements", [required.skill for required in queue.requirements])
            for index, queue in enumerate(configuration.queues)
        ),
    )
    for part, names in named:
        counts = Counter(names)
        for index, name in enumerate(names):
            if counts[name] > 1:
                yield Fault(f"/{part}/{index}", f"{name!r} stands {counts[name]} times; names must be unique")


def _dangling(configuration: TenantConfiguration) -> Iterator[Fault]:
    domains = {domain.id for domain in configuration.domains}
    queues = {(queue.domain, queue.id) for queue in configuration.queues}
    skills = set(configuration.skills)
    clients = set(configuration.clients)
    for index, queue in enumerate(configuration.queues):
        path = f"/queues/{index}"
        yield from _unknown(f"{path}/domain", "domain", queue.domain, domains)
        for place, required in enumerate(queue.requirements):
            yield from _unknown(f"{path}/requirements/{place}/skill", "skill", required.skill, skills)
    for index, agent in enumerate(configuration.agents):
        path = f"/agents/{index}"
        yield from _unknown(f"{path}/domain", "domain", agent.domain, domains)
        for skill in agent.skills:
            yield from _unknown(f"{path}/skills/{skill}", "skill", skill, skills)
    for index, channel in enumerate(configuration.channels):
        path = f"/channels/{index}"
        yield from _unknown(f"{path}/client", "client", channel.client, clients)
        yield from _unknown(f"{path}/domain", "domain", channel.domain, domains)
        for place, name in enumerate([channel.queue, *channel.queues]):
            field = f"{path}/queue" if place == 0 else f"{path}/queues/{place - 1}"
            if (channel.domain, name) not in queues:
                yield Fault(field, f"domain {channel.domain!r} has no queue {name!r}")


def _unknown(path: str, kind: str, name: str, known: set[str]) -> Iterator[Fault]:
    if name not in known:
        yield Fault(path, f"there is no {kind} {name!r} in this document")


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
