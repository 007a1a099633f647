"""Who is first in line: priority, aging, service levels, the longest wait."""

import pytest
from contracts.configuration import Domain
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story


def told(domain: Domain, **queues: object) -> Story:
    story = Story(reruns=True)
    parts = [queue(name, **settings) for name, settings in queues.items()]  # type: ignore[arg-type]  # by name
    story.configure(domain, *parts, address(*queues), agent("ann"))
    return story


def served(story: Story) -> list[str]:
    """The interactions in the order in which one agent gets them."""
    story.on_duty("ann")
    order = []
    while story.domain.offers:
        [offer_id] = story.domain.offers
        order.append(story.domain.offers[offer_id].interaction_id)
        story.accept("ann", offer_id)
        story.complete("ann", f"{offer_id}.a")
    return order


def test_a_freed_agent_takes_from_the_queue_that_is_furthest_beyond_its_service_level() -> None:
    story = told(
        Domain(id=DOMAIN),
        slow={"service_level": {"within_seconds": 300}},
        fast={"service_level": {"within_seconds": 20}},
    )
    story.start("slow", queue="slow")
    story.wait(60)
    story.start("fast", queue="fast")
    story.wait(30)

    assert served(story) == ["fast", "slow"]  # 10 s beyond its target, the other has 210 s left


def test_without_aging_a_higher_priority_goes_first_however_long_others_wait() -> None:
    story = told(Domain(id=DOMAIN), low={"priority": 1}, high={"priority": 2})
    story.start("old", queue="low")
    story.wait(3600)
    story.start("new", queue="high")

    assert served(story) == ["new", "old"]


@pytest.mark.parametrize(("seconds", "order"), [(59, ["new", "old"]), (61, ["old", "new"])])
def test_with_aging_a_point_of_priority_is_worth_so_many_seconds_of_waiting(seconds: int, order: list[str]) -> None:
    story = told(Domain(id=DOMAIN, aging_seconds_per_priority=60), low={"priority": 1}, high={"priority": 2})
    story.start("old", queue="low")
    story.wait(seconds)
    story.start("new", queue="high")

    assert served(story) == order


def test_a_band_goes_before_any_aging() -> None:
    story = told(Domain(id=DOMAIN, aging_seconds_per_priority=1), low={"band": 0}, high={"band": 1})
    story.start("old", queue="low")
    story.wait(3600)
    story.start("new", queue="high")

    assert served(story) == ["new", "old"]


def test_who_has_waited_the_longest_that_is_allowed_goes_before_any_band_and_nobody_starves() -> None:
    story = told(Domain(id=DOMAIN, longest_wait_seconds=600), low={"band": 0}, high={"band": 9})
    story.start("old", queue="low")
    story.wait(600)
    for number in range(3):
        story.start(f"new-{number}", queue="high")

    assert served(story)[0] == "old"
