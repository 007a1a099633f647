"""Plans and what tasks wait for: steps that never come, queues that never let go, order that starves."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from contracts.configuration import Domain
from contracts.routing_parts import Agent, Queue, Step

from centralino.config.findings import Finding, listed
from centralino.config.serving import Serving

Level = tuple[int, int]
"""Band and priority."""
BELOW_ALL: Final[Level] = (-1, 0)
PRIORITY_MAX: Final = 9
_TERMS: Final = ("requirements", "any_of", "none_of", "teams", "band")


def plan_that_no_queue_uses(serving: Serving) -> Iterator[Finding]:
    """Its steps never come."""
    used = {(queue.domain, queue.plan) for queue in serving.configuration.queues}
    for index, plan in enumerate(serving.configuration.plans):
        if (plan.domain, plan.id) not in used:
            yield Finding(
                rule="plan_that_no_queue_uses",
                severity="warning",
                path=f"/plans/{index}",
                message="no queue names it",
                advice="name it as the plan of a queue, or remove it",
            )


def step_without_effect(serving: Serving) -> Iterator[Finding]:
    """Nothing changes when it comes: all that it says holds already, or it names agents of other domains alone."""
    at_home = {(agent.domain, agent.id) for agent in serving.configuration.agents}
    used = defaultdict[tuple[str, str | None], list[Queue]](list)
    for queue in serving.configuration.queues:
        used[queue.domain, queue.plan].append(queue)
    for index, plan in enumerate(serving.configuration.plans):
        ruled = _ruled(serving, plan.domain)
        effects = [_effects(queue, plan.steps, ruled) for queue in used[plan.domain, plan.id]]
        for place, step in enumerate(plan.steps):
            path = f"/plans/{index}/steps/{place}"
            if effects and not any(each[place] for each in effects):
                yield _unreachable(
                    "step_without_effect",
                    path,
                    "it changes nothing: all that it says holds already",
                    "say what it changes, or remove it",
                )
            if step.agents and not any((plan.domain, agent) in at_home for agent in step.agents):
                yield _unreachable(
                    "step_without_effect",
                    f"{path}/agents",
                    "none of them works in this domain",
                    "name agents of the plan's domain",
                )


def last_agent_is_never_known(serving: Serving) -> Iterator[Finding]:
    """Who served a customer last is one of the customer's facts, for which this queue does not wait."""
    for index, queue in enumerate(serving.configuration.queues):
        if not queue.customer_facts_wait_ms and any(step.last_agent for step in serving.steps(queue)):
            yield _unreachable(
                "last_agent_is_never_known",
                f"/queues/{index}/customer_facts_wait_ms",
                f"plan {queue.plan} has a step for the last agent, and the queue never waits to know who that is",
                "let the queue wait for the customer's facts, 1000 ms or so",
            )


def queue_without_overflow(serving: Serving) -> Iterator[Finding]:
    """Nobody free for hours: its customers wait for hours, and are told nothing."""
    for index, queue in enumerate(serving.configuration.queues):
        if not any(step.overflow for step in serving.steps(queue)):
            yield Finding(
                rule="queue_without_overflow",
                severity="warning",
                path=f"/queues/{index}",
                message="whoever finds no agent waits here for ever",
                advice="give it a plan whose last step overflows: to another queue, a callback or a closing message",
            )


def queue_that_starves(serving: Serving) -> Iterator[Finding]:
    """Every agent of it serves something more important first, and nothing makes waiting count enough."""
    domains = {domain.id: domain for domain in serving.configuration.domains}
    first: dict[str, Level] = {}  # of what each agent serves
    for servers, level in _served(serving, domains).values():
        first |= {agent.id: level for agent in servers if level > first.get(agent.id, BELOW_ALL)}
    least: dict[int, Level] = {}  # what even the least important work of its agents counts, by their list
    for index, queue in enumerate(serving.configuration.queues):
        domain, servers = domains[queue.domain], serving.servers(queue)
        if domain.longest_wait_seconds is not None or not servers:
            continue
        if id(servers) not in least:
            least[id(servers)] = min(first[agent.id] for agent in servers)
        before, own = least[id(servers)], _highest(serving, queue)
        if before > own:
            what, bound = ("band", "") if before[0] > own[0] else ("priority", " or aging_seconds_per_priority")
            yield Finding(
                rule="queue_that_starves",
                severity="warning",
                path=f"/queues/{index}",
                message=f"each of its agents serves queues of a higher {what} first, however long it waits",
                advice=f"set longest_wait_seconds{bound} of the domain",
            )


