"""The router's busy days by a seed, read as a journal: the checker finds nothing, and folds the engine's own views."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any  # Any: tests set fields of events by name

import msgspec
import pytest
from centralino.proof.folded_views import FoldedViews
from centralino.proof.history import History, Stood, Tables
from centralino.proof.journal import counted
from centralino.proof.routing import Routing
from centralino.proof.samples import view_of
from centralino.proof.testing import interaction_started
from contracts import Event
from contracts.assignments import AssignmentCapacityChanged
from contracts.configuration import Domain
from contracts.configuration_records import ConfigurationRecord
from contracts.tasks import TaskTransferredOut, TaskUnassigned
from contracts.topics import CONFIG, INTERACTIONS, ROUTING_EVENTS, ROUTING_JOURNAL
from router.domain.facts import Fact, decode_facts, encode_facts, is_public
from router.domain.internal import ConfigurationRecordApplied
from router.domain.state import State
from router.engine.journal import BatchRecord, JournalFold, decode_record
from router.engine.views import all_views
from router.testing.checker import Checker
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import TENANT, Story
from router.testing.supervised_walk import Choices
from router.testing.walk import Walk
from servicekit.ports import Partition, Record
from typing_extensions import override

STEPS = 120
KEY = f"{TENANT}/{DOMAIN}"


@dataclass(slots=True)
class Recorder(Checker):
    """Keeps what happens as a journal: an input is a batch."""

    journal: list[Record] = field(default_factory=list)
    now_ms: int = 0
    _facts: list[Fact] = field(default_factory=list)
    _epoch: int = -1
    _number: int = 0

    @override
    def read(self, fact: Fact, now_ms: int) -> None:
        self._facts.append(fact)
        self.now_ms = now_ms

    @override
    def check(self, live: State) -> None:
        self._number += 1
        self._append(
            kind="batch",
            epoch=self._epoch,
            number=self._number,
            causes=[],
            now=self.now_ms,
            facts=encode_facts(self._facts),
            origins=[[len(self._facts), None, None]],
            published=0,
        )
        self._facts.clear()

    def take_over(self) -> None:
        self._epoch, self._number = len(self.journal), 0
        self._append(kind="epoch", owner="o", nonce="n", generation=1)

    def _append(self, **entry: object) -> None:
        value = msgspec.json.encode(entry)
        self.journal.append(Record(ROUTING_JOURNAL.name, 0, len(self.journal), None, value, (), self.now_ms))


class Day(Walk):
    """A walk that is recorded."""

    def __init__(self, chance: Choices, *, changes: bool) -> None:
        self.recorder = Recorder()
        super().__init__(chance)
        if not changes:
            del self.moves[self.change]

    @override
    def configure(self) -> None:
        self.told.checker = self.recorder
        self.recorder.take_over()
        super().configure()

    @override
    def take_over(self) -> None:
        self.recorder.take_over()
        super().take_over()


def lived(seed: int, *, changes: bool) -> Day:
    day = Day(Random(seed), changes=changes)
    for _ in range(STEPS):
        day.step()
    return day


def history_of(day: Day) -> History:
    """What is public of it, and its configuration."""
    return history_of_journal(day.recorder.journal, interactions=day.interactions + 1)


def history_of_journal(journal: Sequence[Record], *, interactions: int) -> History:
    """All of these began, whatever the journal says."""
    routing: list[Stood] = []
    configuration: list[Stood] = []
    for record in journal:
        facts = facts_of(record)
        public = [fact.data for fact in facts if is_public(fact.data)]
        for index, data in enumerate(public):
            sequence = f"0001-{record.offset:015d}-{index:05d}"
            routing.append(stood(ROUTING_EVENTS.name, len(routing), data, sequence))
        for fact in facts:
            if isinstance(fact.data, ConfigurationRecordApplied):
                configuration.append(stood(CONFIG.name, len(configuration), fact.data.record))
    ids = [f"i{number}" for number in range(1, interactions + 1)]
    return History(
        journal=journal,
        routing=routing,
        interactions=[stood(INTERACTIONS.name, at, interaction_started(name)) for at, name in enumerate(ids)],
        messages=[],
        configuration=configuration,
        malformed=[],
        dead_letters=[],
        accepted=[],
        tables=Tables(gateway=[], crm=[], crm_tasks={}),
    )


def facts_of(record: Record) -> list[Fact]:
    entry = decode_record(record)
    return decode_facts(entry.facts) if isinstance(entry, BatchRecord) else []


def stood(topic: str, offset: int, data: object, sequence: str | None = None) -> Stood:
    event = Event(id=f"e{offset}", source="/t", tenant_id=TENANT, subject="s", time_ms=0, data=data, sequence=sequence)
    return Stood(Partition(topic, 0), offset, event, 0)


@pytest.mark.parametrize("seed", range(40))
def test_the_checker_finds_nothing_in_a_busy_day(seed: int) -> None:
    routing = Routing(history_of(lived(seed, changes=True)))
    routing.read()

    assert [str(fault) for fault in routing.faults] == []
    assert len(routing.tasks) > 8


@pytest.mark.parametrize("seed", range(100))
def test_the_folded_views_are_the_engines_after_every_batch(seed: int) -> None:
    day = lived(seed, changes=False)
    history = history_of(day)
    theirs, ours = JournalFold(), FoldedViews(history, DOMAIN)
    for record, entry in zip(day.recorder.journal, counted(day.recorder.journal), strict=True):
        theirs.apply(record)
        ours.take(entry)
        if KEY in theirs.state.domains:
            shown = all_views(theirs.state, theirs.sequences)[KEY]
            expected = {
                kind: {name: view_of(view) for name, view in views.items() if view} for kind, views in shown.items()
            }

            assert ours.views() == expected, f"after {record.offset}"


def test_what_no_day_leads_to_is_folded_too() -> None:
    """Facts by hand: an idle customer's task, one that is given back, one that leaves its owner."""
    told = Story(checker=(recorder := Recorder()))
    recorder.take_over()
    told.configure(Domain(id=DOMAIN, idle_reset_by=[]), queue("calls"), agent("ann", capacity=3), address("calls"))
    told.set_state("ann", ready=True)
    ready_at_ms = told.now_ms
    told.wait(5)
    told.seen("ann")
    seen_at_ms = told.now_ms
    for name in ("i1", "i2"):
        told.start(name)
        told.accept("ann", f"{name}.t1.o1")
    of_one: dict[str, Any] = {"task_id": "i1.t1", "interaction_id": "i1", "domain": DOMAIN, "queue": "calls"}
    of_it = of_one | {"assignment_id": "i1.t1.o1.a", "agent_id": "ann"}
    silent = AssignmentCapacityChanged(**{k: of_it[k] for k in of_it if k != "queue"}, counted=False, changed_at_ms=0)
    parked = TaskUnassigned(**of_it, reason="parked", queued_at_ms=0, unassigned_at_ms=7, handled_ms=0)
    left = TaskTransferredOut(
        **{k: v.replace("i1", "i2") for k, v in of_it.items()},
        to="finished",
        reason="by_supervisor",
        transferred_at_ms=9,
        waited_ms=0,
    )
    base = len(recorder.journal)
    for data in (silent, parked, left):
        recorder.read(Fact(TENANT, data), told.now_ms)
        recorder.check(told.state)

    def shown(upto: int, *, resets: bool = False) -> tuple[object, ...]:
        history = history_of_journal(recorder.journal, interactions=2)
        if resets:
            history = replace(history, configuration=[each for each in history.configuration if not _domain(each)])
        folded = FoldedViews(history, DOMAIN)
        for entry in counted(recorder.journal[:upto]):
            folded.take(entry)
        views = folded.views()
        ann = views["agents"]["ann"]
        return ann["held"], ann["idle_since_ms"], ann["assignments"], views["queues"]["calls"]["waiting"]

    assert shown(base) == (2, seen_at_ms, ["i1.t1.o1.a", "i2.t1.o1.a"], 0)
    assert shown(base + 1) == (1, seen_at_ms, ["i1.t1.o1.a", "i2.t1.o1.a"], 0)
    assert shown(base + 2) == (1, seen_at_ms, ["i2.t1.o1.a"], 1)
    assert shown(base + 3) == (0, seen_at_ms, [], 1)
    assert shown(base + 2, resets=True) == (1, 7, ["i2.t1.o1.a"], 1)
    assert shown(base + 3, resets=True) == (0, 9, [], 1)
    assert ready_at_ms < seen_at_ms


def _domain(stood: Stood) -> bool:
    return isinstance(stood.event.data, ConfigurationRecord) and stood.event.data.kind == "domain"
