"""What is delivered when, and what breaks meanwhile. Pure, but for the chance that is given."""

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from centralino.providers.catalogue import VENDORS

ADDRESSES: Final = tuple(VENDORS)
"""Each simulated provider has one, called as it."""
CUSTOMERS_SHARE: Final = 0.05
"""Of all deliveries: each of them writes twenty times or so, the first of which opens a conversation."""
STATUS_SHARE: Final = 0.08
BATCH_SHARE: Final = 0.04
BATCH: Final = 3
PAIR_SHARE: Final = 0.03
"""Come at once with the one before, and are of its customer."""
TWIN_SHARE: Final = 0.1
"""Of the duplicates come at once with what they repeat."""
REPLICAS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Of a storm."""

    deliveries: int = 100_000
    """Duplicates among them."""
    rate: float = 100.0
    """A second, at even steps."""
    duplicates: float = 0.05
    shuffle_seconds: float = 60.0
    """None comes farther than this from its own turn."""
    kills: int = 5
    restarts: int = 2
    outage_seconds: float = 10.0
    """How long the broker is away before it is started again."""
    real_kafka: bool = True
    seed: int = 1

    @property
    def seconds(self) -> float:
        """From the first delivery to the last."""
        return self.deliveries / self.rate


Kind = Literal["message", "batch", "status"]


@dataclass(frozen=True, slots=True)
class Content:
    """Of a delivery: one text of each of these customers of the address, or a report to the first."""

    kind: Kind
    address: str
    customers: tuple[int, ...]
    with_previous: bool


@dataclass(frozen=True, slots=True)
class Blow:
    """Something breaks, or comes back; `replica` is that of a kill."""

    at_seconds: float
    kind: Literal["kill", "stop_kafka", "start_kafka"]
    replica: int = 0


def customers_of(size: Size) -> int:
    """Of each address."""
    return max(BATCH, round(size.deliveries * CUSTOMERS_SHARE / len(ADDRESSES)))


def contents(size: Size, chance: Random) -> list[Content]:
    """All that differ, in the order in which customers spoke."""
    found: list[Content] = []
    people = range(customers_of(size))
    for _ in range(size.deliveries - round(size.deliveries * size.duplicates)):
        if found and found[-1].kind == "message" and chance.random() < PAIR_SHARE:
            found.append(Content("message", found[-1].address, found[-1].customers, with_previous=True))
            continue
        address, kind = chance.choice(ADDRESSES), _kind(chance)
        if kind == "batch" and "batch" not in VENDORS[address].can:
            kind = "message"
        customers = tuple(chance.sample(people, BATCH if kind == "batch" else 1))
        found.append(Content(kind, address, customers, with_previous=False))
    return found


def turns(size: Size, planned: list[Content], chance: Random) -> list[int]:
    """The number of the content that each turn of 1/rate seconds delivers; a duplicate is a number that comes again."""
    keys: list[float] = []
    for number, content in enumerate(planned):
        base = number * size.seconds / len(planned)
        keys.append(keys[-1] if content.with_previous else base + chance.uniform(0, size.shuffle_seconds))
    keyed = list(zip(keys, range(len(planned)), strict=True))
    for number in chance.choices(range(len(planned)), k=size.deliveries - len(planned)):
        base = number * size.seconds / len(planned)
        twin = chance.random() < TWIN_SHARE
        keyed.append((keys[number] if twin else base + chance.uniform(0, size.shuffle_seconds), number))
    return [number for _, number in sorted(keyed)]


def blows(size: Size) -> list[Blow]:
    """Kills and outages at even steps; replicas take turns. The kill that is nearest to the last outage is amid it."""
    outages = [size.seconds * (number + 0.5) / size.restarts for number in range(size.restarts)]
    kills = [size.seconds * (number + 0.5) / size.kills for number in range(size.kills)]
    if outages and kills:
        nearest = min(range(len(kills)), key=lambda number: abs(kills[number] - outages[-1]))
        kills[nearest] = outages[-1] + size.outage_seconds / 2
    struck = [Blow(at, "kill", number % REPLICAS) for number, at in enumerate(kills)]
    struck += [Blow(at, "stop_kafka") for at in outages]
    struck += [Blow(at + size.outage_seconds, "start_kafka") for at in outages]
    return sorted(struck, key=lambda blow: blow.at_seconds)


def _kind(chance: Random) -> Kind:
    drawn = chance.random()
    if drawn < STATUS_SHARE:
        return "status"
    return "batch" if drawn < STATUS_SHARE + BATCH_SHARE else "message"
