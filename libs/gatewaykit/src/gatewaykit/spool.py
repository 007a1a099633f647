"""Holds a file on its way from one server to another, however large, in little memory."""

import asyncio
from collections.abc import AsyncIterable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, Final, Self, TypeVar, cast

from gatewaykit.blobs import BlobsAwayError

HEAD_BYTES: Final = 262_144
"""So much is held in memory."""
PIECE_BYTES: Final = 65_536
T = TypeVar("T")


class Spool:
    """An HttpSink whose body can be read, as often as wanted, until the block is left: its head in memory, the rest in
    a file without a name in a folder for temporary files. Whoever writes bounds what is written.

    Raises BlobsAwayError when that folder is full or broken.
    """

    def __init__(self, *, folder: Path | None = None) -> None:
        """`folder` none: the system's (TMPDIR)."""
        self.size_bytes = 0
        self._folder = folder
        self._head = bytearray()
        self._rest: BinaryIO | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._forget()

    @property
    def head(self) -> bytes:
        """The first HEAD_BYTES, or all."""
        return bytes(self._head)

    async def start(self) -> None:
        """See HttpSink."""
        self._forget()

    async def write(self, piece: bytes) -> None:
        """See HttpSink."""
        room = HEAD_BYTES - len(self._head)
        self._head += piece[:room]
        self.size_bytes += len(piece)
        if len(piece) > room:
            if self._rest is None:
                self._rest = await _threaded(self._new_file)
            await _threaded(partial(self._rest.write, piece[room:] if room else piece))

    async def pieces(self) -> AsyncIterable[bytes]:
        """All of it, from the start."""
        for start in range(0, len(self._head), PIECE_BYTES):
            yield bytes(self._head[start : start + PIECE_BYTES])
        if self._rest is None:
            return
        await _threaded(partial(self._rest.seek, 0))
        while piece := await _threaded(partial(self._rest.read, PIECE_BYTES)):
            yield piece

    def _new_file(self) -> BinaryIO:
        return cast(BinaryIO, TemporaryFile(dir=self._folder))  # its type depends on the system

    def _forget(self) -> None:
        self.size_bytes = 0
        self._head.clear()
        if self._rest is not None:
            self._rest.close()
            self._rest = None


async def _threaded(work: Callable[[], T]) -> T:
    """Disks block."""
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise BlobsAwayError(type(error).__name__) from error
