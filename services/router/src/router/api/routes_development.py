"""Tokens for anybody, for development only: these routes stand only where a signing key was given."""

from pathlib import Path

from fastapi import APIRouter
from servicekit.ports import Clock
from servicekit.testing.tokens import TokenIssuer

from router.api.models_admin import DevelopmentToken, DevelopmentTokenRequest
from router.api.parts import PartsOf
from router.api.store import AuditRow

LIFETIME_SECONDS = 8 * 3600


def development_routes(signing_key_file: str, clock: Clock, *, issuer: str, audience: str) -> APIRouter:
    """The routes, signing with the key of the file."""
    key = TokenIssuer.load(Path(signing_key_file))
    routes = APIRouter(prefix="/development", tags=["development"])

    @routes.post("/tokens", summary="A token for anybody", status_code=201)
    async def token(wanted: DevelopmentTokenRequest, parts: PartsOf) -> DevelopmentToken:
        """Not there in production. Audited."""
        async with parts.store.transaction(wanted.tenant) as transaction:
            await transaction.audit(
                AuditRow(
                    audit_id=f"development_token:{parts.ids.new_id()}",
                    at_ms=clock.now_ms(),
                    actor="development",
                    action="development_token.issue",
                    target=f"{wanted.role}/{wanted.subject}",
                )
            )
        text = key.token(
            subject=wanted.subject,
            tenant_id=wanted.tenant,
            roles=[wanted.role],
            now_ms=clock.now_ms(),
            name=wanted.name,
            lifetime_seconds=LIFETIME_SECONDS,
            issuer=issuer,
            audience=audience,
        )
        return DevelopmentToken(token=text, expires_in_seconds=LIFETIME_SECONDS)

    return routes
