"""A message's bytes to what it says. Never raises for them: the worst message is an empty one with warnings."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from email_gateway.domain.addresses import Address, parse_addresses, parse_message_ids
from email_gateway.domain.automatic import classify
from email_gateway.domain.bodies import Bodies
from email_gateway.domain.bounces import (
    RETURNED_TYPES,
    STATUS_TYPES,
    DeliveryReport,
    read_letter,
    read_status,
    returned_headers,
)
from email_gateway.domain.charsets import beginning, decode
from email_gateway.domain.complaints import TYPE, Complaint, read_complaint
from email_gateway.domain.dates import parse_date
from email_gateway.domain.files import safe_name, typed
from email_gateway.domain.headers import Headers, read_headers
from email_gateway.domain.invites import INVITE_CHARS_MAX, Invite, parse_invite
from email_gateway.domain.language import language_hint
from email_gateway.domain.limits import Limits, Notes
from email_gateway.domain.mail import Attachment, ParsedMail
from email_gateway.domain.parts import Part, decoded, read_parts
from email_gateway.domain.quotes import is_forward
from email_gateway.domain.sanitise import as_named
from email_gateway.domain.transfer import take_uuencoded
from email_gateway.domain.winmail import SIGNATURE, read_winmail
from email_gateway.domain.words import header_text

DEFAULT_LIMITS: Final = Limits()
_DELIVERED_FIELDS: Final = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to")
_SINGLE_FIELDS: Final = ("from", "sender", "subject", "message-id", "date", "to", "reply-to")
_ENCRYPTED: Final = frozenset(("application/pgp-encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"))
_CALENDARS: Final = frozenset(("text/calendar", "application/ics"))
_BODIES: Final = frozenset(("text/plain", "text/html"))


@dataclass(slots=True)
class _Reading:
    limits: Limits
    notes: Notes
    bodies: Bodies
    budget: int
    attachments: list[Attachment] = field(default_factory=list)
    invites: dict[tuple[str, str], Invite] = field(default_factory=dict)
    statuses: list[bytes] = field(default_factory=list)
    feedback: list[bytes] = field(default_factory=list)
    returned: Headers = field(default_factory=Headers)
    """The header of the first message that was sent back."""

    @property
    def returned_id(self) -> str | None:
        return next(iter(parse_message_ids(self.returned.first("message-id"))), None)


def parse_mail(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> ParsedMail:
    """Time and memory grow with the message's size, whatever stands in it."""
    notes = Notes()
    headers, leaves = read_parts(raw, limits, notes)
    reading = _Reading(limits, notes, Bodies(limits, notes), limits.decoded_bytes_max)
    for leaf in leaves:
        _take(reading, leaf)
    subject = header_text(headers.first("subject"), notes)[: limits.subject_chars_max]
    body = reading.bodies.read(forward=is_forward(subject))
    for name in _SINGLE_FIELDS:
        if len(headers.all(name)) > 1:
            notes.add(f"{name.replace('-', '_')}_repeated")
    senders, sender = _people(headers, "from", limits, notes), _people(headers, "sender", limits, notes)
    message_id = next(iter(parse_message_ids(headers.first("message-id"))), None)
    if message_id is None:
        notes.add("message_id_missing")
    if len(senders) > 1:
        notes.add("from_many")
    return ParsedMail(
        headers=headers,
        from_=senders[0] if senders else None,
        sender=sender[0] if sender else None,
        reply_to=_people(headers, "reply-to", limits, notes),
        to=_people(headers, "to", limits, notes),
        cc=_people(headers, "cc", limits, notes),
        delivered_to=_delivered_to(headers, limits, notes),
        subject=subject,
        message_id=message_id,
        in_reply_to=parse_message_ids(headers.first("in-reply-to"))[: limits.references_max],
        references=parse_message_ids(headers.first("references"))[-limits.references_max :],
        sent_at_ms=parse_date(headers.first("date")),
        text=body.text,
        visible_text=body.visible_text,
        quoted_text=body.quoted_text,
        html=body.html,
        visible_html=body.visible_html,
        has_remote_images=body.has_remote_images,
        attachments=tuple(_shown(reading.attachments, body.html)),
        invites=tuple(reading.invites.values()),
        reports=tuple(_reports(reading, headers, body.text)),
        complaint=_complaint(reading, headers),
        language=language_hint(body.visible_text, headers.word("content-language")),
        content_sha256=_content_hash(headers, leaves),
        warnings=notes.all(),
    )


def _take(reading: _Reading, part: Part) -> None:
    kind = part.content.main
    data = decoded(part, reading.budget, reading.notes)
    reading.budget -= len(data)
    if kind in STATUS_TYPES:
        reading.statuses.append(data)
    elif kind == TYPE:
        reading.feedback.append(data)
    elif kind in RETURNED_TYPES:
        _take_message(reading, part, data)
    elif kind in _CALENDARS:
        _take_invite(reading, part, data)
    elif data.startswith(SIGNATURE) and (kind.endswith("ms-tnef") or part.file_name.lower().endswith(".dat")):
        _take_winmail(reading, part, data)
    elif kind in _BODIES and part.disposition.main != "attachment" and not part.file_name:
        _take_body(reading, part, data)
    else:
        if kind in _ENCRYPTED:
            reading.notes.add("encrypted")
        _attach(reading, data, part.file_name, kind, part.content_id)


