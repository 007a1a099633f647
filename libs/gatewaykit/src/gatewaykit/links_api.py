"""Serves kept files to whoever brings a signed link."""

import re
from collections.abc import AsyncGenerator
from typing import Final

from fastapi import APIRouter
from servicekit.ports import Clock
from servicekit.problems import ProblemError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gatewaykit.blobs import PIECE_BYTES, Blob, BlobMissingError, Blobs
from gatewaykit.links import Link, LinkExpiredError, LinkForgedError, LinkKeys, content_disposition
from gatewaykit.sniffed import delivered_as

# Pictures, sounds and films hold no script; all else is for saving, whatever the link says.
_INLINE: Final = re.compile(r"image/(jpeg|png|gif|webp|avif)|audio/.+|video/.+")
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_EXTENSIONS: Final = {"image/jpeg": ".jpg", "audio/mpeg": ".mp3", "text/plain": ".txt", "application/pdf": ".pdf"}
# Should a browser show it after all: no script, no forms, no other origin's rights, nothing loaded.
_POLICY: Final = "sandbox; default-src 'none'; frame-ancestors 'none'"


def files_router(blobs: Blobs, keys: LinkKeys, clock: Clock) -> APIRouter:
    """`GET` and `HEAD /files/{blob_id}`; to be mounted below the service's prefix. Without cookies or tokens: the link
    is the right to the file. One range of bytes may be asked for (RFC 9110 section 14); `nosniff` is the shell's."""
    router = APIRouter()

    async def serve(blob_id: str, request: Request) -> Response:
        link = _checked(keys, blob_id, request, now_ms=clock.now_ms())
        try:
            blob = await blobs.info(link.tenant_id, blob_id)
            headers = _headers(link, blob, now_ms=clock.now_ms())
            part = _part(request, blob.size_bytes, headers["etag"])
            if part is not None:
                headers["content-range"] = f"bytes {part[0]}-{part[1] - 1}/{blob.size_bytes}"
            start, end = part or (0, blob.size_bytes)
            headers["content-length"] = str(end - start)
            status = 200 if part is None else 206
            if request.method == "HEAD":
                return Response(status_code=status, headers=headers)
            first = await blobs.get(link.tenant_id, blob_id, start=start, bytes_max=min(PIECE_BYTES, end - start) or 1)
        except BlobMissingError as error:
            raise ProblemError(404, "file_gone", "The file was deleted.") from error
        pieces = _pieces(blobs, link, first, start, end)
        return StreamingResponse(pieces, status_code=status, headers=headers)

    router.get("/files/{blob_id}", summary="Fetch a file by its signed link", response_class=Response)(serve)
    router.head("/files/{blob_id}", include_in_schema=False)(serve)
    return router


def _checked(keys: LinkKeys, blob_id: str, request: Request, *, now_ms: int) -> Link:
    try:
        return keys.checked(blob_id, request.query_params, now_ms=now_ms)
    except LinkForgedError as error:
        raise ProblemError(403, "link_refused", "This link was not made here, or was changed.") from error
    except LinkExpiredError as error:
        raise ProblemError(410, "link_expired", "This link has expired. Ask for the message again.") from error


def _headers(link: Link, blob: Blob, *, now_ms: int) -> dict[str, str]:
    mime = delivered_as(blob.mime)
    disposition = link.disposition if _INLINE.fullmatch(mime) else "attachment"
    return {
        "content-type": mime,
        "content-disposition": content_disposition(disposition, link.name, extension=_EXTENSIONS.get(mime, "")),
        "content-security-policy": _POLICY,
        "cross-origin-resource-policy": "cross-origin",  # agents' pages stand on another origin
        "cache-control": f"private, max-age={(link.expires_at_ms - now_ms) // 1000}",
        "accept-ranges": "bytes",
        "etag": f'"{link.blob_id}"',  # an id names one content for ever
    }


def _part(request: Request, size_bytes: int, etag: str) -> tuple[int, int] | None:
    """From where to before where; none: all of it, as for what is no single range of bytes (RFC 9110 section 14.2)."""
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or asked[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return None
    if not asked[1]:
        start, end = max(0, size_bytes - int(asked[2])), size_bytes
    else:
        start, end = int(asked[1]), min(int(asked[2]) + 1, size_bytes) if asked[2] else size_bytes
        if asked[2] and int(asked[2]) < start:
            return None
    if start >= size_bytes:
        problem = ProblemError(416, "range_outside", f"The file has {size_bytes} bytes.")
        raise problem.with_headers(content_range=f"bytes */{size_bytes}")
    return start, end


async def _pieces(blobs: Blobs, link: Link, first: bytes, start: int, end: int) -> AsyncGenerator[bytes]:
    """The file from `start` to before `end`, a piece in memory at a time. One that is deleted meanwhile breaks off:
    fewer bytes than promised, which every client notices."""
    yield first
    at = start + len(first)
    while at < end:
        piece = await blobs.get(link.tenant_id, link.blob_id, start=at, bytes_max=min(PIECE_BYTES, end - at))
        if not piece:
            raise BlobMissingError
        yield piece
        at += len(piece)
