"""Two kinds of visitors' tokens (JWT, RFC 7519): the gateway's own for a window, and a tenant's for a known customer.

Ours is signed with a secret that only gateways hold (HS256); the tenant's with a private key of the tenant's backend
(EdDSA or ES256). Algorithms are fixed per kind; `kid`, `jku` and `jwk` in headers are never followed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import jwt
from contracts.plain_text import control_fault
from pydantic import TypeAdapter, ValidationError
from servicekit.ports import Clock

from chat_gateway.domain.records import Visit

LIFETIME_MS: Final = 3_600_000
VISIT_MS_MAX: Final = 24 * 3_600_000
"""A window may be renewed for so long after it was opened; then a stolen token is worth nothing either."""
TOKEN_BYTES_MAX: Final = 6_000
LEEWAY_MS: Final = 30_000
_ISSUER: Final = "chat-gateway"
_AUDIENCE: Final = "chat-visitor"
_VISIT: Final = TypeAdapter(Visit)

Claims = Mapping[str, Any]  # Any: claims are whatever the signer wrote; every use checks


class TokenError(Exception):
    """The visitor's token was refused: forged, expired or meant for something else. `code` says which."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class VisitTokens:
    """Issues and reads the gateway's own tokens; a replica with the same secret reads them as well."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def issue(self, visit: Visit) -> tuple[str, Visit]:
        """A token for one hour at most, and the visit with its new expiry. Raises TokenError when it is too old."""
        now_ms = self._clock.now_ms()
        expires_at_ms = min(now_ms + LIFETIME_MS, visit.opened_at_ms + VISIT_MS_MAX)
        if expires_at_ms <= now_ms:
            raise TokenError("token_expired", "the chat window has been open for too long; open a new one")
        renewed = replace(visit, expires_at_ms=expires_at_ms)
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": visit.interaction_id,
            "iat": now_ms // 1000,
            "exp": expires_at_ms // 1000,
            "visit": asdict(renewed),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256"), renewed

    def read(self, token: str) -> Visit:
        """The visit that the token stands for. Raises TokenError."""
        claims = _verified(token, [self._secret], ["HS256"], audience=_AUDIENCE, issuer=_ISSUER)
        try:
            visit = _VISIT.validate_python(claims.get("visit"))
        except ValidationError as error:
            raise TokenError("token_invalid", "the token does not describe a chat window") from error
        if visit.expires_at_ms <= self._clock.now_ms():
            raise TokenError("token_expired", "the token has expired")
        return visit


def read_identity(token: str, *, keys: Sequence[str], address: str, now_ms: int) -> str:
    """The customer's id with the tenant, as signed by the tenant's backend. Raises TokenError.

    Required: `sub`, `exp`, and `iat` or `jti`; `aud`, where given, names the channel address. `keys` are public keys
    in PEM, two while one is rotated.
    """
    if not keys:
        raise TokenError("identity_not_configured", "the channel address has no identity keys")
    claims = _verified(token, keys, ["EdDSA", "ES256"])
    subject, expires = claims.get("sub"), claims.get("exp")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 200 or control_fault(subject, has_lines=False):
        raise TokenError(
            "identity_invalid", "the identity token needs a sub of at most 200 characters, none of control"
        )
    if not isinstance(expires, int | float) or ("iat" not in claims and "jti" not in claims):
        raise TokenError("identity_invalid", "the identity token needs exp, and iat or jti")
    if expires * 1000 <= now_ms:
        raise TokenError("identity_expired", "the identity token has expired")
    if any(isinstance(claims.get(name), int | float) and claims[name] * 1000 > now_ms + LEEWAY_MS for name in _PAST):
        raise TokenError("identity_invalid", "the identity token is of the future")
    audience = claims.get("aud", address)
    if address not in (audience if isinstance(audience, list) else [audience]):
        raise TokenError("identity_invalid", "the identity token is meant for another address")
    return subject


_PAST: Final = ("iat", "nbf")


def _verified(
    token: str, keys: Sequence[str], algorithms: list[str], *, audience: str | None = None, issuer: str | None = None
) -> Claims:
    """Claims under a good signature of one of the keys; times are the caller's business, by the clock port."""
    if len(token) > TOKEN_BYTES_MAX:
        raise TokenError("token_invalid", "the token is too large")
    options: Any = {  # Any: the library's own type is closed
        "verify_exp": False,
        "verify_iat": False,
        "verify_nbf": False,
        "verify_aud": audience is not None,
    }
    for key in keys:
        try:
            return jwt.decode(token, key, algorithms=algorithms, audience=audience, issuer=issuer, options=options)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue  # another key may fit
    raise TokenError("token_invalid", "the token's signature, issuer or audience is wrong")


def attributes_fit(attributes: Mapping[str, str]) -> bool:
    """Whether a window's attributes leave the token small enough for a request header."""
    return len(json.dumps(dict(attributes)).encode()) <= 1024
