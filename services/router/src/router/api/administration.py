"""What admins do: the tenant's configuration and the keys of integrations. Every change has its audit row (S10)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts import Event
from contracts.commands import ActivateConfiguration
from contracts.configuration import ChannelAddress, Disposition, Domain, TenantConfiguration
from contracts.configuration_faults import Fault, reference_faults
from contracts.routing_parts import Agent, Queue, RequiredSkill
from pydantic import BaseModel
from servicekit.auth import Principal
from servicekit.ports import Clock
from servicekit.problems import ProblemError
from servicekit.store import EVERY_TENANT

from router.api.configuration import changed_records, document_hash, faults_of, record_key
from router.api.handlers import SOURCE
from router.api.seats import Seats
from router.api.store import ApiStore, ApiTransaction, AuditRow, StoredConfiguration, VersionLine

_PARTS: Final[Mapping[str, type[BaseModel]]] = {
    "domains": Domain,
    "queues": Queue,
    "agents": Agent,
    "channels": ChannelAddress,
}
_INNER_PARTS: Final[Mapping[str, type[BaseModel]]] = {"requirements": RequiredSkill, "dispositions": Disposition}


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

    async def activate(
        self, principal: Principal, wanted: TenantConfiguration, *, expected_version: int
    ) -> VersionLine:
        """Make the document the active version; the active document again is no new version.

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
                    action="configuration.activate",
                    target=line.hash,
                )
            )
            await _announce(transaction, tenant_id, line, wanted, active.configuration if active else None)
        self._seats.forget()
        return line

    async def _hold_addresses(self, transaction: ApiTransaction, wanted: TenantConfiguration) -> None:
        taken = await transaction.hold_addresses([channel.address for channel in wanted.channels])
        faults = [
            Fault(f"/channels/{index}/address", "this address is held by another tenant")
            for index, channel in enumerate(wanted.channels)
            if channel.address in taken
        ]
        if faults:
            raise _refused(faults)


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
        if name in values:
            values[name] = [_construct(inner, each) for each in values[name]]
    return part.model_construct(**values)


def _check(active: StoredConfiguration | None, wanted: TenantConfiguration, expected_version: int) -> None:
    version = active.line.version if active else 0
    if version != expected_version:
        raise ProblemError(412, "version_changed", f"Version {version} is active.", active_version=version)
    faults = faults_of(wanted, before=active.configuration if active else None)
    if faults:
        raise _refused(faults)


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
