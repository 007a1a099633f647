"""What admins do: the tenant's configuration and the keys of integrations. Every change has its audit row (S10)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from contracts import Event
from contracts.calendars import Calendar
from contracts.channel_parts import CannedReply, Template
from contracts.commands import ActivateConfiguration
from contracts.configuration import ChannelAddress, Disposition, Domain, TenantConfiguration
from contracts.configuration_faults import Fault, form_faults, reference_faults
from contracts.routing_parts import Agent, ClientShare, Destination, Plan, Queue, ReasonCode, RequiredSkill, Step, Team
from contracts.rules import Rule
from contracts.voice_parts import (
    Announcements,
    Extension,
    Flow,
    LanguageChoice,
    Menu,
    MenuItem,
    Prompt,
    RecordingPolicy,
    Survey,
    SurveyQuestion,
    Voicemail,
)
from pydantic import BaseModel, ValidationError
from servicekit.auth import Principal
from servicekit.ports import Clock
from servicekit.problems import ProblemError
from servicekit.store import EVERY_TENANT

from router.api.configuration import changed_records, document_hash, faults_of, record_key
from router.api.handlers import SOURCE
from router.api.models_admin import Checked
from router.api.seats import Seats
from router.api.store import ApiStore, ApiTransaction, AuditRow, StoredConfiguration, VersionLine

_PARTS: Final[Mapping[str, type[BaseModel]]] = {
    "domains": Domain,
    "queues": Queue,
    "agents": Agent,
    "channels": ChannelAddress,
    "plans": Plan,
    "rules": Rule,
    "calendars": Calendar,
    "teams": Team,
    "templates": Template,
    "replies": CannedReply,
    "prompts": Prompt,
    "flows": Flow,
    "recording": RecordingPolicy,
    "extensions": Extension,
}
_INNER_PARTS: Final[Mapping[str, type[BaseModel]]] = {
    "requirements": RequiredSkill,
    "none_of": RequiredSkill,
    "dispositions": Disposition,
    "client_shares": ClientShare,
    "not_ready_reasons": ReasonCode,
    "steps": Step,
    "closed": Destination,
    "full": Destination,
    "overflow": Destination,
    "menus": Menu,
    "items": MenuItem,
    "languages": LanguageChoice,
    "announcements": Announcements,
    "voicemail": Voicemail,
    "survey": Survey,
    "questions": SurveyQuestion,
}


class Administration:
    """The configuration of tenants."""

    def __init__(self, store: ApiStore, seats: Seats, clock: Clock, *, partitions: int) -> None:
        self._store = store
        self._seats = seats
        self._clock = clock
        self._partitions = partitions

    async def active(self, tenant_id: str) -> StoredConfiguration:
        """The active configuration. Raises ProblemError 404 before the first."""
        async with self._store.transaction(tenant_id) as transaction:
            active = await transaction.active()
        if active is None:
            raise ProblemError(404, "not_configured", "This tenant has no configuration yet.")
        return active

    async def versions(self, tenant_id: str) -> list[VersionLine]:
        """The newest versions, newest first."""
        async with self._store.transaction(tenant_id) as transaction:
            return await transaction.versions()

    async def document(self, tenant_id: str, version: int) -> str:
        """The document of a version as it was kept (JSON). Raises ProblemError 404."""
        async with self._store.transaction(tenant_id) as transaction:
            document = await transaction.document(version)
        if document is None:
            raise ProblemError(404, "version_unknown", f"This tenant's configuration has no version {version}.")
        return document

    async def check(self, tenant_id: str, wanted: TenantConfiguration) -> Checked:
        """What `activate` would find, and nothing is changed. Raises ProblemError 422 with every fault."""
        async with self._store.transaction(tenant_id) as transaction:
            active = await transaction.active()
        faults = faults_of(wanted, before=active.configuration if active else None)
        async with self._store.places(EVERY_TENANT) as places:
            taken = await places.held_by_others(tenant_id, [channel.address for channel in wanted.channels])
        faults += _taken_faults(wanted, taken)
        if faults:
            raise _refused(faults)
        digest = document_hash(wanted)
        return Checked(
            active_version=active.line.version if active else 0,
            hash=digest,
            is_active=active is not None and active.line.hash == digest,
        )

    async def roll_back(self, principal: Principal, *, to_version: int, expected_version: int) -> VersionLine:
        """Make the document of an earlier version the active one again, as a new version. Raises as `activate` does;
        also ProblemError 404, and 422 when this release refuses what an earlier one took."""
        document = await self.document(principal.tenant_id, to_version)
        try:
            wanted = TenantConfiguration.model_validate_json(document)
        except ValidationError as error:
            raise _refused(form_faults(error, TenantConfiguration)) from error
        return await self.activate(principal, wanted, expected_version=expected_version, of_version=to_version)

    async def activate(
        self,
        principal: Principal,
        wanted: TenantConfiguration,
        *,
        expected_version: int,
        of_version: int | None = None,
    ) -> VersionLine:
        """Make the document the active version; the active document again is no new version. `of_version` says that
        it is the document of that version, for the audit.

        Keeps the version, publishes its changed records and tells every domain to switch, all in one transaction.
        Raises ProblemError: 412 when another version than the expected is active, 422 with every fault.
        """
        tenant_id = principal.tenant_id
        async with self._store.transaction(tenant_id) as transaction:
            active = await transaction.active()
        if active is not None and active.line.hash == document_hash(wanted):
            return active.line
        _check(active, wanted, expected_version)
        async with self._store.places(EVERY_TENANT) as places:
            await places.place(tenant_id, [domain.id for domain in wanted.domains], self._partitions)
        async with self._store.transaction(tenant_id) as transaction:
            await transaction.lock_configuration()
            active = await transaction.active()
            _check(active, wanted, expected_version)
            line = VersionLine(
                version=expected_version + 1,
                hash=document_hash(wanted),
                created_at_ms=self._clock.now_ms(),
                created_by=principal.subject,
            )
            await self._hold_addresses(transaction, wanted)
            await transaction.keep_version(line, wanted.model_dump_json(), wanted.agents)
            await transaction.audit(
                AuditRow(
                    audit_id=f"configuration:{line.version}",
                    at_ms=line.created_at_ms,
                    actor=principal.subject,
                    action="configuration.activate" if of_version is None else "configuration.roll_back",
                    target=line.hash if of_version is None else f"version:{of_version}",
                )
            )
            await _announce(transaction, tenant_id, line, wanted, active.configuration if active else None)
        self._seats.forget()
        return line

    async def _hold_addresses(self, transaction: ApiTransaction, wanted: TenantConfiguration) -> None:
        taken = await transaction.hold_addresses([channel.address for channel in wanted.channels])
        faults = _taken_faults(wanted, taken)
        if faults:
            raise _refused(faults)


def refuse_wrong_form(document: object) -> None:
    """Raise ProblemError 422 with every fault if the form of the document is wrong: as `centralino config` words it."""
    try:
        TenantConfiguration.model_validate(document)
    except ValidationError as error:
        faults = form_faults(error, TenantConfiguration)
        raise _refused([*faults, *faults_beside(document, [fault.path for fault in faults])]) from error


def faults_beside(document: object, refused_paths: Sequence[str]) -> list[Fault]:
    """Reference faults of a document whose form is wrong in the refused paths, as far as it can be read at all."""
    if not isinstance(document, dict):
        return []
    try:
        faults = reference_faults(_unchecked(document))
    except (AttributeError, TypeError, ValueError):
        return []  # too broken to look for references
    refused = set(refused_paths)
    return [fault for fault in faults if refused.isdisjoint(_with_parents(fault.path))]


def _with_parents(path: str) -> list[str]:
    """`/a/b`, `/a` and the whole document."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _unchecked(document: Mapping[str, Any]) -> TenantConfiguration:  # Any: JSON from outside, not yet checked
    values = dict(document)
    for name, part in _PARTS.items():
        values[name] = [_construct(part, item) for item in document.get(name, [])]
    values |= {name: document.get(name, []) for name in ("clients", "skills")}
    return TenantConfiguration.model_construct(**values)


