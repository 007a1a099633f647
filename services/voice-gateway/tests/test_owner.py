"""Stories of a node's owner, in virtual time: calls go on whoever dies and whatever is away."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from contracts.call_commands import MuteCall
from contracts.calls import CallCommandRefused
from contracts.commands import ConnectAssignment
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.topics import COMMANDS_VOICE
from servicekit.run import Shell
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.virtual import SeededChance, SeededIds, VirtualClock, run_virtual
from voice_gateway.domain.events import DriverLost
from voice_gateway.owner import Owner
from voice_gateway.settings import VoiceNode
from voice_gateway.testing.house import CALLER, PHONE, TOPICS, House, SwitchedLog
from voice_gateway.testing.memory import MemoryVoiceStore
from voice_gateway.testing.owning import ADA, DOMAIN

Story = Callable[[House, MemoryVoiceStore], Coroutine[Any, Any, None]]


def played(story: Story, *, node: VoiceNode | None = None) -> House:
    """A story in a house of its own."""

    async def play() -> House:
        clock, chance = VirtualClock(), SeededChance(7)
        log = SwitchedLog(MemoryLog({**TOPICS, COMMANDS_VOICE.name: 4}, clock=clock, chance=chance))
        shell = Shell(clock, SeededIds(), chance, log, Telemetry("test"))
        store = MemoryVoiceStore()
        async with House(shell, store, store.outbox, node=node).opened() as house:
            await story(house, store)
        return house

    return run_virtual(play())


@asynccontextmanager
async def running(owner: Owner) -> AsyncIterator[Callable[[], object]]:
    """The owner runs; what is given kills it."""
    stop = asyncio.Event()
    task = asyncio.create_task(owner.run(stop))
    try:
        await asyncio.sleep(1)
        yield task.cancel
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def talking(house: House) -> str:
    """A customer has called, and talks with the agent; the interaction."""
    house.call_in()
    await eventually(house.started, timeout_seconds=30)
    [interaction_id] = house.started()
    await eventually(lambda: house.routers[interaction_id].accept(ADA), timeout_seconds=30)
    await eventually(house.talk, timeout_seconds=30)
    await eventually(lambda: house.of(ConnectAssignment), timeout_seconds=30)
    return interaction_id


def test_a_call_comes_waits_is_assigned_rings_the_agents_phone_and_both_talk() -> None:
    async def story(house: House, store: MemoryVoiceStore) -> None:
        async with running(house.owner()):
            house.call_in()
            await eventually(house.started)
            assert house.phones.hears(CALLER) == {"music"}
            [interaction_id] = house.started()
            await eventually(lambda: house.routers[interaction_id].accept(ADA))
            await eventually(house.talk)
            house.phones.hang_up(CALLER)
            await eventually(lambda: house.of(InteractionEnded))
            await eventually(lambda: not house.phones.line(PHONE).talks)
            await eventually(lambda: all(row.over_at_ms for row in store.database.tables.calls.values()))

    house = played(story)
    assert len(house.event_ids) == len(set(house.event_ids))
    assert [type(each) for each in house.said if isinstance(each, InteractionStarted | InteractionEnded)] == [
        InteractionStarted,
        InteractionEnded,
    ]


def test_who_calls_a_number_of_nobodys_is_told_so() -> None:
    async def story(house: House, _: MemoryVoiceStore) -> None:
        async with running(house.owner()):
            house.call_in(number="+390000")
            await eventually(lambda: house.phones.line(CALLER).refused == "unavailable")
            assert house.started() == []

    played(story)


def test_an_owner_that_is_killed_in_mid_call_leaves_the_talk_and_another_goes_on_with_it() -> None:
    async def story(house: House, _: MemoryVoiceStore) -> None:
        async with running(house.owner()) as kill, running(house.owner()):
            interaction_id = await talking(house)
            kill()
            await asyncio.sleep(1)
            assert house.talk()
            await asyncio.sleep(10)
            assert house.talk()
            house.routers[interaction_id].end(ADA)
            await eventually(lambda: house.of(InteractionEnded), timeout_seconds=30)
            await eventually(lambda: not house.phones.line(CALLER).talks)

    house = played(story)
    assert len(house.event_ids) == len(set(house.event_ids))


def test_an_owner_whose_node_another_client_has_steps_down_and_comes_back_with_the_lease_alone() -> None:
    async def story(house: House, store: MemoryVoiceStore) -> None:
        async with running(house.owner()):
            interaction_id = await talking(house)
            sink = house.plug.sink
            assert sink is not None
            store.away = True
            sink.tell(DriverLost(reason="another client", replaced=True, at_ms=house.shell.clock.now_ms()))
            await asyncio.sleep(30)
            assert house.plug.sink is None, "it leaves the node alone"
            assert house.talk()

            store.away = False
            await eventually(lambda: house.plug.sink is not None, timeout_seconds=10)
            house.routers[interaction_id].end(ADA)
            await eventually(lambda: house.of(InteractionEnded), timeout_seconds=30)

    house = played(story)
    assert len(house.event_ids) == len(set(house.event_ids))


def test_what_happens_while_nobody_owns_the_node_is_seen_afterwards() -> None:
    async def story(house: House, _: MemoryVoiceStore) -> None:
        async with running(house.owner()) as kill:
            await talking(house)
            kill()
            await asyncio.sleep(1)
        house.phones.hang_up(CALLER)
        await asyncio.sleep(5)
        assert house.of(InteractionEnded) == []
        assert house.phones.line(PHONE).talks
        async with running(house.owner()):
            await eventually(lambda: house.of(InteractionEnded), timeout_seconds=30)
            await eventually(lambda: not house.phones.line(PHONE).talks)

    played(story)


def test_a_leg_of_nobodys_call_is_ended_by_the_next_owner() -> None:
    async def story(house: House, store: MemoryVoiceStore) -> None:
        async with running(house.owner()) as kill:
            await talking(house)
            kill()
            await asyncio.sleep(1)
        store.database.tables.calls.clear()
        async with running(house.owner()):
            await eventually(lambda: not house.phones.line(PHONE).talks, timeout_seconds=30)
            await eventually(lambda: not house.phones.line(CALLER).talks)

    played(story)


def test_a_call_that_nobody_was_told_of_is_ended_and_one_that_is_told_of_late_is_not() -> None:
    async def story(house: House, _: MemoryVoiceStore) -> None:
        house.call_in("+390001")
        house.call_in("+390002")
        late = house.plug.missed[-1]
        async with running(house.owner()):
            before = [leg.answered for leg in (await house.driver.snapshot()).legs]
            house.plug.tell(late)
            await asyncio.sleep(10)
            [left] = (await house.driver.snapshot()).legs

        assert before == [False, False]
        assert left.answered
        assert house.phones.line("+390002").talks

    played(story)


def test_an_owner_whose_lease_was_taken_steps_down_at_once() -> None:
    async def story(house: House, store: MemoryVoiceStore) -> None:
        async with running(house.owner()):
            [row] = store.database.tables.nodes.values()
            assert row.holder is not None
            async with store.transaction("acme") as tx:
                await tx.take_node("n1", row.holder, driver="simulated", now_ms=1, until_ms=2)
            house.call_in()
            await asyncio.sleep(0.5)
            assert house.started() == []
            assert store.outbox.rows == []

    played(story)


def test_while_the_store_is_away_calls_go_on_and_nothing_is_lost() -> None:
    async def story(house: House, store: MemoryVoiceStore) -> None:
        async with running(house.owner()):
            interaction_id = await talking(house)
            store.away = True
            await asyncio.sleep(20)
            assert house.talk()
            house.routers[interaction_id].end(ADA)
            await eventually(lambda: not house.phones.line(CALLER).talks, timeout_seconds=10)
            assert house.of(InteractionEnded) == []
            store.away = False
            await eventually(lambda: house.of(InteractionEnded), timeout_seconds=30)

    house = played(story)
    assert len(house.event_ids) == len(set(house.event_ids))


def test_while_kafka_is_away_a_call_is_answered_and_waits_and_nothing_is_lost() -> None:
    async def story(house: House, _: MemoryVoiceStore) -> None:
        log = house.shell.log
        assert isinstance(log, SwitchedLog)
        async with running(house.owner()):
            log.away = True
            house.call_in()
            await asyncio.sleep(20)
            assert house.phones.hears(CALLER) == {"music"}
            assert house.started() == []
            log.away = False
            await eventually(house.started, timeout_seconds=30)
            [interaction_id] = house.started()
            await eventually(lambda: house.routers[interaction_id].accept(ADA), timeout_seconds=30)
            await eventually(house.talk, timeout_seconds=30)

    house = played(story)
    assert len(house.event_ids) == len(set(house.event_ids))


def test_beyond_what_memory_may_hold_new_calls_are_congested_and_talks_are_not_touched() -> None:
    async def story(house: House, store: MemoryVoiceStore) -> None:
        async with running(house.owner(changes_max=8)):
            await talking(house)
            store.away = True
            for number in range(10):
                house.call_in(f"+3900{number}")
                await asyncio.sleep(0.1)
            await eventually(lambda: house.phones.line("+39009").refused == "congested")
            assert house.talk()
            await eventually(lambda: house.phones.line("+39000").talks)
            store.away = False
            await eventually(lambda: len(house.started()) > 3, timeout_seconds=30)
            house.call_in("+39001")
            await eventually(lambda: house.phones.line("+39001").talks)

    played(story)


def test_no_more_calls_are_taken_than_the_node_may_have() -> None:
    async def story(house: House, _: MemoryVoiceStore) -> None:
        async with running(house.owner()):
            for number in range(3):
                house.call_in(f"+3900{number}")
            await eventually(lambda: len(house.started()) == 2)
            assert house.phones.line("+39002").refused == "congested"
            house.phones.hang_up("+39000")
            await eventually(lambda: house.of(InteractionEnded))
            await asyncio.sleep(1)
            house.call_in("+39003")
            await eventually(lambda: len(house.started()) == 3)

    played(story, node=VoiceNode(name="n1", driver="simulated", calls_max=2))


def test_a_command_of_an_assignment_is_done_and_one_of_another_is_refused() -> None:
    async def story(house: House, _: MemoryVoiceStore) -> None:
        async with running(house.owner()):
            interaction_id = await talking(house)
            seat = house.routers[interaction_id].main()
            assert seat is not None
            await house.command(mute(interaction_id, "c1", seat.assignment_id, house.sequence))
            await eventually(lambda: house.phones.hears(CALLER) == frozenset())
            await house.command(mute(interaction_id, "c2", "other", house.sequence))
            await eventually(lambda: house.of(CallCommandRefused), timeout_seconds=30)

    house = played(story)
    [refused] = house.of(CallCommandRefused)
    assert (refused.command_id, refused.reason) == ("c2", "assignment_gone")


def test_a_caller_who_left_is_called_back_by_whoever_accepts() -> None:
    async def story(house: House, store: MemoryVoiceStore) -> None:
        house.phones.behave(CALLER, "answers")
        async with running(house.owner()):
            house.call_in()
            await eventually(house.started)
            [interaction_id] = house.started()
            router = house.routers[interaction_id]
            await eventually(router.main)
            router.call_back()
            await eventually(lambda: house.of(InteractionEnded), timeout_seconds=60)
            await eventually(lambda: not house.phones.line(CALLER).talks, timeout_seconds=60)
            await eventually(lambda: all(row.over_at_ms for row in store.database.tables.calls.values()))
            assert router.accept(ADA)
            await eventually(house.talk, timeout_seconds=60)

    played(story)


def test_what_is_asked_of_a_call_that_is_over_or_never_was_is_refused() -> None:
    async def story(house: House, store: MemoryVoiceStore) -> None:
        async with running(house.owner()):
            interaction_id = await talking(house)
            house.phones.hang_up(CALLER)
            await eventually(lambda: all(row.over_at_ms for row in store.database.tables.calls.values()))
            await house.command(mute(interaction_id, "c1", "a", house.sequence))
            await house.command(mute("never", "c2", "a", house.sequence))
            await eventually(lambda: len(house.of(CallCommandRefused)) == 2, timeout_seconds=30)

    house = played(story)
    told = {each.command_id: (each.reason, each.agent_id) for each in house.of(CallCommandRefused)}
    assert told == {"c1": ("interaction_ended", ADA), "c2": ("interaction_unknown", ADA)}


def test_after_the_store_was_away_the_owner_goes_first_however_many_wait_for_its_node() -> None:
    async def story(house: House, store: MemoryVoiceStore) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(running(house.owner()))
            interaction_id = await talking(house)
            for _ in range(9):
                await stack.enter_async_context(running(house.owner()))
            store.away = True
            house.routers[interaction_id].end(ADA)
            await asyncio.sleep(20)
            store.away = False
            await eventually(lambda: house.of(InteractionEnded), timeout_seconds=30)
            [row] = store.database.tables.nodes.values()
            assert row.epoch == 1

    played(story)


def test_a_node_that_is_lost_is_looked_at_when_it_is_back() -> None:
    async def story(house: House, _: MemoryVoiceStore) -> None:
        async with running(house.owner()):
            await talking(house)
            house.driver.lose("cut off")
            house.phones.hang_up(CALLER)
            await asyncio.sleep(10)
            assert house.of(InteractionEnded) == []
            house.driver.regain()
            await eventually(lambda: house.of(InteractionEnded), timeout_seconds=30)
            await eventually(lambda: not house.phones.line(PHONE).talks, timeout_seconds=30)

    played(story)


def mute(interaction_id: str, command_id: str, assignment_id: str, sequence: str) -> MuteCall:
    return MuteCall(
        command_id=command_id,
        interaction_id=interaction_id,
        domain=DOMAIN,
        agent_id=ADA,
        assignment_id=assignment_id,
        assignment_sequence=sequence,
        requested_at_ms=1,
    )
