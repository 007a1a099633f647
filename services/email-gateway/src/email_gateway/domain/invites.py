"""Calendar invitations (RFC 5545, 5546): what an agent must see of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

INVITE_CHARS_MAX: Final = 1_000_000
_LINES_MAX: Final = 20_000
_TEXT_CHARS_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something begins or ends. `at_ms` is none where only a place's wall clock or a day is known."""

    written: str
    """As it stands there: `20260301T100000`, `20260301`."""
    zone: str | None = None
    """`TZID`; none: UTC, the reader's own time, or a whole day."""
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """The first event of a calendar object."""

    method: str
    """`REQUEST`, `REPLY`, `CANCEL`, ...; `PUBLISH` if it is not said."""
    uid: str
    summary: str
    location: str
    organiser: str
    """Address, or whatever is written."""
    status: str
    starts: Moment | None
    ends: Moment | None
    recurs: bool


_Line = tuple[str, dict[str, str], str]


def parse_invite(text: str) -> Invite | None:
    """None where there is no event in it."""
    method = "PUBLISH"
    fields: dict[str, _Line] = {}
    inside: list[str] = []
    for name, parameters, value in _lines(text):
        if name == "BEGIN":
            inside.append(value.upper())
        elif name == "END":
            if inside and inside.pop() == "VEVENT":
                break
        elif name == "METHOD" and inside == ["VCALENDAR"]:
            method = value.strip().upper()[:40]
        elif inside[-1:] == ["VEVENT"]:
            fields.setdefault(name, (name, parameters, value))
    return _invite(method, fields) if "UID" in fields or "DTSTART" in fields else None


def _invite(method: str, fields: dict[str, _Line]) -> Invite:
    def value(name: str) -> str:
        return _plain(fields[name][2]) if name in fields else ""

    organiser = value("ORGANIZER")
    if organiser[:7].lower() == "mailto:":
        organiser = organiser[7:]
    return Invite(
        method=method,
        uid=value("UID"),
        summary=value("SUMMARY"),
        location=value("LOCATION"),
        organiser=organiser,
        status=value("STATUS").upper(),
        starts=_moment(fields.get("DTSTART")),
        ends=_moment(fields.get("DTEND")),
        recurs="RRULE" in fields,
    )


def _lines(text: str) -> list[_Line]:
    """Unfolded."""
    unfolded: list[list[str]] = []
    for line in text[:INVITE_CHARS_MAX].splitlines()[:_LINES_MAX]:
        if line[:1] in (" ", "\t") and unfolded:
            unfolded[-1].append(line[1:])
        elif line:
            unfolded.append([line])
    return [_line("".join(pieces)) for pieces in unfolded]


def _line(line: str) -> _Line:
    colon, quoted = -1, False
    for place, char in enumerate(line[:_TEXT_CHARS_MAX]):
        if char == '"':
            quoted = not quoted
        elif char == ":" and not quoted:
            colon = place
            break
    name, *parameters = line[: max(colon, 0)].split(";")
    pairs = (one.partition("=") for one in parameters)
    return name.upper(), {key.upper(): value.strip('"') for key, _, value in pairs}, line[colon + 1 :]


def _plain(value: str) -> str:
    text = value[:_TEXT_CHARS_MAX].replace("\\n", " ").replace("\\N", " ")
    return " ".join(text.replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\").split())


def _moment(line: _Line | None) -> Moment | None:
    if line is None:
        return None
    written = line[2].strip()[:20]
    return Moment(written=written, zone=line[1].get("TZID", "")[:100] or None, at_ms=_utc_ms(written))


def _utc_ms(written: str) -> int | None:
    if len(written) != 16 or not written.endswith("Z"):
        return None
    try:
        moment = datetime.strptime(written, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000
