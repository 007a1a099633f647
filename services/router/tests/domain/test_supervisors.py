"""What supervisors do to tasks: move them, give them to somebody, end them. Every fact says who did it."""

from collections.abc import Callable
from typing import Any

import pytest
from contracts.agents import CommandResult
from contracts.configuration import Disposition, Domain
from contracts.offers import OfferIssued, OfferWithdrawn
from contracts.routing_parts import Step
from contracts.tasks import TaskRerouted, TaskResumed, TaskTransferredOut
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import Story


@pytest.fixture
def told() -> Story:
    """Ann serves chats, Bob calls too; nobody is at work yet."""
    story = Story(reruns=True)
    story.configure(
        Domain(id=DOMAIN, dispositions=[Disposition(id="stuck", label="Stuck")]),
        queue("chats"),
        queue("calls", "voice", priority=2),
        address("chats", "calls"),
        agent("ann"),
        agent("bob", "voice"),
    )
    return story


def named(kind: type, happened: list[object]) -> list[Any]:
    return [data for data in happened if isinstance(data, kind)]


def offered(happened: list[object]) -> list[tuple[str, str]]:
    return [(data.task_id, data.agent_id) for data in named(OfferIssued, happened)]


def refusal(happened: list[object]) -> tuple[str, int] | None:
    [result] = named(CommandResult, happened)
    return (result.refusal.code, result.refusal.http_status) if result.refusal else None


def busy(told: Story, agent_id: str) -> None:
    """The agent is at work, and has a customer."""
    told.on_duty(agent_id)
    told.start("first")
    told.accept(agent_id, "first.t1.o1")


def test_a_waiting_task_moves_to_another_queue_with_its_waiting_time(told: Story) -> None:
    told.start("i1")
    told.wait(30)

    happened = told.reroute("i1.t1", queue="calls")

    [rerouted] = named(TaskRerouted, happened)
    assert (rerouted.from_queue, rerouted.queue, rerouted.reason, rerouted.by) == ("chats", "calls", "moved", "sue")
    assert (rerouted.priority, [need.skill for need in rerouted.requirements]) == (2, ["voice"])
    assert told.domain.tasks["i1.t1"].queued_at_ms == told.now_ms - 30_000


def test_an_offered_task_is_withdrawn_first_and_its_agent_served(told: Story) -> None:
    told.on_duty("ann")
    told.start("i1")
    told.start("i2")

    happened = told.reroute("i1.t1", queue="calls")

    [withdrawn] = named(OfferWithdrawn, happened)
    assert (withdrawn.agent_id, withdrawn.reason) == ("ann", "by_supervisor")
    assert offered(happened) == [("i2.t1", "ann")]


def test_a_task_that_is_moved_down_does_not_keep_its_agent_from_who_is_first_now(told: Story) -> None:
    told.on_duty("ann")
    told.start("i1")
    told.start("i2")

    assert offered(told.reroute("i1.t1", priority=1)) == [("i2.t1", "ann")]


def test_a_task_moves_up_by_priority_or_band(told: Story) -> None:
    for number in (1, 2, 3):
        told.start(f"i{number}")
    told.reroute("i3.t1", priority=9)
    told.reroute("i2.t1", band=1)

    assert offered(told.on_duty("ann")) == [("i2.t1", "ann")]
    assert offered(told.on_duty("bob")) == [("i3.t1", "bob")]


def test_a_task_is_given_to_one_agent_for_an_hour_then_to_anybody(told: Story) -> None:
    busy(told, "ann")
    told.on_duty("bob")
    told.start("i1")

    happened = told.reroute("i1.t1", to_agent_id="ann")

    assert offered(happened) == []
    assert offered(told.wait(3599)) == []
    assert offered(told.wait(1)) == [("i1.t1", "bob")]


def requested_for_ann(told: Story) -> str:
    """A callback of Ann's own for ten minutes, but she is on a break."""
    told.request("r1", agent_id="ann", agent_only_seconds=600)
    return told.domain.interactions["of-r1"].task_id or ""


def waiting_contact(told: Story) -> str:
    told.start("i1")
    return "i1.t1"


