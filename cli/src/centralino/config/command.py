"""The command `centralino config`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from servicekit.system import SystemClock

from centralino.config.access import ROUTER, TOKEN, Access
from centralino.config.case_files import CaseFile, read_cases
from centralino.config.case_report import faults_of_case
from centralino.config.cases import play
from centralino.config.documents import Source, read_configuration_files
from centralino.config.errors import ConfigError, FaultsError
from centralino.config.exported import exported
from centralino.config.findings import Finding
from centralino.config.lint import lint
from centralino.config.planning import APPLIED_SECONDS_MAX, carry_out, plan_back, plan_of, with_places
from centralino.config.router_api import RouterApi
from centralino.config.terminal import Terminal, this_terminal

EXIT_FOUND: Final = 1
EXIT_USAGE: Final = 2
DAYS: Final = "%Y-%m-%d %H:%M:%S"


def add_config(commands: Any, add_data: Callable[[argparse.ArgumentParser], object]) -> None:  # Any: argparse's own
    """Add `config` to the command line; `add_data` adds the option that names the data folder."""
    parser = commands.add_parser("config", help="a tenant's configuration as files: plan, apply, lint, test, ...")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, act, text, arguments in _ACTIONS:
        action = actions.add_parser(name, help=text, description=text)
        arguments(action)
        if "api" in act.__annotations__:
            _add_access(action)
            add_data(action)
        action.set_defaults(run=partial(_run, act))


def _run(act: Callable[..., int], options: argparse.Namespace, _: object) -> int:
    """One sentence and exit code 2 for whatever is wrong with files, options or the API."""
    try:
        given = {"options": options, "terminal": this_terminal()}
        if "api" in act.__annotations__:
            access = Access(
                data=options.data, tenant=options.tenant, router=options.router, token_file=options.token_file
            )
            given["api"] = access.open()
        return act(**given)
    except ConfigError as error:
        print(error, file=sys.stderr)
    except FaultsError as error:
        print("\n".join(f"{fault.path}: {fault.message}" for fault in error.faults), file=sys.stderr)
    except (KeyboardInterrupt, EOFError):
        print("Nothing more is done.", file=sys.stderr)
    return EXIT_USAGE


def plan(options: argparse.Namespace, terminal: Terminal, api: RouterApi) -> int:
    """Exit code as `git diff --exit-code` has it, if that is asked for."""
    source, wanted = read_configuration_files(options.paths)
    found = plan_of(api, wanted, source)
    if options.json:
        terminal.say(found.as_json())
    else:
        found.show(terminal)
    return EXIT_FOUND if options.exit_code and found.changes else 0


def apply(options: argparse.Namespace, terminal: Terminal, api: RouterApi) -> int:
    """What is sent is what was planned just before, on top of the version that it was planned on."""
    source, wanted = read_configuration_files(options.paths)
    found = plan_of(api, wanted, source)
    if options.on_version is not None and options.on_version != found.version:
        raise ConfigError(f"Version {found.version} is active, not {options.on_version}: plan again.")

    def send() -> int:
        return with_places(source, lambda: api.activate(wanted, on_version=found.version))

    return carry_out(found, api, terminal, send, yes=options.yes, wait_seconds=options.wait)


def roll_back(options: argparse.Namespace, terminal: Terminal, api: RouterApi) -> int:
    """The document of an earlier version, as a new version."""
    found = plan_back(api, options.version)

    def send() -> int:
        return api.roll_back(to_version=options.version, on_version=found.version)

    return carry_out(found, api, terminal, send, yes=options.yes, wait_seconds=options.wait)


def export(options: argparse.Namespace, terminal: Terminal, api: RouterApi) -> int:
    """To standard output."""
    configuration = api.document(options.version) if options.version else api.active().configuration
    if configuration is None:
        raise ConfigError("This tenant has no configuration yet.")
    terminal.say(exported(configuration, "json" if options.json else "yaml").rstrip("\n"))
    return 0


def versions(options: argparse.Namespace, terminal: Terminal, api: RouterApi) -> int:
    """Newest first, with the domains that are routed by each."""
    found, applied = api.versions(), api.applied()
    for line in found:
        line["domains"] = sorted(domain for domain, version in applied.items() if version == line["version"])
    if options.json:
        terminal.say(json.dumps(found, indent=2))
        return 0
    for index, line in enumerate(found):
        at = datetime.fromtimestamp(line["created_at_ms"] / 1000, tz=UTC).strftime(DAYS)
        notes = ["active"] if index == 0 else []
        notes += [f"routes {', '.join(line['domains'])}"] if line["domains"] else []
        terminal.say(f"{line['version']:>6}  {at} UTC  {line['created_by']:<24}  {'; '.join(notes)}".rstrip())
    if not found:
        terminal.say("This tenant has no configuration yet.")
    return 0


def schema(options: argparse.Namespace, terminal: Terminal) -> int:
    """For editors."""
    if options.of == "cases":
        terminal.say(json.dumps(CaseFile.model_json_schema(), indent=2))
        return 0
    found = json.loads((files("contracts") / "schemas" / "tenant-configuration.json").read_text())
    if options.of == "part":
        del found["required"]
    terminal.say(json.dumps(found, indent=2))
    return 0


def lint_files(options: argparse.Namespace, terminal: Terminal) -> int:
    """1 when there is an error; warnings alone are no failure."""
    source, configuration = read_configuration_files(options.paths)
    found = lint(configuration, today=datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).date())
    if options.json:
        terminal.say(json.dumps([each.as_json(source) for each in found], indent=2))
    else:
        _tell(source, found, terminal)
    return EXIT_FOUND if any(each.severity == "error" for each in found) else 0


def test(options: argparse.Namespace, terminal: Terminal) -> int:
    """1 when a case fails."""
    cases = read_cases(options.paths)
    failed = 0
    for given in cases:
        faults = faults_of_case(given.case, play(given.configuration, given.case))
        failed += bool(faults)
        terminal.mark(f"{'!' if faults else '+'} {given.place}: {given.case.name}")
        for line in faults:
            terminal.say(line)
    terminal.say(f"{len(cases) - failed} of {len(cases)} cases pass.")
    return EXIT_FOUND if failed else 0


def _tell(source: Source, found: Sequence[Finding], terminal: Terminal) -> None:
    for each in found:
        terminal.mark(each.told(source))
    errors = sum(each.severity == "error" for each in found)
    terminal.say(f"Errors: {errors}, warnings: {len(found) - errors}.")


def _add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--router", metavar="URL", help=f"the router's API; default: ${ROUTER}, else the embedded stack"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"holds an admin's token or an API key; default: ${TOKEN}, else a development token",
    )
    parser.add_argument("--tenant", default="acme", help="of which tenant a development token is (default: acme)")


def _paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder of files")


def _planning(parser: argparse.ArgumentParser) -> None:
    _paths(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--exit-code", action="store_true", help="1 if there are changes, as git diff has it")


def _sending(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--wait",
        type=float,
        default=APPLIED_SECONDS_MAX,
        metavar="SECONDS",
        help="how long to wait until all domains are routed by it (default: %(default)s)",
    )


def _applying(parser: argparse.ArgumentParser) -> None:
    _paths(parser)
    _sending(parser)
    parser.add_argument("--on-version", type=int, metavar="N", help="only if this version, which plan told, is active")


def _rolling_back(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", type=int, metavar="VERSION", help="whose document becomes a new version")
    _sending(parser)


def _exporting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON instead of YAML")
    parser.add_argument("--version", type=int, metavar="N", help="that version instead of the active one")


def _for_programs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _linting(parser: argparse.ArgumentParser) -> None:
    _paths(parser)
    _for_programs(parser)


def _describing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("of", nargs="?", choices=["document", "part", "cases"], default="document")


Arguments = Callable[[argparse.ArgumentParser], None]
_ACTIONS: Final[tuple[tuple[str, Callable[..., int], str, Arguments], ...]] = (
    ("plan", plan, "what these files would change", _planning),
    ("apply", apply, "make these files the active configuration", _applying),
    ("export", export, "write the active configuration down", _exporting),
    ("rollback", roll_back, "make an earlier version the active one again", _rolling_back),
    ("versions", versions, "the versions that were active", _for_programs),
    ("schema", schema, "the JSON Schema of the document, of a part of it, or of routing cases", _describing),
    ("lint", lint_files, "find what is valid and still a mistake", _linting),
    ("test", test, "play routing cases (*.test.yaml) on the router's own decisions", _paths),
)
