"""What a call costs through the whole voice gateway on a real Asterisk, beside a dialplan that only answers and dials.

Callers dial at a steady rate, are answered and put into a room with music; a router of a few lines gives each to an
agent's telephone, which answers after a stated delay; three seconds after the caller has heard the agent, the caller
hangs up. The gateway runs as a process, with PostgreSQL and a broker of its own; the telephones are a process too.

`answered`: from the caller's INVITE to its 200 OK. `set_up`: from the router's decision (`task.assigned` goes into the
log) to the agent's telephone ringing, and from its picking up to its first sound at the caller; so the telephone's own
delay is not in it. Sound goes in packets of 20 ms. `whole`: from the INVITE to that sound without the delay. Of the
bare dialplan, which decides nothing, only `answered` and `whole` are known. The arms alternate.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import psutil
import uvloop
from contracts.interactions import InteractionEnded, InteractionStarted
from servicekit.testing.eventually import eventually
from servicekit.testing.parts import part
from typing_extensions import override
from voice_gateway.testing.asterisk_install import available
from voice_gateway.testing.asterisk_node import AsteriskNode
from voice_gateway.testing.owning import DOMAIN, NUMBER
from voice_gateway.testing.owning import part as configured
from voice_gateway.testing.real_house import RealHouse, RealHouseOptions, real_house
from voice_gateway.testing.sip_line import Line
from voice_gateway.testing.sip_messages import Message, answer, user_of
from voice_gateway.testing.sip_socket import SipSocket
from voice_gateway.testing.sip_sound import PACKET, Talk

from benchmarks.report import Report

AGENT: Final = "bert"
"""Of the sample configuration, who has a number outside."""
AGENT_NUMBER: Final = "+390699999"
BARE_NUMBER: Final = "+390600001"
TALK_SECONDS: Final = 3.0
GIVEN_UP_SECONDS: Final = 20.0
SET_UP_MS_MAX: Final = 50
_DIALPLAN: Final = f"""[from-trunk]
exten => {BARE_NUMBER},1,Answer(0,i)
 same => n,Dial(PJSIP/{AGENT_NUMBER}@trunk,20)
"""


@dataclass(slots=True)
class Call:
    """Instants of one call, in seconds of the machine's clock; none: it did not come to that."""

    user: str
    invited: float
    answered: float | None = None
    rang: float | None = None
    picked_up: float | None = None
    heard: float | None = None


class Sound(Talk):
    """Of a telephone: an agent's is a number that nobody else sends, a caller's listens for one."""

    def __init__(self, hertz: int, *, word_seconds: float | None = None) -> None:
        super().__init__(hertz, word_seconds=word_seconds)
        self.call: Call | None = None
        self.agents: dict[bytes, Agent] = {}
        self.line: Line | None = None

    def says(self, payload: bytes) -> None:
        """This in each packet."""
        self._voice = [payload]

    @override
    def send_to(self, host: str, port: int) -> None:
        if self.call is not None and self.call.answered is None:
            self.call.answered = time.time()
        super().send_to(host, port)

    @override
    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        agent = self.agents.get(data[12:])
        if agent is None or self.call is None or self.line is None or self.call.heard is not None:
            return
        self.call.heard = time.time()
        self.call.rang, self.call.picked_up = agent.rang, agent.picked_up
        agent.sound.speaks = False
        asyncio.get_running_loop().call_later(TALK_SECONDS, self.line.hang_up)


@dataclass(slots=True)
class Agent:
    """One call at the agent's telephone."""

    sound: Sound
    rang: float
    picked_up: float | None = None