def offer_outlives_the_step(serving: Serving) -> Iterator[Finding]:
    """A step waits for a live offer to end: two clocks of which the slower one wins."""
    timeouts = {domain.id: domain.offer_timeouts for domain in serving.configuration.domains}
    for index, queue in enumerate(serving.configuration.queues):
        longest = max((queue.offer_timeout_seconds, *timeouts[queue.domain].values()))
        comes = [0, *(step.after_seconds for step in serving.steps(queue))]
        lasts, since = min(((after - since, since) for since, after in pairwise(comes) if after), default=(longest, 0))
        if lasts < longest and not queue.auto_accept:
            which = f"the step at {since} s" if since or comes[1] == 0 else "what holds before the first step"
            yield Finding(
                rule="offer_outlives_the_step",
                severity="warning",
                path=f"/queues/{index}/plan",
                message=f"{which} lasts {lasts} s, an offer up to {longest} s: "
                "while an offer is live the next step waits",
                advice="let steps last longer than offers",
            )


def longest_wait_after_the_overflow(serving: Serving) -> Iterator[Finding]:
    """The task has left the router before it would go first. Another queue, and a callback, keep the waiting time."""
    for index, domain in enumerate(serving.configuration.domains):
        limit = domain.longest_wait_seconds
        gone = {
            queue.id: step.after_seconds
            for queue in serving.configuration.queues
            for step in serving.steps(queue)
            if queue.domain == domain.id and step.overflow and step.overflow.to not in {"queue", "callback"}
        }
        early = sorted(queue for queue, seconds in gone.items() if limit is not None and seconds <= limit)
        if early:
            yield _unreachable(
                "longest_wait_after_the_overflow",
                f"/domains/{index}/longest_wait_seconds",
                f"after {limit} s a task would go before others, and the plan has given it up by then in: "
                f"{listed(early)} ({min(gone[queue] for queue in early)} s)",
                "lower it below the overflow",
            )


def _served(serving: Serving, domains: Mapping[str, Domain]) -> dict[int, tuple[list[Agent], Level]]:
    """The most important of what the same agents serve, by their list, which queues that ask for the same share.

    With aging a priority is only worth some time.
    """
    served: dict[int, tuple[list[Agent], Level]] = {}
    for queue in serving.configuration.queues:
        servers = serving.servers(queue)
        aging = domains[queue.domain].aging_seconds_per_priority is not None
        level = (queue.band, 0 if aging else queue.priority)
        served[id(servers)] = (servers, max(level, served.get(id(servers), (servers, BELOW_ALL))[1]))
    return served


def _highest(serving: Serving, queue: Queue) -> Level:
    """Band and priority of a task at their highest."""
    band, priority = queue.band, queue.priority
    highest = (band, priority)
    for step in serving.steps(queue):
        band = band if step.band is None else step.band
        priority = min(PRIORITY_MAX, priority + step.priority_add)
        highest = max(highest, (band, priority))
    return highest


def _ruled(serving: Serving, domain: str) -> set[str]:
    """What a rule of the domain may have set otherwise than the queue."""
    return {
        name
        for rule in serving.configuration.rules
        for name in ("requirements", "band", "priority")
        if rule.domain == domain and getattr(rule, name) is not None
    }


def _effects(queue: Queue, steps: Sequence[Step], ruled: set[str]) -> list[bool]:
    """Of each step, whether it can change something for a contact that comes to the queue."""
    held = {name: None if name in ruled else _said(queue, name) for name in _TERMS}
    priority = 0 if "priority" in ruled else queue.priority
    effects, alone = [], False
    for step in steps:
        said = {name: _said(step, name) for name in _TERMS if getattr(step, name) is not None}
        changes = any(held[name] != value for name, value in said.items())
        was_alone, alone = alone, bool(step.agents or step.last_agent)
        raises = step.priority_add > 0 and priority < PRIORITY_MAX
        effects.append(changes or was_alone or alone or raises or step.overflow is not None)
        priority += step.priority_add
        held |= said
    return effects


def _said(given: Queue | Step, name: str) -> str:
    """One text for all ways to say the same."""
    value = getattr(given, name)
    if not isinstance(value, list):
        return str(value)
    return str(sorted(str(sorted(map(str, each)) if isinstance(each, list) else each) for each in value))


def _unreachable(rule: str, path: str, message: str, advice: str) -> Finding:
    return Finding(rule=rule, severity="warning", path=path, message=message, advice=advice)
