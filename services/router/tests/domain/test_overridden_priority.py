"""What an override of a queue's priority means for its tasks, while it lasts and afterwards."""

from collections.abc import Callable

import pytest
from contracts.configuration import Domain
from contracts.routing_parts import Step
from router.testing.parts import DOMAIN, address, agent, plan, queue, rules
from router.testing.story import Story


@pytest.fixture
def told() -> Story:
    """Chats have priority 5, and 8 after ten seconds; whoever comes from the bank has 7 by a rule."""
    story = Story(reruns=True)
    story.configure(
        Domain(id=DOMAIN),
        queue("chats", priority=5, plan="sooner"),
        plan("sooner", Step(after_seconds=10, priority_add=3)),
        rules(bank={"when": "client == 'bank'", "priority": 7}),
        address("chats"),
        agent("ann"),
    )
    return story


def asked_for(told: Story) -> str:
    told.request("r1", priority=6)
    return told.domain.interactions["of-r1"].task_id or ""


def of_the_bank(told: Story) -> str:
    told.start("i1", client="bank")
    return "i1.t1"


def patient(told: Story) -> str:
    told.start("i1")
    told.wait(10)
    return "i1.t1"


def set_by_a_supervisor(told: Story) -> str:
    told.start("i1")
    told.reroute("i1.t1", priority=2)
    return "i1.t1"


COMES: dict[str, tuple[Callable[[Story], str], int, dict[int, int]]] = {
    "of its queue": (lambda told: (told.start("i1"), "i1.t1")[1], 5, {9: 9, 1: 1}),
    "requested with its own": (asked_for, 6, {9: 6, 1: 6}),
    "by a rule": (of_the_bank, 7, {9: 9, 1: 3}),
    "raised by a step": (patient, 8, {9: 9, 1: 4}),
    "set by a supervisor": (set_by_a_supervisor, 2, {9: 2, 1: 2}),
}


@pytest.mark.parametrize("overridden", [9, 1])
@pytest.mark.parametrize("comes", COMES)
@pytest.mark.parametrize("first", ["task", "override"])
def test_an_override_shifts_priorities_and_its_end_leaves_them_as_they_were(
    told: Story, first: str, comes: str, overridden: int
) -> None:
    come, own, meanwhile = COMES[comes]
    if first == "override":
        told.override("chats", priority=overridden)
    task = told.domain.tasks[come(told)]
    if first == "task":
        assert task.priority == own
        told.override("chats", priority=overridden)
        told.wait(0)

    assert task.priority == meanwhile[overridden]
    told.override("chats")
    told.wait(0)
    assert task.priority == own


def test_a_step_during_the_override_counts_when_it_is_over(told: Story) -> None:
    told.start("i1")
    told.override("chats", priority=8, for_seconds=20)
    task = told.domain.tasks["i1.t1"]
    told.wait(10)

    assert task.priority == 9
    told.wait(10)
    assert task.priority == 8


def test_a_task_that_leaves_the_overridden_queue_leaves_its_priority_behind(told: Story) -> None:
    told.configure(queue("calls", priority=4), address("chats", "calls"))
    told.override("chats", priority=9)
    told.start("i1")
    told.reroute("i1.t1", queue="calls")

    assert told.domain.tasks["i1.t1"].priority == 4


def test_another_configured_priority_keeps_to_what_the_supervisor_said(told: Story) -> None:
    told.override("chats", priority=9)
    told.start("i1")
    told.configure(queue("chats", priority=6))
    told.start("i2")
    told.wait(0)
    tasks = [told.domain.tasks[f"i{number}.t1"] for number in (1, 2)]

    assert [task.priority for task in tasks] == [8, 9]
    told.override("chats")
    told.wait(0)
    assert [task.priority for task in tasks] == [5, 6]
