"""What the state remembers of interactions and requests, so that a repeated event changes nothing; for `fold`."""

from router.domain.state import INTERACTIONS_KEPT_MS, DomainState, Interaction


def remember_interaction(domain: DomainState, interaction_id: str, tasks_made: int, now_ms: int) -> Interaction:
    """The newest interaction from now on; `tasks_made` counts if nothing was known of it."""
    known = domain.interactions.pop(interaction_id, None)
    if known is None:
        known = Interaction(interaction_id=interaction_id, seen_at_ms=now_ms, tasks_made=tasks_made)
        known.facts = domain.early_facts.pop(interaction_id, None)
    known.seen_at_ms = now_ms
    domain.interactions[interaction_id] = known
    for _ in range(2):  # forgets faster than it remembers, at a bounded cost
        oldest = next(iter(domain.interactions.values()))
        if oldest.seen_at_ms >= now_ms - INTERACTIONS_KEPT_MS:
            break
        del domain.interactions[oldest.interaction_id]
        if oldest.task_id is not None or oldest.interaction_id in domain.parked:
            oldest.seen_at_ms = now_ms
            domain.interactions[oldest.interaction_id] = oldest
    return known


def close_interaction(domain: DomainState, interaction_id: str, now_ms: int) -> None:
    """It has ended: later requests for attention are ignored, and nothing of its customer is needed any more."""
    known = remember_interaction(domain, interaction_id, 0, now_ms)
    known.closed = True
    known.facts = None


def remember_request(domain: DomainState, request_id: str | None, now_ms: int) -> None:
    """A request that was decided; a repeat within 8 days is known."""
    if request_id is None:
        return
    domain.requests[request_id] = now_ms
    for _ in range(2):
        oldest = next(iter(domain.requests))
        if domain.requests[oldest] >= now_ms - INTERACTIONS_KEPT_MS:
            break
        del domain.requests[oldest]
        if oldest in domain.requested:  # its task lives still
            domain.requests[oldest] = now_ms