def kept_back(told: Story, agent_id: str) -> Story:
    """The agent is at work, and busy; another comes when it is told."""
    told.configure(agent("bob"), agent("cid"))
    busy(told, agent_id)
    return told


@pytest.mark.parametrize("task", [waiting_contact, requested_for_ann])
def test_a_task_is_given_to_one_agent_until_they_leave_whoever_else_it_was_for(
    told: Story, task: Callable[[Story], str]
) -> None:
    task_id = task(kept_back(told, "bob"))
    told.reroute(task_id, to_agent_id="bob")
    told.on_duty("ann", "cid")
    told.wait(0)
    assert told.domain.tasks[task_id].state == "waiting"

    told.set_state("bob", ready=False)

    assert offered(told.wait(0)) == [(task_id, "ann")]


@pytest.mark.parametrize("waited", [0, 30, 61])
@pytest.mark.parametrize("into", [None, "other"])
def test_the_longest_wait_counts_anew_for_who_is_given_a_task(told: Story, waited: int, into: str | None) -> None:
    told.configure(Domain(id=DOMAIN, longest_wait_seconds=60), queue("other"))
    kept_back(told, "bob").start("i1")
    told.wait(waited)
    told.reroute("i1.t1", to_agent_id="bob", queue=into)
    told.on_duty("cid")

    assert offered(told.wait(59)) == []
    assert told.domain.tasks["i1.t1"].terms.longest_wait == (waited > 0)
    assert offered(told.wait(1)) == [("i1.t1", "cid")]


@pytest.mark.parametrize(("longest", "kept"), [(60, 60), (None, 3600)])
def test_a_parked_task_comes_back_to_whom_it_was_given_and_not_to_who_parked_it(
    told: Story, longest: int | None, kept: int
) -> None:
    told.configure(Domain(id=DOMAIN, longest_wait_seconds=longest))
    kept_back(told, "ann")
    told.park("ann", "first.t1.o1.a", seconds=7200)
    told.set_state("ann", ready=False)
    told.on_duty("bob")
    told.wait(60)
    told.reroute("first.t1", to_agent_id="bob")
    told.start("i1")
    told.accept("bob", "i1.t1.o1")
    told.set_state("ann", ready=True)

    assert offered(told.wait(7140 + kept - 1)) == []  # its time is that of its return
    assert told.domain.tasks["first.t1"].terms.agents == ("bob",)
    assert offered(told.wait(1)) == [("first.t1", "ann")]


def test_a_parked_task_comes_back_to_whom_it_was_given_although_the_queue_is_closed(told: Story) -> None:
    kept_back(told, "ann")
    told.park("ann", "first.t1.o1.a", seconds=60)
    told.on_duty("bob")
    told.reroute("first.t1", to_agent_id="bob")
    told.override("chats", closed=True)

    assert offered(told.wait(60)) == [("first.t1", "bob")]


def test_a_parked_task_given_to_who_has_left_meanwhile_comes_back_to_who_parked_it(told: Story) -> None:
    kept_back(told, "ann")
    told.park("ann", "first.t1.o1.a", seconds=60)
    told.on_duty("bob", "cid")
    told.reroute("first.t1", to_agent_id="bob")
    told.set_state("bob", ready=False)

    assert offered(told.wait(60)) == [("first.t1", "ann")]


def test_a_scheduled_task_is_theirs_who_was_given_it_from_when_it_is_due(told: Story) -> None:
    kept_back(told, "bob").request("r1", in_seconds=7200)
    task_id = told.domain.interactions["of-r1"].task_id or ""
    told.on_duty("cid")
    told.reroute(task_id, to_agent_id="bob")

    assert offered(told.wait(7200 + 3599)) == []
    assert offered(told.wait(1)) == [(task_id, "cid")]


def test_who_was_given_a_task_and_could_not_be_connected_has_had_it(told: Story) -> None:
    told.on_duty("ann")
    told.start("i1")
    told.reroute("i1.t1", to_agent_id="ann")
    told.accept("ann", "i1.t1.o2")
    told.on_duty("bob")

    assert offered(told.connect("i1.t1.o2.a", failure="no_answer")) == [("i1.t1", "bob")]


