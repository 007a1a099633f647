"""What is wrong with a configuration document: its form, names used twice, references to what is not there, text that
is none."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from contracts.configuration import Domain, TenantConfiguration
from contracts.form_words import told
from contracts.plain_text import text_faults
from contracts.routing_parts import Agent, Queue, RequiredSkill, Step
from contracts.voice_faults import voice_faults


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
        raise InvalidConfigurationError(form_faults(error, TenantConfiguration)) from error
    faults = reference_faults(configuration)
    if faults:
        raise InvalidConfigurationError(faults)
    return configuration


def form_faults(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Where and why the model refused a document, in plain words and without the refused values."""
    return [Fault("".join(f"/{_escaped(part)}" for part in fault.path), fault.message) for fault in told(error, model)]


def reference_faults(configuration: TenantConfiguration) -> list[Fault]:
    """Every name used twice, every reference to something that is not there, every text with control characters."""
    further = [Fault(*found) for found in (*voice_faults(configuration), *text_faults(configuration))]
    return [*_doubles(configuration), *_dangling(configuration), *further]


def _doubles(configuration: TenantConfiguration) -> Iterator[Fault]:
    named: tuple[tuple[str, list[str]], ...] = (
        ("clients", list(configuration.clients)),
        ("skills", list(configuration.skills)),
        ("domains", [domain.id for domain in configuration.domains]),
        ("queues", [f"{queue.domain}/{queue.id}" for queue in configuration.queues]),
        ("agents", [agent.id for agent in configuration.agents]),
        ("channels", [channel.address for channel in configuration.channels]),
        ("plans", [f"{plan.domain}/{plan.id}" for plan in configuration.plans]),
        ("rules", [f"{rule.domain}/{rule.id}" for rule in configuration.rules]),
        ("calendars", [f"{calendar.domain}/{calendar.id}" for calendar in configuration.calendars]),
        ("teams", [f"{team.domain}/{team.id}" for team in configuration.teams]),
        ("templates", [f"{template.domain}/{template.id}" for template in configuration.templates]),
        ("replies", [f"{reply.domain}/{reply.id}" for reply in configuration.replies]),
        ("prompts", [f"{prompt.domain}/{prompt.id}" for prompt in configuration.prompts]),
        ("flows", [f"{flow.domain}/{flow.id}" for flow in configuration.flows]),
        ("recording", [f"{policy.domain}/{policy.id}" for policy in configuration.recording]),
        ("extensions", [f"{extension.domain}/{extension.id}" for extension in configuration.extensions]),
        *(
            (f"domains/{index}/dispositions", [disposition.id for disposition in domain.dispositions])
            for index, domain in enumerate(configuration.domains)
        ),
        *(
            (f"domains/{index}/not_ready_reasons", [reason.id for reason in domain.not_ready_reasons])
            for index, domain in enumerate(configuration.domains)
        ),
        *(
            (f"domains/{index}/client_shares", [share.client for share in domain.client_shares])
            for index, domain in enumerate(configuration.domains)
        ),
        *(
            (f"queues/{index}/requirements", [required.skill for required in queue.requirements])
            for index, queue in enumerate(configuration.queues)
        ),
        *(
            (f"queues/{index}/alerts", [alert.id for alert in queue.alerts])
            for index, queue in enumerate(configuration.queues)
        ),
    )
    for part, names in named:
        counts = Counter(names)
        for index, name in enumerate(names):
            if counts[name] > 1:
                yield Fault(f"/{part}/{index}", f"{name!r} stands {counts[name]} times; names must be unique")


def _dangling(configuration: TenantConfiguration) -> Iterator[Fault]:
    names = _Names(configuration)
    for index, domain in enumerate(configuration.domains):
        yield from _of_domain(f"/domains/{index}", domain, names)
    for index, queue in enumerate(configuration.queues):
        yield from _of_queue(f"/queues/{index}", queue, names)
    for index, plan in enumerate(configuration.plans):
        yield from names.unknown(f"/plans/{index}/domain", "domain", plan.domain)
        for place, step in enumerate(plan.steps):
            yield from _of_step(f"/plans/{index}/steps/{place}", plan.domain, step, names)
    for index, rule in enumerate(configuration.rules):
        path = f"/rules/{index}"
        yield from names.unknown(f"{path}/domain", "domain", rule.domain)
        yield from names.unknown_in(f"{path}/queue", "queue", rule.domain, rule.queue)
        yield from _of_skills(path, (rule.requirements or [], [], []), names)
    for index, calendar in enumerate(configuration.calendars):
        yield from names.unknown(f"/calendars/{index}/domain", "domain", calendar.domain)
    for part in ("teams", "prompts", "flows", "recording", "extensions"):
        for index, each in enumerate(getattr(configuration, part)):
            yield from names.unknown(f"/{part}/{index}/domain", "domain", each.domain)
    for index, agent in enumerate(configuration.agents):
        yield from _of_agent(f"/agents/{index}", agent, names)
    yield from _of_channels(configuration, names)
    yield from _of_texts(configuration, names)


