"""Where files are kept: by tenant and blob id, in a folder or in S3, as a URL says."""

import hashlib
import re
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from servicekit.errors import RetryLaterError
from servicekit.store import TENANT_PATTERN

from gatewaykit.sniffed import SNIFF_BYTES, sniffed

BLOB_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
PIECE_BYTES: Final = 1_048_576

Content = bytes | AsyncIterable[bytes]


class BlobMissingError(Exception):
    """There is no such file: never kept, or deleted."""


class BlobTooLargeError(Exception):
    """The file has more bytes than allowed; nothing of it is kept."""


class BlobConflictError(Exception):
    """Another file is kept under this id: whoever derived the id made two files one."""


class BlobsAwayError(RetryLaterError):
    """The store of files cannot be reached, is full or refuses us; what was asked may or may not be done, and may be
    asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """What is known of a kept file; `mime` by its content (see sniffed)."""

    size_bytes: int
    mime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBlob(Blob):
    """A file that was just kept; `sha256` in hex."""

    sha256: str


class Blobs(Protocol):
    """Keeps files. An id names one content for ever: the caller derives it from the message and the file's place in it,
    so that a retry is the same file and deleting a message's files touches no other's.

    Every call raises BlobsAwayError, and ValueError for what is no tenant or blob id.
    """

    async def put(self, tenant_id: str, blob_id: str, content: Content, *, bytes_max: int) -> KeptBlob:
        """Keep a file durably. The same content again is the same file. Raises BlobTooLargeError, BlobConflictError."""
        ...

    async def info(self, tenant_id: str, blob_id: str) -> Blob:
        """Size and type. Raises BlobMissingError."""
        ...

    async def get(self, tenant_id: str, blob_id: str, *, start: int = 0, bytes_max: int = PIECE_BYTES) -> bytes:
        """At most `bytes_max` bytes from `start` on, empty beyond the end. Raises BlobMissingError."""
        ...

    async def delete(self, tenant_id: str, blob_id: str) -> None:
        """Gone for good; succeeds if it is gone already."""
        ...


class Measured:
    """Counts, hashes and types a content as it passes. Raises BlobTooLargeError from `add`."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._size_bytes = 0
        self._hash = hashlib.sha256()
        self._head = bytearray()

    def add(self, piece: bytes) -> None:
        """The next bytes."""
        self._size_bytes += len(piece)
        if self._size_bytes > self._bytes_max:
            raise BlobTooLargeError(str(self._bytes_max))
        self._hash.update(piece)
        if len(self._head) < SNIFF_BYTES:
            self._head += piece[: SNIFF_BYTES - len(self._head)]

    def kept(self) -> KeptBlob:
        """What the bytes so far are."""
        return KeptBlob(size_bytes=self._size_bytes, mime=sniffed(bytes(self._head)), sha256=self._hash.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """`file:///path`."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """`s3://bucket/prefix`; `prefix` without slashes at its ends, perhaps empty."""

    name: str
    prefix: str


def place_of(url: str) -> Folder | Bucket:
    """Where a URL says that files are kept. Raises ValueError with a sentence."""
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("the URL of the blob store takes no query and no fragment")
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and len(parts.path) > 1:
        return Folder(path=Path(unquote(parts.path)))
    if parts.scheme == "s3" and re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", parts.netloc):
        prefix = parts.path.strip("/")
        if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*|", prefix):
            return Bucket(name=parts.netloc, prefix=prefix)
    raise ValueError("the URL of the blob store must be file:///path or s3://bucket/prefix")


def check_ids(tenant_id: str, blob_id: str) -> None:
    """Raises ValueError for what could be more than one part of a path."""
    if not re.fullmatch(TENANT_PATTERN, tenant_id):
        raise ValueError("not a tenant id")
    if not re.fullmatch(BLOB_PATTERN, blob_id):
        raise ValueError("not a blob id")


async def pieces_of(content: Content) -> AsyncIterable[bytes]:
    """The content in pieces."""
    if isinstance(content, bytes):
        yield content
    else:
        async for piece in content:
            yield piece
