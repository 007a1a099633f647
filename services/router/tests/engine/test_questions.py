"""Questions to an owner: answered soon, without a trace in the journal, and never at the cost of deciding."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
from contracts.configuration import Domain
from contracts.tasks import TaskQueued
from contracts.topics import ROUTING_JOURNAL
from router.domain.questions import About, Answer, Question
from router.domain.state import State
from router.domain.task import Task
from router.engine.questions import LOOK_SECONDS, REST_SECONDS_MAX, Questions
from router.engine.story import PLACE, Story, open_story
from router.engine.testing import Cable, MemoryEngineLive
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story as Told
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually
from servicekit.testing.virtual import run_virtual
from typing_extensions import override

KEY = f"acme/{DOMAIN}"


def told(telling: Callable[[Story], Awaitable[None]]) -> None:
    async def run() -> None:
        async with open_story() as story:
            await telling(story)

    run_virtual(run())


def ask(live: MemoryEngineLive, subject: str, about: About = "task", *, key: str = KEY, wait_ms: int = 1000) -> str:
    """The id under which the answer comes."""
    question = Question(question_id=f"q-{about}-{subject}", about=about, subject=subject)
    live.ask(key, msgspec.json.encode(question), wait_ms)
    return question.question_id


def answers(live: MemoryEngineLive, question_id: str) -> list[tuple[str, Any]]:
    found = [msgspec.json.decode(raw, type=Answer) for raw in live.answers(question_id)]
    return [(each.outcome, msgspec.json.decode(each.explained)) for each in found]


async def looked(live: MemoryEngineLive, state: State) -> None:
    await Questions(live, SystemClock(), lambda: state).look()


def centre(agents: int = 1) -> State:
    story = Told(checker=None)
    parts = [agent(f"a{number}", "es") for number in range(agents)]
    story.configure(Domain(id=DOMAIN), queue("help", "fr"), address("help"), *parts)
    story.start("i1")
    return story.state


def test_an_owner_answers_within_a_second_and_journals_nothing_of_it() -> None:
    async def telling(story: Story) -> None:
        await story.configure(agents={"ann": {"english": 3}})
        story.start_engine()
        await story.customer_arrives("i1")
        await eventually(lambda: story.of(TaskQueued), timeout_seconds=60)
        before = len(story.log.records(ROUTING_JOURNAL.name, 0))

        question_id = ask(story.live, "i1.t1", key=PLACE)
        [(outcome, explained)] = await eventually(lambda: answers(story.live, question_id), timeout_seconds=1)

        assert outcome == "explained"
        assert explained["summary"] == "0 of 1 eligible: 1 lacks billing"
        assert len(story.log.records(ROUTING_JOURNAL.name, 0)) == before

    told(telling)


def test_while_redis_is_away_nobody_is_answered_and_afterwards_everybody_is_again() -> None:
    async def telling(story: Story) -> None:
        await story.configure(agents={"ann": {"billing": 3}})
        cable = Cable(story.live)
        engine = story.start_engine(cable)
        await eventually(lambda: engine.domain.configured, timeout_seconds=60)
        cable.cut = True
        lost = ask(story.live, "ann", "agent", key=PLACE)
        await asyncio.sleep(2)
        cable.cut = False
        kept = ask(story.live, "ann", "agent_as_target", key=PLACE, wait_ms=5000)

        await eventually(lambda: answers(story.live, kept), timeout_seconds=5)

        assert answers(story.live, lost) == []
        assert engine.owner.reign is not None

    told(telling)


async def test_each_kind_of_question_has_its_answer() -> None:
    live, state = MemoryEngineLive(SystemClock()), centre()
    subjects: dict[About, str] = {"task": "i1.t1", "agent": "a0", "queue_as_target": "help", "agent_as_target": "a0"}
    asked = [ask(live, subject, about) for about, subject in subjects.items()]
    asked_in_vain = [ask(live, "nobody", about) for about in subjects]
    for _ in range(2):
        await looked(live, state)

    assert [answers(live, each)[0][0] for each in asked] == ["explained"] * 4
    assert [answers(live, each) for each in asked_in_vain] == [[("unknown", None)]] * 4


async def test_what_is_no_question_is_passed_over() -> None:
    live = MemoryEngineLive(SystemClock())
    live.ask(KEY, b"{", 1000)
    live.ask(KEY, b'{"question_id": "' + b"x" * 5000, 1000)
    question_id = ask(live, "i1.t1")

    await looked(live, centre())

    assert answers(live, question_id)[0][0] == "explained"


async def test_a_bug_in_explaining_is_answered_and_does_not_reach_the_owner() -> None:
    live, state = MemoryEngineLive(SystemClock()), centre()
    state.domains[KEY].tasks["i1.t1"] = cast(Task, object())
    question_id = ask(live, "i1.t1")

    await looked(live, state)

    assert answers(live, question_id) == [("failed", None)]


async def test_deciding_goes_on_between_the_pieces_of_a_long_answer() -> None:
    live, state, turns = MemoryEngineLive(SystemClock()), centre(agents=2000), []
    question_id = ask(live, "i1.t1", wait_ms=60_000)
    looking = asyncio.create_task(looked(live, state))

    while not looking.done():
        turns.append(1)
        await asyncio.sleep(0)
    await looking

    assert answers(live, question_id)[0][0] == "explained"
    assert len(turns) >= 2000 // 256


async def test_after_much_work_there_is_a_rest_and_waiting_is_no_work() -> None:
    class Clock(SystemClock):
        """Remembers for how long it was asked to sleep, and sleeps for no time."""

        rests: list[float]

        @override
        async def sleep(self, seconds: float) -> None:
            self.rests += [seconds] if seconds else []
            await asyncio.sleep(0)

    live, clock, state = MemoryEngineLive(SystemClock()), Clock(), centre(agents=6000)
    clock.rests = []
    asking = asyncio.create_task(Questions(live, clock, lambda: state).run())
    await eventually(lambda: clock.rests)
    question_id = ask(live, "i1.t1", wait_ms=10_000)
    await eventually(lambda: answers(live, question_id))
    await eventually(lambda: max(clock.rests) > LOOK_SECONDS)
    asking.cancel()

    assert clock.rests[0] == LOOK_SECONDS
    assert max(clock.rests) <= REST_SECONDS_MAX
