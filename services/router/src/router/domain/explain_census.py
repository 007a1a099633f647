"""Who could have a task and who not, agent by agent: a scan, for questions alone. The lanes are neither used nor moved.

It says again what the lanes decide, on purpose: a test compares both after every step of busy days. A scan pauses after
each `CHUNK` agents (about 1 ms), so that whoever asks can let others work; agents may change meanwhile, and each is
counted as they are when looked at.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar, get_args

from contracts.tasks import Requirement, Terms

from router.domain import explain_words as words
from router.domain.agent import Agent
from router.domain.explain_answers import Asked, Reason, ReasonCode
from router.domain.need import OPEN, Skills, has_room, has_skills, skills_of
from router.domain.queue import QueueLine
from router.domain.state import DomainState
from router.domain.task import Task

CHUNK: Final = 256
Answer = TypeVar("Answer")
Explaining = Generator[None, None, Answer]
"""Work in pieces; the value it returns is the answer."""
Why = tuple[ReasonCode, str]
"""A reason and its detail."""


def at_once(work: Explaining[Answer]) -> Answer:
    """The answer without pauses."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


@dataclass(slots=True)
class Claim:
    """What is asked of an agent, by a task or by any task of a queue (`channel` and `client` none: whichever)."""

    tests: list[tuple[Why, Skills]]
    agents: tuple[str, ...]
    teams: tuple[str, ...]
    channel: str | None
    client: str | None
    direction: str
    cost: int
    interruptible: bool
    refused_by: dict[str, int] = field(default_factory=dict)
    offered_to: frozenset[str] = frozenset()
    transferred_by: str | None = None
    """Whose transfer the task stands for."""


def claim_of(task: Task) -> Claim:
    """What the task asks as it waits now."""
    return Claim(
        tests=_tests(task.requirements, task.terms),
        agents=task.terms.agents,
        teams=task.terms.teams,
        channel=task.channel,
        client=task.client,
        direction=task.direction,
        cost=task.cost,
        interruptible=task.interruptible,
        refused_by=task.refused_by,
        offered_to=frozenset(task.offers),
        transferred_by=None if task.transfer is None else task.transfer.from_agent_id,
    )


def claim_of_queue(domain: DomainState, line: QueueLine, channel: str | None, client: str | None) -> Claim:
    """What a new task of the queue would ask, before any step of its plan."""
    return Claim(
        tests=_tests(line.requirements, line.terms),
        agents=(),
        teams=line.terms.teams,
        channel=channel,
        client=client,
        direction=line.settings.direction,
        cost=domain.settings.costs.get(channel, 1) if channel is not None else 1,
        interruptible=channel in domain.settings.interruptible,
    )


def unsuited(agent: Agent, claim: Claim) -> Iterator[Why]:
    """Everything that the agent does not offer, whether they are at work or not."""
    if claim.teams and agent.team not in claim.teams:
        yield "team", words.team(claim.teams)
    if claim.channel is not None and agent.channels and claim.channel not in agent.channels:
        yield "channel", claim.channel
    if claim.client is not None and agent.clients and claim.client not in agent.clients:
        yield "client", claim.client
    if claim.direction not in agent.directions:
        yield "direction", claim.direction
    for why, group in claim.tests:
        if has_skills(agent.skills, (), (group,), ()) == (why[0] == "none_of"):
            yield why


def absent(domain: DomainState, agent: Agent) -> Why | None:
    """Why the agent gets no offer at all now, or none."""
    if agent.state != "ready":
        return "not_ready", reason_label(domain, agent.reason_code)
    if agent.pending is not None:
        return "pending_state", reason_label(domain, agent.pending.reason_code)
    if agent.presence != "present":
        return "not_present", ""
    if agent.backoff_ends_at_ms is not None:
        return "backed_off", ""
    if agent.shed is not None or agent.matching_deferred:
        return "being_served", ""
    return None


def crowded(agent: Agent, claim: Claim) -> Why | None:
    """Why the agent has no room for it, or none."""
    channel = claim.channel or ""
    if not has_room(agent.room, (claim.cost, "", claim.interruptible, OPEN)):
        return "at_capacity", ""
    return None if has_room(agent.room, (0, channel, claim.interruptible, OPEN)) else ("channel_full", channel)


