"""Follows topic `config`: which partition a domain lives in, and what a version changes in a domain."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec
from contracts import MalformedEventError, UnknownTypeError, decode
from contracts.commands import ActivateConfiguration
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from contracts.topics import CONFIG
from servicekit.ports import LogFactory, LogReader, Partition
from servicekit.telemetry import log

from router.domain.inputs import ConfigurationStep
from router.domain.state import DomainState
from router.engine.reading import read_to

LOG: Final = log("engine.configuration")
STEP_RECORDS_MAX: Final = 200
STEP_BYTES_MAX: Final = 128 * 1024
_ORDER: Final = ("domain", "calendar", "team", "plan", "queue", "rules", "channel", "agent")
AnyRecord = ConfigurationRecord | ConfigurationPart
_AT: Final = Partition(CONFIG.name, 0)


class ConfigurationMissingError(Exception):
    """A domain was to switch to a configuration version that `config` does not hold."""


@dataclass(slots=True)
class _Tenant:
    version: int = 0
    records: dict[str, AnyRecord] = field(default_factory=dict)
    """By id, which begins with the kind."""


class Configuration:
    """The newest record of each key. Shared by the partitions of an engine."""

    def __init__(self, log_factory: LogFactory, opened: AsyncExitStack) -> None:
        self._log = log_factory
        self._opened = opened
        self._reader: LogReader | None = None
        self._turn = asyncio.Lock()
        self._position: int | None = None
        self._tenants: dict[str, _Tenant] = {}

    async def refresh(self) -> None:
        """Read all that `config` holds by now. Raises LogAwayError."""
        async with self._turn:
            if self._reader is None:  # not before it is needed: an engine that starts while Kafka is away waits for it
                self._reader = await self._opened.enter_async_context(self._log.reader("config"))
            first, end = await self._reader.bounds(_AT)
            start = first if self._position is None else self._position
            async with aclosing(read_to(self._reader, _AT, start, end)) as records:
                async for record in records:
                    self._take(record.value, record.headers)
                    self._position = record.offset + 1
            await self._reader.assign(
                {}
            )  # who waits for records is slow to tell the bounds, at a take-over of all times

    def partition_of(self, tenant_id: str, domain: str) -> int | None:
        """Where the domain lives; none for a domain that no configuration names."""
        tenant = self._tenants.get(tenant_id)
        record = tenant.records.get(f"domain:{domain}") if tenant else None
        if record is None or record.value is None:
            return None
        partition = record.value.get("partition")
        return partition if isinstance(partition, int) else None

    def steps(self, tenant_id: str, wanted: ActivateConfiguration, domain: DomainState) -> list[ConfigurationStep]:
        """What the domain needs to switch, in bounded steps; nothing if it is there or a later version is on its way.

        Call `refresh` before: the version's records stand in `config` before the switch is asked for. A later version
        replaces records of this one (`config` is compacted), and its own switch follows.
        Raises ConfigurationMissingError.
        """
        tenant = self._tenants.get(tenant_id, _Tenant())
        newest = max((record.version for record in tenant.records.values()), default=0)
        if wanted.version <= domain.version or wanted.version < max(newest, tenant.version):
            return []
        if tenant.version < wanted.version:
            raise ConfigurationMissingError(f"version {wanted.version}, config holds {tenant.version}")
        pieces = _pieces([record for record in tenant.records.values() if _concerns(record, wanted.domain, domain)])
        return [
            ConfigurationStep(
                tenant_id=tenant_id,
                domain=wanted.domain,
                version=wanted.version,
                hash=wanted.hash,
                records=tuple(piece),
                last=index == len(pieces) - 1,
            )
            for index, piece in enumerate(pieces)
        ]

    def _take(self, value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> None:
        try:
            event = decode(value, headers)
        except (MalformedEventError, UnknownTypeError) as error:
            # `config` has one trusted writer; a newer release of it may write what this one does not know.
            LOG.warning("configuration_record_passed_over", extra={"reason": type(error).__name__})
            return
        if not isinstance(event.data, AnyRecord):
            return
        tenant = self._tenants.setdefault(event.tenant_id, _Tenant())
        if event.data.kind == "version":
            tenant.version = max(tenant.version, event.data.version)
        else:
            tenant.records[event.data.id] = event.data


@asynccontextmanager
async def open_configuration(log_factory: LogFactory) -> AsyncGenerator[Configuration]:
    """Nothing is opened or read before the first `refresh`."""
    async with AsyncExitStack() as opened:
        yield Configuration(log_factory, opened)


def _concerns(record: AnyRecord, name: str, domain: DomainState) -> bool:
    """Of a kind that routing needs, changed since the domain's version, and of the domain now or until now (an agent or
    address that moved)."""
    if record.kind not in _ORDER or record.version <= domain.version:
        return False
    held = domain.agents if record.kind == "agent" else domain.addresses if record.kind == "channel" else ()
    return record.domain == name or record.id.partition(":")[2] in held


def _pieces(records: list[AnyRecord]) -> list[list[AnyRecord]]:
    """At most so many records and bytes a piece; at least one piece. Queues stand before what names them."""
    records.sort(key=lambda record: (_ORDER.index(record.kind), record.id))
    pieces: list[list[AnyRecord]] = [[]]
    size = 0
    for record in records:
        record_bytes = len(msgspec.json.encode(record))
        if pieces[-1] and (len(pieces[-1]) >= STEP_RECORDS_MAX or size + record_bytes > STEP_BYTES_MAX):
            pieces.append([])
            size = 0
        pieces[-1].append(record)
        size += record_bytes
    return pieces
