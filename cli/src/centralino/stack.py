"""Starts the embedded stack in order: backends, their contents, services, sample tenant; and stops it in reverse."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import psutil
from servicekit.system import SystemClock

from centralino import backends as starters
from centralino.children import Child, StartError, spawn
from centralino.development import lay_out_pages
from centralino.home import Home, PartState, StackState
from centralino.prepare import create_database, create_topics, migrate_schema
from centralino.services import (
    DOMAIN_PARTITIONS,
    DRAIN_SECONDS,
    SMTP,
    Backends,
    ServiceSpec,
    Setting,
    command,
    database_url,
    environment,
    health_port,
    port_names,
)
from centralino.supervisor import Part, indented, stop_all
from centralino.web import status_of

BACKENDS: Final = ("redis", "postgres", "kafka")
BACKEND_STOP_SECONDS: Final = 10.0
READY_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.05


class StepTimer:
    """Prints what is done now and, when it is done, how long it took."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        print(f"  {self._name:<34}", end="", flush=True)
        self._began = time.monotonic()

    def __exit__(self, kind: object, *_: object) -> None:
        print("failed" if kind else f"{time.monotonic() - self._began:5.1f} s", flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Backends that run already, by URL; none: the stack starts its own."""

    kafka: str | None = None
    redis: str | None = None
    postgres: str | None = None


class Stack:
    """The running parts. Open it with `opened`."""

    def __init__(self, home: Home, given: Given, specs: Sequence[ServiceSpec]) -> None:
        self._home = home
        self._given = given
        self._specs = specs
        self._ports = home.ports([*BACKENDS, *port_names(specs)])
        self._urls: dict[str, str] = {}
        self._begun: dict[str, str] = {}
        self._samples: dict[str, str] = {}
        self._backends: list[Part] = []
        self._services: list[Part] = []

    @property
    def parts(self) -> list[Part]:
        """Every part, backends first."""
        return [*self._backends, *self._services]

    def origin(self, service: str) -> str:
        """`http://host:port` of a service."""
        return f"http://127.0.0.1:{self._ports[service]}"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Everything is started and ready inside, and stopped afterwards. Raises StartError."""
        try:
            self._start_backends()
            setting = self._prepare()
            self._start_services(setting)
            yield
        finally:
            stop_all(self._services)
            stop_all(self._backends)
            self._home.forget_state()

    def tell(self) -> None:
        """Write down what runs, for `status`."""
        this = psutil.Process()
        state = StackState(
            pid=this.pid,
            created=this.create_time(),
            started_at_ms=SystemClock().now_ms(),
            addresses=self.addresses(),
            parts=[told for part in self.parts if (told := _told(part))],
        )
        self._home.write_state(state)

    def name_sample(self, name: str, url: str) -> None:
        """Let `addresses` name something of the sample tenant, too."""
        self._samples[name] = url

    def addresses(self) -> dict[str, str]:
        """Every address as a URL."""
        addresses = {"kafka": f"kafka://{self._urls['kafka']}"} if "kafka" in self._urls else {}
        addresses |= {name: self._urls[name] for name in ("redis", "postgres") if name in self._urls}
        for spec in self._specs:
            if spec.prefix:
                addresses[spec.name] = f"{self.origin(spec.name)}{spec.prefix}"
            if spec.page:
                addresses[spec.page] = f"{self.origin(spec.name)}/{spec.page.removesuffix('-page')}/"
            addresses |= {name: f"{self.origin(spec.name)}{path}" for name, path in spec.pages.items()}
        if SMTP in self._ports:
            addresses["smtp"] = f"smtp://127.0.0.1:{self._ports[SMTP]}"
        return addresses | self._samples

    def _start_backends(self) -> None:
        start: Mapping[str, starters.Start] = {
            "redis": starters.start_valkey,
            "postgres": starters.start_postgres,
            "kafka": starters.start_broker,
        }
        for name in BACKENDS:
            url = getattr(self._given, name)
            if url:
                self._urls[name] = url.removeprefix("kafka://")
                continue
            with StepTimer({"redis": "Valkey", "postgres": "PostgreSQL", "kafka": "Kafka (development broker)"}[name]):
                part = Part(name, partial(self._start_backend, name, start[name]), BACKEND_STOP_SECONDS)
                self._backends.append(part)
                part.begin()
                self.tell()

    def _start_backend(self, name: str, start: starters.Start) -> Child:
        backend = start(self._home.folder, self._home.logs, port=self._ports[name])
        # Not `_urls`, which name the database inside PostgreSQL.
        if self._begun.setdefault(name, backend.url) != backend.url:
            # Services know the old address: better no backend than one that nobody finds.
            backend.child.stop(timeout_seconds=BACKEND_STOP_SECONDS)
            raise StartError(f"the port of {name} was taken by something else meanwhile")
        self._urls.setdefault(name, backend.url)
        return backend.child

    def _prepare(self) -> Setting:
        with StepTimer("topics"):
            asyncio.run(create_topics(self._urls["kafka"], domain_partitions=DOMAIN_PARTITIONS))
        if not self._given.postgres:
            self._urls["postgres"] = asyncio.run(create_database(self._urls["postgres"]))
        pages = self._home.folder / "pages"
        setting = Setting(home=self._home, backends=Backends(**self._urls), ports=self._ports, pages=pages)
        with StepTimer("database schemas"):
            asyncio.run(self._migrate(setting))
        lay_out_pages(pages, {spec.name: self.origin(spec.name) for spec in self._specs})
        return setting

    async def _migrate(self, setting: Setting) -> None:
        for spec in self._specs:
            if spec.schema:
                url = database_url(spec.schema, setting)
                await migrate_schema(spec.schema, admin_url=setting.backends.postgres, url=url)

    def _start_services(self, setting: Setting) -> None:
        with StepTimer("services"):
            for spec in self._specs:
                part = self._service(spec, setting)
                self._services.append(part)
                part.begin()
            self.tell()
            _wait_until_ready(self._services)

    def _service(self, spec: ServiceSpec, setting: Setting) -> Part:
        log = self._home.logs / f"{spec.name}.log"
        health = f"http://127.0.0.1:{self._ports[health_port(spec)]}"
        return Part(
            spec.name,
            lambda: spawn(spec.name, command(spec), log=log, environment=environment(spec, setting)),
            stop_seconds=DRAIN_SECONDS + 5.0,
            ready_url=f"{health}/health/ready",
        )


def _wait_until_ready(services: Sequence[Part]) -> None:
    """Until each has said once that it is ready. Raises StartError with the log's end of one that dies or is late."""
    waiting, deadline = list(services), time.monotonic() + READY_SECONDS_MAX
    while waiting:
        for part in list(waiting):
            child = part.child
            if child and not child.running():
                raise StartError(f"{part.name} ended with code {child.process.returncode}:\n{indented(child.tail())}")
            if part.ready_url and status_of(part.ready_url) == 200:
                waiting.remove(part)
            elif child and time.monotonic() > deadline:
                raise StartError(f"{part.name} is not ready after {READY_SECONDS_MAX:.0f} s:\n{indented(child.tail())}")
        time.sleep(_POLL_SECONDS)


def _told(part: Part) -> PartState | None:
    if part.child is None:
        return None
    pid = part.child.process.pid
    try:
        created = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
    return PartState(name=part.name, pid=pid, created=created, log=str(part.child.log), ready_url=part.ready_url)
