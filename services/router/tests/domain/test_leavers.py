"""What waits for agents who are not at work any more: found in bounded steps, and never forgotten."""

from contracts.assignments import TransferChanged
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from contracts.routing_parts import Step
from router.domain.inputs import TimersDue
from router.domain.internal import LeaverFollowed, LeaverNoted
from router.domain.snapshot import dump, load
from router.domain.timers import LEAVERS_STEP_MAX
from router.testing.finding import every
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import Story

VIP = plan("vip", Step(after_seconds=0, agents=["ann", "bob"]))


def story(**agents: int) -> Story:
    """A queue for ann and bob alone, and one for anybody; each agent with so much room."""
    told = Story(reruns=True)
    told.configure(
        Domain(id=DOMAIN, unanswered_then="nothing"),
        queue("chats", offer_timeout_seconds=3600),
        queue("vips", plan="vip"),
        address("chats", "vips"),
        VIP,
        *[agent(name, capacity=capacity) for name, capacity in agents.items()],
    )
    return told


def test_who_leaves_again_before_all_was_taken_from_them_is_followed_again() -> None:
    told = story(ann=200, bob=1)
    told.on_duty("ann")
    for number in range(150):
        told.start(f"i{number:03}")
    told.set_state("ann", ready=False)
    told.set_state("ann", ready=True)
    assert told.domain.agents["ann"].shed is not None
    told.start("v1", queue="vips")
    assert len(told.domain.tasks["v1.t1"].terms.agents) == 2

    told.set_state("ann", ready=False)
    told.wait(0)

    assert not told.domain.tasks["v1.t1"].terms.agents


def many_named(count: int) -> Story:
    """So many wait for ann and bob, who have no room for them."""
    told = story(ann=1, bob=1, cid=1000)
    told.checker, told.reruns = None, False
    told.on_duty("ann", "bob")
    for number in range(count):
        told.now_ms += 1
        told.start(f"v{number:05}", queue="vips")
    return told


def follow(told: Story) -> list[list[object]]:
    """The calls that it takes."""
    steps = []
    while told.state.next_due_ms() == 0:
        told.state = load(dump(told.state))  # where it goes on stands in the state
        steps.append(told.give(TimersDue()))
    return steps


def test_a_call_looks_at_a_bounded_number_of_tasks_that_name_who_left() -> None:
    told = many_named(5 * LEAVERS_STEP_MAX)
    told.set_state("ann", ready=False)

    steps = follow(told)

    assert len(steps) >= 5  # bob is at work still, so that none of the tasks changes, and no fact fills a call
    assert [len(every(step, LeaverFollowed)) for step in steps] == [1] * len(steps)
    assert told.domain.leavers == []


def test_when_none_of_those_named_is_left_everybody_may_have_them_in_order() -> None:
    told = many_named(200)
    told.set_state("ann", ready=False)
    told.on_duty("cid")
    told.set_state("bob", ready=False)

    offered = [data.task_id for step in follow(told) for data in every(step, OfferIssued)]

    assert offered == sorted(offered)
    assert len({task.terms.agents for task in told.domain.tasks.values()}) == 1
    assert told.domain.leavers == []


def test_who_leaves_anew_while_they_are_followed_is_followed_from_the_first() -> None:
    told = many_named(3 * LEAVERS_STEP_MAX)
    told.set_state("ann", ready=False)
    told.give(TimersDue())
    assert told.domain.leavers_behind is not None

    told.set_state("ann", ready=True)
    told.set_state("ann", ready=False)

    assert told.domain.leavers == ["ann"]
    assert told.domain.leavers_behind is None


def test_of_very_many_transfers_to_who_goes_those_beyond_a_batch_fail_by_a_timer() -> None:
    told = story(ann=1, bob=1000)
    told.checker, told.reruns = None, False
    told.on_duty("bob")
    for number in range(150):
        told.start(f"i{number:03}")
        told.accept("bob", f"i{number:03}.t1.o1")
    told.on_duty("ann")
    for number in range(150):
        told.transfer("bob", f"i{number:03}.t1.o1.a", to_agent_id="ann", forced=True)

    first = told.set_state("ann", ready=False, when="now")
    rest = [data for step in follow(told) for data in step]

    assert every(first, LeaverNoted)
    failed = [data for data in every(first + rest, TransferChanged) if data.state == "failed"]
    assert 0 < len([data for data in every(first, TransferChanged) if data.state == "failed"]) < len(failed) == 150
    assert told.domain.transfers == {}
