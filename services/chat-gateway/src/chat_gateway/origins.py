"""Which web pages may open a chat: those of the address's allow-list, and our own."""

from collections.abc import Collection
from typing import Final

from gatewaykit.directory import Directory
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp
from typing_extensions import override

HEADERS: Final = ("authorization", "content-type", "x-request-id")


class Origins:
    """The rule. No `Origin` header passes: browsers always send one, and nobody else has to tell the truth."""

    def __init__(self, directory: Directory, own: Collection[str]) -> None:
        self._directory = directory
        self._own = own

    def allows(self, connection: HTTPConnection, address: str) -> bool:
        """Whether the page that asks may chat with the address."""
        origin = connection.headers.get("origin")
        host = connection.headers.get("host")
        if origin is None or origin in self._own or origin in (f"http://{host}", f"https://{host}"):
            return True
        found = self._directory.address(address)
        return found is not None and origin in found[1].origins

    def known(self, origin: str) -> bool:
        """Whether any address allows it: what CORS asks before the address is known."""
        return origin in self._own or origin in self._directory.origins()


class AddressOrigins(CORSMiddleware):
    """CORS whose allow-list follows the configuration (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        super().__init__(app, allow_methods=("GET", "POST"), allow_headers=HEADERS, max_age=600)
        self._origins = origins

    @override
    def is_allowed_origin(self, origin: str) -> bool:
        return self._origins.known(origin)
