"""Tokens for anybody, for development only: these routes stand only where a signing key was given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from servicekit.ports import Clock
from servicekit.store import TENANT_PATTERN
from servicekit.testing.tokens import TokenIssuer

from router.api.models import DevelopmentAgent, DevelopmentToken, DevelopmentTokenRequest
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

    @routes.get("/agents", summary="Agents to log in as")
    async def agents(
        parts: PartsOf, tenant: Annotated[str, Query(pattern=TENANT_PATTERN)] = "acme"
    ) -> Sequence[DevelopmentAgent]:
        """The agents of a tenant's active configuration."""
        async with parts.store.transaction(tenant) as transaction:
            return [DevelopmentAgent.model_validate(dict(row)) for row in await transaction.agents()]

    return routes
