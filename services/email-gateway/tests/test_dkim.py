"""Signatures, verified by dkimpy."""

import base64

import dkim  # type: ignore[import-untyped]  # it has no types
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from email_gateway.domain.dkim import KeyUnfitError, read_key, relaxed_body, relaxed_field, signed
from hypothesis import given, settings
from hypothesis import strategies as st

RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()
Key = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
MESSAGE = (
    b"From: Support <support@example.org>\r\nTo: a@example.net,\r\n b@example.net\r\nSubject:  two   words \r\n"
    b"Message-ID: <m@example.org>\r\nX-Other: not signed\r\n\r\nHello \t you \r\n\r\n.dot\r\n\r\n\r\n"
)


def pem_of(key: Key | ec.EllipticCurvePrivateKey) -> str:
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, plain).decode()


def record_of(key: Key) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(key.public_key().public_bytes_raw())
    der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(key.public_key().public_bytes(*der))


def verified(raw: bytes, key: Key) -> bool:
    asked: list[bytes] = []

    def answer(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record_of(key)

    good = bool(dkim.verify(raw, dnsfunc=answer))
    assert asked == [b"s1._domainkey.example.org."]
    return good


@pytest.mark.parametrize("key", [RSA, ED], ids=["rsa", "ed25519"])
def test_another_implementation_believes_it(key: Key) -> None:
    assert verified(signed(MESSAGE, read_key("Example.org", "s1", pem_of(key)), now_ms=1_764_100_000_000), key)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"two   words", b"two words more"),
        (b"Hello", b"Hallo"),
        (b"To: a@", b"Cc: z@example.net\r\nTo: a@"),
        (b"Message-ID: ", b"Subject: another\r\nMessage-ID: "),
        (b"From: Support", b"From: x@example.com\r\nFrom: Support"),
        (b"To: a@", b"Reply-To: z@example.net\r\nTo: a@"),
        (b".dot", b"dot"),
    ],
)
def test_what_was_changed_or_added_is_noticed(before: bytes, after: bytes) -> None:
    raw = signed(MESSAGE, read_key("example.org", "s1", pem_of(RSA)), now_ms=1_764_100_000_000)
    signature, message = raw[: -len(MESSAGE)], raw[-len(MESSAGE) :]

    assert message == MESSAGE
    assert not verified(signature + message.replace(before, after), RSA)


def test_what_servers_change_on_the_way_does_no_harm() -> None:
    raw = signed(MESSAGE, read_key("example.org", "s1", pem_of(RSA)), now_ms=1_764_100_000_000)
    changed = raw.replace(b"Hello \t you ", b"Hello  you").replace(b"Subject:  two", b"SUBJECT:\r\n  two")

    assert verified(b"Received: from here\r\n" + changed + b"\r\n", RSA)


@settings(max_examples=60, deadline=None)
@given(
    body=st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"x", b"\xc3\xa4", b"."]), max_size=30).map(b"".join),
    subject=st.text(st.sampled_from("ab \t:;="), max_size=200),
)
def test_whatever_it_says(body: bytes, subject: str) -> None:
    raw = b"From: a@example.org\r\nSubject: " + subject.encode() + b"\r\n\r\n" + body + b"\r\n"

    assert verified(signed(raw, read_key("example.org", "s1", pem_of(ED)), now_ms=1), ED)


def test_canonical_forms_are_those_of_the_standard() -> None:
    # RFC 6376, 3.4.5
    assert relaxed_field(b"A: X ") == b"a:X"
    assert relaxed_field(b"B : Y\t\r\n\tZ  ") == b"b:Y Z"
    assert relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"
    assert relaxed_body(b"") == b""


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "no key",
        pem_of(ec.generate_private_key(ec.SECP256R1())),
        pem_of(RSA).replace("PRIVATE", "PUBLIC"),
    ],
    ids=["empty", "text", "elliptic curve", "public"],
)
def test_an_unfit_key_is_told(pem: str) -> None:
    with pytest.raises(KeyUnfitError):
        read_key("example.org", "s1", pem)
