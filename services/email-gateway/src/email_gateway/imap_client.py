"""A small IMAP4rev1 client (RFC 3501, 2177, 4959): the dozen commands of a reader, every answer bounded.

The libraries that speak IMAP on asyncio keep whatever a server sends, or are under the GPL.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from servicekit.errors import RetryLaterError

LINE_BYTES_MAX: Final = 1_048_576
LITERALS_MAX: Final = 10
UNTAGGED_MAX: Final = 10_000
SMALL_LITERAL_BYTES_MAX: Final = 65_536
HEADER_BYTES_MAX: Final = 262_144
ANSWER_SECONDS: Final = 60.0
CONNECT_SECONDS: Final = 20.0
NUMBER_MAX: Final = 2**32 - 1
_NUMBER_DIGITS: Final = 10
_LITERAL: Final = re.compile(rb"\{(\d{1,10})\}\r\n\Z")
_QUOTED_BODY: Final = re.compile(rb'BODY\[[^\]]*\](?:<\d+>)? "((?:[^"\\]|\\.)*)"')
_LITERAL_BODY: Final = re.compile(rb"BODY\[[^\]]*\](?:<\d+>)? \{\d+\}")


class ImapAwayError(RetryLaterError):
    """The server cannot be reached, hung up, or does not speak IMAP as it is written. Names no person."""


class CertificateError(ImapAwayError):
    """It proves by no certificate that we trust that it is the server. An operator must act."""


class ImapRefusedError(RetryLaterError):
    """The server refuses what we must do. An operator must act."""


class LoginRefusedError(ImapRefusedError):
    """It does not log us in."""


class FolderRefusedError(ImapRefusedError):
    """It does not open the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where, and as whom. `tls`: from the first byte, or by STARTTLS; never without."""

    host: str
    port: int
    starttls: bool
    user: str
    password: str
    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Response:
    """A line of the server with the literals in it; `text` has `{size}` where they stood."""

    text: bytes
    literals: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What was selected."""

    validity: int
    next_uid: int | None
    messages: int
    may_flag: bool
    may_name_flags: bool
    """Keywords of our own are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the server says of a message; the size may be somewhat wrong."""

    uid: int
    size_bytes: int


