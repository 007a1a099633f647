"""Real parts for tests: Kafka's protocol, Redis, PostgreSQL.

Each comes from the first of: a URL in the environment (`CENTRALINO_TEST_{KAFKA,REDIS,POSTGRES}_URL`), a container when
a Docker engine answers and has the image, a server installed on this machine, the embedded stack. `kind_of` says which.
"""

import importlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

Part = Literal["kafka", "redis", "postgres"]
Kind = Literal["environment", "container", "local", "embedded"]

PARTS: Final[tuple[Part, ...]] = ("kafka", "redis", "postgres")
IMAGES: Final[Mapping[Part, str]] = {
    "kafka": "apache/kafka:4.2.0",
    "redis": "valkey/valkey:9-alpine",
    "postgres": "postgres:18-alpine",
}
STOP_SECONDS_MAX: Final = 10.0
ENGINE_SECONDS_MAX: Final = 5.0


@contextmanager
def part(name: Part) -> Iterator[str]:
    """Run a part, or find it; yields its URL (Kafka: host:port; PostgreSQL: the administrator's)."""
    kind = kind_of(name)
    if kind == "environment":
        yield os.environ[_variable(name)]
        return
    opened = {"container": _container, "local": _local, "embedded": _embedded}[kind]
    with opened(name) as url:
        yield url


def kind_of(name: Part) -> Kind:
    """Where the part comes from on this machine."""
    if _variable(name) in os.environ:
        return "environment"
    if IMAGES[name] in _images():
        return "container"
    return "local" if _installed(name) else "embedded"


async def create_topic(
    bootstrap: str, name: str, *, partitions: int, settings: Mapping[str, str] | None = None
) -> None:
    """A new topic with one replica."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1)])
    finally:
        await admin.close()


def _variable(name: Part) -> str:
    return f"CENTRALINO_TEST_{name.upper()}_URL"


@cache
def _images() -> frozenset[str]:
    """What the Docker engine has; nothing is pulled, so that a test run never downloads by surprise."""
    if shutil.which("docker") is None:
        return frozenset()
    command = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ENGINE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return frozenset()
    return frozenset(answer.stdout.split())


@contextmanager
def _container(name: Part) -> Iterator[str]:
    family = importlib.import_module(f"testcontainers.community.{name}")
    if name == "postgres":
        with family.PostgresContainer(IMAGES[name], driver=None) as server:
            yield server.get_connection_url()
    elif name == "redis":
        with family.RedisContainer(IMAGES[name]) as server:
            yield f"redis://{server.get_container_host_ip()}:{server.get_exposed_port(6379)}/0"
    else:
        with family.KafkaContainer(IMAGES[name]).with_kraft() as server:
            yield server.get_bootstrap_server()


def _installed(name: Part) -> bool:
    programs: Mapping[Part, tuple[str, ...]] = {
        "kafka": (),
        "redis": ("valkey-server",),
        "postgres": ("initdb", "postgres"),
    }
    # PostgreSQL refuses to run as root; the embedded one knows how to change its user.
    usable = name != "postgres" or os.geteuid() != 0
    return bool(programs[name]) and usable and all(shutil.which(program) for program in programs[name])


@contextmanager
def _local(name: Part) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
        probe.close()
        if name == "redis":
            command = ["valkey-server", "--port", str(port), "--dir", folder, "--save", "", "--bind", "127.0.0.1"]
            url = f"redis://127.0.0.1:{port}/0"
        else:
            made = ["initdb", "-D", f"{folder}/data", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
            subprocess.run(made, check=True, capture_output=True, timeout=60)
            command = ["postgres", "-D", f"{folder}/data", "-p", str(port), "-h", "127.0.0.1", "-k", folder]
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        children = importlib.import_module("centralino.children")
        child = children.spawn(name, command, log=Path(folder) / "log")
        try:
            children.wait_ready(child, lambda: children.port_open(port), timeout_seconds=30)
            yield url
        finally:
            child.stop(timeout_seconds=STOP_SECONDS_MAX)


@contextmanager
def _embedded(name: Part) -> Iterator[str]:
    # By name: servicekit does not stand on the command line tool, only its tests borrow the starters.
    backends = importlib.import_module("centralino.backends")
    starters: Mapping[Part, Callable[..., Any]] = {  # typed by a package that this one must not import
        "kafka": backends.start_broker,
        "redis": backends.start_valkey,
        "postgres": backends.start_postgres,
    }
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        backend = starters[name](data, data / "logs")
        try:
            yield backend.url
        finally:
            backend.child.stop(timeout_seconds=STOP_SECONDS_MAX)
            if name == "postgres":
                backends.remove_postgres_data(data)
