"""No decision is larger than a batch has room for, however many tasks it is about and however long their fields."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final  # Any: inputs of any kind, and fields of parts

import pytest
from contracts.configuration import Domain
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from contracts.routing_parts import Agent, Alert, ClientShare, Destination, RequiredSkill, Step
from hypothesis import given, settings
from hypothesis import strategies as st
from router.domain.decide import decide
from router.domain.inputs import ConfigurationStep, Input, PresenceObserved, TimersDue
from router.domain.state import DomainState
from router.engine.configuration import STEP_BYTES_MAX
from router.engine.deciding import BATCH_BYTES_FULL, HEAD_BYTES
from router.engine.journal import BATCH_BYTES_MAX, journaled, size_of
from router.engine.presence import DEVICES_MAX, OBSERVED_MAX
from router.testing.parts import DOMAIN, agent, plan, queue
from router.testing.story import TENANT, Story
from typing_extensions import override

ROOM: Final = BATCH_BYTES_MAX - BATCH_BYTES_FULL - HEAD_BYTES
"""What a batch that just takes one more input has left for it."""


def longest(name: str, most: int = 200) -> str:
    """The name, as long as it may be."""
    return name + "x" * (most - len(name))


LONG_TENANT: Final = longest("tenant")
LONG_DOMAIN: Final = longest("domain")
MESSAGE: Final = "\u0001" * 500  # six bytes each in JSON
SKILLS: Final = [longest(f"s{number:02}", 64) for number in range(16)]
TEAMS: Final = [longest(f"t{number:02}", 64) for number in range(50)]
REQUIRED: Final = [RequiredSkill(skill=skill) for skill in SKILLS]
UNWANTED: Final = [RequiredSkill(skill=longest(f"n{number:02}", 64)) for number in range(16)]
ASKED: Final[dict[str, Any]] = {"any_of": [REQUIRED] * 8, "none_of": UNWANTED, "teams": TEAMS}
QUEUES: Final = [longest(f"q{number}", 64) for number in range(10)]
ANN: Final = longest("ann")
OTHERS: Final = [longest(f"agent-{number:03}-") for number in range(60)]


@dataclass(slots=True)
class Long(Story):
    """A story whose tenant and domain have the longest names, and that notes how large the decisions are."""

    checker: None = None
    sizes: list[int] = field(default_factory=list)

    @property
    @override
    def domain(self) -> DomainState:
        return self.state.find(LONG_TENANT, LONG_DOMAIN)

    @override
    def give(self, given: Input) -> list[object]:
        facts = decide(self.state, _lengthened(given), self.now_ms)
        self.sizes.append(size_of(journaled(facts)))
        return [fact.data for fact in facts]

    def settle(self) -> None:
        """What is left to do at this instant."""
        while (due_ms := self.state.next_due_ms()) is not None and due_ms <= self.now_ms:
            self.give(TimersDue())


def _lengthened(given: Any) -> Any:
    if isinstance(given, ConfigurationStep):
        records = tuple(map(_long_record, given.records))
        return replace(given, tenant_id=LONG_TENANT, domain=LONG_DOMAIN, hash=longest("hash"), records=records)
    if isinstance(given, PresenceObserved):
        return replace(given, tenant_id=LONG_TENANT, domain=LONG_DOMAIN)
    return type(given)(LONG_TENANT, replace(given.data, domain=LONG_DOMAIN)) if hasattr(given, "data") else given


def _long_record(record: ConfigurationRecord | ConfigurationPart) -> ConfigurationRecord | ConfigurationPart:
    value = None if record.value is None else json.loads(json.dumps(record.value).replace(DOMAIN, LONG_DOMAIN))
    return replace(record, id=record.id.replace(DOMAIN, LONG_DOMAIN), domain=LONG_DOMAIN, value=value)


def long_agent(name: str, capacity: int = 1000) -> Agent:
    made = agent(name[:100], *[f"{skill}:5" for skill in SKILLS], capacity=capacity, team=TEAMS[0])
    return made.model_copy(update={"id": name})


def long_queue(number: int, **settings: Any) -> Any:
    made = queue(QUEUES[number], plan=longest(f"p{number}", 64), **ASKED, **settings)
    return made.model_copy(update={"requirements": REQUIRED})


def onward(number: int, after_seconds: int = 0) -> Any:
    """A plan that gives everything up to the next queue."""
    asks = Step(after_seconds=after_seconds, requirements=REQUIRED, **ASKED, overflow=_to(number + 1))
    return plan(longest(f"p{number}", 64), asks)


def _to(number: int) -> Destination:
    return Destination(to="queue", queue=QUEUES[number]) if number < len(QUEUES) else Destination(to="voicemail")


def world(
    *, chain: bool, parallel: int = 1, auto_accept: bool = False, domain: dict[str, Any] | None = None, **first: Any
) -> Long:
    """Whatever the first queue gives up goes through all the others at once (`chain`)."""
    told = Long()
    offering: dict[str, Any] = {"parallel_offers": parallel, "auto_accept": auto_accept, "offer_timeout_seconds": 3600}
    configure(
        told,
        Domain(id=DOMAIN, unanswered_offers_max=1, **(domain or {})),
        *[long_queue(number, **offering, **(first if not number else {})) for number in range(len(QUEUES))],
        *[onward(number, 0 if number else 3600) for number in range(len(QUEUES)) if chain or not number],
        long_agent(ANN),
    )
    told.leases(readable=True)
    return told


def configure(told: Long, *parts: Any) -> None:
    """One by one, so that it is not the configuration that is large."""
    for part in parts:
        told.configure(part)


def come(told: Long, count: int, *, accepted: bool = False, queue: int = 0) -> None:
    """So many customers, with the longest names; whoever is free gets them."""
    for number in range(count):
        told.start(longest(f"i{told.version}-{number:03}-", 160), queue=QUEUES[queue], client=longest("client"))
        for offer_id in sorted(told.domain.offers) if accepted else ():
            told.accept(told.domain.offers[offer_id].offer_of(offer_id).agent_id, offer_id)


def crew(told: Long, count: int = len(OTHERS)) -> None:
    """Others who can do everything."""
    configure(told, *map(long_agent, OTHERS[:count]))
    for name in OTHERS[:count]:
        told.on_duty(name)


def held_by_ann(parallel: int, *, chain: bool, accepted: bool = True, auto_accept: bool = False, **more: Any) -> Long:
    """She has thirty tasks, and many others are free."""
    told = world(chain=chain, parallel=parallel, auto_accept=auto_accept, **more)
    told.on_duty(ANN)
    come(told, 30, accepted=accepted)
    crew(told)
    if chain:
        told.configure(onward(0))
        told.settle()
    return told


def waiting(count: int = 60, **settings: Any) -> Long:
    """Many wait, and nobody is there."""
    told = world(**{"chain": False, **settings})
    come(told, count)
    return told


def lost(told: Long) -> None:
    told.gone(ANN)
    told.now_ms += 30_000


def closed(told: Long) -> None:
    told.override(QUEUES[0], closed=True)


def all_closed(told: Long) -> None:
    configure(told, *[queue(longest(f"w{number:03}", 64)) for number in range(150)])
    told.override(closed=True, message=MESSAGE)


def replanned(told: Long) -> None:
    told.configure(onward(0))


def observed(told: Long) -> None:
    names = tuple(longest(f"new-{number:03}-") for number in range(OBSERVED_MAX))
    configure(told, *[long_agent(name, 3) for name in names])
    for name in names:
        told.set_state(name, ready=True)
    devices = tuple(f"{longest('desktop', 32)}/{longest(str(number), 64)}" for number in range(DEVICES_MAX))
    told.give(
        PresenceObserved(tenant_id=TENANT, domain=DOMAIN, seen=names, devices=tuple((name, devices) for name in names))
    )


def grown(told: Long) -> None:
    """As many agents get more room at once as a step of the configuration has room for."""
    crew(told)
    told.settle()
    fits = STEP_BYTES_MAX // 2600
    told.configure(*[long_agent(name, 999) for name in OTHERS[:fits]])


def removed(told: Long) -> None:
    told.configure(removed=" ".join(f"agent:{name}" for name in (ANN, *OTHERS[:20])))


def uncapped(told: Long) -> None:
    crew(told)
    told.configure(Domain(id=DOMAIN))


def asked_of_ann() -> Long:
    """Many transfers ask ann, who has no room."""
    told = world(chain=False)
    crew(told, 10)
    come(told, 150, accepted=True)
    told.configure(long_agent(ANN, 1))
    told.on_duty(ANN)
    told.transfer(OTHERS[0], _assignment(told, OTHERS[0]), to_agent_id=ANN)  # which she is offered
    for assignment_id, task in sorted(told.domain.assignments.items()):
        assert task.assigned is not None
        told.transfer(task.assigned.agent_id, assignment_id, to_agent_id=ANN, forced=True)
    return told


def _assignment(told: Long, agent_id: str) -> str:
    return min(
        name for name, task in told.domain.assignments.items() if task.assigned and task.assigned.agent_id == agent_id
    )


def named_ann() -> Long:
    """What is for ann alone, and would be somebody else's."""
    told = world(chain=False)
    told.configure(plan(longest("p0", 64), Step(after_seconds=0, requirements=REQUIRED, **ASKED, agents=[ANN])))
    told.configure(long_agent(ANN, 1))
    told.on_duty(ANN)
    come(told, 100)
    crew(told)
    return told


