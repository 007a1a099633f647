"""Sends what waits: composes the message, signs it, hands it to the relay, and tells what became of it for each
recipient. Who has it never gets it again because somebody else has not."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

from gatewaykit.blobs import BlobMissingError, Blobs
from gatewaykit.domain.content import File
from gatewaykit.domain.outgoing import OutgoingRow
from gatewaykit.domain.provider import (
    Again,
    Capabilities,
    Outcome,
    Refused,
    RefusedError,
    Sent,
    Uncertain,
)
from gatewaykit.domain.recipients import Recipient
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.telemetry import log

from email_gateway.domain.compose import Composed, From, OutgoingFile, check_files, compose
from email_gateway.domain.dkim import KeyUnfitError, signed
from email_gateway.domain.outgoing import UnfitError
from email_gateway.domain.smtp_replies import LOGIN_RETRY_MS
from email_gateway.domain.suppression import suppression_of
from email_gateway.domain.threading import Keys
from email_gateway.mailboxes import Mailboxes, OwnMailbox, SigningKeys
from email_gateway.outgoing_mail import Mail, mail_of, put
from email_gateway.relay import Delivery, Envelope
from email_gateway.sending_tables import SendingStore

LOG: Final = log("smtp_out")
SUPPRESSED: Final = "recipient_suppressed"
PIECE_BYTES: Final = 1_048_576
NOT_CONFIGURED_MS: Final = 60_000


class Delivering(Protocol):
    """What hands messages over: `relay.Relay`."""

    async def deliver(self, envelope: Envelope) -> Delivery:
        """Never raises for what the server does."""
        ...


@dataclass(frozen=True, slots=True)
class EmailCarrier:
    """What gatewaykit's sending needs to know of e-mail."""

    capabilities: Capabilities
    name: str = "smtp"


def carrier(account_per_second: float) -> EmailCarrier:
    """E-mail. A second message of the same Message-ID is dropped by most, not by all: it is not idempotent."""
    capabilities = Capabilities(
        text_max=100_000,
        caption_max=100_000,
        file_types=("*/*",),
        file_bytes_max=20_000_000,
        uploads="content",
        statuses=("sent", "delivered", "failed"),
        replies=True,
        account_per_second=account_per_second,
    )
    return EmailCarrier(capabilities)


