"""What an agent can hold at once: units, maxima of channels, work that may be interrupted; and what is kept back."""

import pytest
from contracts.configuration import Domain
from contracts.offers import DecisionRecorded
from router.testing.finding import offered, only
from router.testing.parts import DOMAIN, address, agent, queue, skill
from router.testing.story import Story


def story(*agents: str, capacity: int = 3, of_agents: dict[str, object] | None = None, **settings: object) -> Story:
    """Chats come in, dials go out."""
    told = Story(reruns=True)
    told.configure(
        Domain.model_validate({"id": DOMAIN, "costs": {"voice": 2}} | settings),
        queue("chats"),
        queue("dials", direction="outbound"),
        address("chats", "dials"),
        *[agent(name, capacity=capacity, **(of_agents or {})) for name in agents],
    )
    told.on_duty(*agents)
    return told


def excluded(happened: list[object]) -> dict[str, int]:
    return only(happened, DecisionRecorded).decision.excluded


def test_all_channels_take_from_one_pool_each_at_its_cost() -> None:
    told = story("ann")

    assert offered(told.start("i1", channel="voice")) == [("i1.t1", "ann")]
    assert excluded(told.start("i2", channel="voice")) == {"at_capacity": 1}
    assert offered(told.start("i3")) == [("i3.t1", "ann")]
    assert excluded(told.start("i4")) == {"at_capacity": 1}


def test_a_channels_maximum_holds_even_where_units_are_left() -> None:
    told = story("ann", capacity=9, of_agents={"channels": {"webchat": 2, "voice": 1}})
    for name in ("i1", "i2"):
        told.start(name)

    assert excluded(told.start("i3")) == {"at_capacity": 1}
    assert offered(told.start("i4", channel="voice")) == [("i4.t1", "ann")]
    assert excluded(told.start("i5", channel="voice")) == {"at_capacity": 1}


def test_offers_and_wrapups_count_for_a_channels_maximum() -> None:
    told = story("ann", capacity=9, of_agents={"channels": {"webchat": 1}})
    told.start("i1")
    assert offered(told.start("i2")) == []
    told.accept("ann", "i1.t1.o1")
    told.end_task("ann", "i1.t1.o1.a")

    assert offered(told.wait(59)) == []
    assert offered(told.complete("ann", "i1.t1.o1.a")) == [("i2.t1", "ann")]


def test_an_agent_with_channels_serves_these_and_no_others() -> None:
    told = story("ann", capacity=9, of_agents={"channels": {"webchat": 2}})

    assert excluded(told.start("i1", channel="email")) == {"lacks_skill": 1}


def test_a_maximum_that_is_lowered_takes_nothing_away_and_holds_from_then_on() -> None:
    told = story("ann", capacity=9, of_agents={"channels": {"webchat": 2}})
    told.start("i1")
    told.start("i2")
    told.configure(agent("ann", capacity=9, channels={"webchat": 1}))
    told.accept("ann", "i1.t1.o1")
    told.start("i3")

    assert offered(told.reject("ann", "i2.t1.o1")) == []
    assert offered(told.complete("ann", "i1.t1.o1.a")) == [("i3.t1", "ann")]


def test_work_that_may_be_interrupted_stands_in_the_way_of_nothing_else() -> None:
    told = story("ann", interruptible=["email"])
    for name in ("i1", "i2", "i3"):
        told.start(name, channel="email")

    assert offered(told.start("i4", channel="voice")) == [("i4.t1", "ann")]
    assert offered(told.start("i5")) == [("i5.t1", "ann")]
    assert excluded(told.start("i6")) == {"at_capacity": 1}


def test_work_that_may_be_interrupted_takes_capacity_from_its_like_and_yields_to_the_rest() -> None:
    told = story("ann", interruptible=["email"])
    told.start("i1", channel="voice")
    assert offered(told.start("i2", channel="email")) == [("i2.t1", "ann")]
    assert excluded(told.start("i3", channel="email")) == {"at_capacity": 1}
    told.accept("ann", "i1.t1.o1")

    assert offered(told.complete("ann", "i1.t1.o1.a")) == [("i3.t1", "ann")]
    assert offered(told.start("i4", channel="email")) == [("i4.t1", "ann")]


def test_after_an_interruption_nothing_that_may_be_interrupted_comes_until_there_is_room() -> None:
    told = story("ann", capacity=2, interruptible=["email"])
    for name in ("i1", "i2"):
        told.start(name, channel="email")
        told.accept("ann", f"{name}.t1.o1")
    told.start("i3")
    told.start("i4", channel="email")

    assert offered(told.complete("ann", "i1.t1.o1.a")) == []
    assert offered(told.complete("ann", "i2.t1.o1.a")) == [("i4.t1", "ann")]


