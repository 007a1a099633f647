"""What reaches the decider: configuration in bounded steps, forwarded and parked inputs, presence."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from contracts import Event
from contracts.agents import AgentPresenceChanged, CommandResult, ConfigurationApplied
from contracts.commands import (
    ActivateConfiguration,
    CancelCallback,
    ConnectAssignment,
    FinishTask,
    HoldTask,
    MoveTransfer,
    OverrideQueue,
    ParkTask,
    RequestCallback,
    RequestTask,
    RerouteTask,
    TransferTask,
    UnparkTask,
)
from contracts.configuration import Domain
from contracts.configuration_records import ConfigurationRecord
from contracts.registry import EVENT_TYPES
from contracts.topics import CONFIG, INTERACTIONS, ROUTING_INPUTS, dead_letter_topic
from router.domain.agent import Agent
from router.domain.inputs import CommandData, CommandInput, LeasesRead, PresenceObserved, ServiceInput
from router.domain.state import DomainState, State
from router.engine.configuration import open_configuration
from router.engine.inbox import Inbox
from router.engine.inputs import GROUP, Failures, InputReader, decidable
from router.engine.presence import PresenceWatch
from router.engine.story import DOMAIN, PLACE, TENANT, Story, open_story
from servicekit.dead_letters import DeadLetters
from servicekit.ports import Record
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.virtual import run_virtual

Telling = Callable[[Story], Awaitable[None]]


def told(telling: Telling) -> None:
    async def run() -> None:
        async with open_story() as story:
            await telling(story)

    run_virtual(run())


async def publish(story: Story, version: int, agents: range, *, complete: bool = True, name: str = "N") -> None:
    """Records of one version, as the API's relay writes them."""
    for number in agents:
        value: dict[str, object] = {"id": f"a{number}", "domain": DOMAIN, "name": name, "skills": {}, "capacity": 1}
        record = ConfigurationRecord(kind="agent", id=f"agent:a{number}", domain=DOMAIN, version=version, value=value)
        await story.say(CONFIG, record.id, record)
    if complete:
        done = ConfigurationRecord(kind="version", id="version", domain=None, version=version, value=None)
        await story.say(CONFIG, "version", done)


async def steps(story: Story, version: int, domain: DomainState) -> list[list[str]]:
    async with open_configuration(story.log) as configuration:
        await configuration.refresh()
        wanted = ActivateConfiguration(domain=DOMAIN, version=version, hash="h")
        found = configuration.steps(TENANT, wanted, domain)
    assert [step.last for step in found] == [*([False] * (len(found) - 1)), True][: len(found)]
    return [[record.id for record in step.records] for step in found]


@asynccontextmanager
async def reading(story: Story, inbox: Inbox) -> AsyncGenerator[None]:
    """Inputs of the partition reach the inbox."""
    async with (
        story.log.reader("test") as reader,
        story.log.writer("test") as writer,
        open_configuration(story.log) as configuration,
        asyncio.TaskGroup() as group,
    ):
        inputs = InputReader(
            partition=0,
            reader=reader,
            forwards=writer,
            dead_letters=DeadLetters(GROUP, story.log, story.clock, Telemetry("tests")),
            configuration=configuration,
            state=State,
            failures=Failures(),
        )
        running = group.create_task(inputs.run(inbox, {}))
        yield
        running.cancel()


def empty_domain() -> DomainState:
    return State().find(TENANT, DOMAIN)


def test_a_large_configuration_comes_in_bounded_steps() -> None:
    async def telling(story: Story) -> None:
        await publish(story, 1, range(450))

        found = await steps(story, 1, empty_domain())

        assert [len(step) for step in found] == [200, 200, 50]
        assert len({name for step in found for name in step}) == 450

    told(telling)


def test_a_configuration_of_large_records_comes_in_small_steps() -> None:
    async def telling(story: Story) -> None:
        await publish(story, 1, range(25), name="x" * 12_000)

        assert [len(step) for step in await steps(story, 1, empty_domain())] == [10, 10, 5]

    told(telling)


def test_only_the_last_step_of_a_configuration_moves_the_cause() -> None:
    async def telling(story: Story) -> None:
        await publish(story, 1, range(450))
        await story.tell(ActivateConfiguration(domain=DOMAIN, version=1, hash="h"))
        inbox = Inbox()
        async with reading(story, inbox):
            causes = [(await inbox.get()).cause for _ in range(3)]

        assert causes == [None, None, (ROUTING_INPUTS.name, 0, 1)]

    told(telling)


