"""From an agent's words to a message.

A forward carries the original as text, with its files as ours: as message/rfc822 it would show to third parties what
the original's header holds, our signed reply addresses among it.
"""

import html as entities
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from email_gateway.domain.addresses import Address
from email_gateway.domain.automatic import HOPS_HEADER
from email_gateway.domain.limits import Limits, Notes
from email_gateway.domain.markup import read_markup
from email_gateway.domain.outgoing import Draft, Original, Recipients, UnfitError, is_ours, recipients_of
from email_gateway.domain.phrases import FORWARD_PREFIXES
from email_gateway.domain.plain import one_kind_of_ends
from email_gateway.domain.sanitise import as_html, sanitised
from email_gateway.domain.threading import Keys, own_message_id, reply_address
from email_gateway.domain.writing import (
    Entity,
    addresses_value,
    field,
    file_entity,
    ids_value,
    is_message_id,
    multipart,
    one_line,
    text_entity,
    text_value,
)

TEXT_CHARS_MAX: Final = 100_000
HTML_CHARS_MAX: Final = 200_000
MESSAGE_BYTES_MAX: Final = 30 * 1024 * 1024
FILES_MAX: Final = 20
_QUOTED_CHARS_MAX: Final = 20_000
_SUBJECT_CHARS_MAX: Final = 400
_REFERENCES_MAX: Final = 20
_REPLY_PREFIXES: Final = frozenset(("re", "aw", "sv", "vs", "antw", "odp", "ynt", "res", "rif", "回复", "回覆", "答复"))
_PREFIX: Final = re.compile(r"\s*([^\s:：\[\]]{1,8})(?:\[\d{1,3}\])?\s*[:：]\s*")
_PREFIXES_MAX: Final = 20
_CONTENT_ID: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingFile:
    """A file that goes along. With a Content-ID the HTML may show it."""

    name: str
    mime: str
    data: bytes
    inline_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    """One of our mailboxes, and what its messages carry."""

    address: str
    name: str = ""
    signature: str = ""
    """Filled; below what the agent wrote."""
    domain: str
    """Of reply addresses and Message-IDs."""
    takes_replies: bool = True
    """Mail to reply addresses of the domain comes to us; else answers go to the address itself."""
    own: frozenset[str] = frozenset()
    """All mailboxes of the tenant, in lower case."""
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A message as it goes on the wire, and its envelope."""

    raw: bytes
    message_id: str
    """Without brackets."""
    sender: str
    """Where bounces go; empty: nowhere."""
    recipients: Recipients
    utf8: bool
    """An address is beyond ASCII: every server on the way must know SMTPUTF8 (RFC 6531)."""


def compose(
    draft: Draft, sender: From, files: tuple[OutgoingFile, ...], *, unique: str, interaction_id: str, now_ms: int
) -> Composed:
    """The message. `unique` makes its Message-ID, so that composing it again makes the same one.

    Raises UnfitError.
    """
    _check(draft, files)
    recipients = recipients_of(draft, sender.own | {sender.address.lower()})
    message_id = own_message_id(unique, sender.domain, sender.keys)
    back = reply_address(interaction_id, sender.domain, sender.keys) if sender.takes_replies else sender.address
    body = _body(draft, sender, files, sha256(message_id.encode()).hexdigest()[:32])
    fields = _fields(draft, sender, recipients, message_id, back, now_ms)
    raw = fields + body.as_bytes()
    if len(raw) > MESSAGE_BYTES_MAX:
        raise UnfitError("message_too_large", f"With its files it has more than {MESSAGE_BYTES_MAX} bytes.")
    return Composed(
        raw=raw,
        message_id=message_id,
        sender="" if draft.automatic else back,
        recipients=recipients,
        utf8=not all(address.isascii() for address in (*recipients.addresses, back, sender.address)),
    )


def check_files(sizes_bytes: Sequence[int]) -> None:
    """Raises UnfitError for more or larger files than an e-mail takes; in base64 they are a third longer."""
    if len(sizes_bytes) > FILES_MAX:
        raise UnfitError("files_too_many", f"A message has at most {FILES_MAX} files.")
    if sum(sizes_bytes) * 4 // 3 > MESSAGE_BYTES_MAX:
        raise UnfitError("message_too_large", f"With its files it has more than {MESSAGE_BYTES_MAX} bytes.")


def subject_of(draft: Draft) -> str:
    """With one prefix, however often it went back and forth. A subject that the agent chose stays as it is."""
    if draft.subject.strip():
        return one_line(draft.subject)[:_SUBJECT_CHARS_MAX]
    bare = one_line(draft.original.subject) if draft.original else ""
    for _ in range(_PREFIXES_MAX):
        found = _PREFIX.match(bare)
        if found is None or found[1].lower() not in _REPLY_PREFIXES | FORWARD_PREFIXES:
            break
        bare = bare[found.end() :]
    prefix = "Fwd" if draft.mode == "forward" else "Re"
    return f"{prefix}: {bare}".strip()[:_SUBJECT_CHARS_MAX]


def references_of(original: Original | None) -> tuple[str, ...]:
    """Where the thread began, and the newest of it."""
    if original is None:
        return ()
    ids = dict.fromkeys((*original.references, *((original.message_id,) if original.message_id else ())))
    ids.pop(original.message_id or "", None)
    if original.message_id:
        ids[original.message_id] = None  # the last one is what is answered
    usable = [one for one in ids if is_message_id(one)]
    return (*usable[:1], *usable[1:][-(_REFERENCES_MAX - 1) :])


def _check(draft: Draft, files: tuple[OutgoingFile, ...]) -> None:
    if len(draft.text) > TEXT_CHARS_MAX or len(draft.html) > HTML_CHARS_MAX:
        raise UnfitError("text_too_long", f"Text has at most {TEXT_CHARS_MAX} characters, HTML {HTML_CHARS_MAX}.")
    check_files([len(file.data) for file in files])
    if not draft.text.strip() and not draft.html.strip() and not files and not draft.passes_on:
        raise UnfitError("text_invalid", "The message says nothing.")


def _fields(draft: Draft, sender: From, recipients: Recipients, message_id: str, back: str, now_ms: int) -> bytes:
    """The header; Bcc has no place in it."""
    date = format_datetime(_EPOCH + timedelta(seconds=now_ms // 1000)).encode("ascii")
    found = [
        field("From", addresses_value([Address(sender.address, sender.name)])),
        field("Reply-To", addresses_value([Address(back, sender.name)])) if back != sender.address else b"",
        field("To", addresses_value(recipients.to)) if recipients.to else b"",
        field("Cc", addresses_value(recipients.cc)) if recipients.cc else b"",
        field("Subject", text_value(subject_of(draft))),
        field("Date", date),
        field("Message-ID", ids_value([message_id])),
        field("MIME-Version", b"1.0"),
    ]
    if not recipients.to and not recipients.cc:
        found.append(field("To", b"undisclosed-recipients:;"))
    original = draft.original
    if original and draft.mode != "forward" and is_message_id(original.message_id or ""):
        found.append(field("In-Reply-To", ids_value([original.message_id or ""])))
    references = references_of(original)
    if references:
        found.append(field("References", ids_value(references)))
    if draft.automatic:
        hops = (original.hops if original else 0) + 1
        found.append(field("Auto-Submitted", b"auto-replied"))
        found.append(field("X-Auto-Response-Suppress", b"All"))
        found.append(field(HOPS_HEADER, str(hops).encode("ascii")))
    return b"".join(found)


def _body(draft: Draft, sender: From, files: tuple[OutgoingFile, ...], boundary: str) -> Entity:
    texts = [text_entity(_text(draft, sender), "plain")]
    shown: list[OutgoingFile] = []
    attached = list(files)
    if draft.html.strip() or (draft.original and draft.original.html and not draft.automatic):
        html = _html(draft, sender)
        shown = [file for file in files if _is_shown(file, html)]
        attached = [file for file in files if file not in shown]
        page = text_entity(html, "html")
        images = [file_entity(file.name, file.mime, file.data, file.inline_id) for file in shown]
        related = b';\r\n type="text/html"'
        texts.append(multipart("related", [page, *images], f"{boundary}r", parameters=related))
    body = multipart("alternative", texts, f"{boundary}a")
    parts = [file_entity(file.name, file.mime, file.data, None) for file in attached]
    return multipart("mixed", [body, *parts], f"{boundary}m")


def _is_shown(file: OutgoingFile, html: str) -> bool:
    content_id = file.inline_id
    return content_id is not None and bool(_CONTENT_ID.fullmatch(content_id)) and f"cid:{content_id}" in html


def _text(draft: Draft, sender: From) -> str:
    """What is said, the signature, the original; without what no line may hold."""
    said = draft.text or "\n".join(line.text for line in read_markup(draft.html).lines)
    pieces = [_lines(said)]
    if sender.signature:
        pieces.append(f"-- \n{_lines(sender.signature)}")
    if draft.original and not draft.automatic:
        pieces.append(_quoted(draft, draft.original, sender))
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def _quoted(draft: Draft, original: Original, sender: From) -> str:
    text, is_cut = _cut(_lines(original.text))
    if not text and draft.mode != "forward":
        return ""
    lines = [*text.split("\n"), "[...]"] if is_cut else text.split("\n")
    if draft.mode == "forward":
        block = [f"{name}: {value}" for name, value in _described(original, sender)]
        return "\n".join(["---------- Forwarded message ----------", *block, "", *lines])
    return "\n".join([_attribution(original), *(f"> {line}".rstrip() for line in lines)])


def _html(draft: Draft, sender: From) -> str:
    said = _safe(draft.html) if draft.html.strip() else as_html(_lines(draft.text))
    pieces = [f"<div>{said}</div>"]
    if sender.signature:
        pieces.append(f"<div>-- <br>\n{as_html(_lines(sender.signature))}</div>")
    original = draft.original
    if original and not draft.automatic:
        quoted = _quoted_html(original)
        if draft.mode == "forward":
            block = "<br>\n".join(
                f"<b>{name}:</b> {entities.escape(value)}" for name, value in _described(original, sender)
            )
            pieces.append(f"<div>---------- Forwarded message ----------<br>\n{block}</div>\n<div>{quoted}</div>")
        elif quoted:
            opened = f'<div class="gmail_quote"><div>{entities.escape(_attribution(original))}</div>'
            pieces.append(f'{opened}\n<blockquote type="cite">{quoted}</blockquote></div>')
    return f"<!DOCTYPE html>\n<html><body>\n{chr(10).join(pieces)}\n</body></html>\n"


def _quoted_html(original: Original) -> str:
    """HTML is whole or not at all: cut anywhere it would be another's."""
    if original.html and len(original.html) <= 2 * _QUOTED_CHARS_MAX:
        return _safe(original.html)
    text, is_cut = _cut(_lines(original.text))
    return as_html(f"{text}\n[...]" if is_cut else text)


