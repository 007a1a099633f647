"""A call and the real router, which decides about every word of the gateway's: who hears whom afterwards."""

from dataclasses import dataclass, field, replace
from typing import Any  # Any: an event of any type

from contracts import registry
from contracts.agents import CommandResult
from contracts.call_commands import SuperviseCall
from contracts.commands import ConnectAssignment, RequestCallback, RequestTask
from contracts.configuration import Domain
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.offers import OfferIssued
from contracts.tasks import TaskAssigned, WrapupStarted
from contracts.topics import INTERACTIONS, ROUTING_EVENTS, ROUTING_INPUTS
from router.domain.inputs import CommandInput, InteractionInput, RequestInput, ServiceInput
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import TENANT, Story
from voice_gateway.domain.call import Extension
from voice_gateway.domain.facts import Routed
from voice_gateway.domain.flow_plan import FlowPlan, Voicemail
from voice_gateway.testing.call_world import AGENTS, CUSTOMER, SUPERVISOR, TERMS, CallWorld, phone

MUSIC, NOTHING = {"music"}, set[str]()
HERE = replace(
    TERMS, domain=DOMAIN, client="shop", address="web:main", extensions=(Extension(dialled="600", queue="two"),)
)


@dataclass
class RealRouter:
    """Decides for one call; who writes a story says who accepts."""

    world: CallWorld
    story: Story = field(default_factory=Story)
    told: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.story.now_ms = self.world.clock.now_ms()
        self.story.configure(
            Domain(id=DOMAIN, presence_grace_seconds=10),
            queue("one", waiting_max=5, full={"to": "voicemail"}),
            queue("two"),
            address("one", "two"),
            *(agent(name, "selling") for name in (*AGENTS, SUPERVISOR)),
        )
        self.story.on_duty(*AGENTS, SUPERVISOR)

    def hears(self, data: Any) -> None:
        """Something that the gateway says."""
        entry = registry.BY_DATA[type(data)]
        assert "voice-gateway" in entry.writers
        if entry.topic == INTERACTIONS:
            self.publish(self.give(InteractionInput(TENANT, data)))
        elif isinstance(data, ConnectAssignment):
            self.publish(self.give(ServiceInput(TENANT, data)))
        elif isinstance(data, RequestTask | RequestCallback):
            self.publish(self.give(RequestInput(TENANT, data)))
        elif entry.topic == ROUTING_INPUTS:
            self.publish(self.give(CommandInput(TENANT, data)))

    def give(self, given: Any) -> list[object]:
        self.story.now_ms = max(self.story.now_ms, self.world.clock.now_ms())
        return self.story.give(given)

    def publish(self, facts: list[object]) -> None:
        for data in facts:
            entry = registry.BY_DATA.get(type(data))
            if entry is not None and entry.topic == ROUTING_EVENTS:
                self.told.append(data)
                known = phone(data.agent_id) if isinstance(data, TaskAssigned) else None
                self.world.routed.append(Routed(data=data, sequence=f"1-{len(self.told):08d}-0", phone=known))

    def accept(self, agent_id: str) -> None:
        """The agent's last offer."""
        offers = [each for each in self.of(OfferIssued) if each.agent_id == agent_id]
        self.publish(self.story.accept(agent_id, offers[-1].offer_id))

    def assigned(self, agent_id: str) -> TaskAssigned:
        """What the agent has."""
        found = [each for each in self.told if isinstance(each, TaskAssigned) and each.agent_id == agent_id]
        return found[-1]

    def transfer(self, agent_id: str, kind: Any, **target: Any) -> None:
        self.publish(self.story.transfer(agent_id, self.assigned(agent_id).assignment_id, kind=kind, **target))

    def move(self, agent_id: str, to: str, move: Any) -> None:
        self.publish(self.story.move(agent_id, self.assigned(to).task_id, move))

    def of(self, data: type) -> list[Any]:
        return [each for each in self.told if type(each) is data]


def talk() -> tuple[CallWorld, RealRouter]:
    """The customer talks with Ada, to whom the router has offered the call."""
    world = CallWorld(terms=HERE)
    router = RealRouter(world)
    world.router = router  # type: ignore[assignment]  # it is heard and told as the small one
    world.call_in()
    world.settle()
    first = router.of(OfferIssued)[-1].agent_id
    while first != "ada":
        router.publish(router.story.reject(first, router.of(OfferIssued)[-1].offer_id))
        first = router.of(OfferIssued)[-1].agent_id
    world.accepted("ada")
    return world, router


def consult() -> tuple[CallWorld, RealRouter]:
    """Ada asks Eve, while the customer hears music."""
    world, router = talk()
    router.transfer("ada", "consult", to_agent_id="eve")
    world.accepted("eve")
    return world, router


def test_a_call_is_offered_talked_and_ended() -> None:
    world, router = talk()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})

    world.phones.hang_up("ada")
    world.settle()

    assert [started.agent_id for started in router.of(WrapupStarted)] == ["ada"]
    assert [ended.reason for ended in world.of(InteractionEnded)] == ["agent_closed"]
    assert world.call is not None
    assert world.call.over


def test_a_customer_who_leaves_sends_the_agent_to_wrap_up() -> None:
    world, router = talk()
    world.phones.hang_up(CUSTOMER)
    world.settle()

    assert [started.reason for started in router.of(WrapupStarted)] == ["interaction_ended"]


