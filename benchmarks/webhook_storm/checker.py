"""S6 for what customers wrote by providers: each message that was acknowledged is told exactly once, and in order."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from centralino.proof.faults import Fault
from centralino.proof.history import Said, Stood
from centralino.proof.messages import first_copies, order_faults
from contracts.interactions import InteractionStarted

from benchmarks.webhook_storm.deliveries import Customer

Told = Sequence[tuple[str, Said]]
"""First copies with their places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """A text that its customer wrote, over all its deliveries: when the first was first sent, when one was first
    acknowledged; none: never."""

    customer: Customer
    first_sent: float
    acked: float | None


def storm_faults(wrote: Mapping[str, Wrote], messages: Sequence[Stood], interactions: Sequence[Stood]) -> list[Fault]:
    """What is wrong in topics `messages` and `interactions`, where nobody ends a conversation and no agent writes.

    Texts know messages again, not ids, which what is tested makes. Each customer has one conversation, begun once;
    its numbers follow one another; who was acknowledged before another was first sent stands before it.
    """
    faults: list[Fault] = []
    told = first_copies(messages, faults)
    faults += order_faults(told, {})
    faults += _number_of_times(wrote, told)
    faults += _conversations(wrote, told, interactions)
    faults += _overtaken(wrote, told)
    return faults


def _number_of_times(wrote: Mapping[str, Wrote], told: Told) -> Iterator[Fault]:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for place, said in told:
        places[said.text].append(place)
        if said.text not in wrote:
            yield Fault("S6", place, f"{said.text!r} was written by nobody")
    for text, each in wrote.items():
        if len(places[text]) > 1:
            yield Fault("S6", places[text][1], f"{text!r} was told before, at {places[text][0]}")
        if each.acked is not None and not places[text]:
            yield Fault("S6", f"{each.customer}", f"{text!r} was acknowledged and is lost")


def _conversations(wrote: Mapping[str, Wrote], told: Told, interactions: Sequence[Stood]) -> Iterator[Fault]:
    of_customer: dict[Customer, str] = {}
    of_interaction: dict[str, Customer] = {}
    for place, said in told:
        if said.text in wrote:
            customer = wrote[said.text].customer
            if of_customer.setdefault(customer, said.interaction_id) != said.interaction_id:
                yield Fault("S6", place, f"{customer} has two conversations")
            if of_interaction.setdefault(said.interaction_id, customer) != customer:
                yield Fault("S6", place, f"{said.interaction_id} has words of two customers")
    begun: dict[str, str] = {}
    for stood in interactions:
        data = stood.event.data
        if isinstance(data, InteractionStarted):
            first = begun.setdefault(data.interaction_id, stood.event.id)
            if first != stood.event.id:
                yield Fault("S6", stood.place, f"{data.interaction_id} began twice")
    for interaction_id in of_interaction.keys() - begun.keys():
        yield Fault("S6", interaction_id, "has messages and never began")
    for interaction_id in begun.keys() - of_interaction.keys():
        yield Fault("S6", interaction_id, "began and has no message")


def _overtaken(wrote: Mapping[str, Wrote], told: Told) -> Iterator[Fault]:
    latest: dict[str, tuple[float, str]] = {}
    for place, said in sorted(told, key=lambda each: each[1].number):
        each = wrote.get(said.text)
        if each is None:
            continue
        before = latest.get(said.interaction_id, (each.first_sent, said.text))
        if each.acked is not None and each.acked < before[0]:
            yield Fault("S6", place, f"{said.text!r} was acknowledged before {before[1]!r} was sent, and stands behind")
        latest[said.interaction_id] = max(before, (each.first_sent, said.text))