def off(told: Long) -> None:
    told.set_state(ANN, ready=False)


def expired(told: Long) -> None:
    told.now_ms += 3_600_000


def busy(told: Long) -> None:
    alerts = [Alert(id=longest(f"a{number:02}", 64), measure="waiting", above=0) for number in range(20)]
    watched = [longest(f"w{number:03}", 64) for number in range(120)]
    configure(told, *[queue(name, alerts=alerts) for name in watched])
    for number, name in enumerate(watched):
        told.start(f"watched-{number}", queue=name)
    told.wait(6)


LARGEST: Final[dict[str, tuple[int, Callable[[], Long], Callable[[Long], None]]]] = {
    "agent lost": (190, lambda: held_by_ann(1, chain=True), lost),
    "agent lost, many offers a task": (60, lambda: held_by_ann(50, chain=False), lost),
    "agent lost, both": (230, lambda: held_by_ann(50, chain=True), lost),
    "agent lost, offers accepted at once": (60, lambda: held_by_ann(1, chain=False, auto_accept=True), lost),
    "agents removed": (210, lambda: held_by_ann(50, chain=True), removed),
    "agent signs out with offers": (190, lambda: held_by_ann(1, chain=True, accepted=False), off),
    "many offers expire": (210, lambda: held_by_ann(50, chain=True, accepted=False), expired),
    "queue closed": (190, lambda: waiting(closed=_to(1), chain=True), closed),
    "queue closed with offers": (310, lambda: held_by_ann(50, chain=True, accepted=False, closed=_to(1)), closed),
    "all queues closed": (240, waiting, all_closed),
    "another plan": (190, lambda: waiting(chain=True), replanned),
    "many agents come": (310, waiting, observed),
    "many agents get more room": (140, lambda: waiting(60, parallel=50), grown),
    "cap of a client lifted": (
        50,
        lambda: waiting(domain={"client_shares": [ClientShare(client=longest("client"), units_max=1)]}),
        uncapped,
    ),
    "agent goes whom many transfers ask": (50, asked_of_ann, off),
    "agent goes whom many tasks name": (70, named_ann, off),
    "many alerts": (60, waiting, busy),
}
"""What happens, how many KiB the largest of the decisions may take, the story before it and the input."""


@pytest.mark.parametrize("name", LARGEST)
def test_an_input_with_a_large_effect_is_decided_in_steps_that_fit_a_batch(name: str) -> None:
    largest_kib, begin, happens = LARGEST[name]
    told = begin()
    before = len(told.sizes)

    happens(told)
    told.settle()

    assert sum(told.sizes[before:]) > ROOM, "too small to show anything"
    assert max(told.sizes) <= largest_kib * 1024 < ROOM


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    parallel=st.sampled_from([1, 3, 50]),
    chain=st.booleans(),
    accepted=st.booleans(),
    auto_accept=st.booleans(),
    happening=st.lists(
        st.sampled_from([lost, removed, off, expired, closed, replanned]), min_size=1, max_size=3, unique=True
    ),
)
def test_no_decision_is_larger_than_a_batch_has_room_for(
    *, parallel: int, chain: bool, accepted: bool, auto_accept: bool, happening: list[Callable[[Long], None]]
) -> None:
    told = held_by_ann(parallel, chain=chain, accepted=accepted, auto_accept=auto_accept, closed=_to(1))

    for happens in happening:
        happens(told)
        told.settle()

    assert max(told.sizes) <= ROOM
