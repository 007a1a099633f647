"""A telephone's sound: a tone of its own out, the samples that come in, keys; RTP (RFC 3550) with PCMU (G.711)."""

import asyncio
import math
import struct
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Final, Self

from typing_extensions import override

from voice_gateway.testing.tones import RATE, WINDOW

PACKET: Final = 160
"""Samples of 20 ms."""
PACKET_SECONDS: Final = PACKET / RATE
HEARD_SECONDS: Final = 0.3
"""What came longer ago is heard no more."""
KEY_PACKETS: Final = 8
"""A key of 160 ms: shorter ones may be taken for noise."""
LOUDNESS: Final = 5_000
SOUND_TYPE: Final = 0
KEY_TYPE: Final = 101
KEYS: Final = "0123456789*#ABCD"
_BIAS: Final = 0x84
_CATCH_UP_MAX: Final = 5
"""Packets that are sent at once after a pause of the machine; older ones are left out."""


def _coded(sample: int) -> int:
    """G.711 µ-law of 16 bits."""
    sign, sample = (0x80, -sample) if sample < 0 else (0, sample)
    sample = min(sample, 32_635) + _BIAS
    exponent = sample.bit_length() - 8
    return ~(sign | exponent << 4 | (sample >> (exponent + 3)) & 0x0F) & 0xFF


def _decoded(code: int) -> int:
    code = ~code & 0xFF
    sample = (((code & 0x0F) << 3) + _BIAS << (code >> 4 & 7)) - _BIAS
    return -sample if code & 0x80 else sample


_LINEAR: Final = tuple(_decoded(code) for code in range(256))
SILENCE: Final = bytes([_coded(0)]) * PACKET


def decoded(data: bytes) -> list[int]:
    """Samples of 16 bits."""
    return [_LINEAR[code] for code in data]


def coded(samples: Sequence[int]) -> bytes:
    """PCMU of samples of 16 bits."""
    return bytes(_coded(sample) for sample in samples)


def tone(hertz: int, samples: int) -> "array[int]":
    """A sine."""
    turn = 2 * math.pi * hertz / RATE
    return array("h", (round(LOUDNESS * math.sin(turn * place)) for place in range(samples)))


class Talk(asyncio.DatagramProtocol):
    """The sound of one call. It begins to send once it knows where to."""

    def __init__(self, hertz: int, *, word_seconds: float | None = None) -> None:
        """`word_seconds`: so long it sends its tone, and silence then; none: for ever."""
        voice = coded(tone(hertz, WINDOW))  # the tone fits into it a whole number of times
        self._voice = [voice[start : start + PACKET] for start in range(0, WINDOW, PACKET)]
        self._word_packets = None if word_seconds is None else round(word_seconds / PACKET_SECONDS)
        self._heard: deque[tuple[float, bytes]] = deque(maxlen=2 * WINDOW // PACKET)
        self._keys: deque[str] = deque()
        self._pressed: tuple[int, str, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._to: tuple[str, int] | None = None
        self._next: asyncio.TimerHandle | None = None
        self._count = 0
        self._last_key: int | None = None
        self.keys = ""
        """That were pressed at the other side."""
        self.speaks = True

    @classmethod
    async def opened(cls, hertz: int, *, word_seconds: float | None = None) -> Self:
        """With a port of its own."""
        talk = cls(hertz, word_seconds=word_seconds)
        loop = asyncio.get_running_loop()
        talk._transport, _ = await loop.create_datagram_endpoint(lambda: talk, local_addr=("127.0.0.1", 0))
        return talk

    @property
    def port(self) -> int:
        """Where it hears."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def send_to(self, host: str, port: int) -> None:
        """From now on, or to somewhere else."""
        self._to = host, port
        if self._next is None:
            self._tick(asyncio.get_running_loop().time())

    def press(self, keys: str) -> None:
        """One key after the other."""
        self._keys.extend(keys)

    def close(self) -> None:
        """It is over."""
        if self._next is not None:
            self._next.cancel()
        self._heard.clear()
        if self._transport is not None:
            self._transport.close()

    def hears(self) -> list[int]:
        """The last WINDOW of samples; none, if less came just now."""
        since = asyncio.get_running_loop().time() - HEARD_SECONDS
        fresh = b"".join(packet for at, packet in self._heard if at >= since)[-WINDOW:]
        return decoded(fresh) if len(fresh) == WINDOW else []

    @override
    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if len(data) < 12:
            return
        kind, (stamp,) = data[1] & 0x7F, struct.unpack_from("!I", data, 4)
        if kind == SOUND_TYPE:
            self._heard.append((asyncio.get_running_loop().time(), data[12:]))
        elif kind == KEY_TYPE and len(data) >= 16 and stamp != self._last_key:
            self._last_key = stamp
            self.keys += KEYS[data[12]] if data[12] < len(KEYS) else ""

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        due = max(due, loop.time() - _CATCH_UP_MAX * PACKET_SECONDS)
        while due <= loop.time():
            self._send()
            due += PACKET_SECONDS
        self._next = loop.call_at(due, self._tick, due)

    def _send(self) -> None:
        self._count += 1
        if self._pressed is None and self._keys:
            self._pressed = self._count, self._keys.popleft(), 0
        if self._pressed is not None:
            self._send_key(*self._pressed)
        elif self.speaks:
            silent = self._word_packets is not None and self._count > self._word_packets
            self._packet(SOUND_TYPE, self._count, SILENCE if silent else self._voice[self._count % len(self._voice)])

    def _send_key(self, begun: int, key: str, sent: int) -> None:
        """RFC 4733: the same instant in each packet, how long it lasts so far, its end three times; then a pause."""
        if sent < KEY_PACKETS + 3:
            last = 0x80 if sent >= KEY_PACKETS else 0
            lasts = PACKET * min(sent + 1, KEY_PACKETS)
            self._packet(KEY_TYPE, begun, struct.pack("!BBH", KEYS.index(key), last | 0x0A, lasts))
        self._pressed = (begun, key, sent + 1) if sent < KEY_PACKETS + 6 else None

    def _packet(self, kind: int, begun: int, payload: bytes) -> None:
        head = struct.pack("!BBHII", 0x80, kind, self._count & 0xFFFF, begun * PACKET & 0xFFFFFFFF, id(self) & 0xFFFF)
        if self._transport is not None and self._to is not None and not self._transport.is_closing():
            self._transport.sendto(head + payload, self._to)
