import asyncio
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from centralino.backends import remove_postgres_data
from centralino.stack import BACKENDS
from centralino.testing import Up, started
from contracts.topics import MESSAGES, TOPICS
from redis.asyncio import Redis

STUB = (sys.executable, str(Path(__file__).with_name("stub_stack.py")))
KEPT = (MESSAGES.name, b"k", b"kept")

pytestmark = pytest.mark.timeout(120)  # each starts the whole stack, some of them twice


@pytest.fixture(autouse=True)
def no_database_is_left(tmp_path: Path) -> Iterator[None]:
    """For root, PostgreSQL's data stand outside the data folder."""
    yield
    for data in [tmp_path / "data", *tmp_path.glob("*/data")]:
        remove_postgres_data(data)


@contextmanager
def stub_stack(folder: Path, *arguments: str) -> Iterator[Up]:
    with started(folder / "data", folder / "output", *arguments, command=STUB) as up:
        yield up


async def test_everything_runs_until_ctrl_c_and_nothing_afterwards(tmp_path: Path) -> None:
    with stub_stack(tmp_path) as up:
        report = up.wait_until_ready().report()
        said = up.output
        processes = [(part.pid, psutil.Process(part.pid).create_time()) for part in report.parts]
        topics = await kafka_topics(report.addresses["kafka"])
        exit_code = up.end()

    assert {part.name: part.health for part in report.parts if part.name != "up"} == {
        "redis": "running",
        "postgres": "running",
        "kafka": "running",
        "stub": "ready",
    }
    assert {topic.name for topic in TOPICS} < topics
    assert f"{MESSAGES.name}.crm.dlq" in topics
    assert f"status --data {tmp_path / 'data'}`" in said
    assert 0 < report.memory_bytes < 2**30
    assert exit_code == 0
    up.wait_until_parts_ended(processes)
    assert not up.report().running


async def test_data_and_addresses_survive_a_second_start(tmp_path: Path) -> None:
    with stub_stack(tmp_path) as up:
        before = up.wait_until_ready().report().addresses
        await leave_data(before)
    with stub_stack(tmp_path) as up:
        after = up.wait_until_ready().report().addresses
        found = await find_data(after)

    assert found == ["kept", "kept", "kept"]
    assert after == before


async def test_fresh_empties_the_data(tmp_path: Path) -> None:
    with stub_stack(tmp_path) as up:
        await leave_data(up.wait_until_ready().report().addresses)
    with stub_stack(tmp_path, "--fresh") as up:
        found = await find_data(up.wait_until_ready().report().addresses)

    assert found == [None, None, None]


def test_a_second_up_on_the_same_data_says_where_the_first_runs(tmp_path: Path) -> None:
    with stub_stack(tmp_path) as up:
        up.wait_until_ready()
        second = call(tmp_path, "up", "--fresh")
        still_running = up.report().running

    assert second.returncode == 3
    assert f"runs already on these data, as process {up.process.pid}" in second.stderr
    assert still_running


def test_a_service_that_dies_is_reported_with_its_last_lines_and_started_again(tmp_path: Path) -> None:
    with stub_stack(tmp_path) as up:
        first = up.wait_until_ready().pids()["stub"]
        os.kill(first, signal.SIGKILL)
        up.wait_for(lambda: up.pids()["stub"] != first)
        up.wait_for(lambda: {part.name: part.health for part in up.report().parts}["stub"] == "ready")

    assert (
        "stub ended with code -9; starting it again. Its last log lines:\n    the stub has database True" in up.output
    )


async def test_a_backend_that_dies_comes_back_at_its_address_with_its_data(tmp_path: Path) -> None:
    with stub_stack(tmp_path) as up:
        before = up.wait_until_ready().report().addresses
        await leave_data(before)
        first = up.pids()
        for name in BACKENDS:
            os.kill(first[name], signal.SIGKILL)
        up.wait_for(lambda: not [name for name in BACKENDS if up.pids().get(name, first[name]) == first[name]])
        after = up.report().addresses
        found = await find_data(after)

    assert after == before
    assert found == ["kept", "kept", "kept"]


def test_under_nohup_the_end_of_the_terminal_stops_nothing(tmp_path: Path) -> None:
    folder, command = tmp_path / "data", ("nohup", *STUB)
    with started(folder, tmp_path / "output", command=command) as up:
        up.wait_until_ready().process.send_signal(signal.SIGHUP)
        killed = up.pids()["stub"]
        os.kill(killed, signal.SIGKILL)
        up.wait_for(lambda: up.pids()["stub"] != killed)

    assert up.process.returncode == 0


def test_a_killed_up_takes_its_parts_with_it_and_the_next_start_works(tmp_path: Path) -> None:
    with stub_stack(tmp_path) as up:
        report = up.wait_until_ready().report()
        processes = [(part.pid, psutil.Process(part.pid).create_time()) for part in report.parts]
        up.end(signal.SIGKILL)
        up.wait_until_parts_ended(processes)
    with stub_stack(tmp_path) as up:
        again = up.wait_until_ready().report()

    assert again.addresses == report.addresses


