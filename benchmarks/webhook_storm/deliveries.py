"""The deliveries of a storm: made and signed beforehand, and written where the sender reads them."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from centralino.providers.vendor import Vendor

from benchmarks.webhook_storm.plan import ADDRESSES, Content, Size, contents, customers_of, turns
from benchmarks.webhooks.customers import Customers
from benchmarks.webhooks.servers import as_bytes

Customer = tuple[str, int]
"""Address and number."""
PAUSE_SECONDS: Final = 20
"""Between making and sending them, about: some providers sign the instant, which the gateway believes for minutes."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One turn: when it is due, what it says, the request as bytes. Texts differ from each other everywhere."""

    due_seconds: float
    says: Mapping[str, Customer]
    request: bytes = field(repr=False)


class Writers:
    """The customers of all addresses. Their vendors' clock stands at the turn that is made."""

    def __init__(self, size: Size) -> None:
        self._began_ms = time.time_ns() // 1_000_000 + PAUSE_SECONDS * 1000
        self._now_ms = self._began_ms
        count = customers_of(size)
        self.of = {name: Customers(name, count, now_ms=lambda: self._now_ms) for name in ADDRESSES}

    def deliveries(self, size: Size) -> Iterator[Delivery]:
        """All turns in order."""
        chance = Random(size.seed)  # the same storm again
        planned = contents(size, chance)
        made: dict[int, Delivery] = {}
        for turn, number in enumerate(turns(size, planned, chance)):
            due_seconds = turn / size.rate
            self._now_ms = self._began_ms + round(due_seconds * 1000)
            first = made.get(number) or self._made(number, planned[number])
            made[number] = first
            yield Delivery(due_seconds, first.says, first.request)

    def _made(self, number: int, content: Content) -> Delivery:
        customers = self.of[content.address]
        if content.kind == "status":
            status = customers.status(content.customers[0])
            if status is not None:
                return Delivery(0, {}, as_bytes(status))
        says = {f"Where is my order {number}.{at}?": customer for at, customer in enumerate(content.customers)}
        parcel = customers.delivery([(customer, text) for text, customer in says.items()])
        return Delivery(0, {text: (content.address, customer) for text, customer in says.items()}, as_bytes(parcel))

    @property
    def vendors(self) -> list[Vendor]:
        """One of each address."""
        return [each.vendor for each in self.of.values()]


def write(deliveries: list[Delivery], path: Path) -> None:
    """Lines of JSON: when it is due, the request (its bytes as characters)."""
    with path.open("w") as file:
        for each in deliveries:
            file.write(json.dumps([each.due_seconds, each.request.decode("latin-1")]) + "\n")


def read(path: Path) -> list[tuple[float, bytes]]:
    """What `write` wrote."""
    with path.open() as file:
        return [(due, request.encode("latin-1")) for due, request in map(json.loads, file)]
