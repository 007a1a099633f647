"""What the router is told of a customer, so that it never has to ask."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What people and integrators say of a customer for routing, and who served them last in a domain."""

    tier: str | None = None
    language: str | None = None
    labels: tuple[str, ...] = ()
    last_agent_id: str | None = None


NOBODY = Profile()
"""A customer of whom nothing is known."""
