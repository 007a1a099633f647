"""Whatever phones, agents, supervisors, the router and a node that is lost now and then do, in any order: who hears
whom is as it should be, nobody is left alone, and every call ends once and leaves nothing behind."""

from dataclasses import replace
from typing import Any

from contracts.call_commands import DropLeg, MuteCall, PauseRecording, SendKeys, SuperviseCall
from contracts.calls import CallMeasured
from contracts.interactions import InteractionEnded, InteractionStarted
from hypothesis import Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override
from voice_gateway.domain.call import Call, Extension, RecordingPolicy
from voice_gateway.domain.commands import Join, Monitor
from voice_gateway.domain.events import LegAnswered, LegEnded, LegRinging
from voice_gateway.domain.facts import Asked, NodeTold, Routed
from voice_gateway.domain.flow_plan import Announcements, CallbackOffer, FlowPlan, Survey, SurveyQuestion, Voicemail
from voice_gateway.testing.call_world import AGENTS, CUSTOMER, SUPERVISOR, TERMS, CallWorld

EXTENSIONS = (Extension(dialled="600", queue="sales"), Extension(dialled="601", agent_id="eve"))
FLOW = FlowPlan(
    welcome="welcome",
    announcements=Announcements(every_seconds=20),
    callback=CallbackOffer(key="5"),
    voicemail=Voicemail(),
    survey=Survey(name="after", questions=(SurveyQuestion(name="happy", prompt="happy"),)),
)
AGENT = st.sampled_from(AGENTS)
PHONES = st.sampled_from((*AGENTS, SUPERVISOR))


