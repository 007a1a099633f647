"""What a call costs on a real Asterisk: callers wait in a room with music, and then talk with an agent.

Each call: it comes in, is answered and put into a wait room; a second later an agent's number is dialled, which answers
at once, and both are put into a talk room; three seconds later the caller hangs up. `parked` is from the call's arrival
at the driver to the wait room; `set_up` from the decision to dial to both being in the talk room: Asterisk's and the
driver's time, and that of a telephone in Python that answers at once. All run on this machine: driver, Asterisk, and
the telephones in a process of their own. Telephones send no sound; music goes to each that waits.
"""

import argparse
import asyncio
import multiprocessing
import os
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles
from typing import Final

import psutil
import uvloop
from servicekit.system import SystemIds
from voice_gateway.domain import commands, events
from voice_gateway.domain.events import Event
from voice_gateway.domain.words import Number, Party
from voice_gateway.drivers.asterisk.driver import AsteriskDriver
from voice_gateway.testing.asterisk import TONES, drive, write_sound
from voice_gateway.testing.asterisk_install import available
from voice_gateway.testing.asterisk_node import AsteriskNode
from voice_gateway.testing.phones import MUSIC
from voice_gateway.testing.sip_phones import SipPhones
from voice_gateway.testing.stream_bot import StreamBot

from benchmarks.report import Report

NUMBER: Final = "+390612345"
WAIT_SECONDS: Final = 1.0
TALK_SECONDS: Final = 3.0
STEP_SECONDS: Final = 10.0
SET_UP_MS_MAX: Final = 50


@dataclass(slots=True)
class Calls:
    """A Sink that plays the gateway's part for each call, and takes the time."""

    ids: SystemIds = field(default_factory=SystemIds)
    driver: AsteriskDriver | None = None
    agent: Number = field(default_factory=lambda: Number(number=""))
    parked_ms: list[float] = field(default_factory=list)
    set_up_ms: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    legs: int = 0
    legs_max: int = 0
    stories: set["asyncio.Task[None]"] = field(default_factory=set)
    _waiting: defaultdict[tuple[object, ...], "asyncio.Future[None]"] = field(
        default_factory=lambda: defaultdict(asyncio.get_running_loop().create_future)
    )

    def tell(self, event: Event) -> None:
        """See Sink."""
        match event:
            case events.LegIncoming():
                story = asyncio.create_task(self._story(event.leg_id))
                self.stories.add(story)
                story.add_done_callback(self.stories.discard)
            case events.RoomJoined():
                self._settle(events.RoomJoined, event.leg_id, event.room_id)
            case events.LegAnswered():
                self.legs += 1
                self.legs_max = max(self.legs, self.legs_max)
                self._settle(events.LegAnswered, event.leg_id)
            case events.LegEnded():
                self.legs -= 1
                self._settle(events.LegEnded, event.leg_id)

    def _settle(self, *what: object) -> None:
        if not self._waiting[what].done():
            self._waiting[what].set_result(None)

    async def _until(self, *what: object) -> None:
        async with asyncio.timeout(STEP_SECONDS):
            await self._waiting[what]
        del self._waiting[what]

    async def _story(self, caller: str) -> None:
        try:
            await self._call(caller)
        except Exception as error:  # noqa: BLE001 - a call that fails is counted, and the others go on
            self.failed.append(f"{type(error).__name__}: {error}")

    async def _call(self, caller: str) -> None:
        driver, clock = self.driver, asyncio.get_running_loop().time
        assert driver is not None
        waiting, talking, agent = self.ids.new_id(), self.ids.new_id(), self.ids.new_id()
        begun = clock()
        await driver.do(commands.Answer(leg_id=caller))
        await driver.do(commands.OpenRoom(room_id=waiting, kind="wait"))
        await self._until(events.LegAnswered, caller)
        await driver.do(commands.Join(room_id=waiting, leg_id=caller))
        await self._until(events.RoomJoined, caller, waiting)
        self.parked_ms.append(1000 * (clock() - begun))
        await asyncio.sleep(WAIT_SECONDS)
        begun = clock()
        await driver.do(commands.Dial(leg_id=agent, to=self.agent, ring_seconds=20))
        await driver.do(commands.OpenRoom(room_id=talking, kind="talk"))
        await self._until(events.LegAnswered, agent)
        for leg_id in (agent, caller):
            await driver.do(commands.Join(room_id=talking, leg_id=leg_id))
        for leg_id in (agent, caller):
            await self._until(events.RoomJoined, leg_id, talking)
        self.set_up_ms.append(1000 * (clock() - begun))
        await self._until(events.LegEnded, caller)
        await driver.do(commands.HangUp(leg_id=agent))
        for room_id in (waiting, talking):
            await driver.do(commands.CloseRoom(room_id=room_id))
        await self._until(events.LegEnded, agent)


