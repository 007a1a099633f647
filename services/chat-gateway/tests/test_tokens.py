"""The gateway's own tokens and the tenants' identity tokens: what is let in, and everything that is not."""

from collections.abc import Mapping
from dataclasses import replace

import jwt
import pytest
from chat_gateway.testing.samples import ADDRESS, visit
from chat_gateway.tokens import TokenError, VisitTokens, read_identity
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicekit.testing.set_clock import NOW_MS, SetClock

SECRET = "a-secret-of-thirty-two-characters"
ED = Ed25519PrivateKey.generate()
EC = generate_private_key(SECP256R1())
CLAIMS: Mapping[str, object] = {"sub": "customer-7", "iat": NOW_MS // 1000, "exp": NOW_MS // 1000 + 60}


def pem(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def identity(**changes: object) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.encode(claims, ED, algorithm="EdDSA")


def read(token: str, *keys: str, now_ms: int = NOW_MS) -> str:
    return read_identity(token, keys=keys or (pem(ED),), address=ADDRESS, now_ms=now_ms)


async def test_a_visit_survives_the_way_to_the_page_and_back() -> None:
    token, issued = VisitTokens(SECRET, SetClock()).issue(visit())

    assert VisitTokens(SECRET, SetClock()).read(token) == issued
    assert issued.expires_at_ms == NOW_MS + 3_600_000


async def test_a_renewed_token_lives_longer_but_never_past_a_day_after_the_opening() -> None:
    later = SetClock(NOW_MS + 23 * 3_600_000 + 1_800_000)
    _, renewed = VisitTokens(SECRET, later).issue(visit())

    assert renewed.expires_at_ms == NOW_MS + 24 * 3_600_000
    with pytest.raises(TokenError, match="too long"):
        VisitTokens(SECRET, SetClock(NOW_MS + 24 * 3_600_000)).issue(visit())


async def test_expired_forged_and_foreign_tokens_are_refused() -> None:
    token, issued = VisitTokens(SECRET, SetClock()).issue(visit())
    tokens = VisitTokens(SECRET, SetClock())
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = [
        "",
        "x" * 7000,
        token[:-4] + "AAAA",
        jwt.encode(claims, "another-secret-of-thirty-two-char", algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode({**claims, "aud": "centralino"}, SECRET, algorithm="HS256"),
        jwt.encode({**claims, "iss": "router"}, SECRET, algorithm="HS256"),
        jwt.encode({**claims, "visit": {"tenant_id": "acme"}}, SECRET, algorithm="HS256"),
        identity(),
    ]
    for each in forged:
        with pytest.raises(TokenError) as refused:
            tokens.read(each)
        assert refused.value.code == "token_invalid"
    with pytest.raises(TokenError) as late:
        VisitTokens(SECRET, SetClock(issued.expires_at_ms)).read(token)
    assert late.value.code == "token_expired"


def test_an_identity_is_read_under_either_of_two_keys_and_either_algorithm() -> None:
    signed_by_second = jwt.encode(dict(CLAIMS), EC, algorithm="ES256")

    assert read(identity()) == "customer-7"
    assert read(signed_by_second, pem(ED), pem(EC)) == "customer-7"
    assert read(identity(iat=None, jti="once")) == "customer-7"
    assert read(identity(aud=[ADDRESS])) == "customer-7"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": NOW_MS // 1000}, "identity_expired"),
        ({"exp": None}, "identity_invalid"),
        ({"iat": None}, "identity_invalid"),
        ({"iat": NOW_MS // 1000 + 3600}, "identity_invalid"),
        ({"nbf": NOW_MS // 1000 + 3600}, "identity_invalid"),
        ({"sub": None}, "identity_invalid"),
        ({"sub": "x" * 201}, "identity_invalid"),
        ({"sub": "customer\x00"}, "identity_invalid"),
        ({"aud": "webchat:other"}, "identity_invalid"),
    ],
)
def test_an_identity_with_a_wrong_claim_is_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(TokenError) as refused:
        read(identity(**changes))

    assert refused.value.code == code


def test_an_identity_under_a_foreign_key_or_a_weak_algorithm_is_refused() -> None:
    foreign = jwt.encode(dict(CLAIMS), Ed25519PrivateKey.generate(), algorithm="EdDSA")
    none = jwt.encode(dict(CLAIMS), "", algorithm="none")
    symmetric = jwt.encode(dict(CLAIMS), SECRET, algorithm="HS256")
    for token in (foreign, none, symmetric, "", "a.b.c"):
        with pytest.raises(TokenError):
            read(token)


def test_an_address_without_keys_knows_nobody() -> None:
    with pytest.raises(TokenError) as refused:
        read_identity(identity(), keys=(), address=ADDRESS, now_ms=NOW_MS)

    assert refused.value.code == "identity_not_configured"


async def test_a_token_names_its_own_interaction_only() -> None:
    tokens = VisitTokens(SECRET, SetClock())
    token, _ = tokens.issue(replace(visit(), interaction_id="i7"))

    assert tokens.read(token).interaction_id == "i7"
