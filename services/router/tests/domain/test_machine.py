"""Whatever happens in whatever order, the invariants of the design hold after every step."""

from typing import Any, Literal

import pytest
from contracts.agents import CommandResult
from contracts.commands import CompleteTask
from contracts.configuration import Domain
from contracts.routing_parts import Step
from contracts.tasks import TransferKind
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from router.domain.inputs import CommandInput
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import TENANT, Story
from router.testing.walk_parts import AGENT_FIELDS, CLIENTS, DOMAIN_FIELDS, OFFICE_HOURS, PLANS, QUEUE_FIELDS

SKILLS = ("billing:1", "billing:3", "english:2", "english:4")
AGENTS = ("ann", "bob", "cid", "dee", "eve")
QUEUES = ("calls", "chats", "mails")
CHANNELS = ("webchat", "voice", "email")
PUT_BY = ("accept park call end", "call accept park end", "call end accept park", "accept park end call")
"""In which order a customer is put by, wants to be called, and goes."""


def _some(most: int, fields: dict[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """At most so many of these fields, each with one of its values."""
    pairs = [(name, value) for name, values in fields.items() for value in values]
    return st.lists(st.sampled_from(pairs), max_size=most, unique_by=lambda pair: pair[0]).map(dict)


domains = _some(3, DOMAIN_FIELDS)
queues = _some(2, {name: values for name, values in QUEUE_FIELDS.items() if name != "priority"}).map(
    lambda chosen: chosen | {"waiting_max": 2} if "full" in chosen else chosen
)
agents = _some(1, AGENT_FIELDS)
agent_ids = st.sampled_from(AGENTS)
interaction_ids = st.integers(1, 12).map("i{}".format)
skills = st.lists(st.sampled_from(SKILLS), max_size=2)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.told = Story(reruns=True)
        self.results: dict[str, CommandResult] = {}

    @initialize(domain=domains, of_queues=st.tuples(*[queues] * 3), of_agents=st.tuples(*[agents] * 3))
    def configure(
        self,
        domain: dict[str, Any],
        of_queues: tuple[dict[str, Any], ...],
        of_agents: tuple[dict[str, Any], ...],
    ) -> None:
        self.told.configure(
            Domain.model_validate({"id": DOMAIN, "costs": {"voice": 2}, "presence_grace_seconds": 10} | domain),
            *PLANS,
            OFFICE_HOURS,
            queue("calls", "billing:2", **of_queues[0]),
            queue("chats", "english:1", **of_queues[1]),
            queue("mails", priority=7, **of_queues[2]),
            address("chats", "calls", "mails"),
            agent("ann", "billing:3", "english:1", capacity=2, **of_agents[0]),
            agent("bob", "billing:2", "english:2", capacity=3, **of_agents[1]),
            agent("cid", "english:4", **of_agents[2]),
        )
        self.told.on_duty("ann", "bob", "cid")

    @rule(
        interaction=interaction_ids,
        name=st.sampled_from((None, *QUEUES)),
        channel=st.sampled_from(CHANNELS),
        client=st.sampled_from(CLIENTS),
    )
    def start(self, interaction: str, name: str | None, channel: str, client: str) -> None:
        known = interaction in self.told.domain.interactions

        assert bool(self.told.start(interaction, queue=name, channel=channel, client=client)) != known

    @rule(interaction=interaction_ids, request=st.integers(1, 20))
    def attention(self, interaction: str, request: int) -> None:
        self.told.attention(interaction, f"request-{request}")

    @rule(interaction=interaction_ids)
    def end(self, interaction: str) -> None:
        self.told.end(interaction)
        tasks = self.told.domain.assignments.values()
        called = any((task.interaction_id, task.state) == (interaction, "assigned") for task in tasks)

        assert called or self.told.end(interaction) == []  # who was called in that instant ends the call

    @precondition(lambda self: self.told.domain.offers)
    @rule(data=st.data(), take=st.booleans())
    def answer(self, data: st.DataObject, take: bool) -> None:
        offer_id = data.draw(st.sampled_from(sorted(self.told.domain.offers)))
        offer = self.told.domain.offers[offer_id].offer_of(offer_id)
        happened = (self.told.accept if take else self.told.reject)(offer.agent_id, offer_id)

        assert _result(happened).outcome == "done"
        assert _refusal(self.told.accept(offer.agent_id, offer_id)) == "offer_gone"

    @rule(agent_id=agent_ids, interaction=interaction_ids)
    def answer_stale_or_foreign(self, agent_id: str, interaction: str) -> None:
        self.told.accept(agent_id, f"{interaction}.t1.o1")

    @rule(agent_id=agent_ids, ready=st.booleans(), when=st.sampled_from(["when_free", "now"]))
    def set_state(self, agent_id: str, ready: bool, when: Literal["when_free", "now"]) -> None:
        self.told.set_state(agent_id, ready=ready, when=when)

    def _assignment(self, data: st.DataObject) -> tuple[str, str]:
        assignment_id = data.draw(st.sampled_from(sorted(self.told.domain.assignments)))
        assigned = self.told.domain.assignments[assignment_id].assigned
        assert assigned is not None
        return assigned.agent_id, assignment_id

    @precondition(lambda self: self.told.domain.assignments)
    @rule(data=st.data(), done=st.booleans())
    def finish(self, data: st.DataObject, done: bool) -> None:
        happened = (self.told.complete if done else self.told.end_task)(*self._assignment(data))

        assert _result(happened).outcome == "done"

    @precondition(lambda self: self.told.domain.assignments)
    @rule(data=st.data(), kind=st.sampled_from(["cold", "consult"]), forced=st.booleans())
    def transfer(self, data: st.DataObject, kind: TransferKind, forced: bool) -> None:
        agent_id, assignment_id = self._assignment(data)
        target: dict[str, Any] = data.draw(
            st.one_of(
                st.sampled_from(QUEUES).map(lambda name: {"queue": name}),
                agent_ids.map(lambda name: {"to_agent_id": name}),
                st.just({"escalate": True}),
                st.just({}),
            )
        )
        needs = () if target else ("english:2",)
        again = self.told.transfer(agent_id, assignment_id, *needs, kind=kind, forced=forced, **target)

        assert (_result(again).outcome == "done") == (_result(again).task_id is not None)

    @precondition(lambda self: self.told.domain.transfers)
    @rule(data=st.data(), move=st.sampled_from(["complete", "conference", "cancel"]))
    def move_transfer(self, data: st.DataObject, move: Literal["complete", "conference", "cancel"]) -> None:
        first_id = data.draw(st.sampled_from(sorted(self.told.domain.transfers)))
        task = self.told.domain.transfers[first_id]
        assert task.transfer is not None
        accepted, transfer_id, owner_id = task.state == "assigned", task.task_id, task.transfer.from_agent_id
        happened = self.told.move(owner_id, transfer_id, move)

        assert _refusal(happened) == (None if accepted or move == "cancel" else "not_accepted")

    @precondition(lambda self: self.told.domain.assignments)
    @rule(data=st.data(), what=st.sampled_from(["hold", "retrieve", "park", "connect", "fail"]))
    def go_on(self, data: st.DataObject, what: str) -> None:
        agent_id, assignment_id = self._assignment(data)
        match what:
            case "hold" | "retrieve":
                self.told.hold(agent_id, assignment_id, held=what == "hold")
            case "park":
                self.told.park(agent_id, assignment_id, seconds=data.draw(st.sampled_from([None, 3, 400])))
            case _:
                self.told.connect(assignment_id, failure=None if what == "connect" else "busy")

    @rule(agent_id=agent_ids, interaction=interaction_ids)
    def unpark(self, agent_id: str, interaction: str) -> None:
        self.told.unpark(agent_id, f"{interaction}.t1", by="boss")

    @rule(interaction=interaction_ids, script=st.sampled_from(PUT_BY))
    def leave_while_put_by(self, interaction: str, script: str) -> None:
        self.told.start(interaction, queue="mails")
        for number, word in enumerate(script.split()):
            known = self.told.domain.interactions.get(interaction)
            task = self.told.domain.tasks.get(known.task_id or "") if known else None
            match word:
                case "call":
                    self.told.callback(interaction, request_id=f"callback-{self.told.now_ms}-{number}")
                case "end":
                    self.told.end(interaction)
                case "accept" if task and task.offer:
                    self.told.accept(task.offer.agent_id, task.offer.offer_id)
                case "park" if task and task.assigned:
                    self.told.park(task.assigned.agent_id, task.assigned.assignment_id)
        self.told.wait(0)

    @rule(agent_id=agent_ids, number=st.integers(1, 5))
    def repeat_a_command(self, agent_id: str, number: int) -> None:
        again = CompleteTask(
            command_id=f"again-{number}", domain=DOMAIN, agent_id=agent_id, assignment_id=f"i{number}.t1.o1.a"
        )
        result = _result(self.told.give(CommandInput(TENANT, again)))
        first = self.results.setdefault(again.command_id, result)

        assert result == first or result.refusal is not None

    @rule(seen=st.sets(agent_ids), gone=st.sets(agent_ids))
    def presence(self, seen: set[str], gone: set[str]) -> None:
        self.told.gone(*sorted(gone))
        self.told.seen(*sorted(seen))

    @rule(agent_id=agent_ids, devices=st.sets(st.sampled_from(("desktop/a", "mobile/a"))))
    def devices(self, agent_id: str, devices: set[str]) -> None:
        self.told.alive(agent_id, *sorted(devices))

    @rule(agent_id=agent_ids, clocked_in=st.booleans())
    def clock(self, agent_id: str, clocked_in: bool) -> None:
        self.told.clock(agent_id, clocked_in=clocked_in)

    @rule(interaction=interaction_ids, active=st.booleans())
    def activity(self, interaction: str, active: bool) -> None:
        self.told.activity(interaction, active=active)

    @rule(
        request=st.integers(1, 9), kind=st.sampled_from(["callback", "case", "dial"]), seconds=st.sampled_from([0, 15])
    )
    def request(self, request: int, kind: str, seconds: int) -> None:
        self.told.request(
            f"r{request}", queue="chats", kind=kind, in_seconds=seconds, agent_id="ann" if seconds else None
        )

    @rule(interaction=interaction_ids, asked=st.booleans())
    def call_back(self, interaction: str, asked: bool) -> None:
        if asked:
            self.told.callback(interaction, request_id=f"callback-{self.told.now_ms}")
            return
        task_id = next((each for each, task in self.told.domain.tasks.items() if task.kind == "callback"), None)
        task = self.told.domain.tasks[task_id] if task_id is not None else None
        happened = self.told.cancel_callback(interaction if task is None else task.interaction_id)

        assert (_refusal(happened) is None) == (task is not None and task_id not in self.told.domain.tasks)

    @rule(data=st.data(), queue=st.sampled_from([None, *QUEUES]), agent_id=st.sampled_from([None, *AGENTS]))
    def supervise(self, data: st.DataObject, queue: str | None, agent_id: str | None) -> None:
        tasks = sorted(self.told.domain.tasks)
        match data.draw(st.sampled_from(["override", *(["reroute", "finish"] if tasks else [])])):
            case "override":
                self.told.override(queue, closed=agent_id == "ann", priority=data.draw(st.sampled_from([None, 2, 9])))
            case "reroute":
                self.told.reroute(data.draw(st.sampled_from(tasks)), queue=queue, to_agent_id=agent_id)
            case _:
                self.told.finish(data.draw(st.sampled_from(tasks)))

    @rule(readable=st.booleans())
    def leases(self, readable: bool) -> None:
        self.told.leases(readable=readable)

    @rule(seconds=st.sampled_from([0.5, 3, 10, 20, 61, 400]))
    def wait(self, seconds: float) -> None:
        self.told.wait(seconds)

        due_ms = self.told.state.next_due_ms()
        assert due_ms is None or due_ms > self.told.now_ms

    @rule(data=st.data())
    def change_configuration(self, data: st.DataObject) -> None:
        name, agent_id = data.draw(st.sampled_from(QUEUES)), data.draw(agent_ids)
        needs, priority = data.draw(skills), data.draw(st.sampled_from([5, 7]))
        match data.draw(st.sampled_from(["agent", "queue", "domain", "plan", "-agent", "-queue", "-domain"])):
            case "agent":
                self.told.configure(agent(agent_id, *needs, capacity=data.draw(st.integers(1, 4)), **data.draw(agents)))
            case "queue":
                self.told.configure(queue(name, *needs, priority=priority, **data.draw(queues)))
            case "domain":
                settings = data.draw(domains)
                self.told.configure(Domain.model_validate({"id": DOMAIN} | settings), address("chats", "mails"))
            case "plan":
                self.told.configure(plan("patient", Step(after_seconds=5, requirements=[], band=1)))
            case "-agent":
                self.told.configure(removed=f"agent:{agent_id}")
                assert agent_id not in self.told.domain.agents
            case "-queue":
                self.told.configure(removed=f"queue:{DOMAIN}/{name}")
            case _:
                self.told.configure(removed=f"domain:{DOMAIN} channel:web:main")

    @rule()
    def take_over(self) -> None:
        self.told.take_over()

        assert all(not agent.routable for agent in self.told.domain.agents.values())


def _result(happened: list[object]) -> CommandResult:
    [result] = [data for data in happened if isinstance(data, CommandResult)]
    return result


def _refusal(happened: list[object]) -> str | None:
    refusal = _result(happened).refusal
    return refusal.code if refusal else None


TestMachine = pytest.mark.timeout(300)(Machine.TestCase)  # a minute of CPU on a machine that others load
TestMachine.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
