"""Routing cases in files: what is given, what is expected."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from contracts.configuration import TenantConfiguration
from contracts.configuration_faults import form_faults
from contracts.fields import Attributes, Channel, Code, Id
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from centralino.config.documents import files_of, read_configuration_files
from centralino.config.errors import ConfigError
from centralino.config.texts import Text, read_text

Seconds = Annotated[float, Field(ge=0, le=30 * 86_400)]
"""Since the case began."""
State = Literal["ready", "not_ready"]
Does = Literal["accept", "reject", "end", "complete", "ready", "not_ready", "lost", "seen", "close", "reopen"]
ABOUT_CONTACTS: Final = frozenset({"accept", "reject", "end", "complete"})
ABOUT_QUEUES: Final = frozenset({"close", "reopen"})
"""A supervisor's."""
STARTS_AT: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""A Monday, so that calendars are open unless the case says otherwise."""


LINE: Final = r"^\d+(\.\d{1,3})? [a-z_]+\.[a-z_]+( [a-z_]+=\S+)*$"


def _line(given: str) -> str:
    if not re.fullmatch(LINE, given):
        raise ValueError("a line is `seconds event field=value ...`, as in `20 offer.issued agent=ana`")
    return given


Line = Annotated[str, Field(json_schema_extra={"pattern": LINE}), AfterValidator(_line)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class GivenAgent(_Part):
    """An agent when the case begins; the one who stands first has been idle for longest."""

    state: State = "ready"
    present: bool = True
    holds: Annotated[int, Field(ge=0, le=100)] = 0
    """Conversations that the agent has already."""


class Customer(_Part):
    """What the CRM tells of a customer, as `customer.facts`."""

    known: bool = True
    tier: Code | None = None
    language: Code | None = None
    last_agent: Id | None = None
    labels: Annotated[list[Code], Field(max_length=200)] = Field(default_factory=list)
    after: Seconds = 0
    """So long after the contact came in: a queue waits for it no longer than its `customer_facts_wait_ms`."""


class Contact(_Part):
    """A customer who comes by an address of the document."""

    id: Id
    at: Seconds = 0
    address: Id
    channel: Channel | None = None
    """That of the address unless it is said."""
    queue: Code | None = None
    """What the customer chose beforehand."""
    language: Code | None = None
    attributes: Attributes = Field(default_factory=dict)
    personal: dict[str, object] = Field(default_factory=dict)
    """What the gateway knows of the person and the first message: `text`, `subject`, `name`."""
    customer: Customer | None = None
    """Without it the CRM says nothing."""
    leaves_at: Seconds | None = None


class Action(_Part):
    """Something an agent does, with a contact where it is about one; or a supervisor: `close` and `reopen` a queue."""

    at: Seconds
    does: Does
    agent: Id | None = None
    contact: Id | None = None
    queue: Code | None = None
    domain: Id | None = None
    """The queue's, where several domains have one of this name."""
    message: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """What customers of a closed queue are told."""


class Expected(_Part):
    """What has become of a contact when the case ends; what is not said is not looked at."""

    queue: Code | None = None
    agent: Id | None = None
    """Who was offered the task, or owns it. `agent: null` says nobody."""
    state: Literal["waiting", "offered", "assigned", "wrapup", "completed", "abandoned", "transferred_out"] | None = (
        None
    )
    timeline: list[Line] | None = None
    """Each fact but `decision.recorded`: `seconds event field=value ...`; fields that are not named may be anything."""


