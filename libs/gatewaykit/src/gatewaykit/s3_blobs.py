"""Files in a bucket of S3 or what speaks its protocol: `<prefix>/<tenant>/<blob id>`.

Requests are signed here (sigv4) and go through the HTTP port: the vendor's library would bring its own client, threads,
retries and 15 MB of descriptions of other services for four kinds of requests.
"""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Final

from servicekit.ports import Clock, Http, HttpNotSentError, HttpReply, HttpTooLargeError, HttpUnknownError, HttpUpload
from servicekit.telemetry import log

from gatewaykit.blobs import (
    PIECE_BYTES,
    Blob,
    BlobConflictError,
    BlobMissingError,
    BlobsAwayError,
    Bucket,
    Content,
    KeptBlob,
    Measured,
    check_ids,
    pieces_of,
)
from gatewaykit.domain.provider import HttpRequest
from gatewaykit.sigv4 import S3Keys, signed_headers
from gatewaykit.spool import Spool

LOG: Final = log("s3")

TIMEOUT_SECONDS: Final = 30.0
ERROR_BYTES_MAX: Final = 65_536
NO_BODY: Final = hashlib.sha256(b"").hexdigest()


class S3Blobs:
    """See Blobs. A stream is held in a temporary file while it is put: its hash is signed before its bytes are sent.

    `endpoint` none: Amazon's, the bucket in the host's name; else its URL, the bucket in the path.
    """

    def __init__(self, http: Http, clock: Clock, bucket: Bucket, keys: S3Keys, *, endpoint: str | None = None) -> None:
        self._http = http
        self._clock = clock
        self._keys = keys
        whole = f"{endpoint.rstrip('/')}/{bucket.name}" if endpoint else _of_amazon(bucket.name, keys.region)
        self._base = f"{whole}/{bucket.prefix}" if bucket.prefix else whole

    async def put(self, tenant_id: str, blob_id: str, content: Content, *, bytes_max: int) -> KeptBlob:
        """See Blobs. The store is asked to refuse a second file under the id (If-None-Match); one that does not know
        how keeps the last."""
        check_ids(tenant_id, blob_id)
        measured = Measured(bytes_max)
        async with Spool() as spool:
            async for piece in pieces_of(content):
                measured.add(piece)
                if not isinstance(content, bytes):
                    await spool.write(piece)
            kept = measured.kept()
            headers = {"content-type": kept.mime, "if-none-match": "*", "x-amz-meta-sha256": kept.sha256}
            pieces = partial(pieces_of, content) if isinstance(content, bytes) else spool.pieces
            upload = HttpUpload(size_bytes=kept.size_bytes, pieces=pieces)
            reply = await self._ask(
                "PUT", tenant_id, blob_id, headers, good=(200, 412), upload=upload, sha256=kept.sha256
            )
        if reply.status == 412:
            there = await self._ask("HEAD", tenant_id, blob_id, {}, good=(200,))
            if there.headers.get("x-amz-meta-sha256") != kept.sha256:
                raise BlobConflictError
        return kept

    async def info(self, tenant_id: str, blob_id: str) -> Blob:
        """See Blobs."""
        reply = await self._ask("HEAD", tenant_id, blob_id, {}, good=(200,))
        try:
            return Blob(size_bytes=int(reply.headers["content-length"]), mime=reply.headers["content-type"])
        except (KeyError, ValueError) as error:
            raise BlobsAwayError("HEAD without size or type") from error

    async def get(self, tenant_id: str, blob_id: str, *, start: int = 0, bytes_max: int = PIECE_BYTES) -> bytes:
        """See Blobs."""
        headers = {"range": f"bytes={start}-{start + bytes_max - 1}"}
        reply = await self._ask("GET", tenant_id, blob_id, headers, good=(206, 416), reply_bytes_max=bytes_max)
        return reply.body if reply.status == 206 else b""

    async def delete(self, tenant_id: str, blob_id: str) -> None:
        """See Blobs. In a bucket with versions the older ones stay until its own rules remove them."""
        await self._ask("DELETE", tenant_id, blob_id, {}, good=(200, 204, 404))

    async def _ask(
        self,
        method: str,
        tenant_id: str,
        blob_id: str,
        headers: Mapping[str, str],
        *,
        good: tuple[int, ...],
        upload: HttpUpload | None = None,
        sha256: str = NO_BODY,
        reply_bytes_max: int = 0,
    ) -> HttpReply:
        check_ids(tenant_id, blob_id)
        url = f"{self._base}/{tenant_id}/{blob_id}"
        signed = signed_headers(method, url, headers, sha256, self._keys, now_ms=self._clock.now_ms())
        request = HttpRequest(method=method, url=url, headers=signed)
        try:
            reply = await self._http.send(
                request,
                timeout_seconds=TIMEOUT_SECONDS,
                bytes_max=max(reply_bytes_max, ERROR_BYTES_MAX),
                upload=upload,
            )
        except (HttpNotSentError, HttpUnknownError, HttpTooLargeError) as error:
            raise BlobsAwayError(type(error).__name__) from error
        if reply.status in good:
            return reply
        if reply.status == 404 and method in ("GET", "HEAD"):
            raise BlobMissingError
        if 400 <= reply.status < 500:
            # Wrong keys, no such bucket, a wrong clock: it stays away until an operator acts.
            LOG.error("blob_store_refused", extra={"method": method, "status": reply.status})
        raise BlobsAwayError(f"{method} {reply.status}")


def _of_amazon(bucket: str, region: str) -> str:
    return f"https://{bucket}.s3.{region}.amazonaws.com"
