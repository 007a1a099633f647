"""What the configuration says for a call: whose number was dialled, on which terms, where an agent is called."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from contracts.voice_parts import VOICE, Extension, Flow, Phone, Prompt, RecordingPolicy, Supervision, address_of
from gatewaykit.directory import Directory
from pydantic import BaseModel, ValidationError
from servicekit.telemetry import log
from typing_extensions import override

from voice_gateway.domain import call
from voice_gateway.domain.call import AgentPhone, Terms
from voice_gateway.domain.driver import Capabilities
from voice_gateway.domain.flow_plan import from_configuration
from voice_gateway.domain.words import Number, Party
from voice_gateway.domain.words import Phone as PhoneTarget

LOG: Final = log("resolving")
_PARTS: Final[Mapping[str, type[BaseModel]]] = {"flow": Flow, "prompt": Prompt, "extension": Extension}
Name = tuple[str, str]
"""Tenant, and what stands behind the kind in a record's id."""


class VoiceDirectory(Directory):
    """Knows flows, prompts, recording policies, extensions and agents' phones as well."""

    def __init__(self) -> None:
        super().__init__([VOICE])
        self._parts: dict[tuple[str, Name], Any] = {}  # Any: each kind's own
        self._policies: dict[Name, tuple[RecordingPolicy, ...]] = {}
        self._supervision: dict[Name, Supervision] = {}
        self._phones: dict[Name, Phone] = {}
        self._clients: dict[Name, frozenset[str]] = {}
        self._places: dict[Name, int] = {}

    @override
    def apply(self, tenant_id: str, record: ConfigurationRecord | ConfigurationPart) -> None:
        """Take a record. What is not understood leaves what was."""
        super().apply(tenant_id, record)
        name = tenant_id, record.id.removeprefix(f"{record.kind}:")
        try:
            self._apply_voice(record.kind, name, record.value)
        except (ValidationError, KeyError, TypeError):
            LOG.exception("part_not_understood", extra={"tenant_id": tenant_id, "kind": record.kind})

    def partition_of(self, tenant_id: str, domain: str) -> int | None:
        """Of a domain; of one that was removed the last: its calls go on."""
        return self._places.get((tenant_id, domain))

    def phone(self, tenant_id: str, agent_id: str) -> Phone | None:
        """Where an agent is called."""
        return self._phones.get((tenant_id, agent_id))

    def clients_of(self, tenant_id: str, agent_id: str) -> frozenset[str] | None:
        """The clients that an agent or a supervisor serves; none: all."""
        return self._clients.get((tenant_id, agent_id)) or None

    def flow(self, tenant_id: str, domain: str, flow: str) -> Flow | None:
        """What a call goes through."""
        found = self._parts.get(("flow", (tenant_id, f"{domain}/{flow}")))
        return found if isinstance(found, Flow) else None

    def prompt(self, tenant_id: str, domain: str, prompt: str) -> Prompt | None:
        """What callers hear."""
        found = self._parts.get(("prompt", (tenant_id, f"{domain}/{prompt}")))
        return found if isinstance(found, Prompt) else None

    def policies(self, tenant_id: str, domain: str) -> tuple[RecordingPolicy, ...]:
        """Of recording, in their order."""
        return self._policies.get((tenant_id, domain), ())

    def supervision(self, tenant_id: str, domain: str) -> Supervision:
        """How supervisors may have a part."""
        return self._supervision.get((tenant_id, domain), Supervision())

    def extensions(self, tenant_id: str, domain: str) -> list[Extension]:
        """What may be dialled to give a call away."""
        found = [each for (kind, name), each in self._parts.items() if kind == "extension" and name[0] == tenant_id]
        return [each for each in found if each.domain == domain]

    def _apply_voice(self, kind: str, name: Name, value: Mapping[str, Any] | None) -> None:
        if kind in _PARTS:
            _keep(self._parts, (kind, name), None if value is None else _read(_PARTS[kind], value))
        elif kind == "recording":
            rows = None if value is None else tuple(_read(RecordingPolicy, each) for each in value["policies"])
            _keep(self._policies, name, rows)
        elif kind == "agent":
            phone = value.get("phone") if value else None
            _keep(self._clients, name, None if value is None else frozenset(value.get("clients") or ()))
            _keep(self._phones, name, None if phone is None else _read(Phone, phone))
        elif kind == "domain" and value is not None:
            self._places[name] = value["partition"]
            _keep(self._supervision, name, _read(Supervision, value.get("supervision") or {}))


class Resolving:
    """See the module."""

    def __init__(self, directory: VoiceDirectory, *, alive_seconds: int = 120) -> None:
        self._directory = directory
        self._alive_seconds = alive_seconds

    def terms(self, called: str, can: Capabilities) -> Terms | None:
        """Of a number that was dialled; none: nobody has it."""
        return self.terms_of(address_of(called), can)

    def terms_of(self, address: str, can: Capabilities) -> Terms | None:
        """Of an address of the registry."""
        directory = self._directory
        found, place = directory.address(address), directory.place(address)
        if found is None or place is None:
            return None
        tenant_id, configured = found
        domain = configured.domain
        flow = directory.flow(tenant_id, domain, configured.flow) if configured.flow else None
        shown = configured.caller_id or "+" + address.partition(":")[2]
        return Terms(
            tenant_id=tenant_id,
            domain=domain,
            client=configured.client,
            address=address,
            language=flow.language if flow else None,
            shown=Party(number=shown),
            flow=from_configuration(flow) if flow else None,
            music=flow.music if flow else None,
            recording=tuple(_policy(each) for each in directory.policies(tenant_id, domain)),
            supervision_announced=directory.supervision(tenant_id, domain).announced,
            extensions=tuple(
                call.Extension(dialled=each.id, queue=each.queue, agent_id=each.agent)
                for each in directory.extensions(tenant_id, domain)
            ),
            alive_seconds=self._alive_seconds,
            can=can,
        )

    def phone(self, tenant_id: str, agent_id: str) -> AgentPhone | None:
        """Where an agent, or a supervisor, is called; none: nowhere."""
        phone = self._directory.phone(tenant_id, agent_id)
        if phone is None:
            return None
        endpoint = PhoneTarget(endpoint_id=endpoint_of(tenant_id, agent_id))
        to = Number(number=phone.number or "") if phone.kind == "number" else endpoint
        return AgentPhone(to=to, answers_itself=phone.answers_itself, ring_seconds=phone.ring_seconds)


def endpoint_of(tenant_id: str, agent_id: str) -> str:
    """Under which name nodes know an agent's phone: it stands in no log as the agent's name."""
    return f"a{sha256(f'{tenant_id}/{agent_id}'.encode()).hexdigest()[:20]}"


def _policy(part: RecordingPolicy) -> call.RecordingPolicy:
    return call.RecordingPolicy(
        queues=tuple(part.queues),
        clients=tuple(part.clients),
        directions=tuple(part.directions),
        record=part.record,
        consent=part.consent,
        keep_days=part.keep_days,
    )


def _read(kind: type[Any], value: object) -> Any:  # Any: an instance of the kind
    return kind.model_validate(value, extra="ignore")  # a newer release may say more


def _keep(table: dict[Any, Any], key: object, value: object) -> None:  # Any: each table's own
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
