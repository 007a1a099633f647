"""Who accepts the task of a voicemail calls whoever left it, and may hear it."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

from contracts import Event
from contracts.commands import ConnectAssignment
from contracts.tasks import TaskAssigned
from servicekit.ports import Record
from servicekit.telemetry import Telemetry
from servicekit.testing.set_clock import SetClock
from voice_gateway.commits import Commits
from voice_gateway.domain.call import call_to_json
from voice_gateway.domain.driver import Capabilities
from voice_gateway.domain.facts import CallArrived, DialAsked, Fact
from voice_gateway.domain.words import WITHHELD, Party
from voice_gateway.inputs import Input
from voice_gateway.live_calls import Key, Live, LiveCalls
from voice_gateway.resolving import Resolving, VoiceDirectory
from voice_gateway.routed import RouterSide
from voice_gateway.store import KeptCall
from voice_gateway.testing.owning import ADA, ANNA, DOMAIN, NOW_MS, TENANT, call_of, configuration


@dataclass
class Told:
    """Keeps what is written and what begins."""

    agents: list[tuple[Key, str]] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)
    begun: list[DialAsked | CallArrived] = field(default_factory=list)

    def note_agent(self, key: Key, agent_id: str) -> None:
        self.agents.append((key, agent_id))

    def say(self, key: Key, domain: str, said: Any) -> None:
        self.said.append(said.data)

    def step(self, live: Live, fact: Fact) -> None:
        raise AssertionError("nothing goes on")

    def begin(self, fact: CallArrived | DialAsked) -> None:
        self.begun.append(fact)


def accepted(caller: Party = ANNA, *, node: str = "n1", state: str | None = None) -> Told:
    """What comes of it at node n1: the call of `caller` is over, which was at `node`."""
    told, directory = Told(), VoiceDirectory()
    for part in configuration():
        directory.apply(TENANT, part)
    data = TaskAssigned(
        task_id="t",
        interaction_id="i1",
        domain=DOMAIN,
        queue="sales",
        channel="voice",
        assignment_id="a",
        offer_id="o",
        agent_id=ADA,
        assigned_at_ms=NOW_MS,
        waited_ms=0,
        kind="callback",
    )
    call = call_to_json(replace(call_of("i1", over=True), customer=caller)).decode()
    before = KeptCall(tenant_id=TENANT, interaction_id="i1", node=node, state=state or call, to_do="[]", over_at_ms=1)
    side = RouterSide(
        "n1",
        LiveCalls("n1"),
        cast(Commits, told),  # what it needs of one
        Resolving(directory),
        can=Capabilities,
        is_outbound=True,
        clock=SetClock(),
        telemetry=Telemetry("test"),
    )
    event = Event(id="e", source="/router", tenant_id=TENANT, subject="i1", time_ms=1, data=data, sequence="1")
    record = Record("t", 0, 0, None, None, (), 0)
    taken = Input(record=record, event=event, read_at_ms=1, kept=before, may_be_over=True)
    side.came(taken, told)
    return told


def test_the_agent_calls_back_whoever_left_it_and_may_hear_it() -> None:
    told = accepted()

    assert [(fact.customer, fact.data.interaction_id) for fact in told.begun if isinstance(fact, DialAsked)] == [
        (ANNA, "i1")
    ]
    assert told.agents == [((TENANT, "i1"), ADA)]
    assert told.said == []


def test_a_voicemail_of_a_withheld_number_may_be_heard_though_nobody_can_be_called() -> None:
    told = accepted(WITHHELD)

    assert told.begun == []
    assert [type(each) for each in told.said] == [ConnectAssignment]
    assert told.agents == [((TENANT, "i1"), ADA)]


def test_a_call_that_is_not_understood_calls_nobody_and_ends_no_owner() -> None:
    for state in ("[1,{}]", "[2,{}]", "no JSON"):
        told = accepted(state=state)

        assert told.begun == []
        assert [type(each) for each in told.said] == [ConnectAssignment]


def test_the_node_of_the_call_alone_sees_to_it() -> None:
    other = accepted(node="n2")

    assert (other.begun, other.agents, other.said) == ([], [], [])
