"""The assembled gateway on fakes in virtual time: half an hour of silence takes milliseconds."""

import asyncio

from chat_gateway import handlers
from chat_gateway.app import assemble
from chat_gateway.consumers import GROUP
from chat_gateway.consumers import TOPICS as CONSUMED
from chat_gateway.testing import MemoryChatStore, MemorySignals
from chat_gateway.testing.backends import backends_of, settings_of
from chat_gateway.testing.samples import place, visit
from contracts import decode
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.topics import INTERACTIONS, TOPICS, dead_letter_topic
from servicekit.run import Shell
from servicekit.telemetry import Telemetry
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.virtual import SeededChance, SeededIds, VirtualClock, run_virtual


def test_a_customer_who_leaves_is_announced_once_each_although_appends_are_lost_and_late() -> None:
    started, ended = run_virtual(leaving_customer())

    assert started == {"i1.started"}
    assert ended == {"i1.ended"}


async def leaving_customer() -> tuple[set[str], set[str]]:
    clock, chance = VirtualClock(), SeededChance(7)
    partitions = {topic.name: topic.partitions(4) for topic in TOPICS}
    partitions |= {dead_letter_topic(topic, GROUP): 1 for topic in CONSUMED}
    log = MemoryLog(partitions, clock=clock, chance=chance, faults=Faults(lost=0.3, late=0.2, latency_seconds_max=0.1))
    signals = MemorySignals(clock)
    store = MemoryChatStore(signals.changed)
    shell = Shell(clock, SeededIds(), chance, log, Telemetry("chat-gateway"))
    gateway = assemble(settings_of(), shell, backends_of(store, store.database.outbox, signals))
    stop = asyncio.Event()
    tasks = [asyncio.create_task(loop.run(stop)) for loop in gateway.loops]
    async with store.transaction("acme") as tx:
        await handlers.accept_message(
            tx, visit(), place(), client_message_id="client-0001", text="hello", now_ms=clock.now_ms()
        )
    await clock.sleep(600)
    stop.set()
    await asyncio.gather(*tasks)
    events = [decode(record.value, record.headers) for record in log.records(INTERACTIONS.name)]
    return (
        {event.id for event in events if isinstance(event.data, InteractionStarted)},
        {event.id for event in events if isinstance(event.data, InteractionEnded)},
    )
