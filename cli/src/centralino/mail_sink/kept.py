"""Mail as files of a folder, `<number>.eml`: a full one loses its oldest."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MESSAGES_MAX: Final = 1000
BYTES_MAX: Final = 256 * 1024 * 1024
"""Of all messages; the last one is kept however large it is."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that is there."""

    number: int
    size_bytes: int
    received_at_ms: int


class MailFiles:
    """Numbers grow, also over restarts, until the folder is emptied. For one thread at a time."""

    def __init__(self, folder: Path, *, messages_max: int = MESSAGES_MAX, bytes_max: int = BYTES_MAX) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        numbers = sorted(int(file.stem) for file in folder.glob("*.eml") if file.stem.isdecimal())
        self._kept = {number: self._look(number) for number in numbers}
        self._next = max(self._kept, default=0) + 1
        self._make_room()

    def keep(self, sender: str, recipients: Sequence[str], content: bytes) -> int:
        """Write it whole, below the lines in which a mail server says from and for whom it got it (RFC 5321 section
        4.4). Returns its number; raises OSError."""
        number, self._next = self._next, self._next + 1
        said = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
        partial = self._folder / f"{number}.partial"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write("".join(f"{line}\r\n" for line in said).encode() + content)
        partial.replace(self._file(number))
        self._kept[number] = self._look(number)
        self._make_room()
        return number

    def newest(self, *, after: int = 0, count: int = MESSAGES_MAX) -> list[Kept]:
        """The newest so many with a number over `after`, newest first."""
        return [self._kept[number] for number in sorted(self._kept, reverse=True) if number > after][:count]

    def one(self, number: int) -> Kept | None:
        """None: there is none of that number, or not any more."""
        return self._kept.get(number)

    def content(self, number: int) -> bytes:
        """The file. Raises FileNotFoundError."""
        return self._file(number).read_bytes()

    def empty(self) -> None:
        """Remove them all."""
        for number in list(self._kept):
            self._remove(number)

    def _make_room(self) -> None:
        held = sum(each.size_bytes for each in self._kept.values())
        for number in sorted(self._kept)[:-1]:
            if len(self._kept) <= self._messages_max and held <= self._bytes_max:
                return
            held -= self._kept[number].size_bytes
            self._remove(number)

    def _remove(self, number: int) -> None:
        del self._kept[number]
        self._file(number).unlink(missing_ok=True)

    def _look(self, number: int) -> Kept:
        seen = self._file(number).stat()
        return Kept(number, seen.st_size, seen.st_mtime_ns // 1_000_000)

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.eml"
