"""Asks a provider what its own words make of it."""

from servicekit.ports import Http

from gatewaykit.domain.provider import HttpReply, HttpRequest


async def ask(http: Http, request: HttpRequest, *, timeout_seconds: float, bytes_max: int) -> HttpReply:
    """The provider's answer, in its own type; raises what Http raises."""
    reply = await http.send(request, timeout_seconds=timeout_seconds, bytes_max=bytes_max)
    return HttpReply(status=reply.status, headers=reply.headers, body=reply.body)
