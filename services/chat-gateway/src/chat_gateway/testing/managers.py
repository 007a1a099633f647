"""Supervisors and administrators who ask the gateway, with tokens that it believes."""

import json
from pathlib import Path

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

    def headers(self, *, role: Role = "supervisor", tenant_id: str = TENANT) -> dict[str, str]:
        """Of a request in the name of ann."""
        now_ms = SystemClock().now_ms()
        token = self._issuer.token(subject=SUBJECT, tenant_id=tenant_id, roles=[role], now_ms=now_ms)
        return {"authorization": f"Bearer {token}"}
