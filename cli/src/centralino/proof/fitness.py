"""Who may have a task: what it asks at a position against what is configured of an agent, and what they hold."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from contracts.routing_parts import Agent
from contracts.tasks import Requirement, TaskQueued, TaskRerouted, Terms

PLAIN: Final = Terms()


@dataclass(slots=True)
class Wants:
    """What a task asks of an agent; `interruptible` and the terms are those of the position."""

    channel: str
    client: str
    direction: str
    cost: int
    requirements: tuple[Requirement, ...]
    terms: Terms
    interruptible: bool
    counted: bool = True
    """Whether it takes capacity: not while its customer is silent."""

    def reroute(self, data: TaskRerouted) -> None:
        """From here on the task asks something else."""
        self.requirements, self.terms = data.requirements, data.terms


def wants_of(queued: TaskQueued, *, interruptible: bool) -> Wants:
    """What the task asks as it is queued."""
    return Wants(
        channel=queued.channel,
        client=queued.client,
        direction=queued.direction,
        cost=queued.cost,
        requirements=queued.requirements,
        terms=queued.terms or PLAIN,
        interruptible=interruptible,
    )


def misfits(agent: Agent, wants: Wants) -> Iterator[str]:
    """Why the agent may not have the task, whatever they hold; each goes on from the name of the offer."""
    terms, name = wants.terms, agent.id
    yield from _lacking(agent, wants)
    if terms.teams and agent.team not in terms.teams:
        yield f"is for team {' or '.join(terms.teams)}, {name} is of {agent.team}"
    if terms.agents and name not in terms.agents:
        yield f"is for {' or '.join(terms.agents)} alone and goes to {name}"
    if agent.clients and wants.client not in agent.clients:
        yield f"is for client {wants.client}, whom {name} does not serve"
    if wants.direction not in agent.directions:
        yield f"is {wants.direction}, which {name} does not do"
    if agent.channels and wants.channel not in agent.channels:
        yield f"comes by {wants.channel}, which {name} does not serve"


def overloads(agent: Agent, wants: Wants, held: Iterable[Wants]) -> Iterator[str]:
    """What is too much for the agent who gets this beside what they hold."""
    counted = [each for each in held if each.counted]
    # What may be interrupted stands only in the way of what may be interrupted, too.
    beside = [each for each in counted if wants.interruptible or not each.interruptible]
    units = wants.cost + sum(each.cost for each in beside)
    if units > agent.capacity:
        yield f"{agent.id} holds {units} of {agent.capacity} units"
    most = agent.channels.get(wants.channel)
    on_channel = 1 + sum(each.channel == wants.channel for each in counted)
    if most is not None and on_channel > most:
        yield f"{agent.id} has {on_channel} of {most} by {wants.channel}"


def _lacking(agent: Agent, wants: Wants) -> Iterator[str]:
    for required in wants.requirements:
        if not _has(agent, required):
            yield f"needs {_words(required)}, {agent.id} has {agent.skills.get(required.skill, 0)}"
    for group in wants.terms.any_of:
        if not any(_has(agent, required) for required in group):
            yield f"needs one of {' or '.join(map(_words, group))}, {agent.id} has none"
    for ruled_out in wants.terms.none_of:
        if _has(agent, ruled_out):
            yield f"rules out {_words(ruled_out)}, {agent.id} has {agent.skills[ruled_out.skill]}"


def _has(agent: Agent, required: Requirement) -> bool:
    return required.minimum <= agent.skills.get(required.skill, 0) <= required.maximum


def _words(required: Requirement) -> str:
    upto = "" if required.maximum == Requirement(skill=required.skill).maximum else f" to {required.maximum}"
    return f"{required.skill} {required.minimum}{upto}"
