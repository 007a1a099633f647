"""What happens in a trial: one seed, one plan. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from servicekit.testing.virtual import SeededChance
from typing_extensions import override

from centralino.services import ENGINE

Part = Literal["router-engine", "router-api", "chat-gateway", "crm", "kafka", "redis", "postgres"]
Kind = Literal["kill", "restart", "freeze", "mid-append", "empty", "read-only"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
ENGINES: Final = 2
LEASE_SECONDS: Final = 2.0
"""Of an engine's partition (CENTRALINO_OWNER_LEASE_SECONDS)."""
BROKER_FROZEN_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done to `part`, when, and for how long.

    kill: SIGKILL, and the supervisor starts it again. restart: asked to end, and started again. freeze: SIGSTOP, and
    SIGCONT after `seconds`; of engines the one that owns the story's partition, until another has taken over and
    `seconds` more. mid-append: the same of the engine while the broker is frozen too, from `lead_seconds` before until
    the lease has run out, so that appends are on their way. empty: FLUSHALL. read-only: for `seconds` Valkey is a
    replica, as after a failover.
    """

    seed: int
    part: Part
    kind: Kind
    at_share: float
    """Of the chats have begun when it happens..."""
    delay_seconds: float
    """...so long after the last of them."""
    seconds: float = 0.0
    lead_seconds: float = 0.0

    @override
    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        lead = f", {self.lead_seconds:.1f} s after the broker" if self.lead_seconds else ""
        when = f"when {self.at_share:.0%} of the chats have begun and {self.delay_seconds:.2f} s more"
        return f"seed {self.seed}: {self.kind} {self.part}{lasting}{lead}, {when}"


def cases(parts: Sequence[Part] = PARTS, kinds: Sequence[Kind] = KINDS) -> list[tuple[Part, Kind]]:
    """Every part with every kind that makes sense for it."""
    only = {"mid-append": ENGINE, "empty": "redis", "read-only": "redis"}
    return [(part, kind) for kind in kinds for part in parts if only.get(kind, part) == part]


def plan_of(seed: int, chosen: Sequence[tuple[Part, Kind]]) -> Plan:
    """The plan of a seed among these cases, which take turns: as many seeds as cases meet each of them once."""
    chance = SeededChance(seed)
    at_share, delay_seconds = chance.uniform(0.2, 0.8), chance.uniform(0, 1)
    longer, lead = chance.uniform(0, 1), chance.uniform(0, 1)
    part, kind = chosen[seed % len(chosen)]
    few = 3 + 5 * longer
    seconds = {"freeze": few, "read-only": few, "mid-append": 2 * longer}.get(kind, 0.0)
    if (part, kind) == ("kafka", "freeze"):
        seconds = BROKER_FROZEN_SECONDS
    return Plan(
        seed=seed,
        part=part,
        kind=kind,
        at_share=at_share,
        delay_seconds=delay_seconds,
        seconds=seconds,
        lead_seconds=0.5 + 2 * lead if kind == "mid-append" else 0.0,
    )