class Calls(RuleBasedStateMachine):
    """One call with three agents and a supervisor."""

    def __init__(self) -> None:
        super().__init__()
        self.world = CallWorld()
        self.asked = 0
        self.untouched = True

    @initialize(
        flow=st.booleans(),
        recorded=st.booleans(),
        stage=st.integers(0, 4),
        answers=st.booleans(),
        outbound=st.booleans(),
    )
    def begin(self, flow: bool, recorded: bool, stage: int, answers: bool, outbound: bool) -> None:
        """The call is somewhere: just there, waiting, talking, consulting, in conference."""
        world = self.world
        policies = (RecordingPolicy(),) if recorded else ()
        world.terms = replace(TERMS, flow=FLOW if flow else None, recording=policies, extensions=EXTENSIONS)
        if outbound:
            world.phones.behave(CUSTOMER, "answers" if stage else "rings")
            world.call_out("ada")
        else:
            world.call_in()
            world.read_node()
        if stage > 0:
            world.settle()
        for name in AGENTS[: min(stage - 1, 2)]:
            if name == "eve":
                world.router.transfer("consult")
            world.router.accept(name)
            world.settle()
            world.phones.answer(name)
            world.settle()
        if stage == 4:
            world.router.move("conference")
            world.settle()
        for name in AGENTS:
            world.phones.behave(name, "answers" if answers else "rings")

    @precondition(lambda self: self.world.told)
    @rule()
    def the_node_is_read(self) -> None:
        self.world.read_node()

    @precondition(lambda self: self.world.routed)
    @rule()
    def the_router_is_read(self) -> None:
        self.world.read_router()

    @precondition(lambda self: self.world.asked)
    @rule()
    def the_router_reads(self) -> None:
        self.world.router_reads()

    @precondition(lambda self: self.world.to_do and not self.world.lost)
    @rule()
    def the_node_does(self) -> None:
        self.world.node_does()

    @rule()
    def all_comes_to_rest(self) -> None:
        self.world.settle()
        if not self.world.lost and self.untouched and self.world.call and not self.world.call.over:
            self.everybody_hears_whom_they_should()

    @rule(seconds=st.sampled_from([1, 5, 26, 70, 130]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @precondition(lambda self: self.world.router.waiting())
    @rule(agent=AGENT, answers=st.booleans())
    def an_agent_accepts(self, agent: str, answers: bool) -> None:
        task = self.world.router.waiting()
        self.world.router.accept(task.to_agent_id if task and task.to_agent_id else agent)
        if answers:
            self.world.settle()
            self.world.phones.answer(agent)

    @precondition(lambda self: self.ringing())
    @rule(index=st.integers(0, 3), answers=st.booleans())
    def a_phone_is_answered_or_not(self, index: int, answers: bool) -> None:
        phone = self.ringing()[index % len(self.ringing())]
        (self.world.phones.answer if answers else self.world.phones.decline)(phone)

    @rule(phone=PHONES, manner=st.sampled_from(["answers", "rings", "busy", "declines", "unavailable"]))
    def a_phone_will(self, phone: str, manner: Any) -> None:
        self.world.phones.behave(phone, manner)

    @precondition(lambda self: self.up())
    @rule(index=st.integers(0, 3))
    def a_phone_hangs_up(self, index: int) -> None:
        self.world.phones.hang_up(self.up()[index % len(self.up())])

    @rule(seldom=st.integers(0, 5))
    def the_customer_hangs_up(self, seldom: int) -> None:
        if seldom == 5:
            self.world.phones.hang_up(CUSTOMER)

    @precondition(lambda self: self.up())
    @rule(index=st.integers(0, 3), held=st.booleans())
    def a_phone_holds(self, index: int, held: bool) -> None:
        self.untouched = False
        self.world.phones.hold(self.up()[index % len(self.up())], held=held)

    @precondition(lambda self: self.up())
    @rule(index=st.integers(0, 3), to=st.sampled_from(["600", "601", "999"]))
    def a_phone_transfers(self, index: int, to: str) -> None:
        self.world.phones.transfer(self.up()[index % len(self.up())], to)

    @precondition(lambda self: len(self.up()) > 1)
    @rule(index=st.integers(0, 3), other=st.integers(0, 3))
    def a_phone_transfers_to_whom_it_talks_with(self, index: int, other: int) -> None:
        names, call = self.up(), self.world.call
        leg = next((leg for leg in call.legs if leg.agent_id == names[other % len(names)]), None) if call else None
        if leg is not None:
            self.world.phones.transfer(names[index % len(names)], leg.leg_id, "attended")

    @rule(keys=st.sampled_from(["1", "5", "51", "#"]))
    def the_customer_presses(self, keys: str) -> None:
        self.world.phones.press(CUSTOMER, keys)

    @precondition(lambda self: self.seated())
    @rule(index=st.integers(0, 3), held=st.booleans())
    def an_agent_holds(self, index: int, held: bool) -> None:
        self.world.router.hold(self.seated()[index % len(self.seated())], held=held)

    @precondition(lambda self: self.seated())
    @rule(kind=st.sampled_from(["cold", "consult"]))
    def the_owner_transfers(self, kind: Any) -> None:
        self.world.router.transfer(kind)

    @precondition(lambda self: self.world.router.second())
    @rule(move=st.sampled_from(["complete", "conference", "cancel"]))
    def the_owner_moves_it(self, move: Any) -> None:
        self.world.router.move(move)

    @precondition(lambda self: self.seated())
    @rule(index=st.integers(0, 3), lost=st.booleans())
    def an_agent_ends_or_is_lost(self, index: int, lost: bool) -> None:
        (self.world.router.lose if lost else self.world.router.end)(self.seated()[index % len(self.seated())])

    @rule(to=st.sampled_from(["voicemail", "message", "finished"]), seldom=st.integers(0, 5))
    def the_queue_gives_up(self, to: Any, seldom: int) -> None:
        if seldom == 5:
            self.world.router.give_up(to)

    @rule(seldom=st.integers(0, 5))
    def it_becomes_a_callback(self, seldom: int) -> None:
        if seldom == 5:
            self.world.router.call_back()

    @precondition(lambda self: self.seated())
    @rule(
        index=st.integers(0, 3),
        mode=st.sampled_from(["spy", "whisper", "barge", "take_over", "over"]),
        announced=st.booleans(),
        answers=st.booleans(),
    )
    def a_supervisor_wants(self, index: int, mode: Any, announced: bool, answers: bool) -> None:
        agent = self.seated()[index % len(self.seated())]
        wanted = self.command(SuperviseCall, agent, supervisor_id=SUPERVISOR, mode=mode, announced=announced)
        if wanted is not None:
            self.world.ask(wanted, by=SUPERVISOR)
        if answers:
            self.world.settle()
            self.world.phones.answer(SUPERVISOR)

    @precondition(lambda self: self.seated())
    @rule(
        index=st.integers(0, 3),
        wanted=st.sampled_from(
            [
                (MuteCall, {"muted": True}),
                (MuteCall, {"muted": False}),
                (PauseRecording, {"paused": True}),
                (PauseRecording, {"paused": False}),
                (SendKeys, {"personal": {"keys": "12#"}}),
                (SendKeys, {"personal": {"keys": "x"}}),
            ]
        ),
    )
    def an_agent_wants(self, index: int, wanted: Any) -> None:
        of, told = wanted
        self.untouched = self.untouched and of is not MuteCall
        self.ask(of, self.seated()[index % len(self.seated())], **told)

    @precondition(lambda self: self.seated())
    @rule(index=st.integers(0, 3), other=st.integers(0, 5))
    def an_agent_drops(self, index: int, other: int) -> None:
        legs = self.world.call.legs if self.world.call else ()
        if legs:
            self.ask(DropLeg, self.seated()[index % len(self.seated())], leg_id=legs[other % len(legs)].leg_id)

    @precondition(lambda self: not self.world.lost)
    @rule(seldom=st.integers(0, 3))
    def the_node_is_lost(self, seldom: int) -> None:
        if seldom == 3:
            self.world.lose_node()

    @precondition(lambda self: self.world.lost)
    @rule()
    def the_node_is_back(self) -> None:
        self.world.recover_node()

    @rule(index=st.integers(0, 1000))
    def a_fact_comes_late(self, index: int) -> None:
        """Something that was told long ago is told again."""
        facts = [fact for fact in self.world.happened if _may_repeat(fact)]
        if facts:
            self.world.step(facts[index % len(facts)])

    def ringing(self) -> list[str]:
        return [name for name in (*AGENTS, SUPERVISOR) if self.world.rings(name)]

    def up(self) -> list[str]:
        """Agents' phones whose leg is answered, as far as the call knows."""
        call = self.world.call
        return [leg.agent_id for leg in call.legs if leg.agent_id and leg.state == "up"] if call else []

    def seated(self) -> list[str]:
        """Agents who have a task."""
        tasks = self.world.router.tasks.values()
        return [task.agent_id for task in tasks if task.state == "assigned"]

    def everybody_hears_whom_they_should(self) -> None:
        """By what the router says, and not by what the call believes; supervisors apart."""
        world = self.world
        expected = self.expected(world.call)  # type: ignore[arg-type]  # there is one
        for phone, whom in expected.items():
            heard = world.phones.hears(phone) - {SUPERVISOR}
            event(f"{phone == CUSTOMER} hears {len(whom)}: {'music' in whom}")
            assert heard == whom or any(each.startswith("prompt:") for each in heard), (phone, heard, expected)

    def expected(self, call: Call) -> dict[str, frozenset[str]]:
        up = {leg.agent_id or CUSTOMER for leg in call.legs if leg.state == "up" and not leg.releasing}
        up -= {watch.supervisor_id for watch in call.watches}
        main, second = self.world.router.main(), self.world.router.second()
        owner = main.agent_id if main and main.state == "assigned" and main.agent_id in up else None
        helper = second.agent_id if second and second.state == "assigned" and second.agent_id in up else None
        talking = {each for each in (owner, CUSTOMER if CUSTOMER in up else None) if each}
        held = CUSTOMER in up and any(task and task.state == "assigned" and task.held for task in (main, second))
        heard = {phone: frozenset({"music"}) for phone in up}
        if helper and second and second.role == "participant":
            talking.add(helper)
        elif helper and owner:
            return heard | {owner: frozenset({helper}), helper: frozenset({owner})}
        if held:
            talking.discard(CUSTOMER)
            if talking == {owner}:
                return heard | {str(owner): frozenset()}
        if len(talking) > 1:
            heard |= {phone: frozenset(talking - {phone}) for phone in talking}
        return heard

    def command(self, of: type, agent: str, **wanted: Any) -> Any:
        call = self.world.call
        seat = next((seat for seat in call.seats if seat.agent_id == agent), None) if call else None
        self.asked += 1
        return call and of(
            command_id=f"k{self.asked}",
            interaction_id=call.interaction_id,
            domain="d",
            agent_id=agent,
            assignment_id=seat.assignment_id if seat else "gone",
            assignment_sequence=seat.sequence if seat else "0",
            requested_at_ms=1,
            **wanted,
        )

    def ask(self, of: type, agent: str, **wanted: Any) -> None:
        command = self.command(of, agent, **wanted)
        if command is not None:
            self.world.ask(command)

    @invariant()
    def the_customer_hears_no_whisper(self) -> None:
        world = self.world
        if SUPERVISOR not in world.phones.hears(CUSTOMER):
            return
        theirs = {each.leg_id for each in world.done if isinstance(each, Monitor)}
        told = [each for each in world.done if isinstance(each, Monitor | Join) and each.leg_id in theirs]
        assert told
        assert isinstance(told[-1], Join) or told[-1].mode == "barge"

    @override
    def teardown(self) -> None:
        world = self.world
        if world.lost:
            world.recover_node()
        world.settle()
        world.phones.hang_up(CUSTOMER)
        for agent in self.seated():
            world.router.end(agent)
        world.settle()
        world.pass_time(100)

        assert world.call is None or world.call.over, world.call
        assert world.legs() == ([], [])
        assert [len(world.of(data)) for data in (InteractionStarted, CallMeasured)] == [1, 1]
        assert len(world.of(InteractionEnded)) == 1 or world.never_reached()


def _may_repeat(fact: Any) -> bool:
    told = isinstance(fact, NodeTold) and isinstance(fact.event, LegAnswered | LegEnded | LegRinging)
    return told or isinstance(fact, Routed | Asked)


TestCalls = Calls.TestCase
TestCalls.settings = settings(
    max_examples=120,
    stateful_step_count=30,
    deadline=None,
    phases=(Phase.reuse, Phase.generate, Phase.shrink),
)
