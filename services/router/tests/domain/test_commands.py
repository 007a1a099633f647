"""Commands: what agents may do, what is refused and how, and what a repeated command gets."""

import pytest
from contracts.agents import AgentStateChanged, CommandResult
from contracts.configuration import Disposition, Domain
from contracts.offers import OfferIssued, OfferRescinded
from contracts.tasks import TaskCompleted, WrapupStarted
from router.domain.state import RESULTS_MAX
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story


@pytest.fixture
def told() -> Story:
    """Ann and Bob are on duty; i1 is assigned to Ann, i2 is offered to Bob."""
    story = Story()
    story.configure(Domain(id=DOMAIN), queue("chats"), address("chats"), agent("ann"), agent("bob"))
    story.on_duty("ann", "bob")
    story.start("i1")
    story.accept("ann", "i1.t1.o1")
    story.start("i2")
    return story


def result(happened: list[object]) -> CommandResult:
    [found] = [data for data in happened if isinstance(data, CommandResult)]
    return found


def refusal(happened: list[object]) -> tuple[str, int]:
    found = result(happened).refusal
    assert found is not None
    return found.code, found.http_status


def test_an_offer_that_is_gone_is_refused_with_409(told: Story) -> None:
    assert refusal(told.accept("ann", "i1.t1.o1")) == ("offer_gone", 409)
    assert refusal(told.reject("ann", "i9.t1.o1")) == ("offer_gone", 409)


def test_the_offer_of_another_is_refused_with_403(told: Story) -> None:
    assert refusal(told.accept("ann", "i2.t1.o1")) == ("offer_of_another", 403)
    assert refusal(told.reject("ann", "i2.t1.o1")) == ("offer_of_another", 403)
    assert told.domain.tasks["i2.t1"].state == "offered"


def test_the_assignment_of_another_is_refused_with_403(told: Story) -> None:
    assert refusal(told.end_task("bob", "i1.t1.o1.a")) == ("assignment_of_another", 403)
    assert refusal(told.complete("bob", "i1.t1.o1.a")) == ("assignment_of_another", 403)


def test_an_assignment_that_is_gone_is_refused_with_404(told: Story) -> None:
    told.complete("ann", "i1.t1.o1.a")

    assert refusal(told.complete("ann", "i1.t1.o1.a")) == ("assignment_gone", 404)


def test_an_unknown_agent_is_refused_with_404(told: Story) -> None:
    assert refusal(told.set_state("zoe", ready=True)) == ("unknown_agent", 404)


def test_a_command_to_an_unknown_domain_has_a_result_too() -> None:
    assert refusal(Story().set_state("ann", ready=True)) == ("unknown_agent", 404)


def test_a_repeated_command_gets_the_first_result_and_does_nothing(told: Story) -> None:
    first = result(told.accept("bob", "i2.t1.o1", command_id="once"))
    told.wait(3)

    assert told.accept("bob", "i2.t1.o1", command_id="once") == [first]


def test_the_command_id_of_another_is_refused_with_409(told: Story) -> None:
    first = result(told.accept("bob", "i2.t1.o1", command_id="once"))

    assert refusal(told.accept("ann", "i2.t1.o1", command_id="once")) == ("command_id_taken", 409)
    assert told.accept("bob", "i2.t1.o1", command_id="once") == [first]


def test_results_are_forgotten_after_an_hour(told: Story) -> None:
    told.accept("bob", "i2.t1.o1", command_id="once")
    told.wait(3601)
    for _ in range(3):
        told.set_state("zoe", ready=True)

    assert refusal(told.accept("bob", "i2.t1.o1", command_id="once")) == ("offer_gone", 409)


def test_a_bounded_number_of_results_is_remembered(told: Story) -> None:
    told.checker = None
    for _ in range(RESULTS_MAX + 5):
        told.set_state("zoe", ready=True)

    assert len(told.domain.results) == RESULTS_MAX


def test_going_not_ready_gives_the_offer_back_to_the_line(told: Story) -> None:
    happened = told.set_state("bob", ready=False)

    assert [type(data) for data in happened[:3]] == [AgentStateChanged, OfferRescinded, CommandResult]
    assert told.domain.tasks["i2.t1"].state == "waiting"
    [offered] = [data for data in told.set_state("bob", ready=True) if isinstance(data, OfferIssued)]
    assert offered.offer_id == "i2.t1.o2"


def test_going_not_ready_keeps_the_assignment(told: Story) -> None:
    told.set_state("ann", ready=False)

    assert told.domain.tasks["i1.t1"].state == "assigned"


def test_the_state_that_the_agent_has_already_changes_nothing(told: Story) -> None:
    assert [type(data) for data in told.set_state("ann", ready=True)] == [CommandResult]


def test_ending_starts_the_wrapup_and_holds_the_capacity(told: Story) -> None:
    [started, _] = told.end_task("ann", "i1.t1.o1.a")

    assert isinstance(started, WrapupStarted)
    assert (started.reason, started.then, started.seen_number) == ("agent_ended", "keep_open", 3)
    assert told.domain.agents["ann"].held == 1


def test_completing_out_of_wrapup_says_what_was_said_at_the_end(told: Story) -> None:
    told.end_task("ann", "i1.t1.o1.a")
    told.wait(5)

    completed = told.complete("ann", "i1.t1.o1.a")[0]

    assert isinstance(completed, TaskCompleted)
    assert (completed.then, completed.seen_number, completed.handled_ms) == ("keep_open", 3, 5000)


def test_a_wrapup_that_takes_too_long_completes_the_task_without_disposition(told: Story) -> None:
    told.accept("bob", "i2.t1.o1")
    told.start("i3")
    told.end_task("ann", "i1.t1.o1.a")

    completed, offered = told.wait(60)

    assert isinstance(completed, TaskCompleted)
    assert (completed.reason, completed.disposition) == ("wrapup_timed_out", None)
    assert isinstance(offered, OfferIssued)
    assert offered.task_id == "i3.t1"


def test_ending_twice_is_no_fault(told: Story) -> None:
    told.end_task("ann", "i1.t1.o1.a")

    assert result(told.end_task("ann", "i1.t1.o1.a")).outcome == "done"


def test_an_unknown_disposition_is_refused_with_422_where_there_is_a_list(told: Story) -> None:
    told.configure(Domain(id=DOMAIN, dispositions=[Disposition(id="solved", label="Solved")]))

    assert refusal(told.complete("ann", "i1.t1.o1.a", disposition="solvd")) == ("unknown_disposition", 422)
    completed = told.complete("ann", "i1.t1.o1.a", disposition="solved")[0]
    assert isinstance(completed, TaskCompleted)
    assert completed.disposition == "solved"


def test_any_disposition_goes_where_there_is_no_list(told: Story) -> None:
    assert result(told.complete("ann", "i1.t1.o1.a", disposition="anything")).outcome == "done"
