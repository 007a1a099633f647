"""How much of a message is read, and the notes on what was not."""

from dataclasses import dataclass, field
from typing import Final

WARNINGS_MAX: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What lies beyond a limit is left out with a warning; the caller keeps the message itself."""

    message_bytes_max: int = 35 * 1024 * 1024
    parts_max: int = 100
    """Also of files, wherever in the message they stand."""
    depth_max: int = 20
    """Multiparts within each other; a forwarded message is a file and not looked into."""
    header_bytes_max: int = 256 * 1024
    """Of one header section, the message's or a part's."""
    headers_max: int = 1000
    header_value_bytes_max: int = 32 * 1024
    addresses_max: int = 500
    """Of one field."""
    references_max: int = 100
    """The newest ones are kept."""
    decoded_bytes_max: int = 50 * 1024 * 1024
    """Of all parts together."""
    text_chars_max: int = 500_000
    html_chars_max: int = 1_000_000
    html_work_max: int = 200_000
    """Elements that a browser would make, at most: unclosed formatting is repeated in every block."""
    html_effort_max: int = 40_000_000
    """These times how deep they stand: the sanitiser's time, in steps of about 5 ns."""
    html_unsure_tags_max: int = 1000
    """Where scripts, drawings and the like let a browser see other tags than we do: these cannot be measured."""
    html_entities_max: int = 50_000
    """Ampersands: the sanitiser takes quadratic time for those that begin nothing."""
    name_chars_max: int = 120
    """Of a file."""
    subject_chars_max: int = 1000
    invites_max: int = 10
    reports_max: int = 50


@dataclass(slots=True)
class Notes:
    """Warnings, each told once: `<what>_cut`, `<what>_dropped`, `<what>_guessed`, ... Never what the message says."""

    told: dict[str, None] = field(default_factory=dict)

    def add(self, warning: str) -> None:
        """Tell it, unless it was told."""
        if len(self.told) < WARNINGS_MAX:
            self.told[warning] = None

    def all(self) -> tuple[str, ...]:
        """In the order in which they came up."""
        return tuple(self.told)
