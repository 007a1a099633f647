"""Development tokens: signed with the key in the data folder, good for services of this stack only."""

from typing import Final

from servicekit.auth import Role
from servicekit.system import SystemClock
from servicekit.testing.tokens import TokenIssuer

from centralino.home import Home

LIFETIME_SECONDS: Final = 8 * 3600


def development_token(home: Home, *, role: Role, subject: str, tenant: str) -> str:
    """An access token of eight hours."""
    issuer = TokenIssuer.load(home.signing_key())
    return issuer.token(
        subject=subject,
        tenant_id=tenant,
        roles=[role],
        now_ms=SystemClock().now_ms(),
        lifetime_seconds=LIFETIME_SECONDS,
    )
