"""`plan`, `apply` and `rollback`: from a document to what changes, and to a new version."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, TypeVar

from contracts.configuration import TenantConfiguration

from centralino.config.differences import Change, differences
from centralino.config.documents import Source
from centralino.config.errors import ConfigError, FaultsError
from centralino.config.findings import Finding
from centralino.config.lint import OF_ACCOUNTS, lint
from centralino.config.router_api import RouterApi
from centralino.config.terminal import Terminal

APPLIED_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.1
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would change on top of a version; `version` 0: there is none yet."""

    version: int
    wanted: TenantConfiguration
    changes: Sequence[Change]
    source: Source = field(default_factory=Source)
    findings: Sequence[Finding] = ()
    """What is valid of the providers' accounts and still a mistake; it keeps nobody from applying."""

    def summary(self) -> str:
        """One line."""
        if not self.changes:
            return f"No changes: version {self.version} says the same."
        count = Counter(change.action for change in self.changes)
        on = f"on top of version {self.version}" if self.version else "as the first version"
        return f"{count['add']} to add, {count['change']} to change, {count['remove']} to remove {on}."

    def as_json(self) -> str:
        """For programs."""
        count = Counter(change.action for change in self.changes)
        summary = {action: count[action] for action in ("add", "change", "remove")}
        changes = [asdict(change) for change in self.changes]
        findings = [each.as_json(self.source) for each in self.findings]
        told = {"version": self.version, "summary": summary, "changes": changes, "findings": findings}
        return json.dumps(told, indent=2)

    def show(self, terminal: Terminal) -> None:
        """For people."""
        for change in self.changes:
            for line in change.lines():
                terminal.mark(line)
        for finding in self.findings:
            terminal.mark(finding.told(self.source))
        terminal.say(self.summary())


def plan_of(api: RouterApi, wanted: TenantConfiguration, source: Source) -> Plan:
    """What the document would change; the server has checked it. Raises ConfigError."""
    active = api.active()
    with_places(source, lambda: api.check(wanted))
    return Plan(
        version=active.version,
        wanted=wanted,
        changes=differences(active.configuration, wanted),
        source=source,
        findings=lint(wanted, OF_ACCOUNTS),
    )


def plan_back(api: RouterApi, version: int) -> Plan:
    """What going back to a version would change. Raises ConfigError."""
    active = api.active()
    document = api.document(version)
    return Plan(version=active.version, wanted=document, changes=differences(active.configuration, document))


def carry_out(
    plan: Plan, api: RouterApi, terminal: Terminal, send: Callable[[], int], *, yes: bool, wait_seconds: float
) -> int:
    """Show it, ask, send it, wait until the domains are routed by it; returns the exit code.

    Raises ConfigError; also when another version was activated since the plan was made.
    """
    plan.show(terminal)
    if not plan.changes:
        return 0
    if not yes and not _agreed(terminal):
        terminal.say("Nothing is changed.")
        return 1
    version = send()
    terminal.say(f"Version {version} is active.")
    domains = [domain.id for domain in plan.wanted.domains]
    late = wait_until_applied(api, domains, version, seconds_max=wait_seconds)
    if late:
        terminal.say(
            f"After {wait_seconds:.0f} s these are not yet routed by it: {', '.join(late)}. The router goes on by "
            "itself; `centralino config versions` shows when it is done."
        )
        return 1
    terminal.say(f"Every domain is routed by it: {', '.join(domains)}.")
    return 0


def wait_until_applied(api: RouterApi, domains: Sequence[str], version: int, *, seconds_max: float) -> list[str]:
    """The domains that are not routed by this version or a later one after so long."""
    deadline = time.monotonic() + seconds_max
    while True:
        applied = api.applied()
        late = [domain for domain in domains if applied.get(domain, 0) < version]
        if not late or time.monotonic() >= deadline:
            return late
        time.sleep(POLL_SECONDS)


def with_places(source: Source, ask: Callable[[], Answer]) -> Answer:
    """Ask the server; what it refuses is told with file and line. Raises ConfigError."""
    try:
        return ask()
    except FaultsError as error:
        raise ConfigError(source.told(error.faults)) from error


def _agreed(terminal: Terminal) -> bool:
    if terminal.ask is None:
        raise ConfigError("Nobody can be asked here: say --yes to go on without asking.")
    return terminal.ask("Go on? [yes/no] ").strip().lower() in {"y", "yes"}
