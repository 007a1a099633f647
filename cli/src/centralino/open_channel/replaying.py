"""`centralino open-channel replay`: asks the gateway, call by call, to post once more what a system has taken."""

import argparse
import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from centralino.config.access import TOKEN, Access
from centralino.open_channel.posting import Post, UnusableError, posted

GATEWAY: Final = "CENTRALINO_CHAT_URL"
PREFIX: Final = "/chat/v1"
CALL_SECONDS: Final = 90.0
"""A call of the gateway's is over after 45."""
IDLE_CALLS_MAX: Final = 10
"""So often in a row nothing may be taken."""
NOT_ALL: Final = 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next call begins."""

    since_ms: int
    after: str = ""


Ask = Callable[[Cursor], Awaitable[Mapping[str, Any]]]  # Any: JSON
Wait = Callable[[float], Awaitable[object]]


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("address", metavar="ADDRESS", help="of the open channel, as configured")
    parser.add_argument(
        "--since",
        type=_instant_ms,
        required=True,
        metavar="INSTANT",
        help="what was posted then or later: 2026-01-31T12:00:00Z, or milliseconds since 1970",
    )
    parser.add_argument("--after", default="", metavar="REFERENCE", help="to go on where a call before ended")
    parser.add_argument("--gateway", metavar="URL", help=f"the chat gateway; default: ${GATEWAY}, else the stack's")
    token = f"holds a supervisor's token; default: ${TOKEN}, else a development token"
    parser.add_argument("--token-file", type=Path, metavar="FILE", help=token)
    parser.add_argument("--tenant", default="acme", help="of which tenant a development token is (default: acme)")


async def replay(options: argparse.Namespace) -> int:
    """0 when all was offered, NOT_ALL when the system takes nothing. Raises UnusableError and ConfigError."""
    access = Access(data=options.data, tenant=options.tenant, token_file=options.token_file, role="supervisor")
    named = options.gateway or os.environ.get(GATEWAY)
    gateway, token = access.found("chat-gateway", named, "the chat gateway by --gateway")
    url = f"{gateway.rstrip('/').removesuffix(PREFIX)}{PREFIX}/addresses/{quote(options.address, safe=':@+')}/replay"

    async def ask(cursor: Cursor) -> Mapping[str, Any]:  # Any: JSON
        body = json.dumps({"since_ms": cursor.since_ms, "after": cursor.after}).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        post = Post(url=url, body=body, headers=headers)
        advice = f"go on with {_options(cursor)}"
        reply = await posted(post, timeout_seconds=CALL_SECONDS, advice=advice)
        answer = _json(reply.body)
        if reply.status != 200 or "ended" not in answer:
            said = f"{reply.status} ({answer.get('code', 'no code')}): {answer.get('detail', 'no reason given')}"
            raise UnusableError(f"the gateway answers {said.rstrip('.')}; {advice}")
        return answer

    return await follow(ask, Cursor(options.since, options.after), say=print, wait=asyncio.sleep)


async def follow(ask: Ask, cursor: Cursor, *, say: Callable[[str], object], wait: Wait) -> int:
    """Call until all was offered, as fast as the system wants it."""
    taken = refused = idle = 0
    while idle < IDLE_CALLS_MAX:
        answer = await ask(cursor)
        taken, refused = taken + answer["taken"], refused + answer["refused"]
        cursor = Cursor(answer["since_ms"], answer["after"])
        if answer["ended"]:
            say(f"Taken: {taken}, refused: {refused}. That was all.")
            return 0
        say(f"Taken: {taken}, refused: {refused}.")
        idle = 0 if answer["taken"] or answer["refused"] else idle + 1
        if answer["wait_ms"]:
            await wait(answer["wait_ms"] / 1000)
    say(f"The system takes nothing. Go on later with {_options(cursor)}")
    return NOT_ALL


def _options(cursor: Cursor) -> str:
    return f"--since {cursor.since_ms}" + (f" --after {cursor.after}" if cursor.after else "")


def _json(body: bytes) -> Mapping[str, Any]:  # Any: JSON
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _instant_ms(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no instant") from None
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} names no time zone: end it with Z")
    return round(instant.timestamp() * 1000)
