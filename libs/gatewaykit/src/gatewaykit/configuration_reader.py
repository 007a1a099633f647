"""Follows topic `config`."""

import asyncio
from typing import Final

from contracts import MalformedEventError, UnknownTypeError, decode
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from contracts.topics import CONFIG
from servicekit.ports import Chance, Clock, LogFactory, LogReader, Partition, Record
from servicekit.reactions import BACKEND_AWAY
from servicekit.telemetry import log

from gatewaykit.directory import Directory

LOG: Final = log("configuration")
READ_MAX: Final = 500
READ_SECONDS: Final = 0.5
PAUSE_SECONDS: Final = (0.2, 2.0)


class ConfigurationReader:
    """Follows topic `config` from its beginning, without a group: every replica knows all of it."""

    name = "configuration"

    def __init__(self, service: str, log: LogFactory, directory: Directory, clock: Clock, chance: Chance) -> None:
        self._service = service
        self._log = log
        self._directory = directory
        self._clock = clock
        self._chance = chance

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop. Kafka away: what is known stays valid, and it starts again from the beginning."""
        while not stop.is_set():
            try:
                await self._follow(stop)
            except BACKEND_AWAY as error:
                LOG.warning("configuration_away", extra={"error": type(error).__name__})
                await self._clock.sleep(self._chance.uniform(*PAUSE_SECONDS))

    def trouble(self) -> str | None:
        """Kafka away is no reason to restart."""
        return None

    async def _follow(self, stop: asyncio.Event) -> None:
        partition = Partition(CONFIG.name, 0)
        async with self._log.reader(f"{self._service}-configuration") as reader:
            first, end = await reader.bounds(partition)
            await reader.assign({partition: first})
            # Compaction may have removed the very last offsets, so "nothing more came" also counts as the end.
            while not stop.is_set():
                self._directory.complete |= first >= end
                first = await self._read(reader, first, end)

    async def _read(self, reader: LogReader, first: int, end: int) -> int:
        records = await reader.read(records_max=READ_MAX, timeout_seconds=READ_SECONDS)
        for record in records:
            self._apply(record)
        return records[-1].offset + 1 if records else end

    def _apply(self, record: Record) -> None:
        if record.value is None:
            return  # a removed thing was told as a record without value first
        try:
            event = decode(record.value, record.headers)
        except (MalformedEventError, UnknownTypeError) as error:
            LOG.error(  # noqa: TRY400 - the reason says it all; one bad record must not hide all others
                "configuration_not_understood", extra={"offset": record.offset, "error": type(error).__name__}
            )
            return
        if isinstance(event.data, ConfigurationRecord | ConfigurationPart):
            self._directory.apply(event.tenant_id, event.data)
