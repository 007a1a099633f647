"""What happens for each message that comes: it is read, its files are kept, and then one transaction takes it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from contracts.configuration import ChannelAddress
from gatewaykit import inbound
from gatewaykit.blobs import Blobs, BlobTooLargeError
from gatewaykit.directory import Directory
from gatewaykit.domain.content import File
from gatewaykit.domain.records import Conversation, Place
from servicekit.ports import Clock
from servicekit.reactions import BACKEND_AWAY
from servicekit.store import EVERY_TENANT
from servicekit.telemetry import Telemetry, log

from email_gateway.domain.authentication import Verdict, judge
from email_gateway.domain.automatic import classify
from email_gateway.domain.complaints import Complaint
from email_gateway.domain.headers import Headers
from email_gateway.domain.incoming import Judged, Placed, is_known, received_of
from email_gateway.domain.mail import ParsedMail
from email_gateway.domain.records import KnownMail, hash_of_content, hash_of_id
from email_gateway.domain.threading import (
    Candidate,
    Keys,
    is_own_message_id,
    join_candidates,
    read_reply_address,
)
from email_gateway.receiving import Accepted, Answer, Envelope, Later, Refused
from email_gateway.sending_side import SendingSide
from email_gateway.store import MailStore, MailTransaction

LOG: Final = log("receive")
Read = Callable[[bytes], Awaitable[ParsedMail]]
_EML: Final = "message/rfc822"


class MailAddresses:
    """Our addresses: those of the configuration, in any case and with any `+detail`, and reply addresses in their
    domains. See Recipients."""

    def __init__(self, directory: Directory, keys: Keys) -> None:
        self._directory = directory
        self.keys = keys

    def takes(self, address: str) -> bool | None:
        """See Recipients."""
        if self.place(address) is not None or self.interaction_of(address) is not None:
            return True
        return False if self._directory.complete else None

    def place(self, address: str) -> Place | None:
        """Where a configured address leads."""
        local, _, host = address.strip().rpartition("@")
        plain = f"{local.partition('+')[0]}@{host}"
        for each in dict.fromkeys((address, address.lower(), plain.lower())):
            place = self._directory.place(each)
            if place is not None:
                return place
        return None

    def configured(self, address: str) -> ChannelAddress | None:
        """Its entry in the channel registry."""
        found = self._directory.address(address)
        return found[1] if found else None

    def interaction_of(self, address: str) -> str | None:
        """The interaction that a reply address of ours names. Whoever made it knew the secret."""
        return read_reply_address(address, address.strip().lower().rpartition("@")[2], self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingRules:
    """See the settings."""

    authserv_id: str
    sealers: frozenset[str]
    automatic_opens: bool
    file_bytes_max: int


class Receiving:
    """The AcceptMail of both SMTP and IMAP."""

    def __init__(
        self,
        store: MailStore,
        blobs: Blobs,
        addresses: MailAddresses,
        *,
        rules: ReceivingRules,
        read: Read,
        sending: SendingSide,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._addresses = addresses
        self._keys = addresses.keys
        self._rules = rules
        self._read = read
        self.sending = sending
        self._clock = clock
        self._taken = telemetry.counter("mail_received", "Messages, by what became of them.", "outcome")

    async def __call__(self, raw: bytes, envelope: Envelope) -> Answer:
        """See AcceptMail."""
        try:
            answer = await self._accept(raw, envelope)
        except BACKEND_AWAY as error:
            LOG.warning("mail_put_off", extra={"error": type(error).__name__, "source": envelope.source})
            answer = Later(reason="backend_away")
        self._taken.labels(type(answer).__name__.lower()).inc()
        return answer

    async def _accept(self, raw: bytes, envelope: Envelope) -> Answer:
        places = await self._places(envelope.recipients)
        judged = self._judged(await self._read(raw), envelope, places)
        if judged.automatic.loop or self._came_back(judged, places):
            self._taken.labels("loop").inc()
            LOG.warning("mail_loop_cut", extra={"reasons": list(judged.automatic.reasons)})
            return Accepted()
        if not places:
            unsure = any(self._addresses.takes(recipient) is None for recipient in envelope.recipients)
            return Later(reason="not_ready") if unsure else Refused(reason="no_such_address")
        interactions = []
        for place in places:
            files = await self._keep_files(place, judged, raw)
            if files is None:
                return Refused(reason="file_too_large")
            async with self._store.transaction(place.tenant_id) as tx:
                taken = await self._take(tx, place, judged, envelope, files)
            interactions += [taken] if taken else []
        return Accepted(interaction_ids=tuple(interactions))

    def _judged(self, mail: ParsedMail, envelope: Envelope, places: Sequence[Place]) -> Judged:
        """Who speaks for the sender is heard only where our own mail server stands between: all else they wrote."""
        sender = mail.from_.address if mail.from_ else ""
        home = self._addresses.place(sender) if sender else None
        is_own = home is not None and home.tenant_id in {place.tenant_id for place in places}
        own = frozenset((sender.lower(),)) if is_own else frozenset[str]()
        return Judged(
            mail=mail,
            automatic=classify(mail.headers, envelope_sender=envelope.mail_from, own_addresses=own),
            verdict=self._verdict(mail.headers, envelope),
        )

    def _verdict(self, headers: Headers, envelope: Envelope) -> Verdict:
        identity = self._rules.authserv_id if envelope.vouched else envelope.authserv_id
        if not identity:
            return Verdict()
        alone = not envelope.vouched
        return judge(headers, identity, topmost_alone=alone, trusted_sealers=self._rules.sealers)

    def _came_back(self, judged: Judged, places: Sequence[Place]) -> bool:
        """A message of ours at the mailbox that sent it. What one of our mailboxes wrote to another is none, nor what
        a form on a web page sends in a mailbox's name."""
        home = self._addresses.place(judged.sender) if judged.sender else None
        return home in places and self._unique(_host(home), judged.mail.message_id or "") is not None if home else False

    async def _places(self, recipients: Sequence[str]) -> list[Place]:
        """Each address once, in one order everywhere."""
        found: dict[str, Place] = {}
        for recipient in recipients:
            place = self._addresses.place(recipient) or await self._replied_place(recipient)
            if place is not None:
                found[place.address] = place
        return [found[address] for address in sorted(found)]

    async def _replied_place(self, recipient: str) -> Place | None:
        interaction_id = self._addresses.interaction_of(recipient)
        if interaction_id is None:
            return None
        async with self._store.transaction(EVERY_TENANT) as tx:
            home = await tx.home_of(interaction_id)
        place = self._addresses.place(home.address) if home else None
        return place if home and place and place.tenant_id == home.tenant_id else None

    async def _keep_files(self, place: Place, judged: Judged, raw: bytes) -> list[File] | None:
        """The same files for the same message, however often it comes: kept before the transaction, so that no message
        names what is not there. Those of a message that is then not taken stay without a name."""
        mail = judged.mail
        name = f"{place.tenant_id}\0{place.address}\0{mail.message_id}\0{mail.content_sha256}"
        prefix = sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
        wanted = [(each.name, each.mime, each.data, each.inline_id) for each in mail.attachments]
        wanted += [("message.eml", _EML, raw, None)] if judged.is_cut else []
        files = []
        for place_in_message, (file_name, mime, data, inline_id) in enumerate(wanted):
            digest = sha256(data).hexdigest()
            blob_id = f"{prefix}.{place_in_message}.{digest[:16]}"
            try:
                await self._blobs.put(place.tenant_id, blob_id, data, bytes_max=self._rules.file_bytes_max)
            except BlobTooLargeError:
                return None
            files.append(
                File(
                    blob_id=blob_id,
                    name=file_name,
                    mime=mime,
                    size_bytes=len(data),
                    sha256=digest,
                    inline_id=inline_id,
                )
            )
        return files

    async def _take(
        self, tx: MailTransaction, place: Place, judged: Judged, envelope: Envelope, files: Sequence[File]
    ) -> str | None:
        """The interaction that has it; none: it belongs to none."""
        now_ms = self._clock.now_ms()
        claimed, repeated = await self._claim(tx, place, judged.mail, now_ms)
        if repeated:
            self._taken.labels("repeated").inc()
            return claimed.interaction_id
        for name, taken in (("report", self._reports_taken), ("complaint", self._complaint_taken)):
            if await taken(tx, place, judged, now_ms):
                self._taken.labels(name).inc()
                return None
        joined = await self._joined(tx, place, judged, envelope)
        thread = joined.thread if joined else f"mail:{claimed.id_hash[:40]}"
        open_now = await tx.lock_open(place.tenant_id, place.address, thread)
        if joined and open_now is None:  # perhaps it has just been joined to another
            joined = await self._joined(tx, place, judged, envelope)
            thread = joined.thread if joined else thread
            open_now = await tx.lock_open(place.tenant_id, place.address, thread)
        before = open_now
        if joined and before is None:
            pair = (place.address, thread)
            before = (await tx.last_ended(place.tenant_id, [pair])).get(pair)
        if judged.mail.complaint:
            await self._complained_in(tx, before, judged.mail.complaint, now_ms)
        people = before.identifiers if before else ()
        placed = Placed(
            id_hash=claimed.id_hash,
            address=place.address,
            thread=thread,
            joined_by=joined.reason if joined else None,
            people=people,
            stranger=(open_now is not None or bool(people)) and not is_known(judged, people),
            aside=judged.is_aside and not self._rules.automatic_opens,
            whole_bytes=envelope.whole_bytes,
        )
        done = await inbound.accept(tx, place, received_of(judged, placed), files, now_ms, ours=_answers(joined))
        self._taken.labels(done.outcome).inc()
        if done.interaction_id is None or done.message_id is None:
            return None
        await tx.attach_mail(replace(claimed, thread=thread, interaction_id=done.interaction_id))
        conversation = await tx.conversation(place.tenant_id, done.interaction_id)
        if conversation:
            await self.sending.keep_original(tx, conversation, done.message_id, judged, now_ms)
            if conversation.last_number == 1 and judged.may_be_acknowledged and self._acknowledges(place):
                await self.sending.acknowledge(tx, conversation, done.message_id, judged, now_ms)
        return done.interaction_id

    def _acknowledges(self, place: Place) -> bool:
        configured = self._addresses.configured(place.address)
        return bool(configured and configured.mailbox and configured.mailbox.acknowledgement)

    async def _claim(self, tx: MailTransaction, place: Place, mail: ParsedMail, now_ms: int) -> tuple[KnownMail, bool]:
        """The message's row, and whether it was taken before: the same id with other words is another message."""
        by_content = hash_of_content(mail.message_id, mail.content_sha256)
        fresh = KnownMail(
            tenant_id=place.tenant_id,
            address=place.address,
            id_hash=hash_of_id(mail.message_id) if mail.message_id else by_content,
            content_sha256=mail.content_sha256,
            at_ms=now_ms,
        )
        known = await tx.claim_mail(fresh)
        if known is None or known.content_sha256 == mail.content_sha256:
            return known or fresh, known is not None
        again = replace(fresh, id_hash=by_content)
        known = await tx.claim_mail(again)
        return known or again, known is not None

    async def _reports_taken(self, tx: MailTransaction, place: Place, judged: Judged, now_ms: int) -> bool:
        """It is a bounce of messages of ours, and their statuses say so now."""
        taken = False
        for report in judged.mail.reports if judged.automatic.bounce else ():
            unique = self._unique(_host(place), report.original_message_id or "")
            if unique is not None:
                taken |= await self.sending.returned(tx, place, unique, report, now_ms)
        return taken

    async def _complaint_taken(self, tx: MailTransaction, place: Place, judged: Judged, now_ms: int) -> bool:
        """It is about a message of ours, which says so now. Complaints of all mailboxes may come to any of them."""
        complaint = judged.mail.complaint
        unique = self._complained_of(complaint) if complaint else None
        if complaint is None or unique is None:
            return False
        return await self.sending.complained(tx, place.tenant_id, unique, complaint, now_ms)

    def _complained_of(self, complaint: Complaint) -> str | None:
        message_id = complaint.original_message_id or ""
        return self._unique(message_id.strip("<>").rpartition("@")[2], message_id)

    async def _complained_in(
        self, tx: MailTransaction, conversation: Conversation | None, complaint: Complaint, now_ms: int
    ) -> None:
        if conversation is None:
            self._taken.labels("complaint_unmatched").inc()
            LOG.warning("complaint_unmatched", extra={"kind": complaint.kind})
        elif self._complained_of(complaint) is None:  # else it may be anybody to whom the message went
            await self.sending.complained_in(tx, conversation, complaint, now_ms)

    def _unique(self, host: str, message_id: str) -> str | None:
        """What is unique in a Message-ID of ours."""
        if not is_own_message_id(message_id, host, self._keys):
            return None
        return message_id.strip().strip("<>").lower().partition("@")[0].rpartition(".")[0]

    async def _joined(self, tx: MailTransaction, place: Place, judged: Judged, envelope: Envelope) -> "_Joined | None":
        mail = judged.mail
        people = [person.address for person in (*mail.to, *mail.cc)]
        people += mail.complaint.reply_addresses if mail.complaint else ()
        candidates = join_candidates(
            recipients=[*envelope.recipients, *mail.delivered_to, *people],
            in_reply_to=[*mail.in_reply_to, *mail.reported_ids],
            references=mail.references,
            text=mail.text,
            domain=_host(place),
            keys=self._keys,
        )
        hashes = {hash_of_id(each.message_id) for each in candidates if each.message_id and not each.signed}
        known = await tx.known_mail(place.tenant_id, place.address, hashes)
        for candidate in candidates:
            unsigned = known.get(hash_of_id(candidate.message_id)) if candidate.message_id else None
            if candidate.signed:
                joined = await self._joined_signed(tx, place, candidate)
            else:
                joined = await _joined_unsigned(tx, judged, candidate, unsigned)
            if joined:
                return joined
        return None

    async def _joined_signed(self, tx: MailTransaction, place: Place, candidate: Candidate) -> "_Joined | None":
        ours = None
        interaction_id = candidate.interaction_id
        if candidate.message_id:
            unique = self._unique(_host(place), candidate.message_id)
            ours = await self.sending.find(tx, place.tenant_id, unique) if unique else None
            interaction_id = ours.interaction_id if ours else None
        home = await tx.home_of(interaction_id) if interaction_id else None
        if home is None or (home.tenant_id, home.address) != (place.tenant_id, place.address):
            return None
        return _Joined(home.thread, candidate.reason, ours.message_id if ours else None)


@dataclass(frozen=True, slots=True)
class _Joined:
    thread: str
    reason: str
    answers: str | None = None
    """The message of ours that it answers."""


async def _joined_unsigned(
    tx: MailTransaction, judged: Judged, candidate: Candidate, known: KnownMail | None
) -> _Joined | None:
    """Anybody may name another's Message-ID: only who is of the conversation goes on with it, and nobody forged."""
    if known is None or known.thread is None or known.interaction_id is None or judged.is_failed:
        return None
    conversation = await tx.conversation(known.tenant_id, known.interaction_id)
    if conversation is None or not is_known(judged, conversation.identifiers):
        return None
    return _Joined(known.thread, candidate.reason)


def _answers(joined: _Joined | None) -> inbound.Ours[MailTransaction]:
    async def ours(tx: MailTransaction, tenant_id: str, address: str, provider_message_id: str) -> str | None:
        return joined.answers if joined else None

    return ours


def _host(place: Place) -> str:
    return place.address.rpartition("@")[2].lower()
