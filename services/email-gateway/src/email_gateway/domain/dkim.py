"""DKIM signatures (RFC 6376) as we write them: relaxed/relaxed, the whole body, with RSA or Ed25519 (RFC 8463).

Ours rather than dkimpy's, which has had no release since July 2024 and signs RSA with arithmetic of its own, in
Python; the tests verify with dkimpy.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

RSA_BITS_MIN: Final = 1024
_SIGNED: Final = (
    *(b"from", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding", b"auto-submitted"),
)
_ALWAYS: Final = (b"from", b"to", b"cc", b"subject", b"date", b"reply-to", b"message-id", b"content-type")
"""Signed once more than they stand there, so that nobody can add one."""
_SPACE: Final = re.compile(rb"[ \t]+")
_TRAILING: Final = re.compile(rb"[ \t]+(?=\r\n)")
_LINE_CHARS: Final = 70


class KeyUnfitError(ValueError):
    """The private key cannot be read, or is of no use: an operator must give another."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """The key of a domain; `selector` names the DNS record with its public half."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey


def read_key(domain: str, selector: str, pem: str) -> DkimKey:
    """A private key in PEM, without a password. Raises KeyUnfitError."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnfitError("no private key in PEM") from error
    if isinstance(key, RSAPrivateKey) and key.key_size < RSA_BITS_MIN:
        raise KeyUnfitError(f"an RSA key has at least {RSA_BITS_MIN} bits")
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise KeyUnfitError("neither an RSA nor an Ed25519 key")
    return DkimKey(domain.lower(), selector, key)


def signed(raw: bytes, key: DkimKey, *, now_ms: int) -> bytes:
    """The message with a signature above it. Its lines end with CRLF."""
    header, _, body = raw.partition(b"\r\n\r\n")
    fields = _fields(header)
    names = [name for name, _ in fields]
    covered = [name for name in _SIGNED for _ in range(names.count(name))]
    covered += _ALWAYS
    algorithm = b"rsa-sha256" if isinstance(key.private, RSAPrivateKey) else b"ed25519-sha256"
    lines = [
        b"v=1; a=" + algorithm + b"; c=relaxed/relaxed; d=" + key.domain.encode("idna") + b";",
        b" s=" + key.selector.encode("ascii") + b"; t=" + str(now_ms // 1000).encode() + b";",
        *_named(covered),
        b" bh=" + base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()) + b";",
        b" b=",
    ]
    unsigned = b"DKIM-Signature: " + b"\r\n".join(lines)
    hashed = b"".join(each + b"\r\n" for each in _taken(fields, covered)) + relaxed_field(unsigned)
    value = base64.b64encode(_signature(key, hashed))
    folded = b"\r\n  ".join(value[start : start + _LINE_CHARS] for start in range(0, len(value), _LINE_CHARS))
    return unsigned + folded + b"\r\n" + raw


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376, 3.4.4."""
    text = _SPACE.sub(b" ", _TRAILING.sub(b"", body if body.endswith(b"\r\n") or not body else body + b"\r\n"))
    stripped = text.rstrip(b"\r\n")
    return stripped + b"\r\n" if stripped else b""


def relaxed_field(line: bytes) -> bytes:
    """RFC 6376, 3.4.2; without the line end."""
    name, _, value = line.partition(b":")
    return name.strip().lower() + b":" + _SPACE.sub(b" ", value.replace(b"\r\n", b"")).strip(b" \t")


def _fields(header: bytes) -> list[tuple[bytes, bytes]]:
    unfolded = re.split(rb"\r\n(?![ \t])", header)
    return [(line.partition(b":")[0].strip().lower(), line) for line in unfolded]


def _taken(fields: list[tuple[bytes, bytes]], covered: list[bytes]) -> list[bytes]:
    """Of several fields of a name the lowest is signed first; one too many counts as empty."""
    left = list(fields)
    found: list[bytes] = []
    for name in covered:
        place = max((number for number, each in enumerate(left) if each[0] == name), default=None)
        if place is not None:
            found.append(relaxed_field(left.pop(place)[1]))
    return found


def _named(covered: list[bytes]) -> list[bytes]:
    lines = [b" h=" + covered[0]]
    for name in covered[1:]:
        if len(lines[-1]) + 1 + len(name) > _LINE_CHARS:
            lines[-1] += b":"
            lines.append(b"  " + name)
        else:
            lines[-1] += b":" + name
    lines[-1] += b";"
    return lines


def _signature(key: DkimKey, hashed: bytes) -> bytes:
    if isinstance(key.private, RSAPrivateKey):
        return key.private.sign(hashed, padding.PKCS1v15(), SHA256())
    return key.private.sign(hashlib.sha256(hashed).digest())
