"""Delivers as vendors and a load balancer before two replicas do, each delivery at its own instant: a process.

    python -m benchmarks.webhook_storm.sender DELIVERIES RESULTS PATIENCE_SECONDS PORT PORT

The first line that it prints is the instant (time.monotonic) of the first delivery. Nobody waits for anybody: a
delivery is sent when it is due, whatever has become of those before. After an error of the connection, no answer, or a
5xx, it goes to the other replica at once; when that fails too, to both again after a while, as vendors do. What is
not acknowledged PATIENCE_SECONDS after the last one was due is given up.
"""

import asyncio
import gc
import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import chain, count, repeat
from pathlib import Path
from random import Random
from typing import Final

import uvloop

from benchmarks.webhook_storm.deliveries import read

ANSWER_SECONDS: Final = 10.0
PAUSES_SECONDS: Final = (1.0, 5.0, 15.0, 60.0)
"""Telegram's, the shortest of all that are known (`centralino.providers`); the last one again and again."""
START_SECONDS: Final = 1.0
TELL_EVERY: Final = 1000
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Sent:
    """What became of one. Instants are time.monotonic's; `replica` is who acknowledged it, `refused` a status 4xx."""

    due: float
    first_sent: float = 0.0
    acked: float | None = None
    replica: int | None = None
    refused: int | None = None
    attempts: int = 0
    busy: int = 0
    """Attempts that were answered 5xx."""
    broken: int = 0
    """Attempts that got no answer."""


class Replica:
    """One gateway, and the connections that are kept open to it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[Connection] = deque()

    async def post(self, request: bytes) -> int:
        """The status of the answer. Raises OSError, EOFError or TimeoutError when there is none."""
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = self._kept() or await asyncio.open_connection("127.0.0.1", self._port)
            try:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
            except BaseException:
                writer.close()
                raise
        if b"connection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1])

    def _kept(self) -> Connection | None:
        """An open one that the gateway has not closed meanwhile."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None


@dataclass(slots=True)
class Sender:
    """Sends them all."""

    replicas: Sequence[Replica]
    chance: Random = field(default_factory=lambda: Random(1))

    async def send(self, number: int, request: bytes, sent: Sent) -> None:
        """Until it is acknowledged or refused."""
        sent.first_sent = time.monotonic()
        pauses = chain(PAUSES_SECONDS, repeat(PAUSES_SECONDS[-1]))
        for turn in count(number):
            if await self._done(turn % len(self.replicas), request, sent):
                return
            if sent.attempts % len(self.replicas) == 0:
                pause_seconds = next(pauses)
                await asyncio.sleep(self.chance.uniform(pause_seconds / 2, pause_seconds))

    async def _done(self, replica: int, request: bytes, sent: Sent) -> bool:
        sent.attempts += 1
        try:
            status = await self.replicas[replica].post(request)
        except (OSError, EOFError, TimeoutError):
            sent.broken += 1
            return False
        if status >= 500:
            sent.busy += 1
            return False
        if status >= 300:
            sent.refused = status
        else:
            sent.acked, sent.replica = time.monotonic(), replica
        return True


async def run(deliveries: Sequence[tuple[float, bytes]], ports: Iterable[int], patience_seconds: float) -> list[Sent]:
    """Send all of them; what became of each."""
    sender = Sender([Replica(port) for port in ports])
    start = time.monotonic() + START_SECONDS
    print(start, flush=True)
    all_sent: list[Sent] = []
    tasks: set[asyncio.Task[None]] = set()
    for number, (due_seconds, request) in enumerate(deliveries):
        sent = Sent(start + due_seconds)
        all_sent.append(sent)
        if number and number % TELL_EVERY == 0:
            print(f"# {number} sent, {len(tasks)} of them wait", file=sys.stderr, flush=True)
        await asyncio.sleep(max(0.0, sent.due - time.monotonic()))
        task = asyncio.create_task(sender.send(number, request, sent))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=patience_seconds)
        for task in late:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    return all_sent


def main() -> None:
    """As the module says."""
    deliveries = read(Path(sys.argv[1]))
    gc.collect()
    gc.freeze()  # what waits to be sent is not looked through again and again
    found = uvloop.run(run(deliveries, map(int, sys.argv[4:]), float(sys.argv[3])))
    Path(sys.argv[2]).write_text("".join(json.dumps(asdict(each)) + "\n" for each in found))


def results(path: Path) -> list[Sent]:
    """What a sender wrote, by turn."""
    return [Sent(**json.loads(line)) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    main()