def telephones(pipe: Connection, per_second: float, seconds: float) -> None:
    """A process of its own: says its port, is told the node's, and calls."""
    uvloop.run(_telephones(pipe, per_second, seconds))


async def _telephones(pipe: Connection, per_second: float, seconds: float) -> None:
    phones = SipPhones(TONES, StreamBot(TONES))
    phones.many_lines = phones.silent = True
    await phones.open()
    pipe.send((phones.port, (await phones.outside("ada")).number))
    phones.node_port = await asyncio.to_thread(pipe.recv)
    loop = asyncio.get_running_loop()
    began, ended = loop.time(), asyncio.Event()
    count = round(per_second * seconds)
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / per_second - loop.time()))
        await phones.call("anna", NUMBER, Party(number=f"+39066{number:06d}"))
        loop.call_later(WAIT_SECONDS + TALK_SECONDS, phones.line("anna").hang_up)
    loop.call_later(WAIT_SECONDS + TALK_SECONDS + STEP_SECONDS, ended.set)
    pipe.send(None)
    await ended.wait()
    await phones.close()


def _cpu_seconds(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


async def measure(report: Report, per_second: float, seconds: float, directory: Path) -> None:
    """One run."""
    pipe, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=telephones, args=(theirs, per_second, seconds))
    child.start()
    trunk_port, agent = await asyncio.to_thread(pipe.recv)
    node = AsteriskNode(directory, trunk_port)
    write_sound(directory / "music" / "music.wav", TONES[MUSIC], 10)
    await node.start()
    calls = Calls(agent=Number(number=agent))
    try:
        async with drive(calls, node.http_port) as driver:
            calls.driver = driver
            assert node.process is not None
            asterisk, ours = psutil.Process(node.process.pid), psutil.Process(os.getpid())
            before = _cpu_seconds(asterisk), _cpu_seconds(ours)
            pipe.send(node.sip_port)
            await asyncio.to_thread(pipe.recv)
            while calls.stories:
                await asyncio.gather(*calls.stories)
            done = len(calls.set_up_ms)
            spent = _cpu_seconds(asterisk) - before[0], _cpu_seconds(ours) - before[1]
            report.write("asterisk.rss", asterisk.memory_info().rss / 2**20, "MiB")
            left = await driver.snapshot()
    finally:
        await asyncio.to_thread(child.join, 2 * STEP_SECONDS)
        node.end()
    report.write("calls", done, "", f"= {round(per_second * seconds)}")
    report.write("failed", len(calls.failed), "", "= 0")
    report.write("left", len(left.legs) + len(left.rooms), "", "= 0")
    report.write("legs.max", calls.legs_max, "")
    _percentiles(report, "parked", calls.parked_ms, "")
    _percentiles(report, "set_up", calls.set_up_ms, f"<= {SET_UP_MS_MAX}")
    for name, cpu in zip(("asterisk", "driver"), spent, strict=True):
        report.write(f"{name}.cpu_per_call", 1000 * cpu / max(done, 1), "ms")
    for reason in sorted(set(calls.failed))[:5]:
        print(f"  {reason}")


def _percentiles(report: Report, name: str, values_ms: Sequence[float], goal: str) -> None:
    if len(values_ms) > 1:
        parts = quantiles(values_ms, n=100)
        report.write(f"{name}.p50", parts[49], "ms")
        report.write(f"{name}.p95", parts[94], "ms", goal)
        report.write(f"{name}.max", max(values_ms), "ms")


def main() -> None:
    """Measure, or say why that cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-second", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=20)
    asked, _ = parser.parse_known_args()
    reason = available()
    if reason is not None:
        print(reason)
        return
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(measure(Report("asterisk_calls"), asked.per_second, asked.seconds, Path(folder)))


if __name__ == "__main__":
    main()
