"""Plans and what tasks wait for: steps that never come, queues that never let go, order that starves."""

from collections.abc import Iterator
from itertools import pairwise

from contracts.routing_parts import Destination, Queue, Step

from centralino.config.findings import Finding
from centralino.config.serving import Serving

_NOTHING = Step(after_seconds=0)


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
    """Nothing changes when it comes: it says nothing, or names agents whom nobody of the domain can be."""
    at_home = {(agent.domain, agent.id) for agent in serving.configuration.agents}
    for index, plan in enumerate(serving.configuration.plans):
        for place, step in enumerate(plan.steps):
            path = f"/plans/{index}/steps/{place}"
            ends_agents_only = place > 0 and (plan.steps[place - 1].agents or plan.steps[place - 1].last_agent)
            if step == _NOTHING.model_copy(update={"after_seconds": step.after_seconds}) and not ends_agents_only:
                yield _unreachable(
                    "step_without_effect", path, "it changes nothing", "say what it changes, or remove it"
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


def rule_behind_one_that_always_matches(serving: Serving) -> Iterator[Finding]:
    """A rule that matches every contact and does not go on ends the list."""
    ended: dict[str, str] = {}
    for index, rule in enumerate(serving.configuration.rules):
        if rule.domain in ended:
            yield _unreachable(
                "rule_behind_one_that_always_matches",
                f"/rules/{index}",
                f"rule {ended[rule.domain]} before it matches every contact",
                f"move it before {ended[rule.domain]}, or let that one go_on",
            )
        elif rule.when.strip() == "true" and not rule.go_on:
            ended[rule.domain] = rule.id


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


def queues_that_overflow_in_a_circle(serving: Serving) -> Iterator[Finding]:
    """A task goes round, at most eight times, and then stays where it is."""
    leads = {
        (queue.domain, queue.id): {
            (queue.domain, target.queue) for target in _ways_out(serving, queue) if target.queue is not None
        }
        for queue in serving.configuration.queues
    }
    for index, queue in enumerate(serving.configuration.queues):
        here = (queue.domain, queue.id)
        seen: set[tuple[str, str]] = set()
        ahead = set(leads[here])
        while ahead and here not in seen:
            seen |= ahead
            ahead = {further for place in ahead for further in leads.get(place, ())} - seen
        if here in seen:
            yield Finding(
                rule="queues_that_overflow_in_a_circle",
                severity="warning",
                path=f"/queues/{index}",
                message="what it gives up can come back to it",
                advice="end the circle with a callback, voicemail or closing message",
            )


def queue_that_starves(serving: Serving) -> Iterator[Finding]:
    """Every agent of it serves something more important first, and nothing makes waiting count."""
    bounded = {
        domain.id
        for domain in serving.configuration.domains
        if domain.longest_wait_seconds is not None or domain.aging_seconds_per_priority is not None
    }
    for index, queue in enumerate(serving.configuration.queues):
        servers = {agent.id for agent in serving.servers(queue)}
        before = {
            agent.id
            for other in serving.configuration.queues
            if other.domain == queue.domain and (other.band, other.priority) > (queue.band, queue.priority)
            for agent in serving.servers(other)
        }
        if queue.domain not in bounded and servers and servers <= before:
            yield Finding(
                rule="queue_that_starves",
                severity="warning",
                path=f"/queues/{index}",
                message="each of its agents serves queues of a higher band or priority first, however long it waits",
                advice="set longest_wait_seconds or aging_seconds_per_priority of the domain",
            )


def offer_outlives_the_step(serving: Serving) -> Iterator[Finding]:
    """A step waits for a live offer to end: two clocks of which the slower one wins."""
    timeouts = {domain.id: domain.offer_timeouts for domain in serving.configuration.domains}
    for index, queue in enumerate(serving.configuration.queues):
        longest = max((queue.offer_timeout_seconds, *timeouts[queue.domain].values()))
        for step, following in pairwise(serving.steps(queue)):
            lasts = following.after_seconds - step.after_seconds
            if lasts < longest:
                yield Finding(
                    rule="offer_outlives_the_step",
                    severity="warning",
                    path=f"/queues/{index}/plan",
                    message=f"the step at {step.after_seconds} s lasts {lasts} s, an offer up to {longest} s: "
                    "while an offer is live the next step waits",
                    advice="let steps last longer than offers",
                )
                break


def longest_wait_after_the_overflow(serving: Serving) -> Iterator[Finding]:
    """The task is gone before it would go first."""
    longest = {domain.id: domain.longest_wait_seconds for domain in serving.configuration.domains}
    for index, queue in enumerate(serving.configuration.queues):
        limit = longest[queue.domain]
        gone = next((step.after_seconds for step in serving.steps(queue) if step.overflow), None)
        if limit is not None and gone is not None and gone <= limit:
            yield Finding(
                rule="longest_wait_after_the_overflow",
                severity="warning",
                path=f"/queues/{index}/plan",
                message=f"it overflows after {gone} s, and would go before others after {limit} s",
                advice="lower longest_wait_seconds of the domain below the overflow",
            )


def _ways_out(serving: Serving, queue: Queue) -> Iterator[Destination]:
    yield from (way for way in (queue.closed, queue.full) if way is not None)
    yield from (step.overflow for step in serving.steps(queue) if step.overflow is not None)


def _unreachable(rule: str, path: str, message: str, advice: str) -> Finding:
    return Finding(rule=rule, severity="warning", path=path, message=message, advice=advice)
