"""A real Asterisk as the laws of drivers see it: its driver, and telephones that speak SIP."""

import asyncio
import signal
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from servicekit.http_client import http_client
from servicekit.socket_client import SocketClient
from servicekit.system import SystemChance, SystemClock, SystemIds

from voice_gateway.domain.driver import Sink
from voice_gateway.domain.words import EndCause, Media, RefusedBecause
from voice_gateway.drivers.asterisk.ari import AriSettings
from voice_gateway.drivers.asterisk.driver import AsteriskDriver, AsteriskSettings
from voice_gateway.testing.asterisk_node import PASSWORD, AsteriskNode
from voice_gateway.testing.node import Told
from voice_gateway.testing.phones import MUSIC, NAMES, SOUND_SECONDS, SOUNDS
from voice_gateway.testing.sip_phones import SipPhones
from voice_gateway.testing.sip_sound import tone
from voice_gateway.testing.stream_bot import StreamBot
from voice_gateway.testing.tones import RATE

CONNECT_SECONDS: Final = 10.0
MUSIC_SECONDS: Final = 10
# Multiples of 10 Hz, none the third or fifth of another: what a telephone distorts sounds there.
TONES: Final = dict(zip((*NAMES, MUSIC), (410, 530, 670, 830, 1010, 1190, 1370, 1490, 1790), strict=True))


class Cable:
    """The way from the driver to its node, which can be cut."""

    def __init__(self, port: int) -> None:
        self._to_port = port
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self.port = 0

    async def connect(self) -> None:
        """Carry from now on."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Carry nothing more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in list(self._ends):
            end.transport.abort()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        self._ends.add(writer)
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._to_port)
            self._ends.add(there)
            await asyncio.gather(_pump(reader, there), _pump(there_reader, writer))
            self._ends.discard(there)
        except OSError:
            pass
        finally:
            self._carrying.discard(task)
            self._ends.discard(writer)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


class AsteriskUnderTest:
    """See NodeUnderTest."""

    number: Final = "+390612345"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = AsyncExitStack()
        self._clock, self._ids = SystemClock(), SystemIds()
        self._node: AsteriskNode | None = None
        self._cable: Cable | None = None
        self._driver: AsteriskDriver | None = None
        self.told = Told()
        self._bot = StreamBot(TONES)
        self.phones = SipPhones(TONES, self._bot)
        self.sounds: dict[str, Media] = {}
        self.told_as: dict[EndCause, EndCause] = {}
        self.refuses_as: dict[RefusedBecause, RefusedBecause] = {}

    @property
    def driver(self) -> AsteriskDriver:
        """See NodeUnderTest."""
        assert self._driver is not None
        return self._driver

    @property
    def node(self) -> AsteriskNode:
        """The process."""
        assert self._node is not None
        return self._node

    async def start(self) -> None:
        """See NodeUnderTest."""
        await self._bot.open()
        await self.phones.open()
        self._node = node = AsteriskNode(self._directory, self.phones.port)
        write_sound(self._directory / "music" / "music.wav", TONES[MUSIC], MUSIC_SECONDS)
        write_sound(self._directory / "other" / "other.wav", TONES["goodbye"], MUSIC_SECONDS)
        classes = self._directory / "etc" / "musiconhold_local.conf"
        classes.write_text(f"[other]\nmode = files\ndirectory = {node.path('other')}\n")
        for name in SOUNDS:
            write_sound(self._directory / "sounds" / f"{name}.wav", TONES[name], SOUND_SECONDS)
            self.sounds[name] = Media(uri=f"sound:{node.path(f'sounds/{name}')}")
        await node.start()
        self.phones.node_port = node.sip_port
        self._cable = Cable(node.http_port)
        await self._cable.connect()
        self._driver = await self._stack.enter_async_context(drive(self.told, self._cable.port))

    @asynccontextmanager
    async def another_driver(self) -> AsyncIterator[tuple[AsteriskDriver, Told]]:
        """One that knows nothing of the first, as after a start of the gateway; it takes the node over."""
        told = Told()
        async with drive(told, self.node.http_port) as driver:
            yield driver, told

    @asynccontextmanager
    async def served_sounds(self) -> AsyncIterator[str]:
        """Where the node's sounds can be had over HTTP."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await reader.readuntil(b"\r\n\r\n")
            name = asked.split()[1].decode().rpartition("/")[2]
            body = (self._directory / "sounds" / name).read_bytes()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + (b"" if asked[:4] == b"HEAD" else body))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def close(self) -> None:
        """See NodeUnderTest."""
        await self._stack.aclose()
        await self.phones.close()
        await self._bot.close()
        if self._cable is not None:
            await self._cable.cut()
        if self._node is not None:
            self._node.end(signal.SIGKILL)  # a clean end takes a second

    def new_id(self) -> str:
        """See NodeUnderTest."""
        return self._ids.new_id()

    async def lets_pass(self, seconds: float) -> None:
        """See NodeUnderTest."""
        await self._clock.sleep(seconds)

    async def lose(self) -> None:
        """See NodeUnderTest."""
        assert self._cable is not None
        await self._cable.cut()

    async def regain(self) -> None:
        """See NodeUnderTest."""
        assert self._cable is not None
        await self._cable.connect()

    def tone(self, name: str) -> int:
        """See NodeUnderTest."""
        return TONES[name]

    def bot_url(self) -> str:
        """See NodeUnderTest."""
        return self._bot.url


@asynccontextmanager
async def drive(sink: Sink, port: int) -> AsyncIterator[AsteriskDriver]:
    """A driver that is connected to the node of this HTTP port, until the block is left."""
    ari = AriSettings(url=f"http://127.0.0.1:{port}", user="centralino", password=SecretStr(PASSWORD))
    stop = asyncio.Event()
    async with http_client() as http:
        driver = AsteriskDriver(
            "under-test",
            AsteriskSettings(ari=ari),
            sink,
            http=http,
            sockets=SocketClient(),
            clock=SystemClock(),
            chance=SystemChance(),
        )
        running = asyncio.create_task(driver.run(stop))
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await driver.connected()
            yield driver
        finally:
            stop.set()
            await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def asterisk_under_test(directory: Path) -> AsyncIterator[AsteriskUnderTest]:
    """A node that runs, with its files under `directory`."""
    node = AsteriskUnderTest(directory)
    try:
        await node.start()
        yield node
    finally:
        await node.close()


def write_sound(path: Path, hertz: int, seconds: int) -> None:
    """A tone as a file that Asterisk can play."""
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(tone(hertz, RATE * seconds).tobytes())
