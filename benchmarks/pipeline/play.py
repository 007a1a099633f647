"""The customers and agents of the job: answers what the arm says, and notes what the checker needs."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
from aiokafka.structs import ConsumerRecord

from benchmarks.pipeline.checker import Effect
from benchmarks.pipeline.job import DOMAINS, Input, Inputs, agent_number, number_of
from benchmarks.pipeline.link import Link

STALL_SECONDS_MAX: Final = 60.0
Heard = ConsumerRecord[bytes, bytes]


class Said(msgspec.Struct):
    """What the driver reads of an arm's event; a relayed input names no agent."""

    interaction_id: str
    agent_id: str = ""
    offer_id: str = ""
    assignment_id: str = ""


class StalledError(Exception):
    """The arm said nothing for a minute although the driver waits: look into its log."""


class Play:
    """Two inputs and one offer a task: started, offered, ended. `full` is a task's whole life, three inputs: started,
    offered, accepted, assigned, completed.
    """

    def __init__(self, link: Link, *, full: bool) -> None:
        self.inputs = Inputs(begun_at_ms=time.time_ns() // 1_000_000 - 3_600_000)
        self.inputs_per_task = 3 if full else 2
        self.refill = False
        self.types: Counter[bytes] = Counter()
        self.tasks_ended = 0
        self.started: list[int] = [0] * DOMAINS
        self.sent: list[list[str]] = [[] for _ in range(DOMAINS)]
        """Event ids of started and ended, in the order of their topic."""
        self.effects: list[list[Effect]] = [[] for _ in range(DOMAINS)]
        self.latencies: list[float] = []
        self._due: dict[tuple[int, int], float] = {}
        self._link = link
        self._progress = asyncio.Event()
        self._answers = dict(_FULL if full else _EXACT)

    def start(self, domain: int, *, due: float | None = None) -> None:
        """One more task; `due` is when it should have been sent, and its offer's latency counts from there."""
        number = self.started[domain]
        self.started[domain] += 1
        if due is not None:
            self._due[domain, number] = due
        self.put(self.inputs.started(domain, number), f"i{domain}-{number:08d}.s")

    def put(self, record: Input, event_id: str = "") -> None:
        """Send an input."""
        if event_id:
            self.sent[record.partition].append(event_id)
        self._link.put(record)

    async def listen(self) -> None:
        """Take what the arm says, for ever."""
        while True:
            records = await self._link.read()
            now = time.monotonic()
            for record in records:
                self._take(record, now)
            if records:
                self._progress.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until the arm has said enough; raises StalledError."""
        while not reached():
            self._progress.clear()
            try:
                async with asyncio.timeout(STALL_SECONDS_MAX):
                    await self._progress.wait()
            except TimeoutError:
                raise StalledError(f"{self.tasks_ended} of {sum(self.started)} tasks have ended") from None

    async def all_sent(self) -> None:
        """Until Kafka has everything that was put."""
        await self._link.sent()

    async def drain(self) -> None:
        """Start nothing more and wait until every task has ended."""
        self.refill = False
        await self.until(lambda: self.tasks_ended == sum(self.started))
        await self.all_sent()

    def _take(self, record: Heard, now: float) -> None:
        headers = dict(record.headers)
        kind = headers["ce_type"]
        self.types[kind] += 1
        answer = self._answers.get(kind)
        if answer is not None:
            answer(self, record, headers.get("ce_causationid", b"").decode(), now)

    def _offered(self, record: Heard, cause: str, now: float) -> Said:
        said = _DECODER.decode(record.value or b"")
        number = number_of(said.interaction_id)
        agent = agent_number(said.agent_id) if said.agent_id else -1
        self.effects[record.partition].append(Effect("offered", number, cause, agent))
        due = self._due.pop((record.partition, number), None)
        if due is not None:
            self.latencies.append(now - due)
        return said

    def _end(self, record: Heard, cause: str, now: float) -> None:
        said = self._offered(record, cause, now)
        number = number_of(said.interaction_id)
        self.put(self.inputs.ended(record.partition, number, said.agent_id), f"{said.interaction_id}.e")
        self._ended(record.partition)

    def _accept(self, record: Heard, cause: str, now: float) -> None:
        said = self._offered(record, cause, now)
        number = number_of(said.interaction_id)
        self.put(self.inputs.accept(record.partition, number, said.agent_id, said.offer_id))

    def _complete(self, record: Heard, cause: str, now: float) -> None:
        said = _DECODER.decode(record.value or b"")
        number = number_of(said.interaction_id)
        self.put(self.inputs.complete(record.partition, number, said.agent_id, said.assignment_id))

    def _queued(self, record: Heard, cause: str, now: float) -> None:
        self.effects[record.partition].append(Effect("queued", number_of(cause), cause))

    def _completed(self, record: Heard, cause: str, now: float) -> None:
        self.effects[record.partition].append(Effect("released", number_of(cause), cause))
        self._ended(record.partition)

    def _ended(self, domain: int) -> None:
        self.tasks_ended += 1
        if self.refill:
            self.start(domain)


_DECODER: Final = msgspec.json.Decoder(Said)
_EXACT: Final = {b"offer.issued": Play._end, b"interaction.started": Play._end}
_FULL: Final = {
    b"task.queued": Play._queued,
    b"offer.issued": Play._accept,
    b"task.assigned": Play._complete,
    b"task.completed": Play._completed,
}