@asynccontextmanager
async def logged_in(server: Server) -> AsyncGenerator["ImapClient", None]:
    """A connection with somebody logged in. Raises ImapAwayError, ImapRefusedError."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                server.host, server.port, limit=LINE_BYTES_MAX, ssl=None if server.starttls else server.context
            )
    except (OSError, TimeoutError) as error:
        raise (CertificateError if isinstance(error, ssl.SSLError) else ImapAwayError)(type(error).__name__) from error
    client = ImapClient(reader, writer)
    try:
        await client.log_in(server)
        yield client
    finally:
        await client.close()


class ImapClient:
    """One connection; one task uses it. Every call raises ImapAwayError when it is lost or takes too long."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._capabilities: frozenset[bytes] = frozenset()
        self._has_news = False
        """The server told of new mail, and nobody has searched since."""

    @property
    def can_idle(self) -> bool:
        """The server tells of new mail by itself."""
        return b"IDLE" in self._capabilities

    async def log_in(self, server: Server) -> None:
        """TLS if that is still to come, and who we are."""
        async with _bounded(ANSWER_SECONDS):
            greeting = await self._response(SMALL_LITERAL_BYTES_MAX)
            if not greeting.text.upper().startswith(b"* OK"):
                raise ImapAwayError("it does not greet")
            if server.starttls:
                await self._start_tls(server)
            await self._read_capabilities()
            if b"LOGINDISABLED" in self._capabilities and b"AUTH=PLAIN" not in self._capabilities:
                raise LoginRefusedError("no way to log in that we know")
            try:
                await self._authenticate(server)
            except ImapRefusedError as error:
                raise LoginRefusedError(str(error)) from error
            await self._read_capabilities()

    async def select(self, folder: str) -> Folder:
        """Open a folder. Raises ImapRefusedError."""
        try:
            lines = await self._command(b"SELECT " + _quoted(_utf7(folder)))
        except ImapRefusedError as error:
            raise FolderRefusedError(str(error)) from error
        text = b"\n".join(line.text for line in lines)
        validity = re.search(rb"\[UIDVALIDITY (\d+)\]", text, re.IGNORECASE)
        if validity is None:
            raise ImapAwayError("it has no UIDVALIDITY")
        following = re.search(rb"\[UIDNEXT (\d+)\]", text, re.IGNORECASE)
        present = re.search(rb"^\* (\d+) EXISTS", text, re.IGNORECASE | re.MULTILINE)
        flags = re.search(rb"\[PERMANENTFLAGS \(([^)]*)\)", text, re.IGNORECASE)
        kept = flags[1].lower().split() if flags else [b"\\seen"]
        return Folder(
            validity=_number(validity[1]),
            next_uid=_number(following[1]) if following else None,
            messages=_number(present[1]) if present else 0,
            may_flag=b"[read-only]" not in text.lower() and b"\\seen" in kept,
            may_name_flags=b"\\*" in kept,
        )

    async def search(self, criteria: str) -> list[int]:
        """UIDs, ascending; `criteria` as in RFC 3501 section 6.4.4, from us alone."""
        self._has_news = False
        lines = await self._command(b"UID SEARCH " + criteria.encode("ascii"))
        found: set[int] = set()
        for line in lines:
            if line.text.upper().startswith(b"* SEARCH"):
                found |= {_number(word) for word in line.text.split()[2:] if word.isdigit()}
        return sorted(found)

    async def summary(self, uid: int) -> Summary | None:
        """None: it is gone."""
        for line in await self._command(b"UID FETCH %d (UID RFC822.SIZE)" % uid):
            size = re.search(rb"RFC822\.SIZE (\d+)", line.text, re.IGNORECASE)
            if size and _uid_of(line) == uid:
                return Summary(uid=uid, size_bytes=_number(size[1]))
        return None

    async def message(self, uid: int, *, bytes_max: int, seconds: float) -> bytes | None:
        """All of it, without marking it. None: it is gone. More bytes than that end the connection."""
        return await self._body(uid, b"BODY.PEEK[]", bytes_max, seconds)

    async def header(self, uid: int) -> bytes | None:
        """Its header, as far as HEADER_BYTES_MAX."""
        wanted = b"BODY.PEEK[HEADER]<0.%d>" % HEADER_BYTES_MAX
        return await self._body(uid, wanted, HEADER_BYTES_MAX + 2, ANSWER_SECONDS)

    async def add_flags(self, uid: int, flags: Sequence[str]) -> None:
        """Mark it; a message that is gone is no error."""
        await self._command(b"UID STORE %d +FLAGS.SILENT (%s)" % (uid, " ".join(flags).encode("ascii")))

    async def poke(self) -> None:
        """Have the server tell its news."""
        await self._command(b"NOOP")

    async def idle(self, seconds: float) -> None:
        """Wait for new mail so long, unless it was told of since the last search."""
        if self._has_news:
            return
        async with _bounded(seconds + ANSWER_SECONDS):
            tag = self._send(b"IDLE")
            while not (line := await self._response(SMALL_LITERAL_BYTES_MAX)).text.startswith(b"+"):
                if line.text.startswith(tag):
                    raise ImapAwayError("it does not idle")
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not self._has_news:
                        # A line is read whole or not at all, so the time-out loses nothing.
                        self._note(await self._response(SMALL_LITERAL_BYTES_MAX))
            self._writer.write(b"DONE\r\n")
            await self._until(tag, SMALL_LITERAL_BYTES_MAX)

    async def close(self) -> None:
        """Hang up; says goodbye if that costs nothing."""
        with suppress(OSError):
            self._writer.write(b"Z LOGOUT\r\n")
        self._writer.close()
        try:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await self._writer.wait_closed()
        finally:
            self._writer.transport.abort()  # TLS waits for the server's goodbye, for 30 s

    async def _start_tls(self, server: Server) -> None:
        await self._until(self._send(b"STARTTLS"), SMALL_LITERAL_BYTES_MAX)
        # Whoever is between us and the server may have said more, to be taken for the server's under TLS.
        if self._reader._buffer:  # type: ignore[attr-defined]  # nothing else tells
            raise ImapAwayError("it spoke before TLS")
        await self._writer.start_tls(server.context, server_hostname=server.host)

    async def _read_capabilities(self) -> None:
        lines = await self._until(self._send(b"CAPABILITY"), SMALL_LITERAL_BYTES_MAX)
        told = [line.text.upper().split()[2:] for line in lines if line.text.upper().startswith(b"* CAPABILITY")]
        self._capabilities = frozenset(word for words in told for word in words)

    async def _authenticate(self, server: Server) -> None:
        """AUTHENTICATE takes any password; LOGIN is for servers that know nothing else."""
        if b"AUTH=PLAIN" not in self._capabilities:
            tag = self._send(b"LOGIN " + _quoted(server.user.encode()) + b" " + _quoted(server.password.encode()))
        else:
            words = base64.b64encode(f"\0{server.user}\0{server.password}".encode())
            if b"SASL-IR" in self._capabilities:
                tag = self._send(b"AUTHENTICATE PLAIN " + words)
            else:
                tag = self._send(b"AUTHENTICATE PLAIN")
                if not (await self._response(SMALL_LITERAL_BYTES_MAX)).text.startswith(b"+"):
                    raise ImapRefusedError("it asks for no password")
                self._writer.write(words + b"\r\n")
        await self._until(tag, SMALL_LITERAL_BYTES_MAX)

    async def _body(self, uid: int, wanted: bytes, bytes_max: int, seconds: float) -> bytes | None:
        lines = await self._command(
            b"UID FETCH %d (UID %s)" % (uid, wanted), literal_bytes_max=bytes_max, seconds=seconds
        )
        for line in lines:
            if _uid_of(line) == uid:
                if line.literals and _LITERAL_BODY.search(line.text):
                    return line.literals[0]
                quoted = _QUOTED_BODY.search(line.text)
                if quoted:
                    return re.sub(rb"\\(.)", rb"\1", quoted[1])
        return None

    async def _command(
        self, text: bytes, *, literal_bytes_max: int = SMALL_LITERAL_BYTES_MAX, seconds: float = ANSWER_SECONDS
    ) -> list[Response]:
        async with _bounded(seconds):
            return await self._until(self._send(text), literal_bytes_max)

    def _send(self, text: bytes) -> bytes:
        self._number += 1
        tag = b"A%d" % self._number
        self._writer.write(tag + b" " + text + b"\r\n")
        return tag + b" "

    async def _until(self, tag: bytes, literal_bytes_max: int) -> list[Response]:
        """The lines up to the one with the tag, which is among them."""
        lines: list[Response] = []
        await self._writer.drain()
        while len(lines) < UNTAGGED_MAX:
            line = await self._response(literal_bytes_max)
            lines.append(line)
            if line.text.startswith(tag):
                answer = line.text[len(tag) :].split(b" ", 1)[0].upper().strip()
                if answer == b"OK":
                    return lines
                raise ImapRefusedError("NO") if answer == b"NO" else ImapAwayError("BAD")
            self._note(line)
        raise ImapAwayError("it says too much")

    def _note(self, line: Response) -> None:
        if line.text.upper().startswith(b"* BYE"):
            raise ImapAwayError("BYE")
        if re.match(rb"\* \d+ EXISTS", line.text, re.IGNORECASE):
            self._has_news = True

    async def _response(self, literal_bytes_max: int) -> Response:
        """One line with its literals; all of them together within the bound."""
        text, left = b"", literal_bytes_max
        literals: list[bytes] = []
        while True:
            line = await self._reader.readuntil(b"\r\n")
            text += line
            size = _LITERAL.search(line)
            if size is None:
                return Response(text.rstrip(b"\r\n"), tuple(literals))
            left -= int(size[1])
            if left < 0 or len(literals) >= LITERALS_MAX or len(text) > LINE_BYTES_MAX:
                raise ImapAwayError("it says too much")
            literals.append(await self._reader.readexactly(int(size[1])))


