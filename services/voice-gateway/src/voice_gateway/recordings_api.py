"""Who may hear a recording gets a link to it, or has it removed; each time it is written down (S10)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path
from gatewaykit.links import Link, LinkKeys
from pydantic import BaseModel, Field
from servicekit.auth import Principal, require
from servicekit.ports import Clock, Ids
from servicekit.problems import ProblemError

from voice_gateway.recordings import RecordingRetention
from voice_gateway.recordings_tables import Recording, RecordingStore, RecordingTransaction

RecordingId = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]
Listener = Annotated[Principal, Depends(require("agent", "supervisor", "admin"))]
Remover = Annotated[Principal, Depends(require("supervisor", "admin"))]
ASKED: Final = "asked"

ClientsOf = Callable[[str, str], frozenset[str] | None]
"""Of a tenant's agent or supervisor: the clients that they serve, as the configuration names them; none: all."""


class RecordingLink(BaseModel):
    """Where a recording can be heard for a short time, by whoever has the link."""

    recording_id: str
    interaction_id: str
    kind: str = Field(description="`talk` or `voicemail`")
    begun_at_ms: int
    seconds: float
    url: str = Field(description="WAV; a range of its bytes may be asked for.")
    expires_at_ms: int = Field(description="Of the link.")
    keep_until_ms: int = Field(description="When the recording is removed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningPolicy:
    """What the operator allows."""

    link_seconds: int
    agents_hear_talks: bool
    """Agents may hear talks of calls that they had; a voicemail they may in any case."""


class RecordingsApi:
    """Routes below the service's prefix, `url`."""

    def __init__(
        self,
        store: RecordingStore,
        retention: RecordingRetention,
        keys: LinkKeys,
        clients_of: ClientsOf,
        policy: ListeningPolicy,
        *,
        url: str,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._retention = retention
        self._keys = keys
        self._clients_of = clients_of
        self._policy = policy
        self._url = url
        self._clock = clock
        self._ids = ids

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(tags=["recordings"])
        router.get("/recordings/{recording_id}", summary="Listen to a recording")(self.listen)
        router.delete("/recordings/{recording_id}", summary="Remove a recording", status_code=204)(self.remove)
        return router

    async def listen(self, principal: Listener, recording_id: RecordingId) -> RecordingLink:
        """Supervisors and admins: of the clients that they serve. Agents: a voicemail whose task they have or had, and,
        where the operator allows it, talks of calls that they had."""
        async with self._store.transaction(principal.tenant_id) as tx:
            row = await self._allowed(tx, principal, recording_id)
            await self._audit(tx, principal, "recording.listen", row)
        expires_at_ms = (self._clock.now_ms() // 1000 + self._policy.link_seconds) * 1000
        link = Link(
            tenant_id=row.tenant_id,
            blob_id=row.recording_id,
            expires_at_ms=expires_at_ms,
            disposition="inline",
            name=f"{row.recording_id}.wav",
        )
        return RecordingLink(
            recording_id=row.recording_id,
            interaction_id=row.interaction_id,
            kind=row.kind,
            begun_at_ms=row.begun_at_ms,
            seconds=row.seconds,
            url=self._url + self._keys.signed(link),
            expires_at_ms=expires_at_ms,
            keep_until_ms=row.keep_until_ms,
        )

    async def remove(self, principal: Remover, recording_id: RecordingId) -> None:
        """For good, before its time is over: the customer wants it, or it should not have been made."""
        async with self._store.transaction(principal.tenant_id) as tx:
            row = await self._allowed(tx, principal, recording_id)
            await self._audit(tx, principal, "recording.remove", row)
        await self._retention.remove(row, ASKED)

    async def _allowed(self, tx: RecordingTransaction, principal: Principal, recording_id: str) -> Recording:
        row = await tx.recording(principal.tenant_id, recording_id)
        if row is None:
            raise ProblemError(404, "recording_unknown", "There is no such recording.")
        clients = self._clients_of(principal.tenant_id, principal.subject)
        if clients is not None and row.client not in clients:
            raise ProblemError(403, "client_forbidden", "This call is of a client whom you do not serve.")
        if not principal.roles & {"supervisor", "admin"}:
            await self._raise_unless_theirs(tx, principal, row)
        if row.state == "wanted":
            detail = "The recording is still to be fetched from the node. Ask again."
            raise ProblemError(409, "recording_not_ready", detail).with_headers(retry_after="5")
        if row.state != "kept":
            raise ProblemError(410, f"recording_{row.state}", "There is nothing to be heard.", reason=row.reason)
        return row

    async def _raise_unless_theirs(self, tx: RecordingTransaction, principal: Principal, row: Recording) -> None:
        may_hear = row.kind == "voicemail" or self._policy.agents_hear_talks
        if not may_hear or not await tx.had_call(row.tenant_id, row.interaction_id, principal.subject):
            raise ProblemError(403, "recording_forbidden", "This is not yours to hear; ask a supervisor.")

    async def _audit(self, tx: RecordingTransaction, principal: Principal, action: str, row: Recording) -> None:
        """In the transaction that allows it: what cannot be written down is not done."""
        await tx.audit(
            row.tenant_id,
            self._ids.new_id(),
            at_ms=self._clock.now_ms(),
            actor=principal.subject,
            action=action,
            target=row.recording_id,
        )
