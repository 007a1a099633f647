"""What the router's API keeps in PostgreSQL: configuration, places of domains, API keys, audit."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import cast

from contracts.agents import CommandResult
from contracts.configuration import Disposition, TenantConfiguration
from contracts.routing_parts import Agent
from pydantic_core import to_json
from servicekit.database import Database, Row, Transaction
from servicekit.statements import statements
from servicekit.store import Tenant

SCHEMA = "router"
VERSIONS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionLine:
    """One version of a tenant's configuration, without the document."""

    version: int
    hash: str
    created_at_ms: int
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConfiguration:
    """The active version."""

    line: VersionLine
    configuration: TenantConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where an agent works: the domain and the partition it lives in."""

    tenant_id: str
    agent_id: str
    name: str
    domain: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A privileged action; `audit_id` is its kind and the id of its command or event.

    `content` is what was asked (JSON), without personal data.
    """

    audit_id: str
    at_ms: int
    actor: str
    action: str
    target: str
    content: Mapping[str, object] = field(default_factory=dict)


class ApiTransaction(Transaction):
    """A transaction of one tenant."""

    async def active(self) -> StoredConfiguration | None:
        """The active configuration; none before the first."""
        row = await self.one(_sql()["active"])
        if row is None:
            return None
        configuration = TenantConfiguration.model_validate_json(row["document"])
        return StoredConfiguration(line=_line(row), configuration=configuration)

    async def active_version(self) -> int:
        """The version of the active configuration; 0 before the first."""
        row = await self.one(_sql()["active_version"])
        return row["version"] if row else 0

    async def dispositions(self, domain: str) -> list[Disposition]:
        """The dispositions of a domain; the rest of the document, which may be large, is not read."""
        rows = await self.all(_sql()["dispositions"], domain=domain)
        return [Disposition.model_validate(each) for row in rows for each in row["dispositions"]]

    async def document(self, version: int) -> str | None:
        """The document of a version, as it was kept; none when there was no such version."""
        row = await self.one(_sql()["document"], version=version)
        return row["document"] if row else None

    async def versions(self) -> list[VersionLine]:
        """The newest VERSIONS_MAX versions, newest first."""
        return [_line(row) for row in await self.all(_sql()["versions"], rows_max=VERSIONS_MAX)]

    async def lock_configuration(self) -> None:
        """Until the commit no other transaction changes this tenant's configuration."""
        await self.one(_sql()["lock_tenant"], tenant=self.tenant_text)

    async def keep_version(self, line: VersionLine, document: str, agents: Sequence[Agent]) -> None:
        """Make a version the active one."""
        await self.execute(
            _sql()["keep_version"],
            tenant=self.tenant_text,
            version=line.version,
            hash=line.hash,
            document=document,
            created_at_ms=line.created_at_ms,
            created_by=line.created_by,
        )
        agent_ids = [agent.id for agent in agents]
        await self.execute(_sql()["drop_agents"], agent_ids=agent_ids)
        await self.execute(
            _sql()["keep_agents"],
            tenant=self.tenant_text,
            agent_ids=agent_ids,
            domains=[agent.domain for agent in agents],
            names=[agent.name for agent in agents],
        )

    async def hold_addresses(self, addresses: Sequence[str]) -> set[str]:
        """Hold exactly these channel addresses; returns those of them that another tenant holds."""
        await self.execute(_sql()["drop_addresses"], addresses=list(addresses))
        await self.execute(_sql()["keep_addresses"], tenant=self.tenant_text, addresses=sorted(addresses))
        held = {row["address"] for row in await self.all(_sql()["addresses"])}
        return set(addresses) - held

    async def places(self) -> dict[str, int]:
        """The partition of each domain that this tenant ever had."""
        return {row["domain_id"]: row["partition"] for row in await self.all(_sql()["domains"])}

    async def seat(self, agent_id: str) -> Seat | None:
        """Where the agent works, by the active configuration."""
        row = await self.one(_sql()["seat"], agent_id=agent_id)
        return Seat(tenant_id=self.tenant_text, **row) if row else None

    async def audit(self, row: AuditRow, asked_as: str | None = None) -> None:
        """Note a privileged action; a second row of the same id is none."""
        await self.execute(
            _sql()["audit"],
            tenant=self.tenant_text,
            audit_id=row.audit_id,
            at_ms=row.at_ms,
            actor=row.actor,
            action=row.action,
            target=row.target,
            content=to_json(row.content).decode(),
            asked_as=asked_as,
        )

    async def audit_once(self, row: AuditRow, asked_as: str, *, since_ms: int) -> str | None:
        """Note it unless it was noted under this name since then; the id of the row that stands.

        None, and no row, when what was noted has another content.
        """
        await self.one(_sql()["lock_asked"], asked_as=asked_as)
        content = to_json(row.content).decode()
        first = await self.one(_sql()["asked_since"], asked_as=asked_as, since_ms=since_ms, content=content)
        if first is not None:
            return cast(str, first["audit_id"]) if first["alike"] else None
        await self.audit(row, asked_as)
        return row.audit_id

    async def asked_last(self, asked_as: str) -> str | None:
        """The id of the newest audit row under this name."""
        row = await self.one(_sql()["asked_last"], asked_as=asked_as)
        return row["audit_id"] if row else None

    async def audit_outcome(self, audit_id: str, result: CommandResult) -> None:
        """Note what became of an audited command or request; the first outcome stays."""
        await self.execute(
            _sql()["audit_outcome"],
            tenant=self.tenant_text,
            audit_id=audit_id,
            at_ms=result.decided_at_ms,
            outcome=result.outcome,
            code=result.refusal.code if result.refusal else None,
        )

    async def audited_actor(self, audit_id: str) -> str | None:
        """Who asked for what the row tells; none without such a row."""
        row = await self.one(_sql()["audited_actor"], audit_id=audit_id)
        return row["actor"] if row else None


class PlacesTransaction(Transaction):
    """A transaction over every tenant, which finds a partition for a new domain, or who holds an address."""

    async def place(self, tenant_id: str, domains: Sequence[str], partitions: int) -> None:
        """Give each domain that has no place the partition with the fewest domains, the lowest of several."""
        await self.one(_sql()["lock_places"])
        load = dict.fromkeys(range(partitions), 0)
        load |= {row["partition"]: row["domains"] for row in await self.all(_sql()["places_taken"])}
        for domain in domains:
            partition = min(range(partitions), key=lambda number: (load[number], number))
            values = {"tenant": tenant_id, "domain": domain, "partition": partition}
            load[partition] += await self.execute(_sql()["keep_domain"], **values)

    async def held_by_others(self, tenant_id: str, addresses: Sequence[str]) -> set[str]:
        """Those of the channel addresses that another tenant holds."""
        rows = await self.all(_sql()["held_by_others"], tenant=tenant_id, addresses=list(addresses))
        return {row["address"] for row in rows}


class ApiStore:
    """Opens the transactions of this service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ApiTransaction]:
        """Begin; a clean exit commits."""
        return self._database.transaction(tenant, ApiTransaction)

    def places(self, tenant: Tenant) -> AbstractAsyncContextManager[PlacesTransaction]:
        """Begin a transaction that looks over all tenants; `tenant` is EVERY_TENANT."""
        return self._database.transaction(tenant, PlacesTransaction)


def _line(row: Row) -> VersionLine:
    return VersionLine(
        version=row["version"], hash=row["hash"], created_at_ms=row["created_at_ms"], created_by=row["created_by"]
    )


@cache
def _sql() -> Mapping[str, str]:
    return statements("router.api", "sql/store.sql")
