"""Timers that mean nothing any more are forgotten early, in small steps, and nobody notices."""

from random import Random

import pytest
from contracts.configuration import Domain
from contracts.routing_parts import Step
from router.domain.snapshot import dump
from router.domain.state import timers_of
from router.domain.timer_heap import ROOM, SWEPT, Timer, TimerHeap
from router.testing.parts import DOMAIN, address, plan, queue
from router.testing.story import Story
from router.testing.walk import Walk


def timer(at_ms: int, number: int) -> Timer:
    return (at_ms, "step", "acme/main", f"t{number}", "")


@pytest.mark.parametrize("seed", range(5))
def test_the_next_timer_is_the_least_that_holds_whatever_was_forgotten(seed: int) -> None:
    chance = Random(seed)
    heap, holding = TimerHeap(), dict[Timer, bool]()
    for number in range(6 * ROOM):
        added = timer(chance.randint(0, 500), number)
        holding[added] = chance.random() < 0.3
        for _ in range(chance.choice((1, 1, 2))):
            heap.add(added, holding.__getitem__)
        if number % 500 == 0:
            found = heap.first(holding.__getitem__)
            assert found == min((each for each, holds in holding.items() if holds), default=None)
            if found is not None:
                holding[found] = False

    assert len(heap) <= 3 * sum(holding.values()) + 2 * ROOM


def test_a_sweep_has_no_pause_however_many_timers_there_are() -> None:
    heap = TimerHeap()
    looks = []

    def holds(_: Timer) -> bool:
        looks.append(1)
        return False

    for number in range(20 * ROOM):
        looks.clear()
        heap.add(timer(10**9 + number, number), holds)
        assert len(looks) <= SWEPT

    assert len(heap) <= 2 * ROOM


def test_a_timer_that_was_set_again_and_again_is_kept_once() -> None:
    heap = TimerHeap()
    for number in range(20 * ROOM):
        heap.add(timer(10**9, number % 100), lambda _: True)

    assert len(heap) <= 2 * ROOM


def test_steps_far_ahead_do_not_outlive_their_tasks_in_memory() -> None:
    told = Story(checker=None)
    told.configure(
        Domain(id=DOMAIN),
        plan("long", Step(after_seconds=86_400, priority_add=1)),
        queue("chats", plan="long"),
        address("chats"),
    )
    for number in range(3 * ROOM):
        told.start(f"i{number}")
        told.end(f"i{number}")
    told.start("last")

    assert len(told.state.timers) <= 2 * ROOM
    assert told.state.next_due_ms() == told.domain.tasks["last.t1"].terms.next_step_at_ms


def test_busy_days_are_the_same_with_sweeps_all_the_time() -> None:
    fewer = 0
    for seed in range(10, 20):
        swept, plain = Walk(Random(seed)), Walk(Random(seed))
        swept.told.state.timers = TimerHeap(timers_of(swept.told.domain), room=0)
        for _ in range(150):
            swept.step()
            plain.step()
        assert dump(swept.told.state) == dump(plain.told.state)
        fewer += len(plain.told.state.timers) - len(swept.told.state.timers)

    assert fewer > 0


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_forgotten_after_a_sweep_that_ended_as_its_timers_had_their_turn(seed: int) -> None:
    chance = Random(seed)
    heap, holding = TimerHeap(room=0), set[Timer]()
    for number in range(2000):
        added = timer(number + chance.choice((1, 5, 300)), number)
        holding.add(added)
        heap.add(added, holding.__contains__)
        for each in [each for each in holding if each[0] <= number or chance.random() < 0.05]:
            holding.discard(each)

        assert heap.first(holding.__contains__) == min(holding, default=None)
