"""Everything that is valid and still a mistake. A new rule is a function in a module of its subject, named here."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from contracts.configuration import TenantConfiguration

from centralino.config.findings import Finding, Rule
from centralino.config.lint_callbacks import callback_that_nobody_gets
from centralino.config.lint_calls import (
    address_that_nobody_can_dial,
    agents_without_a_phone,
    choice_that_the_address_does_not_allow,
    flow_that_no_address_uses,
    menu_that_nobody_reaches,
    policy_behind_one_that_always_fits,
    prompt_that_no_flow_plays,
    prompt_with_an_unknown_value,
    prompt_without_a_language,
)
from centralino.config.lint_circles import queues_that_escalate_in_a_circle, queues_that_overflow_in_a_circle
from centralino.config.lint_limits import (
    alert_on_no_promise,
    calendar_that_never_opens,
    cap_below_one_task,
    reserve_above_all_agents,
    shares_above_the_whole,
)
from centralino.config.lint_plans import (
    last_agent_is_never_known,
    longest_wait_after_the_overflow,
    offer_outlives_the_step,
    plan_that_no_queue_uses,
    queue_that_starves,
    queue_without_overflow,
    step_without_effect,
)
from centralino.config.lint_rules import rule_behind_one_that_always_matches, rule_that_never_matches
from centralino.config.lint_serving import (
    address_that_nobody_serves,
    agent_without_work,
    cost_above_every_capacity,
    queue_that_nobody_serves,
    rule_that_nobody_serves,
    skill_that_nobody_has,
    step_that_nobody_serves,
)
from centralino.config.lint_timers import offer_outlives_the_refusal
from centralino.config.lint_written import (
    account_that_nothing_speaks_to,
    account_with_an_unknown_name,
    account_without_its_secrets,
    reply_with_an_unknown_variable,
    template_that_cannot_be_sent,
)
from centralino.config.serving import NOTHING_IS_PAST, Serving

OF_ACCOUNTS: Final[tuple[Rule, ...]] = (
    account_without_its_secrets,
    account_that_nothing_speaks_to,
    account_with_an_unknown_name,
)
"""Told by `plan` and `apply` too: what is wrong here shows only when a customer writes."""
RULES: Final[tuple[Rule, ...]] = (
    queue_that_nobody_serves,
    step_that_nobody_serves,
    rule_that_nobody_serves,
    address_that_nobody_serves,
    cost_above_every_capacity,
    offer_outlives_the_refusal,
    shares_above_the_whole,
    cap_below_one_task,
    reserve_above_all_agents,
    calendar_that_never_opens,
    alert_on_no_promise,
    plan_that_no_queue_uses,
    step_without_effect,
    last_agent_is_never_known,
    rule_behind_one_that_always_matches,
    rule_that_never_matches,
    queue_without_overflow,
    queues_that_overflow_in_a_circle,
    queues_that_escalate_in_a_circle,
    callback_that_nobody_gets,
    *OF_ACCOUNTS,
    template_that_cannot_be_sent,
    reply_with_an_unknown_variable,
    choice_that_the_address_does_not_allow,
    address_that_nobody_can_dial,
    agents_without_a_phone,
    menu_that_nobody_reaches,
    flow_that_no_address_uses,
    prompt_that_no_flow_plays,
    prompt_without_a_language,
    prompt_with_an_unknown_value,
    policy_behind_one_that_always_fits,
    queue_that_starves,
    offer_outlives_the_step,
    longest_wait_after_the_overflow,
    skill_that_nobody_has,
    agent_without_work,
)


def lint(
    configuration: TenantConfiguration, rules: Sequence[Rule] = RULES, *, today: date = NOTHING_IS_PAST
) -> list[Finding]:
    """Errors first, then in the order of the rules; `today` is the day in UTC."""
    serving = Serving(configuration, today)
    found = [finding for rule in rules for finding in rule(serving)]
    return sorted(found, key=lambda finding: finding.severity)
