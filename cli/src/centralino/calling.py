"""`centralino call`: a customer calls the running stack. Nothing rings: the node of telephony is simulated."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
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
    phone = _Phone(f"{addresses[VOICE]}/simulated", token, options.caller)
    try:
        return phone.call(number, options.keys)
    except KeyboardInterrupt:
        phone.ask("POST", f"/phones/{options.caller}/hang_up")
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


class _Phone:
    """The customer's."""

    def __init__(self, url: str, token: str, caller: str) -> None:
        self._url = url
        self._token = token
        self._caller = caller

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        status, text = call(method, f"{self._url}{path}", token=self._token, body=body)
        return status, json.loads(text)

    def call(self, number: str, keys: str) -> int:
        """Dial, and say what is heard whenever that is something else, until the call is over."""
        status, answer = self.ask("POST", "/calls", {"number": number, "caller": self._caller})
        if status != 201:
            print(answer.get("detail", "The call is refused."), file=sys.stderr)
            return 1
        print(f"{self._caller} calls {number}. This is simulated: no telephone rings. Ctrl-C hangs up.", flush=True)
        heard, talked, until = None, False, time.monotonic() + SHORT_SECONDS
        while True:
            _, seen = self.ask("GET", f"/phones/{self._caller}")
            if seen["talks"] and not talked and keys:
                self.ask("POST", f"/phones/{self._caller}/keys", {"keys": keys})
            talked = talked or seen["talks"]
            if not seen["talks"] and (talked or time.monotonic() > until):
                print("The call is over." if talked else "Nobody takes the call.")
                return 0
            if seen["talks"] and seen["hears"] != heard:
                heard = seen["hears"]
                print(f"  hears {', '.join(heard) or 'nothing'}", flush=True)
            time.sleep(_LOOK_SECONDS)