def _safe(html: str) -> str:
    return one_kind_of_ends(sanitised(html, read_markup(html), _LIMITS, Notes()))


def _cut(text: str) -> tuple[str, bool]:
    return text[:_QUOTED_CHARS_MAX].rstrip(), len(text) > _QUOTED_CHARS_MAX


def _attribution(original: Original) -> str:
    shown = _shown(original.from_) if original.from_ else ""
    when = f"On {_date(original.sent_at_ms)}, " if original.sent_at_ms is not None else ""
    return f"{when}{shown or 'somebody'} wrote:"


def _described(original: Original, sender: From) -> list[tuple[str, str]]:
    """The block above a message that is passed on. Our reply addresses are keys to conversations: nobody gets them."""
    own = sender.own | {sender.address.lower()}
    found = [("From", _people((original.from_,) if original.from_ else (), own))]
    if original.sent_at_ms is not None:
        found.append(("Date", _date(original.sent_at_ms)))
    found += [("Subject", one_line(original.subject)), ("To", _people(original.to, own))]
    found.append(("Cc", _people(original.cc, own)))
    return [(name, value[:1000]) for name, value in found if value]


def _people(people: tuple[Address, ...], own: frozenset[str]) -> str:
    shown = [person for person in people if person.address.lower() in own or not is_ours(person.address, own)]
    return ", ".join(_shown(person) for person in shown)


def _shown(person: Address) -> str:
    address = one_line(person.address)
    return f"{one_line(person.name)} <{address}>" if person.name else address


def _date(at_ms: int) -> str:
    return (_EPOCH + timedelta(seconds=at_ms // 1000)).strftime("%Y-%m-%d %H:%M UTC")


def _lines(text: str) -> str:
    """With one kind of line ends and no other controls."""
    ends = one_kind_of_ends(text).encode("utf-8", "replace").decode()
    return "\n".join("".join(char for char in line if char >= " " or char == "\t") for line in ends.split("\n")).strip(
        "\n"
    )
