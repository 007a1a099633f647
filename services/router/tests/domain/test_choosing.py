"""Which of several free agents gets a task, and what starts their idle time anew."""

from collections.abc import Callable

import pytest
from contracts.agents import CommandResult
from contracts.configuration import Domain
from contracts.routing_parts import Step
from router.domain.inputs import TimersDue
from router.domain.turn import FACTS_MAX
from router.testing.finding import offered, only
from router.testing.parts import DOMAIN, address, agent, plan, queue, skill
from router.testing.story import Story


def story(choose_agent: str, *, agents: tuple[str, ...] = ("ann", "bob", "cid"), **settings: object) -> Story:
    """These agents, each of capacity 2, on duty a second apart."""
    told = Story()
    told.configure(
        Domain.model_validate({"id": DOMAIN} | settings),
        queue("chats", choose_agent=choose_agent),
        queue("calls", choose_agent=choose_agent, direction="outbound"),
        address("chats", "calls"),
        *[agent(name, capacity=2) for name in agents],
    )
    for name in agents:
        told.wait(1)
        told.on_duty(name)
    return told


def served_by(told: Story, interaction: str, *, queue: str = "chats") -> str:
    """Who gets the next task; they accept and are done with it after a second."""
    [(task_id, agent_id)] = offered(told.start(interaction, queue=queue))
    told.accept(agent_id, f"{task_id}.o1")
    told.wait(1)
    told.complete(agent_id, f"{task_id}.o1.a")
    return agent_id


def test_least_loaded_is_who_has_the_smallest_share_of_their_capacity_in_use() -> None:
    told = story("least_loaded", agents=("ann",))
    told.configure(agent("bob", capacity=8))
    told.wait(1)
    told.on_duty("bob")

    first = [offered(told.start(f"i{number}"))[0][1] for number in range(6)]
    assert first == ["ann", "bob", "bob", "bob", "bob", "ann"]


def test_among_equally_loaded_agents_the_longest_idle_is_first() -> None:
    told = story("least_loaded", agents=("cid", "ann", "bob"))

    assert [served_by(told, f"i{number}") for number in range(4)] == ["cid", "ann", "bob", "cid"]


def test_longest_idle_looks_at_no_load() -> None:
    told = story("longest_idle")

    assert [to for number in range(3) for _, to in offered(told.start(f"i{number}"))] == ["ann", "ann", "bob"]


def test_round_robin_goes_by_turns_however_long_they_were_idle() -> None:
    told = story("round_robin", agents=("ann", "bob", "cid"))
    assert served_by(told, "i1") == "ann"
    told.set_state("bob", ready=False)
    told.wait(100)
    told.set_state("bob", ready=True)

    assert [served_by(told, f"i{number}") for number in range(2, 6)] == ["bob", "cid", "ann", "bob"]


def test_the_best_at_what_is_asked_for_is_chosen_and_among_the_best_the_least_loaded() -> None:
    told = Story()
    told.configure(
        Domain(id=DOMAIN),
        queue("chats", "english", choose_agent="best_proficiency", any_of=[[skill("billing"), skill("sales")]]),
        address("chats"),
        agent("ann", "english:2", "billing:2", "chess:5"),
        agent("bob", "english:1", "sales:5", capacity=2),
        agent("cid", "english:4", "billing:2", capacity=2),
        agent("dee", "english:5"),
    )
    told.on_duty("ann", "bob", "cid", "dee")

    assert [to for number in range(6) for _, to in offered(told.start(f"i{number}"))] == [
        "bob",
        "cid",
        "bob",
        "cid",
        "ann",
    ]


def test_a_preferred_agent_has_the_task_alone_for_a_time_and_then_anybody_may() -> None:
    told = story("least_loaded")
    told.configure(
        queue("chats", plan="mine"),
        plan("mine", Step(after_seconds=0, agents=["cid"]), Step(after_seconds=20, requirements=[])),
    )
    told.start("i0")
    told.start("i1")
    told.start("i2")
    assert {task.state for task in told.domain.tasks.values()} == {"offered", "waiting"}
    told.accept("cid", "i0.t1.o1")
    told.accept("cid", "i1.t1.o1")

    assert offered(told.wait(19.9)) == []
    assert offered(told.wait(0.1)) == [("i2.t1", "ann")]


def test_a_preferred_agent_who_is_not_at_work_is_not_waited_for() -> None:
    told = story("least_loaded")
    told.configure(
        queue("chats", plan="mine"),
        plan("mine", Step(after_seconds=0, agents=["cid"]), Step(after_seconds=20, requirements=[])),
    )
    told.set_state("cid", ready=False)

    assert offered(told.start("i1")) == [("i1.t1", "ann")]


def test_who_turns_ready_or_ends_a_conversation_goes_to_the_end() -> None:
    told = story("longest_idle")
    served_by(told, "i1")
    told.set_state("bob", ready=False)
    told.wait(1)
    told.set_state("bob", ready=True)

    assert [served_by(told, f"i{number}") for number in range(2, 5)] == ["cid", "ann", "bob"]


def test_turning_ready_does_not_cost_the_place_where_only_work_does() -> None:
    told = story("longest_idle", idle_reset_by=["assignment"])
    told.set_state("ann", ready=False)
    told.wait(1)
    told.set_state("ann", ready=True)

    assert served_by(told, "i1") == "ann"


@pytest.mark.parametrize(("resets", "next_agent"), [(["ready", "assignment"], "ann"), (["outbound"], "bob")])
def test_an_outbound_conversation_costs_the_place_only_where_it_is_said(resets: list[str], next_agent: str) -> None:
    told = story("longest_idle", idle_reset_by=resets)

    assert served_by(told, "i1", queue="calls") == "ann"
    assert served_by(told, "i2") == next_agent


