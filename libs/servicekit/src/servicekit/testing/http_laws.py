"""The laws of the HTTP port: the real client against a server on a socket, and the fake, pass them.

A test class inherits `HttpLaws` and gives the fixtures `http` and `partner`, the server behind it.
"""

import asyncio
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pytest

from servicekit.ports import Http, HttpNotSentError, HttpReply, HttpTooLargeError, HttpUnknownError, HttpUpload

Trouble = Literal["silent", "slow body", "cut", "cut body", "babble", "away"]
"""It takes the request and says nothing, half a body, or hangs up before or in the body; answers what is no HTTP; or
nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, as it is made and as a server sees it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Partner(Protocol):
    """A server that does what it is told."""

    url: str
    """Where it is, without a slash at the end."""
    taken: list[Asked]
    """What reached it; `url` is the path with its query, `headers` by lower-case name."""

    def will(self, what: HttpReply | Trouble) -> None:
        """Do this with every request from now on."""
        ...


def reply(status: int = 200, body: bytes = b"", **headers: str) -> HttpReply:
    """A reply; underscores in header names stand for hyphens."""
    return HttpReply(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body
    )


class KeepingSink:
    """See HttpSink; `pieces` are those of the last answer."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)

    async def start(self) -> None:
        """See HttpSink."""
        self.pieces = []

    async def write(self, piece: bytes) -> None:
        """See HttpSink."""
        self.pieces.append(piece)


class HttpLaws:
    """What every HTTP client does."""

    async def test_a_request_arrives_as_it_is_and_its_answer_comes_back(self, http: Http, partner: Partner) -> None:
        partner.will(reply(201, b"\x00made", X_Made="yes"))
        asked = Asked(method="POST", url=f"{partner.url}/a%20b?c=d&c=%2F", headers={"X-Key": "k"}, body=b"\xff\x00")
        answered = await http.send(asked, timeout_seconds=5, bytes_max=100)

        assert (answered.status, answered.body, answered.headers["x-made"]) == (201, b"\x00made", "yes")
        [taken] = partner.taken
        assert (taken.method, taken.url, taken.body) == ("POST", "/a%20b?c=d&c=%2F", b"\xff\x00")
        assert taken.headers["x-key"] == "k"

    @pytest.mark.parametrize("status", [204, 302, 307, 404, 429, 503])
    async def test_every_status_is_an_answer_and_no_redirect_is_followed(
        self, http: Http, partner: Partner, status: int
    ) -> None:
        partner.will(reply(status, location="/elsewhere"))
        answered = await http.send(Asked(method="GET", url=partner.url + "/"), timeout_seconds=5, bytes_max=0)

        assert (answered.status, len(partner.taken)) == (status, 1)

    @pytest.mark.parametrize("trouble", ["silent", "slow body", "cut", "cut body", "babble"])
    async def test_sent_without_a_whole_answer_in_time_is_unknown(
        self, http: Http, partner: Partner, trouble: Trouble
    ) -> None:
        partner.will(trouble)
        asked, loop = Asked(method="POST", url=partner.url + "/", body=b"once"), asyncio.get_running_loop()
        began_at = loop.time()
        with pytest.raises(HttpUnknownError):
            await http.send(asked, timeout_seconds=0.3, bytes_max=1000)

        assert [taken.body for taken in partner.taken] == [b"once"]
        assert loop.time() - began_at < 2.5

    async def test_where_nobody_listens_nothing_was_sent(self, http: Http, partner: Partner) -> None:
        partner.will("away")
        with pytest.raises(HttpNotSentError):
            await http.send(Asked(method="POST", url=partner.url + "/"), timeout_seconds=5, bytes_max=1000)

        assert partner.taken == []

    @pytest.mark.parametrize("coding", ["identity", "chunked"])
    async def test_a_body_has_its_bound(self, http: Http, partner: Partner, coding: str) -> None:
        asked = Asked(method="GET", url=partner.url + "/")
        partner.will(reply(200, b"x" * 300_000, transfer_encoding=coding))
        whole = await http.send(asked, timeout_seconds=5, bytes_max=300_000)
        with pytest.raises(HttpTooLargeError) as caught:
            await http.send(asked, timeout_seconds=5, bytes_max=299_999)

        assert (len(whole.body), caught.value.status) == (300_000, 200)

    async def test_a_body_goes_to_a_sink_in_pieces_and_only_within_its_bound(
        self, http: Http, partner: Partner
    ) -> None:
        asked, sink = Asked(method="GET", url=partner.url + "/"), KeepingSink()
        partner.will(reply(404, b"no"))
        first = await http.send(asked, timeout_seconds=5, bytes_max=10, sink=sink)
        refused = sink.body
        partner.will(reply(200, b"x" * 300_000))
        whole = await http.send(asked, timeout_seconds=5, bytes_max=300_000, sink=sink)
        sizes = [len(piece) for piece in sink.pieces]
        with pytest.raises(HttpTooLargeError):
            await http.send(asked, timeout_seconds=5, bytes_max=299_999, sink=sink)

        assert (first.status, first.body, refused) == (404, b"", b"no")
        assert (whole.status, whole.body, sum(sizes)) == (200, b"", 300_000)
        assert max(sizes) <= 65_536
        assert len(sink.body) <= 299_999

    async def test_a_body_is_sent_in_pieces_as_one(self, http: Http, partner: Partner) -> None:
        async def pieces() -> AsyncIterable[bytes]:
            for _ in range(5):
                yield b"x" * 50_000

        partner.will(reply(200))
        asked = Asked(method="PUT", url=partner.url + "/")
        upload = HttpUpload(size_bytes=250_000, pieces=pieces)
        await http.send(asked, timeout_seconds=5, bytes_max=10, upload=upload)

        assert [taken.body for taken in partner.taken] == [b"x" * 250_000]
