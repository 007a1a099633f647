import hashlib
import hmac

import pytest
from chat_gateway.providers import reading
from chat_gateway.providers.reading import Node
from gatewaykit.domain.provider import ITEMS_MAX, HttpReply, NotUnderstoodError, Passed
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
GETTERS = (
    reading.node_in,
    reading.node_of,
    reading.nodes_in,
    reading.texts_in,
    reading.text_in,
    reading.text_of,
    reading.id_in,
    reading.id_of,
    reading.whole_in,
    reading.whole_of,
    reading.number_in,
    reading.flag_in,
    reading.seconds_in,
    reading.milliseconds_in,
)


def sha(secret: bytes) -> str:
    return hmac.new(secret, b"body", hashlib.sha256).hexdigest()


def test_a_signature_of_either_secret_fits_and_no_other() -> None:
    secrets = ["now", "before"]

    assert reading.fits_any(sha(b"now"), secrets, sha)
    assert reading.fits_any(sha(b"before"), secrets, sha)
    assert not reading.fits_any(sha(b"never"), secrets, sha)
    assert not reading.fits_any(sha(b"now")[:-1] + "\u00e9", secrets, sha)
    assert not reading.fits_any(sha(b""), ["", *secrets], sha)
    assert not reading.fits_any(None, secrets, sha)
    assert not reading.equals_any("", ["", "now"])
    assert reading.equals_any("before", secrets)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"a"', b"\xff{}", b'{"a":NaN}', b'{"a":' + b"9" * 5000 + b"}", b'{"a":' + b"[" * 100_000],
)
def test_a_body_that_is_no_object_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstoodError):
        reading.read_object(body)

    assert reading.reply_object(HttpReply(status=200, body=body)) is None


def test_text_is_what_a_database_can_hold() -> None:
    node = reading.read_object(rb'{"a":"x\u0000y\ud83d","b":"\ud83d\ude00"}')

    assert reading.text_in(node, "a") == "xy?"
    assert reading.text_in(node, "b") == "\N{GRINNING FACE}"


def test_numbers_and_identifiers_come_as_strings_too() -> None:
    node: Node = {"a": "1504902988", "b": 7, "c": True, "d": "", "e": 2**63, "f": "\u0661", "g": -1}

    assert reading.whole_in(node, "a") == 1_504_902_988
    assert reading.seconds_in(node, "a") == 1_504_902_988_000
    assert reading.id_of(node, "b") == "7"
    for key in "cdef":
        with pytest.raises(NotUnderstoodError):
            reading.whole_in(node, key)
    for key in "cde":
        with pytest.raises(NotUnderstoodError):
            reading.id_of(node, key)
    assert reading.id_in(node, "d") is None
    with pytest.raises(NotUnderstoodError):
        reading.milliseconds_in(node, "g")


def test_a_number_is_finite() -> None:
    node = reading.read_object(b'{"a": 37.5, "b": 2, "c": 1e999, "d": true, "e": "1"}')

    assert [reading.number_in(node, key) for key in "abz"] == [37.5, 2.0, None]
    for key in "cde":
        with pytest.raises(NotUnderstoodError):
            reading.number_in(node, key)


def test_what_is_missing_or_null_is_none_or_not_understood() -> None:
    node: Node = {"a": None}

    assert [reading.text_in(node, key) for key in "ab"] == [None, None]
    assert [reading.nodes_in(node, key) for key in "ab"] == [[], []]
    assert not reading.flag_in(node, "a")
    for getter in (reading.text_of, reading.id_of, reading.whole_of, reading.node_of):
        with pytest.raises(NotUnderstoodError, match="a is missing"):
            getter(node, "a")


@given(value=JSON)
def test_no_value_surprises_a_getter(value: object) -> None:
    for getter in GETTERS:
        try:
            getter({"a": value}, "a")
        except NotUnderstoodError:
            continue


def test_a_delivery_is_bounded() -> None:
    assert len(reading.within_bound([Passed(kind="x")] * ITEMS_MAX)) == ITEMS_MAX
    with pytest.raises(NotUnderstoodError):
        reading.within_bound([Passed(kind="x")] * (ITEMS_MAX + 1))
