"""Access tokens: who calls, for which tenant, in which roles.

JWTs by RFC 9068 (`typ: at+jwt`) with fixed asymmetric algorithms; RFC 8725 says what to distrust: the key is chosen by
`kid` from our own set, and the algorithm by the key, never by what a token brings along (`jwk`, `jku`, `x5u`).
"""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Final, Literal, Protocol, cast, get_args
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, build_opener
from urllib.request import Request as HttpRequest

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from starlette.requests import Request
from typing_extensions import override

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.problems import ProblemError
from servicekit.store import TENANT_PATTERN
from servicekit.telemetry import log

LOG: Final = log("auth")

Role = Literal["agent", "supervisor", "admin", "integrator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

ALGORITHMS: Final = ("ES256", "EdDSA", "RS256")
TOKEN_BYTES_MAX: Final = 8192
JWKS_BYTES_MAX: Final = 262_144
JWKS_TIMEOUT_SECONDS: Final = 5
RSA_BITS_MIN: Final = 2048
LEEWAY_SECONDS: Final = 30
REFRESH_SECONDS: Final = 600
UNKNOWN_KEY_REFRESH_SECONDS: Final = 30
REMEMBERED_MAX: Final = 4096

_SUBJECT: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever makes a request, as a verified token or API key says."""

    subject: str
    tenant_id: str
    roles: frozenset[Role]
    expires_at_ms: int
    name: str | None = None


class TokenRefusedError(Exception):
    """The access token is not good; `code` says which check failed, for the caller's developer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class KeysAwayError(RetryLaterError):
    """The key set of the token issuer cannot be read, and none was read before."""


class NotKeysError(ValueError):
    """What the issuer serves as its key set is no JWK set."""


class JwksSource(Protocol):
    """Where the issuer's public keys come from."""

    async def __call__(self) -> bytes:
        """The JWK set (RFC 7517). Raises OSError or TimeoutError."""
        ...


@dataclass(frozen=True, slots=True)
class _Times:
    """When a token is good, in seconds since the epoch."""

    since: float
    until: float


class TokenVerifier:
    """Verifies access tokens. Keys are read again after ten minutes, for an unknown `kid` at most twice a minute.

    What a signature proves is remembered by the token's digest until the keys are read again, so that a withdrawn key's
    tokens are forgotten with it: checking a signature costs more than all else that a small request needs. Times are
    checked each time. The oldest of REMEMBERED_MAX gives way.
    """

    def __init__(self, source: JwksSource, *, issuer: str, audience: str, clock: Clock) -> None:
        self._source = source
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._asked_at_ms: int | None = None
        self._one_reader = asyncio.Lock()
        self._remembered: OrderedDict[bytes, tuple[Principal, _Times]] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """The principal of a good token. Raises TokenRefusedError, or KeysAwayError when no key can be had."""
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenRefusedError("token_too_large")
        digest = sha256(token.encode()).digest()
        known = None if self._is_old(REFRESH_SECONDS) else self._remembered.get(digest)
        if known is None:
            # Nothing is awaited between the choice of the key and this entry: new keys cannot come between them.
            claims = self._proven(token, await self._key(_header(token)))
            known = self._remembered[digest] = (_principal(claims), _times(claims))
            if len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        principal, times = known
        self._check(times)
        return principal

    def _proven(self, token: str, key: jwt.PyJWK) -> Mapping[str, object]:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                # Times are checked below, by our own clock.
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError as error:
            raise TokenRefusedError("wrong_audience") from error
        except jwt.InvalidIssuerError as error:
            raise TokenRefusedError("wrong_issuer") from error
        except jwt.MissingRequiredClaimError as error:
            raise TokenRefusedError("claim_missing") from error
        except jwt.PyJWTError as error:
            raise TokenRefusedError("token_invalid") from error
        return cast(Mapping[str, object], claims)  # a JSON object

    def _check(self, times: _Times) -> None:
        now, leeway = self._clock.now_ms() / 1000, LEEWAY_SECONDS
        if times.until <= now - leeway:
            raise TokenRefusedError("token_expired")
        if times.since > now + leeway:
            raise TokenRefusedError("token_not_yet_valid")

    async def _key(self, header: Mapping[str, object]) -> jwt.PyJWK:
        kid, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(kid, str):
            raise TokenRefusedError("unknown_key")
        if self._is_old(REFRESH_SECONDS) or (kid not in self._keys and self._is_old(UNKNOWN_KEY_REFRESH_SECONDS)):
            await self._refresh()
        elif kid not in self._keys:
            async with self._one_reader:
                pass  # a read that was under way may have brought it
        key = self._keys.get(kid)
        if key is None:
            if not self._keys:
                raise KeysAwayError("no keys")
            raise TokenRefusedError("unknown_key")
        if algorithm != key.algorithm_name:
            raise TokenRefusedError("wrong_algorithm")
        return key

    def _is_old(self, age_seconds: int) -> bool:
        # A clock that was set back counts as age, so that keys never stay for ever.
        return self._asked_at_ms is None or abs(self._clock.now_ms() - self._asked_at_ms) >= age_seconds * 1000

    async def _refresh(self) -> None:
        asked_at_ms = self._asked_at_ms
        async with self._one_reader:
            if self._asked_at_ms != asked_at_ms:
                return  # somebody else asked meanwhile
            self._asked_at_ms = self._clock.now_ms()
            try:
                async with asyncio.timeout(JWKS_TIMEOUT_SECONDS):
                    self._keys = read_keys(await self._source())
                    self._remembered.clear()
            except (OSError, TimeoutError, ValueError) as error:
                # Known keys stay good while the issuer is away; without any, `_key` answers "away".
                LOG.warning("keys_not_read", extra={"error": type(error).__name__, "keys_kept": len(self._keys)})


def require(*roles: Role) -> Callable[[Request], Awaitable[Principal]]:
    """A FastAPI dependency: the caller's principal, who has one of the roles; else 401 or 403."""

    async def principal(request: Request) -> Principal:
        found = await bearer(request)
        if not found.roles.intersection(roles):
            raise ProblemError(403, "role_missing", f"This needs the role {' or '.join(roles)}.")
        return found

    return principal


async def bearer(request: Request) -> Principal:
    """The principal of the request's bearer token (RFC 6750). Raises ProblemError 401."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        problem = ProblemError(401, "token_missing", "Send an access token: Authorization: Bearer <token>.")
        raise problem.with_headers(www_authenticate="Bearer")
    try:
        return await cast(TokenVerifier, request.app.state.verifier).verify(token.strip())  # set by create_app
    except TokenRefusedError as error:
        problem = ProblemError(401, error.code, "The access token was refused.")
        raise problem.with_headers(www_authenticate='Bearer error="invalid_token"') from error


def jwks_source(url: str) -> JwksSource:
    """Reads an http(s): or file: URL, without following redirects and at most 256 KiB."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "file"):
        raise ValueError("the URL of the key set must begin with https:, http: or file:")

    opener = build_opener(_NoRedirects)

    def read() -> bytes:
        if parts.scheme == "file":
            return Path(unquote(parts.path)).read_bytes()
        request = HttpRequest(url, headers={"accept": "application/json"})  # noqa: S310 - the scheme is checked above
        with opener.open(request, timeout=JWKS_TIMEOUT_SECONDS) as response:
            return cast(bytes, response.read(JWKS_BYTES_MAX))

    async def source() -> bytes:
        return await asyncio.to_thread(read)

    return source


class _NoRedirects(HTTPRedirectHandler):
    """A redirect could lead the question for keys from https: to http:; it is an HTTPError, which is an OSError."""

    @override
    def redirect_request(self, *_: object) -> None:
        return None


def read_keys(document: bytes) -> Mapping[str, jwt.PyJWK]:
    """The usable signing keys of a JWK set by `kid`: EC P-256, Ed25519 and RSA from 2048 bits; others are left out.

    Raises NotKeysError, or ValueError where it is not even JSON.
    """
    parsed = json.loads(document)
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise NotKeysError(type(entries).__name__)
    keys: dict[str, jwt.PyJWK] = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        try:
            key = jwt.PyJWK(entry)
        except jwt.PyJWTError:
            continue
        weak = isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_BITS_MIN
        if key.algorithm_name in ALGORITHMS and not weak:
            keys[entry["kid"]] = key
    return keys


def _header(token: str) -> Mapping[str, object]:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise TokenRefusedError("token_malformed") from error
    if "crit" in header or "b64" in header:
        raise TokenRefusedError("unknown_critical_header")
    if str(header.get("typ", "")).lower().removeprefix("application/") != "at+jwt":
        raise TokenRefusedError("wrong_type")
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefusedError("wrong_algorithm")
    return header


def _times(claims: Mapping[str, object]) -> _Times:
    since = [_seconds(claims, name) for name in ("iat", "nbf") if name in claims]
    return _Times(max(since), _seconds(claims, "exp"))


def _seconds(claims: Mapping[str, object], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise TokenRefusedError("claim_malformed")
    return value


def _principal(claims: Mapping[str, object]) -> Principal:
    subject, tenant, roles, name = (claims.get(claim) for claim in ("sub", "tenant", "roles", "name"))
    if not isinstance(tenant, str) or not re.fullmatch(TENANT_PATTERN, tenant):
        raise TokenRefusedError("tenant_missing")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise TokenRefusedError("claim_malformed")
    known = frozenset(role for role in roles if role in ROLES) if isinstance(roles, list) else frozenset()
    if not known:
        raise TokenRefusedError("roles_missing")
    return Principal(
        subject=subject,
        tenant_id=tenant,
        roles=known,
        expires_at_ms=round(_seconds(claims, "exp") * 1000),
        name=name[:120] if isinstance(name, str) else None,
    )
