"""The laws of the blob store: the folder, S3 and the fake pass them."""

import asyncio
import hashlib
from collections.abc import AsyncIterable

import pytest

from gatewaykit.blobs import BlobConflictError, BlobMissingError, Blobs, BlobTooLargeError, KeptBlob

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


async def in_pieces(content: bytes, *, piece_bytes: int = 100) -> AsyncIterable[bytes]:
    """A stream of it."""
    for start in range(0, len(content), piece_bytes):
        yield content[start : start + piece_bytes]


class BlobLaws:
    """Inherit and give a fixture `blobs`, empty."""

    async def test_a_file_comes_back_whole_and_in_parts(self, blobs: Blobs) -> None:
        kept = await blobs.put("acme", "m-1.0", PNG, bytes_max=len(PNG))

        assert kept == KeptBlob(size_bytes=len(PNG), mime="image/png", sha256=hashlib.sha256(PNG).hexdigest())
        assert await blobs.get("acme", "m-1.0", bytes_max=1_000_000) == PNG
        assert await blobs.get("acme", "m-1.0", start=3, bytes_max=10) == PNG[3:13]
        assert await blobs.get("acme", "m-1.0", start=len(PNG) - 1, bytes_max=10) == PNG[-1:]
        assert await blobs.get("acme", "m-1.0", start=len(PNG), bytes_max=10) == b""
        found = await blobs.info("acme", "m-1.0")
        assert (found.size_bytes, found.mime) == (len(PNG), "image/png")

    async def test_a_stream_is_the_same_file(self, blobs: Blobs) -> None:
        kept = await blobs.put("acme", "m-1", in_pieces(PNG), bytes_max=len(PNG))

        assert (kept.size_bytes, kept.mime) == (len(PNG), "image/png")
        assert await blobs.get("acme", "m-1") == PNG

    async def test_an_empty_file_is_a_file(self, blobs: Blobs) -> None:
        await blobs.put("acme", "m-1", b"", bytes_max=0)

        assert (await blobs.info("acme", "m-1")).size_bytes == 0
        assert await blobs.get("acme", "m-1") == b""

    @pytest.mark.parametrize("streamed", [False, True])
    async def test_a_file_over_the_bound_is_not_kept(self, blobs: Blobs, streamed: bool) -> None:
        content = in_pieces(PNG) if streamed else PNG
        with pytest.raises(BlobTooLargeError):
            await blobs.put("acme", "m-1", content, bytes_max=len(PNG) - 1)

        with pytest.raises(BlobMissingError):
            await blobs.info("acme", "m-1")

    async def test_a_stream_that_breaks_off_leaves_nothing(self, blobs: Blobs) -> None:
        async def broken() -> AsyncIterable[bytes]:
            yield PNG
            raise ConnectionError

        with pytest.raises(ConnectionError):
            await blobs.put("acme", "m-1", broken(), bytes_max=len(PNG))

        with pytest.raises(BlobMissingError):
            await blobs.get("acme", "m-1")

    async def test_the_same_again_is_the_same_file_and_another_is_refused(self, blobs: Blobs) -> None:
        first = await blobs.put("acme", "m-1", PNG, bytes_max=len(PNG))
        again = await blobs.put("acme", "m-1", in_pieces(PNG), bytes_max=len(PNG))
        with pytest.raises(BlobConflictError):
            await blobs.put("acme", "m-1", PNG[:-1], bytes_max=len(PNG))

        assert again == first
        assert await blobs.get("acme", "m-1") == PNG

    async def test_two_at_once_make_one_file(self, blobs: Blobs) -> None:
        puts = (blobs.put("acme", "m-1", in_pieces(PNG), bytes_max=len(PNG)) for _ in range(8))
        kept = await asyncio.gather(*puts)

        assert len(set(kept)) == 1
        assert await blobs.get("acme", "m-1") == PNG

    async def test_deleted_is_gone_and_may_be_deleted_again(self, blobs: Blobs) -> None:
        await blobs.put("acme", "m-1", PNG, bytes_max=len(PNG))
        await blobs.put("acme", "m-2", PNG, bytes_max=len(PNG))
        await blobs.delete("acme", "m-1")
        await blobs.delete("acme", "m-1")

        for ask in (blobs.info, blobs.get):
            with pytest.raises(BlobMissingError):
                await ask("acme", "m-1")
        assert await blobs.get("acme", "m-2") == PNG

    async def test_a_tenant_has_no_other_tenants_files(self, blobs: Blobs) -> None:
        await blobs.put("acme", "m-1", PNG, bytes_max=len(PNG))
        await blobs.put("globex", "m-1", b"other", bytes_max=5)
        await blobs.delete("globex", "m-1")

        assert await blobs.get("acme", "m-1") == PNG
        with pytest.raises(BlobMissingError):
            await blobs.get("globex", "m-1")

    @pytest.mark.parametrize(
        ("tenant_id", "blob_id"),
        [
            ("acme", ".."),
            ("acme", "../globex/m-1"),
            ("acme", "a/b"),
            ("acme", "a\\b"),
            ("acme", ".hidden"),
            ("acme", "a\0"),
            ("acme", "a\n"),
            ("acme", ""),
            ("acme", "x" * 129),
            ("acme", "ä"),
            ("..", "m-1"),
            ("", "m-1"),
            ("a/b", "m-1"),
            ("acme\n", "m-1"),
        ],
    )
    async def test_no_id_names_another_place(self, blobs: Blobs, tenant_id: str, blob_id: str) -> None:
        with pytest.raises(ValueError, match="not a"):
            await blobs.put(tenant_id, blob_id, b"", bytes_max=0)
        for ask in (blobs.info, blobs.get, blobs.delete):
            with pytest.raises(ValueError, match="not a"):
                await ask(tenant_id, blob_id)
