"""A busy day with a crowd: more waits than a bounded step does at once, and one agent can hold all of it."""

from typing import Final

from contracts.configuration import Domain
from contracts.routing_parts import Agent, Queue
from typing_extensions import override

from router.domain.inputs import TimersDue
from router.testing.parts import agent, queue
from router.testing.supervised_walk import AGENTS, QUEUES, Choices
from router.testing.walk import Walk
from router.testing.walk_parts import CLIENTS, QUEUE_FIELDS, SKILLS

STEP_MAX: Final = 64
"""So many tasks are taken from an agent, or looked at in a queue, in one step."""
CROWD: Final = (80, 140)
CROWDED_FIELDS: Final = {
    name: QUEUE_FIELDS[name] for name in ("plan", "parallel_offers", "auto_accept", "first_response_seconds", "closed")
}


class CrowdedWalk(Walk):
    """Take `step`s as often as you like; `crossed` says what had to be gone on with in another step."""

    def __init__(self, chance: Choices, *, reruns: bool = False) -> None:
        super().__init__(chance, reruns=reruns)
        self.crossed: set[str] = set()
        self.moves |= {self.start: 8, self.complete: 4, self.override: 12, self.change: 6, self.reroute: 8}
        self.moves |= {self.leave: 25, self.come: 25}
        for _ in range(chance.randint(*CROWD)):
            self.interactions += 1
            self.told.start(f"i{self.interactions}", queue=QUEUES[0], client=chance.choice(CLIENTS))
        self.told.on_duty(AGENTS[0])
        self.told.wait(0)

    @override
    def domain(self) -> Domain:
        """Without a cap, under which nobody would have much."""
        return super().domain().model_copy(update={"client_shares": []})

    @override
    def queue(self, name: str) -> Queue:
        """The first one takes whoever comes, and asks for nothing."""
        if name != QUEUES[0]:
            return super().queue(name)
        return queue(name, priority=self.chance.choice((3, 5)), **self.some(CROWDED_FIELDS, 2))

    @override
    def agent(self, name: str) -> Agent:
        """The first one is of every skill, and has room for more than one step takes."""
        if name != AGENTS[0]:
            return super().agent(name)
        skills = [f"{skill}:{self.chance.choice((4, 5))}" for skill in SKILLS]
        return agent(name, *skills, capacity=self.chance.choice((STEP_MAX + 1, 2 * STEP_MAX, 3 * STEP_MAX)))

    @override
    def answer(self) -> None:
        """Many offers are accepted, or some rejected."""
        for _ in range(self.chance.choice((1, 3, STEP_MAX + 6))):
            super().answer()

    def come(self) -> None:
        """The agent for all of it is at work."""
        self.told.on_duty(AGENTS[0])

    def leave(self) -> None:
        """Or is not any more: on a break at once, lost, or removed."""
        how = self.chance.choice(("break", "break", "lost", "removed"))
        if how == "break":
            self.told.set_state(AGENTS[0], ready=False)
        elif how == "lost":
            self.told.gone(AGENTS[0])
            self.told.wait(9.999)
            self.told.now_ms += 1  # only one step, to be seen
            self.told.give(TimersDue())
        else:
            self.told.configure(removed=f"agent:{AGENTS[0]}")
            self.told.configure(self.agent(AGENTS[0]))

    @override
    def step(self) -> None:
        """Something happens."""
        super().step()
        domain = self.told.domain
        self.crossed |= {"shed" for agent in domain.agents.values() if agent.shed is not None}
        self.crossed |= {"matching" for agent in domain.agents.values() if agent.matching_deferred}
