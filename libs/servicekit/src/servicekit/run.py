"""A service's main is one sentence: `run("crm", CrmSettings, open_service, migrations="crm")`.

@asynccontextmanager
async def open_service(settings: CrmSettings, shell: Shell) -> AsyncGenerator[Service]:
    async with open_database(settings.database_url) as database:
        yield Service(app=create_app(...), loops=[...])
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import uvloop

from servicekit.errors import SettingsError
from servicekit.health import Health
from servicekit.http_server import Leaving, http_server
from servicekit.kafka import KafkaLog
from servicekit.logs import log_as_json
from servicekit.ports import Chance, Clock, Ids, LogFactory, Loop
from servicekit.settings import ServiceSettings, read_settings
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry, log

if TYPE_CHECKING:
    from servicekit.http_server import AsgiApp

LOG: Final = log("run")
EXIT_FAILED: Final = 1
EXIT_SETTINGS: Final = 2
S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True, slots=True)
class Shell:
    """What the world gives to a service; a simulated story gives fakes."""

    clock: Clock
    ids: Ids
    chance: Chance
    log: LogFactory
    telemetry: Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a service does once it is open: an ASGI application, background duties, or both."""

    app: "AsgiApp | None" = None
    loops: Sequence[Loop] = ()
    drain: Callable[[], Awaitable[None]] | None = None
    """Sends clients with open sockets elsewhere before the API stops; cut short after `drain_seconds`."""


OpenService = Callable[[S, Shell], AbstractAsyncContextManager[Service]]


class LoopEndedError(Exception):
    """A background duty ended although nobody asked it to; the process ends and its supervisor starts a new one."""


def run(name: str, settings_class: type[S], open_service: OpenService[S], *, migrations: str | None = None) -> None:
    """Run a service until SIGTERM or SIGINT; with the argument `migrate` bring its database up to date instead.

    `migrations` names the package whose migrations those are: the service opens once all of them are applied. Exit
    codes: 0 stopped as asked, 1 a duty failed or the schema is too old, 2 settings are wrong (one sentence per fault on
    standard error).
    """
    sys.exit(_main(name, settings_class, open_service, migrations))


async def serve(name: str, settings: S, open_service: OpenService[S], *, shell: Shell, stop: asyncio.Event) -> None:
    """Open the service, do its duties until `stop`, then drain: not ready, sockets, requests, loops, in this order.

    Raises what ended a duty early.
    """
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service(settings, shell))
        health = Health(service.loops, shell.telemetry.registry)
        health_url = await stack.enter_async_context(
            http_server(health, settings.host, settings.health_port, drain_seconds=1)
        )
        duties = _Duties(service.loops)
        stack.push_async_callback(duties.close, settings.drain_seconds)
        addresses = {"health_url": health_url}
        async with AsyncExitStack() as front:
            leaving = None
            if service.app is not None:
                leaving = Leaving(service.app)
                server = http_server(
                    leaving,
                    settings.host,
                    settings.port,
                    drain_seconds=settings.drain_seconds,
                    trusted_proxies=settings.trusted_proxies,
                )
                addresses["url"] = await front.enter_async_context(server)
            health.ready = True
            LOG.info("service_ready", extra={"name_of_service": name, **addresses})
            await duties.until(stop)
            health.ready = False
            LOG.info("service_draining")
            if leaving is not None:
                leaving.begun = True
                await shell.clock.sleep(settings.notice_seconds)
            if service.drain is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(settings.drain_seconds):
                        await service.drain()


class _Duties:
    """The loops of a service as tasks."""

    def __init__(self, loops: Sequence[Loop]) -> None:
        self._stop = asyncio.Event()
        self._tasks = {asyncio.create_task(loop.run(self._stop), name=loop.name) for loop in loops}

    async def until(self, stop: asyncio.Event) -> None:
        """Wait for `stop`; raises when a duty ends before."""
        asked = asyncio.create_task(stop.wait(), name="stop")
        ended, _ = await asyncio.wait({asked, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        for task in ended - {asked}:
            task.result()
            raise LoopEndedError(task.get_name())

    async def close(self, drain_seconds: float) -> None:
        """Ask every duty to end, wait for it, cancel what is left; raises the first failure."""
        self._stop.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=drain_seconds)
        for task in late:
            LOG.error("loop_cut_short", extra={"loop": task.get_name()})
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


def _main(name: str, settings_class: type[S], open_service: OpenService[S], migrations: str | None) -> int:
    try:
        settings = read_settings(settings_class)
        log_as_json(name, settings.log_level)
        if sys.argv[1:2] == ["migrate"]:
            return _migrate(settings, migrations)
    except SettingsError as error:
        return _refused(error)
    telemetry = Telemetry(name)
    telemetry.export_as_told()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_until_signal(name, settings, open_service, telemetry, migrations))
    except SettingsError as error:  # what a setting names is read only when the service opens
        return _refused(error)
    except Exception:
        LOG.exception("service_failed")
        return EXIT_FAILED
    finally:
        telemetry.close()
    return 0


def _refused(error: SettingsError) -> int:
    sys.stderr.write(f"{error}\n")
    return EXIT_SETTINGS


async def _serve_until_signal(
    name: str, settings: S, open_service: OpenService[S], telemetry: Telemetry, migrations: str | None
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if migrations is not None and not await _is_migrated(migrations, settings, stop):
        return
    kafka = KafkaLog.by_settings(settings, client_id=name, telemetry=telemetry)
    shell = Shell(SystemClock(), SystemIds(), SystemChance(), kafka, telemetry)
    await serve(name, settings, open_service, shell=shell, stop=stop)


async def _is_migrated(package: str, settings: ServiceSettings, stop: asyncio.Event) -> bool:
    from servicekit.migrate import wait_until_migrated  # as in _migrate

    url, wait_seconds = settings.database_url, settings.schema_wait_seconds
    return await wait_until_migrated(package, application_url=url, wait_seconds=wait_seconds, stop=stop)


def _migrate(settings: ServiceSettings, package: str | None) -> int:
    if package is None or settings.database_admin_url is None:
        raise SettingsError("migrate: the service has no database, or CENTRALINO_DATABASE_ADMIN_URL is not set.")
    # Imported here: only this needs the database's driver, and the router's engine has no database.
    from servicekit.migrate import migrate

    try:
        asyncio.run(migrate(package, admin_url=settings.database_admin_url, application_url=settings.database_url))
    except Exception:
        LOG.exception("migration_failed", extra={"package": package})
        return EXIT_FAILED
    return 0
