"""What supervisors may ask and do: mailboxes, whom nothing is sent to, what became of a message for each recipient."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from servicekit.auth import Principal, require
from servicekit.problems import ProblemError

from email_gateway.domain.addresses import valid_address
from email_gateway.domain.records import MailboxHealth
from email_gateway.domain.suppression import Suppression, hash_of, suppression_of
from email_gateway.parts import Parts

PAGE_ROWS_MAX: Final = 200
Reader = Annotated[Principal, Depends(require("agent", "supervisor", "admin"))]
Supervisor = Annotated[Principal, Depends(require("supervisor", "admin"))]
Hash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
MessageId = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]


class ReadingLine(BaseModel):
    """How reading a mailbox goes, whichever replica does it."""

    is_read: bool = Field(description="A replica reads it now, or waits for the server to tell of new mail.")
    read_at_ms: int | None = Field(description="When all that the server told of was kept last; none: never.")
    waiting: int | None = Field(description="Messages that it told of and that are not kept yet; none: not known.")
    uid_validity: int | None
    last_uid: int | None = Field(description="Up to which all is kept.")
    failed_at_ms: int | None = Field(description="When reading failed last.")
    error: str | None = Field(
        description="Why: `server_away`, `certificate_untrusted`, `login_refused`, `folder_refused`, "
        "`command_refused`, `secret_missing`, `mail_put_off`, `backend_away`. Over, if it is read again."
    )


class MailboxLine(BaseModel):
    """A configured mailbox."""

    address: str
    receives: str = Field(description="`imap`: it is read where it is; `smtp`: its mail comes to the gateway.")
    signed: bool = Field(description="What it sends is signed (DKIM).")
    reading: ReadingLine | None = Field(description="None: its mail comes to the gateway, or it was never tried.")


class MailboxList(BaseModel):
    """The tenant's mailboxes."""

    mailboxes: list[MailboxLine]


class SuppressionLine(BaseModel):
    """An address that nothing is sent to, by its hash."""

    address_hash: str
    reason: str = Field(description="`bounced`, `complained` or `asked`.")
    added_at_ms: int
    until_ms: int | None = Field(description="None: until it is lifted.")
    added_by: str | None


class SuppressionPage(BaseModel):
    """In the order of their hashes."""

    suppressions: list[SuppressionLine]
    next_cursor: str | None