def excluded(domain: DomainState, agent: Agent, claim: Claim) -> Why | None:
    """The first reason, gates apart, why the agent cannot be offered it."""
    if agent.agent_id in claim.offered_to:
        return "has_offer", ""
    if claim.agents and agent.agent_id not in claim.agents:
        return "not_named", ""
    why = next(unsuited(agent, claim), None) or absent(domain, agent) or crowded(agent, claim)
    return why or refused(agent, claim)


def refused(agent: Agent, claim: Claim) -> Why | None:
    """Why the agent is not asked again, or none: it is their own transfer, or they said no."""
    if agent.agent_id not in claim.refused_by:
        return None
    return ("transfers_it" if agent.agent_id == claim.transferred_by else "refused_before"), ""


def closed_gate(domain: DomainState, claim: Claim, idle: int) -> Why | None:
    """Which cap or reserve stands in the way while `idle` ready agents hold nothing, or none."""
    gates, client = domain.gates, claim.client or ""
    gate = gates.gate_of(client, claim.direction)
    if gates.opens(gate, claim.cost, idle):
        return None
    if gate[1] and idle <= gates.reserve:
        return "gate_closed", f"outbound work waits while only {idle} agents are idle, {gates.reserve} are reserved"
    share = gates.shares[client]
    return "gate_closed", f"client {client} holds {gates.units.get(client, 0)} of at most {share.units_max} units"


@dataclass(slots=True)
class Count:
    """What a scan found."""

    agents: int = 0
    eligible: int = 0
    at_work: int = 0
    """Suited, ready and present; busy or not."""
    idle: int = 0
    reasons: dict[Why, int] = field(default_factory=dict)
    lacking: dict[Why, int] = field(default_factory=dict)

    def told(self, claim: Claim) -> tuple[Reason, ...]:
        """The reasons in the order in which they are looked for."""
        place = {why: index for index, (why, _) in enumerate(claim.tests)}
        found = sorted(
            self.reasons.items(), key=lambda each: (_ORDER.index(each[0][0]), place.get(each[0], 0), each[0][1])
        )
        return tuple(
            Reason(code=code, detail=detail, count=count, text=words.about_agents(code, detail, count))
            for (code, detail), count in found
        )

    def asked(self, claim: Claim) -> tuple[Asked, ...]:
        """Each thing that is asked, and how many lack it."""
        return tuple(
            Asked(code=why[0], detail=why[1], lacking=self.lacking.get(why, 0)) for why in dict.fromkeys(_asked(claim))
        )


def count(domain: DomainState, claim: Claim, *, apart_from: str | None = None) -> Explaining[Count]:
    """Look at every agent, but for one: about 4 us each."""
    found = Count()
    for number, agent in enumerate(list(domain.agents.values())):
        if number % CHUNK == CHUNK - 1:
            yield
        found.idle += agent.routable and agent.load == 0
        if agent.agent_id == apart_from:
            continue
        found.agents += 1
        lacks = list(unsuited(agent, claim))
        for why in lacks:
            found.lacking[why] = found.lacking.get(why, 0) + 1
        found.at_work += not lacks and absent(domain, agent) is None
        first = excluded(domain, agent, claim)
        if first is None:
            found.eligible += 1
        else:
            found.reasons[first] = found.reasons.get(first, 0) + 1
    gate = closed_gate(domain, claim, found.idle) if found.eligible else None
    if gate is not None:
        found.reasons[gate], found.eligible = found.eligible, 0
    return found


def reason_label(domain: DomainState, code: str | None) -> str:
    """What the configuration calls it."""
    if code is None:
        return ""
    return next((reason.label for reason in domain.settings.not_ready_reasons if reason.id == code), code)


_ORDER: Final = get_args(ReasonCode)


def _tests(requirements: tuple[Requirement, ...], terms: Terms) -> list[tuple[Why, Skills]]:
    tests: list[tuple[Why, Skills]] = []
    tests += [(("requirement", words.skill(each)), skills_of([each])) for each in requirements]
    tests += [(("one_of", words.one_of(group)), skills_of(group)) for group in terms.any_of]
    tests += [(("none_of", words.skill(each)), skills_of([each])) for each in terms.none_of]
    return tests


def _asked(claim: Claim) -> Iterator[Why]:
    if claim.teams:
        yield "team", words.team(claim.teams)
    if claim.channel is not None:
        yield "channel", claim.channel
    if claim.client is not None:
        yield "client", claim.client
    yield "direction", claim.direction
    yield from (why for why, _ in claim.tests)
