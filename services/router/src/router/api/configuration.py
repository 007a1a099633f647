"""From a tenant's document to the small records of topic `config`. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from contracts.calendars import Calendar
from contracts.channel_parts import CannedReply, Template
from contracts.configuration import TenantConfiguration
from contracts.configuration_faults import Fault, reference_faults
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord, RecordKind
from contracts.routing_parts import Plan, Team
from contracts.rules import Rule
from contracts.voice_parts import Extension, Flow, Prompt
from pydantic import BaseModel

from router.domain.rules import InvalidRulesError, compile_rules

ID_LENGTH_MAX: Final = 200
PART_BYTES_MAX: Final = 64 * 1024
"""Of one record of `config`: the engine takes it over in one batch of its journal."""

LATER_KINDS: Final = frozenset(
    {"plan", "calendar", "team", "rules", "template", "reply", "prompt", "flow", "recording", "extension"}
)
AnyRecord = ConfigurationRecord | ConfigurationPart
Thing = tuple[str, str, str | None, dict[str, object]]
"""Kind, id, domain and value of a record, whatever its version."""


def document_hash(configuration: TenantConfiguration) -> str:
    """SHA-256 over the document as canonical JSON (sorted keys), in hex."""
    canonical = json.dumps(configuration.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def faults_of(configuration: TenantConfiguration, *, before: TenantConfiguration | None) -> list[Fault]:
    """What is wrong with a document that has the right form; `before` is the active one."""
    faults = reference_faults(configuration)
    kept = {domain.id for domain in configuration.domains}
    for domain in before.domains if before else []:
        if domain.id not in kept:
            faults.append(Fault("/domains", f"domain {domain.id!r} is in use and cannot be removed"))
    for part, items in _parts(configuration).items():
        for index, item in enumerate(items):
            if len(item.model_dump_json()) > PART_BYTES_MAX:
                faults.append(Fault(f"/{part}/{index}", f"this has more than {PART_BYTES_MAX} bytes"))
    return faults + _long_names(configuration) + _rule_faults(configuration) + _recording_faults(configuration)


def _parts(configuration: TenantConfiguration) -> Mapping[str, Sequence[BaseModel]]:
    names = ("domains", "queues", "agents", "channels", "plans", "rules", "calendars", "teams", "prompts", "flows")
    return {name: getattr(configuration, name) for name in names}


def _long_names(configuration: TenantConfiguration) -> list[Fault]:
    named = {
        "domains": [f"domain:{domain.id}" for domain in configuration.domains],
        "queues": [f"queue:{queue.domain}/{queue.id}" for queue in configuration.queues],
        "agents": [f"agent:{agent.id}" for agent in configuration.agents],
        "channels": [f"channel:{channel.address}" for channel in configuration.channels],
        "plans": [f"plan:{plan.domain}/{plan.id}" for plan in configuration.plans],
        "calendars": [f"calendar:{calendar.domain}/{calendar.id}" for calendar in configuration.calendars],
        "teams": [f"team:{team.domain}/{team.id}" for team in configuration.teams],
        "prompts": [f"prompt:{prompt.domain}/{prompt.id}" for prompt in configuration.prompts],
        "flows": [f"flow:{flow.domain}/{flow.id}" for flow in configuration.flows],
    }
    return [
        Fault(f"/{part}/{index}", f"the name is longer than {ID_LENGTH_MAX} characters in all")
        for part, ids in named.items()
        for index, name in enumerate(ids)
        if len(name) > ID_LENGTH_MAX
    ]


def _rule_faults(configuration: TenantConfiguration) -> list[Fault]:
    """Expressions that do not compile, and rules that are too many or too costly together."""
    faults = []
    for domain in sorted({rule.domain for rule in configuration.rules}):
        rules = _rules_of(configuration, domain)
        places = {rule.id: index for index, rule in enumerate(configuration.rules) if rule.domain == domain}
        try:
            compile_rules(rules)
        except InvalidRulesError as error:
            faults += [
                Fault(f"/rules/{places[fault.rule]}/when", f"line {fault.line}, column {fault.column}: {fault.message}")
                for fault in error.faults
            ]
        if len(json.dumps(_rules_value(rules))) > PART_BYTES_MAX:
            faults.append(Fault("/rules", f"the rules of domain {domain!r} have more than {PART_BYTES_MAX} bytes"))
    return faults


def _recording_faults(configuration: TenantConfiguration) -> list[Fault]:
    """Policies of a domain that are too many together."""
    return [
        Fault("/recording", f"the policies of domain {domain!r} have more than {PART_BYTES_MAX} bytes")
        for domain in sorted({policy.domain for policy in configuration.recording})
        if len(json.dumps(_recording_value(configuration, domain))) > PART_BYTES_MAX
    ]


def _rules_of(configuration: TenantConfiguration, domain: str) -> list[Rule]:
    return [rule for rule in configuration.rules if rule.domain == domain]


def _rules_value(rules: Sequence[Rule]) -> dict[str, object]:
    return {"rules": [rule.model_dump(mode="json") for rule in rules]}


def _recording_value(configuration: TenantConfiguration, domain: str) -> dict[str, object]:
    return {"policies": [_value(policy) for policy in configuration.recording if policy.domain == domain]}


def changed_records(
    version: int,
    configuration: TenantConfiguration,
    before: TenantConfiguration | None,
    places: Mapping[str, int],
) -> list[AnyRecord]:
    """What differs between two versions, domains first; the record of kind `version` comes last."""
    now = {thing[1]: thing for thing in _things(configuration, places)}
    then = {thing[1]: thing for thing in _things(before, places)} if before else {}
    records = [_record(version, thing, gone=False) for name, thing in now.items() if then.get(name) != thing]
    records += [_record(version, thing, gone=True) for name, thing in then.items() if name not in now]
    last: Thing = ("version", "version", None, {"hash": document_hash(configuration)})
    return [*records, _record(version, last, gone=False)]


def record_key(tenant_id: str, record: AnyRecord) -> str:
    """Key of the Kafka record, under which compaction keeps the newest: `<tenant>/<kind>/<id part>`."""
    part = record.id.removeprefix(f"{record.kind}:")
    return f"{tenant_id}/{record.kind}/{part}"


def _things(configuration: TenantConfiguration, places: Mapping[str, int]) -> Iterable[Thing]:
    for domain in configuration.domains:
        value = {**_value(domain), "partition": places[domain.id]}
        yield "domain", f"domain:{domain.id}", domain.id, value
    for queue in configuration.queues:
        yield "queue", f"queue:{queue.domain}/{queue.id}", queue.domain, _value(queue)
    for agent in configuration.agents:
        yield "agent", f"agent:{agent.id}", agent.domain, _value(agent)
    for channel in configuration.channels:
        yield "channel", f"channel:{channel.address}", channel.domain, _value(channel)
    later: dict[str, Sequence[Plan | Calendar | Team | Template | CannedReply | Prompt | Flow | Extension]] = {
        "plan": configuration.plans,
        "calendar": configuration.calendars,
        "team": configuration.teams,
        "template": configuration.templates,
        "reply": configuration.replies,
        "prompt": configuration.prompts,
        "flow": configuration.flows,
        "extension": configuration.extensions,
    }
    for kind, parts in later.items():
        for part in parts:
            yield kind, f"{kind}:{part.domain}/{part.id}", part.domain, _value(part)
    for name in sorted({rule.domain for rule in configuration.rules}):
        yield "rules", f"rules:{name}", name, _rules_value(_rules_of(configuration, name))
    for name in sorted({policy.domain for policy in configuration.recording}):
        yield "recording", f"recording:{name}", name, _recording_value(configuration, name)


def _value(part: BaseModel) -> dict[str, object]:
    return part.model_dump(mode="json")


def _record(version: int, thing: Thing, *, gone: bool) -> AnyRecord:
    kind, name, domain, value = thing
    given = None if gone else value
    if domain is not None and kind in LATER_KINDS:
        return ConfigurationPart(kind=kind, id=name, domain=domain, version=version, value=given)
    return ConfigurationRecord(kind=cast(RecordKind, kind), id=name, domain=domain, version=version, value=given)
