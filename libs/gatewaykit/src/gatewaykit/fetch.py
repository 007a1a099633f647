"""Asks what somebody else's URL names, without being led into our own network.

What OWASP's page on server-side request forgery asks for: the scheme is https, every address that a name has is a
public one, and the connection goes to an address that was checked, not to the name a second time (DNS rebinding).
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urljoin, urlsplit

from servicekit.ports import Http, HttpNotSentError, HttpSink, HttpUnknownError

from gatewaykit.domain.provider import HttpReply, HttpRequest

REDIRECTS_MAX: Final = 3
ADDRESSES_MAX: Final = 4
URL_LENGTH_MAX: Final = 4096

# IANA's special-purpose registries (https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-), multicast,
# and the host of virtual machines at Azure. Not `is_global`: what that knows depends on Python's release.
_NOT_PUBLIC: Final = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")  # NAT64 (RFC 6052): an IPv4 address in the last 32 bits
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host (servicekit.http_client.resolve)."""


class FetchRefusedError(Exception):
    """We do not fetch this, however often we are asked; `code` says why, without the URL, which may be personal."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Origin:
    scheme: str
    host: str
    port: int


class Fetcher:
    """Fetches by GET, and delivers where a tenant's configuration says. `hosts_allowed` (`host` or `host:port`) are
    those that the operator vouches for: they may be asked without TLS and may have any address. They are for
    simulators and for services beside us."""

    def __init__(self, http: Http, resolve: Resolve, *, hosts_allowed: Collection[str] = ()) -> None:
        self._http = http
        self._resolve = resolve
        self._hosts_allowed = frozenset(host.lower() for host in hosts_allowed)

    async def fetch(
        self, request: HttpRequest, *, timeout_seconds: float, bytes_max: int, sink: HttpSink | None = None
    ) -> HttpReply:
        """The answer, whatever its status, after at most REDIRECTS_MAX redirects, all of it within `timeout_seconds`.
        A `sink` has the body of this one at last (see Http).

        Headers go to the request's own origin alone. Raises FetchRefusedError, and what Http raises.
        """
        if request.method != "GET" or request.body:
            raise FetchRefusedError("not_a_get")
        try:
            async with asyncio.timeout(timeout_seconds):
                for _ in range(REDIRECTS_MAX + 1):
                    origin = self._origin(request.url)
                    reply = await self._ask(
                        request, origin, timeout_seconds=timeout_seconds, bytes_max=bytes_max, sink=sink
                    )
                    location = reply.headers.get("location")
                    if reply.status not in _REDIRECTS or location is None:
                        return reply
                    request = self._redirected(request, origin, location)
        except TimeoutError as error:
            raise HttpUnknownError("TimeoutError") from error
        raise FetchRefusedError("too_many_redirects")

    async def deliver(self, request: HttpRequest, *, timeout_seconds: float, bytes_max: int) -> HttpReply:
        """The answer to one request of any method, whatever its status: no redirect is followed.

        Raises FetchRefusedError, and what Http raises.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._ask(
                    request, self._origin(request.url), timeout_seconds=timeout_seconds, bytes_max=bytes_max
                )
        except TimeoutError as error:
            raise HttpUnknownError("TimeoutError") from error

    def _redirected(self, request: HttpRequest, origin: _Origin, location: str) -> HttpRequest:
        try:
            url = urljoin(request.url, location)
        except ValueError as error:
            raise FetchRefusedError("url_malformed") from error
        return replace(request, url=url, headers=request.headers if self._origin(url) == origin else {})

    async def _ask(
        self,
        request: HttpRequest,
        origin: _Origin,
        *,
        timeout_seconds: float,
        bytes_max: int,
        sink: HttpSink | None = None,
    ) -> HttpReply:
        addresses = await self._resolve(origin.host, origin.port)
        if not addresses:
            raise HttpNotSentError("no address")
        if not self._is_allowed(origin) and not all(is_public(address) for address in addresses):
            raise FetchRefusedError("address_not_public")
        *others, last = addresses[:ADDRESSES_MAX]
        for address in others:
            try:
                return await self._pinned(request, address, timeout_seconds / 2, bytes_max, sink)
            except HttpNotSentError:
                continue  # a host may have addresses of a kind that we have no way to
        return await self._pinned(request, last, timeout_seconds, bytes_max, sink)

    async def _pinned(
        self, request: HttpRequest, address: str, timeout_seconds: float, bytes_max: int, sink: HttpSink | None
    ) -> HttpReply:
        reply = await self._http.send(
            request, timeout_seconds=timeout_seconds, bytes_max=bytes_max, address=address, sink=sink
        )
        return HttpReply(status=reply.status, headers=reply.headers, body=reply.body)

    def _origin(self, url: str) -> _Origin:
        """Where a URL leads, if we go there at all."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise FetchRefusedError("url_malformed") from error
        printable = url.isascii() and not any(character <= " " or character in '\\^`{|}<>"\x7f' for character in url)
        if not printable or len(url) > URL_LENGTH_MAX or not host or "%" in host or parts.fragment:
            raise FetchRefusedError("url_malformed")
        if "@" in parts.netloc:
            raise FetchRefusedError("url_with_credentials")
        origin = _Origin(parts.scheme, host, port if port is not None else {"http": 80}.get(parts.scheme, 443))
        if parts.scheme != "https" and not (parts.scheme == "http" and self._is_allowed(origin)):
            raise FetchRefusedError("not_https")
        return origin

    def _is_allowed(self, origin: _Origin) -> bool:
        return bool({origin.host, f"{origin.host}:{origin.port}"} & self._hosts_allowed)


def is_public(address: str) -> bool:
    """Whether an address is somebody's on the Internet: not private, shared, loopback, link-local (where clouds serve
    their machines' credentials), multicast or reserved, nor such a one in another's clothes."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False  # with a zone, or none at all
    if isinstance(parsed, IPv6Address) and parsed in _TRANSLATED:
        parsed = IPv4Address(int(parsed) & 0xFFFF_FFFF)
    if isinstance(parsed, IPv6Address) and parsed not in _GLOBAL_UNICAST:
        return False
    return not any(parsed in network for network in _NOT_PUBLIC)
