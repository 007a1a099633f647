"""Opens the engine as a service: one `Owner` loop per partition."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from servicekit.live import open_redis
from servicekit.run import Service, Shell
from servicekit.shared_log import SharedReader, SharedWriter

from router.engine.collector import collector_relaxed
from router.engine.configuration import open_configuration
from router.engine.live import RedisEngineLive
from router.engine.metrics import EngineMetrics
from router.engine.owner import Owner
from router.engine.reign import World
from router.engine.snapshot import ChildSnapshots
from router.settings import EngineSettings


@asynccontextmanager
async def open_engine(settings: EngineSettings, shell: Shell) -> AsyncGenerator[Service]:
    """The engine on real parts."""
    async with open_redis(settings.redis_url) as redis, open_configuration(shell.log) as configuration:
        world = World(
            settings=settings,
            log=shell.log,
            live=RedisEngineLive(redis),
            clock=shell.clock,
            ids=shell.ids,
            chance=shell.chance,
            inputs=SharedReader(shell.log, "inputs", shell.clock),
            journal=SharedWriter(shell.log, "journal"),
            events=SharedWriter(shell.log, "events"),
            forwards=SharedWriter(shell.log, "forwards"),
            configuration=configuration,
            snapshots=ChildSnapshots(),
            metrics=EngineMetrics(shell.telemetry),
            telemetry=shell.telemetry,
        )
        owners = [Owner(world, partition) for partition in range(settings.domain_partitions)]
        world.metrics.watch(owners, shell.clock)
        with collector_relaxed():
            yield Service(loops=owners)
