"""L3: the views folded here are the engine's at every journal position, and each damaged view is found."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache

import pytest
from centralino.proof.folded_views import FoldedViews
from centralino.proof.history import History, Tables, read_history
from centralino.proof.journal import Batch, Position, counted
from centralino.proof.projection import current_again_ms, due_positions, projection_faults
from centralino.proof.samples import Sample, Views, view_of
from centralino.proof.simulation.plan import plan_of
from centralino.proof.simulation.services import World
from centralino.proof.simulation.story import PARTITION, PLACE, tell
from centralino.proof.tenant import DOMAIN
from centralino.proof.timing import Bounds, Trouble
from contracts.queues import AlertChanged
from contracts.topics import CONFIG, INTERACTIONS, MESSAGES, ROUTING_EVENTS, ROUTING_JOURNAL
from router.engine.journal import JournalFold
from router.engine.views import all_views

BOUNDS = Bounds()


@dataclass(frozen=True)
class Told:
    history: History
    views: Views
    position: int
    end_ms: int


@cache
def told(seed: int) -> Told:
    """A simulated story, and what stands in its Redis in the end."""
    worlds: list[World] = []

    def make_world(number: int) -> World:
        worlds.append(World(number))
        return worlds[-1]

    tell(replace(plan_of(seed), chats=12), make_world=make_world)
    kept = sorted(worlds[0].log.kept, key=lambda record: (record.topic, record.partition, record.offset))
    names = [topic.name for topic in (CONFIG, INTERACTIONS, MESSAGES, ROUTING_EVENTS, ROUTING_JOURNAL)]
    records = {name: [record for record in kept if record.topic == name] for name in names}
    nothing = Tables(gateway=[], crm=[], crm_tasks={})
    history = read_history(records, dead_letters=[], accepted=[], tables=nothing)
    views = {
        str(kind): {name: view_of(view) for name, view in shown.items()}
        for kind, shown in worlds[0].live.views(PLACE).items()
    }
    position = due_positions(history, DOMAIN)[-1][1]
    return Told(history, views, position, max(record.timestamp_ms for record in kept))


@pytest.mark.parametrize("seed", [3, 4])
def test_the_views_are_the_engines_at_every_position(seed: int) -> None:
    journal = [record for record in told(seed).history.journal if record.partition == PARTITION]
    theirs, ours = JournalFold(), FoldedViews(told(seed).history, DOMAIN)
    entries = {entry.position.offset: entry for entry in counted(journal)}
    compared = 0
    for record in journal:
        theirs.apply(record)
        entry = entries.get(record.offset)
        if entry is not None:
            ours.take(entry)
        if theirs.state.domains and theirs.state.domains[PLACE].configured:
            compared += 1
            shown = all_views(theirs.state, theirs.sequences)[PLACE]
            expected = {
                kind: {name: view_of(view) for name, view in views.items() if view} for kind, views in shown.items()
            }

            assert ours.views() == expected, f"after {record.offset}"
    assert compared > 40


def test_an_alert_that_stands_is_in_its_queue_s_view() -> None:
    folded = FoldedViews(told(3).history, DOMAIN)
    queue = min(folded.views()["queues"])
    raised = AlertChanged(
        alert="long",
        queue=queue,
        domain=DOMAIN,
        measure="waiting",
        raised=True,
        value=3,
        limit=2,
        changed_at_ms=5,
    )
    shown = []
    for offset, data in enumerate((raised, replace(raised, raised=False))):
        folded.take(Batch(0, Position(1, offset), 5, 5, [("t", "alert.changed", asdict(data))]))
        shown.append({name: view["alerts"] for name, view in folded.views()["queues"].items() if view["alerts"]})

    assert shown == [{queue: [asdict(raised)]}, {}]


def sample(story: Told, *, after_ms: int = 10_000) -> Sample:
    return Sample(story.end_ms + after_ms, story.position, json.loads(json.dumps(story.views)))


def faults_of(*samples: Sample, trouble: Trouble | None = None) -> list[str]:
    story = told(3)
    trouble = trouble or Trouble(story.end_ms, story.end_ms)
    return [str(fault) for fault in projection_faults(story.history, samples, DOMAIN, trouble, BOUNDS)]


def test_sound_views_have_no_fault() -> None:
    assert faults_of(sample(told(3))) == []


def _no_agent(views: Views) -> None:
    del views["agents"]["agent-0"]


def _somebody_else(views: Views) -> None:
    views["agents"]["agent-99"] = views["agents"]["agent-0"] | {"agent_id": "agent-99"}


def _other_state(views: Views) -> None:
    views["agents"]["agent-0"]["state"] = "not_ready"


def _held(views: Views) -> None:
    views["agents"]["agent-1"]["held"] = 1


def _idle(views: Views) -> None:
    views["agents"]["agent-1"]["idle_since_ms"] += 1


def _pending(views: Views) -> None:
    views["agents"]["agent-1"]["pending_state"] = "not_ready"


def _version(views: Views) -> None:
    views["domains"][DOMAIN]["version"] = 7


def _count(views: Views) -> None:
    views["queues"]["en"]["waiting"] = 1


def _ghost(views: Views) -> None:
    views["assignments"]["i.t1.o1.a"] = {"assignment_id": "i.t1.o1.a"}


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (_no_agent, "agents agent-0 is folded and not shown"),
        (_somebody_else, "agents agent-99 is shown and not folded"),
        (_other_state, "agents agent-0: state is not_ready, not ready"),
        (_held, "agents agent-1: held is 1, not 0"),
        (_idle, "agents agent-1: idle_since_ms is"),
        (_pending, "agents agent-1: pending_state is not_ready, not None"),
        (_version, f"domains {DOMAIN}: version is 7, not 1"),
        (_count, "queues en: waiting is 1, not 0"),
        (_ghost, "assignments i.t1.o1.a is shown and not folded"),
    ],
)
def test_each_damaged_view_is_named(damage: Callable[[Views], None], text: str) -> None:
    shown = sample(told(3))
    damage(shown.views)

    assert any(text in fault for fault in faults_of(shown))


def test_views_that_are_gone_or_behind_for_too_long_are_found() -> None:
    story = told(3)
    gone = Sample(story.end_ms + 5000, None, {"agents": {}, "queues": {}, "assignments": {}})
    late = sample(story, after_ms=41_000)

    assert faults_of(gone) == [
        "L3 at Redis: the views were never current again after the trouble, or not in the end",
    ]
    assert faults_of(gone, late) == ["L3 at Redis: the views were current again 41000 ms after the trouble"]
    assert faults_of(gone, late, trouble=Trouble(story.end_ms, story.end_ms + 40_000)) == []


def test_views_that_were_current_got_stuck_and_came_back_late_are_found() -> None:
    story = told(3)
    stuck = Sample(story.end_ms + 20_000, None, {"agents": {}, "queues": {}, "assignments": {}})
    late = "L3 at Redis: the views were current again 41000 ms after the trouble"

    assert faults_of(sample(story), stuck, sample(story, after_ms=41_000)) == [late]
    assert faults_of(sample(story), stuck)[0].startswith("L3 at Redis: the views were never current again")


def test_views_behind_the_journal_are_not_current() -> None:
    story = told(3)
    due = due_positions(story.history, DOMAIN)
    behind = replace(sample(story), position=due[-1][1] - 1)

    assert current_again_ms(due, [behind], Trouble(0, 0)) is None
    assert current_again_ms(due, [behind, sample(story)], Trouble(0, 0)) == story.end_ms + 10_000
