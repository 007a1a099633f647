"""Supervisors and administrators who ask the gateway, with tokens that it believes."""

import json
from pathlib import Path

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from servicekit.auth import Role
from servicekit.system import SystemClock
from servicekit.testing.tokens import TokenIssuer

from chat_gateway.testing.samples import TENANT

SUBJECT = "ann"


class Managers:
    """Writes its keys into the folder: `jwks_url` is the setting that names them."""

    def __init__(self, folder: Path) -> None:
        self._issuer = TokenIssuer.generate()
        (folder / "jwks.json").write_text(json.dumps(self._issuer.jwks()))
        self.jwks_url = (folder / "jwks.json").as_uri()

    async def ask(
        self,
        app: FastAPI,
        method: str,
        path: str,
        body: object = None,
        *,
        role: Role = "supervisor",
        tenant_id: str = TENANT,
    ) -> Response:
        """In the name of ann; `path` is below /chat/v1."""
        now_ms = SystemClock().now_ms()
        token = self._issuer.token(subject=SUBJECT, tenant_id=tenant_id, roles=[role], now_ms=now_ms)
        headers = {"authorization": f"Bearer {token}"}
        transport = ASGITransport(app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://test/chat/v1", headers=headers) as client:
            return await client.request(method, path, json=body)
