"""A domain in which Ann has a customer, colleagues to ask, and short ways to read what happened."""

from collections.abc import Sequence
from typing import Final, TypeVar

from contracts.agents import CommandResult
from contracts.assignments import TransferChanged
from contracts.configuration import Domain
from contracts.offers import OfferIssued

from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story

T = TypeVar("T")
ANNS: Final = "i1.t1.o1.a"
"""Ann's assignment of the customer's first task."""


def anns_conversation(channel: str = "webchat") -> Story:
    """Ann has had i1 of the chats for half a minute; Bob knows billing, Cid Spanish, and Dee is of the second tier."""
    told = Story(reruns=True)
    told.configure(
        Domain(id=DOMAIN, presence_grace_seconds=10),
        queue("chats", "english", escalates_to="experts"),
        queue("billing", "billing:2"),
        queue("experts", "expert"),
        address("chats", "billing", "experts"),
        agent("ann", "english", capacity=2),
        agent("bob", "english", "billing:3"),
        agent("cid", "english", "spanish:4"),
        agent("dee", "expert"),
    )
    told.on_duty("ann")
    told.start("i1", channel=channel)
    told.wait(10)
    told.accept("ann", "i1.t1.o1")
    told.wait(30)
    told.on_duty("bob", "cid", "dee")
    return told


def consult(told: Story, agent_id: str = "bob") -> None:
    """Ann asks the agent for help, and has it."""
    told.transfer("ann", ANNS, kind="consult", to_agent_id=agent_id)
    told.accept(agent_id, "i1.t2.o1")


def of(happened: Sequence[object], kind: type[T]) -> list[T]:
    """The facts of this type."""
    return [data for data in happened if isinstance(data, kind)]


def only(happened: Sequence[object], kind: type[T]) -> T:
    """The one fact of this type."""
    [found] = of(happened, kind)
    return found


def moves(happened: Sequence[object]) -> list[tuple[str, str | None]]:
    """How transfers moved on, and why."""
    return [(changed.state, changed.reason) for changed in of(happened, TransferChanged)]


def refusal(happened: Sequence[object]) -> tuple[str, int] | None:
    """Why the command was refused, if it was."""
    found = only(happened, CommandResult).refusal
    return None if found is None else (found.code, found.http_status)


def offered_to(happened: Sequence[object]) -> list[tuple[str, str]]:
    """Which tasks were offered to whom."""
    return [(offer.task_id, offer.agent_id) for offer in of(happened, OfferIssued)]


def main_task(told: Story) -> str | None:
    """The task of i1 that further attention joins."""
    return told.domain.interactions["i1"].task_id
