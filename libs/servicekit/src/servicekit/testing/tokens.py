"""Makes access tokens, for tests and for `centralino up` on the developer's own machine; never for production."""

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

from servicekit.auth import Role


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """A key pair (EC P-256) and what it signs."""

    key: EllipticCurvePrivateKey

    @classmethod
    def generate(cls) -> Self:
        """A new key pair."""
        return cls(generate_private_key(SECP256R1()))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key pair of a PEM file."""
        key = load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise TypeError(f"{path} holds no EC key")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the private key as PEM, readable by its owner only."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)

    @property
    def key_id(self) -> str:
        """Derived from the public key."""
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(public).hexdigest()[:16]

    def jwks(self) -> dict[str, object]:
        """The JWK set that verifies its tokens."""
        public = json.loads(ECAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": self.key_id, "use": "sig", "alg": "ES256"}]}

    def token(
        self,
        *,
        subject: str,
        tenant_id: str,
        roles: Collection[Role],
        now_ms: int,
        name: str | None = None,
        lifetime_seconds: int = 3600,
        issuer: str = "centralino",
        audience: str = "centralino",
    ) -> str:
        """An access token that is good from now on."""
        now = now_ms // 1000
        claims: dict[str, object] = {
            "iss": issuer,
            "aud": audience,
            "sub": subject,
            "tenant": tenant_id,
            "roles": sorted(roles),
            "iat": now,
            "exp": now + lifetime_seconds,
        }
        if name is not None:
            claims["name"] = name
        return self.sign(claims)

    def sign(self, claims: Mapping[str, object], **headers: str) -> str:
        """A token of these very claims; `headers` are added or replaced."""
        return jwt.encode(
            dict(claims), self.key, algorithm="ES256", headers={"typ": "at+jwt", "kid": self.key_id, **headers}
        )
