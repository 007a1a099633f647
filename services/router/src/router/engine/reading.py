"""Read a partition from one offset to another."""

from collections.abc import AsyncGenerator
from typing import Final

from servicekit.ports import LogAwayError, LogReader, Partition, Record

READ_SECONDS: Final = 1.0
SILENT_READS_MAX: Final = 15


async def read_to(reader: LogReader, partition: Partition, start: int, end: int) -> AsyncGenerator[Record]:
    """The records from `start` up to but not including `end`, which must have been the partition's end once.

    Raises LogAwayError when nothing came for 15 s although the end is not reached.
    """
    position, silent = start, 0
    if position < end:
        await reader.assign({partition: position})
    while position < end:
        records = await reader.read(records_max=500, timeout_seconds=READ_SECONDS)
        silent = 0 if records else silent + 1
        if silent > SILENT_READS_MAX:
            raise LogAwayError(f"{partition.topic}[{partition.number}] does not answer at offset {position}")
        for record in records:
            position = record.offset + 1
            if record.offset < end:
                yield record
