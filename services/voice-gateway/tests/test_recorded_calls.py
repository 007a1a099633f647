"""A talk is recorded, kept and told of, whoever dies on the way."""

import asyncio
import cmath
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from contracts.calls import RecordingReady
from contracts.commands import ConnectAssignment, RequestTask
from contracts.topics import COMMANDS_VOICE
from gatewaykit.testing.memory_blobs import MemoryBlobs
from servicekit.run import Shell
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.virtual import SeededChance, SeededIds, VirtualClock, run_virtual
from voice_gateway.domain.waves import read_wave
from voice_gateway.drivers.tones import tone_of
from voice_gateway.recordings import RecordingFetching, RecordingMetrics
from voice_gateway.testing.house import CALLER, PHONE, TOPICS, House
from voice_gateway.testing.memory import MemoryVoiceStore
from voice_gateway.testing.owning import ADA, DOMAIN, TENANT

DAY_MS = 86_400_000
Story = Callable[[House, MemoryVoiceStore, MemoryBlobs], Coroutine[Any, Any, None]]


def played(story: Story) -> House:
    """A story in a house of its own."""

    async def play() -> House:
        clock, chance, blobs, store = VirtualClock(), SeededChance(7), MemoryBlobs(), MemoryVoiceStore()
        log = MemoryLog({**TOPICS, COMMANDS_VOICE.name: 4}, clock=clock, chance=chance)
        shell = Shell(clock, SeededIds(), chance, log, Telemetry("test"))
        async with House(shell, store, store.outbox).opened() as house:
            await story(house, store, blobs)
        return house

    return run_virtual(play())


@asynccontextmanager
async def running(*loops: Any) -> AsyncIterator[Callable[[], None]]:
    """They run; what is given kills them."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(loop.run(stop)) for loop in loops]

    def kill() -> None:
        for task in tasks:
            task.cancel()

    try:
        await asyncio.sleep(1)
        yield kill
    finally:
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)


def fetching(house: House, store: MemoryVoiceStore, blobs: MemoryBlobs) -> RecordingFetching:
    shell = house.shell
    return RecordingFetching(
        store,
        lambda: {"n1": house.driver},
        blobs,
        clock=shell.clock,
        chance=shell.chance,
        metrics=RecordingMetrics(Telemetry("test")),
        bytes_max=10_000_000,
    )


async def talked(house: House, seconds: float) -> None:
    """Customer and agent have talked so long, and hang up."""
    house.call_in()
    await eventually(house.started, timeout_seconds=30)
    [interaction_id] = house.started()
    await eventually(lambda: house.routers[interaction_id].accept(ADA), timeout_seconds=30)
    await eventually(house.talk, timeout_seconds=30)
    await eventually(lambda: house.of(ConnectAssignment), timeout_seconds=30)
    await asyncio.sleep(seconds)
    house.phones.hang_up(CALLER)


def loudness(samples: list[int], tone: int) -> float:
    """Of a tone in a second of 8 kHz."""
    turn = 2j * cmath.pi * tone / 8000
    return abs(sum(value * cmath.exp(-turn * place) for place, value in enumerate(samples))) * 2 / len(samples)


def test_both_sides_of_a_talk_are_in_its_recording_and_the_agent_is_known_to_have_had_it() -> None:
    async def story(house: House, store: MemoryVoiceStore, blobs: MemoryBlobs) -> None:
        async with running(house.owner(), fetching(house, store, blobs)):
            await talked(house, 5)
            [ready] = await eventually(lambda: house.of(RecordingReady), timeout_seconds=30)
            interaction_id = house.started()[0]
            async with store.transaction(TENANT) as tx:
                assert await tx.had_call(TENANT, interaction_id, ADA)

        content = await blobs.get(TENANT, ready.blob_id)
        assert (ready.kind, ready.interaction_id, ready.domain) == ("talk", interaction_id, DOMAIN)
        assert ready.size_bytes == len(content)
        assert 4.5 < ready.seconds < 7
        assert 6.9 * DAY_MS < ready.keep_until_ms - ready.begun_at_ms < 7.1 * DAY_MS
        samples = read_wave(content).samples
        for phone in (CALLER, PHONE):
            assert loudness(list(samples[8000:16000]), tone_of(phone)) > 1000

    played(story)


def test_a_recording_that_was_ready_when_everything_died_is_kept_and_told_once_afterwards() -> None:
    async def story(house: House, store: MemoryVoiceStore, blobs: MemoryBlobs) -> None:
        async with running(house.owner()):
            await talked(house, 5)
            await eventually(lambda: store.database.tables.recordings, timeout_seconds=30)
        store.answers_lost = 1
        async with running(house.owner(), fetching(house, store, blobs)) as kill:
            await asyncio.sleep(2)
            kill()
        async with running(house.owner(), fetching(house, store, blobs)):
            await asyncio.sleep(1000)

        assert len(house.of(RecordingReady)) == 1
        [row] = store.database.tables.recordings.values()
        assert (row.state, row.due_at_ms) == ("kept", None)
        assert len(blobs.kept) == 1

    played(story)


def test_what_a_caller_leaves_is_kept_and_asked_to_be_answered() -> None:
    async def story(house: House, store: MemoryVoiceStore, blobs: MemoryBlobs) -> None:
        async with running(house.owner(), fetching(house, store, blobs)):
            house.call_in()
            await eventually(house.started, timeout_seconds=30)
            [interaction_id] = house.started()
            house.routers[interaction_id].give_up("voicemail")
            await asyncio.sleep(20)
            house.phones.hang_up(CALLER)
            [ready] = await eventually(lambda: house.of(RecordingReady), timeout_seconds=30)
            [task] = await eventually(lambda: house.of(RequestTask), timeout_seconds=30)

        assert (ready.kind, ready.interaction_id) == ("voicemail", interaction_id)
        assert 5 < ready.seconds < 20
        assert task.interaction_id == interaction_id
        samples = read_wave(await blobs.get(TENANT, ready.blob_id)).samples
        assert loudness(list(samples[8000:16000]), tone_of(CALLER)) > 1000

    played(story)
