"""A system that is posted what agents answer."""

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from servicekit.http_server import Receive, Scope, Send

from centralino.open_channel.signing import fault

BODY_BYTES_MAX: Final = 1024 * 1024
KNOWN_MAX: Final = 10_000


class Listener:
    """An ASGI application: verifies, says what came, and answers `status`; 401 to what is not to be believed."""

    def __init__(
        self, secret: str, say: Callable[[str], object], *, status: int, now_seconds: Callable[[], int]
    ) -> None:
        self._secret, self._say, self._status, self._now_seconds = secret, say, status, now_seconds
        self._known: OrderedDict[str, None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See Listener."""
        body = bytearray()
        while (event := await receive())["type"] == "http.request":
            body += event.get("body", b"")
            if len(body) > BODY_BYTES_MAX or not event.get("more_body"):
                break
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        status = self._taken(scope["method"], headers, bytes(body))
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def _taken(self, method: str, headers: dict[str, str], body: bytes) -> int:
        if method != "POST":
            return 405
        if len(body) > BODY_BYTES_MAX:
            return 413
        why = fault(self._secret, headers, body, now_seconds=self._now_seconds())
        if why:
            self._say(f"refused: {why}")
            return 401
        webhook_id = headers["webhook-id"]
        again = " again" if webhook_id in self._known else ""
        if 200 <= self._status < 300:
            self._known[webhook_id] = None
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        self._say(f"verified {webhook_id}{again}\n{shown(body)}")
        return self._status


def shown(body: bytes) -> str:
    """As JSON in ASCII: nothing that a terminal would obey."""
    try:
        return json.dumps(json.loads(body), indent=2)
    except ValueError:
        return json.dumps(body.decode("utf-8", "replace"))
