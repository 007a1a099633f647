"""Classification rules that never come, or never match."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Final

from contracts.rules import Rule
from router.domain.rule_expressions import Expression, ExpressionError, compile_expression

from centralino.config.findings import Finding
from centralino.config.serving import Serving

ANSWERS_MAX: Final = 20_000
"""Contacts that one rule is tried on; a rule that could tell more of them apart is taken for one that may match."""
_ADDRESSED: Final = ("address", "channel", "client")
_VALUES: Final[Mapping[str, Sequence[object]]] = {
    "customer.known": (False, True),
    "direction": ("inbound", "outbound"),
    "hour": range(24),
    "weekday": range(1, 8),
}
"""All values of the attributes that have few."""


def rule_behind_one_that_always_matches(serving: Serving) -> Iterator[Finding]:
    """A rule that matches every contact and does not go on ends the list."""
    ended: dict[str, str] = {}
    for index, rule in enumerate(serving.configuration.rules):
        if rule.domain in ended:
            yield Finding(
                rule="rule_behind_one_that_always_matches",
                severity="warning",
                path=f"/rules/{index}",
                message=f"rule {ended[rule.domain]} before it matches every contact",
                advice=f"move it before {ended[rule.domain]}, or let that one go_on",
            )
        elif not rule.go_on and _answers(serving, rule) == {True}:
            ended[rule.domain] = rule.id


def rule_that_never_matches(serving: Serving) -> Iterator[Finding]:
    """It reads nothing, or only what has few values (hour, weekday, the domain's addresses), and none will do."""
    for index, rule in enumerate(serving.configuration.rules):
        if _answers(serving, rule) == {False}:
            yield Finding(
                rule="rule_that_never_matches",
                severity="warning",
                path=f"/rules/{index}/when",
                message="it matches no contact that can come",
                advice="correct it (docs/rules.md has the attributes and their values), or remove it",
            )


def _answers(serving: Serving, rule: Rule) -> set[object]:
    """What it says to all contacts that can come; empty where that cannot be known."""
    try:
        expression = compile_expression(rule.when)
    except ExpressionError:
        return set()
    return {expression.program.eval(data=data).value() for data in _contacts(serving, rule.domain, expression)}


def _contacts(serving: Serving, domain: str, expression: Expression) -> Iterator[dict[str, object]]:
    """One for all that the expression could not tell apart; none when there are too many."""
    channels = [channel for channel in serving.configuration.channels if channel.domain == domain]
    addressed = [name for name in expression.reads if name in _ADDRESSED]
    others = [name for name in expression.reads if name not in _ADDRESSED]
    if not set(others) <= _VALUES.keys():
        return
    places = list({tuple(getattr(channel, name) for name in addressed) for channel in channels} if addressed else {()})
    if len(places) * prod(len(_VALUES[name]) for name in others) > ANSWERS_MAX:
        return
    for place, values in product(places, product(*(_VALUES[name] for name in others))):
        yield dict(zip((*addressed, *others), (*place, *values), strict=True))
