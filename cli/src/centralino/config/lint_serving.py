"""Who serves what: queues, addresses, skills and agents that do not come together."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from contracts.configuration import ChannelAddress
from contracts.routing_parts import Agent, Queue, RequiredSkill
from contracts.rules import Rule

from centralino.config.findings import Finding, listed
from centralino.config.serving import Need, Serving, Stage


def queue_that_nobody_serves(serving: Serving) -> Iterator[Finding]:
    """No agent of the domain has what the queue requires, now or after a step of its plan."""
    for index, queue in enumerate(serving.configuration.queues):
        if not serving.servers(queue):
            leaves = any(step.overflow for step in serving.steps(queue))
            yield Finding(
                rule="queue_that_nobody_serves",
                severity="warning" if leaves else "error",
                path=f"/queues/{index}",
                message=f"no agent can serve it: {_lack(serving, queue, next(serving.needs(queue)))}",
                advice="lower the requirement, or give the skill to an agent",
            )


def step_that_nobody_serves(serving: Serving) -> Iterator[Finding]:
    """A task waits for somebody who does not exist, for a while or for ever. Steps are told once, with their queues."""
    in_vain: defaultdict[str, list[tuple[Queue, Stage]]] = defaultdict(list)
    plans = {(plan.domain, plan.id): index for index, plan in enumerate(serving.configuration.plans)}
    for index, queue in enumerate(serving.configuration.queues):
        for stage in _unserved(serving, queue):
            first = stage.place is None
            plan = None if queue.plan is None else plans.get((queue.domain, queue.plan))
            in_vain[f"/queues/{index}" if first else f"/plans/{plan}/steps/{stage.place}"].append((queue, stage))
    for path, found in in_vain.items():
        queue, stage = found[0]
        names = "" if stage.place is None else f" in {listed([each.id for each, _ in found])}"
        until = "from then on" if stage.to_seconds is None else f"until {stage.to_seconds} s"
        yield Finding(
            rule="step_that_nobody_serves",
            severity="error" if stage.to_seconds is None else "warning",
            path=path,
            message=f"{until} no agent can serve it{names}: {_lack(serving, queue, stage.need, stage.agents)}",
            advice="ask for less, or give an agent what it asks for",
        )


def rule_that_nobody_serves(serving: Serving) -> Iterator[Finding]:
    """It asks for what no agent has: not in the queue that it names, or without one in any of the domain."""
    for index, rule in enumerate(serving.configuration.rules):
        queues = _queues_of(serving, rule) if rule.requirements else []
        staged = [(queue, list(serving.stages(queue, rule.requirements))) for queue in queues]
        firsts = [(queue, _first(stages)) for queue, stages in staged]
        if not queues or any(serving.is_served(queue, first) for queue, first in firsts):
            continue
        ends = all(
            stages[-1].to_seconds is not None or any(serving.is_served(queue, stage) for stage in stages)
            for queue, stages in staged
        )
        yield Finding(
            rule="rule_that_nobody_serves",
            severity="warning" if ends else "error",
            path=f"/rules/{index}/requirements",
            message=f"no agent has what it asks for: {_lack(serving, firsts[0][0], firsts[0][1].need)}"
            + ("; its tasks wait until a step of the plan" if ends else ""),
            advice="ask for less, or give it to an agent",
        )


def address_that_nobody_serves(serving: Serving) -> Iterator[Finding]:
    """It leads to a queue without agents, or to agents who never take what comes by it."""
    servers = {(queue.domain, queue.id): serving.servers(queue) for queue in serving.configuration.queues}
    leaves = {
        (queue.domain, queue.id)
        for queue in serving.configuration.queues
        if any(step.overflow for step in serving.steps(queue))
    }
    costs = {domain.id: domain.costs for domain in serving.configuration.domains}
    for index, address in enumerate(serving.configuration.channels):
        for place, name in _leads_to(address):
            agents = servers[address.domain, name]
            why = _never(agents, address, costs[address.domain].get(address.channel, 1))
            if why is not None:
                yield Finding(
                    rule="address_that_nobody_serves",
                    severity="warning" if (address.domain, name) in leaves else "error",
                    path=f"/channels/{index}/{place}",
                    message=f"leads to queue {name}, but {why}",
                    advice="lead the address to another queue, or let an agent serve this one",
                )


def cost_above_every_capacity(serving: Serving) -> Iterator[Finding]:
    """A channel costs more than any agent of the domain can hold."""
    for index, domain in enumerate(serving.configuration.domains):
        capacities = [agent.capacity for agent in serving.configuration.agents if agent.domain == domain.id]
        for channel, cost in domain.costs.items():
            if capacities and cost > max(capacities):
                yield Finding(
                    rule="cost_above_every_capacity",
                    severity="error",
                    path=f"/domains/{index}/costs/{channel}",
                    message=f"costs {cost} units, and no agent has a capacity of more than {max(capacities)}",
                    advice="lower the cost, or raise the capacity of the agents who take this channel",
                )


def skill_that_nobody_has(serving: Serving) -> Iterator[Finding]:
    """It is declared and given to no agent."""
    had = {skill for agent in serving.configuration.agents for skill in agent.skills}
    for index, skill in enumerate(serving.configuration.skills):
        if skill not in had:
            yield Finding(
                rule="skill_that_nobody_has",
                severity="warning",
                path=f"/skills/{index}",
                message="no agent has it",
                advice="give it to an agent, or remove it",
            )


def agent_without_work(serving: Serving) -> Iterator[Finding]:
    """They have the skills of no queue of their domain."""
    busy = {agent.id for queue in serving.configuration.queues for agent in serving.servers(queue)}
    for index, agent in enumerate(serving.configuration.agents):
        if agent.id not in busy:
            yield Finding(
                rule="agent_without_work",
                severity="warning",
                path=f"/agents/{index}",
                message="serves no queue",
                advice="give them the skills of a queue, or remove them",
            )


def _leads_to(address: ChannelAddress) -> Iterator[tuple[str, str]]:
    """Field and queue."""
    yield "queue", address.queue
    yield from ((f"queues/{place}", name) for place, name in enumerate(address.queues) if name != address.queue)


def _never(servers: list[Agent], address: ChannelAddress, cost: int) -> str | None:
    """Why none of them ever gets a task of the address; none when one does."""
    if not servers:
        return "nobody serves it"
    takers = [
        agent
        for agent in servers
        if (not agent.channels or address.channel in agent.channels)
        and (not agent.clients or address.client in agent.clients)
    ]
    if not takers:
        return f"nobody who serves it takes {address.channel} of {address.client}"
    if all(agent.capacity < cost for agent in takers):
        return f"who serves it holds less than the {cost} units of {address.channel}"
    return None


def _unserved(serving: Serving, queue: Queue) -> list[Stage]:
    """Stages that last and that nobody can serve, of a queue that somebody serves at some time."""
    stages = [stage for stage in serving.stages(queue) if stage.from_seconds != stage.to_seconds]
    unserved = [stage for stage in stages if not serving.is_served(queue, stage)]
    return unserved if len(unserved) < len(stages) else []


def _first(stages: Sequence[Stage]) -> Stage:
    """The first that lasts."""
    return next((stage for stage in stages if stage.from_seconds != stage.to_seconds), stages[-1])


def _queues_of(serving: Serving, rule: Rule) -> list[Queue]:
    """Where a contact may go that the rule matches; of queues that differ in their own requirements alone one."""
    apart = {
        (queue.direction, queue.plan, tuple(queue.teams), str(queue.any_of), str(queue.none_of)): queue
        for queue in serving.configuration.queues
        if queue.domain == rule.domain and rule.queue in {None, queue.id}
    }
    return list(apart.values())


def _lack(serving: Serving, queue: Queue, need: Need, names: Sequence[str] = ()) -> str:
    """The first thing that nobody has, or none of those who are named."""
    agents = serving.agents(queue.domain)
    if not agents:
        return f"domain {queue.domain} has no agents"
    if names:
        return f"none of {listed(names)} has what it asks for"
    for required in need.all_of:
        best = max(agent.skills.get(required.skill, 0) for agent in agents)
        if best == 0:
            return f"nobody has {required.skill}"
        if best < required.minimum:
            return f"nobody has {required.skill} of {required.minimum}, the best has {best}"
    if need.teams and not any(agent.team in need.teams for agent in agents):
        return f"nobody is in {listed(need.teams)}"
    more = "" if not (need.any_of or need.none_of or need.teams) else ", with what else it asks for,"
    return f"nobody has {' and '.join(map(_worded, need.all_of)) or 'what it asks for'}{more} together"


def _worded(required: RequiredSkill) -> str:
    above = "" if required.maximum == 5 else f" to {required.maximum}"  # the highest proficiency
    return f"{required.skill} of {required.minimum}{above}"
