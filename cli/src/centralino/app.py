"""The command `centralino`."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, get_args

from servicekit.auth import Role
from servicekit.errors import SettingsError
from servicekit.settings import read_settings

from centralino.calling import add_call
from centralino.children import StartError
from centralino.config.command import add_config
from centralino.explained import add_explain
from centralino.home import default_folder
from centralino.journal import add_journal
from centralino.open_channel.command import add_open_channel
from centralino.prepare import PrepareSettings, prepare
from centralino.providers.command import add_simulate_provider
from centralino.sample import load_given_sample
from centralino.services import ServiceSpec, services, with_engines
from centralino.simulator.command import simulate
from centralino.stack import Given
from centralino.status import status, token
from centralino.up import UpOptions, up


def main() -> None:
    """Do what the command line says; exit codes stand in the README."""
    try:
        run(sys.argv[1:], services())
    except BrokenPipeError:  # whoever read the output, `head` maybe, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # it is flushed once more at the exit
        sys.exit(1)


def run(arguments: Sequence[str], specs: Sequence[ServiceSpec]) -> NoReturn:
    """Do what the arguments say, with these services."""
    options = _parser().parse_args(arguments)
    sys.exit(options.run(options, specs))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="centralino", description="The Centralino contact centre on your machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    starting = commands.add_parser("up", help="start the whole stack, and keep it running until Ctrl-C")
    starting.add_argument("--fresh", action="store_true", help="remove the data of earlier runs first")
    starting.add_argument("--no-sample", action="store_true", help="do not load the sample tenant")
    starting.add_argument("--engines", type=int, default=1, metavar="N", help="router engines (default: 1)")
    starting.add_argument("--kafka", metavar="URL", help="use these brokers: host:port, comma-separated")
    starting.add_argument("--redis", metavar="URL", help="use this Redis or Valkey: redis://...")
    starting.add_argument("--postgres", metavar="URL", help="use this database, as its administrator: postgresql://...")
    starting.set_defaults(run=_up)

    asking = commands.add_parser("status", help="what runs and where; or issue a development token")
    asking.add_argument("--json", action="store_true", help="for programs")
    asking.add_argument("--token", metavar="ROLE", choices=get_args(Role), help="print a token of this role instead")
    asking.add_argument("--subject", help="whose token (for an agent: the agent's id)")
    asking.add_argument("--tenant", default="acme", help="of which tenant (default: acme)")
    asking.set_defaults(run=_status)

    preparing = commands.add_parser(
        "prepare", help="make topics, roles and schemas on the backends that the environment names"
    )
    preparing.set_defaults(run=_prepare)

    filling = commands.add_parser("sample", help="load the sample tenant into a development stack that runs")
    filling.add_argument("--router", metavar="URL", required=True, help="origin of the router's API")
    filling.add_argument("--chat-gateway", metavar="URL", required=True, help="origin of the chat gateway")
    filling.set_defaults(run=_sample)

    simulating = commands.add_parser(
        "simulate", help="what a configuration does under random traffic (docs/simulator.md)"
    )
    simulating.add_argument("file", type=Path, metavar="FILE", help="the scenario, .toml or .json")
    simulating.add_argument("--days", type=int, metavar="N", help="instead of the file's")
    simulating.add_argument("--seed", type=int, metavar="S", help="instead of the file's")
    simulating.add_argument("--json", action="store_true", help="for programs, with every period of the day")
    simulating.set_defaults(run=_simulate)

    add_simulate_provider(commands)
    for each in (starting, asking):
        _add_data(each)
    for add in (add_call, add_config, add_explain, add_journal, add_open_channel):
        add(commands, _add_data)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=default_folder(), metavar="DIR", help="default: %(default)s")


def _up(options: argparse.Namespace, specs: Sequence[ServiceSpec]) -> int:
    given = Given(kafka=options.kafka, redis=options.redis, postgres=options.postgres)
    wanted = UpOptions(data=options.data, fresh=options.fresh, sample=not options.no_sample, given=given)
    return up(wanted, with_engines(specs, options.engines))


def _status(options: argparse.Namespace, _: Sequence[ServiceSpec]) -> int:
    if options.token:
        return token(options.data, role=options.token, subject=options.subject, tenant=options.tenant)
    return status(options.data, as_json=options.json)


def _prepare(_: argparse.Namespace, __: Sequence[ServiceSpec]) -> int:
    try:
        settings = read_settings(PrepareSettings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    # The first process of a container has no default for it, and would go on waiting.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    asyncio.run(prepare(settings))
    return 0


def _sample(options: argparse.Namespace, _: Sequence[ServiceSpec]) -> int:
    try:
        is_new = load_given_sample(options.router, options.chat_gateway)
    except (StartError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print("the sample tenant is loaded" if is_new else "the sample tenant was there already")
    return 0


def _simulate(options: argparse.Namespace, _: Sequence[ServiceSpec]) -> int:
    return simulate(options.file, days=options.days, seed=options.seed, as_program=options.json)
