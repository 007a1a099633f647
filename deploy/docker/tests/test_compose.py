"""docker-compose.yml on a Docker engine: it comes up healthy, and the big story passes although an engine is killed."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from centralino.children import free_port
from centralino.home import Home
from centralino.proof.faults import report
from centralino.proof.story import Story
from servicekit.testing.eventually import eventually

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BUILT = ("router-engine", "router-api", "chat-gateway", "email-gateway", "voice-gateway", "crm")
PORTS = ("ROUTER", "CHAT", "MAIL", "SMTP", "VOICE", "CRM", "KAFKA", "TEST_POSTGRES")
UP_SECONDS_MAX, COMMAND_SECONDS_MAX = 1500, 120
KEY = "/var/lib/centralino/keys/signing.pem"

pytestmark = pytest.mark.timeout(2400)


@dataclass(frozen=True, slots=True)
class Compose:
    """The running stack."""

    ports: Mapping[str, int]
    files: Sequence[str]

    def run(self, *arguments: str, seconds_max: float = COMMAND_SECONDS_MAX) -> str:
        """`docker compose` with these arguments; what it says on standard output."""
        numbers = {f"CENTRALINO_{name}_PORT": str(port) for name, port in self.ports.items()}
        environment = {**os.environ, **numbers, "CENTRALINO_VERSION": "compose-test"}
        command = ["docker", "compose", "--project-name", f"centralino-test-{os.getpid()}", *self.files, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds_max, check=False
        )
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def containers(self) -> list[dict[str, Any]]:  # Any: JSON
        """All, also those that have ended: their names, services, states."""
        return [json.loads(line) for line in self.run("ps", "--all", "--format", "json").splitlines()]

    def origin(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    with running() as stack:
        yield stack


async def test_every_part_is_healthy_and_runs_as_nobody_on_a_read_only_root(compose: Compose) -> None:
    containers = compose.containers()
    health = {each["Service"]: each["Health"] for each in containers if each["Service"] != "prepare"}

    assert {name: state for name, state in health.items() if name != "otel-collector"} == dict.fromkeys(
        ("kafka", "valkey", "postgres", *BUILT), "healthy"
    )
    assert len([each for each in containers if each["Service"] == "router-engine"]) == 2
    for name in BUILT:
        assert compose.run("exec", name, "id", "-u").strip() == "10001"
        with pytest.raises(AssertionError, match="Read-only file system"):
            compose.run("exec", name, "touch", "/opt/centralino/x")


async def test_the_sample_tenant_and_its_pages_are_there(compose: Compose) -> None:
    first, second = (compose.run("run", "--rm", "sample") for _ in range(2))
    async with httpx.AsyncClient(timeout=10) as browser:
        pages = [
            await browser.get(url)
            for url in (f"{compose.origin('ROUTER')}/agent/", f"{compose.origin('CHAT')}/customer/")
        ]
        addresses = (await browser.get(f"{compose.origin('ROUTER')}/shared/addresses.json")).json()
        asked = {"role": "agent", "subject": "ana", "tenant": "acme"}
        answer = await browser.post(f"{compose.origin('ROUTER')}/router/v1/development/tokens", json=asked)

    assert "is loaded" in first
    assert "was there already" in second
    assert [page.status_code for page in pages] == [200, 200]
    assert addresses["crm"] == compose.origin("CRM")
    assert answer.status_code == 201


async def test_two_hundred_chats_are_answered_although_an_engine_is_killed(compose: Compose, tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    home.signing_key().unlink()
    compose.run("cp", f"router-api:{KEY}", str(home.folder / "keys" / "signing.pem"))
    addresses = {
        "kafka": f"kafka://127.0.0.1:{compose.ports['KAFKA']}",
        "postgres": f"postgresql://postgres:development-only@127.0.0.1:{compose.ports['TEST_POSTGRES']}/centralino",
        "router-api": f"{compose.origin('ROUTER')}/router/v1",
        "chat-gateway": f"{compose.origin('CHAT')}/chat/v1",
    }
    story = Story(home=home, addresses=addresses)

    await story.run(meanwhile=lambda: kill_one_engine(compose))
    faults = await story.faults()

    assert len(story.customers) == 200
    assert [customer.interaction_id for customer in story.customers if not customer.answers] == []
    assert not faults, report(faults)


async def test_traces_reach_the_collector(compose: Compose) -> None:
    await eventually(lambda: '"spans"' in compose.run("logs", "otel-collector"), timeout_seconds=60)


async def test_what_each_container_needs_is_told_and_every_service_stops_by_itself(compose: Compose) -> None:
    names = [each["Name"] for each in compose.containers() if each["State"] == "running"]
    print(docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.CPUPerc}}", *names))
    print(compose.run("images"))
    compose.run("stop", *BUILT)
    codes = {each["Name"]: each["ExitCode"] for each in compose.containers() if each["Service"] in BUILT}

    assert len(codes) == len(BUILT) + 1  # two engines
    assert set(codes.values()) == {0}, codes


async def kill_one_engine(compose: Compose) -> None:
    """All processes of the container but its first, which is Docker's and ends with them; then it must be back."""
    engines = [each for each in compose.containers() if each["Service"] == "router-engine"]
    killed = engines[0]["ID"]
    before = restarts(killed)
    await asyncio.to_thread(docker, "exec", "--detach", killed, "sh", "-c", "kill -9 -1")
    await eventually(lambda: restarts(killed) > before, timeout_seconds=60)


def restarts(container: str) -> int:
    return int(docker("inspect", "--format", "{{.RestartCount}}", container))


def docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX).stdout


@contextmanager
def running() -> Iterator[Compose]:
    files = ["docker-compose.yml", "deploy/docker/tests/compose.yml"]
    if docker("images", "--quiet", "centralino-test/kafka"):
        files.append("deploy/docker/local/compose.yml")
    stack = Compose({name: free_port() for name in PORTS}, [word for file in files for word in ("--file", file)])
    try:
        stack.run("up", "--build", "--wait", seconds_max=UP_SECONDS_MAX)
        yield stack
    except AssertionError as error:
        raise AssertionError(f"{error}\n{stack.run('logs', '--tail', '30')}") from error
    finally:
        stack.run("down", "--volumes", seconds_max=UP_SECONDS_MAX)
