from base64 import b64encode

import pytest
from chat_gateway.providers.standard_webhooks import headers_of, key_of, signature, verify
from gatewaykit.domain.provider import ForgedError, StaleError
from hypothesis import given
from hypothesis import strategies as st

# Published in the tests of the specification's own libraries (libraries/python/tests/test_webhooks.py, `sign`).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, SECONDS, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
PUBLISHED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + b64encode(bytes(range(32))).decode()
NOW_MS = SECONDS * 1000
HEADERS = {"webhook-id": ID, "webhook-timestamp": str(SECONDS), "webhook-signature": PUBLISHED}


def checked(*secrets: str, body: bytes = BODY, now_ms: int = NOW_MS, **changed: str) -> str:
    headers = HEADERS | {f"webhook-{name}": value for name, value in changed.items()}
    return verify(headers, body, secrets or (SECRET,), now_ms=now_ms)


def test_the_published_example_is_what_we_sign_and_verify() -> None:
    assert headers_of(ID, BODY, [SECRET], at_ms=NOW_MS + 999) == HEADERS
    assert checked() == ID


def test_while_a_secret_is_rotated_both_sign_and_both_are_believed() -> None:
    both = headers_of(ID, BODY, [OTHER, SECRET], at_ms=NOW_MS)

    assert both["webhook-signature"].split(" ")[1] == PUBLISHED
    for secret in (SECRET, OTHER):
        assert verify(both, BODY, [secret], now_ms=NOW_MS) == ID
    assert checked(OTHER, SECRET) == ID


@pytest.mark.parametrize(
    "given_",
    [
        f"v1,{b64encode(bytes(32)).decode()} {PUBLISHED}",
        f"v1a,{b64encode(bytes(64)).decode()} v2 nonsense {PUBLISHED} v1,",
    ],
)
def test_one_signature_of_several_is_enough(given_: str) -> None:
    assert checked(signature=given_) == ID


@pytest.mark.parametrize(
    "given_",
    [
        "",
        "v1",
        "v1,",
        PUBLISHED.removeprefix("v1,"),
        PUBLISHED.replace("v1,", "v2,"),
        PUBLISHED.replace("v1,", "v1a,"),
        PUBLISHED.rstrip("="),
        PUBLISHED.replace("OE=", "OA="),
        PUBLISHED.replace(",", ", "),
        PUBLISHED.upper(),
        f"{PUBLISHED},",
        "v1,ü",
        " ".join(["v1,x"] * 10 + [PUBLISHED]),
    ],
)
def test_another_signature_is_forged(given_: str) -> None:
    with pytest.raises(ForgedError):
        checked(signature=given_)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", ""),
        ("id", ID + "x"),
        ("id", f"{ID}.{SECONDS}"),
        ("id", "with space"),
        ("id", "ümlaut"),
        ("id", "x" * 201),
        ("timestamp", ""),
        ("timestamp", str(SECONDS + 1)),
        ("timestamp", f"{SECONDS}.0"),
        ("timestamp", f"+{SECONDS}"),
        ("timestamp", f" {SECONDS}"),
        ("timestamp", "١٦١٤٢٦٥٣٣٠"),
        ("timestamp", "9" * 5000),
        ("timestamp", "hello"),
    ],
)
def test_what_is_signed_beside_the_body_cannot_be_changed(name: str, value: str) -> None:
    with pytest.raises(ForgedError):
        verify({**HEADERS, f"webhook-{name}": value}, BODY, [SECRET], now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "with space"),
        ("id", "\u00fcmlaut"),
        ("id", "x" * 201),
        ("timestamp", f"{SECONDS}.0"),
        ("timestamp", f"+{SECONDS}"),
        ("timestamp", "\u0661\u0666\u0661\u0664\u0662\u0666\u0665\u0663\u0663\u0660"),
        ("timestamp", "9" * 13),
        ("timestamp", "soon"),
    ],
)
def test_not_even_a_right_signature_makes_them_good(name: str, value: str) -> None:
    headers = {**HEADERS, f"webhook-{name}": value}
    right = signature(key_of(SECRET), headers["webhook-id"], headers["webhook-timestamp"], BODY)
    with pytest.raises(ForgedError):
        verify({**headers, "webhook-signature": right}, BODY, [SECRET], now_ms=NOW_MS)


@pytest.mark.parametrize("name", HEADERS)
def test_every_header_is_needed(name: str) -> None:
    with pytest.raises(ForgedError):
        verify({key: value for key, value in HEADERS.items() if key != name}, BODY, [SECRET], now_ms=NOW_MS)


@pytest.mark.parametrize("body", [BODY + b" ", BODY[:-1], b"", b'{"test":2432232314}', b"\xff" + BODY])
def test_a_tampered_body_is_forged(body: bytes) -> None:
    with pytest.raises(ForgedError):
        checked(body=body)


def test_parts_cannot_be_moved_over_the_full_stops() -> None:
    """`a.1` at 2 and `a` at 1 would have the same bytes signed."""
    key = key_of(SECRET)
    moved = signature(key, "a.1", "2", b"{}")

    assert moved == signature(key, "a", "1", b"2.{}")
    with pytest.raises(ForgedError):
        checked(id="a.1", timestamp="2", signature=moved, body=b"{}", now_ms=2000)


@pytest.mark.parametrize("late_ms", [-300_000, -1, 0, 300_000])
def test_five_minutes_either_way_are_believed(late_ms: int) -> None:
    assert checked(now_ms=NOW_MS + late_ms) == ID


@pytest.mark.parametrize("late_ms", [-300_001, 300_001, 86_400_000, -NOW_MS])
def test_beyond_them_it_is_stale_if_it_was_signed_at_all(late_ms: int) -> None:
    with pytest.raises(StaleError):
        checked(now_ms=NOW_MS + late_ms)
    with pytest.raises(ForgedError):
        checked(now_ms=NOW_MS + late_ms, signature="v1,AAAA")


TOO_LONG = "whsec_" + b64encode(bytes(65)).decode()
NO_SECRETS = [
    "",
    TOO_LONG,
    "whsec_",
    SECRET.removeprefix("whsec_"),
    SECRET[:-4],
    "whsec_ü",
    "whsec_%%%%" * 8,
    SECRET + "\n=",
]


@pytest.mark.parametrize("secret", NO_SECRETS)
def test_a_secret_that_is_none_signs_nothing_and_fits_nothing(secret: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - binascii.Error too
        headers_of(ID, BODY, [secret], at_ms=NOW_MS)
    for given_ in ("", "v1,", PUBLISHED):
        with pytest.raises(ForgedError):
            checked(secret, signature=given_)
    with pytest.raises(ForgedError):
        verify(HEADERS, BODY, (), now_ms=NOW_MS)


headers = st.dictionaries(st.sampled_from([*HEADERS]), st.text(max_size=60) | st.sampled_from([*HEADERS.values()]))


@given(headers, st.binary(max_size=30), st.lists(st.text(max_size=50), max_size=2))
def test_nothing_else_comes_of_nonsense(told: dict[str, str], body: bytes, secrets: list[str]) -> None:
    with pytest.raises(ForgedError):
        verify(told, body, secrets, now_ms=NOW_MS)


@given(st.text("abc-_:/", min_size=1), st.binary(max_size=50), st.integers(0, 10**14))
def test_what_we_sign_we_verify(webhook_id: str, body: bytes, at_ms: int) -> None:
    assert verify(headers_of(webhook_id, body, [OTHER], at_ms=at_ms), body, [OTHER], now_ms=at_ms) == webhook_id
