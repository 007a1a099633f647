"""Tickets that open a WebSocket: single use, 30 seconds (OWASP ASVS 5.0 V4.4: no access token in a URL)."""

import hashlib
import json
import secrets
from typing import Final, cast

from servicekit.auth import Principal, Role
from servicekit.live import Redis

TICKET_SECONDS: Final = 30
TICKET_LENGTH_MAX: Final = 100


class Tickets:
    """Issues and redeems tickets of one service; Redis holds only their hashes."""

    def __init__(self, redis: Redis, service: str) -> None:
        self._redis = redis
        self._service = service

    async def issue(self, principal: Principal) -> str:
        """A ticket for a principal who has just shown a token. Raises LiveAwayError."""
        ticket = secrets.token_urlsafe(32)
        document = {
            "subject": principal.subject,
            "tenant_id": principal.tenant_id,
            "roles": sorted(principal.roles),
            "expires_at_ms": principal.expires_at_ms,
            "name": principal.name,
        }
        await self._redis.set(self._key(ticket), json.dumps(document), ex=TICKET_SECONDS)
        return ticket

    async def redeem(self, ticket: str) -> Principal | None:
        """The principal, once; none for a ticket that is used up, too old or made up. Raises LiveAwayError."""
        if len(ticket) > TICKET_LENGTH_MAX:
            return None
        kept = await self._redis.getdel(self._key(ticket))
        if kept is None:
            return None
        document = json.loads(kept)
        roles = cast(list[Role], document.pop("roles"))  # written above
        return Principal(roles=frozenset(roles), **document)

    def _key(self, ticket: str) -> str:
        return f"ticket:{self._service}:{hashlib.sha256(ticket.encode()).hexdigest()}"
