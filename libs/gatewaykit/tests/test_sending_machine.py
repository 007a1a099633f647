"""Several replicas, a provider of moods, deaths at any instant, reports in any order: what is kept of order, rates and
uncertainty whatever happens."""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import pytest
from contracts import decode
from contracts.written import MessageStatusChanged
from gatewaykit.domain.outgoing import SEND_MS, OutgoingRow, Part, message_status
from gatewaykit.domain.provider import Again, Capabilities, Echo, Outcome, Refused, Sent, StatusReport, Uncertain
from gatewaykit.outgoing_store import OutgoingTransaction
from gatewaykit.outgoings import Outgoings
from gatewaykit.sending import Sending, SendingLimits, SendingMetrics
from gatewaykit.testing.outgoing_memory import MemoryOutgoings, OutgoingTables
from gatewaykit.testing.outgoing_samples import SampleConversation, SampleMessage
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from servicekit.errors import RetryLaterError
from servicekit.store import EVERY_TENANT, MemoryDatabase, Tenant
from servicekit.telemetry import Telemetry
from servicekit.testing.virtual import FIRST_INSTANT_MS, SeededChance, VirtualClock, VirtualLoop
from typing_extensions import override

LINE: Final = ("acme", "whatsapp:1")
REPLICAS: Final = 3
ACCOUNT_PER_SECOND, PAIR_EVERY_MS, PAIR_BURST, ACCOUNT_SENDS_MAX = 5, 1500, 2, 3
SETTLES_SECONDS_MAX: Final = 1800
MOODS: Final = ("good", "good", "good", "refuses", "again", "account", "uncertain", "hangs", "lost", "faulty", "away")
METRICS: Final = SendingMetrics(Telemetry("sample"))
T = TypeVar("T")


class Sample(MemoryOutgoings[OutgoingTables]):
    source = "/sample"


