"""Signing on the integrator's side, by the published example and against the gateway's own."""

from base64 import b64encode

import pytest
from centralino.open_channel.signing import SecretError, fault, signed
from chat_gateway.providers import standard_webhooks
from hypothesis import given
from hypothesis import strategies as st

# Of the specification's own libraries (libraries/python/tests/test_webhooks.py).
SECRET, ID, SECONDS = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": ID,
    "webhook-timestamp": str(SECONDS),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
OTHER = "whsec_" + b64encode(bytes(32)).decode()


def test_the_published_example() -> None:
    assert signed(SECRET, ID, BODY, at_seconds=SECONDS) == HEADERS
    for late in (-300, 0, 300):
        assert fault(SECRET, HEADERS, BODY, now_seconds=SECONDS + late) == ""


@pytest.mark.parametrize(
    ("headers", "secret", "body", "late", "why"),
    [
        ({}, SECRET, BODY, 301, "more than 300 seconds apart"),
        ({}, SECRET, BODY, -301, "more than 300 seconds apart"),
        ({}, OTHER, BODY, 0, "no signature fits"),
        ({}, SECRET, BODY + b" ", 0, "no signature fits"),
        ({"webhook-id": "x"}, SECRET, BODY, 0, "no signature fits"),
        ({"webhook-timestamp": "1"}, SECRET, BODY, 0, "no signature fits"),
        ({"webhook-signature": HEADERS["webhook-signature"][3:]}, SECRET, BODY, 0, "no signature fits"),
        ({"webhook-signature": ""}, SECRET, BODY, 0, "webhook-signature missing"),
        ({"webhook-id": "", "webhook-timestamp": ""}, SECRET, BODY, 0, "webhook-id and webhook-timestamp missing"),
    ],
)
def test_what_is_not_to_be_believed_says_why(
    headers: dict[str, str], secret: str, body: bytes, late: int, why: str
) -> None:
    assert why in fault(secret, {**HEADERS, **headers}, body, now_seconds=SECONDS + late)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%", "secret", SECRET.removeprefix("whsec_")])
def test_a_secret_that_is_none_is_told(secret: str) -> None:
    with pytest.raises(SecretError):
        signed(secret, ID, BODY, at_seconds=SECONDS)


@given(st.binary(max_size=100), st.integers(0, 10**10))
def test_both_sides_understand_each_other(body: bytes, seconds: int) -> None:
    ours = standard_webhooks.headers_of(ID, body, [OTHER, SECRET], at_ms=seconds * 1000)
    theirs = signed(SECRET, ID, body, at_seconds=seconds)

    assert fault(SECRET, ours, body, now_seconds=seconds) == ""
    assert fault(OTHER, ours, body, now_seconds=seconds) == ""
    assert standard_webhooks.verify(theirs, body, [OTHER, SECRET], now_ms=seconds * 1000) == ID
