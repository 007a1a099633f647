"""A new version of the configuration: what it touches at once, and what it leaves alone."""

from contracts.agents import ConfigurationApplied
from contracts.configuration import Domain
from contracts.configuration_records import ConfigurationRecord
from contracts.offers import OfferIssued, OfferRescinded
from contracts.tasks import TaskCompleted, TaskQueued, TaskRequeued
from router.domain.inputs import ConfigurationStep
from router.testing.parts import DOMAIN, address, agent, queue, record_of
from router.testing.story import TENANT, Story


def story(*agents: str) -> Story:
    told = Story()
    told.configure(
        Domain(id=DOMAIN), queue("chats", "chat"), address("chats"), *[agent(name, "chat") for name in agents]
    )
    told.on_duty(*agents)
    return told


def offered(happened: list[object]) -> list[str]:
    return [data.task_id for data in happened if isinstance(data, OfferIssued)]


def test_the_last_step_names_the_version() -> None:
    told = story()

    applied = told.configure(queue("more"))[-1]

    assert isinstance(applied, ConfigurationApplied)
    assert (applied.version, applied.hash, told.domain.version) == (2, "hash-2", 2)


def test_an_older_version_is_ignored() -> None:
    told = story()
    told.version = 0

    assert told.configure(queue("more")) == []


def test_a_version_in_steps_counts_with_the_last() -> None:
    told = story()
    first = ConfigurationStep(
        tenant_id=TENANT, domain=DOMAIN, version=2, hash="h", records=(record_of(agent("zoe"), 2),), last=False
    )

    assert len(told.give(first)) == 1
    assert (told.domain.version, "zoe" in told.domain.agents) == (1, True)


def test_waiting_tasks_keep_what_they_were_queued_with() -> None:
    told = story()
    told.start("i1")
    told.configure(queue("chats", "other", priority=9), agent("ann", "chat"))

    assert offered(told.on_duty("ann")) == ["i1.t1"]
    [queued, *_] = told.start("i2")
    assert isinstance(queued, TaskQueued)
    assert (queued.priority, queued.requirements[0].skill) == (9, "other")


def test_a_new_skill_counts_at_once() -> None:
    told = story("ann")
    told.configure(agent("ann"))
    told.start("i1")

    assert offered(told.configure(agent("ann", "chat"))) == ["i1.t1"]


def test_more_capacity_counts_at_once() -> None:
    told = story("ann")
    for number in range(4):
        told.start(f"i{number}")

    assert offered(told.configure(agent("ann", "chat", capacity=3))) == ["i1.t1", "i2.t1"]


def test_less_capacity_takes_nothing_away() -> None:
    told = story("ann")
    told.configure(agent("ann", "chat", capacity=2))
    told.start("i1")
    told.start("i2")
    told.configure(agent("ann", "chat", capacity=1))

    assert told.domain.agents["ann"].held == 2
    told.end("i1")
    assert offered(told.start("i3")) == []


def test_what_a_removed_agent_held_goes_to_others() -> None:
    told = story("ann", "bob")
    told.configure(agent("ann", "chat", capacity=3), agent("bob", "chat", capacity=3))
    for number in range(6):
        told.start(f"i{number}")
    mine = sorted(task.task_id for task in told.domain.agents["ann"].tasks.values())
    told.accept("ann", f"{mine[0]}.o1")
    told.accept("ann", f"{mine[1]}.o1")
    told.end_task("ann", f"{mine[1]}.o1.a")

    happened = told.configure(agent("cid", "chat", capacity=2), removed="agent:ann")
    rescued = told.on_duty("cid")

    assert [data.reason for data in happened if isinstance(data, TaskRequeued)] == ["agent_removed"]
    assert [data.reason for data in happened if isinstance(data, TaskCompleted)] == ["agent_removed"]
    assert [data.reason for data in happened if isinstance(data, OfferRescinded)] == ["agent_removed"]
    assert offered(rescued) == [mine[0], mine[2]]
    assert "ann" not in told.domain.agents


def test_an_agent_who_moved_to_another_domain_is_removed_here() -> None:
    told = story("ann")
    moved = ConfigurationRecord(kind="agent", id="agent:ann", domain="acme.other", version=2, value={"any": "thing"})
    told.give(ConfigurationStep(tenant_id=TENANT, domain=DOMAIN, version=2, hash="h", records=(moved,), last=True))

    assert told.domain.agents == {}


def test_a_removed_queue_serves_the_tasks_it_has() -> None:
    told = story("ann")
    told.start("i1")
    told.start("i2")
    told.configure(queue("other"), removed=f"queue:{DOMAIN}/chats")
    told.accept("ann", "i1.t1.o1")

    assert offered(told.complete("ann", "i1.t1.o1.a")) == ["i2.t1"]
    told.end("i2")
    assert list(told.domain.queues) == ["other"]


def test_fields_of_a_newer_release_are_passed_over() -> None:
    told = story()
    record = record_of(agent("ann", "chat"), 2)
    assert record.value is not None
    record.value["mood"] = "sunny"
    told.give(ConfigurationStep(tenant_id=TENANT, domain=DOMAIN, version=2, hash="h", records=(record,), last=True))

    assert told.domain.agents["ann"].skills == {"chat": 1}


def test_queues_know_how_many_tasks_they_have_and_since_when_the_oldest_waits() -> None:
    told = story("ann")
    told.start("i1")
    first_ms = told.now_ms
    told.start("i2")
    told.wait(5)
    told.start("i3")
    line = told.domain.queues["chats"]

    assert line.counts == {"waiting": 2, "offered": 1, "assigned": 0, "wrapup": 0}
    assert line.oldest_queued_at_ms == first_ms
