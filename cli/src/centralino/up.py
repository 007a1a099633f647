"""`centralino up`: the whole stack on this machine, until Ctrl-C."""

import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from centralino.children import StartError
from centralino.home import FolderRefusedError, Home, InUseError, default_folder
from centralino.sample import TENANT, load_sample, mail_address, phone_number, wait_for_address, wait_for_mailbox
from centralino.services import ServiceSpec
from centralino.stack import Given, Stack, StepTimer
from centralino.supervisor import watch
from centralino.tokens import development_token

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_RUNNING: Final = 3

_PAGES: Final = {
    "customer-page": "the customer's page",
    "agent-page": "the agent's page",
    "supervisor-page": "the supervisor's page",
    "mailbox-page": "what is sent by mail",
}
_PHONES: Final = "customers' phones"
SAMPLE_MAILBOX: Final = "sample-mailbox"
SAMPLE_NUMBER: Final = "sample-number"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """What the command line says."""

    data: Path
    fresh: bool = False
    sample: bool = True
    given: Given = field(default_factory=Given)


def up(options: UpOptions, specs: Sequence[ServiceSpec]) -> int:
    """Start, watch, stop; returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)  # like Ctrl-C
    try:
        home = Home.open(options.data)
        with home.locked():
            return _run(home, options, specs)
    except FolderRefusedError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except InUseError:
        _tell_where_it_runs(options.data)
        return EXIT_RUNNING
    except KeyboardInterrupt:
        return 0


def _run(home: Home, options: UpOptions, specs: Sequence[ServiceSpec]) -> int:
    began = time.monotonic()
    home.end_leftovers()
    if options.fresh:
        home.empty()
    print(f"Starting Centralino; its data are in {home.folder}", flush=True)
    stack = Stack(home, options.given, specs)
    try:
        with stack.opened():
            if options.sample:
                with StepTimer("sample tenant"):
                    _sample(home, stack)
            stack.tell()
            _print_addresses(stack.addresses(), time.monotonic() - began, data=options.data)
            _watch(stack)
    except StartError as error:
        print(f"\n{error}\n\nEverything was stopped again. Logs are in {home.logs}.", file=sys.stderr)
        return EXIT_FAILED
    print("Everything is stopped; the data stay.", flush=True)
    return 0


def _sample(home: Home, stack: Stack) -> None:
    token = development_token(home, role="admin", subject="centralino-up", tenant=TENANT)
    router = stack.origin("router-api")
    load_sample(token, router)
    wait_for_address(stack.origin("chat-gateway"))
    address = mail_address(token, router)
    if address:
        wait_for_mailbox(token, stack.origin("email-gateway"), address)
        stack.name_sample(SAMPLE_MAILBOX, f"mailto:{address}")
    number = phone_number(token, router)
    if number:
        stack.name_sample(SAMPLE_NUMBER, f"tel:{number}")


def _watch(stack: Stack) -> None:
    try:
        watch(stack.parts, say=lambda text: print(text, flush=True), changed=stack.tell)
    except KeyboardInterrupt:
        # From here on nothing cuts the stopping short; every wait in it has a bound.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        print("\nStopping services, then backends.", flush=True)


def _print_addresses(addresses: dict[str, str], seconds: float, *, data: Path) -> None:
    here = "" if data == default_folder() else f" --data {shlex.quote(str(data))}"
    print(f"\nCentralino is ready after {seconds:.1f} s. Open:\n")
    for name, title in _PAGES.items():
        if name in addresses:
            print(f"  {title:<20} {addresses[name]}")
    phones = next((url for name, url in addresses.items() if name.startswith("simulated-")), None)
    if phones:
        print(f"  {_PHONES:<20} {phones.partition('?')[0]}")
    if SAMPLE_MAILBOX in addresses:
        where, address = addresses["smtp"].removeprefix("smtp://"), addresses[SAMPLE_MAILBOX].removeprefix("mailto:")
        print(f"\nMail for {address} is taken by SMTP at {where}.")
    if SAMPLE_NUMBER in addresses:
        number = addresses[SAMPLE_NUMBER].removeprefix("tel:")
        print(f"\nTelephony is simulated, no telephone rings: `{_called()} call {number}{here}` has a customer call.")
    print(
        f"\n`{_called()} status{here}` names everything else and issues tokens. Ctrl-C stops everything.",
        flush=True,
    )


def _called() -> str:
    """The command as it can be typed here: `make run` starts it from an environment that is on nobody's path."""
    return sys.argv[0] if Path(sys.argv[0]).name == "centralino" else "centralino"


def _tell_where_it_runs(data: Path) -> None:
    state = Home.open(data).state()
    if state is None:
        print("Another `centralino up` starts on these data just now.", file=sys.stderr)
        return
    pages = "  ".join(state.addresses[name] for name in _PAGES if name in state.addresses)
    print(f"Centralino runs already on these data, as process {state.pid}. {pages}".rstrip(), file=sys.stderr)
