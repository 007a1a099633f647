"""Lets a storm pass over the chat gateway, and sees what is left."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from centralino.proof.collect import read_to_end
from centralino.proof.faults import Fault
from centralino.proof.history import Spoken, Stood, read_events, text_of
from centralino.services import DOMAIN_PARTITIONS
from contracts.topics import INTERACTIONS, MESSAGES
from servicekit.ports import Partition

from benchmarks.webhook_storm.checker import Wrote, storm_faults
from benchmarks.webhook_storm.deliveries import Customer, Delivery, Writers, write
from benchmarks.webhook_storm.parts import Parts, drained, environment_of, kafka_log, running, wait_until
from benchmarks.webhook_storm.plan import Blow, Size, blows
from benchmarks.webhook_storm.sender import Sent, results

PATIENCE_SECONDS: Final = 180.0
"""After the last delivery was due, until all are acknowledged; and then until all is published."""
STOPS: Final = (signal.SIGTERM, signal.SIGKILL)
"""How the broker ends, in turn."""


@dataclass(frozen=True, slots=True)
class Struck:
    """What was done, from when until when: a killed gateway is only started, a broker is gone or takes connections."""

    blow: Blow
    at: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A storm that is over. Instants are time.monotonic's."""

    sent: Sequence[Sent]
    says: Sequence[Mapping[str, Customer]]
    """Of each turn."""
    struck: Sequence[Struck]
    published: Mapping[str, float]
    """When a text was handed to Kafka first."""
    faults: Sequence[Fault]
    repeats: int
    """Records of topic `messages` that consumers drop by their ids."""
    loads: Sequence[float]
    """Load averages of the machine: before, when the last delivery was acknowledged."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is in topics and tables afterwards."""

    messages: Sequence[Stood]
    interactions: Sequence[Stood]
    malformed: Sequence[str]
    kept: int
    refused: int


def pass_over(size: Size, folder: Path) -> Passed:
    """All of it; data and logs are in the folder. Raises AssertionError when it has no end."""
    loads = [os.getloadavg()[0]]
    writers = Writers(size)
    with running(folder, list(writers.of.values()), real_kafka=size.real_kafka) as parts:
        deliveries = list(writers.deliveries(size))
        write(deliveries, folder / "deliveries")
        sent, struck = _played(parts, size, folder)
        loads.append(os.getloadavg()[0])
        asyncio.run(drained(parts.postgres, PATIENCE_SECONDS))
        parts.gateways.stop()
        left = asyncio.run(_left(parts))
    said = [stood for stood in left.messages if isinstance(stood.event.data, Spoken)]
    return Passed(
        sent=sent,
        says=[each.says for each in deliveries],
        struck=struck,
        published=_published(said),
        faults=[*storm_faults(written(deliveries, sent), said, left.interactions), *_other_faults(left, said, sent)],
        repeats=len(said) - len({stood.event.id for stood in said}),
        loads=loads,
    )


def _other_faults(left: Left, said: Sequence[Stood], sent: Sequence[Sent]) -> Iterator[Fault]:
    told = len({stood.event.id for stood in said})
    if left.kept != told:
        yield Fault("S6", "table message of the gateway", f"has {left.kept} messages; {told} were told")
    if left.refused:
        yield Fault("L5", "table outbox of the gateway", f"{left.refused} rows were refused")
    for place in left.malformed:
        yield Fault("S6", place, "is no event")
    for turn, each in enumerate(sent):
        if each.refused is not None:
            yield Fault("S6", f"turn {turn}", f"was refused with {each.refused}")


def _published(said: Sequence[Stood]) -> dict[str, float]:
    shift = time.monotonic() - time.time()
    found: dict[str, float] = {}
    for stood in said:
        assert isinstance(stood.event.data, Spoken)
        found.setdefault(text_of(stood.event.data.personal), stood.appended_at_ms / 1000 + shift)
    return found


def written(deliveries: Sequence[Delivery], sent: Sequence[Sent]) -> dict[str, Wrote]:
    """Over all deliveries of each text."""
    found: dict[str, Wrote] = {}
    for delivery, one in zip(deliveries, sent, strict=True):
        for text, customer in delivery.says.items():
            acks, sents = [one.acked], [one.first_sent]
            if text in found:
                acks, sents = [*acks, found[text].acked], [*sents, found[text].first_sent]
            acked = min((each for each in acks if each is not None), default=None)
            found[text] = Wrote(customer=customer, first_sent=min(sents), acked=acked)
    return found


def _played(parts: Parts, size: Size, folder: Path) -> tuple[list[Sent], list[Struck]]:
    """Deliveries and blows, each at its instant."""
    command = [sys.executable, "-m", "benchmarks.webhook_storm.sender", str(folder / "deliveries")]
    command += [str(folder / "results"), str(PATIENCE_SECONDS), *map(str, parts.gateways.ports)]
    struck: list[Struck] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment_of({})) as sender:
        try:
            assert sender.stdout is not None
            start = float(sender.stdout.readline())
            for blow in blows(size):
                wait_until(start + blow.at_seconds)
                at = time.monotonic()
                _strike(parts, blow, sum(each.blow.kind == "stop_kafka" for each in struck))
                struck.append(Struck(blow, at, time.monotonic()))
            sender.wait(size.seconds + 2 * PATIENCE_SECONDS)
        finally:
            sender.kill()
    if sender.returncode:
        raise AssertionError(f"the sender ended with {sender.returncode}")
    return results(folder / "results"), struck


def _strike(parts: Parts, blow: Blow, stops_before: int) -> None:
    if blow.kind == "kill":
        parts.gateways.kill(blow.replica)
    elif blow.kind == "stop_kafka":
        parts.broker.end(STOPS[stops_before % len(STOPS)])
    else:
        parts.broker.start()


async def _left(parts: Parts) -> Left:
    malformed: list[str] = []
    topics: list[list[Stood]] = []
    async with kafka_log(parts.broker.url).reader("storm") as reader:
        for topic in (MESSAGES, INTERACTIONS):
            count = topic.partitions(DOMAIN_PARTITIONS)
            records = await read_to_end(reader, [Partition(topic.name, number) for number in range(count)])
            topics.append(list(read_events(records, malformed)))
    connection = await asyncpg.connect(parts.postgres)
    try:
        kept = await connection.fetchval("SELECT count(*) FROM chat_gateway.message")
        refused = await connection.fetchval("SELECT count(*) FROM chat_gateway.outbox WHERE refused IS NOT NULL")
    finally:
        await connection.close()
    return Left(topics[0], topics[1], malformed, kept, refused)
