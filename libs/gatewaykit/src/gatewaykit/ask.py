"""Asks a provider what its own words make of it."""

from servicekit.ports import Http, HttpSink

from gatewaykit.domain.provider import HttpReply, HttpRequest


async def ask(
    http: Http, request: HttpRequest, *, timeout_seconds: float, bytes_max: int, sink: HttpSink | None = None
) -> HttpReply:
    """The provider's answer, in its own type; raises what Http raises."""
    reply = await http.send(request, timeout_seconds=timeout_seconds, bytes_max=bytes_max, sink=sink)
    return HttpReply(status=reply.status, headers=reply.headers, body=reply.body)