def _construct(part: type[BaseModel], item: Mapping[str, Any]) -> BaseModel:  # Any: see above
    values = dict(item)
    for name, inner in _INNER_PARTS.items():
        given = values.get(name)
        if isinstance(given, list):
            values[name] = [_construct(inner, each) for each in given]
        elif isinstance(given, Mapping):
            values[name] = _construct(inner, given)
    if "any_of" in values and values["any_of"] is not None:
        values["any_of"] = [[_construct(RequiredSkill, each) for each in group] for group in values["any_of"]]
    return part.model_construct(**values)


def _check(active: StoredConfiguration | None, wanted: TenantConfiguration, expected_version: int) -> None:
    version = active.line.version if active else 0
    if version != expected_version:
        raise ProblemError(412, "version_changed", f"Version {version} is active.", active_version=version)
    faults = faults_of(wanted, before=active.configuration if active else None)
    if faults:
        raise _refused(faults)


def _taken_faults(wanted: TenantConfiguration, taken: Collection[str]) -> list[Fault]:
    return [
        Fault(f"/channels/{index}/address", "this address is held by another tenant")
        for index, channel in enumerate(wanted.channels)
        if channel.address in taken
    ]


def _refused(faults: Sequence[Fault]) -> ProblemError:
    found = [{"where": "body", "path": fault.path, "message": fault.message} for fault in faults]
    return ProblemError(422, "request_invalid", "The configuration has faults.", faults=found)


async def _announce(
    transaction: ApiTransaction,
    tenant_id: str,
    line: VersionLine,
    wanted: TenantConfiguration,
    before: TenantConfiguration | None,
) -> None:
    """First what changed, then the version, then the switch: one order key keeps it so."""
    places = await transaction.places()
    order_key = "configuration"

    def event(name: str, subject: str, data: object) -> Event:
        return Event(
            id=f"configuration:{line.version}:{name}",
            source=SOURCE,
            tenant_id=tenant_id,
            subject=subject,
            time_ms=line.created_at_ms,
            data=data,
        )

    for record in changed_records(line.version, wanted, before, places):
        key = record_key(tenant_id, record)
        # With its partition said the relay need not wait for each of many records before it sends the next.
        await transaction.announce(event(record.id, key, record), key=key, order_key=order_key, partition=0)
    for domain in wanted.domains:
        switch = ActivateConfiguration(domain=domain.id, version=line.version, hash=line.hash)
        await transaction.announce(
            event(f"activate:{domain.id}", domain.id, switch), partition=places[domain.id], order_key=order_key
        )