def _take_body(reading: _Reading, part: Part, data: bytes) -> None:
    if part.content.main == "text/html":
        reading.bodies.add_html(part, data)
        return
    files, text = take_uuencoded(data, reading.budget, reading.notes)
    reading.bodies.add_text(part, text)
    for name, content in files:
        reading.budget -= len(content)
        _attach(reading, content, name, "application/octet-stream", None)


def _take_message(reading: _Reading, part: Part, data: bytes) -> None:
    """A message within the message: a file, and in a bounce the one that did not arrive."""
    if reading.returned_id is None:
        reading.returned = returned_headers(data, reading.limits, reading.notes)
    if part.content.main not in ("message/rfc822", "message/global"):
        return
    inner, _ = read_headers(data, 0, len(data), reading.limits, Notes())
    name = part.file_name or header_text(inner.first("subject"), Notes())[:80] or "message"
    name = name.replace("/", "_").replace("\\", "_")
    _attach(reading, data, name if name.lower().endswith(".eml") else f"{name}.eml", "message/rfc822", part.content_id)


def _take_invite(reading: _Reading, part: Part, data: bytes) -> None:
    text = beginning(data, INVITE_CHARS_MAX)
    invite = parse_invite(decode(text, part.content.parameters.get("charset") or "utf-8", reading.notes))
    if invite is not None and len(reading.invites) < reading.limits.invites_max:
        reading.invites.setdefault((invite.uid, invite.method), invite)
    # Programs send it twice, as an alternative to the text and as a file.
    digest = hashlib.sha256(data).hexdigest()
    if not any(one.sha256 == digest for one in reading.attachments):
        _attach(reading, data, part.file_name or "invite.ics", "text/calendar", part.content_id)


def _take_winmail(reading: _Reading, part: Part, data: bytes) -> None:
    found = read_winmail(data, reading.notes)
    has_body = any(slot.texts or slot.htmls for slot in reading.bodies.slots)
    if not has_body and (found.text or found.html):
        reading.bodies.add(part, text=found.text, html=found.html)
    for file in found.files:
        _attach(reading, file.data, file.name, file.mime or "application/octet-stream", file.content_id)
    if not found.files and not found.text and not found.html:
        _attach(reading, data, part.file_name, part.content.main, None)


def _attach(reading: _Reading, data: bytes, name: str, declared: str, content_id: str | None) -> None:
    if len(reading.attachments) >= reading.limits.parts_max:
        reading.notes.add("parts_cut")
        return
    mime = "message/rfc822" if declared == "message/rfc822" else typed(data, declared)
    number = len(reading.attachments) + 1
    reading.attachments.append(
        Attachment(
            name=safe_name(name, mime, number, reading.limits.name_chars_max),
            mime=mime,
            declared_mime=declared[:100],
            data=data,
            sha256=hashlib.sha256(data).hexdigest(),
            inline_id=as_named(content_id or "") or None,
        )
    )
    if len(name) > reading.limits.name_chars_max:
        reading.notes.add("file_name_cut")


def _shown(attachments: list[Attachment], html: str) -> list[Attachment]:
    return [_inline(one) if one.inline_id and f"cid:{one.inline_id}" in html else one for one in attachments]


def _inline(one: Attachment) -> Attachment:
    return Attachment(
        name=one.name,
        mime=one.mime,
        declared_mime=one.declared_mime,
        data=one.data,
        sha256=one.sha256,
        inline_id=one.inline_id,
        is_inline=True,
    )


def _reports(reading: _Reading, headers: Headers, text: str) -> list[DeliveryReport]:
    found = [
        report
        for status in reading.statuses
        for report in read_status(status, reading.returned_id, reading.limits, reading.notes)
    ]
    if found or (not classify(headers, envelope_sender=None).bounce and not headers.has("x-failed-recipients")):
        return found[: reading.limits.reports_max]
    letters = read_letter(headers, text, reading.limits, reading.notes)
    return [_with_id(report, reading.returned_id) for report in letters]


def _complaint(reading: _Reading, headers: Headers) -> Complaint | None:
    if not reading.feedback or not classify(headers, envelope_sender=None).complaint:
        return None
    return read_complaint(reading.feedback[0], reading.returned, reading.limits, reading.notes)


def _with_id(report: DeliveryReport, message_id: str | None) -> DeliveryReport:
    return DeliveryReport(
        original_message_id=report.original_message_id or message_id,
        final_recipient=report.final_recipient,
        action=report.action,
        status=report.status,
        diagnostic=report.diagnostic,
        guessed=True,
    )


def _people(headers: Headers, name: str, limits: Limits, notes: Notes) -> tuple[Address, ...]:
    """Of the first field only, but for recipients: a second From is a forger's, a second To a program's."""
    values = headers.all(name) if name in ("to", "cc") else headers.all(name)[:1]
    return parse_addresses(b", ".join(values)[: limits.header_value_bytes_max], limits, notes)


def _delivered_to(headers: Headers, limits: Limits, notes: Notes) -> tuple[str, ...]:
    values = [value for name in _DELIVERED_FIELDS for value in headers.all(name)]
    people = parse_addresses(b", ".join(values)[: limits.header_value_bytes_max], limits, notes)
    return tuple(dict.fromkeys(one.address for one in people if one.address))


def _content_hash(headers: Headers, leaves: list[Part]) -> str:
    digest = hashlib.sha256()
    for name in ("from", "date", "subject"):
        digest.update(headers.first(name) + b"\0")
    for leaf in leaves:
        digest.update(leaf.body)
    return digest.hexdigest()
