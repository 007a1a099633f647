"""What only a web chat has: visitors' windows, and places in line, which are shown them."""

from dataclasses import dataclass

from gatewaykit.domain.records import Opening


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visitor's open chat window, as their token holds it; an interaction comes of it with the first message.

    `identifiers` is `[{type, value, verified}]`; `opened_at_ms` is when the window opened, renewals aside.
    """

    tenant_id: str
    interaction_id: str
    address: str
    identifiers: list[dict[str, object]]
    opened_at_ms: int
    expires_at_ms: int
    name: str | None = None
    queue: str | None = None
    language: str | None = None
    attributes: dict[str, str]

    @property
    def opening(self) -> Opening:
        """What the conversation begins with."""
        return Opening(
            identifiers=self.identifiers,
            name=self.name,
            queue=self.queue,
            language=self.language,
            attributes=self.attributes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTask:
    """A task of any channel and its place in line, which it has while it waits, and gets back when it is requeued."""

    tenant_id: str
    task_id: str
    interaction_id: str
    domain: str
    queue: str
    priority: int
    queued_at_ms: int
    waiting: bool = True
    band: int = 0
    expected_at_ms: int | None = None
    """When an agent was expected to come, as far as the router could tell."""