class EmailSender:
    """The Sender of gatewaykit.sending for e-mail."""

    def __init__(
        self,
        relay: Delivering,
        mailboxes: Mailboxes,
        signing: SigningKeys,
        store: SendingStore,
        blobs: Blobs,
        *,
        keys: Keys,
        clock: Clock,
    ) -> None:
        self._relay = relay
        self._mailboxes = mailboxes
        self._signing = signing
        self._store = store
        self._blobs = blobs
        self._keys = keys
        self._clock = clock

    async def send(self, row: OutgoingRow) -> Outcome:
        """See Sender."""
        mailbox = self._mailboxes.of(row.tenant_id, row.address)
        if mailbox is None:
            return Again(after_ms=NOT_CONFIGURED_MS, scope="account", detail="address_unknown")
        if row.payload is None:
            raise RefusedError("words_gone", "What was to be sent is not kept any more.")
        try:
            composed = await self._composed(row, mail_of(row.payload), mailbox)
        except UnfitError as error:
            raise RefusedError(error.code, str(error)) from error
        try:
            raw = self._with_signature(row, composed.raw, mailbox)
        except KeyUnfitError as error:
            LOG.exception("dkim_key_unfit", extra={"tenant_id": row.tenant_id, "detail": str(error)})
            return Again(after_ms=LOGIN_RETRY_MS, scope="account", detail="dkim_key_unfit")
        wanted = composed.recipients.addresses
        async with self._store.transaction(row.tenant_id) as tx:
            barred = await tx.suppressed(row.tenant_id, wanted, now_ms=self._clock.now_ms())
        outcomes = _settled_before(row.recipients, barred, wanted, composed.message_id)
        left = tuple(address for address in wanted if address not in outcomes)
        if left:
            delivery = await self._relay.deliver(_envelope(row, composed, raw, left))
            outcomes |= delivery.outcomes
            await self._barred(row.tenant_id, delivery.gone)
        return _in_all({address: outcomes[address] for address in wanted})

    async def _composed(self, row: OutgoingRow, mail: Mail, mailbox: OwnMailbox) -> Composed:
        files = await self._files(row.tenant_id, mail.files)
        now_ms = row.tried_at_ms or self._clock.now_ms()
        day = datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()
        values = {"client": mailbox.client, "address": row.address, "date": day, **mail.values}
        signature = mailbox.mailbox.signature
        sender = From(
            address=row.address,
            name=mailbox.mailbox.sender_name,
            signature=put(signature, values) if signature and not mail.draft.automatic else "",
            domain=row.address.rpartition("@")[2].lower(),
            takes_replies=mailbox.is_ours,
            own=mailbox.own,
            keys=self._keys,
        )
        return compose(
            mail.draft, sender, files, unique=row.outgoing_id, interaction_id=row.interaction_id, now_ms=now_ms
        )

    async def _files(self, tenant_id: str, files: tuple[File, ...]) -> tuple[OutgoingFile, ...]:
        """Raises UnfitError before anything large is read."""
        check_files([file.size_bytes for file in files])
        return tuple([await self._file(tenant_id, file) for file in files])

    async def _file(self, tenant_id: str, file: File) -> OutgoingFile:
        data = bytearray()
        try:
            while len(data) < file.size_bytes:
                piece = await self._blobs.get(tenant_id, file.blob_id, start=len(data), bytes_max=PIECE_BYTES)
                if not piece:
                    break
                data += piece
        except BlobMissingError as error:
            raise RefusedError("file_gone", "A file is not kept any more.") from error
        return OutgoingFile(name=file.name, mime=file.mime, data=bytes(data), inline_id=file.inline_id)

    def _with_signature(self, row: OutgoingRow, raw: bytes, mailbox: OwnMailbox) -> bytes:
        dkim = mailbox.mailbox.dkim
        if dkim is None:
            return raw
        return signed(raw, self._signing.key(row.tenant_id, dkim), now_ms=self._clock.now_ms())

    async def _barred(self, tenant_id: str, gone: Collection[str]) -> None:
        """Nobody is there. If that cannot be kept now, the next mail to them will tell it again."""
        if not gone:
            return
        with suppress(RetryLaterError):
            async with self._store.transaction(tenant_id) as tx:
                for address in sorted(gone):
                    now_ms = self._clock.now_ms()
                    await tx.suppress(suppression_of(tenant_id, address, "bounced", now_ms=now_ms))


def _settled_before(
    known: Collection[Recipient], barred: frozenset[str], wanted: Collection[str], message_id: str
) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {
        each: Refused(code=SUPPRESSED, detail="Mail to this address is stopped.") for each in barred
    }
    by_address = {each.lower(): each for each in wanted}
    for each in known:
        address = by_address.get(each.address.lower(), "")
        if each.has_it:
            found[address] = Sent(provider_message_id=message_id)
        elif each.state == "failed":
            found[address] = Refused(code=each.reason or "", detail="")
    return found


def _in_all(outcomes: Mapping[str, Outcome]) -> Outcome:
    """Of a message with several recipients: unknown if it is for any; again while it is for any; sent if anybody has
    it. What it is for each goes along."""
    each = list(outcomes.values())
    found = [one for kind in (Uncertain, Again, Sent, Refused) for one in each if isinstance(one, kind)]
    if len(outcomes) == 1:
        return found[0]
    return replace(found[0], recipients=tuple(_recipient(*item) for item in outcomes.items()))


def _recipient(address: str, outcome: Outcome) -> Recipient:
    match outcome:
        case Sent():
            return Recipient(address=address, state="sent")
        case Refused(code=code):
            return Recipient(address=address, state="failed", reason=code)
        case Uncertain():
            return Recipient(address=address, state="unknown")
        case _:
            return Recipient(address=address)


def _envelope(row: OutgoingRow, composed: Composed, raw: bytes, recipients: tuple[str, ...]) -> Envelope:
    return Envelope(
        sender=composed.sender,
        recipients=recipients,
        raw=raw,
        utf8=composed.utf8,
        id=row.outgoing_id,
        message_id=composed.message_id,
        reports=bool(composed.sender),
    )
