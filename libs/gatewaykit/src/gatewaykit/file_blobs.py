"""Files in a folder: `<folder>/<tenant>/<two hex digits>/<blob id>`, written whole or not at all."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from servicekit.ports import Ids

from gatewaykit.blobs import (
    PIECE_BYTES,
    Blob,
    BlobConflictError,
    BlobMissingError,
    BlobsAwayError,
    Content,
    KeptBlob,
    Measured,
    check_ids,
    pieces_of,
)
from gatewaykit.sniffed import SNIFF_BYTES, sniffed

_HIDDEN: Final = "."
T = TypeVar("T")


class FileBlobs:
    """See Blobs. Several processes may share the folder.

    A file is written under a hidden name, synced, then renamed: hard links, which would tell of another file under the
    name without a gap, are not to be had on every shared volume. What a crash leaves behind under a hidden name goes
    when its blob is deleted.
    """

    def __init__(self, folder: Path, ids: Ids) -> None:
        self._folder = folder
        self._ids = ids

    async def put(self, tenant_id: str, blob_id: str, content: Content, *, bytes_max: int) -> KeptBlob:
        """See Blobs."""
        path = self._path(tenant_id, blob_id)
        part = path.with_name(f"{_HIDDEN}{blob_id}.{self._ids.new_id()}")
        measured = Measured(bytes_max)
        file = await _threaded(partial(_create, part))
        try:
            with file:
                async for piece in pieces_of(content):
                    measured.add(piece)
                    await _threaded(partial(file.write, piece))
                await _threaded(partial(_sync, file))
            kept = measured.kept()
            if await _threaded(partial(_settle, part, path)) != kept.sha256:
                raise BlobConflictError
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return kept

    async def info(self, tenant_id: str, blob_id: str) -> Blob:
        """See Blobs."""
        path = self._path(tenant_id, blob_id)

        def look() -> Blob:
            with _opened(path) as file:
                return Blob(size_bytes=os.fstat(file.fileno()).st_size, mime=sniffed(file.read(SNIFF_BYTES)))

        return await _threaded(look, missing=BlobMissingError)

    async def get(self, tenant_id: str, blob_id: str, *, start: int = 0, bytes_max: int = PIECE_BYTES) -> bytes:
        """See Blobs."""
        path = self._path(tenant_id, blob_id)

        def read() -> bytes:
            with _opened(path) as file:
                file.seek(start)
                return file.read(bytes_max)

        return await _threaded(read, missing=BlobMissingError)

    async def delete(self, tenant_id: str, blob_id: str) -> None:
        """See Blobs."""
        path = self._path(tenant_id, blob_id)

        def remove() -> None:
            for each in [path, *path.parent.glob(f"{_HIDDEN}{blob_id}.*")]:
                each.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync_folder(path.parent)

        await _threaded(remove)

    def _path(self, tenant_id: str, blob_id: str) -> Path:
        check_ids(tenant_id, blob_id)
        # Spread, so that no folder of a large tenant holds all its files.
        return self._folder / tenant_id / hashlib.sha256(blob_id.encode()).hexdigest()[:2] / blob_id


async def _threaded(work: Callable[[], T], missing: type[Exception] = BlobsAwayError) -> T:
    """Disks block. A full, broken or unmounted one is away."""
    try:
        return await asyncio.to_thread(work)
    except FileNotFoundError as error:
        raise missing from error
    except OSError as error:
        raise BlobsAwayError(type(error).__name__) from error


def _create(part: Path) -> BinaryIO:
    made = [folder for folder in [part.parent, *part.parent.parents] if not folder.exists()]
    part.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    for folder in made:
        _sync_folder(folder.parent)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _settle(part: Path, path: Path) -> str:
    """Give the file its name if that is free; returns the SHA-256 of what stands there now."""
    if not path.exists():
        part.replace(path)
    _sync_folder(path.parent)
    return _sha256(path)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        yield file


def _sha256(path: Path) -> str:
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
