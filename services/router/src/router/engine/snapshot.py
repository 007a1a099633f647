"""The follower: folds a journal off the owner's loop and writes a snapshot. Also a short-lived process of its own:

python -m router.engine.snapshot PARTITION UPTO     prints the snapshot's name as JSON
"""

import asyncio
import sys
from contextlib import redirect_stdout
from typing import Final

import msgspec
from servicekit.kafka import KafkaLog
from servicekit.logs import log_as_json
from servicekit.ports import AppendRefusedError, AppendUnknownError, Ids, LogAwayError, LogFactory, OffsetGoneError
from servicekit.settings import read_settings
from servicekit.system import SystemIds
from servicekit.telemetry import Telemetry, log

from router.domain.internal import SnapshotNamed
from router.engine.errors import JournalGapError
from router.engine.snapshots import SnapshotFailedError, read_snapshots, remove_superseded, write_snapshot
from router.engine.takeover import load_fold
from router.settings import EngineSettings

LOG: Final = log("engine.snapshot")
CHILD_SECONDS_MAX: Final = 300


class InProcessSnapshots:
    """SnapshotMaker in this very loop: the child process's work, and all of it in a simulated story."""

    def __init__(self, log_factory: LogFactory, ids: Ids) -> None:
        self._log = log_factory
        self._ids = ids

    async def make(self, partition: int, upto: int) -> SnapshotNamed:
        """Fold, write, read back; then remove what the journal has superseded by `upto`."""
        try:
            return await self._make(partition, upto)
        except (AppendUnknownError, AppendRefusedError, LogAwayError, OffsetGoneError, JournalGapError) as error:
            raise SnapshotFailedError(f"partition {partition} upto {upto}: {type(error).__name__}") from error

    async def _make(self, partition: int, upto: int) -> SnapshotNamed:
        async with self._log.reader(f"snapshot-{partition}") as reader:
            fold = await load_fold(reader, partition, upto=upto)
            async with self._log.writer(f"snapshot-{partition}") as writer:
                name = await write_snapshot(writer, partition, fold, self._ids.new_id())
            stored = await read_snapshots(reader, partition)
        if not any(each.name == name and not each.torn for each in stored):
            raise SnapshotFailedError(f"partition {partition} upto {upto}: reads back otherwise than written")
        await remove_superseded(self._log, partition, stored, fold.state.snapshots)
        return name


class ChildSnapshots:
    """SnapshotMaker in a process of its own, so that folding never holds up the owner's loop.

    The engine's memory limit counts the child: `World.one_snapshot` lets one at a time.
    """

    async def make(self, partition: int, upto: int) -> SnapshotNamed:
        """Start the child, which reads the same settings from the environment, and wait for its answer."""
        words = (sys.executable, "-m", "router.engine.snapshot", str(partition), str(upto))
        try:
            child = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        except OSError as error:
            raise SnapshotFailedError(f"partition {partition}: no child could be started") from error
        try:
            async with asyncio.timeout(CHILD_SECONDS_MAX):
                answer, _ = await child.communicate()
        except TimeoutError as error:
            raise SnapshotFailedError(f"partition {partition}: no answer in {CHILD_SECONDS_MAX} s") from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode != 0:
            raise SnapshotFailedError(f"partition {partition}: the child ended with {child.returncode}")
        try:
            return msgspec.json.decode(answer, type=SnapshotNamed)
        except msgspec.DecodeError as error:
            raise SnapshotFailedError(f"partition {partition}: the child's answer is no name") from error


async def _make(settings: EngineSettings, partition: int, upto: int) -> SnapshotNamed:
    kafka = KafkaLog.by_settings(settings, client_id="router-snapshot", telemetry=Telemetry("router-snapshot"))
    return await InProcessSnapshots(kafka, SystemIds()).make(partition, upto)


def main() -> None:
    """The child's entry."""
    settings = read_settings(EngineSettings)
    with redirect_stdout(sys.stderr):  # what is logged must not mix with the answer
        log_as_json("router-snapshot", settings.log_level)
    name = asyncio.run(_make(settings, int(sys.argv[1]), int(sys.argv[2])))
    sys.stdout.write(msgspec.json.encode(name).decode())


if __name__ == "__main__":
    main()
