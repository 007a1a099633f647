"""Run the development broker: `python -m centralino.broker --listen 127.0.0.1:9092 --data DIR`."""

import argparse
import asyncio
import fcntl
import importlib
import importlib.util
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from centralino.broker.log import LogSettings
from centralino.broker.offsets import CommittedOffsets
from centralino.broker.requests import Requests
from centralino.broker.segment import DamagedLogError
from centralino.broker.server import Server
from centralino.broker.topics import Topics


def main() -> None:
    arguments = _arguments()
    arguments.data.mkdir(parents=True, exist_ok=True)
    with (arguments.data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another broker runs on {arguments.data}")
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(serve(arguments))
        except (DamagedLogError, OSError) as error:
            sys.exit(f"{type(error).__name__}: {error}")


async def serve(arguments: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT; prints one line when it listens."""
    host, _, port = arguments.listen.rpartition(":")
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    retention_ms = arguments.retention_hours * 3_600_000
    defaults = LogSettings(retention_bytes=arguments.retention_bytes, retention_ms=retention_ms)
    topics, offsets = Topics(arguments.data, defaults), CommittedOffsets(arguments.data / "offsets.jsonl")
    with socket.create_server((host, int(port))) as listener:
        address = listener.getsockname()[0], listener.getsockname()[1]
        server = Server(Requests(topics, offsets, address))
        listening = await asyncio.start_server(server.accept, sock=listener)
        duties = [asyncio.create_task(server.keep_house()), asyncio.create_task(stop.wait())]
        print(f"listening on {address[0]}:{address[1]}", flush=True)
        done, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
        listening.close()
        await server.close()
        duties[0].cancel()
        for duty in done:
            duty.result()  # a failed housekeeping ends the broker, with its reason


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop is optional: it only makes the broker faster."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop
    return importlib.import_module("uvloop").new_event_loop  # type: ignore[no-any-return]  # found by name


def _arguments() -> argparse.Namespace:
    defaults = LogSettings()
    parser = argparse.ArgumentParser(prog="centralino.broker", description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR")
    parser.add_argument("--retention-bytes", type=int, default=defaults.retention_bytes, help="per partition; -1: all")
    parser.add_argument("--retention-hours", type=int, default=defaults.retention_ms // 3_600_000, help="-1: for ever")
    return parser.parse_args()


if __name__ == "__main__":
    main()
