"""The operators' page of a service: /health/live, /health/ready, /metrics, on a port of its own."""

import json
from collections.abc import Sequence
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from servicekit.http_server import Receive, Scope, Send
from servicekit.ports import Loop

JSON: Final = "application/json"


class Health:
    """An ASGI application. Live: no loop is stuck. Ready: started and not draining; never whether a backend is there,
    for then a short failure of Redis would take every replica out of service at once."""

    def __init__(self, loops: Sequence[Loop], registry: CollectorRegistry) -> None:
        self.ready = False
        self._loops = loops
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        status, content_type, body = self._page(scope["path"])
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _page(self, path: str) -> tuple[int, str, bytes]:
        if path == "/health/live":
            troubles = {loop.name: trouble for loop in self._loops if (trouble := loop.trouble()) is not None}
            return (503 if troubles else 200), JSON, json.dumps({"live": not troubles, "troubles": troubles}).encode()
        if path == "/health/ready":
            return (200 if self.ready else 503), JSON, json.dumps({"ready": self.ready}).encode()
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        return 404, JSON, b"{}"
