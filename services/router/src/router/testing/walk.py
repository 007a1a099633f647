"""A domain that lives through a busy day by a seed: any feature may be configured, anything may happen.

Denser than what hypothesis finds by itself, and so the place where features meet; its state machine shrinks.
"""

from collections.abc import Callable
from typing import Any, Literal  # Any: fields of parts of a configuration

from contracts.configuration import Domain
from contracts.routing_parts import Agent, Plan, Queue
from contracts.tasks import TransferKind

from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story
from router.testing.supervised_walk import AGENTS, QUEUES, Choices, SupervisedWalk
from router.testing.walk_parts import (
    AGENT_FIELDS,
    CHANNELS,
    CLIENTS,
    DOMAIN_FIELDS,
    KINDS,
    OF_ORDER,
    OFFICE_HOURS,
    OTHER_PLANS,
    PLANS,
    QUEUE_FIELDS,
    RULES,
    SKILLS,
)


class Walk(SupervisedWalk):
    """Take `step`s as often as you like; the checker of `Story` raises AssertionError when something is wrong."""

    def __init__(self, chance: Choices, *, reruns: bool = False) -> None:
        self.chance = chance
        self.told = Story(reruns=reruns)
        self.interactions = 0
        self.kind = chance.choice(KINDS)
        self.configure()
        self.moves: dict[Callable[[], object], int] = {
            self.start: 30,
            self.answer: 26,
            self.complete: 18,
            self.end_task: 3,
            self.end_interaction: 4,
            self.attention: 2,
            self.facts: 6,
            self.update: 2,
            self.ready: 8,
            self.not_ready: 4,
            self.presence: 4,
            self.wait: 12,
            self.outage: 1,
            self.change: 1,
            self.take_over: 1,
            self.transfer: 8,
            self.move_transfer: 8,
            self.park: 2,
            self.unpark: 2,
            self.hold: 2,
            self.connect: 3,
            self.clock: 3,
            self.activity: 5,
            self.device: 3,
            self.request: 4,
            self.callback: 3,
            self.cancel_callback: 2,
            self.override: 2,
            self.reroute: 3,
            self.finish: 1,
        }
        self.moves |= {move: self.moves[move] + 15 for move in self._frequent()}

    def _frequent(self) -> list[Callable[[], object]]:
        """What a day of this kind is full of."""
        frequent: dict[str, list[Callable[[], object]]] = {
            "any": [],
            "queues": [self.start, self.not_ready],
            "returns": [self.connect, self.presence, self.park, self.unpark, self.wait],
            "changes": [self.change, self.wait, self.not_ready],
            "rings": [self.ready, self.wait],
        }
        return frequent[self.kind]

    def transfer_much(self) -> None:
        """From now on nearly everything that happens is about tasks that somebody has."""
        self.moves |= {self.complete: 3, self.end_task: 2, self.transfer: 40, self.move_transfer: 30, self.presence: 6}

    def step(self) -> None:
        """Something happens."""
        [move] = self.chance.choices(list(self.moves), list(self.moves.values()))
        move()

    # The centre

    def configure(self) -> None:
        """Any features, a few at once."""
        self.told.configure(
            self.domain(),
            *PLANS,
            OFFICE_HOURS,
            RULES,
            *[self.queue(name) for name in QUEUES],
            address("chats", "calls", "mails", "sales"),
            *[self.agent(name) for name in AGENTS],
        )
        self.told.on_duty(*AGENTS[: self.chance.choice((1, 2, 4, 4))])

    def domain(self) -> Domain:
        """A domain with some of the features, on days of long queues with those that say who is first."""
        order = ("aging_seconds_per_priority", "client_shares") if self.kind == "queues" else ()
        return Domain.model_validate(
            {"id": DOMAIN, "costs": {"voice": 2}, "presence_grace_seconds": 10}
            | self.some(DOMAIN_FIELDS, 4)
            | self.some({name: DOMAIN_FIELDS[name] for name in OF_ORDER}, 2)
            | {name: self.chance.choice(DOMAIN_FIELDS[name]) for name in order}
        )

    def queue(self, name: str) -> Queue:
        """A queue with a few of them."""
        fields = self.some(QUEUE_FIELDS, 2)
        if self.chance.random() < (0.4 if self.kind in {"any", "queues"} else 0.8):
            fields["plan"] = self.chance.choice(QUEUE_FIELDS["plan"])
        if self.kind == "rings":
            fields["parallel_offers"] = self.chance.choice(QUEUE_FIELDS["parallel_offers"])
        if self.chance.random() < 0.3:
            fields |= self.some({name: QUEUE_FIELDS[name] for name in ("customer_facts_wait_ms", "service_level")}, 2)
        if "full" in fields:
            fields["waiting_max"] = 2
        needs = self.chance.sample(
            ("billing:2", "english", "spanish:3", "english:2-4"), self.chance.choice((0, 1, 1, 2))
        )
        return queue(name, *needs, **fields)

    def agent(self, name: str) -> Agent:
        """An agent of many skills."""
        skills = [f"{skill}:{self.chance.randint(1, 5)}" for skill in SKILLS if self.chance.random() < 0.8]
        fields = self.some(AGENT_FIELDS, 1) if self.chance.random() < 0.5 else {}
        return agent(name, *skills, capacity=self.chance.randint(1, 4), **fields)

    def change(self) -> None:
        """Something of the configuration changes, or goes."""
        parts: list[Domain | Queue | Agent | Plan] = [
            self.domain(),
            self.queue(self.chance.choice(QUEUES)),
            self.agent(self.chance.choice(AGENTS)),
            *self.chance.sample(PLANS + OTHER_PLANS, 6 if self.kind == "changes" else 1),
        ]
        if self.chance.random() < 0.8:
            self.told.configure(self.chance.choice(parts))
        else:
            names = (f"agent:{self.chance.choice(AGENTS)}", f"queue:{DOMAIN}/{self.chance.choice(QUEUES)}")
            self.told.configure(removed=self.chance.choice(names))

    # Customers

    def start(self) -> None:
        """A contact comes in."""
        self.interactions += 1
        queue, channel, client = map(self.chance.choice, (QUEUES, CHANNELS, CLIENTS))
        if self.chance.random() < 0.4:
            self.told.facts(f"i{self.interactions}", last_agent_id=self.chance.choice(AGENTS))
        self.told.start(
            f"i{self.interactions}",
            queue=queue,
            channel=channel,
            client=client,
            text=self.chance.choice(("hello", "hello", "I am angry")),
            language=self.chance.choice(("es", "en", None)),
            callback_possible=self.chance.choice((None, True)),
        )

    def facts(self) -> None:
        """The CRM knows something, maybe before the router knows the conversation."""
        self.told.facts(
            f"i{self.chance.randint(max(1, self.interactions - 3), self.interactions + 1)}",
            tier=self.chance.choice(("gold", None, None)),
            last_agent_id=self.chance.choice((*AGENTS, None)),
        )

    def update(self) -> None:
        """More is known of a conversation."""
        interaction = self.chance.randint(max(1, self.interactions - 3), self.interactions + 1)
        self.told.update(f"i{interaction}", plan=self.chance.choice("ab"))

    def attention(self) -> None:
        """A customer writes again."""
        interaction = self.chance.randint(1, self.interactions + 1)
        self.told.attention(f"i{interaction}", f"request-{self.told.commands_given}")

    def end_interaction(self) -> None:
        """A customer leaves."""
        self.told.end(f"i{self.chance.randint(1, self.interactions + 1)}")

    # Agents

    def answer(self) -> None:
        """An offer is accepted, or rejected."""
        offers = sorted(self.told.domain.offers)
        if offers:
            offer_id = self.chance.choice(offers)
            agent_id = self.told.domain.offers[offer_id].offer_of(offer_id).agent_id
            (self.told.accept if self.chance.random() < 0.8 else self.told.reject)(agent_id, offer_id)

    def complete(self) -> None:
        """An agent is done."""
        self._with_assignment(self.told.complete)

    def end_task(self) -> None:
        """An agent goes to wrap-up."""
        disposition = self.chance.choice((None, "sold"))
        self._with_assignment(lambda *names: self.told.end_task(*names, disposition=disposition))

    def ready(self) -> None:
        """An agent comes to work."""
        name = self.chance.choice(AGENTS)
        self.told.seen(name)
        self.told.set_state(name, ready=True)

    def not_ready(self) -> None:
        """An agent wants a break."""
        when: Literal["when_free", "now"] = "now" if self.chance.random() < 0.3 else "when_free"
        reason = "lunch" if when == "when_free" else None
        self.told.set_state(self.chance.choice(AGENTS), ready=False, when=when, reason=reason)

    def presence(self) -> None:
        """A device is lost, or found."""
        (self.told.gone if self.chance.random() < 0.4 else self.told.seen)(self.chance.choice(AGENTS))

    def wait(self) -> None:
        """Time passes."""
        self.told.wait(self.chance.choice((0.5, 1, 3, 10, 21, 61, 200)))

    def outage(self) -> None:
        """No engine runs for a while; what was asked meanwhile comes before the timers that are due."""
        self.told.now_ms += 1000 * self.chance.choice((2, 15, 45, 400))
        if self.told.checker is not None:
            self.told.checker.late = True
        for _ in range(self.chance.randint(0, 3)):
            [move] = self.chance.choices((self.start, self.answer, self.ready, self.complete), (4, 3, 2, 2))
            move()
        self.told.wait(0)

    def take_over(self) -> None:
        """Another engine becomes the owner; agents are seen again."""
        self.told.take_over()
        self.told.leases(readable=True)
        self.told.seen(*AGENTS)

    # After the assignment

    def transfer(self) -> None:
        """An agent, or a supervisor, wants another to help or to take over."""
        target: dict[str, Any] = self.chance.choice(
            [
                {"queue": self.chance.choice((*QUEUES, "nowhere"))},
                {"queue": self.chance.choice(QUEUES)},
                {"to_agent_id": self.chance.choice((*AGENTS, "zoe"))},
                {"to_agent_id": self.chance.choice(AGENTS)},
                {"escalate": True},
                {},
            ]
        )
        skills = () if target else (self.chance.choice(("spanish:2", "english:3", "billing")),)
        more = {
            "priority_add": self.chance.choice((0, 2)),
            "forced": self.chance.random() < 0.3,
            "by": self.chance.choice((None, None, "boss")),
        }
        kind: TransferKind = self.chance.choice(("cold", "consult"))
        self._with_assignment(
            lambda agent, known: self.told.transfer(agent, known, *skills, kind=kind, **target, **more)
        )

    def move_transfer(self) -> None:
        """Who is asked accepts, mostly; then the owner, or a supervisor, completes, widens or cancels."""
        open_ones = sorted(task.task_id for task in self.told.domain.transfers.values())
        if not open_ones:
            return
        task = self.told.domain.tasks[self.chance.choice(open_ones)]
        if task.offer is not None and self.chance.random() < 0.7:
            self.told.accept(task.offer.agent_id, task.offer.offer_id)
            return
        moves: tuple[Literal["complete", "conference", "cancel"], ...] = ("complete", "conference", "cancel")
        owner_id = task.transfer.from_agent_id if task.transfer else ""
        by = self.chance.choice((None, "boss"))
        self.told.move(owner_id, task.task_id, self.chance.choice(moves), by=by)

    def park(self) -> None:
        """A task is put aside."""
        seconds = self.chance.choice((None, 0, 5, 100))
        self._with_assignment(lambda agent, known: self.told.park(agent, known, seconds=seconds))

    def unpark(self) -> None:
        """A parked task is taken up, or its customer writes."""
        parked = sorted(task.task_id for task in self.told.domain.tasks.values() if task.deferred_for == "parked")
        if parked:
            task = self.told.domain.tasks[self.chance.choice(parked)]
            if self.chance.random() < 0.5:
                self.told.attention(task.interaction_id, f"return-{self.told.commands_given}-{self.told.now_ms}")
            else:
                self.told.unpark(task.last_agent_id or "", task.task_id)

    def hold(self) -> None:
        """Music for a customer, or the end of it."""
        held = self.chance.random() < 0.6
        self._with_assignment(lambda agent, known: self.told.hold(agent, known, held=held))

    def connect(self) -> None:
        """A gateway reports."""
        failure = self.chance.choice((None, "no_answer"))
        self._with_assignment(lambda _, known: self.told.connect(known, failure=failure))

    def clock(self) -> None:
        """A shift begins, or ends."""
        self.told.clock(self.chance.choice(AGENTS), clocked_in=self.chance.random() < 0.5)

    def activity(self) -> None:
        """A customer falls silent, or is back."""
        assigned = sorted(task.interaction_id for task in self.told.domain.assignments.values())
        name = self.chance.choice(assigned) if assigned else f"i{self.chance.randint(1, self.interactions + 1)}"
        self.told.activity(name, active=self.chance.random() < 0.4)

    def device(self) -> None:
        """Other devices of an agent are alive."""
        devices = self.chance.sample(("desktop/a", "desktop/b", "mobile/a"), self.chance.randint(0, 2))
        self.told.alive(self.chance.choice(AGENTS), *sorted(devices))

    def _with_assignment(self, ends: Callable[[str, str], object]) -> None:
        assignments = sorted(self.told.domain.assignments)
        if assignments:
            assignment_id = self.chance.choice(assignments)
            assigned = self.told.domain.assignments[assignment_id].assigned
            ends(assigned.agent_id if assigned else "", assignment_id)
