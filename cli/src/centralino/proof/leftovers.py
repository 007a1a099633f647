"""Explains a chat that does not end: what its agents tried, and what the topics have about it."""

from collections.abc import Iterator, Sequence

from centralino.proof.history import History, Request, Stood


def tries(requests: Sequence[Request], interaction_id: str) -> list[Request]:
    """What was asked for about its offers, assignments and messages. Their ids begin with that of the interaction."""
    return [request for request in requests if request.about.startswith(interaction_id)]


def events(history: History, interaction_id: str) -> list[str]:
    """All that stands in the topics about it, commands and their results included, by time, one a line."""
    return [_line(stood) for stood in sorted(_about(history, interaction_id), key=lambda stood: stood.appended_at_ms)]


def _about(history: History, interaction_id: str) -> Iterator[Stood]:
    commands: set[str] = set()
    for stood in (*history.interactions, *history.inputs, *history.messages):
        if interaction_id in str(stood.event.data):
            commands.add(stood.event.id)
            yield stood
    for stood in history.routing:
        if interaction_id in str(stood.event.data) or getattr(stood.event.data, "command_id", None) in commands:
            yield stood


def _line(stood: Stood) -> str:
    place = stood.place
    return f"{stood.appended_at_ms} {place} {stood.event.sequence or ''} {stood.event.data}"