@dataclass(slots=True)
class Telephones:
    """All of them, at one SIP port."""

    delay_seconds: float
    node_port: int = 0
    calls: list[Call] = field(default_factory=list)
    _socket: SipSocket | None = None
    _lines: dict[str, Line] = field(default_factory=dict)
    _agents: dict[bytes, Agent] = field(default_factory=dict)
    _ringing: set["asyncio.Task[None]"] = field(default_factory=set)

    async def open(self) -> int:
        """Their port."""
        self._socket = await SipSocket.opened(self._asked)
        return self._socket.port

    async def call(self, number: str, user: str) -> None:
        """A caller dials."""
        sound, line = await self._line()
        sound.call, sound.agents, sound.line, sound.speaks = Call(user, time.time()), self._agents, line, False
        self.calls.append(sound.call)
        self._lines[line.call_id] = line
        assert self._socket is not None
        line.dial(number, f"<sip:{user}@127.0.0.1:{self._socket.port}>", [])
        asyncio.get_running_loop().call_later(GIVEN_UP_SECONDS, _end, line)

    def all_heard(self) -> bool:
        """Every caller has heard an agent."""
        return all(call.heard is not None for call in self.calls)

    async def close(self) -> None:
        """All that is left ends without a word."""
        for line in self._lines.values():
            await line.closed()
        if self._socket is not None:
            self._socket.close()

    async def _line(self) -> tuple[Sound, Line]:
        assert self._socket is not None
        sound = await Sound.opened(440)
        return sound, Line(self._socket, ("127.0.0.1", self.node_port), sound)

    def _asked(self, request: Message) -> None:
        assert self._socket is not None
        line = self._lines.get(request.get("Call-ID"))
        if line is not None:
            line.asked(request)
        elif request.method == "INVITE":
            task = asyncio.create_task(self._invited(request))
            self._ringing.add(task)
            task.add_done_callback(self._ringing.discard)
        elif request.method != "ACK":
            status = 200 if request.method in ("OPTIONS", "NOTIFY") else 481
            self._socket.respond(request, answer(request, status, tag="none"))

    async def _invited(self, invite: Message) -> None:
        assert user_of(invite.uri) == AGENT_NUMBER, invite.uri
        rang = time.time()
        sound, line = await self._line()
        payload = len(self._agents).to_bytes(4, "big").ljust(PACKET, b"\x7e")
        agent = self._agents[payload] = Agent(sound, rang)
        sound.says(payload)
        line.taken(invite)
        self._lines[line.call_id] = line
        line.ring()

        def pick_up() -> None:
            agent.picked_up = time.time()
            line.answer()

        asyncio.get_running_loop().call_later(self.delay_seconds, pick_up)


def _end(line: Line) -> None:
    if not line.ended:
        line.hang_up()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is measured."""

    per_second: float
    seconds: float
    delay_seconds: float


def telephones(pipe: Connection, asked: Asked) -> None:
    """A process of its own: says its port, is told the node's; then for each number calls it, and says how it was."""
    asyncio.run(_telephones(pipe, asked))


async def _telephones(pipe: Connection, asked: Asked) -> None:
    phones = Telephones(asked.delay_seconds)
    pipe.send(await phones.open())
    phones.node_port = await asyncio.to_thread(pipe.recv)
    loop, turn = asyncio.get_running_loop(), 0
    while (number := await asyncio.to_thread(pipe.recv)) is not None:
        began, turn = loop.time(), turn + 1
        for place in range(round(asked.per_second * asked.seconds)):
            await asyncio.sleep(max(0.0, began + place / asked.per_second - loop.time()))
            await phones.call(number, f"+39{turn:02}{place:07}")
        with contextlib.suppress(AssertionError):  # who was not reached stands in the figures
            await eventually(phones.all_heard, timeout_seconds=GIVEN_UP_SECONDS)
        await asyncio.sleep(TALK_SECONDS + 2)
        pipe.send(phones.calls)
        phones.calls = []
    await phones.close()


@dataclass(slots=True)
class Arm:
    """What came of one arm, over all rounds."""

    calls: list[Call] = field(default_factory=list)
    cpu_ms: dict[str, float] = field(default_factory=dict)
    whole_ms: list[float] = field(default_factory=list)
    """The 95th percentile of each round."""


async def measure(report: Report, asked: Asked, rounds: int, folder: Path, admin_url: str) -> None:
    """All rounds, each with both arms."""
    pipe, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=telephones, args=(theirs, asked))
    child.start()
    trunk_port = await asyncio.to_thread(pipe.recv)
    admission = {
        "calls_max": 10_000,
        "calls_per_second": max(1.0, 2 * asked.per_second),
        "calls_burst": round(max(40, 4 * asked.per_second)),
    }
    arms, assigned = {"gateway": Arm(), "dialplan": Arm()}, dict[str, float]()
    options = RealHouseOptions(
        of_node=admission,
        configuration=[configured("recording", DOMAIN, {"policies": []})],
        trunk_port=trunk_port,
        prepare=_with_dialplan,
    )
    async with real_house(folder, admin_url, options) as house:
        house.taken_by = AGENT
        house.on_taken = lambda data: assigned.setdefault(_caller(data), time.time())
        pipe.send(house.node.sip_port)
        for _ in range(rounds):
            for name, number in (("gateway", NUMBER), ("dialplan", BARE_NUMBER)):
                await _run(arms[name], pipe, number, house, gateway=name == "gateway")
        pipe.send(None)
        with contextlib.suppress(AssertionError):  # what is missing stands in the figures
            await house.until_nothing_is_left()
        told = len({each.interaction_id for each in house.of(InteractionEnded)})
    await asyncio.to_thread(child.join, GIVEN_UP_SECONDS)
    _tell(report, arms, assigned, told)