class _Names:
    """What the document defines."""

    def __init__(self, configuration: TenantConfiguration) -> None:
        self._known: dict[str, set[str]] = {
            "client": set(configuration.clients),
            "skill": set(configuration.skills),
            "domain": {domain.id for domain in configuration.domains},
            "agent": {agent.id for agent in configuration.agents},
        }
        self._known_in: dict[str, set[tuple[str, str]]] = {
            "queue": {(queue.domain, queue.id) for queue in configuration.queues},
            "plan": {(plan.domain, plan.id) for plan in configuration.plans},
            "calendar": {(calendar.domain, calendar.id) for calendar in configuration.calendars},
            "team": {(team.domain, team.id) for team in configuration.teams},
            "address": {(channel.domain, channel.address) for channel in configuration.channels},
        }

    def unknown(self, path: str, kind: str, name: str) -> Iterator[Fault]:
        """A fault if the document has no such thing."""
        if name not in self._known[kind]:
            yield Fault(path, f"there is no {kind} {name!r} in this document")

    def unknown_in(self, path: str, kind: str, domain: str, name: str | None) -> Iterator[Fault]:
        """A fault if a name is given and the domain has no such thing."""
        if name is not None and (domain, name) not in self._known_in[kind]:
            yield Fault(path, f"domain {domain!r} has no {kind} {name!r}")


def _of_domain(path: str, domain: Domain, names: _Names) -> Iterator[Fault]:
    for place, share in enumerate(domain.client_shares):
        yield from names.unknown(f"{path}/client_shares/{place}/client", "client", share.client)
    reasons, code = [reason.id for reason in domain.not_ready_reasons], domain.unanswered_reason_code
    if reasons and code is not None and code not in reasons:
        yield Fault(f"{path}/unanswered_reason_code", f"not_ready_reasons of this domain has no {code!r}")


def _of_channels(configuration: TenantConfiguration, names: _Names) -> Iterator[Fault]:
    for index, channel in enumerate(configuration.channels):
        path = f"/channels/{index}"
        yield from names.unknown(f"{path}/client", "client", channel.client)
        yield from names.unknown(f"{path}/domain", "domain", channel.domain)
        for place, name in enumerate([channel.queue, *channel.queues]):
            field = f"{path}/queue" if place == 0 else f"{path}/queues/{place - 1}"
            yield from names.unknown_in(field, "queue", channel.domain, name)


def _of_texts(configuration: TenantConfiguration, names: _Names) -> Iterator[Fault]:
    for index, template in enumerate(configuration.templates):
        yield from names.unknown_in(f"/templates/{index}/address", "address", template.domain, template.address)
    for index, reply in enumerate(configuration.replies):
        yield from names.unknown(f"/replies/{index}/domain", "domain", reply.domain)
        for place, queue in enumerate(reply.queues):
            yield from names.unknown_in(f"/replies/{index}/queues/{place}", "queue", reply.domain, queue)


def _of_queue(path: str, queue: Queue, names: _Names) -> Iterator[Fault]:
    yield from names.unknown(f"{path}/domain", "domain", queue.domain)
    yield from _of_skills(path, (queue.requirements, queue.any_of, queue.none_of), names)
    for place, team in enumerate(queue.teams):
        yield from names.unknown_in(f"{path}/teams/{place}", "team", queue.domain, team)
    yield from names.unknown_in(f"{path}/plan", "plan", queue.domain, queue.plan)
    yield from names.unknown_in(f"{path}/calendar", "calendar", queue.domain, queue.calendar)
    yield from names.unknown_in(f"{path}/escalates_to", "queue", queue.domain, queue.escalates_to)
    for name, destination in (("closed", queue.closed), ("full", queue.full)):
        if destination is not None:
            yield from names.unknown_in(f"{path}/{name}/queue", "queue", queue.domain, destination.queue)


def _of_step(path: str, domain: str, step: Step, names: _Names) -> Iterator[Fault]:
    yield from _of_skills(path, (step.requirements or [], step.any_of or [], step.none_of or []), names)
    for place, team in enumerate(step.teams or []):
        yield from names.unknown_in(f"{path}/teams/{place}", "team", domain, team)
    for place, agent in enumerate(step.agents):
        yield from names.unknown(f"{path}/agents/{place}", "agent", agent)
    if step.overflow is not None:
        yield from names.unknown_in(f"{path}/overflow/queue", "queue", domain, step.overflow.queue)


def _of_skills(
    path: str,
    required: tuple[Sequence[RequiredSkill], Sequence[Sequence[RequiredSkill]], Sequence[RequiredSkill]],
    names: _Names,
) -> Iterator[Fault]:
    all_of, any_of, none_of = required
    for place, each in enumerate(all_of):
        yield from names.unknown(f"{path}/requirements/{place}/skill", "skill", each.skill)
    for group, choices in enumerate(any_of):
        for place, each in enumerate(choices):
            yield from names.unknown(f"{path}/any_of/{group}/{place}/skill", "skill", each.skill)
    for place, each in enumerate(none_of):
        yield from names.unknown(f"{path}/none_of/{place}/skill", "skill", each.skill)


def _of_agent(path: str, agent: Agent, names: _Names) -> Iterator[Fault]:
    yield from names.unknown(f"{path}/domain", "domain", agent.domain)
    for skill in agent.skills:
        yield from names.unknown(f"{path}/skills/{skill}", "skill", skill)
    yield from names.unknown_in(f"{path}/team", "team", agent.domain, agent.team)
    yield from names.unknown_in(f"{path}/shift_calendar", "calendar", agent.domain, agent.shift_calendar)
    for place, client in enumerate(agent.clients):
        yield from names.unknown(f"{path}/clients/{place}", "client", client)


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
