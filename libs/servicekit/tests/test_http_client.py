"""The real HTTP client against a server of bare sockets, and what only sockets have; the fake beside it."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from servicekit.http_client import HttpClient, http_client, resolve
from servicekit.ports import HttpNotSentError, HttpReply, HttpRequest, HttpUnknownError
from servicekit.testing.certificates import make_certificate
from servicekit.testing.eventually import eventually
from servicekit.testing.fake_http import FakeHttp, programmed
from servicekit.testing.http_laws import Asked, HttpLaws, Trouble, reply
from servicekit.testing.virtual import run_virtual


class SocketPartner:
    """See Partner; `connections` counts them."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: list[Asked] = []
        self.connections = 0
        self._what: HttpReply | Trouble = reply()
        self._server: asyncio.Server | None = None

    @asynccontextmanager
    async def open(self, context: ssl.SSLContext | None = None) -> AsyncGenerator["SocketPartner"]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self._server.close()

    def will(self, what: HttpReply | Trouble) -> None:
        self._what = what
        if what == "away":
            assert self._server
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client hung up
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, url, _ = first.split(" ")
        self.taken.append(Asked(method=method, url=url, headers=headers, body=body))
        match self._what:
            case HttpReply():
                writer.write(_written(self._what))
            case "slow body" | "cut body":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            case "babble":
                writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        if self._what in ("silent", "slow body"):
            await reader.read()
        return isinstance(self._what, HttpReply)


def _written(answer: HttpReply) -> bytes:
    chunked = answer.headers.get("transfer-encoding") == "chunked"
    headers = {name: value for name, value in answer.headers.items() if name != "transfer-encoding" or chunked}
    if not chunked and answer.status != 204:
        headers["content-length"] = str(len(answer.body))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(answer.body), answer.body) if chunked else answer.body
    return f"HTTP/1.1 {answer.status} Word\r\n{head}\r\n".encode() + body


@pytest.fixture
async def http() -> AsyncGenerator[HttpClient]:
    async with http_client() as client:
        yield client


@pytest.fixture
async def partner() -> AsyncGenerator[SocketPartner]:
    async with SocketPartner().open() as partner:
        yield partner


class TestHttpClient(HttpLaws):
    pass


class FakePartner:
    """See Partner; it is the fake's answers."""

    def __init__(self) -> None:
        self.url = "https://partner.example"
        self.taken: list[Asked] = []
        self._what: HttpReply | Trouble = reply()

    def will(self, what: HttpReply | Trouble) -> None:
        self._what = what

    async def answer(self, request: HttpRequest) -> HttpReply:
        if self._what == "away":
            raise HttpNotSentError("ConnectError")
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = request.url.removeprefix(self.url)
        self.taken.append(Asked(method=request.method, url=url, headers=headers, body=request.body))
        if self._what in ("silent", "slow body"):
            await asyncio.Event().wait()
        if not isinstance(self._what, HttpReply):
            raise HttpUnknownError(self._what)
        return self._what


class TestFakeHttp(HttpLaws):
    @pytest.fixture
    def partner(self) -> FakePartner:
        return FakePartner()

    @pytest.fixture
    def http(self, partner: FakePartner) -> FakeHttp:
        return FakeHttp(partner.answer)


def test_the_fake_gives_its_programmed_answers_in_virtual_time_too() -> None:
    http = FakeHttp(programmed(reply(200, b"1"), HttpNotSentError("gone")))

    async def story() -> list[str]:
        asked = Asked(method="GET", url="https://a.example/")
        heard = [(await http.send(asked, timeout_seconds=1, bytes_max=1)).body.decode()]
        try:
            await http.send(asked, timeout_seconds=1, bytes_max=1, address="192.0.2.1")
        except HttpNotSentError as error:
            heard.append(str(error))
        return heard

    assert run_virtual(story()) == ["1", "gone"]
    assert http.addresses == [None, "192.0.2.1"]


async def test_requests_share_a_connection_and_a_pinned_one_shares_none(
    http: HttpClient, partner: SocketPartner
) -> None:
    asked = Asked(method="GET", url=partner.url + "/")
    for address in (None, None, "127.0.0.1", "127.0.0.1", None):
        await http.send(asked, timeout_seconds=5, bytes_max=10, address=address)

    assert partner.connections == 3


async def test_a_pinned_request_goes_to_the_address_and_still_names_the_host(
    http: HttpClient, partner: SocketPartner
) -> None:
    port = partner.url.rpartition(":")[2]
    asked = Asked(method="GET", url=f"http://files.invalid:{port}/x")
    await http.send(asked, timeout_seconds=5, bytes_max=10, address="127.0.0.1")

    assert partner.taken[0].headers["host"] == f"files.invalid:{port}"


async def test_a_server_that_cannot_prove_its_name_gets_nothing(http: HttpClient, tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    async with SocketPartner().open(context) as partner, http_client(ca_file=files.certificate) as trusting:
        asked = Asked(method="POST", url=partner.url + "/")
        elsewhere = Asked(method="POST", url=partner.url.replace("127.0.0.1", "files.example") + "/")
        with pytest.raises(HttpNotSentError):
            await http.send(asked, timeout_seconds=5, bytes_max=10)
        with pytest.raises(HttpNotSentError):
            await trusting.send(elsewhere, timeout_seconds=5, bytes_max=10, address="127.0.0.1")
        trusted = await trusting.send(asked, timeout_seconds=5, bytes_max=10)

        assert (trusted.status, len(partner.taken)) == (200, 1)


async def test_waiting_for_a_free_connection_counts_and_sends_nothing(partner: SocketPartner) -> None:
    partner.will("silent")
    asked = Asked(method="POST", url=partner.url + "/")
    async with http_client(connections_max=1) as http:
        first = asyncio.create_task(http.send(asked, timeout_seconds=1, bytes_max=10))
        await eventually(lambda: partner.taken)
        with pytest.raises(HttpNotSentError):
            await http.send(asked, timeout_seconds=0.2, bytes_max=10)
        with pytest.raises(HttpUnknownError):
            await first

    assert len(partner.taken) == 1


@pytest.mark.parametrize(
    "asked",
    [
        Asked(method="GET", url="ftp://a.example/"),
        Asked(method="GET", url="/a"),
        Asked(method="GET", url="http://ä.example/"),
        Asked(method="GET", url="http://127.0.0.1:1/", headers={"x": "ä"}),
        Asked(method="GET", url="{url}/", headers={"x": "a\r\ny: b"}),
        Asked(method="G ET", url="{url}/"),
    ],
)
async def test_what_is_no_request_is_not_sent(http: HttpClient, partner: SocketPartner, asked: Asked) -> None:
    real = Asked(method=asked.method, url=asked.url.replace("{url}", partner.url), headers=asked.headers)
    with pytest.raises(ValueError, match=r"http|ASCII|HTTP"):
        await http.send(real, timeout_seconds=5, bytes_max=10)

    assert partner.taken == []


async def test_names_are_resolved_or_nothing_was_sent() -> None:
    assert await resolve("127.0.0.1", 80) == ["127.0.0.1"]
    for name in ("no-such-host.invalid", "a" * 70 + ".example"):
        with pytest.raises(HttpNotSentError):
            await resolve(name, 80)
