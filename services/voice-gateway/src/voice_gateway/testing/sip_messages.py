"""SIP as text (RFC 3261), with the password digest of RFC 8760's elder, MD5: as much as a telephone of a test needs."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    202: "Accepted",
    404: "Not Found",
    480: "Temporarily Unavailable",
    481: "Call Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    603: "Decline",
}
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request or a response; headers in order, names as they came."""

    method: str = ""
    """Of a request."""
    uri: str = ""
    status: int = 0
    """Of a response."""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def get(self, name: str) -> str:
        """The first header of this name; empty: there is none."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """Every header of this name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method."""
        number, method = self.get("CSeq").split()
        return int(number), method

    @property
    def branch(self) -> str:
        """Of the transaction."""
        return parameter(self.get("Via"), "branch")

    def written(self) -> bytes:
        """As it goes over the wire."""
        first = f"{self.method} {self.uri} SIP/2.0"
        if self.status:
            first = f"SIP/2.0 {self.status} {REASONS.get(self.status, 'Other')}"
        lines = [first, *(f"{name}: {value}" for name, value in self.headers)]
        lines += [f"Content-Length: {len(self.body.encode())}", "", self.body]
        return "\r\n".join(lines).encode()


def parsed(data: bytes) -> Message | None:
    """What came; none if it is no SIP (a keep-alive)."""
    head, _, body = data.decode(errors="replace").partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    if match := re.fullmatch(r"SIP/2\.0 (\d{3}) .*", first):
        return Message(status=int(match[1]), headers=headers, body=body)
    if match := re.fullmatch(r"([A-Z]+) (\S+) SIP/2\.0", first):
        return Message(method=match[1], uri=match[2], headers=headers, body=body)
    return None


def answer(request: Message, status: int, *, tag: str = "", more: Headers = (), body: str = "") -> Message:
    """The response to a request."""
    to = request.get("To")
    if tag and not parameter(to, "tag"):
        to = f"{to};tag={tag}"
    headers = [("Via", via) for via in request.all("Via")]
    headers += [("From", request.get("From")), ("To", to)]
    headers += [("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq")), *more]
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return Message(status=status, headers=tuple(headers), body=body)


def parameter(value: str, name: str) -> str:
    """A parameter of a header (`;tag=x`); empty: it has none."""
    found = re.search(rf";\s*{name}=\"?([^;,\"\s]+)", value)
    return found[1] if found else ""


def uri_of(value: str) -> str:
    """The address in a header, without its name and parameters of the header."""
    found = re.search(r"<([^>]+)>", value)
    return found[1] if found else value.split(";")[0].strip()


def user_of(value: str) -> str:
    """The part before the @ of the address in a header; empty: it has none."""
    found = re.match(r"sips?:([^@;>]+)@", uri_of(value))
    return found[1] if found else ""


def digest(challenge: str, *, username: str, password: str, method: str, uri: str) -> str:
    """The Authorization that a challenge asks for (RFC 7616 with MD5, qop auth)."""
    told: Mapping[str, str] = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    nonce_count, client_nonce = "00000001", "0a4f113b"
    secret = _md5(f"{username}:{told['realm']}:{password}")
    asked = _md5(f"{method}:{uri}")
    response = _md5(f"{secret}:{told['nonce']}:{nonce_count}:{client_nonce}:auth:{asked}")
    parts = [f'username="{username}"', f'realm="{told["realm"]}"', f'nonce="{told["nonce"]}"', f'uri="{uri}"']
    parts += [f'response="{response}"', "algorithm=MD5", "qop=auth", f"nc={nonce_count}", f'cnonce="{client_nonce}"']
    if "opaque" in told:
        parts.append(f'opaque="{told["opaque"]}"')
    return f"Digest {', '.join(parts)}"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Where somebody wants to hear, and whether it is sent to (RFC 4566)."""

    host: str
    port: int
    direction: str = "sendrecv"
    payloads: tuple[int, ...] = field(default=(0, 101))


def offer(sound: Sound, version: int) -> str:
    """A description of sound: PCMU, and keys by RFC 4733."""
    lines = ["v=0", f"o=- 1 {version} IN IP4 {sound.host}", "s=-", f"c=IN IP4 {sound.host}", "t=0 0"]
    lines += [f"m=audio {sound.port} RTP/AVP 0 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000"]
    lines += ["a=fmtp:101 0-16", "a=ptime:20", f"a={sound.direction}", ""]
    return "\r\n".join(lines)


def sound_of(body: str) -> Sound | None:
    """What a description says; none: there is no sound in it."""
    host, port = (
        re.search(r"^c=IN IP4 (\S+)", body, re.MULTILINE),
        re.search(r"^m=audio (\d+) \S+ ([\d ]+)", body, re.MULTILINE),
    )
    if host is None or port is None:
        return None
    direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", body, re.MULTILINE)
    payloads = tuple(int(each) for each in port[2].split())
    return Sound(
        host=host[1], port=int(port[1]), direction=direction[1] if direction else "sendrecv", payloads=payloads
    )
