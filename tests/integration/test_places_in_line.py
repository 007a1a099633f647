"""The place in line that a caller is told is the one that the router's own explanation says."""

from random import Random
from typing import Final

import pytest
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from contracts.tasks import TaskAssigned
from router.domain.explain import explain_task
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import TENANT, Story
from voice_gateway.domain.places import Places

STEPS: Final = 120


class Walk:
    """Customers and one agent do something at random; no offer is left unanswered."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.told = Story()
        self.places = Places()
        self.calls = 0
        self.assignments: list[str] = []
        self.hear(
            self.told.configure(
                Domain(id=DOMAIN), queue("help"), queue("sales"), address("help", "sales"), agent("ada")
            )
        )
        self.told.on_duty("ada")
        self.told.set_state("ada", ready=False)

    def hear(self, happened: list[object]) -> None:
        for data in happened:
            self.places.heard(TENANT, data)
            if isinstance(data, TaskAssigned):
                self.assignments.append(data.assignment_id)
        for data in happened:
            if isinstance(data, OfferIssued):
                self.hear(self.told.accept("ada", data.offer_id))

    def step(self) -> None:
        self.hear(self.told.wait(1))
        self.hear(self.told.seen("ada"))
        {
            0: self.call,
            1: self.call,
            2: self.call,
            3: self.leave,
            4: self.move,
            5: self.serve,
            6: self.give_back,
            7: self.request,
        }[self.random.randrange(8)]()

    def call(self) -> None:
        self.calls += 1
        self.hear(self.told.start(f"i{self.calls}", queue=self.random.choice(("help", "sales"))))

    def request(self) -> None:
        self.hear(
            self.told.request(f"r{self.calls}-{self.told.now_ms}", queue="help", in_seconds=self.random.choice((0, 20)))
        )

    def leave(self) -> None:
        self.hear(self.told.end(f"i{self.random.randint(1, self.calls + 1)}"))

    def move(self) -> None:
        ways: list[dict[str, object]] = [{"priority": 9}, {"priority": 1}, {"queue": "sales"}, {"band": 2}]
        where = self.random.choice(ways)
        self.hear(self.told.reroute(f"i{self.random.randint(1, self.calls + 1)}.t1", **where))

    def serve(self) -> None:
        self.hear(self.told.set_state("ada", ready=True))
        self.hear(self.told.set_state("ada", ready=False))

    def give_back(self) -> None:
        if self.assignments:
            assignment_id, way = self.assignments.pop(), self.random.randrange(3)
            if way == 0:
                self.hear(self.told.connect(assignment_id, failure="busy"))
            elif way == 1:
                self.hear(self.told.park("ada", assignment_id, seconds=15))
            else:
                self.hear(self.told.complete("ada", assignment_id))


@pytest.mark.parametrize("seed", range(3))
def test_every_place_is_the_routers(seed: int) -> None:
    walk, compared = Walk(seed), 0
    for _ in range(STEPS):
        walk.step()
        for task_id in walk.told.domain.tasks:
            explained = explain_task(walk.told.domain, task_id, walk.told.now_ms)
            assert explained is not None
            assert walk.places.of(TENANT, task_id) == explained.position, task_id
            compared += explained.position is not None

    assert compared > STEPS
