"""Each queue's live counts: the same as the meter's and as a naive recount, and the same after a take-over."""

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from contracts.configuration import Domain
from contracts.meter import Key, Meter
from contracts.metrics import Counts
from contracts.metrics_oracle import Told, recounted
from router.domain.facts import Fact
from router.domain.live_counts import DAY_MS, RECENT_MS, STEP_MS, LiveCounts, day_of, recent_since_ms, summed
from router.domain.snapshot import dump, load
from router.testing.checker import Checker
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import TENANT, Story
from router.testing.walk import Walk
from typing_extensions import override

NOON_MS = 1_767_268_800_000


@dataclass(slots=True)
class Recording(Checker):
    """Keeps what it reads."""

    told: list[Told] = field(default_factory=list)

    @override
    def read(self, fact: Fact, now_ms: int) -> None:
        # The name is looked up: a dataclass with slots is another class than the one that `super()` means.
        Checker.read(self, fact, now_ms)
        self.told.append((fact.tenant_id, fact.data))


def recording(told: Story) -> Recording:
    """From now on."""
    assert told.checker is not None
    told.checker = found = Recording(state=told.checker.state, tasks=told.checker.tasks)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_meter_recount_and_live_counts_agree_on_a_busy_day(seed: int) -> None:
    day = Walk(Random(seed))
    heard = recording(day.told)
    for _ in range(150):
        day.step()
    meter = Meter()
    for tenant_id, data in heard.told:
        meter.fold(tenant_id, data)

    counted = {key: found for key, counts in meter.counts.items() if (found := counts.plain())}
    assert counted == recounted(heard.told)
    for name, line in day.told.domain.queues.items():
        if name not in _ever_removed(heard.told):
            today = day_of(line.measured.step_ms)
            steps = [plain for at_ms, plain in line.measured.steps() if at_ms >= today]
            expected = [each for key, each in counted.items() if (key.name, day_of(key.at_ms)) == (name, today)]
            assert summed([line.measured.earlier, *steps]) == summed(expected)


@pytest.mark.parametrize("seed", range(20, 32))
def test_the_meter_and_live_time_agree_on_what_agents_spent_the_day_with(seed: int) -> None:
    day = Walk(Random(seed), reruns=seed % 6 == 0)
    meter = Meter()
    for name, agent_ in day.told.domain.agents.items():  # the day has begun already
        if agent_.time is not None:
            meter.agents[TENANT, name] = replace(agent_.time)
    heard = recording(day.told)
    for moment in range(150):
        day.step()
        if moment == 75 and seed % 2:
            day.told.wait(2 * 3600)  # past midnight; hardly anybody is ready afterwards
    for tenant_id, data in heard.told:
        meter.fold(tenant_id, data)

    removed = _ever_removed(heard.told)
    times = {name: each.time for name, each in day.told.domain.agents.items() if each.time and name not in removed}
    for name, time in times.items():
        today = [each for key, each in meter.counts.items() if _is_of(key, name, day_of(time.since_ms))]
        assert (time.busy_ms, time.idle_ms) == (
            sum(each.busy_ms for each in today),
            sum(each.idle_ms for each in today),
        )
    assert any(counts.busy_ms or counts.idle_ms for counts in meter.counts.values())


def _is_of(key: Key, name: str, day_ms: int) -> bool:
    return (key.of, key.name, day_of(key.at_ms)) == ("agent", name, day_ms)


def _ever_removed(told: list[Told]) -> set[str]:
    """A queue that went with its last task begins anew when it is configured again."""
    records = [getattr(data, "record", None) for _, data in told]
    return {record.id.rpartition("/")[2] for record in records if record is not None and record.value is None}


def test_live_counts_are_part_of_the_state_and_survive_a_snapshot() -> None:
    told = Story(reruns=True)
    level = {"within_seconds": 20}
    told.configure(
        Domain(id=DOMAIN),
        queue("chats", service_level=level, short_abandon_seconds=2),
        address("chats"),
        agent("ann"),
    )
    told.on_duty("ann")
    told.start("i1", queue="chats")
    told.start("i2", queue="chats")
    told.wait(3)
    told.end("i2")
    [offer_id] = told.domain.offers
    told.accept("ann", offer_id)
    kept = load(dump(told.state))

    counts = kept.domains[told.domain.key].queues["chats"].measured.lately(told.now_ms)
    assert counts == told.domain.queues["chats"].measured.lately(told.now_ms)
    assert (counts.offered, counts.answered, counts.wait_ms, counts.abandoned) == (2, 1, 3_000, 1)
    assert (counts.within, counts.promised) == (1, 2)


def test_a_snapshot_without_live_counts_begins_to_count_anew() -> None:
    told = Story()
    told.configure(Domain(id=DOMAIN), queue("chats"), address("chats"))
    told.start("i1", queue="chats")
    without = dump(told.state).replace(b'"measured":', b'"unknown":')

    assert load(without).domains[told.domain.key].queues["chats"].measured == LiveCounts()


def test_what_is_recent_passes_and_stays_in_the_day() -> None:
    counts = LiveCounts()
    for minute in range(0, 120, 7):
        counts.at(NOON_MS + minute * 60_000).offered += 1
    now_ms = NOON_MS + 120 * 60_000

    assert counts.since_ms == NOON_MS
    assert counts.lately(now_ms).offered == len([m for m in range(0, 120, 7) if m >= 90])
    assert summed([counts.earlier, *(plain for _, plain in counts.steps())]).offered == 18
    assert len(counts.recent) <= RECENT_MS // STEP_MS
    assert counts.lately(now_ms + 2 * RECENT_MS) == Counts()


def test_a_new_day_begins_at_midnight_utc_and_the_last_half_hour_reaches_over_it() -> None:
    counts = LiveCounts()
    midnight_ms = day_of(NOON_MS) + DAY_MS
    counts.at(NOON_MS).offered += 1
    counts.at(midnight_ms - 60_000).offered += 1
    counts.at(midnight_ms + 60_000).offered += 1
    counts.at(midnight_ms + 2 * RECENT_MS).offered += 1

    assert counts.earlier == {"offered": 1}
    assert recent_since_ms(midnight_ms) == midnight_ms - RECENT_MS


def test_an_instant_before_the_newest_step_counts_in_that_one() -> None:
    counts = LiveCounts()
    counts.at(NOON_MS).offered += 1
    counts.at(NOON_MS - 600_000).offered += 1

    assert counts.steps() == [(NOON_MS, {"offered": 2})]
