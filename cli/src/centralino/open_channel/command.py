"""`centralino open-channel send`, `listen` and `replay`."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from servicekit.http_server import http_server

from centralino.config.errors import ConfigError
from centralino.open_channel.listening import Listener, shown
from centralino.open_channel.posting import Post, UnusableError, posted
from centralino.open_channel.replaying import add_replay, replay
from centralino.open_channel.signing import SecretError, signed

SECRET: Final = "CENTRALINO_OPEN_CHANNEL_SECRET"  # noqa: S105 - the name of a variable
REFUSED, TROUBLE = 1, 2
TIMEOUT_SECONDS: Final = 15


def add_open_channel(
    commands: Any,  # Any: argparse does not tell the type of its sub-parsers
    add_data: Callable[[argparse.ArgumentParser], object],
) -> None:
    """Add the command; `add_data` adds the option that names the data folder."""
    parser = commands.add_parser(
        "open-channel", help="write by the open channel, or hear what it answers (docs/open-channel.md)"
    )
    acts = parser.add_subparsers(required=True, metavar="ACT")

    sending = acts.add_parser("send", help="post a customer's message to an address's webhook, signed")
    sending.add_argument("text", nargs="?", metavar="TEXT", help="what the customer says")
    sending.add_argument("--webhook", metavar="URL", required=True, help="of the address")
    sending.add_argument("--customer", metavar="ID", default="customer-1", help="who says it (default: %(default)s)")
    sending.add_argument("--name", help="of the customer")
    sending.add_argument("--id", help="of the message; default: a new one")
    sending.add_argument("--file", action="append", default=[], metavar="URL", help="of a file that goes with it")
    sending.add_argument("--attribute", action="append", default=[], metavar="NAME=VALUE", help="for routing rules")
    sending.add_argument("--body", metavar="FILE", help="post this instead, as it is; - reads standard input")
    sending.add_argument("--webhook-id", metavar="ID", help="default: a new one")
    _add_secret(sending, "inbound_secret")
    sending.set_defaults(run=lambda options, _: _trouble_told(_send, options))

    listening = acts.add_parser("listen", help="be the account's `url`: verify what comes, and show it")
    listening.add_argument("--host", default="127.0.0.1", help="listen there (default: %(default)s)")
    listening.add_argument("--port", type=int, default=0, help="listen there (default: any free port)")
    listening.add_argument("--answer", type=int, default=200, metavar="STATUS", help="default: %(default)s")
    _add_secret(listening, "outbound_secret")
    listening.set_defaults(run=lambda options, _: _trouble_told(_listen, options))

    replaying = acts.add_parser("replay", help="have the gateway post once more what the account's `url` has taken")
    add_replay(replaying)
    add_data(replaying)
    replaying.set_defaults(run=lambda options, _: _trouble_told(replay, options))


def _add_secret(parser: argparse.ArgumentParser, use: str) -> None:
    told = f"holds the account's {use}, whsec_...; default: ${SECRET}"
    parser.add_argument("--secret-file", type=Path, metavar="FILE", help=told)


def _trouble_told(act: Any, options: argparse.Namespace) -> int:  # Any: a coroutine function
    try:
        code: int = asyncio.run(act(options))
    except (UnusableError, SecretError, ConfigError, OSError) as error:
        print(error, file=sys.stderr)
        return TROUBLE
    return code


async def _send(options: argparse.Namespace) -> int:
    body, webhook_id = _body(options), options.webhook_id or f"msg_{uuid4().hex}"
    headers = signed(_secret(options), webhook_id, body, at_seconds=int(time.time()))
    post = Post(url=options.webhook, body=body, headers={**headers, "content-type": "application/json"})
    reply = await posted(post, timeout_seconds=TIMEOUT_SECONDS, advice=f"post {webhook_id} again")
    print(f"{reply.status} {webhook_id}")
    if reply.body:
        print(shown(reply.body))
    return 0 if 200 <= reply.status < 300 else REFUSED


def _body(options: argparse.Namespace) -> bytes:
    if options.body is not None:
        return sys.stdin.buffer.read() if options.body == "-" else Path(options.body).read_bytes()
    if not options.text and not options.file:
        raise UnusableError("nothing to send: give TEXT, --file or --body")
    customer = {"id": options.customer, **({"name": options.name} if options.name else {})}
    event = {
        "type": "message.received",
        "id": options.id or str(uuid4()),
        "customer": customer,
        "text": options.text or "",
        "files": [{"url": url} for url in options.file],
        "attributes": dict(_pairs(options.attribute)),
        "at_ms": time.time_ns() // 1_000_000,
    }
    return json.dumps(event).encode()


def _pairs(attributes: Sequence[str]) -> Sequence[tuple[str, str]]:
    pairs = [attribute.partition("=") for attribute in attributes]
    if not all(mark for _, mark, _ in pairs):
        raise UnusableError("--attribute takes NAME=VALUE")
    return [(name, value) for name, _, value in pairs]


def _secret(options: argparse.Namespace) -> str:
    if options.secret_file is not None:
        return str(options.secret_file.read_text()).strip()
    secret = os.environ.get(SECRET, "")
    if not secret:
        raise UnusableError(f"no secret: give --secret-file, or set {SECRET}")
    return secret


async def _listen(options: argparse.Namespace) -> int:
    if not 200 <= options.answer <= 599:
        raise UnusableError(f"--answer is no status: {options.answer}")
    if not 0 <= options.port <= 65_535:
        raise UnusableError(f"--port is no port: {options.port}")
    secret = _secret(options)
    signed(secret, "", b"", at_seconds=0)  # a secret that is none is told now
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)

    def say(line: str) -> None:
        print(line, flush=True)

    listener = Listener(secret, say, status=options.answer, now_seconds=lambda: int(time.time()))
    async with http_server(listener, options.host, options.port, drain_seconds=1) as url:
        say(f"option `url` of the account: {url}/\nCtrl-C ends it.")
        await ended.wait()
    return 0
