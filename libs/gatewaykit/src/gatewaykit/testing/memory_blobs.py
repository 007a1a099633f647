"""Files in memory, for tests."""

from gatewaykit.blobs import (
    PIECE_BYTES,
    Blob,
    BlobConflictError,
    BlobMissingError,
    Content,
    KeptBlob,
    Measured,
    check_ids,
    pieces_of,
)


class MemoryBlobs:
    """See Blobs; `kept` by tenant and blob id."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[KeptBlob, bytes]] = {}

    async def put(self, tenant_id: str, blob_id: str, content: Content, *, bytes_max: int) -> KeptBlob:
        """See Blobs."""
        check_ids(tenant_id, blob_id)
        measured, whole = Measured(bytes_max), bytearray()
        async for piece in pieces_of(content):
            measured.add(piece)
            whole += piece
        kept, _ = self.kept.setdefault((tenant_id, blob_id), (measured.kept(), bytes(whole)))
        if kept != measured.kept():
            raise BlobConflictError
        return kept

    async def info(self, tenant_id: str, blob_id: str) -> Blob:
        """See Blobs."""
        kept, _ = self._found(tenant_id, blob_id)
        return Blob(size_bytes=kept.size_bytes, mime=kept.mime)

    async def get(self, tenant_id: str, blob_id: str, *, start: int = 0, bytes_max: int = PIECE_BYTES) -> bytes:
        """See Blobs."""
        return self._found(tenant_id, blob_id)[1][start : start + bytes_max]

    async def delete(self, tenant_id: str, blob_id: str) -> None:
        """See Blobs."""
        check_ids(tenant_id, blob_id)
        self.kept.pop((tenant_id, blob_id), None)

    def _found(self, tenant_id: str, blob_id: str) -> tuple[KeptBlob, bytes]:
        check_ids(tenant_id, blob_id)
        if (tenant_id, blob_id) not in self.kept:
            raise BlobMissingError
        return self.kept[tenant_id, blob_id]