def test_what_agents_and_gateways_say_of_an_assignment_is_decided() -> None:
    async def telling(story: Story) -> None:
        said: list[CommandData] = [
            HoldTask(command_id="c1", domain=DOMAIN, agent_id="ann", assignment_id="a"),
            ParkTask(command_id="c2", domain=DOMAIN, agent_id="ann", assignment_id="a"),
            UnparkTask(command_id="c3", domain=DOMAIN, agent_id="ann", task_id="t"),
            TransferTask(command_id="c4", domain=DOMAIN, agent_id="ann", assignment_id="a", escalate=True),
            MoveTransfer(command_id="c5", domain=DOMAIN, agent_id="ann", transfer_id="t", move="cancel"),
        ]
        report = ConnectAssignment(assignment_id="a", interaction_id="i", domain=DOMAIN, reported_at_ms=1, failure="no")
        for data in (*said, report):
            await story.tell(data)
        inbox = Inbox()
        async with reading(story, inbox):
            given = [(await inbox.get()).input for _ in range(6)]

        assert given == [*(CommandInput(TENANT, data) for data in said), ServiceInput(TENANT, report)]

    told(telling)


def test_only_what_changed_since_the_domains_version_is_applied() -> None:
    async def telling(story: Story) -> None:
        await publish(story, 1, range(5))
        await publish(story, 2, range(3, 7))
        domain = empty_domain()
        domain.version = 1

        assert await steps(story, 2, domain) == [["agent:a3", "agent:a4", "agent:a5", "agent:a6"]]

    told(telling)


def test_a_superseded_version_is_skipped_because_its_successor_is_on_its_way() -> None:
    async def telling(story: Story) -> None:
        await publish(story, 1, range(5))
        await publish(story, 2, range(2), complete=False)

        assert await steps(story, 1, empty_domain()) == []

    told(telling)


def test_an_agent_that_moved_to_another_domain_is_told_to_the_old_one() -> None:
    async def telling(story: Story) -> None:
        moved = ConfigurationRecord(kind="agent", id="agent:ann", domain="other", version=2, value={"id": "ann"})
        await story.say(CONFIG, moved.id, moved)
        await publish(story, 2, range(0))
        domain = empty_domain()
        assert await steps(story, 2, domain) == [[]]
        domain.agents["ann"] = Agent(agent_id="ann", skills={}, capacity=1)

        assert await steps(story, 2, domain) == [["agent:ann"]]

    told(telling)


def test_switching_to_a_version_that_config_does_not_hold_is_parked() -> None:
    async def telling(story: Story) -> None:
        story.start_engine()
        await story.tell(ActivateConfiguration(domain=DOMAIN, version=9, hash="h"))
        letters = dead_letter_topic(ROUTING_INPUTS.name, "router-engine")
        [letter] = await eventually(lambda: story.log.records(letters))

        assert dict(letter.headers)["dlq_reason"] == b"configuration_missing"

    told(telling)


def test_a_domain_switches_version_by_version() -> None:
    async def telling(story: Story) -> None:
        engine = story.start_engine()
        await story.configure(1, agents={"ann": {"billing": 1}})
        await eventually(lambda: story.of(ConfigurationApplied))
        await story.configure(2, agents={"ann": {"billing": 4}})
        await eventually(lambda: story.of(ConfigurationApplied)[1:])

        assert [applied.version for applied in story.of(ConfigurationApplied)] == [1, 2]
        assert engine.domain.agents["ann"].skills == {"billing": 4}

    told(telling)


def test_an_input_of_a_domain_that_lives_elsewhere_goes_there_unchanged() -> None:
    async def run() -> None:
        async with open_story(partitions=2) as story:
            await story.configure(agents={}, partition=1)
            story.start_engine()
            await story.customer_arrives("i1")
            [forwarded] = await eventually(lambda: story.log.records(INTERACTIONS.name, 1))

            [original] = story.log.records(INTERACTIONS.name, 0)
            assert (forwarded.key, forwarded.value, forwarded.headers) == (
                original.key,
                original.value,
                original.headers,
            )

    run_virtual(run())


def test_an_input_of_a_domain_that_was_made_elsewhere_since_is_sent_there_too() -> None:
    async def run() -> None:
        async with open_story(partitions=2) as story:
            engine = story.start_engine()
            await eventually(lambda: engine.owner.reign is not None)
            await story.clock.sleep(1)
            elsewhere = {"id": DOMAIN, "partition": 1}
            made = ConfigurationRecord(kind="domain", id=f"domain:{DOMAIN}", domain=DOMAIN, version=1, value=elsewhere)
            await story.say(CONFIG, made.id, made)
            await story.customer_arrives("i1")

            assert await eventually(lambda: story.log.records(INTERACTIONS.name, 1))

    run_virtual(run())


ANN = (("ann", ("desktop/d",)),)


