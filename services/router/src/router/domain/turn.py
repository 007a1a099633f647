"""One call of `decide`: the facts so far, each folded as it is found."""

from typing import Final

from router.domain.facts import Fact, bytes_of
from router.domain.fold import fold, fold_in
from router.domain.state import DomainState, State
from router.domain.task import Task

FACTS_MAX: Final = 256
"""A call that has found so many facts starts nothing more of what can wait: a continuation timer goes on."""
FACTS_BYTES_MAX: Final = 40 * 1024
"""The same of bytes in the journal. What one task leads to has to fit a batch beside: with every field as long as it
may be that is eight times as much (`tests/engine/test_largest_decisions.py`)."""
FACTS_FEW: Final = 4
"""So few are not worth measuring."""


class Turn:
    """What an input leads to at one instant."""

    __slots__ = (
        "facts",
        "freed",
        "handovers",
        "looked",
        "measured",
        "now_ms",
        "placed_later",
        "size",
        "state",
        "touched",
    )

    def __init__(self, state: State, now_ms: int) -> None:
        self.state = state
        self.now_ms = now_ms
        self.facts: list[Fact] = []
        self.looked = 0
        """How many of them were looked through for what they mean to transfers."""
        self.measured = 0
        """How many of them `size` counts."""
        self.size = 0
        """Their bytes in the journal."""
        self.touched: dict[str, DomainState] = {}
        """Domains of which something became true, by key."""
        self.freed: list[tuple[str, str]] = []
        """Domain and agent: to be served once the input itself is decided."""
        self.handovers: list[tuple[str, str]] = []
        """Domain and task: a transfer's task that was accepted."""

        self.placed_later: list[Task] | None = None
        """While several tasks come to new terms: those to be offered when all of them have."""

    @property
    def full(self) -> bool:
        """Whether the rest has to wait for a continuation."""
        found = len(self.facts)
        if found <= FACTS_FEW or found >= FACTS_MAX:
            return found >= FACTS_MAX
        for number in range(self.measured, found):
            self.size += bytes_of(self.facts[number])
        self.measured = found
        return self.size >= FACTS_BYTES_MAX

    def emit(self, domain: DomainState, data: object) -> None:
        """This became true in the domain: the state has it at once."""
        if domain.key not in self.touched:
            self.touched[domain.key] = domain
            domain.lanes.note_closed()
        if self.state.domains.get(domain.key) is not domain:  # not part of the state yet
            self.emit_in(domain.tenant_id, data)
            return
        fold_in(self.state, domain, data, self.now_ms)
        self.facts.append(Fact(domain.tenant_id, data))

    def emit_in(self, tenant_id: str, data: object) -> None:
        """`emit` by the tenant's id; empty for what is of the whole partition."""
        fact = Fact(tenant_id, data)
        fold(self.state, fact, self.now_ms)
        self.facts.append(fact)
