"""The bodies of a message to what a person reads: text, safe HTML, and what of them is quoted."""

from dataclasses import dataclass, field
from typing import Final

from email_gateway.domain.charsets import beginning, decode
from email_gateway.domain.limits import Limits, Notes
from email_gateway.domain.markup import Markup, read_markup
from email_gateway.domain.parts import Part
from email_gateway.domain.plain import one_kind_of_ends, plain_lines, unflowed
from email_gateway.domain.quotes import Said, split_said
from email_gateway.domain.sanitise import as_html, sanitised

_META_BYTES: Final = 2048


@dataclass(slots=True)
class Slot:
    """What stands for one thing: the kinds of a multipart/alternative, or a single body."""

    group: int
    texts: list[str] = field(default_factory=list)
    htmls: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The words of `ParsedMail`."""

    text: str = ""
    visible_text: str = ""
    quoted_text: str = ""
    html: str = ""
    visible_html: str = ""
    has_remote_images: bool = False


@dataclass(slots=True)
class Bodies:
    """Collects bodies in their order."""

    limits: Limits
    notes: Notes
    slots: list[Slot] = field(default_factory=list)
    text_chars: int = 0
    html_chars: int = 0

    def add_text(self, part: Part, data: bytes) -> None:
        """A text/plain part."""
        parameters = part.content.parameters
        text = decode(self._first(data, self.limits.text_chars_max, "text_cut"), parameters.get("charset"), self.notes)
        if parameters.get("format", "").lower() == "flowed":
            text = unflowed(text, delete_spaces=parameters.get("delsp", "").lower() == "yes")
        self.add(part, text=text)

    def add_html(self, part: Part, data: bytes) -> None:
        """A text/html part."""
        data = self._first(data, self.limits.html_chars_max, "html_cut")
        html = decode(data, part.content.parameters.get("charset"), self.notes, hint=_meta_charset(data))
        self.add(part, html=html)

    def _first(self, data: bytes, chars_max: int, otherwise: str) -> bytes:
        """What comes later would be cut anyway, and would be read before."""
        kept = beginning(data, chars_max)
        if len(kept) < len(data):
            self.notes.add(otherwise)
        return kept

    def add(self, part: Part, *, text: str = "", html: str = "") -> None:
        """Into the slot of its alternative."""
        text = one_kind_of_ends(text)
        group = part.group[0] if part.group else 0
        if not group or not self.slots or self.slots[-1].group != group:
            self.slots.append(Slot(group))
        if len(text) > self.limits.text_chars_max - self.text_chars:
            self.notes.add("text_cut")
            text = text[: max(0, self.limits.text_chars_max - self.text_chars)]
        if len(html) > self.limits.html_chars_max - self.html_chars:
            self.notes.add("html_cut")
            html = html[: max(0, self.limits.html_chars_max - self.html_chars)]
        self.text_chars += len(text)
        self.html_chars += len(html)
        if text:
            self.slots[-1].texts.append(text)
        if html:
            self.slots[-1].htmls.append(html)

    def read(self, *, forward: bool) -> Body:
        """All of them together."""
        bodies = [self._slot(slot, forward=forward) for slot in self.slots if slot.texts or slot.htmls]
        if len(bodies) == 1:
            return bodies[0]
        has_html = any(body.html for body in bodies)
        return Body(
            text=_together([body.text for body in bodies]),
            visible_text=_together([body.visible_text for body in bodies]),
            quoted_text=_together([body.quoted_text for body in bodies]),
            html=_together([body.html or as_html(body.text) for body in bodies]) if has_html else "",
            visible_html=_together([body.visible_html or as_html(body.visible_text) for body in bodies])
            if has_html
            else "",
            has_remote_images=any(body.has_remote_images for body in bodies),
        )

    def _slot(self, slot: Slot, *, forward: bool) -> Body:
        text = "\n\n".join(slot.texts)
        if not slot.htmls:
            said = split_said(plain_lines(text), forward=forward)
            return Body(text=text.strip(), visible_text=said.visible, quoted_text=said.quoted)
        html = "\n".join(slot.htmls)
        markup = read_markup(html)
        said_in_html = split_said(markup.lines, forward=forward)
        plain = text.strip()
        said = split_said(plain_lines(text), forward=forward) if plain else said_in_html
        whole = sanitised(html, markup, self.limits, self.notes)
        cut = _without_quotes(html, markup, said_in_html) if said_in_html.quoted else html
        return Body(
            text=plain or _together([line.text for line in markup.lines], mark="\n"),
            visible_text=said.visible,
            quoted_text=said.quoted,
            html=whole,
            # What a cut leaves open was closed before: it is measured anew.
            visible_html=whole if len(cut) == len(html) else sanitised(cut, read_markup(cut), self.limits, self.notes),
            has_remote_images=markup.remote_images,
        )


def _without_quotes(html: str, markup: Markup, said: Said) -> str:
    """Answers between quotes need them: then nothing is cut but the rest."""
    end = len(html) if said.cut_from is None else said.cut_from
    if said.inline:
        return html[:end]
    pieces = []
    position = 0
    for start, stop in markup.cuts:
        pieces.append(html[position : min(start, end)])
        position = max(position, stop)
        if start >= end:
            break
    pieces.append(html[position:end])
    return "".join(pieces)


def _together(pieces: list[str], mark: str = "\n\n") -> str:
    return mark.join(pieces).strip() if mark == "\n" else mark.join(piece for piece in pieces if piece).strip()


def _meta_charset(data: bytes) -> str | None:
    """What the HTML itself says."""
    head = data[:_META_BYTES].lower()
    place = head.find(b"charset=")
    if place < 0:
        return None
    word = head[place + 8 : place + 60].lstrip(b" \"'")
    for mark in (b'"', b"'", b">", b";", b" ", b"/"):
        word = word.partition(mark)[0]
    return word.decode("ascii", "replace") or None
