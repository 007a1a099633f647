"""`centralino open-channel`: what is sent, and what is heard."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from centralino.app import run
from centralino.open_channel.listening import BODY_BYTES_MAX, Listener
from centralino.open_channel.signing import signed
from chat_gateway.providers.open import Open
from gatewaykit.domain.provider import Account, Received, WebRequest
from httpx import AsyncClient
from servicekit.http_server import Receive, Scope, Send, http_server
from starlette.requests import Request
from starlette.responses import Response

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = 1_700_000_000


@asynccontextmanager
async def listening(said: list[str], *, status: int = 200) -> AsyncIterator[str]:
    listener = Listener(SECRET, said.append, status=status, now_seconds=lambda: NOW)
    async with http_server(listener, "127.0.0.1", 0, drain_seconds=1) as url:
        yield url


async def posted(url: str, body: bytes = b"{}", *, secret: str = SECRET, webhook_id: str = "1") -> int:
    async with AsyncClient() as client:
        headers = signed(secret, webhook_id, body, at_seconds=NOW)
        return (await client.post(url, content=body, headers=headers)).status_code


async def told(
    capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str, secret: str = SECRET
) -> tuple[object, str, str]:
    """Exit code, output, errors."""
    (folder / "secret").write_text(secret + "\n")
    with pytest.raises(SystemExit) as caught:
        await asyncio.to_thread(run, ["open-channel", *arguments, "--secret-file", str(folder / "secret")], [])
    return caught.value.code, *capsys.readouterr()


async def test_what_is_verified_is_shown_and_a_repetition_marked() -> None:
    said: list[str] = []
    async with listening(said) as url:
        codes = [await posted(url, b'{"text": "\\u001b[2J"}') for _ in range(2)]

    assert codes == [200, 200]
    assert said == ['verified 1\n{\n  "text": "\\u001b[2J"\n}', 'verified 1 again\n{\n  "text": "\\u001b[2J"\n}']


async def test_what_was_answered_with_trouble_is_new_the_next_time() -> None:
    said: list[str] = []
    async with listening(said, status=503) as url:
        codes = [await posted(url) for _ in range(2)]

    assert (codes, said) == ([503, 503], ["verified 1\n{}"] * 2)


async def test_what_is_not_to_be_believed_is_refused() -> None:
    said: list[str] = []
    async with listening(said) as url, AsyncClient() as client:
        forged = await posted(url, secret="whsec_AAAA")
        other = (await client.get(url)).status_code
        large = await posted(url, b"x" * (BODY_BYTES_MAX + 1))

    assert (forged, other, large) == (401, 405, 413)
    assert said == ["refused: no signature fits the secret"]


async def test_a_message_is_sent_as_the_gateway_wants_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    got: list[WebRequest] = []

    async def hook(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        headers = dict(request.headers)
        got.append(WebRequest(method="POST", url="", headers=headers, query={}, body=await request.body()))
        await Response(b"ok", status_code=202)(scope, receive, send)

    async with http_server(hook, "127.0.0.1", 0, drain_seconds=1) as url:
        options = ("--customer", "u-17", "--name", "Ada", "--id", "m1", "--attribute", "a=b=c", "--webhook-id", "w1")
        code, out, _ = await told(
            capsys, tmp_path, "send", "hi", "--webhook", url, "--file", "https://a.example/", *options
        )
    account = Account(
        tenant_id="acme",
        address="app",
        channel="open",
        provider="open",
        account_id="app",
        api_url="",
        webhook_url="",
        secrets={"inbound_secret": (SECRET,)},
    )
    now_ms = int(got[0].headers["webhook-timestamp"]) * 1000
    Open().verify(got[0], account, now_ms=now_ms)
    (item,) = Open().parse(got[0], account, now_ms=now_ms)

    assert (code, out) == (0, '202 w1\n"ok"\n')
    assert isinstance(item, Received)
    assert (item.provider_message_id, item.counterpart, item.name, item.text) == ("m1", "u-17", "Ada", "hi")
    assert (item.attributes, [media.url for media in item.media]) == ({"a": "b=c"}, ["https://a.example/"])


async def test_a_refusal_is_1_and_no_answer_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b'{"type": "customer.typing"}')
    async with listening([], status=400) as url:
        refused = await told(capsys, tmp_path, "send", "--body", str(tmp_path / "body"), "--webhook", url)
    away = await told(capsys, tmp_path, "send", "x", "--webhook", url)

    assert (refused[0], away[0]) == (1, 2)
    assert "no answer from" in away[2]


@pytest.mark.parametrize(
    ("arguments", "secret", "why"),
    [
        (["send", "--webhook", "http://a.example/"], SECRET, "nothing to send"),
        (["send", "x", "--webhook", "nonsense"], SECRET, "cannot post to nonsense"),
        (["send", "x", "--webhook", "http://a.example/", "--attribute", "x"], SECRET, "NAME=VALUE"),
        (["send", "x", "--webhook", "http://a.example/"], "secret", "begins with `whsec_`"),
        (["send", "--body", "/nowhere/at/all", "--webhook", "http://a.example/"], SECRET, "/nowhere/at/all"),
        (["listen"], "whsec_%", "not base64"),
        (["listen", "--answer", "7"], SECRET, "no status"),
        (["listen", "--port", "99999"], SECRET, "no port"),
    ],
)
async def test_what_cannot_be_used_is_2_and_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], secret: str, why: str
) -> None:
    code, out, error = await told(capsys, tmp_path, *arguments, secret=secret)

    assert (code, out, error.count("\n")) == (2, "", 1)
    assert why in error


async def test_it_listens_until_it_is_ended(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    command = [sys.executable, "-m", "centralino", "open-channel", "listen", "--secret-file", str(tmp_path / "secret")]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    try:
        async with asyncio.timeout(30):
            url = (await child.stdout.readline()).decode().split()[-1]
            assert b"Ctrl-C" in await child.stdout.readline()
            code, _, _ = await told(capsys, tmp_path, "send", "hello", "--webhook", url, "--webhook-id", "w1")
            assert await child.stdout.readline() == b"verified w1\n"
            child.terminate()
            shown = json.loads(await child.stdout.read())
            ended = await child.wait()
    finally:
        if child.returncode is None:
            child.kill()

    assert (code, ended, shown["text"]) == (0, 0, "hello")