def test_a_consult_becomes_a_warm_transfer() -> None:
    world, router = consult()
    assert world.hears(CUSTOMER, "ada", "eve") == (MUSIC, {"eve"}, {"ada"})

    router.move("ada", "eve", "complete")
    world.settle()
    assert world.hears(CUSTOMER, "ada", "eve") == ({"eve"}, NOTHING, {CUSTOMER})


def test_a_consult_becomes_a_conference_which_the_owner_leaves() -> None:
    world, router = consult()
    router.move("ada", "eve", "conference")
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada", "eve"}, {CUSTOMER, "eve"})

    world.phones.hang_up("ada")
    world.settle()
    assert world.hears(CUSTOMER, "eve") == ({"eve"}, {CUSTOMER})


def test_a_consultant_who_hangs_up_gives_the_customer_back() -> None:
    world, _ = consult()
    world.phones.hang_up("eve")
    world.settle()

    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


def test_an_owner_who_hangs_up_in_a_consult_is_rung_again() -> None:
    world, _ = consult()
    world.phones.hang_up("ada")
    world.settle()
    assert world.hears(CUSTOMER, "eve") == (MUSIC, NOTHING)

    world.phones.answer("ada")
    world.settle()
    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


def test_a_consultant_whose_phone_is_busy_leaves_the_customer_with_the_owner() -> None:
    world, router = talk()
    world.phones.behave("eve", "busy")
    router.transfer("ada", "consult", to_agent_id="eve")
    world.accepted("eve", answers=False)

    assert world.hears(CUSTOMER, "ada") == ({"ada"}, {CUSTOMER})


def test_a_cold_transfer_rings_the_other_and_a_busy_one_gives_the_customer_to_the_queue() -> None:
    world, router = talk()
    world.phones.behave("eve", "busy")
    router.transfer("ada", "cold", to_agent_id="eve")
    world.accepted("eve", answers=False)
    assert world.hears(CUSTOMER, "ada", "eve") == (MUSIC, NOTHING, NOTHING)

    next_one = router.of(OfferIssued)[-1].agent_id
    assert next_one not in {"ada", "eve"}
    world.accepted(next_one)
    assert world.hears(CUSTOMER, next_one) == ({next_one}, {CUSTOMER})


def test_a_phone_gives_its_call_to_a_queue() -> None:
    world, router = talk()
    world.phones.transfer("ada", "600")
    world.settle()

    assert router.of(CommandResult)[-1].outcome == "done"
    other = router.of(OfferIssued)[-1].agent_id
    world.accepted(other)
    assert world.hears(CUSTOMER, "ada", other) == ({other}, NOTHING, {CUSTOMER})


def test_an_agent_who_cannot_be_rung_again_gives_the_customer_to_others() -> None:
    world, router = talk()
    router.publish(router.story.hold("ada", router.assigned("ada").assignment_id))
    world.settle()
    world.phones.behave("ada", "unavailable")
    world.phones.hang_up("ada")
    world.settle()

    other = router.of(OfferIssued)[-1].agent_id
    assert other != "ada"
    world.accepted(other)
    assert world.hears(CUSTOMER, other) == ({other}, {CUSTOMER})


def test_a_phone_that_is_not_answered_gives_the_offer_to_another() -> None:
    world = CallWorld(terms=HERE)
    router = RealRouter(world)
    world.router = router  # type: ignore[assignment]  # it is heard and told as the small one
    world.call_in()
    world.settle()
    first = router.of(OfferIssued)[-1].agent_id
    world.phones.behave(first, "declines")
    world.accepted(first, answers=False)

    second = router.of(OfferIssued)[-1].agent_id
    assert second != first
    world.accepted(second)
    assert world.hears(CUSTOMER, second) == ({second}, {CUSTOMER})
    assert len(world.of(InteractionStarted)) == 1


def test_a_supervisor_takes_a_call_over() -> None:
    world, router = talk()
    wanted = SuperviseCall(
        command_id="k1",
        interaction_id="i",
        domain=DOMAIN,
        agent_id="ada",
        assignment_id=router.assigned("ada").assignment_id,
        assignment_sequence="0",
        supervisor_id=SUPERVISOR,
        mode="take_over",
        announced=False,
        requested_at_ms=1,
    )
    world.ask(wanted, by=SUPERVISOR)
    world.settle()
    world.phones.answer(SUPERVISOR)
    world.settle()
    assert world.hears(CUSTOMER) == ({"ada", SUPERVISOR},)

    router.accept(SUPERVISOR)
    world.settle()
    assert world.hears(CUSTOMER, "ada", SUPERVISOR) == ({SUPERVISOR}, NOTHING, {CUSTOMER})


def test_a_message_becomes_a_callback_though_the_caller_has_gone() -> None:
    world = CallWorld(terms=replace(HERE, flow=FlowPlan(voicemail=Voicemail())))
    router = RealRouter(world)
    router.story.configure(queue("one", waiting_max=0, full={"to": "voicemail"}))
    world.router = router  # type: ignore[assignment]  # it is heard and told as the small one
    world.call_in()
    world.settle()
    world.pass_time(10)
    world.phones.hang_up(CUSTOMER)
    world.settle()

    results = [each for each in router.of(CommandResult) if ".voice." in each.command_id]
    assert [each.outcome for each in results] == ["done"]
    assert len(world.of(InteractionEnded)) == 1
