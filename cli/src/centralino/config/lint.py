"""Everything that is valid and still a mistake. A new rule is a function in a module of its subject, named here."""

from collections.abc import Sequence
from typing import Final

from contracts.configuration import TenantConfiguration

from centralino.config.findings import Finding, Rule
from centralino.config.lint_serving import (
    address_that_nobody_serves,
    agent_without_work,
    cost_above_every_capacity,
    queue_that_nobody_serves,
    skill_that_nobody_has,
)
from centralino.config.lint_timers import offer_outlives_the_refusal
from centralino.config.serving import Serving

RULES: Final[tuple[Rule, ...]] = (
    queue_that_nobody_serves,
    address_that_nobody_serves,
    cost_above_every_capacity,
    offer_outlives_the_refusal,
    skill_that_nobody_has,
    agent_without_work,
)


def lint(configuration: TenantConfiguration, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Errors first, then in the order of the rules."""
    serving = Serving(configuration)
    found = [finding for rule in rules for finding in rule(serving)]
    return sorted(found, key=lambda finding: finding.severity)