class AddressRequest(BaseModel):
    """Whom it is about."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(max_length=320)


class FoundSuppression(BaseModel):
    """Whether the address gets anything."""

    address_hash: str
    suppressed: bool


class RecipientLine(BaseModel):
    """What became of a message for one recipient."""

    address: str
    status: str = Field(description="`pending`, or as `message.status_changed` has it.")
    reason: str | None = Field(description="Why it failed.")


class RecipientList(BaseModel):
    """Of a message to several; empty: it went to one, or is not known (any more)."""

    recipients: list[RecipientLine]


def create_router(parts: Parts) -> APIRouter:
    """The routes of /mail/v1."""
    routes, actions = APIRouter(tags=["mail"]), _Actions(parts)
    routes.get("/mailboxes", summary="The tenant's mailboxes")(actions.mailboxes)
    routes.get("/suppressions", summary="Whom nothing is sent to")(actions.suppressions)
    routes.post("/suppressions", summary="Send nothing to an address any more")(actions.add)
    routes.post("/suppressions/search", summary="Whether an address gets anything")(actions.search)
    routes.delete("/suppressions/{address_hash}", summary="Send to an address again", status_code=204)(actions.lift)
    routes.get("/messages/{message_id}/recipients", summary="What became of a message for each")(actions.recipients)
    return routes


class _Actions:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def mailboxes(self, principal: Supervisor) -> MailboxList:
        """As they are configured here by now, and how reading them goes."""
        async with self._parts.store.transaction(principal.tenant_id) as tx:
            health = await tx.mailbox_health(principal.tenant_id, now_ms=self._parts.clock.now_ms())
        found = [each for holder, each in self._parts.directory.all_addresses() if holder == principal.tenant_id]
        lines = [
            MailboxLine(
                address=each.address,
                receives="imap" if each.mailbox.imap else "smtp",
                signed=each.mailbox.dkim is not None,
                reading=_reading(health.get(each.address)) if each.mailbox.imap else None,
            )
            for each in sorted(found, key=lambda each: each.address)
            if each.mailbox is not None
        ]
        return MailboxList(mailboxes=lines)

    async def suppressions(
        self,
        principal: Supervisor,
        cursor: Annotated[str, Query(pattern=r"^([0-9a-f]{64})?$")] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX)] = 50,
    ) -> SuppressionPage:
        """The list holds hashes: it names nobody. Ask for an address by `search`."""
        async with self._parts.store.transaction(principal.tenant_id) as tx:
            rows = await tx.suppressions(
                principal.tenant_id, after=cursor, now_ms=self._parts.clock.now_ms(), rows_max=limit + 1
            )
        more = len(rows) > limit
        lines = [_line(row) for row in rows[:limit]]
        return SuppressionPage(suppressions=lines, next_cursor=lines[-1].address_hash if more else None)

    async def add(self, principal: Supervisor, wanted: AddressRequest) -> SuppressionLine:
        """Until it is lifted. Adding it again changes nothing."""
        now_ms, tenant_id = self._parts.clock.now_ms(), principal.tenant_id
        asked = suppression_of(tenant_id, _checked(wanted), "asked", now_ms=now_ms, added_by=principal.subject)
        async with self._parts.store.transaction(tenant_id) as tx:
            if await tx.suppress(asked):
                await tx.audit(
                    tenant_id,
                    self._parts.ids.new_id(),
                    at_ms=now_ms,
                    actor=principal.subject,
                    action="suppression.add",
                    target=asked.address_hash,
                )
        return _line(asked)

    async def search(self, principal: Reader, wanted: AddressRequest) -> FoundSuppression:
        """The address stands in the body, so that no log of URLs names it."""
        address, tenant_id = _checked(wanted), principal.tenant_id
        async with self._parts.store.transaction(tenant_id) as tx:
            found = await tx.suppressed(tenant_id, [address], now_ms=self._parts.clock.now_ms())
        return FoundSuppression(address_hash=hash_of(tenant_id, address), suppressed=bool(found))

    async def lift(self, principal: Supervisor, address_hash: Hash) -> None:
        """Whatever the reason was."""
        tenant_id = principal.tenant_id
        async with self._parts.store.transaction(tenant_id) as tx:
            if not await tx.lift(tenant_id, address_hash):
                raise ProblemError(404, "suppression_unknown", "There is no such suppression.")
            await tx.audit(
                tenant_id,
                self._parts.ids.new_id(),
                at_ms=self._parts.clock.now_ms(),
                actor=principal.subject,
                action="suppression.remove",
                target=address_hash,
            )

    async def recipients(self, principal: Reader, message_id: MessageId) -> RecipientList:
        """As it is now, and when it was sent last."""
        async with self._parts.store.transaction(principal.tenant_id) as tx:
            rows = await tx.parts_of(principal.tenant_id, message_id, lock=False)
        found = rows[-1].recipients if rows else ()
        lines = [RecipientLine(address=each.address, status=each.state, reason=each.reason) for each in found]
        return RecipientList(recipients=lines)


def _checked(wanted: AddressRequest) -> str:
    address = valid_address(wanted.address)
    if address is None:
        raise ProblemError(422, "address_invalid", "This is no e-mail address.")
    return address


def _reading(health: MailboxHealth | None) -> ReadingLine | None:
    if health is None:
        return None
    return ReadingLine(
        is_read=health.is_read,
        read_at_ms=health.read_at_ms,
        waiting=health.waiting,
        uid_validity=health.validity,
        last_uid=health.last_uid if health.validity is not None else None,
        failed_at_ms=health.failed_at_ms,
        error=health.error,
    )


def _line(row: Suppression) -> SuppressionLine:
    return SuppressionLine(
        address_hash=row.address_hash,
        reason=row.reason,
        added_at_ms=row.added_at_ms,
        until_ms=row.until_ms,
        added_by=row.added_by,
    )
