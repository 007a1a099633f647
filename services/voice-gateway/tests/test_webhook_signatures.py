"""Whether a request is Twilio's."""

import hashlib
from typing import Final
from urllib.parse import urlencode

import pytest
from voice_gateway.drivers.webhook.signatures import FORM, ForgedError, sign, verify

TOKEN: Final = "12345"
URL: Final = "https://mycompany.com/myapp.php?foo=1&bar=2"
FIELDS: Final = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+12349013030",
    "Digits": "1234",
    "From": "+12349013030",
    "To": "+18005551212",
}
SIGNATURE: Final = "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
"""Of the vendor's own example."""
BODY: Final = urlencode(FIELDS).encode()


def test_the_documented_example_is_believed() -> None:
    verify(URL, BODY, FORM, SIGNATURE, [TOKEN])


@pytest.mark.parametrize("tokens", [["next", TOKEN], [TOKEN, "before"]])
def test_while_a_token_is_changed_both_count(tokens: list[str]) -> None:
    verify(URL, BODY, FORM, SIGNATURE, tokens)


@pytest.mark.parametrize(
    ("url", "body", "signature"),
    [
        (URL, BODY, None),
        (URL, BODY, ""),
        (URL, BODY, SIGNATURE.replace("0", "1", 1)),
        (URL, BODY + b"&Added=1", SIGNATURE),
        (URL.replace("foo=1", "foo=2"), BODY, SIGNATURE),
        (URL, BODY, "ü" * 28),
        (URL, "ü=1".encode(), SIGNATURE),
        (URL, b"&".join(b"a=1" for _ in range(1000)), SIGNATURE),
    ],
)
def test_what_was_signed_otherwise_is_not(url: str, body: bytes, signature: str | None) -> None:
    with pytest.raises(ForgedError):
        verify(url, body, FORM, signature, [TOKEN])


def test_no_token_believes_nothing() -> None:
    with pytest.raises(ForgedError):
        verify(URL, BODY, FORM, SIGNATURE, [])


@pytest.mark.parametrize("counted", ["https://mycompany.com:443/a", "https://mycompany.com/a"])
@pytest.mark.parametrize("asked", ["https://mycompany.com:443/a", "https://mycompany.com/a"])
def test_the_port_may_be_counted_or_not(counted: str, asked: str) -> None:
    verify(asked, b"", FORM, sign(counted, TOKEN), [TOKEN])


def test_a_body_that_is_no_form_is_hashed_into_the_url() -> None:
    body = b'{"CallSid": "CA1"}'
    url = f"{URL}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    verify(url, body, "application/json", sign(url, TOKEN), [TOKEN])

    with pytest.raises(ForgedError):
        verify(url, body + b" ", "application/json", sign(url, TOKEN), [TOKEN])
    with pytest.raises(ForgedError):
        verify(URL, body, "application/json", sign(URL, TOKEN) + "x", [TOKEN])
