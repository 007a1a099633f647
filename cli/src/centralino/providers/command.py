"""`centralino simulate-provider NAME`."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from centralino.providers.catalogue import GROUPS, VENDORS, configuration
from centralino.providers.server import providers_server
from centralino.providers.simulated import Simulated


def add_simulate_provider(commands: Any) -> None:  # Any: argparse does not tell the type of its sub-parsers
    """Add the command."""
    parser = commands.add_parser(
        "simulate-provider", help="WhatsApp, Telegram, Slack, ... on this machine, for tests (docs/simulators.md)"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a provider, or `all`, `meta`, `twilio`; see --list")
    parser.add_argument("--list", action="store_true", help="which providers there are, and what each can do")
    parser.add_argument(
        "--webhook", metavar="URL", default="", help="where deliveries go; `{provider}` becomes the provider's name"
    )
    parser.add_argument("--host", default="127.0.0.1", help="listen there (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="listen there (default: any free port)")
    parser.add_argument("--seed", type=int, default=1, help="of ids, secrets and chance (default: %(default)s)")
    parser.add_argument(
        "--secret", action="append", default=[], metavar="USE=VALUE", help="instead of one made of the seed"
    )
    parser.add_argument("--time-scale", type=float, default=1.0, metavar="X", help="retries come X times faster")
    parser.set_defaults(run=lambda options, _: simulate_provider(options))


def simulate_provider(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C; 2 and one sentence for what cannot be used."""
    if options.list:
        print("\n".join(_listed()))
        return 0
    fault = _fault(options)
    if fault:
        print(fault, file=sys.stderr)
        return 2
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def _fault(options: argparse.Namespace) -> str:
    if options.name is None:
        return "which provider? `centralino simulate-provider --list` names them"
    if options.name not in {*VENDORS, *GROUPS}:
        return f"there is no provider {options.name}: {', '.join([*VENDORS, *GROUPS])}"
    if options.webhook:
        try:
            parts = urlsplit(options.webhook)
            is_url = parts.scheme in {"http", "https"} and parts.hostname is not None and (parts.port or 1) > 0
        except ValueError:
            is_url = False
        if not is_url:
            return f"--webhook is no http URL: {options.webhook}"
    uses = {use for name in _names(options.name) for use in VENDORS[name].uses}
    for pair in options.secret:
        use, mark, value = pair.partition("=")
        if not mark or not value or use not in uses:
            return f"--secret takes USE=VALUE, where USE is one of {', '.join(sorted(uses))}"
    if not 0 <= options.port <= 65_535:
        return f"--port is no port: {options.port}"
    return "" if options.time_scale > 0 else f"--time-scale must be more than 0: {options.time_scale}"


def _names(name: str) -> Sequence[str]:
    return GROUPS.get(name, (name,))


def _listed() -> Sequence[str]:
    lines = [f"{vendor.name:16} {vendor.title}: {', '.join(sorted(vendor.can))}" for vendor in VENDORS.values()]
    return [*lines, *(f"{name:16} {', '.join(of)}" for name, of in GROUPS.items())]


async def _serve(options: argparse.Namespace) -> None:
    secrets = dict(pair.split("=", 1) for pair in options.secret)
    async with providers_server(
        _names(options.name),
        webhook=options.webhook,
        host=options.host,
        port=options.port,
        seed=options.seed,
        secrets=secrets,
    ) as (url, simulated):
        for one in simulated.values():
            one.simulation.time_scale = options.time_scale
            print("\n".join(_said(one)), flush=True)
        print(f"\nWrite as a customer: {url}/page/\nControl API:         {url}/simulator\nCtrl-C ends it.", flush=True)
        await _until_signal()


def _said(simulated: Simulated) -> Sequence[str]:
    """What somebody has to configure."""
    vendor = simulated.vendor
    document = json.dumps(configuration(vendor), indent=2)
    webhook = simulated.simulation.webhook_url or f"none yet: PATCH /simulator/{vendor.name}/settings"
    return (
        f"\n{vendor.title} ({vendor.name})",
        f"  API URL     {simulated.base_url}",
        f"  account     {vendor.account_id}",
        *(f"  {use:11} {value}" for use, value in vendor.secrets.items()),
        f"  webhook     {webhook}",
        "  in `channels` of the configuration document:",
        *(f"    {line}" for line in document.splitlines()),
    )


async def _until_signal() -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, ended.set)
    await ended.wait()