def test_presence_says_gone_only_after_a_whole_readable_lease_length() -> None:
    async def telling(story: Story) -> None:
        state = State()
        domain = state.home(TENANT, DOMAIN)
        for name in ("ann", "bob"):
            domain.agents[name] = Agent(agent_id=name, skills={}, capacity=1, presence="unconfirmed")
        await story.live.rewrite(PLACE, "0001", 0, {})
        watch = PresenceWatch(story.live, story.clock, lambda: state)
        inbox = Inbox()
        story.device_on("ann")
        await story.clock.sleep(1)
        await watch.look(inbox)
        assert inbox.get_nowait().input == LeasesRead(True)
        assert inbox.get_nowait().input == PresenceObserved(tenant_id=TENANT, domain=DOMAIN, seen=("ann",), devices=ANN)
        domain.agents["ann"].presence = "present"
        domain.agents["ann"].devices = ("desktop/d",)
        await story.clock.sleep(9)
        await watch.look(inbox)
        assert inbox.empty()
        await story.clock.sleep(1)
        await watch.look(inbox)

        assert inbox.get_nowait().input == PresenceObserved(tenant_id=TENANT, domain=DOMAIN, gone=("bob",))

    told(telling)


def test_other_devices_of_a_present_agent_are_news_once() -> None:
    async def telling(story: Story) -> None:
        state = State()
        agent = Agent(agent_id="ann", skills={}, capacity=1, presence="present", devices=("desktop/d",))
        state.home(TENANT, DOMAIN).agents["ann"] = agent
        await story.live.rewrite(PLACE, "0001", 0, {})
        watch = PresenceWatch(story.live, story.clock, lambda: state)
        inbox = Inbox()
        for device in ("desktop/d", "mobile/p"):
            story.live.heartbeat(PLACE, "ann", device)
        await watch.look(inbox)
        assert inbox.get_nowait().input == LeasesRead(True)
        both = (("ann", ("desktop/d", "mobile/p")),)
        assert inbox.get_nowait().input == PresenceObserved(
            tenant_id=TENANT, domain=DOMAIN, seen=("ann",), devices=both
        )
        agent.devices = ("desktop/d", "mobile/p")
        await watch.look(inbox)

        assert inbox.empty()

    told(telling)


def test_a_device_that_does_not_count_is_news_only_after_a_whole_readable_lease_length() -> None:
    async def telling(story: Story) -> None:
        state = State()
        domain = state.home(TENANT, DOMAIN)
        domain.settings = Domain(id=DOMAIN, present_by=["desktop"])
        agent = domain.agents["ann"] = Agent(agent_id="ann", skills={}, capacity=1, presence="present")
        await story.live.rewrite(PLACE, "0001", 0, {})
        watch = PresenceWatch(story.live, story.clock, lambda: state)
        inbox = Inbox()
        story.live.heartbeat(PLACE, "ann", "mobile/p")
        await watch.look(inbox)
        assert inbox.get_nowait().input == LeasesRead(True)
        assert inbox.empty()
        await story.clock.sleep(10)
        story.live.heartbeat(PLACE, "ann", "mobile/p")
        await watch.look(inbox)
        phone = (("ann", ("mobile/p",)),)
        assert inbox.get_nowait().input == PresenceObserved(
            tenant_id=TENANT, domain=DOMAIN, seen=("ann",), devices=phone
        )
        agent.presence, agent.devices = "lost", ("mobile/p",)
        await watch.look(inbox)
        assert inbox.empty()
        await story.clock.sleep(11)
        await watch.look(inbox)

        assert inbox.get_nowait().input == PresenceObserved(tenant_id=TENANT, domain=DOMAIN, gone=("ann",))

    told(telling)


def test_a_clock_that_is_set_makes_no_lease_length_shorter_or_longer() -> None:
    async def telling(story: Story) -> None:
        state = State()
        agent = Agent(agent_id="ann", skills={}, capacity=1, presence="present")
        state.home(TENANT, DOMAIN).agents["ann"] = agent
        await story.live.rewrite(PLACE, "0001", 0, {})
        watch = PresenceWatch(story.live, story.clock, lambda: state)
        inbox = Inbox()
        await watch.look(inbox)
        assert inbox.get_nowait().input == LeasesRead(True)
        story.clock.step(60_000)
        await watch.look(inbox)
        assert inbox.empty()
        story.clock.step(-120_000)
        await story.clock.sleep(10)
        await watch.look(inbox)

        assert inbox.get_nowait().input == PresenceObserved(tenant_id=TENANT, domain=DOMAIN, gone=("ann",))

    told(telling)


def test_many_agents_are_observed_in_bounded_inputs() -> None:
    async def telling(story: Story) -> None:
        state = State()
        domain = state.home(TENANT, DOMAIN)
        await story.live.rewrite(PLACE, "0001", 0, {})
        for name in (f"a{number}" for number in range(600)):
            domain.agents[name] = Agent(agent_id=name, skills={}, capacity=1)
            story.live.heartbeat(PLACE, name)
        watch = PresenceWatch(story.live, story.clock, lambda: state)
        inbox = Inbox()
        await watch.look(inbox)
        given = [inbox.get_nowait().input for _ in range(inbox.qsize())]

        assert [len(each.seen) for each in given if isinstance(each, PresenceObserved)] == [128, 128, 128, 128, 88]

    told(telling)


