import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any  # Any: arguments of commands, right ones and wrong ones
from uuid import uuid4

import pytest
from redis.asyncio import Connection
from redis.exceptions import DataError, ResponseError
from servicekit.live import LiveAwayError, Redis, Script, Scripts, open_redis
from servicekit.testing.parts import part
from servicekit.together import Together

COUNT = "return redis.call('INCRBY', KEYS[1], ARGV[1])"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(redis_url) as redis:
        yield redis


async def test_a_script_runs_also_on_a_server_that_has_forgotten_it(redis: Redis) -> None:
    script, key = Script(COUNT), uuid4().hex
    first = await script(redis, [key], [2])
    await redis.script_flush()
    second = await script(redis, [key], [3])

    assert (first, second) == (2, 5)


async def test_scripts_are_files_of_a_package(redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / f"toy_{uuid4().hex}"
    (package / "lua").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "lua" / "count.lua").write_text(COUNT)
    monkeypatch.syspath_prepend(tmp_path)

    assert await Scripts(package.name).load("count")(redis, [uuid4().hex], [7]) == 7


async def test_a_lost_reply_is_said_and_the_script_has_not_run_twice(redis: Redis, redis_url: str) -> None:
    """The client of another library version would ask again, and count twice."""
    key, port = uuid4().hex, int(redis_url.rpartition(":")[2].split("/")[0])
    async with (
        _reply_eater("127.0.0.1", port) as eater_port,
        open_redis(redis_url.replace(f":{port}/", f":{eater_port}/")) as through,
    ):
        with pytest.raises(LiveAwayError):
            await through.eval(COUNT, 1, key, 1)

    assert await redis.get(key) == b"1"


async def test_a_server_that_does_not_answer_is_away_within_the_bound(redis: Redis) -> None:
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    with pytest.raises(LiveAwayError):
        await redis.blpop([uuid4().hex], timeout=30)  # longer than a client may wait

    assert loop.time() - started_at < 8


async def _pipelined(redis: Redis) -> object:
    async with redis.pipeline() as pipeline:
        pipeline.get("k")
        return await pipeline.execute()


DOORS: dict[str, Callable[[Redis], Awaitable[object]]] = {
    "command": lambda redis: redis.get("k"),
    "pipeline": _pipelined,
    "pubsub": lambda redis: redis.pubsub().subscribe("k"),
}


@pytest.mark.parametrize("use", DOORS.values(), ids=DOORS)
async def test_a_server_that_is_not_there_is_away_by_every_door(use: Callable[[Redis], Awaitable[object]]) -> None:
    async with open_redis("redis://127.0.0.1:1/0") as redis:
        with pytest.raises(LiveAwayError):
            await use(redis)


async def _in_a_transaction(redis: Redis) -> object:
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.set("k", "v")
        return await pipeline.execute()


async def _together(redis: Redis) -> object:
    return await Together(redis).run(Script("return redis.call('SET', KEYS[1], 'v')"), ["k"])


WRITES: dict[str, Callable[[Redis], Awaitable[object]]] = {
    "command": lambda redis: redis.set("k", "v"),
    "script": lambda redis: Script("return redis.call('SET', KEYS[1], 'v')")(redis, ["k"]),
    "transaction": _in_a_transaction,
    "together": _together,
}


@pytest.fixture(scope="module")
def own_redis_url() -> Iterator[str]:
    with part("redis") as url:
        yield url


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(
    ("hinder", "help_again"),
    [
        (["REPLICAOF", "127.0.0.1", "9"], ["REPLICAOF", "NO", "ONE"]),
        (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
        (["CONFIG", "SET", "min-replicas-to-write", "1"], ["CONFIG", "SET", "min-replicas-to-write", "0"]),
    ],
    ids=["a replica after a failover", "full", "too few replicas"],
)
async def test_a_server_that_cannot_write_now_is_away_by_every_door(
    own_redis_url: str, write: Callable[[Redis], Awaitable[object]], hinder: list[str], help_again: list[str]
) -> None:
    async with open_redis(own_redis_url) as redis:
        await redis.execute_command(*hinder)
        try:
            with pytest.raises(LiveAwayError):
                await write(redis)
        finally:
            await redis.execute_command(*help_again)
        await write(redis)


async def test_a_pipeline_that_answers_errors_says_away_too(own_redis_url: str) -> None:
    async with open_redis(own_redis_url) as redis:
        await redis.execute_command("REPLICAOF", "127.0.0.1", "9")
        try:
            pipeline = redis.pipeline(transaction=False)
            pipeline.set("k", "v")
            pipeline.lpush("k")
            answers = await pipeline.execute(raise_on_error=False)
        finally:
            await redis.execute_command("REPLICAOF", "NO", "ONE")

    assert isinstance(answers[0], LiveAwayError)
    assert isinstance(answers[1], ResponseError)


async def test_messages_arrive_by_subscription(redis: Redis) -> None:
    channel = uuid4().hex
    async with redis.pubsub() as subscription:
        await subscription.subscribe(channel)
        await subscription.get_message(timeout=2)
        await redis.publish(channel, b"hello")
        message = await subscription.get_message(timeout=2)

    assert message is not None
    assert message["data"] == b"hello"


@asynccontextmanager
async def _reply_eater(host: str, port: int) -> AsyncIterator[int]:
    """A proxy that hangs up where the answer to an EVAL would pass."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, forward = await asyncio.open_connection(host, port)
        while request := await reader.read(65536):
            forward.write(request)
            reply = await upstream.read(65536)
            if b"EVAL" in request:
                break
            writer.write(reply)
        writer.close()
        forward.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_commands_are_packed_to_the_byte_as_redis_py_does(redis: Redis) -> None:
    ours, own = redis.connection_pool.make_connection(), Connection()
    arguments: tuple[Any, ...] = ("a", "é", b"\x00\r\n", 7, 10**20, 1.5, 1e300, -0.0, float("inf"), b"x" * 10_000)
    commands: tuple[tuple[Any, ...], ...] = (
        ("SET", *arguments),
        ("CONFIG GET", "save"),
        (b"PING",),
        ("SET", "k", bytearray(b"v"), memoryview(b"w")),
    )

    assert type(ours) is not Connection
    for command in commands:
        assert b"".join(ours.pack_command(*command)) == b"".join(own.pack_command(*command))
    with pytest.raises(DataError):
        ours.pack_command("SET", "k", None)
