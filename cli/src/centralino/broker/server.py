"""Connections: one request at a time on each, in order, as a real broker does; a bad frame closes its connection."""

import asyncio
import struct

from centralino.broker.requests import Requests

FRAME_BYTES_MAX = (
    32 * 2**20
)  # 32 records of the largest size in one request; Kafka's 100 MiB would let one client fill us
CONNECTIONS_MAX = 1000
IDLE_SECONDS_MAX = 600  # Kafka's default; clients close after nine minutes themselves
HOUSEKEEPING_SECONDS = 0.5
API_VERSIONS = 18
UNSUPPORTED_VERSION = 35
FRAME, HEADER = struct.Struct(">i"), struct.Struct(">hhih")  # API key, its version, correlation id, client id's length


class BadFrameError(Exception):
    """A client sent what is no Kafka request that this broker knows; its connection is closed."""


class Server:
    """Serves until closed; `requests` is only touched from the loop's thread."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._connections: set[asyncio.Task[None]] = set()

    async def keep_house(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            self._requests.expire()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The callback of asyncio.start_server."""
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(IDLE_SECONDS_MAX):
                    frame = await _read_frame(reader)
                answer = await self._answer(frame)
                if answer is not None:
                    writer.write(FRAME.pack(len(answer)) + answer)
                    async with asyncio.timeout(IDLE_SECONDS_MAX):
                        await writer.drain()
        except BadFrameError as error:
            print(f"connection closed: {error}", flush=True)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass  # the client went away or was silent too long
        finally:
            writer.close()

    async def _answer(self, frame: bytes) -> bytes | None:
        try:
            key, version, correlation, length = HEADER.unpack_from(frame)
            body = HEADER.size + max(length, 0)
            client_id = frame[HEADER.size : body].decode()
            api = self._requests.table[key]
            known = version in api.versions
            request = api.versions[version].decode(frame[body:]) if known else None
        except (struct.error, ValueError, LookupError) as error:
            raise BadFrameError(f"malformed or unknown request: {error!r}"[:200]) from error
        if known:
            fields = await api.handle(request, client_id)
        elif key == API_VERSIONS:  # a newer client learns from the answer which version to ask in (KIP-35)
            version, fields = max(api.versions), (UNSUPPORTED_VERSION, self._requests.versions())
        else:
            raise BadFrameError(f"request {key} in version {version}, only {sorted(api.versions)} are known")
        return None if fields is None else FRAME.pack(correlation) + api.encode(version, fields)


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = FRAME.unpack(await reader.readexactly(FRAME.size))
    if not HEADER.size <= length <= FRAME_BYTES_MAX:
        raise BadFrameError(f"frame of {length} bytes")
    return await reader.readexactly(length)
