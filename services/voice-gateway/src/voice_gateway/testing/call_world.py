"""One call with all that is around it: a simulated node with phones, a small router, and time that stands until it is
moved. What is told waits in queues, so that a story chooses who hears first.

Each step is checked by the laws that every call keeps (`_check`).
"""

from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar  # Any: an event of any type

from contracts import registry
from contracts.calls import CallMeasured
from contracts.calls import LegEnded as SaidEnded
from contracts.envelope import adapter_of
from contracts.interactions import InteractionEnded
from contracts.tasks import TaskAssigned
from servicekit.testing.virtual import VirtualClock

from voice_gateway.domain import commands, events
from voice_gateway.domain.advance import advance
from voice_gateway.domain.arrange import alone
from voice_gateway.domain.call import AgentPhone, Call, Terms, call_from_json, call_to_json
from voice_gateway.domain.commands import Command
from voice_gateway.domain.dialling import LEGS_MAX
from voice_gateway.domain.events import Event
from voice_gateway.domain.facts import Asked, CallArrived, DialAsked, Fact, NodeTold, Reconciled, Routed, TimerDue
from voice_gateway.domain.step import Said, Step, ToKeep
from voice_gateway.domain.words import Party, Phone
from voice_gateway.drivers.simulated import SimulatedDriver
from voice_gateway.testing.small_router import SmallRouter

T = TypeVar("T")
CUSTOMER: Final = "anna"
AGENTS: Final = ("ada", "eve", "ida")
SUPERVISOR: Final = "sue"
NUMBER: Final = "+390612345"
TERMS: Final = Terms(tenant_id="acme", domain="d", client="c", address="sales-line")
_NOT_REPEATED: Final = (events.KeyPressed, events.CommandRefused, events.TransferRequested)
"""Two of these are two. A snapshot is of its instant, and told once."""


def phone(name: str) -> AgentPhone:
    """An agent's phone, by the agent's name."""
    return AgentPhone(to=Phone(endpoint_id=name))


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives that never waits, as those of a simulated node."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # what the coroutine returns
    raise AssertionError("a simulated node waits")