def test_a_task_is_given_to_one_agent_in_another_queue_at_once(told: Story) -> None:
    told.configure(agent("cid", "voice"))
    told.on_duty("bob", "cid")
    told.start("i1")

    assert offered(told.reroute("i1.t1", queue="calls", to_agent_id="cid")) == [("i1.t1", "cid")]


def test_a_step_that_was_due_during_the_offer_comes_after_the_move(told: Story) -> None:
    told.configure(plan("p", Step(after_seconds=5, band=4)), queue("chats", plan="p"))
    busy(told, "ann")
    told.on_duty("bob")
    told.start("i1")
    told.wait(10)
    told.reroute("i1.t1", to_agent_id="ann")
    told.wait(0)

    terms = told.domain.tasks["i1.t1"].terms
    assert (terms.band, terms.agents) == (4, ("ann",))


def test_what_waits_for_an_opening_is_served_in_an_open_queue(told: Story) -> None:
    told.configure(queue("night"), address("chats", "night"))
    told.override("night", closed=True)
    told.start("i1", queue="night")
    told.on_duty("ann")

    happened = told.reroute("i1.t1", queue="chats")

    assert [resumed.reason for resumed in named(TaskResumed, happened)] == ["by_supervisor"]
    assert offered(happened) == [("i1.t1", "ann")]


@pytest.mark.parametrize(
    ("task_id", "wanted", "code"),
    [
        ("i9.t1", {"priority": 1}, ("task_gone", 404)),
        ("i1.t1", {"priority": 1}, ("task_assigned", 409)),
        ("i2.t1", {}, ("nothing_asked", 422)),
        ("i2.t1", {"queue": "nowhere"}, ("unknown_queue", 404)),
        ("i2.t1", {"to_agent_id": "zoe"}, ("unknown_agent", 404)),
        ("i2.t1", {"queue": "calls", "to_agent_id": "ann"}, ("agent_unqualified", 409)),
    ],
)
def test_what_cannot_be_is_refused(told: Story, task_id: str, wanted: dict[str, Any], code: tuple[str, int]) -> None:
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.start("i2")

    assert refusal(told.reroute(task_id, **wanted)) == code


def test_pain_supervisors_cannot_finish_a_stuck_task_they_can_in_any_state(told: Story) -> None:
    told.configure(agent("ann", capacity=3))
    told.on_duty("ann")
    for number in range(1, 7):
        told.start(f"i{number}")
    told.accept("ann", "i1.t1.o1")
    told.accept("ann", "i2.t1.o1")
    told.end_task("ann", "i2.t1.o1.a")
    told.request("r1", in_seconds=60)
    scheduled = told.domain.interactions["of-r1"].task_id or ""
    states = {task_id: told.domain.tasks[task_id].state for task_id in ("i1.t1", "i2.t1", "i3.t1", "i4.t1", scheduled)}
    told.wait(7)

    finished = [told.finish(task_id, disposition="stuck") for task_id in states]

    assert list(states.values()) == ["assigned", "wrapup", "offered", "waiting", "waiting"]
    ended = [named(TaskTransferredOut, happened)[0] for happened in finished]
    assert [(out.to, out.reason, out.by, out.disposition) for out in ended] == [
        ("finished", "by_supervisor", "sue", "stuck")
    ] * 5
    assert [out.handled_ms for out in ended] == [7000, 7000, None, None, None]
    assert all(task_id not in told.domain.tasks for task_id in states)
    assert told.domain.agents["ann"].tasks.keys() == {"i5.t1", "i6.t1"}  # the capacity went on
    assert refusal(told.finish("i1.t1")) == ("task_gone", 404)
    assert refusal(told.finish("i5.t1", disposition="wrong")) == ("unknown_disposition", 422)
    assert refusal(told.override("nowhere", closed=True)) == ("unknown_queue", 404)
    assert refusal(told.override("chats", closed=True, for_seconds=-1)) == ("until_past", 422)


def test_the_result_names_the_supervisor_whose_command_id_nobody_else_can_use(told: Story) -> None:
    told.start("i1")
    [result] = named(CommandResult, told.reroute("i1.t1", priority=9))

    assert result.agent_id == "sue"
    assert refusal(told.accept("ann", "i1.t1.o1", command_id=result.command_id)) == ("command_id_taken", 409)
