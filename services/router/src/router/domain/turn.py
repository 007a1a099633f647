"""One call of `decide`: the facts so far, each folded as it is found."""

from typing import Final

from router.domain.facts import Fact
from router.domain.fold import fold
from router.domain.state import DomainState, State
from router.domain.task import Task

FACTS_MAX: Final = 256
"""A call that has found so many facts starts nothing more of what can wait: a continuation timer goes on."""


class Turn:
    """What an input leads to at one instant."""

    __slots__ = ("facts", "freed", "handovers", "looked", "now_ms", "placed_later", "state", "touched")

    def __init__(self, state: State, now_ms: int) -> None:
        self.state = state
        self.now_ms = now_ms
        self.facts: list[Fact] = []
        self.looked = 0
        """How many of them were looked through for what they mean to transfers."""
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
        return len(self.facts) >= FACTS_MAX

    def emit(self, domain: DomainState, data: object) -> None:
        """This became true in the domain: the state has it at once."""
        if domain.key not in self.touched:
            self.touched[domain.key] = domain
            domain.lanes.note_closed()
        self.emit_in(domain.tenant_id, data)

    def emit_in(self, tenant_id: str, data: object) -> None:
        """`emit` by the tenant's id; empty for what is of the whole partition."""
        fact = Fact(tenant_id, data)
        fold(self.state, fact, self.now_ms)
        self.facts.append(fact)
