"""What requests and supervisors do on a busy day."""

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar  # Any: fields of commands and of parts of a configuration

from router.testing.story import Story

QUEUES: Final = ("calls", "chats", "mails", "sales")
AGENTS: Final = ("ann", "bob", "cid", "dee", "eve", "fay")
Thing = TypeVar("Thing")


class Choices(Protocol):
    """What a walk asks of a `random.Random`: the seed makes the day."""

    def random(self) -> float:
        """From 0 to below 1."""

    def randint(self, a: int, b: int) -> int:
        """From a to b."""

    def choice(self, seq: Sequence[Thing]) -> Thing:
        """One of them."""

    def choices(self, population: Sequence[Thing], weights: Sequence[int]) -> list[Thing]:
        """One of them, by weight."""

    def sample(self, population: Sequence[Thing], k: int) -> list[Thing]:
        """Several different ones."""


class SupervisedWalk:
    """The moves of `Walk` that no customer or agent makes."""

    chance: Choices
    told: Story
    interactions: int

    def request(self) -> None:
        """A callback, a case or a call to dial, now or later, for one agent or for all."""
        number = self.chance.randint(1, 30)
        self.told.request(
            f"task-{number}",
            kind=self.chance.choice(("callback", "case", "dial")),
            queue=self.chance.choice(QUEUES),
            interaction_id=f"i{self.chance.randint(1, 9)}" if number % 5 == 0 else f"of-task-{number}",
            in_seconds=self.chance.choice((0, 0, 5, 70)),
            agent_id=self.chance.choice((None, *AGENTS)),
            agent_only_seconds=self.chance.choice((0, 4, 60)),
            priority=self.chance.choice((None, None, 8)),
        )

    def callback(self) -> None:
        """A customer hangs up to be called, or has been called."""
        interaction = f"i{self.chance.randint(max(1, self.interactions - 8), self.interactions + 1)}"
        request = f"call-{self.told.now_ms}"
        self.told.callback(interaction, request_id=request, in_seconds=self.chance.choice((0, 0, 30)))
        self.told.end(interaction)

    def cancel_callback(self) -> None:
        """A customer does not want to be called any more, or never did."""
        live = {task.interaction_id for task in self.told.domain.tasks.values()}
        self.told.cancel_callback(self.chance.choice(sorted(live | {f"of-task-{self.chance.randint(1, 30)}"})))

    def override(self) -> None:
        """A supervisor closes or opens queues, or makes them more urgent."""
        self.told.override(
            self.chance.choice((None, *QUEUES)),
            closed=self.chance.random() < 0.3,
            message=self.chance.choice((None, "Closed.")),
            priority=self.chance.choice((None, 2, 9)),
            for_seconds=self.chance.choice((0, 8, 8, 100)),
        )

    def reroute(self) -> None:
        """A supervisor moves a task."""
        tasks = sorted(self.told.domain.tasks)
        if tasks:
            wanted: dict[str, list[Any]] = {
                "queue": [*QUEUES],
                "to_agent_id": [*AGENTS],
                "priority": [1, 9],
                "band": [0, 3],
            }
            self.told.reroute(self.chance.choice(tasks), **self.some(wanted, 2))

    def finish(self) -> None:
        """A supervisor ends a task, whatever its state."""
        tasks = sorted(self.told.domain.tasks)
        if tasks:
            self.told.finish(self.chance.choice(tasks))

    def some(self, fields: dict[str, list[Any]], most: int) -> dict[str, Any]:
        """Up to so many of the fields, each with one of its values."""
        names = self.chance.sample(sorted(fields), self.chance.randint(0, most))
        return {name: self.chance.choice(fields[name]) for name in names}
