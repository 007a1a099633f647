"""What becomes of a customer's message when its files come, or do not: pure."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

from contracts.written import MessageFilesChanged
from gatewaykit.domain.content import File
from gatewaykit.domain.records import Change, Conversation, Message

from chat_gateway.domain.records import PendingFile

GIVE_UP_MS: Final = 6 * 3_600_000
PAUSE_MS: Final = (1_000, 300_000)
"""Before the second attempt, doubled for each further one, and at most."""
JITTER: Final = 0.25


def pause_ms(attempts: int, jitter: float) -> int:
    """How long to wait before the next attempt; `jitter` is 0 to 1."""
    first, longest = PAUSE_MS
    return round(min(first << min(attempts - 1, 20), longest) * (1 + JITTER * jitter))


def changed(
    before: Conversation,
    message: Message,
    outcome: File | str,
    others: Sequence[PendingFile],
    now_ms: int,
) -> Change:
    """A file has come, or will not for the reason given; `others` are the rows of the message that stand after that."""
    files = message.files
    if isinstance(outcome, File):
        known = {file.blob_id: file for file in (*files, outcome)}
        files = tuple(sorted(known.values(), key=_place))
    news = MessageFilesChanged(
        message_id=message.message_id,
        interaction_id=before.interaction_id,
        domain=before.domain,
        changed_at_ms=now_ms,
        fetched=len(files),
        pending=sum(each.state == "fetch" for each in others),
        failed=sum(each.state == "failed" for each in others),
        reason=outcome if isinstance(outcome, str) else None,
        personal={"files": [asdict(file) for file in files]},
    )
    return Change(before, (news,), changed=replace(message, files=files))


def _place(file: File) -> int:
    return int(file.blob_id.rpartition(".")[2])