@pytest.mark.parametrize("of_agents", [{"clients": ["bank"]}, {"directions": ["outbound"]}, {"channels": {"email": 1}}])
def test_agents_get_only_what_they_serve(of_agents: dict[str, object]) -> None:
    told = story("ann", of_agents=of_agents)

    assert excluded(told.start("i1", client="shop")) == {"lacks_skill": 1}


@pytest.mark.parametrize(
    ("all_of", "asks", "may"),
    [
        (("es", "en"), {}, ["dee"]),
        ((), {"any_of": [[skill("es:3"), skill("en")]]}, ["bob", "cid", "dee"]),
        ((), {"any_of": [[skill("es:3")], [skill("en")]]}, ["dee"]),
        ((), {"none_of": [skill("es:3"), skill("en")]}, ["ann", "eve"]),
        (("es:3",), {}, ["bob", "dee"]),
        (("es:2-4",), {}, ["ann", "bob"]),
    ],
)
def test_skills_are_asked_for_all_any_or_none_of_them_at_least_or_in_a_range(
    all_of: tuple[str, ...], asks: dict[str, object], may: list[str]
) -> None:
    told = story("eve")
    told.configure(
        queue("chats", *all_of, parallel_offers=9, **asks),
        agent("ann", "es:2"),
        agent("bob", "es:4"),
        agent("cid", "en:1"),
        agent("dee", "es:5", "en:1"),
    )
    told.on_duty("ann", "bob", "cid", "dee")

    assert sorted(agent_id for _, agent_id in offered(told.start("i1"))) == may


def test_a_queues_teams_are_served_by_their_agents_alone() -> None:
    told = story("ann")
    told.configure(queue("chats", teams=["north"]), agent("bob", team="north"), agent("cid", team="south"))
    told.on_duty("bob", "cid")

    assert offered(told.start("i1")) == [("i1.t1", "bob")]
    assert excluded(told.start("i2")) == {"lacks_skill": 2, "at_capacity": 1}


def test_outbound_work_waits_while_too_few_agents_are_kept_back_for_inbound() -> None:
    told = story("ann", "bob", "cid", outbound_idle_reserve=1)

    assert len(offered(told.start("i1", queue="dials"))) == 1
    assert len(offered(told.start("i2", queue="dials"))) == 1
    assert excluded(told.start("i3", queue="dials")) == {"gate_closed": 3}
    assert len(offered(told.start("i4"))) == 1


def test_outbound_work_goes_on_when_an_agent_more_than_are_kept_back_is_idle() -> None:
    told = story("ann", "bob", outbound_idle_reserve=1)
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.start("i2", queue="dials")

    assert told.domain.tasks["i2.t1"].state == "waiting"
    assert [task for task, _ in offered(told.complete("ann", "i1.t1.o1.a"))] == ["i2.t1"]


def test_outbound_work_goes_to_who_was_kept_back_when_another_gets_free() -> None:
    told = story("ann", "bob", outbound_idle_reserve=1)
    told.configure(agent("ann", capacity=3, directions=["inbound"]))
    told.start("i1")
    told.accept("ann", "i1.t1.o1")

    assert offered(told.start("i2", queue="dials")) == []
    assert offered(told.complete("ann", "i1.t1.o1.a")) == [("i2.t1", "bob")]


def test_an_agent_on_a_break_is_no_reserve() -> None:
    told = story("ann", "bob", outbound_idle_reserve=1)
    told.set_state("bob", ready=False)

    assert excluded(told.start("i1", queue="dials")) == {"not_ready": 1, "gate_closed": 1}
    assert len(offered(told.set_state("bob", ready=True))) == 1


def test_without_a_reserve_outbound_work_takes_the_last_agent() -> None:
    assert offered(story("ann").start("i1", queue="dials")) == [("i1.t1", "ann")]


def test_an_agent_full_of_work_that_may_be_interrupted_is_served_with_what_may_not() -> None:
    told = story("ann", interruptible=["email"])
    for name in ("i1", "i2", "i3"):
        told.start(name, channel="email")
        told.accept("ann", f"{name}.t1.o1")
    told.set_state("ann", ready=False)
    told.start("i4", channel="voice")

    assert offered(told.set_state("ann", ready=True)) == [("i4.t1", "ann")]