def _caller(data: InteractionStarted) -> str:
    identifiers = data.personal["identifiers"]
    assert isinstance(identifiers, Sequence)
    return str(identifiers[0]["value"])


def _with_dialplan(node: AsteriskNode) -> None:
    (node.files / "etc" / "extensions_local.conf").write_text(_DIALPLAN)
    with (node.files / "etc" / "modules.conf").open("a") as modules:
        modules.write("load = app_dial.so\n")


async def _run(arm: Arm, pipe: Connection, number: str, house: RealHouse, *, gateway: bool) -> None:
    assert house.node.process is not None
    watched = {"asterisk": psutil.Process(house.node.process.pid)}
    if gateway:
        assert house.gateway.process is not None
        watched["gateway"] = psutil.Process(house.gateway.process.pid)
    before = {name: _cpu_ms(process) for name, process in watched.items()}
    pipe.send(number)
    calls: list[Call] = await asyncio.to_thread(pipe.recv)
    for name, process in watched.items():
        arm.cpu_ms[name] = arm.cpu_ms.get(name, 0.0) + _cpu_ms(process) - before[name]
    arm.calls += calls
    whole = [each for each in map(_whole_ms, calls) if each is not None]
    if len(whole) > 1:
        arm.whole_ms.append(quantiles(whole, n=100)[94])


def _cpu_ms(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return 1000 * float(spent.user + spent.system)


def _whole_ms(call: Call) -> float | None:
    if call.heard is None or call.rang is None or call.picked_up is None:
        return None
    return 1000 * (call.heard - call.invited - (call.picked_up - call.rang))


def _set_up_ms(call: Call, assigned: dict[str, float]) -> float | None:
    if call.heard is None or call.rang is None or call.picked_up is None or call.user not in assigned:
        return None
    return 1000 * (call.rang - assigned[call.user] + call.heard - call.picked_up)


def _tell(report: Report, arms: dict[str, Arm], assigned: dict[str, float], told: int) -> None:
    for name, arm in arms.items():
        done = [call for call in arm.calls if call.heard is not None]
        report.write(f"{name}.calls", len(arm.calls), "")
        report.write(f"{name}.lost", len(arm.calls) - len(done), "", "= 0")
        answered = [1000 * (call.answered - call.invited) for call in done if call.answered is not None]
        _percentiles(report, f"{name}.answered", answered)
        _percentiles(report, f"{name}.whole", [each for each in map(_whole_ms, done) if each is not None])
        for process, cpu_ms in arm.cpu_ms.items():
            report.write(f"{name}.{process}.cpu_per_call", cpu_ms / max(1, len(arm.calls)), "ms")
    ours, bare = arms["gateway"], arms["dialplan"]
    set_up = [each for call in ours.calls if (each := _set_up_ms(call, assigned)) is not None]
    _percentiles(report, "gateway.set_up", set_up, f"<= {SET_UP_MS_MAX}")
    report.write("gateway.untold", len(ours.calls) - told, "", "= 0")
    ratios = [one / other for one, other in zip(ours.whole_ms, bare.whole_ms, strict=False)]
    if ratios:
        report.write("whole.p95.over_dialplan", median(ratios), "x", values=ratios)
    if bare.calls and ours.calls:
        cpu = sum(ours.cpu_ms.values()) / len(ours.calls), sum(bare.cpu_ms.values()) / len(bare.calls)
        report.write("cpu_per_call.over_dialplan", cpu[0] / max(cpu[1], 0.001), "x")
    report.write("load_average", os.getloadavg()[0], "")


def _percentiles(report: Report, name: str, values_ms: Sequence[float], goal: str = "") -> None:
    if len(values_ms) > 1:
        parts = quantiles(values_ms, n=100)
        report.write(f"{name}.p50", parts[49], "ms")
        report.write(f"{name}.p95", parts[94], "ms", goal)


def main() -> None:
    """Measure, or say why that cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-second", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--delay-seconds", type=float, default=0.5, help="so long the agent's telephone rings")
    parser.add_argument("--rounds", type=int, default=1)
    asked, _ = parser.parse_known_args()
    reason = available()
    if reason is not None:
        print(reason)
        return
    what = Asked(per_second=asked.per_second, seconds=asked.seconds, delay_seconds=asked.delay_seconds)
    with tempfile.TemporaryDirectory() as folder, part("postgres") as admin_url:
        uvloop.run(measure(Report("voice_load"), what, asked.rounds, Path(folder), admin_url))


if __name__ == "__main__":
    main()