class Store:
    def __init__(self) -> None:
        self.database = MemoryDatabase(OutgoingTables())

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[OutgoingTransaction]:
        return self.database.transaction(tenant, Sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The provider was asked."""

    reference: str
    number: int
    counterpart: str
    at_ms: int
    has_it: bool


class FakeProvider:
    """Answers by its moods, one for each call, and knows what it was asked and what it has."""

    def __init__(self, clock: VirtualClock, idempotent: bool) -> None:
        self.name = "fake"
        self.capabilities = Capabilities(
            text_max=100,
            idempotent=idempotent,
            account_per_second=ACCOUNT_PER_SECOND,
            pair_every_ms=PAIR_EVERY_MS,
            pair_burst=PAIR_BURST,
            statuses=("sent", "delivered", "read", "failed"),
        )
        self.moods: list[str] = []
        self.calls: list[Call] = []
        self.asked_now: list[str] = []
        self.together = 0
        self.pairs_together: list[str] = []
        self.certainly_not: set[tuple[str, int]] = set()
        self.blocked: list[tuple[str, int, int]] = []
        self._clock = clock

    async def send(self, row: OutgoingRow) -> Outcome:
        mood = self.moods.pop(0) if self.moods else "good"
        if row.counterpart in self.asked_now:
            self.pairs_together.append(row.counterpart)
        self.asked_now.append(row.counterpart)
        self.together = max(self.together, len(self.asked_now))
        has_it = mood in ("good", "uncertain", "hangs", "lost")
        self.calls.append(
            Call(
                reference=row.outgoing_id,
                number=row.number,
                counterpart=row.counterpart,
                at_ms=self._clock.now_ms(),
                has_it=has_it,
            )
        )
        try:
            return await self._answer(row, mood)
        finally:
            self.asked_now.remove(row.counterpart)

    async def _answer(self, row: OutgoingRow, mood: str) -> Outcome:
        await self._clock.sleep(2 * SEND_MS / 1000 if mood == "hangs" else 0.3)
        match mood:
            case "refuses":
                return Refused(code="content_refused", detail="no")
            case "again" | "account":
                self.certainly_not.add((row.outgoing_id, row.attempts))
                self.blocked.append((row.counterpart if mood == "again" else "", self._clock.now_ms(), 4000))
                return Again(after_ms=4000, scope="pair" if mood == "again" else "account")
            case "uncertain":
                return Uncertain()
            case "faulty":
                raise KeyError(mood)
            case "away":
                self.certainly_not.add((row.outgoing_id, row.attempts))
                raise RetryLaterError(mood)
            case _:
                return Sent(provider_message_id=name_of(row.outgoing_id))


def name_of(reference: str) -> str:
    return f"w-{reference}"


class Machine(RuleBasedStateMachine):
    @initialize(idempotent=st.booleans(), moods=st.lists(st.sampled_from(MOODS), min_size=3, max_size=3))
    def begin(self, idempotent: bool, moods: list[str]) -> None:
        self.clock = VirtualClock()
        self.store = Store()
        self.provider = FakeProvider(self.clock, idempotent)
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.stop = asyncio.Event()
        self.messages = 0
        self.resends = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.ranks: dict[str, int] = {}
        self.told: dict[str, str] = {}
        self.run(self._start())
        self.put("anna", moods)

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(step)

    async def _start(self) -> None:
        self.tasks = [self._replica(number) for number in range(REPLICAS)]

    def _replica(self, number: int) -> asyncio.Task[None]:
        sending = Sending(
            self.store,
            self.provider,
            lambda *_: self.provider,
            clock=self.clock,
            chance=SeededChance(number),
            metrics=METRICS,
            limits=SendingLimits(account_sends_max=ACCOUNT_SENDS_MAX),
        )
        return asyncio.get_running_loop().create_task(sending.run(self.stop))

    @rule(counterpart=st.sampled_from(["anna", "bob"]), moods=st.lists(st.sampled_from(MOODS), min_size=1, max_size=3))
    def put(self, counterpart: str, moods: list[str]) -> None:
        """As many parts as moods; the moods are those of the provider's next answers."""
        self.messages += 1
        self.provider.moods += moods
        parts = len(moods)
        message = SampleMessage(message_id=f"m{self.messages}", at_ms=self.clock.now_ms())

        async def step() -> None:
            async with self.store.transaction(EVERY_TENANT) as tx:
                conversation = SampleConversation(counterpart=counterpart)
                await Outgoings().put(tx, replace(message, at_ms=self.clock.now_ms()), conversation, parts * [Part()])

        self.run(step())

    @rule(milliseconds=st.sampled_from([50, 350, 1000, 5000, 30_000, 130_000]))
    def time_passes(self, milliseconds: int) -> None:
        self.run(self.clock.sleep(milliseconds / 1000))

    @rule(number=st.integers(0, REPLICAS - 1))
    def a_replica_dies_and_another_starts(self, number: int) -> None:
        async def step() -> None:
            self.tasks[number].cancel()
            with suppress(asyncio.CancelledError):
                await self.tasks[number]
            self.tasks[number] = self._replica(number)

        self.run(step())

    @rule(
        which=st.integers(0, 50),
        status=st.sampled_from(["sent", "delivered", "read", "failed", "echo", "watermark"]),
        by_reference=st.booleans(),
    )
    def the_provider_tells(self, which: int, status: str, by_reference: bool) -> None:
        calls = [call for call in self.provider.calls if call.has_it]
        if not calls:
            return
        call = calls[which % len(calls)]
        named = None if by_reference else name_of(call.reference)
        reference = call.reference if by_reference else None
        item: StatusReport | Echo
        if status == "echo":
            item = Echo(
                account_id="1", provider_message_id=name_of(call.reference), counterpart="anna", reference=reference
            )
        elif status == "watermark":
            item = StatusReport(account_id="1", status="read", up_to_ms=call.at_ms, counterpart=call.counterpart)
        else:
            item = StatusReport(account_id="1", status=status, provider_message_id=named, reference=reference)  # type: ignore[arg-type]  # hypothesis forgets the words

        async def step() -> None:
            async with self.store.transaction(EVERY_TENANT) as tx:
                await Outgoings().told(tx, LINE, [item], self.clock.now_ms())

        self.run(step())

    @rule(which=st.integers(1, 20))
    def an_agent_sends_again(self, which: int) -> None:
        self.resends += 1

        async def step() -> None:
            async with self.store.transaction(EVERY_TENANT) as tx:
                await Outgoings().again(
                    tx,
                    "acme",
                    f"m{which}",
                    request_id=f"r{self.resends}",
                    agent_id="ada",
                    now_ms=self.clock.now_ms(),
                )

        self.run(step())

    @invariant()
    def the_provider_is_asked_in_order_and_never_blindly_again(self) -> None:
        if not hasattr(self, "store"):
            return
        furthest: dict[str, int] = {}
        asked: set[str] = set()
        for call in self.provider.calls:
            again = call.reference in asked
            assert call.number >= furthest.get(call.counterpart, 0), "overtaken"
            furthest[call.counterpart] = call.number
            if again and not self.provider.capabilities.idempotent:
                times = [each for each in self.provider.calls if each.reference == call.reference]
                assert not any(each.has_it for each in times[:-1]), "sent twice"
            asked.add(call.reference)
        assert self.provider.pairs_together == []
        assert self.provider.together <= ACCOUNT_SENDS_MAX

    @invariant()
    def no_attempt_follows_one_whose_fate_is_unknown(self) -> None:
        if not hasattr(self, "store") or self.provider.capabilities.idempotent:
            return
        attempts: dict[str, int] = {}
        for call in self.provider.calls:
            attempts[call.reference] = attempts.get(call.reference, 0) + 1
        for reference, times in attempts.items():
            told_not = sum(1 for each, _ in self.provider.certainly_not if each == reference)
            assert times - told_not <= 1

    @invariant()
    def no_rate_is_exceeded(self) -> None:
        if not hasattr(self, "store"):
            return
        instants = [call.at_ms for call in self.provider.calls]
        for place, at_ms in enumerate(instants):
            assert sum(at_ms <= each < at_ms + 1000 for each in instants[place:]) <= ACCOUNT_PER_SECOND
        for counterpart in ("anna", "bob"):
            mine = [call.at_ms for call in self.provider.calls if call.counterpart == counterpart]
            for first, third in zip(mine, mine[PAIR_BURST:], strict=False):
                assert third - first >= PAIR_EVERY_MS - 1

    @invariant()
    def what_the_provider_does_not_want_yet_waits(self) -> None:
        if not hasattr(self, "store"):
            return
        for counterpart, since_ms, after_ms in self.provider.blocked:
            if counterpart:
                meant = [call for call in self.provider.calls if call.counterpart == counterpart]
                early = [call for call in meant if since_ms < call.at_ms < since_ms + after_ms]
                assert early == [] or not self.kept_by_the_store(since_ms)

    def kept_by_the_store(self, since_ms: int) -> bool:
        """A replica that died with the answer could not keep it."""
        return any(rate.blocked_until_ms >= since_ms + 4000 for rate in self.store.database.tables.rates.values())

    @invariant()
    def nothing_goes_back(self) -> None:
        if not hasattr(self, "store"):
            return
        order = ("pending", "sending", "unknown", "sent", "failed", "delivered", "read")
        for row in self.store.database.tables.outgoings.values():
            rank = max(order.index(row.state) - 1, 0)
            assert rank >= self.ranks.get(row.outgoing_id, 0)
            self.ranks[row.outgoing_id] = rank
            if row.state in ("delivered", "read"):
                assert row.payload is None
            elif row.state != "sent":
                assert row.payload is not None

    @override
    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        try:
            self.provider.moods.clear()
            self.run(self._settle_all())
            self.everything_is_settled()
            self.the_provider_is_asked_in_order_and_never_blindly_again()
            self.no_attempt_follows_one_whose_fate_is_unknown()
            self.no_rate_is_exceeded()
            self.what_the_provider_does_not_want_yet_waits()
        finally:
            self.runner.close()

    async def _settle_all(self) -> None:
        for _ in range(SETTLES_SECONDS_MAX // 60):
            if not any(row.state in ("pending", "sending") for row in self.store.database.tables.outgoings.values()):
                break
            await self.clock.sleep(60)
        self.stop.set()
        await asyncio.gather(*self.tasks)

    def everything_is_settled(self) -> None:
        rows = list(self.store.database.tables.outgoings.values())
        assert {row.state for row in rows} <= {"sent", "delivered", "read", "failed", "unknown"}
        for row in rows:
            times = [call for call in self.provider.calls if call.reference == row.outgoing_id]
            if row.state == "sent":
                assert any(call.has_it for call in times)
        for call in self.provider.calls:
            row = self.store.database.tables.outgoings["acme", call.reference]
            if call.has_it:
                assert row.state != "pending"
        told: dict[str, str] = {}
        for kept in self.store.database.outbox.rows:
            event = decode(kept.outgoing.value, kept.outgoing.headers)
            assert isinstance(event.data, MessageStatusChanged)
            # a part that was unknown may be told of while the last still waits, and then that one becomes unknown
            once = told.get(event.data.message_id) != event.data.status or event.data.status == "unknown"
            assert once or self.resends
            told[event.data.message_id] = event.data.status
        for message_id in {row.message_id for row in rows}:
            assert told[message_id] == message_status(row for row in rows if row.message_id == message_id)


Machine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestMachine = pytest.mark.timeout(300)(Machine.TestCase)  # what fails is made small first, and then told


def test_the_instants_of_the_samples_are_those_of_the_clock() -> None:
    assert VirtualClock().now_ms() == FIRST_INSTANT_MS
