"""Files that agents send: kept in the store that the gateways share, and removed when no message takes them."""

import asyncio
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from contracts.channel_limits import ChannelLimits
from gatewaykit.blobs import BlobMissingError, Blobs, BlobTooLargeError
from gatewaykit.links import Link, LinkKeys, clean_name
from gatewaykit.sniffed import delivered_as
from servicekit.ports import Clock, Ids
from servicekit.problems import ProblemError
from servicekit.reactions import BACKEND_AWAY
from servicekit.statements import statements
from servicekit.store import EVERY_TENANT, wait_for_event
from servicekit.telemetry import log

from router.api.models_written import FileLink, Upload
from router.api.store import ApiStore, Seat
from router.api.written import check_file

LOG: Final = log("router.uploads")
KEPT_MS: Final = 86_400_000
"""A file that no message has taken by then goes."""
SLACK_MS: Final = 3_600_000
"""A file is no longer taken so long before it goes: a message that takes it now must not find it gone."""
LINK_MS: Final = 300_000
PENDING_MAX: Final = 100
"""Files of one agent that no message has taken."""
SWEEP_ROWS_MAX: Final = 200
SWEEP_PAUSE_SECONDS: Final = 600.0
_OLE: Final[Mapping[str, str]] = {
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
}
"""One container, which Office's older formats share: the bytes alone do not tell them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileParts:
    """The store of files, who signs links to them, and how links begin."""

    blobs: Blobs
    keys: LinkKeys
    prefix: str


class Uploads:
    """Takes files and hands them to messages; `files` none: there is no store."""

    def __init__(self, store: ApiStore, files: FileParts | None, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._files = files
        self._clock = clock
        self._ids = ids

    async def take(
        self,
        seat: Seat,
        conversation: tuple[str, str, ChannelLimits],
        name: str,
        content: AsyncIterable[bytes],
    ) -> Upload:
        """Keep a file for a message of the conversation (its interaction, channel and limits).

        Raises ProblemError: 409 where the channel carries no files, 413, 415, 429 for too many that were never sent.
        """
        files, (interaction_id, channel, limits) = self._configured(), conversation
        if not limits.file_types:
            raise ProblemError(409, "no_files", f"The channel {channel} carries no files.")
        blob_id, name = f"up-{self._ids.new_id()}", clean_name(name) or "file"
        await self._begin(seat, blob_id, interaction_id, name)
        try:
            kept = await files.blobs.put(seat.tenant_id, blob_id, content, bytes_max=limits.file_bytes_max)
        except BlobTooLargeError as error:
            detail = f"A file for the channel {channel} has {limits.file_bytes_max} bytes at most. Send a smaller one."
            raise ProblemError(413, "file_too_large", detail) from error
        mime = _mime(kept.mime, name)
        try:
            check_file(mime, limits, channel, size_bytes=kept.size_bytes)
        except ProblemError:
            await files.blobs.delete(seat.tenant_id, blob_id)
            raise
        known = {"mime": mime, "size_bytes": kept.size_bytes, "sha256": kept.sha256}
        async with self._store.transaction(seat.tenant_id) as transaction:
            await transaction.execute(_sql()["finish"], blob_id=blob_id, **known)
        return Upload(blob_id=blob_id, name=name, mime=mime, size_bytes=kept.size_bytes, sha256=kept.sha256)

    async def taken(
        self, seat: Seat, blob_ids: Sequence[str], interaction_id: str, channel: str, limits: ChannelLimits
    ) -> list[dict[str, object]]:
        """The files of a message, in the order asked for, which from now on are the message's. Raises ProblemError 422
        for those that are not the agent's in this conversation, or too old."""
        self._configured()
        now_ms = self._clock.now_ms()
        async with self._store.transaction(seat.tenant_id) as transaction:
            rows = await transaction.all(
                _sql()["take"],
                blob_ids=list(blob_ids),
                agent_id=seat.agent_id,
                interaction_id=interaction_id,
                now_ms=now_ms,
                since_ms=now_ms - KEPT_MS + SLACK_MS,
            )
            found = {row["blob_id"]: dict(row) for row in rows}
            missing = [
                {
                    "where": "body",
                    "path": f"/files/{index}",
                    "message": "you have no such file here; upload it again",
                }
                for index, blob_id in enumerate(blob_ids)
                if blob_id not in found
            ]
            if missing:
                raise ProblemError(422, "file_unknown", "A file is not there any more, or never was.", faults=missing)
        for row in found.values():
            check_file(str(row["mime"]), limits, channel, size_bytes=int(row["size_bytes"]))
        return [found[blob_id] for blob_id in dict.fromkeys(blob_ids)]

    async def link(self, tenant_id: str, blob_id: str, name: str, *, inline: bool) -> FileLink:
        """Where a file can be fetched for a moment. Raises ProblemError 404."""
        files = self._configured()
        try:
            await files.blobs.info(tenant_id, blob_id)
        except (BlobMissingError, ValueError) as error:
            raise ProblemError(404, "file_gone", "There is no such file, or it was deleted.") from error
        expires_at_ms = (self._clock.now_ms() + LINK_MS) // 1000 * 1000
        link = Link(
            tenant_id=tenant_id,
            blob_id=blob_id,
            expires_at_ms=expires_at_ms,
            disposition="inline" if inline else "attachment",
            name=name,
        )
        return FileLink(url=files.prefix + files.keys.signed(link), expires_at_ms=expires_at_ms)

    async def _begin(self, seat: Seat, blob_id: str, interaction_id: str, name: str) -> None:
        now_ms = self._clock.now_ms()
        async with self._store.transaction(seat.tenant_id) as transaction:
            row = await transaction.one(_sql()["pending"], agent_id=seat.agent_id, since_ms=now_ms - KEPT_MS)
            if row is not None and row["uploads"] >= PENDING_MAX:
                detail = f"{PENDING_MAX} files of yours were never sent. Send some, or wait until they are gone."
                raise ProblemError(429, "too_many_uploads", detail).with_headers(retry_after="3600")
            await transaction.execute(
                _sql()["begin"],
                tenant=seat.tenant_id,
                blob_id=blob_id,
                agent_id=seat.agent_id,
                interaction_id=interaction_id,
                begun_at_ms=now_ms,
                name=name,
            )

    def _configured(self) -> FileParts:
        if self._files is None:
            raise ProblemError(501, "no_file_store", "No store of files is configured here (CENTRALINO_FILES_URL).")
        return self._files