class Case(_Part):
    """One story. It ends at `until`, else after everything that it gives has happened."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    starts_at: AwareDatetime = STARTS_AT
    agents: dict[Id, State | GivenAgent] = Field(default_factory=dict)
    contacts: Annotated[list[Contact], Field(min_length=1, max_length=1000)]
    actions: Annotated[list[Action], Field(max_length=1000)] = Field(default_factory=list)
    accept_after: Seconds | None = None
    """Every offer is accepted after so long."""
    complete_after: Seconds | None = None
    """Every assignment is completed after so long."""
    until: Seconds | None = None
    expect: dict[Id, Expected]

    def duty(self) -> dict[str, GivenAgent]:
        """Agents in the order in which they came on duty."""
        return {
            name: GivenAgent(state=given) if isinstance(given, str) else given for name, given in self.agents.items()
        }


class CaseFile(_Part):
    """A file of cases; `configuration` are files or folders beside it, by default its own folder."""

    configuration: str | list[str] = "."
    cases: Annotated[list[Case], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class GivenCase:
    """A case, where it stands, and the document it is about."""

    place: str
    case: Case
    configuration: TenantConfiguration


def read_cases(paths: Sequence[Path]) -> list[GivenCase]:
    """Every case of the files, and of the `*.test.yaml` in the folders. Raises ConfigError."""
    known: dict[tuple[Path, ...], TenantConfiguration] = {}
    found = []
    for path in files_of(paths, cases=True):
        text = read_text(path)
        cases = _parsed(text)
        named = [cases.configuration] if isinstance(cases.configuration, str) else cases.configuration
        documents = tuple(path.parent / name for name in named)
        if documents not in known:
            known[documents] = read_configuration_files(documents)[1]
        for index, case in enumerate(cases.cases):
            _check(text, index, case, known[documents])
            found.append(GivenCase(text.place(f"/cases/{index}"), case, known[documents]))
    return found


def _parsed(text: Text) -> CaseFile:
    value = text.value
    if isinstance(value, dict):
        value = {name: each for name, each in value.items() if name != "$schema"}
    try:
        return CaseFile.model_validate(value)
    except ValidationError as error:
        faults = form_faults(error, CaseFile)[:20]
        told = [
            ": ".join(filter(None, [text.place(fault.path), fault.path.strip("/"), fault.message])) for fault in faults
        ]
        raise ConfigError("\n".join(told)) from error


def _check(text: Text, index: int, case: Case, configuration: TenantConfiguration) -> None:
    """Names that the document or the case does not have."""
    agents = {agent.id for agent in configuration.agents}
    addresses = {channel.address for channel in configuration.channels}
    contacts = [contact.id for contact in case.contacts]
    base = f"/cases/{index}"
    wrong = [(f"{base}/agents/{name}", f"agent {name}") for name in case.agents if name not in agents]
    for place, contact in enumerate(case.contacts):
        at = f"{base}/contacts/{place}"
        if contact.address not in addresses:
            wrong.append((f"{at}/address", f"address {contact.address}"))
        if contacts.count(contact.id) > 1:
            raise ConfigError(f"{text.place(at)}: contact {contact.id} stands there twice.")
        last = contact.customer.last_agent if contact.customer else None
        if last is not None and last not in agents:
            wrong.append((f"{at}/customer/last_agent", f"agent {last}"))
    for place, action in enumerate(case.actions):
        at = f"{base}/actions/{place}"
        if (fault := _fault_of(action, configuration)) is not None:
            raise ConfigError(f"{text.place(at)}: {action.does} {fault}.")
        if action.agent is not None and action.agent not in agents:
            wrong.append((f"{at}/agent", f"agent {action.agent}"))
        if action.contact is not None and action.contact not in contacts:
            wrong.append((f"{at}/contact", f"contact {action.contact}"))
    wrong += [(f"{base}/expect/{name}", f"contact {name}") for name in case.expect if name not in contacts]
    if wrong:
        raise ConfigError("\n".join(f"{text.place(path)}: there is no {what}." for path, what in wrong))


def _fault_of(action: Action, configuration: TenantConfiguration) -> str | None:
    """What an action names that it must not, or does not name."""
    queued, held = action.does in ABOUT_QUEUES, action.does in ABOUT_CONTACTS
    for name, wanted in (("agent", not queued), ("contact", held), ("queue", queued)):
        if (getattr(action, name) is not None) != wanted:
            article = "an" if name == "agent" else "a"
            return f"names {article} {name}" if wanted else f"names no {name}"
    if action.message is not None and action.does != "close":
        return "has no message"
    found = domains_of(action, configuration) if queued else ["one"]
    if len(found) > 1:
        return f"must name the domain: {' and '.join(found)} have a queue {action.queue}"
    return None if found else f"names no queue of the document: there is no {action.queue}"


def domains_of(action: Action, configuration: TenantConfiguration) -> list[str]:
    """Those that have the queue which the action names."""
    return [
        queue.domain
        for queue in configuration.queues
        if queue.id == action.queue and action.domain in {None, queue.domain}
    ]
