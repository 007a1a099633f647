"""`centralino status`: what runs, where, how well, in how much memory; and development tokens."""

import sys
from pathlib import Path
from typing import Final

import psutil
from pydantic import BaseModel
from servicekit.auth import Role

from centralino.home import FolderRefusedError, Home, PartState, StackState, process_of
from centralino.tokens import development_token
from centralino.web import status_of

EXIT_NOT_RUNNING: Final = 1
EXIT_USAGE: Final = 2


class PartReport(BaseModel):
    """A part now. `memory_bytes` counts its children, and pages shared by several processes only once (PSS)."""

    name: str
    pid: int
    health: str
    memory_bytes: int
    log: str


class Report(BaseModel):
    """The whole stack now."""

    running: bool
    data: str
    pid: int | None = None
    addresses: dict[str, str] = {}
    parts: list[PartReport] = []
    memory_bytes: int = 0


def status(data: Path, *, as_json: bool) -> int:
    """Print the report; returns the exit code: 0 when the stack runs, else 1."""
    home = _existing(data)
    if home is None:
        return EXIT_USAGE
    report = report_of(home)
    print(report.model_dump_json(indent=2) if as_json else _in_words(report))
    return 0 if report.running else EXIT_NOT_RUNNING


def token(data: Path, *, role: Role, subject: str | None, tenant: str) -> int:
    """Print a development token and nothing else."""
    home = _existing(data)
    if home is None:
        return EXIT_USAGE
    print(development_token(home, role=role, subject=subject or f"development-{role}", tenant=tenant))
    return 0


def report_of(home: Home) -> Report:
    """Look at every part."""
    state = home.state()
    if state is None or not state.running():
        return Report(running=False, data=str(home.folder))
    parts = [_report(part) for part in [_supervisor(state), *state.parts]]
    return Report(
        running=True,
        data=str(home.folder),
        pid=state.pid,
        addresses=state.addresses,
        parts=parts,
        memory_bytes=sum(part.memory_bytes for part in parts),
    )


def _existing(data: Path) -> Home | None:
    """The folder, which must be there already: asking makes none."""
    if not data.expanduser().exists():
        print(f"There is no stack in {data}: start one with `centralino up`.", file=sys.stderr)
        return None
    try:
        return Home.open(data)
    except FolderRefusedError as error:
        print(error, file=sys.stderr)
        return None


def _supervisor(state: StackState) -> PartState:
    return PartState(name="up", pid=state.pid, created=state.created, log="")


def _report(part: PartState) -> PartReport:
    process = process_of(part.pid, part.created)
    health = "dead"
    if process is not None:
        health = "running" if part.ready_url is None else _health(part.ready_url)
    # Only the backends' own children count as theirs: everything is a child of `up`.
    family = [process, *(process.children(recursive=True) if part.name != "up" else [])] if process else []
    memory = sum(_memory_bytes(each) for each in family)
    return PartReport(name=part.name, pid=part.pid, health=health, memory_bytes=memory, log=part.log)


def _health(ready_url: str) -> str:
    if status_of(ready_url) != 200:
        return "not ready"
    live = status_of(ready_url.replace("/health/ready", "/health/live"))
    return "ready" if live == 200 else "stuck"


def _memory_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", memory.rss))
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _in_words(report: Report) -> str:
    if not report.running:
        return f"Nothing runs on the data in {report.data}."
    lines = [f"Centralino runs as process {report.pid} on the data in {report.data}.", ""]
    lines += [f"  {name:<26} {url}" for name, url in report.addresses.items()]
    lines.append("")
    for part in report.parts:
        lines.append(f"  {part.name:<14} {part.health:<10} {part.memory_bytes / 2**20:6.0f} MiB   process {part.pid}")
    lines.append(f"  {'in all':<25} {report.memory_bytes / 2**20:6.0f} MiB")
    return "\n".join(lines)