@asynccontextmanager
async def _bounded(seconds: float) -> AsyncGenerator[None, None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise (CertificateError if isinstance(error, ssl.SSLError) else ImapAwayError)(type(error).__name__) from error


def _uid_of(line: Response) -> int | None:
    found = re.match(rb"\* \d+ FETCH \(.*?\bUID (\d+)", line.text, re.IGNORECASE | re.DOTALL)
    return _number(found[1]) if found else None


def _number(digits: bytes) -> int:
    """As IMAP has them: 32 bits. Larger ones would end in PostgreSQL, or in Python."""
    if len(digits) > _NUMBER_DIGITS or (number := int(digits)) > NUMBER_MAX:
        raise ImapAwayError("it counts too far")
    return number


def _quoted(text: bytes) -> bytes:
    """As a quoted string. Raises ImapRefusedError for what no such string can hold."""
    if any(char < 0x20 or char > 0x7E for char in text):
        raise ImapRefusedError("letters that cannot be sent so")
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _utf7(name: str) -> bytes:
    """A folder's name in IMAP's own UTF-7 (RFC 3501 section 5.1.3)."""
    out, run = bytearray(), ""
    for char in name + "\0":
        if 0x20 <= ord(char) <= 0x7E or char == "\0":
            if run:
                encoded = base64.b64encode(run.encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
                out += b"&" + encoded + b"-"
                run = ""
            out += b"&-" if char == "&" else b"" if char == "\0" else char.encode()
        else:
            run += char
    return bytes(out)
