"""Upgrades: what the releases before have written is read, and routing goes on from it.

`golden/format_1.*` are of 0.1.0, made by its own code: a journal from its beginning, and the snapshot of its end. In
them tasks wait, are offered, assigned, in wrap-up and refused, one in a queue that was removed; one interaction is
parked; an agent's grace runs; another engine has taken over.

`golden/format_2.snapshot.json` is of a state between 0.1.0 and the release after it, without what came later in that
format; an override is on. `golden/format_3.snapshot.json` is of this release. A change after which it does not load, or
not as it was, needs another format: make one, never renew this file.
"""

import json
from pathlib import Path
from typing import Any  # Any: decoded JSON

import pytest
from contracts.topics import ROUTING_JOURNAL
from router.domain.decide import decide
from router.domain.inputs import TimersDue
from router.domain.snapshot import dump, load
from router.domain.state import State
from router.engine.journal import JournalFold
from router.testing.checker import Checker
from router.testing.parts import DOMAIN, queue
from router.testing.story import TENANT, Story
from servicekit.ports import Record

GOLDEN = Path(__file__).parent / "golden"
SNAPSHOT = (GOLDEN / "format_1.snapshot.json").read_bytes()
JOURNAL = (GOLDEN / "format_1.journal.jsonl").read_bytes().splitlines()
KEY = f"{TENANT}/{DOMAIN}"


def folded(upto: int | None = None) -> JournalFold:
    """The old journal, by this release's fold."""
    fold = JournalFold()
    for offset, value in enumerate(JOURNAL[:upto]):
        fold.apply(Record(ROUTING_JOURNAL.name, 0, offset, None, value, (), 0))
    return fold


def kept(state: State) -> dict[str, Any]:
    """What the old release knew of a state."""
    plain: dict[str, Any] = json.loads(dump(state))
    for domain in plain["domains"]:
        del domain["offers_made"]
        for agent in domain["agents"]:
            del agent["turn"], agent["time"]
        for line in domain["queues"]:
            del line["waits_ms"], line["positions"], line["measured"], line["settings"]["name"]
        for task in domain["tasks"]:
            del task["expected_wait_ms"], task["decision"], task["waits_since_ms"]
    return plain


def test_the_old_journal_folds_to_what_the_old_snapshot_holds() -> None:
    assert folded().void == 0
    assert kept(folded().state) == kept(load(SNAPSHOT))


def test_the_old_snapshot_holds_something_of_everything() -> None:
    state = load(SNAPSHOT)
    domain = state.domains[KEY]

    assert {task.state for task in domain.tasks.values()} == {"waiting", "offered", "assigned", "wrapup"}
    assert any(task.refused_by for task in domain.tasks.values())
    assert [line.queue for line in domain.queues.values() if line.removed] == ["gone"]
    assert any(agent.grace_ends_at_ms for agent in domain.agents.values())
    assert state.domains[f"{TENANT}/acme.other"].parked.keys() == {"elsewhere"}
    assert len(domain.offers) == sum(task.state == "offered" for task in domain.tasks.values())


def test_it_is_written_in_this_releases_format() -> None:
    state = load(SNAPSHOT)

    assert load(dump(state)) is not state
    assert dump(load(dump(state))) == dump(state)
    assert b'"format":3' in dump(state)


def test_who_was_first_in_line_still_is() -> None:
    """Priority before waiting time, as 0.1.0 had it."""
    waiting = [task for task in load(SNAPSHOT).domains[KEY].tasks.values() if task.state == "waiting"]

    by_place = [task.task_id for task in sorted(waiting, key=lambda task: task.place)]
    as_before = sorted(waiting, key=lambda task: (-task.priority, task.queued_at_ms, task.task_id))

    assert by_place == [task.task_id for task in as_before]
    assert len({task.priority for task in waiting}) > 1


def test_both_decide_the_same_from_there_on() -> None:
    later_ms = folded().now_ms + 40_000
    by_snapshot, by_journal = load(SNAPSHOT), folded().state

    assert by_snapshot.next_due_ms() == by_journal.next_due_ms()
    assert decide(by_snapshot, TimersDue(), later_ms) == decide(by_journal, TimersDue(), later_ms)


def test_routing_goes_on_from_an_old_snapshot() -> None:
    before = load(SNAPSHOT)
    tasks = {task.task_id: str(task.state) for domain in before.domains.values() for task in domain.tasks.values()}
    told = Story(
        now_ms=folded().now_ms,
        state=load(SNAPSHOT),
        checker=Checker(state=before, tasks=tasks),
        reruns=True,
        version=before.domains[KEY].version,
        commands_given=1000,
    )

    told.configure(queue("calls", "chat:3", parallel_offers=2))
    told.seen("ann", "bob", "cid")
    told.set_state("bob", ready=True)
    for _ in range(20):
        for offer_id, task in sorted(told.domain.offers.items()):
            if offer_id in told.domain.offers:
                told.accept(task.offer_of(offer_id).agent_id, offer_id)
        for assignment_id, task in sorted(told.domain.assignments.items()):
            if task.assigned is not None:
                told.complete(task.assigned.agent_id, assignment_id)
        told.wait(5)
        told.seen("ann", "bob", "cid")

    assert {task.queue for task in told.domain.tasks.values()} == {"gone"}


def test_a_snapshot_from_between_the_releases_is_read_with_what_holds_where_nothing_is_known() -> None:
    state = load((GOLDEN / "format_2.snapshot.json").read_bytes())
    domain = state.domains[KEY]

    waiting = [task for task in domain.tasks.values() if task.state == "waiting" and task.deferred_for is None]
    assert domain.leavers == []
    assert [(task.priority, task.base_priority) for task in waiting] == [(7, 5)] * 4

    told = Story(now_ms=1_700_000_017_000, state=state, checker=None, reruns=True)
    told.wait(50)  # the override ends, and steps of the plan have added 2 and 1
    assert [(task.priority, task.base_priority) for task in waiting] == [(8, 8), (8, 8), (7, 7), (7, 7)]


def test_a_snapshot_of_this_format_is_read_as_it_was_written() -> None:
    golden = (GOLDEN / "format_3.snapshot.json").read_bytes()
    state = load(golden)

    assert contains(json.loads(dump(state)), json.loads(golden))
    domain = state.domains[KEY]
    assert {task.state for task in domain.tasks.values()} == {"waiting", "offered", "assigned", "wrapup"}
    assert {task.deferred_for for task in domain.tasks.values()} >= {"parked", "scheduled", "closed"}
    assert domain.transfers
    assert any(task.given_at_ms for task in domain.tasks.values())


def contains(plain: Any, part: Any) -> bool:
    """Whether everything of the part is in it; fields may have come."""
    if isinstance(part, dict):
        return all(name in plain and contains(plain[name], value) for name, value in part.items())
    if isinstance(part, list):
        return len(plain) == len(part) and all(map(contains, plain, part))
    return bool(plain == part)


@pytest.mark.parametrize("where", ["leavers", "settings", "tasks"])
def test_a_snapshot_that_lacks_something_is_refused_and_says_what_to_do(where: str) -> None:
    content = json.loads(dump(load(SNAPSHOT)))
    del content["domains"][0][where]

    with pytest.raises(ValueError, match=f"no '{where}'.*journal from its beginning.*the release that wrote it"):
        load(json.dumps(content).encode())


@pytest.mark.parametrize("number", [0, 4, None])
def test_a_format_of_nobody_is_refused(number: int | None) -> None:
    with pytest.raises(ValueError, match=f"snapshot format {number}, this release reads up to 3"):
        load(json.dumps({"format": number}).encode())
