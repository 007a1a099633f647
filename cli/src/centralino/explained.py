"""`centralino explain TASK`: why a task is where it is, asked of the router's API."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from router.domain.explain_answers import TaskExplained

from centralino.config.access import ROUTER, TOKEN, Access
from centralino.config.errors import ConfigError
from centralino.config.terminal import Terminal, this_terminal

EXIT_TROUBLE: Final = 2


def add_explain(commands: Any, add_data: Callable[[argparse.ArgumentParser], object]) -> None:  # Any: argparse's own
    """Add `explain` to the command line; `add_data` adds the option that names the data folder."""
    parser = commands.add_parser("explain", help="why a task is where it is (docs/explain.md)")
    parser.add_argument("task", metavar="TASK", help="the task's id")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--router", metavar="URL", help=f"the router's API; default: ${ROUTER}, else the stack's")
    token = f"holds a supervisor's token or an API key; default: ${TOKEN}, else a development token"
    parser.add_argument("--token-file", type=Path, metavar="FILE", help=token)
    parser.add_argument("--tenant", default="acme", help="of which tenant a development token is (default: acme)")
    add_data(parser)
    parser.set_defaults(run=_explain)


def _explain(options: argparse.Namespace, _: object) -> int:
    access = Access(
        data=options.data,
        tenant=options.tenant,
        router=options.router,
        token_file=options.token_file,
        role="supervisor",
    )
    try:
        raw = access.open().explained(options.task)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_TROUBLE
    tell(raw, this_terminal(), as_json=options.json)
    return 0


def tell(raw: str, terminal: Terminal, *, as_json: bool) -> None:
    """Say the API's answer as it is, or in words."""
    if as_json:
        terminal.say(raw)
        return
    for line in lines_of(TypeAdapter(TaskExplained).validate_json(raw)):
        terminal.say(line)


def lines_of(task: TaskExplained) -> Iterator[str]:
    """The summary first, then what it is made of."""
    yield f"{task.task_id}: {task.summary}"
    yield ""
    yield from _facts(task)
    if task.timeline:
        yield "Timeline"
        for moment in task.timeline:
            when = _when(moment.at_ms, task.as_of_ms)
            yield f"  {'x' if moment.done else ' '} {moment.after_ms / 1000:>6.0f} s  {when:>12}  {moment.text}"
    if task.agents is not None:
        yield f"Agents: {task.eligible} of {task.agents} eligible"
        yield from (f"  {reason.text}" for reason in task.reasons)
        yield "Asked, and how many of all agents lack it"
        yield from (f"  {each.lacking:>5}  {each.code.replace('_', ' ')} {each.detail}" for each in task.asked)
    for offer in task.offers:
        yield f"Offered to {offer.agent_id} for {(offer.expires_at_ms - task.as_of_ms) / 1000:.0f} s more"
    for refused in task.refused_by:
        yield f"Not for {refused.agent_id}, who refused it, for {(refused.until_ms - task.as_of_ms) / 1000:.0f} s more"


def _when(at_ms: int | None, now_ms: int) -> str:
    if at_ms is None:
        return "after return"
    seconds = (at_ms - now_ms) / 1000
    return f"{abs(seconds):.0f} s ago" if seconds < 0 else f"in {seconds:.0f} s"


def _facts(task: TaskExplained) -> Iterator[str]:
    known = {
        "queue": task.queue,
        "channel": task.channel,
        "client": task.client,
        "state": task.state,
        "waited": f"{task.waited_ms / 1000:.0f} s",
        "asks": task.asks,
        "role": None if task.owner is None else task.owner.role,
        "transfer": None if task.transfer is None else task.transfer.text,
        "priority": f"{task.priority}, band {task.band}",
        "position": task.position,
        "expected": None if task.expected_wait_ms is None else f"{task.expected_wait_ms / 1000:.0f} s more",
        "version": f"{task.version} of the configuration",
    }
    yield from (f"  {name:<10} {value}" for name, value in known.items() if value is not None)
