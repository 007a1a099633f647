"""Files on their way: whole, in order, and in little memory."""

import tracemalloc
from collections.abc import AsyncIterable
from pathlib import Path

import pytest
from gatewaykit.blobs import Blobs, BlobsAwayError, Bucket
from gatewaykit.domain.provider import HttpRequest
from gatewaykit.fetch import Fetcher
from gatewaykit.file_blobs import FileBlobs
from gatewaykit.s3_blobs import S3Blobs
from gatewaykit.sigv4 import S3Keys
from gatewaykit.spool import HEAD_BYTES, Spool
from servicekit.ports import HttpReply, HttpSink, HttpUpload
from servicekit.ports import HttpRequest as PortRequest
from servicekit.system import SystemIds
from servicekit.testing.set_clock import SetClock

PIECE = bytes(range(256)) * 256
PIECES = 256
BYTES = PIECES * len(PIECE)
MEMORY_BYTES_MAX = 1_048_576
"""What libs/gatewaykit/README.md promises of one file."""


class Stream:
    """An Http that holds nothing: its answers are PIECES of PIECE, and of what is uploaded it counts the bytes."""

    def __init__(self) -> None:
        self.uploaded_bytes = 0

    async def send(
        self,
        request: PortRequest,
        *,
        timeout_seconds: float,
        bytes_max: int,
        address: str | None = None,
        sink: HttpSink | None = None,
        upload: HttpUpload | None = None,
    ) -> HttpReply:
        if sink is not None:
            await sink.start()
            for _ in range(PIECES):
                await sink.write(PIECE)
        if upload is not None:
            async for piece in upload.pieces():
                self.uploaded_bytes += len(piece)
        return HttpReply(status=200, headers={}, body=b"")


async def public(host: str, port: int) -> list[str]:
    return ["198.41.0.4"]


def blobs_of(kind: str, http: Stream, folder: Path) -> Blobs:
    if kind == "folder":
        return FileBlobs(folder, SystemIds())
    keys = S3Keys(region="eu", access_key_id="AKIA", secret_access_key="hush")
    return S3Blobs(http, SetClock(), Bucket(name="files", prefix=""), keys)


@pytest.mark.parametrize("kind", ["folder", "s3"])
async def test_a_file_is_fetched_and_kept_in_less_than_a_mebibyte_of_memory(kind: str, tmp_path: Path) -> None:
    http = Stream()
    blobs, request = blobs_of(kind, http, tmp_path), HttpRequest(method="GET", url="https://media.example/f")
    fetcher = Fetcher(http, public)
    tracemalloc.start()
    try:
        async with Spool() as spool:
            await fetcher.fetch(request, timeout_seconds=60, bytes_max=BYTES, sink=spool)
            kept = await blobs.put("acme", "m-1", spool.pieces(), bytes_max=BYTES)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept.size_bytes == BYTES
    assert http.uploaded_bytes == (BYTES if kind == "s3" else 0)
    assert peak_bytes < MEMORY_BYTES_MAX


@pytest.mark.parametrize("size", [0, 1, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 3 * HEAD_BYTES + 7])
async def test_what_was_written_is_read_whole_as_often_as_wanted(size: int) -> None:
    content = (PIECE * (size // len(PIECE) + 1))[:size]
    async with Spool() as spool:
        for start in range(0, size, 50_000):
            await spool.write(content[start : start + 50_000])
        twice = [await whole(spool.pieces()) for _ in range(2)]
        head, size_bytes = spool.head, spool.size_bytes

    assert twice == [content, content]
    assert (head, size_bytes) == (content[:HEAD_BYTES], size)


async def test_a_new_answer_begins_anew_and_the_file_goes_with_the_block() -> None:
    async with Spool() as spool:
        await spool.write(b"x" * (2 * HEAD_BYTES))
        await spool.start()
        await spool.write(b"file")
        read = await whole(spool.pieces())

    assert read == b"file"
    assert spool.size_bytes == 0


async def test_a_folder_for_temporary_files_that_is_broken_is_a_store_that_is_away(tmp_path: Path) -> None:
    async with Spool(folder=tmp_path / "nowhere") as spool:
        with pytest.raises(BlobsAwayError):
            await spool.write(b"x" * (HEAD_BYTES + 1))


async def whole(pieces: AsyncIterable[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])