@pytest.mark.parametrize(("resets", "next_agent"), [(["assignment"], "ann"), (["assignment", "refusal"], "bob")])
def test_a_refused_offer_costs_the_place_only_where_it_is_said(resets: list[str], next_agent: str) -> None:
    told = story("longest_idle", idle_reset_by=resets)
    told.start("i1")
    told.wait(1)
    told.reject("ann", "i1.t1.o1")

    assert offered(told.start("i2")) == [("i2.t1", next_agent)]


def test_an_offer_that_was_taken_back_costs_no_place() -> None:
    told = story("longest_idle", idle_reset_by=["ready", "assignment", "outbound", "refusal"])
    told.start("i1")
    told.wait(5)
    told.end("i1")

    assert served_by(told, "i2") == "ann"


def test_work_that_may_be_interrupted_counts_as_load() -> None:
    told = story("least_loaded", agents=("ann", "bob"), interruptible=["email"])
    told.start("i1", channel="email")

    assert offered(told.start("i2")) == [("i2.t1", "bob")]


def test_queues_that_ask_for_no_skills_and_differ_otherwise_are_told_apart() -> None:
    told = Story()
    told.configure(
        Domain(id=DOMAIN),
        queue("loaded"),
        queue("idle", choose_agent="longest_idle"),
        queue("dials", direction="outbound"),
        agent("ann", capacity=4, directions=["inbound"]),
        agent("bob", capacity=4, directions=["inbound"]),
    )
    told.on_duty("ann")
    told.wait(1)
    told.on_duty("bob")
    names = ("loaded", "idle", "dials")
    served = {name: [agent_id for _, agent_id in offered(told.start(f"i-{name}", queue=name))] for name in names}

    assert served == {"loaded": ["ann"], "idle": ["ann"], "dials": []}


def alone(**settings: object) -> Story:
    """Bob is busy, and the next chat is for him alone; Ann is at work too, and not meant."""
    told = Story(reruns=True)
    told.configure(
        Domain.model_validate({"id": DOMAIN} | settings),
        queue("chats", plan="bobs"),
        plan("bobs", Step(after_seconds=0, agents=["bob"])),
        address("chats"),
        agent("ann", capacity=3),
        agent("bob"),
    )
    told.on_duty("bob")
    told.start("i0")
    told.accept("bob", "i0.t1.o1")
    told.start("i1")
    told.on_duty("ann")
    assert told.domain.tasks["i1.t1"].state == "waiting"
    return told


def breaks(told: Story) -> list[object]:
    return told.set_state("bob", ready=False) + told.wait(0)


def vanishes(told: Story) -> list[object]:
    return told.gone("bob") + told.wait(30)


def is_removed(told: Story) -> list[object]:
    return told.configure(removed="agent:bob") + told.wait(0)


@pytest.mark.parametrize("leaves", [breaks, vanishes, is_removed])
def test_what_waits_for_agents_alone_is_anybodys_when_none_of_them_is_at_work_any_more(
    leaves: Callable[[Story], list[object]],
) -> None:
    assert ("i1.t1", "ann") in offered(leaves(alone()))


def test_a_task_waits_for_named_agents_as_long_as_one_of_them_is_at_work() -> None:
    told = alone()
    told.configure(agent("cid"), plan("bobs", Step(after_seconds=0, agents=["bob", "cid"])))
    told.on_duty("cid")
    told.start("i2")
    told.accept("cid", "i2.t1.o1")
    told.start("i3")

    assert offered(breaks(told)) == [("i1.t1", "ann")]
    told.accept("ann", "i1.t1.o1")
    assert told.domain.tasks["i3.t1"].terms.agents == ("bob", "cid")


def test_nobody_waits_for_named_agents_beyond_the_longest_wait() -> None:
    told = alone(longest_wait_seconds=60)

    assert offered(told.wait(59.9)) == []
    assert offered(told.wait(0.1)) == [("i1.t1", "ann")]


def test_what_a_supervisor_gives_to_an_agent_who_goes_off_duty_is_anybodys_and_a_callback_keeps_its_time() -> None:
    told = alone()
    told.configure(queue("chats"))
    told.wait(0)
    told.request("r1", agent_id="bob", agent_only_seconds=60)
    callback = told.domain.tasks[told.domain.interactions["of-r1"].task_id or ""]
    told.reroute("i1.t1", to_agent_id="bob")

    assert offered(breaks(told)) == [("i1.t1", "ann")]
    told.accept("ann", told.domain.tasks["i1.t1"].offers["ann"].offer_id)
    assert callback.terms.agents == ("bob",)
    told.wait(60)
    assert told.domain.tasks[callback.task_id].terms.agents == ()
    refused = only(told.reroute(callback.task_id, to_agent_id="bob"), CommandResult).refusal
    assert refused is not None
    assert refused.code == "agent_not_at_work"


def test_many_tasks_that_wait_for_one_agent_are_set_free_in_bounded_steps() -> None:
    told = alone()
    told.checker, told.reruns = None, False
    told.set_state("ann", ready=False)
    for number in range(300):
        told.start(f"j{number:03}")
    told.set_state("bob", ready=False)
    steps = []
    while told.state.next_due_ms() == 0:
        steps.append(len(told.give(TimersDue())))

    assert max(steps) <= FACTS_MAX + 2
    assert len(steps) > 1
    assert {task.terms.agents for task in told.domain.tasks.values() if task.state == "waiting"} == {()}
