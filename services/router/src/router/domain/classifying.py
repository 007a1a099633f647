"""Classification of contacts: what the domain's rules make of one, at once or when the customer's facts come."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from contracts import commands
from contracts.interactions import InteractionStarted, InteractionUpdated
from contracts.rules import Rule
from contracts.time_zones import time_zone

from router.domain.internal import ContactKept, InteractionParked
from router.domain.plans import Waits, asked_by
from router.domain.queue import QueueLine, required
from router.domain.rules import (
    Classification,
    ContactFacts,
    CustomerFacts,
    InvalidRulesError,
    RuleSet,
    TextReading,
    compile_rules,
    local_time,
)
from router.domain.state import DomainState

NOT_KNOWN: Final = CustomerFacts()
UNREAD: Final = TextReading()


@dataclass(slots=True, kw_only=True)
class Routed:
    """Where the rules send a contact and on what terms; `facts_wait_ms` while more may come to be known."""

    line: QueueLine
    asked: Waits
    labels: tuple[str, ...]
    language: str | None
    last_agent_id: str | None
    facts_wait_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Contact:
    """What rules may read of a contact, but for its words: of those only which rules matched is known."""

    channel: str
    client: str
    address: str
    asked_at_ms: int
    queue_hint: str | None = None
    language: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    reading: TextReading = UNREAD


def contact_of(domain: DomainState, data: InteractionStarted, asked_at_ms: int) -> Contact:
    """The contact of a new conversation; its words are read here, and nowhere kept."""
    contact = Contact(
        channel=data.channel,
        client=data.client,
        address=data.address,
        asked_at_ms=asked_at_ms,
        queue_hint=data.queue_hint,
        language=data.language,
        attributes=data.attributes,
    )
    if domain.rules:
        facts = _facts(domain, contact, NOT_KNOWN)
        subject, text = data.personal.get("subject"), data.personal.get("text")
        facts.subject = subject if isinstance(subject, str) else ""
        facts.text = text if isinstance(text, str) else ""
        contact.reading = domain.rule_set.read_text(facts)
    return contact


def contact_of_parked(wanted: InteractionParked) -> Contact:
    """The contact of an interaction that waited for configuration, or asks for attention again."""
    return Contact(
        channel=wanted.channel,
        client=wanted.client,
        address=wanted.address,
        asked_at_ms=wanted.asked_at_ms,
        queue_hint=wanted.queue_hint,
        language=wanted.language,
        attributes=wanted.attributes,
    )


def contact_of_kept(kept: ContactKept) -> Contact:
    """The contact as it was remembered for its task."""
    return Contact(
        channel=kept.channel,
        client=kept.client,
        address=kept.address,
        asked_at_ms=kept.asked_at_ms,
        queue_hint=kept.queue_hint,
        language=kept.language,
        attributes=kept.attributes,
        reading=TextReading(kept.matched, kept.failed),
    )


def kept(domain: DomainState, task_id: str, contact: Contact) -> ContactKept:
    """The fact by which the contact is remembered."""
    return ContactKept(
        task_id=task_id,
        domain=domain.domain,
        channel=contact.channel,
        client=contact.client,
        address=contact.address,
        asked_at_ms=contact.asked_at_ms,
        queue_hint=contact.queue_hint,
        language=contact.language,
        attributes=contact.attributes,
        matched=contact.reading.matched,
        failed=contact.reading.failed,
    )


def updated(contact: Contact, data: InteractionUpdated) -> Contact:
    """With what became known of the conversation since."""
    return replace(contact, attributes=contact.attributes | data.attributes)


def route(domain: DomainState, contact: Contact, facts: commands.CustomerFacts | None) -> Routed | None:
    """Where the contact goes: the queue that a rule names, else what the customer chose, else the address's own.

    None as long as no queue is configured for it.
    """
    said = _classify(domain, contact, facts)
    line = domain.line(said.queue) or domain.queue_for(contact.address, contact.queue_hint)
    if line is None:
        return None
    asked = asked_by(line, priority=said.priority, band=said.band)
    if said.requirements is not None:
        asked = replace(asked, requirements=required(said.requirements))
    return Routed(
        line=line,
        asked=asked,
        labels=said.labels,
        language=said.language or contact.language,
        last_agent_id=facts.last_agent_id if facts is not None else None,
        facts_wait_ms=line.settings.customer_facts_wait_ms if facts is None else 0,
    )


def compiled(rules: Iterable[Rule]) -> RuleSet:
    """The rules, without those that this release cannot compile: the API has compiled them, maybe in a later one."""
    known = list(rules)
    try:
        return compile_rules(known)
    except InvalidRulesError as error:
        faulty = {fault.rule for fault in error.faults}
        return compile_rules(rule for rule in known if rule.id not in faulty)


def _classify(domain: DomainState, contact: Contact, facts: commands.CustomerFacts | None) -> Classification:
    if not domain.rules:
        return _NOTHING_SAID
    customer = NOT_KNOWN
    if facts is not None:
        customer = CustomerFacts(
            known=facts.known,
            tier=facts.tier or "",
            language=facts.language or "",
            last_agent=facts.last_agent_id or "",
            labels=facts.labels,
        )
    return domain.rule_set.classify(_facts(domain, contact, customer), contact.reading)


def _facts(domain: DomainState, contact: Contact, customer: CustomerFacts) -> ContactFacts:
    hour, weekday, date = local_time(contact.asked_at_ms, time_zone(domain.settings.time_zone))
    return ContactFacts(
        channel=contact.channel,
        address=contact.address,
        client=contact.client,
        hour=hour,
        weekday=weekday,
        date=date,
        queue_hint=contact.queue_hint or "",
        language=contact.language or "",
        attributes=contact.attributes,
        customer=customer,
    )


_NOTHING_SAID: Final = Classification()