def test_a_service_that_does_not_start_ends_everything_with_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_FAILS", "1")
    with stub_stack(tmp_path) as up:
        exit_code = up.process.wait(50)

    assert exit_code == 1
    assert "stub ended with code 1" in up.output
    assert "the stub does not want to" in up.output


@pytest.mark.parametrize("arguments", [[], ["--fresh"]])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, arguments: list[str]) -> None:
    precious = tmp_path / "data" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("five years")
    with stub_stack(tmp_path, *arguments) as up:
        exit_code = up.process.wait(50)

    assert exit_code == 2
    assert "holds something that is not ours" in up.output
    assert precious.read_text() == "five years"


def test_backends_can_be_given_by_url(tmp_path: Path) -> None:
    for name in ("own", "guest"):
        (tmp_path / name).mkdir()
    with stub_stack(tmp_path / "own") as own:
        urls = own.wait_until_ready().report().addresses
        given = [f"--{name}={urls[name]}" for name in ("kafka", "redis", "postgres")]
        with stub_stack(tmp_path / "guest", *given) as guest:
            report = guest.wait_until_ready().report()

    assert [part.name for part in report.parts] == ["up", "stub"]
    assert report.addresses == urls


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; the other tests run as this one")
def test_an_ordinary_user_can_run_it_too() -> None:
    # May read everything, because an interpreter in root's home would be closed to it; is nobody in all else.
    capability = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    become = ["setpriv", "--reuid=nobody", "--clear-groups", *capability]
    if shutil.which("setpriv") is None or subprocess.run([*become, *STUB[:1], "-c", ""], check=False).returncode != 0:
        pytest.skip("setpriv cannot make an ordinary user here")
    with tempfile.TemporaryDirectory() as name:
        folder, nobody = Path(name), pwd.getpwnam("nobody").pw_uid
        os.chown(folder, nobody, -1)
        with started(folder / "data", folder / "output", command=[*become, *STUB]) as up:
            pids = up.wait_until_ready().pids()
            owners = {psutil.Process(pid).uids().real for pid in pids.values()}

    assert owners == {nobody}


def test_status_is_for_programs_too_and_issues_tokens(tmp_path: Path) -> None:
    with stub_stack(tmp_path) as up:
        up.wait_until_ready()
        told = json.loads(ask(tmp_path, "--json").stdout)
        token = ask(tmp_path, "--token", "agent", "--subject", "ana").stdout
    stopped = ask(tmp_path)

    assert told["running"]
    assert set(told["addresses"]) == {"kafka", "redis", "postgres"}
    assert token.count(".") == 2
    assert stopped.returncode == 1
    assert "Nothing runs" in stopped.stdout


def test_status_makes_no_folder(tmp_path: Path) -> None:
    answer = ask(tmp_path)

    assert answer.returncode == 2
    assert "There is no stack" in answer.stderr
    assert not (tmp_path / "data").exists()


def ask(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return call(folder, "status", *arguments)


def call(folder: Path, command_name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*STUB, command_name, "--data", str(folder / "data"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


async def kafka_topics(url: str) -> set[str]:
    consumer = AIOKafkaConsumer(bootstrap_servers=url.removeprefix("kafka://"))
    await consumer.start()
    try:
        return set(await consumer.topics())
    finally:
        await consumer.stop()


async def leave_data(urls: dict[str, str]) -> None:
    async with Redis.from_url(urls["redis"]) as redis:
        await redis.set("thing", "kept")
        await redis.execute_command("WAITAOF", 1, 0, 5000)
    database = await asyncpg.connect(urls["postgres"])
    await database.execute("CREATE TABLE thing AS SELECT 'kept' AS name")
    await database.close()
    producer = AIOKafkaProducer(bootstrap_servers=urls["kafka"].removeprefix("kafka://"))
    await producer.start()
    topic, key, value = KEPT
    await producer.send_and_wait(topic, value, key, partition=0)
    await producer.stop()


async def find_data(urls: dict[str, str]) -> list[object]:
    async with Redis.from_url(urls["redis"], decode_responses=True) as redis:
        in_redis = await redis.get("thing")
    database = await asyncpg.connect(urls["postgres"])
    there = await database.fetchval("SELECT to_regclass('thing') IS NOT NULL")
    in_postgres = await database.fetchval("SELECT name FROM thing") if there else None
    await database.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=urls["kafka"].removeprefix("kafka://"))
    await consumer.start()
    place = TopicPartition(KEPT[0], 0)
    consumer.assign([place])
    in_kafka = None
    if (await consumer.end_offsets([place]))[place]:
        consumer.seek(place, 0)
        async with asyncio.timeout(10):
            value = (await consumer.getone()).value
            in_kafka = value and value.decode()
    await consumer.stop()
    return [in_redis, in_postgres, in_kafka]
