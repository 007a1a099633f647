"""`centralino open-channel replay`: how it asks, and when it ends."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from centralino.app import run
from centralino.open_channel.replaying import IDLE_CALLS_MAX, Cursor, follow
from servicekit.http_server import Receive, Scope, Send, http_server
from starlette.requests import Request
from starlette.responses import JSONResponse

REFERENCE = "3f2c0f4e-0000-4000-8000-000000000001"
AT_MS = 1_769_860_800_000


def answer(**changed: object) -> Mapping[str, Any]:
    told = {"since_ms": 5, "after": REFERENCE, "taken": 0, "refused": 0, "ended": False, "wait_ms": 0}
    return {**told, **changed}


class Gateway:
    """Gives these answers, the last one for ever."""

    def __init__(self, *answers: Mapping[str, Any], status: int = 200) -> None:
        self.answers, self.status = list(answers), status
        self.asked: list[tuple[str, str, object]] = []
        self.cursors: list[Cursor] = []
        self.said: list[str] = []
        self.waited: list[float] = []

    async def ask(self, cursor: Cursor) -> Mapping[str, Any]:
        self.cursors.append(cursor)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)

    async def follow(self) -> int:
        return await follow(self.ask, Cursor(1), say=self.said.append, wait=self.wait)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.asked.append((request.url.path, request.headers["authorization"], await request.json()))
        await JSONResponse(await self.ask(Cursor(0)), status_code=self.status)(scope, receive, send)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        async with http_server(self, "127.0.0.1", 0, drain_seconds=1) as url:
            yield url


async def test_it_goes_on_where_a_call_ended_and_as_fast_as_the_system_wants() -> None:
    gateway = Gateway(answer(taken=200), answer(refused=1, wait_ms=9000, since_ms=7), answer(ended=True, taken=2))
    code = await gateway.follow()

    assert gateway.cursors == [Cursor(1), Cursor(5, REFERENCE), Cursor(7, REFERENCE)]
    assert (code, gateway.waited) == (0, [9.0])
    assert gateway.said[-1] == "Taken: 202, refused: 1. That was all."


async def test_a_system_that_takes_nothing_ends_it_with_where_to_go_on() -> None:
    gateway = Gateway(answer(taken=1), answer(wait_ms=5000))
    code = await gateway.follow()

    assert (code, len(gateway.cursors)) == (1, IDLE_CALLS_MAX + 1)
    assert gateway.said[-1] == f"The system takes nothing. Go on later with --since 5 --after {REFERENCE}"


async def ran(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> tuple[object, str, str]:
    """Exit code, output, errors."""
    (folder / "token").write_text("the-token\n")
    access = ["--data", str(folder / "none"), "--token-file", str(folder / "token")]
    command = ["open-channel", "replay", *arguments, *access]
    with pytest.raises(SystemExit) as caught:
        await asyncio.to_thread(run, command, [])
    return caught.value.code, *capsys.readouterr()


@pytest.mark.parametrize("since", [str(AT_MS), "2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"])
@pytest.mark.parametrize("suffix", ["", "/", "/chat/v1"])
async def test_the_gateway_is_asked_with_the_token(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, since: str, suffix: str
) -> None:
    gateway = Gateway(answer(ended=True, taken=3))
    async with gateway.served() as url:
        code, out, _ = await ran(capsys, tmp_path, "my app", "--since", since, "--gateway", f"{url}{suffix}")

    assert (code, out) == (0, "Taken: 3, refused: 0. That was all.\n")
    body = {"since_ms": AT_MS, "after": ""}
    assert gateway.asked == [("/chat/v1/addresses/my app/replay", "Bearer the-token", body)]


@pytest.mark.parametrize(
    ("status", "told", "why"),
    [
        (409, {"code": "cannot_replay", "detail": "No."}, "409 (cannot_replay): No; go on"),
        (200, {"html": "x"}, "200 (no code)"),
    ],
)
async def test_another_answer_is_2_and_a_sentence_that_says_where_it_was(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, status: int, told: Mapping[str, Any], why: str
) -> None:
    async with Gateway(told, status=status).served() as url:
        code, out, error = await ran(capsys, tmp_path, "app", "--since", "5", "--gateway", url)

    assert (code, out, error.count("\n")) == (2, "", 1)
    assert why in error
    assert "go on with --since 5" in error


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--since", "yesterday"], "no instant"),
        (["--since", "2026-01-31T12:00:00"], "no time zone"),
        (["--since", "5"], "No stack runs"),
        (["--since", "5", "--gateway", "http://127.0.0.1:1"], "no answer from"),
    ],
)
async def test_what_cannot_be_used_is_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], why: str
) -> None:
    code, _, error = await ran(capsys, tmp_path, "app", *arguments)

    assert code == 2
    assert why in error
