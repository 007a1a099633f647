"""What becomes of written messages after they were told: statuses, edits, erasures, moves; and windows for writing.

Events of one message may be read before it, twice, and in any order: the partitions of two interactions share none.
So edits, erasures, moves and windows have an order of their own, and what is kept is the last in it. Statuses of one
message stand in one partition, in the order in which its gateway tells them: the one that was read last stands.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

from contracts.written import (
    MessageEdited,
    MessageErased,
    MessageFilesChanged,
    MessagesMoved,
    MessageStatus,
    MessageStatusChanged,
    Moved,
    WindowChanged,
)

from crm.domain.stories import Message, files_of
from crm.domain.words import cleaned

RECIPIENTS_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How far a message got; the fields are columns of table `message_status`."""

    tenant_id: str
    message_id: str
    status: MessageStatus
    changed_at_ms: int
    reason: str | None = None
    detail: str | None = None
    recipients: Sequence[Mapping[str, object]] = ()
    """`{address, status, reason}` of each, where they are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Until when one may write freely; the fields are the columns of table `interaction_window`."""

    tenant_id: str
    interaction_id: str
    opens_at_ms: int
    closes_at_ms: int | None
    """None: without end."""
    basis: str
    changed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of a message's words and place; the fields are the columns of table `message_change`."""

    tenant_id: str
    message_id: str
    edited_at_ms: int | None = None
    text: str | None = None
    """Since the edit; none once it is erased."""
    erased_at_ms: int | None = None
    moved_at_ms: int | None = None
    moved_from: str | None = None
    interaction_id: str | None = None
    """Where it is since it was moved, under this `number`."""
    number: int | None = None
    files: str | None = None
    """JSON: all that it has, where they came after it; none: as it was told, or once it is erased."""
    files_told: int = 0
    """How many had come or failed by then; rises."""


def status_of(tenant_id: str, data: MessageStatusChanged) -> Status:
    """The status that the event tells of."""
    return Status(
        tenant_id=tenant_id,
        message_id=data.message_id,
        status=data.status,
        changed_at_ms=data.changed_at_ms,
        reason=data.reason,
        detail=None if data.detail is None else cleaned(data.detail),
        recipients=_recipients(data.personal.get("recipients")),
    )


def _recipients(told: object) -> Sequence[Mapping[str, object]]:
    found: list[Mapping[str, object]] = []
    for each in (told if isinstance(told, list) else [])[:RECIPIENTS_MAX]:
        match each:
            case {"address": str(address), "status": str(status), **rest} if status in get_args(MessageStatus):
                reason = rest.get("reason")
                why = cleaned(reason) if isinstance(reason, str) else None
                found.append({"address": cleaned(address), "status": status, "reason": why})
    return tuple(found)


def window_of(tenant_id: str, data: WindowChanged) -> Window:
    """The window that the event tells of."""
    return Window(
        tenant_id=tenant_id,
        interaction_id=data.interaction_id,
        opens_at_ms=data.opens_at_ms,
        closes_at_ms=data.closes_at_ms,
        basis=data.basis,
        changed_at_ms=data.changed_at_ms,
    )


def edited(before: Change, data: MessageEdited) -> Change:
    """Other words: those of the latest edit. What was taken back has none."""
    text = data.personal.get("text")
    if before.erased_at_ms is not None or (before.edited_at_ms or 0) > data.edited_at_ms:
        return before
    return replace(before, edited_at_ms=data.edited_at_ms, text=cleaned(text) if isinstance(text, str) else "")


def erased(before: Change, data: MessageErased) -> Change:
    """Taken back, for good; nothing of what it was stays here either."""
    at_ms = min(data.erased_at_ms, before.erased_at_ms or data.erased_at_ms)
    return replace(before, erased_at_ms=at_ms, edited_at_ms=None, text=None, files=None, files_told=0)


def files_changed(before: Change, data: MessageFilesChanged) -> Change:
    """More of its files are here; what was told later has more of them come or failed."""
    told = data.fetched + data.failed
    if before.erased_at_ms is not None or told <= before.files_told:
        return before
    return replace(before, files_told=told, files=json.dumps(files_of(data.personal.get("files"))))


def moved(before: Change, data: MessagesMoved, place: Moved) -> Change:
    """Another interaction's: that of the latest move, and of two at one instant that of the greater number."""
    if ((before.moved_at_ms or 0), (before.number or 0)) > (data.moved_at_ms, place.number):
        return before
    return replace(
        before,
        moved_at_ms=data.moved_at_ms,
        moved_from=data.interaction_id,
        interaction_id=data.to_interaction_id,
        number=place.number,
    )


def changed(message: Message, change: Change) -> Message:
    """The message as it is now, whether it was changed by a part of this already or not."""
    if change.interaction_id is not None and change.number is not None:
        message = replace(message, interaction_id=change.interaction_id, number=change.number)
    if change.erased_at_ms is not None:
        return replace(message, text="", subject=None, html=None, quoted=None, parties={}, files=[])
    if change.files is not None:
        message = replace(message, files=json.loads(change.files))
    if change.edited_at_ms is not None:
        return replace(message, text=change.text or "", html=None)
    return message
