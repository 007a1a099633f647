"""`centralino call`: a customer calls the running stack. Nothing rings: the node of telephony is simulated."""

import argparse
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final  # Any: argparse does not name the type of its subparsers; JSON

from centralino.home import FolderRefusedError, Home
from centralino.sample import TENANT
from centralino.services import VOICE, ServiceSpec
from centralino.tokens import development_token
from centralino.up import SAMPLE_NUMBER
from centralino.web import call

CALLER: Final = "+12025550123"
SHORT_SECONDS: Final = 5.0
"""Within so long a call has begun, or never will."""
_LOOK_SECONDS: Final = 0.3
_AGENTS_PHONE: Final = re.compile(r"a[0-9a-f]{20}")
"""Under such a name nodes know an agent's phone."""

Ask = Callable[[str, str, object], tuple[int, dict[str, Any]]]
"""Method, path below /voice/v1/simulated, body; answers status and body."""


def add_call(commands: Any, add_data: Callable[[argparse.ArgumentParser], None]) -> None:
    """Describe the command."""
    parser = commands.add_parser("call", help="have a simulated customer call the running stack, until Ctrl-C")
    parser.add_argument("number", nargs="?", help="which number (default: the sample tenant's)")
    parser.add_argument("--caller", default=CALLER, metavar="NUMBER", help="whose phone (default: %(default)s)")
    parser.add_argument("--keys", default="", help="keys that the customer presses once the call is answered")
    add_data(parser)
    parser.set_defaults(run=_call)


def _call(options: argparse.Namespace, _: Sequence[ServiceSpec]) -> int:
    found = _running(options.data)
    if found is None:
        print("Nothing runs on these data: start the stack with `centralino up`.", file=sys.stderr)
        return 1
    home, addresses = found
    number = options.number or addresses.get(SAMPLE_NUMBER, "").removeprefix("tel:")
    if not number:
        print("Which number? The stack runs without the sample tenant.", file=sys.stderr)
        return 2
    token = development_token(home, role="supervisor", subject="centralino-call", tenant=TENANT)

    def ask(method: str, path: str, body: object) -> tuple[int, dict[str, Any]]:
        status, text = call(method, f"{addresses[VOICE]}/simulated{path}", token=token, body=body)
        return status, json.loads(text)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return CustomersPhone(ask, options.caller).call(number, options.keys)
    except KeyboardInterrupt:
        print("\nThe customer hangs up.")
        return 0
    except OSError as error:
        print(f"The voice gateway does not answer: {error}", file=sys.stderr)
        return 1


def _running(data: Path) -> tuple[Home, dict[str, str]] | None:
    try:
        home = Home.open(data) if data.expanduser().exists() else None
    except FolderRefusedError:
        return None
    state = home.state() if home else None
    return (home, state.addresses) if home and state and state.running() else None


class CustomersPhone:
    """It hangs up however its call ends: a customer whom nobody plays any more would wait in line for ever."""

    def __init__(self, ask: Ask, caller: str) -> None:
        self._ask = ask
        self._caller = caller

    def call(self, number: str, keys: str = "") -> int:
        """Dial, and say what is heard whenever that is something else, until the call is over."""
        status, answer = self._ask("POST", "/calls", {"number": number, "caller": self._caller})
        if status != 201:
            print(answer.get("detail", "The call is refused."), file=sys.stderr)
            return 1
        print(f"{self._caller} calls {number}. This is simulated: no telephone rings. Ctrl-C hangs up.", flush=True)
        try:
            print("The call is over." if self._talked(keys) else "Nobody takes the call.")
        finally:
            with suppress(OSError):
                self._press("hang_up")
        return 0

    def _talked(self, keys: str) -> bool:
        """Until the end; whether somebody answered."""
        heard, talked, until = None, False, time.monotonic() + SHORT_SECONDS
        while True:
            _, seen = self._ask("GET", f"/phones/{self._caller}", None)
            if seen["talks"] and not talked and keys:
                self._press("keys", {"keys": keys})
            talked = talked or seen["talks"]
            if not seen["talks"] and (talked or time.monotonic() > until):
                return talked
            if seen["talks"] and seen["hears"] != heard:
                heard = seen["hears"]
                print(f"  hears {', '.join(map(heard_as, heard)) or 'nothing'}", flush=True)
            time.sleep(_LOOK_SECONDS)

    def _press(self, button: str, body: object = None) -> None:
        self._ask("POST", f"/phones/{self._caller}/{button}", body)


def heard_as(name: str) -> str:
    """What a simulated phone hears, for people: words, and whose phone."""
    kind, _, words = name.partition(":")
    if kind == "words":
        return f'"{words}"'
    return "an agent" if _AGENTS_PHONE.fullmatch(name) else name