def test_redis_that_was_away_starts_the_lease_length_anew() -> None:
    async def telling(story: Story) -> None:
        state = State()
        agent = Agent(agent_id="ann", skills={}, capacity=1, presence="present", devices=("desktop/d",))
        state.home(TENANT, DOMAIN).agents["ann"] = agent
        watch = PresenceWatch(story.live, story.clock, lambda: state)
        inbox = Inbox()
        await story.live.rewrite(PLACE, "0001", 0, {})
        story.live.heartbeat(PLACE, "ann")
        await watch.look(inbox)
        story.live.away = True
        await watch.look(inbox)
        await story.clock.sleep(60)
        story.live.away = False
        await watch.look(inbox)

        given = [inbox.get_nowait().input for _ in range(inbox.qsize())]
        assert given == [LeasesRead(True), LeasesRead(False), LeasesRead(True)]

    told(telling)


def test_a_wipe_starts_the_lease_length_anew() -> None:
    async def telling(story: Story) -> None:
        state = State()
        agent = Agent(agent_id="ann", skills={}, capacity=1, presence="present", devices=("desktop/d",))
        state.home(TENANT, DOMAIN).agents["ann"] = agent
        watch = PresenceWatch(story.live, story.clock, lambda: state)
        inbox = Inbox()
        await story.live.rewrite(PLACE, "0001", 0, {})
        story.live.heartbeat(PLACE, "ann")
        await watch.look(inbox)
        await story.clock.sleep(9)
        story.live.wipe()
        await watch.look(inbox)
        await story.live.rewrite(PLACE, "0001", 0, {})
        await story.clock.sleep(5)
        await watch.look(inbox)

        assert [inbox.get_nowait().input] == [LeasesRead(True)]
        assert inbox.empty()

    told(telling)


def test_leases_that_cannot_be_read_are_said_once() -> None:
    async def telling(story: Story) -> None:
        await story.configure(agents={"ann": {"billing": 1}})
        engine = story.start_engine()

        def presence() -> str:
            return engine.domain.agents["ann"].presence

        story.device_on("ann")
        await eventually(lambda: presence() == "present", timeout_seconds=30)
        story.device_off("ann")
        story.live.away = True
        await story.clock.sleep(60)
        assert presence() == "present"

        story.live.away = False
        await eventually(lambda: presence() == "absent", timeout_seconds=60)
        assert [changed.presence for changed in story.of(AgentPresenceChanged)] == ["present", "lost", "absent"]

    told(telling)


def test_requests_and_supervisors_commands_are_decided() -> None:
    async def telling(story: Story) -> None:
        await story.configure(agents={"ann": {"billing": 1}})
        story.start_engine()
        await story.tell(
            RequestTask(
                request_id="r1",
                interaction_id="i1",
                domain=DOMAIN,
                kind="callback",
                client="acme",
                channel="voice",
                queue="support",
                requested_at_ms=1,
            )
        )
        await story.tell(RequestCallback(request_id="r2", interaction_id="i9", domain=DOMAIN, requested_at_ms=1))
        await story.tell(OverrideQueue(command_id="c1", domain=DOMAIN, by="sue", queue="support", priority=9))
        await story.tell(RerouteTask(command_id="c2", domain=DOMAIN, by="sue", task_id="t1", priority=9))
        await story.tell(FinishTask(command_id="c3", domain=DOMAIN, by="sue", task_id="t1"))
        await story.tell(CancelCallback(command_id="c4", domain=DOMAIN, by="sue", interaction_id="i1"))
        await eventually(lambda: len(story.of(CommandResult)) == 6)

        results = story.of(CommandResult)
        codes = {result.command_id: result.refusal.code if result.refusal else "done" for result in results}
        assert codes == {
            "r1": "done",
            "r2": "task_gone",
            "c1": "done",
            "c2": "task_gone",
            "c3": "task_gone",
            "c4": "done",
        }

    told(telling)


def test_every_type_of_the_input_topics_is_decided_but_for_the_switch_of_a_configuration() -> None:
    record = Record(topic="", partition=0, offset=0, key=None, value=None, headers=(), timestamp_ms=0)
    passed_over = set()
    for entry in EVENT_TYPES:
        data: object = object.__new__(entry.data)  # its type is all that matters
        event = Event(id="e1", source="/test", tenant_id=TENANT, subject="", time_ms=0, data=data)
        if entry.topic in {INTERACTIONS, ROUTING_INPUTS} and not decidable(event, record):
            passed_over.add(entry.name)

    assert passed_over == {"config.activate"}
