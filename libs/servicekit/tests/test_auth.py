"""Access tokens: the good one, and everything that must be refused (reliability: RFC 8725, RFC 9068)."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from servicekit.auth import (
    REMEMBERED_MAX,
    KeysAwayError,
    Principal,
    TokenRefusedError,
    TokenVerifier,
    jwks_source,
    read_keys,
)
from servicekit.http_server import Receive, Send, http_server
from servicekit.testing.set_clock import NOW_MS, SetClock
from servicekit.testing.tokens import TokenIssuer
from typing_extensions import override

NOW = NOW_MS // 1000
ISSUER = TokenIssuer.generate()
CLAIMS: Mapping[str, object] = {
    "iss": "centralino",
    "aud": "centralino",
    "sub": "a-1",
    "tenant": "acme",
    "roles": ["agent"],
    "iat": NOW,
    "exp": NOW + 600,
}


class Keys:
    """A key set that can change or be away."""

    def __init__(self, *issuers: TokenIssuer) -> None:
        self.entries = [entry for issuer in issuers for entry in entries_of(issuer)]
        self.reads = 0
        self.away = False

    async def __call__(self) -> bytes:
        self.reads += 1
        if self.away:
            raise OSError("away")
        return json.dumps({"keys": self.entries}).encode()


class Counting(TokenVerifier):
    """Knows how many signatures it checked."""

    proven = 0

    @override
    def _proven(self, token: str, key: jwt.PyJWK) -> Mapping[str, object]:
        self.proven += 1
        return super()._proven(token, key)


def entries_of(issuer: TokenIssuer) -> list[object]:
    keys = issuer.jwks()["keys"]
    assert isinstance(keys, list)
    return keys


def verifier_of(keys: Keys, clock: SetClock | None = None) -> TokenVerifier:
    return TokenVerifier(keys, issuer="centralino", audience="centralino", clock=clock or SetClock())


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(header: Mapping[str, object], claims: Mapping[str, object] = CLAIMS) -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"


def hmac_with_public_key() -> str:
    """The confusion of RS256 with HS256: our public key, which everybody knows, as the secret."""
    public = ISSUER.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = unsigned({"alg": "HS256", "typ": "at+jwt", "kid": ISSUER.key_id})
    return f"{signed}.{b64(hmac.new(public, signed.encode(), hashlib.sha256).digest())}"


def with_own_key_inside() -> str:
    stranger = TokenIssuer.generate()
    header = {"typ": "at+jwt", "kid": ISSUER.key_id, "jwk": entries_of(stranger)[0]}
    return jwt.encode(dict(CLAIMS), stranger.key, algorithm="ES256", headers=header)


def changed_payload() -> str:
    header, _, signature = ISSUER.sign(CLAIMS).split(".")
    return f"{header}.{b64(json.dumps({**CLAIMS, 'roles': ['admin']}).encode())}.{signature}"


async def test_a_good_token_names_the_principal() -> None:
    token = ISSUER.token(subject="a-1", tenant_id="acme", roles=["agent", "admin"], now_ms=NOW_MS, name="Ada")

    principal = await verifier_of(Keys(ISSUER)).verify(token)

    assert principal == Principal(
        subject="a-1",
        tenant_id="acme",
        roles=frozenset({"agent", "admin"}),
        expires_at_ms=NOW_MS + 3_600_000,
        name="Ada",
    )


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "another"}, "wrong_audience"),
        ({"iss": "another"}, "wrong_issuer"),
        ({"exp": NOW - 31}, "token_expired"),
        ({"nbf": NOW + 60}, "token_not_yet_valid"),
        ({"iat": NOW + 60}, "token_not_yet_valid"),
        ({"exp": "tomorrow"}, "claim_malformed"),
        ({"exp": True}, "claim_malformed"),
        ({"exp": None}, "claim_missing"),
        ({"iat": None}, "claim_missing"),
        ({"iss": None}, "claim_missing"),
        ({"aud": None}, "claim_missing"),
        ({"sub": None}, "claim_missing"),
        ({"sub": "a 1"}, "claim_malformed"),
        ({"tenant": None}, "tenant_missing"),
        ({"tenant": "*"}, "tenant_missing"),
        ({"tenant": "acme\n"}, "tenant_missing"),
        ({"tenant": ["acme"]}, "tenant_missing"),
        ({"roles": None}, "roles_missing"),
        ({"roles": []}, "roles_missing"),
        ({"roles": "admin"}, "roles_missing"),
        ({"roles": ["owner"]}, "roles_missing"),
        ({"roles": [["agent"]]}, "roles_missing"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(claims: dict[str, object], code: str) -> None:
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}

    with pytest.raises(TokenRefusedError) as refused:
        await verifier_of(Keys(ISSUER)).verify(ISSUER.sign(merged))

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "token_malformed"),
        ("a.b.c", "token_malformed"),
        (f"{unsigned({'alg': 'none', 'typ': 'at+jwt', 'kid': ISSUER.key_id})}.", "wrong_algorithm"),
        (hmac_with_public_key(), "wrong_algorithm"),
        (ISSUER.sign(CLAIMS, typ="JWT"), "wrong_type"),
        (ISSUER.sign(CLAIMS, kid="another"), "unknown_key"),
        (f"{unsigned({'alg': 'ES256', 'typ': 'at+jwt'})}.AA", "unknown_key"),
        (f"{unsigned({'alg': 'RS256', 'typ': 'at+jwt', 'kid': ISSUER.key_id})}.AA", "wrong_algorithm"),
        (f"{unsigned({'alg': 'ES256', 'typ': 'at+jwt', 'kid': ISSUER.key_id, 'crit': ['x']})}.AA", "token_malformed"),
        (f"{unsigned({'alg': 'ES256', 'typ': 'at+jwt', 'kid': ISSUER.key_id, 'b64': False})}.AA", "token_malformed"),
        (with_own_key_inside(), "token_invalid"),
        (changed_payload(), "token_invalid"),
        (ISSUER.sign({**CLAIMS, "name": "x" * 9000}), "token_too_large"),
    ],
)
async def test_a_forged_token_is_refused(token: str, code: str) -> None:
    with pytest.raises(TokenRefusedError) as refused:
        await verifier_of(Keys(ISSUER)).verify(token)

    assert refused.value.code in (code, "unknown_critical_header")


async def test_a_public_rsa_key_is_no_hmac_secret_and_a_weak_one_is_left_out() -> None:
    strong, weak = (
        {**json.loads(RSAAlgorithm.to_jwk(generate_private_key(65537, bits).public_key())), "kid": str(bits)}
        for bits in (2048, 1024)
    )
    document = {"keys": [strong, weak, {"kty": "oct", "k": "AAAA", "kid": "oct"}, {"kid": "bare"}, "no key"]}

    keys = read_keys(json.dumps(document).encode())

    assert {kid: key.algorithm_name for kid, key in keys.items()} == {"2048": "RS256"}


async def test_ed25519_and_rsa_tokens_are_good() -> None:
    edwards, rsa = Ed25519PrivateKey.generate(), generate_private_key(65537, 2048)
    keys = Keys()
    keys.entries = [
        {**json.loads(OKPAlgorithm.to_jwk(edwards.public_key())), "kid": "ed"},
        {**json.loads(RSAAlgorithm.to_jwk(rsa.public_key())), "kid": "rsa"},
    ]
    verifier = verifier_of(keys)
    tokens = [
        jwt.encode(dict(CLAIMS), edwards, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": "ed"}),
        jwt.encode(dict(CLAIMS), rsa, algorithm="RS256", headers={"typ": "application/at+jwt", "kid": "rsa"}),
    ]

    subjects = [(await verifier.verify(token)).subject for token in tokens]

    assert subjects == ["a-1", "a-1"]


async def test_a_rotated_key_is_found_and_an_unknown_one_does_not_flood_the_issuer() -> None:
    keys, clock, next_issuer = Keys(ISSUER), SetClock(), TokenIssuer.generate()
    verifier = verifier_of(keys, clock)
    await verifier.verify(ISSUER.sign(CLAIMS))
    for _ in range(5):
        with pytest.raises(TokenRefusedError, match="unknown_key"):
            await verifier.verify(next_issuer.sign(CLAIMS))
    reads_before = keys.reads
    keys.entries += entries_of(next_issuer)
    await clock.sleep(31)

    await verifier.verify(next_issuer.sign(CLAIMS))

    assert (reads_before, keys.reads) == (1, 2)


async def test_a_withdrawn_key_is_forgotten_and_an_issuer_away_is_not_missed() -> None:
    keys, clock = Keys(ISSUER), SetClock()
    verifier = verifier_of(keys, clock)
    long_lived = ISSUER.sign({**CLAIMS, "exp": NOW + 86_400})
    await verifier.verify(long_lived)
    keys.away = True
    await clock.sleep(601)
    await verifier.verify(long_lived)
    keys.away, keys.entries = False, entries_of(TokenIssuer.generate())
    await clock.sleep(601)

    with pytest.raises(TokenRefusedError, match="unknown_key"):
        await verifier.verify(long_lived)


async def test_a_token_that_was_good_is_refused_once_it_has_expired() -> None:
    clock = SetClock()
    verifier = verifier_of(Keys(ISSUER), clock)
    token = ISSUER.sign({**CLAIMS, "exp": NOW + 60})
    first, again = await verifier.verify(token), await verifier.verify(token)
    await clock.sleep(91)

    assert first == again
    with pytest.raises(TokenRefusedError, match="token_expired"):
        await verifier.verify(token)


async def test_a_token_that_was_good_is_refused_when_its_key_was_withdrawn_for_another_s_sake() -> None:
    keys, clock = Keys(ISSUER), SetClock()
    verifier, token, new = verifier_of(keys, clock), ISSUER.sign(CLAIMS), TokenIssuer.generate()
    await verifier.verify(token)
    keys.entries = entries_of(new)
    await clock.sleep(31)
    await verifier.verify(new.sign(CLAIMS))  # an unknown key: the set is read before its ten minutes are over

    with pytest.raises(TokenRefusedError, match="unknown_key"):
        await verifier.verify(token)


async def test_a_token_is_remembered_for_itself_alone() -> None:
    verifier = verifier_of(Keys(ISSUER))
    token = ISSUER.sign(CLAIMS)
    await verifier.verify(token)
    forged = [changed_payload(), f"{token.rpartition('.')[0]}.{b64(bytes(64))}", token.rpartition(".")[0] + "."]
    other = await verifier.verify(ISSUER.sign({**CLAIMS, "tenant": "other"}))

    assert other.tenant_id == "other"
    for text in forged:
        with pytest.raises(TokenRefusedError, match="token_invalid"):
            await verifier.verify(text)


async def test_of_the_remembered_tokens_the_oldest_gives_way() -> None:
    verifier = Counting(Keys(ISSUER), issuer="centralino", audience="centralino", clock=SetClock())
    first, *_, last = tokens = [ISSUER.sign({**CLAIMS, "sub": f"a-{number}"}) for number in range(REMEMBERED_MAX + 1)]
    for token in tokens:
        await verifier.verify(token)
    verifier.proven = 0

    await verifier.verify(last)
    proven_of_last = verifier.proven
    await verifier.verify(first)

    assert (proven_of_last, verifier.proven) == (0, 1)


async def test_without_any_key_the_answer_is_later_not_never() -> None:
    keys, clock = Keys(ISSUER), SetClock()
    keys.away = True
    verifier = verifier_of(keys, clock)
    with pytest.raises(KeysAwayError):
        await verifier.verify(ISSUER.sign(CLAIMS))

    keys.away = False
    await clock.sleep(31)

    assert (await verifier.verify(ISSUER.sign(CLAIMS))).tenant_id == "acme"


async def test_tokens_that_come_while_the_first_keys_are_read_wait_for_them() -> None:
    keys, answer = Keys(ISSUER), asyncio.Event()

    async def slow() -> bytes:
        await answer.wait()
        return await keys()

    verifier = TokenVerifier(slow, issuer="centralino", audience="centralino", clock=SetClock())
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        asked = [group.create_task(verifier.verify(ISSUER.sign(CLAIMS))) for _ in range(3)]
        await asyncio.sleep(0)
        answer.set()

    assert [each.result().tenant_id for each in asked] == ["acme"] * 3
    assert keys.reads == 1


async def test_keys_are_read_from_a_file_and_from_no_other_scheme(tmp_path: Path) -> None:
    path = tmp_path / "key set.json"
    path.write_text(json.dumps(ISSUER.jwks()))
    pem = tmp_path / "key.pem"
    ISSUER.save(pem)

    document = await jwks_source(path.as_uri())()

    assert list(read_keys(document)) == [TokenIssuer.load(pem).key_id]
    assert pem.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="must begin with"):
        jwks_source("ftp://example.org/keys")


async def test_keys_are_read_where_the_url_says_and_nowhere_else() -> None:
    async def app(scope: MutableMapping[str, Any], _: Receive, send: Send) -> None:
        moved = scope["path"] == "/moved"
        headers = [(b"location", b"/keys")] if moved else []
        await send({"type": "http.response.start", "status": 302 if moved else 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(ISSUER.jwks()).encode()})

    async with http_server(app, "127.0.0.1", 0, drain_seconds=1) as url:
        document = await jwks_source(f"{url}/keys")()
        with pytest.raises(OSError, match="302"):
            await jwks_source(f"{url}/moved")()

    assert json.loads(document) == ISSUER.jwks()


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": 1}'])
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_keys(document)