@dataclass(slots=True)
class CallWorld:
    """`call_in` or `dial` begins it; `settle` lets everything happen that is under way."""

    terms: Terms = TERMS
    clock: VirtualClock = field(default_factory=VirtualClock)
    call: Call | None = None
    said: list[Said] = field(default_factory=list)
    kept: list[ToKeep] = field(default_factory=list)
    done: list[Command] = field(default_factory=list)
    happened: list[Fact] = field(default_factory=list)
    told: deque[Event] = field(default_factory=deque)
    """By the node, and not read."""
    routed: deque[Routed] = field(default_factory=deque)
    asked: deque[Any] = field(default_factory=deque)
    """Of the router, and not read."""
    to_do: deque[Command] = field(default_factory=deque)
    lost: bool = False
    """The node cannot be heard or commanded."""
    router_is_away: bool = False
    """What the router is asked waits."""
    refuses: tuple[type[Command], ...] = ()
    """What the node will not do."""
    node: SimulatedDriver = field(init=False)
    router: SmallRouter = field(init=False)
    phones: Any = field(init=False)

    def __post_init__(self) -> None:
        self.node = SimulatedDriver("n1", self, self.clock)
        self.phones = self.node.phones
        self.router = SmallRouter(tell=self._router_told, now_ms=self.clock.now_ms)
        for name in (*AGENTS, SUPERVISOR):
            self.phones.behave(name, "rings")

    def tell(self, event: Event) -> None:
        """See Sink. What a lost node tells nobody hears."""
        if not self.lost:
            self.told.append(event)

    def _router_told(self, data: Any, sequence: str) -> None:
        agent = getattr(data, "agent_id", None)
        self.routed.append(Routed(data=data, sequence=sequence, phone=phone(agent) if agent else None))

    def call_in(self) -> None:
        """The customer dials our number."""
        self.phones.call(CUSTOMER, NUMBER, Party(number=CUSTOMER))

    def call_out(self, agent: str) -> None:
        """An agent accepts to call the customer."""
        self.router.callback(agent)
        self.settle()

    def accepted(self, agent: str, *, answers: bool = True) -> None:
        """An agent accepts what waits, and picks the phone up."""
        self.router.accept(agent)
        self.settle()
        if answers:
            self.phones.answer(agent)
            self.settle()

    def hears(self, *names: str) -> tuple[set[str], ...]:
        """What phones hear, one after the other."""
        return tuple(set(self.phones.hears(name)) for name in names)

    def rings(self, name: str) -> bool:
        """Whether a phone rings."""
        return bool(self.phones.line(name).rings)

    def step(self, fact: Fact) -> Step:
        """Something happens to the call."""
        before = self.call
        self.happened.append(fact)
        taken = advance(before, fact, self.clock.now_ms())
        self._check(before, fact, taken)
        self.call = taken.call
        self.said.extend(taken.messages)
        self.kept.extend(taken.recordings)
        self.asked.extend(said.data for said in taken.messages)
        self.to_do.extend(taken.commands)
        return taken

    def read_node(self) -> bool:
        """The next event of the node is read; whether there was one."""
        if not self.told:
            return False
        event = self.told.popleft()
        if isinstance(event, events.LegIncoming):
            if self.call is None:
                self.step(CallArrived(leg=event, terms=self.terms))
        elif self.call is not None:
            self.step(NodeTold(event=event))
        return True

    def read_router(self) -> bool:
        """The next event of the router is read; a callback that is assigned begins a call."""
        if not self.routed:
            return False
        fact = self.routed.popleft()
        if self.call is not None:
            self.step(fact)
        elif isinstance(fact.data, TaskAssigned):
            self.step(
                DialAsked(
                    data=fact.data,
                    sequence=fact.sequence,
                    phone=fact.phone,
                    customer=Party(number=CUSTOMER),
                    terms=self.terms,
                )
            )
        return True

    def router_reads(self) -> bool:
        """The router hears what the gateway said next."""
        if not self.asked or self.router_is_away:
            return False
        self.router.hears(self.asked.popleft())
        return True

    def node_does(self) -> bool:
        """The node is given the next command."""
        if not self.to_do or self.lost:
            return False
        command = self.to_do.popleft()
        self.done.append(command)
        self._do(command)
        return True

    def _do(self, command: Command) -> None:
        if isinstance(command, self.refuses):
            self.tell(events.CommandRefused(command=command, reason="no", at_ms=self.clock.now_ms()))
            return
        _at_once(self.node.do(command))

    def settle(self) -> None:
        """Everything that is under way happens; no time passes."""
        for _ in range(10_000):
            if not (self.node_does() or self.read_node() or self.router_reads() or self.read_router()):
                return
        raise AssertionError("it never comes to rest")

    def pass_time(self, seconds: float) -> None:
        """Time passes, and all that is due meanwhile happens at its instant."""
        until_ms = self.clock.now_ms() + round(seconds * 1000)
        while self.clock.now_ms() < until_ms:
            due = self.call.timers.values() if self.call else ()
            next_ms = min([until_ms, *(max(each, self.clock.now_ms() + 1) for each in due), self.clock.now_ms() + 500])
            self.clock.step(next_ms - self.clock.now_ms())
            self.phones.hears(CUSTOMER)  # the node sees what time it is
            self.ring_timers()
            self.settle()

    def ring_timers(self) -> None:
        """Timers that are due are told."""
        if self.call is not None:
            for name, due_ms in list(self.call.timers.items()):
                if due_ms <= self.clock.now_ms():
                    self.step(TimerDue(name=name))

    def lose_node(self) -> None:
        """Nothing is heard of the node, and it can be told nothing."""
        self.lost = True
        self.told.clear()

    def recover_node(self) -> None:
        """It is there again: what was to be done is done, then it is looked at."""
        self.lost = False
        self.clock.step(1000)
        while self.node_does():
            pass
        snapshot = _at_once(self.node.snapshot())
        self.told.clear()  # the snapshot has it
        if self.call is not None and not self.call.over:
            self.step(Reconciled(snapshot=snapshot))

    def legs(self) -> tuple[list[str], list[str]]:
        """Ids of the legs and of the rooms that the node has."""
        snapshot = _at_once(self.node.snapshot())
        return [leg.leg_id for leg in snapshot.legs], list(snapshot.rooms)

    def sound(self, recording_id: str) -> bytes:
        """A recording that the node has, as WAV."""

        async def read() -> bytes:
            return b"".join([chunk async for chunk in self.node.recording(recording_id)])

        return _at_once(read())

    def never_reached(self) -> bool:
        """The agent who was to call did not answer: the interaction goes on without this call."""
        outbound = self.call is not None and self.call.direction == "outbound"
        return outbound and not self.phones.line(CUSTOMER).talks

    def ask(self, command: Any, by: str | None = None) -> None:
        """An agent or a supervisor asks for something."""
        self.step(Asked(data=command, phone=phone(by) if by else None))

    def names(self) -> list[str]:
        """The types of what was said, in order."""
        return [registry.BY_DATA[type(each.data)].name for each in self.said]

    def of(self, data: type) -> list[Any]:
        """What was said of a type."""
        return [each.data for each in self.said if type(each.data) is data]

    def _check(self, before: Call | None, fact: Fact, taken: Step) -> None:
        call = taken.call
        assert call_from_json(call_to_json(call)) == call
        assert alone(call) == [], f"alone after {fact}"
        self._check_commands(before, taken)
        self._check_repeat(fact, call)
        assert len(call.legs) <= LEGS_MAX
        assert len(call.commands) <= 64
        ids = [said.event_id for said in [*self.said, *taken.messages]]
        assert len(ids) == len(set(ids))
        for said in taken.messages:
            adapter = adapter_of(registry.BY_DATA[type(said.data)].data)
            assert adapter.validate_json(adapter.dump_json(said.data)) == said.data, "it is as contracts want it"
        for once in (InteractionEnded, CallMeasured):
            assert len([said for said in [*self.said, *taken.messages] if isinstance(said.data, once)]) <= 1
        gone = [each.data.leg_id for each in self.said if isinstance(each.data, SaidEnded)]
        assert len(gone) == len(set(gone)), "a leg ends once"

    def _check_commands(self, before: Call | None, taken: Step) -> None:
        known = {leg.leg_id for leg in (*(before.legs if before else ()), *taken.call.legs)}
        rooms = {room.room_id for room in (*(before.rooms if before else ()), *taken.call.rooms)}
        for command in taken.commands:
            leg_ids = set(getattr(command, "leg_ids", ())) | {getattr(command, "leg_id", None) or ""} - {""}
            assert leg_ids <= known, f"{command} names a leg that has ended"
            room_id = getattr(command, "room_id", None)
            assert room_id is None or room_id in rooms, f"{command} names a room that is closed"
            if isinstance(command, commands.Join):
                leg = taken.call.leg(command.leg_id)
                assert leg is not None
                assert leg.state == "up"

    def _check_repeat(self, fact: Fact, call: Call) -> None:
        if isinstance(fact, CallArrived | DialAsked | Reconciled) or (
            isinstance(fact, NodeTold) and isinstance(fact.event, _NOT_REPEATED)
        ):
            return
        again = advance(call, fact, self.clock.now_ms())
        assert again.messages == (), f"{fact} said twice {again.messages}"
        assert again.commands == (), f"{fact} did twice {again.commands}"
        assert again.call == call


def waiting(terms: Terms = TERMS) -> CallWorld:
    """The customer waits for an agent."""
    world = CallWorld(terms=terms)
    world.call_in()
    world.settle()
    return world


def talking(terms: Terms = TERMS) -> CallWorld:
    """The customer talks with the first agent."""
    world = waiting(terms)
    world.accepted(AGENTS[0])
    return world


def consulting(terms: Terms = TERMS) -> CallWorld:
    """The first agent asks the second for help, while the customer hears music."""
    world = talking(terms)
    world.router.transfer("consult")
    world.accepted(AGENTS[1])
    return world