class UploadSweep:
    """A Loop: removes files that no message took within a day, and forgets those that one did. Replicas may sweep at
    once."""

    name = "upload sweep"

    def __init__(self, store: ApiStore, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep now and then; a backend that is away is tried again after the pause."""
        while not stop.is_set():
            swept = 0
            try:
                swept = await self.run_once()
            except BACKEND_AWAY as error:
                LOG.warning("sweep_put_off", extra={"sweep": self.name, "error": type(error).__name__})
            if swept < SWEEP_ROWS_MAX:
                await wait_for_event(stop, timeout_seconds=SWEEP_PAUSE_SECONDS)

    async def run_once(self) -> int:
        """One step; returns how many rows went."""
        until_ms = self._clock.now_ms() - KEPT_MS
        async with self._store.transaction(EVERY_TENANT) as transaction:
            rows = await transaction.all(_sql()["old"], until_ms=until_ms, rows_max=SWEEP_ROWS_MAX)
            for row in rows:
                if not row["sent"]:
                    await self._blobs.delete(row["tenant_id"], row["blob_id"])
                await transaction.execute(_sql()["forget"], tenant=row["tenant_id"], blob_id=row["blob_id"])
        return len(rows)

    def trouble(self) -> str | None:
        """Nothing depends on it."""
        return None


def _mime(sniffed: str, name: str) -> str:
    if sniffed == "application/x-ole-storage":
        return _OLE.get(PurePosixPath(name.lower()).suffix, sniffed)
    return delivered_as(sniffed)


@cache
def _sql() -> Mapping[str, str]:
    return statements("router.api", "sql/uploads.sql")
