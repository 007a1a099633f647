"""What is sent to a provider, and pure functions from what became of it to what is kept and told.

A part is pending, then sending, then one of these, of which a later one is never left for an earlier one:

    unknown < sent < failed < delivered < read

So reports may come twice and in any order. `failed` gives way to a provider that has delivered it after all.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from contracts.written import MessageStatus, MessageStatusChanged

from gatewaykit.domain.content import File, TemplateUse
from gatewaykit.domain.provider import (
    Again,
    Capabilities,
    Echo,
    Outcome,
    Refused,
    Sent,
    StatusReport,
    StatusWord,
    Uncertain,
)
from gatewaykit.domain.recipients import RANK, Recipient, State, advanced, in_doubt_are, of_all, told_of

SEND_MS: Final = 25_000
"""So long a provider may take to answer; then nobody can say whether it was sent. A stopping service waits longer."""
AHEAD_MS: Final = 500
"""So far ahead a part is claimed, for a turn of its account that comes then."""
LEASE_MS: Final = 120_000
"""From a part's turn on; who has not told by then has died."""
CLOCKS_DIFFER_MS: Final = 60_000
"""A provider's and ours, and ours among each other, at most."""
GIVE_UP_MS: Final = 24 * 3_600_000
ACCOUNT_PAUSE_MS: Final = (500, 300_000)
"""As `Capabilities.pause_ms`, for all else of an account that wants nothing just now: it may be back at any time."""
JITTER: Final = 0.25
"""Share of a pause by which it may be longer."""
PROVIDER_AWAY: Final = "provider_away"
WINDOW_CLOSED: Final = "window_closed"

_BEST: Final[Sequence[State]] = ("failed", "unknown", "pending", "sending", "sent", "delivered", "read")
"""Of a part that was sent more than once: what is true of it if this is true of one of the times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing of a message: text, a file (perhaps with a caption, the text), or a template."""

    text: str = ""
    file: File | None = None
    template: TemplateUse | None = None
    reply_to: str | None = None
    """The provider's id of the message that is answered."""
    automatic: bool = False
    """Nobody wrote it: it may not use the time in which only a person may still answer."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """What only one channel needs, in JSON's types: `subject`, `html`, `to`, `cc`, `bcc`, ... of an e-mail."""
    recipients: tuple[str, ...] = ()
    """The addresses to which it goes, where a channel knows more of them than the counterpart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRow:
    """A part on its way. `outgoing_id` (a UUID) is the reference that the provider gets."""

    tenant_id: str
    outgoing_id: str
    message_id: str
    interaction_id: str
    domain: str
    address: str
    counterpart: str
    part: int
    """Its place in the message: 1, 2, ..."""
    round: int = 1
    """Rises when an agent has it sent again."""
    number: int
    """Rises with each part to the counterpart; they are sent in this order."""
    payload: Part | None
    """None: nobody needs it any more."""
    state: State = "pending"
    attempts: int = 0
    created_at_ms: int
    due_at_ms: int
    changed_at_ms: int
    """When its state changed last."""
    tried_at_ms: int | None = None
    """When it was handed to the provider last."""
    lease_until_ms: int | None = None
    """While a process asks the provider, also if the provider has told of it already: nothing else of the pair goes."""
    provider_message_id: str | None = None
    reason: str | None = None
    """Why it failed: a Code of contracts."""
    detail: str | None = None
    request_id: str | None = None
    """By which an agent had it sent again."""
    recipients: tuple[Recipient, ...] = ()
    """What became of it for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast an account (counterpart empty) or a pair may send; see `turn`."""

    tenant_id: str
    address: str
    counterpart: str = ""
    last_number: int = 0
    used_at_ms: int = 0
    full_at_ms: float = 0.0
    """When its bucket is full again: each part moves it on by the time that a token takes."""
    blocked_until_ms: int = 0
    """The provider does not want anything before."""
    delivered_to_ms: int = 0
    read_to_ms: int = 0
    """The counterpart has (read) what was sent until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyReport:
    """A report about a provider's id that nothing has yet."""

    tenant_id: str
    address: str
    provider_message_id: str
    status: StatusWord
    code: str | None = None
    detail: str | None = None
    kept_at_ms: int


def turn(account: Rate, capabilities: Capabilities, now_ms: int) -> tuple[int, Rate] | None:
    """When the account may send the next part, and its rate afterwards; none: not within AHEAD_MS.

    One after the other in even steps, so no second sees more than `account_per_second`.
    """
    at_ms = max(account.full_at_ms, float(now_ms))
    if account.blocked_until_ms > now_ms or at_ms > now_ms + AHEAD_MS:
        return None
    step_ms = 1000 / max(capabilities.account_per_second, 0.001)
    return int(-(-at_ms // 1)), replace(account, full_at_ms=at_ms + step_ms, used_at_ms=now_ms)


def claimed(row: OutgoingRow, at_ms: int) -> OutgoingRow:
    """It is handed to the provider at this instant; written before that is done."""
    return replace(
        row, state="sending", attempts=row.attempts + 1, tried_at_ms=at_ms, lease_until_ms=at_ms + LEASE_MS, reason=None
    )


def pause_ms(attempts: int, outcome: Outcome, jitter: float, bounds_ms: tuple[int, int]) -> int:
    """How long to wait before the next attempt; `jitter` is 0 to 1, `bounds_ms` the first and the longest pause."""
    least = outcome.after_ms if isinstance(outcome, Again | Uncertain) else 0
    first, longest = bounds_ms
    pause = max(least, min(first << max(attempts - 1, 0), longest))
    return round(pause * (1 + JITTER * jitter))


def settled(
    row: OutgoingRow, outcome: Outcome, capabilities: Capabilities, *, attempt: int, now_ms: int, again_at_ms: int
) -> OutgoingRow:
    """What the provider's answer to this attempt makes of it.

    A late answer to an attempt that was given up for dead still counts: what was `unknown` is known then. Only that it
    was sent counts for a row that has gone on since.
    """
    row = replace(row, lease_until_ms=None) if row.attempts == attempt else row
    told = outcome.recipients if row.attempts == attempt else [each for each in outcome.recipients if each.has_it]
    row = replace(row, recipients=advanced(row.recipients, told))
    if isinstance(outcome, Sent):
        known = _identified(row, outcome.provider_message_id)
        after = _advanced(known, "sent", now_ms)
        return _without_words(after) if after.state == "sent" and _last_word(capabilities) else after
    if row.state not in ("sending", "unknown") or row.attempts != attempt:
        return row
    match outcome:
        case Refused(code=code, detail=detail):
            return _failed(row, code, detail, now_ms)
        case Again(detail=detail):
            if row.state == "unknown" or _spent(row, capabilities, now_ms):
                return _failed(row, PROVIDER_AWAY, detail, now_ms)
            return _pending(row, again_at_ms, now_ms)
        case Uncertain(detail=detail):
            if row.state == "sending" and capabilities.idempotent and not _spent(row, capabilities, now_ms):
                return _pending(row, again_at_ms, now_ms)
            return replace(_advanced(row, "unknown", now_ms), detail=_text(detail))


def lapsed(row: OutgoingRow, capabilities: Capabilities | None, now_ms: int) -> OutgoingRow:
    """What time makes of it: who was sending it has died, or it waited too long. `capabilities` none: nobody knows
    (yet) what the address is."""
    old = now_ms - row.created_at_ms >= GIVE_UP_MS
    if row.state == "pending" and old:
        return _failed(row, PROVIDER_AWAY, "", now_ms)
    if row.lease_until_ms is None or row.lease_until_ms > now_ms or (capabilities is None and not old):
        return row
    row = replace(row, lease_until_ms=None)
    if row.state != "sending":
        return row
    if capabilities and capabilities.idempotent and not _spent(row, capabilities, now_ms):
        return _pending(row, now_ms, now_ms)
    return _advanced(row, "unknown", now_ms)


def reported(row: OutgoingRow, report: StatusReport | EarlyReport | Echo, now_ms: int) -> OutgoingRow:
    """What the provider tells of it: it only moves on, whatever the order of what it tells."""
    known = _identified(row, report.provider_message_id)
    if isinstance(report, Echo):
        return _advanced(known, "sent", now_ms)
    if isinstance(report, StatusReport) and report.recipient is not None and row.recipients:
        return _for_one(known, report, report.recipient, now_ms)
    if report.status == "failed":
        return _failed(known, report.code or "", report.detail or "", now_ms)
    return _advanced(known, report.status, now_ms)


def reached(row: OutgoingRow, pair: Rate, now_ms: int) -> OutgoingRow:
    """What the counterpart's watermarks make of it. Of what is `unknown` they tell nothing."""
    if row.state not in ("sent", "delivered") or row.tried_at_ms is None:
        return row
    if row.tried_at_ms <= pair.read_to_ms:
        return _advanced(row, "read", now_ms)
    return _advanced(row, "delivered", now_ms) if row.tried_at_ms <= pair.delivered_to_ms else row


def echoed(rows: Iterable[OutgoingRow], echo: Echo) -> OutgoingRow | None:
    """The part whose echo it is although it names none: one of which nobody knows, of the same words to the same
    customer, which the provider was asked to send at that time."""
    for row in rows:
        same = row.counterpart == echo.counterpart and row.payload is not None and row.payload.text == echo.text
        unknown = row.state == "unknown" and row.provider_message_id is None
        asked_at_ms, sent_at_ms = row.tried_at_ms or 0, echo.sent_at_ms or 0
        in_time = asked_at_ms - CLOCKS_DIFFER_MS <= sent_at_ms <= asked_at_ms + SEND_MS + CLOCKS_DIFFER_MS
        if same and unknown and in_time and echo.text:
            return row
    return None


def message_status(rows: Iterable[OutgoingRow]) -> MessageStatus | None:
    """Of all its parts: failed if one has failed, unknown if of one nobody knows, else as far as the last of them;
    none: not all are sent. A part that was sent more than once is as far as the furthest time."""
    states = [row.state for row in _parts(rows)]
    for state in ("failed", "unknown", "sent", "delivered", "read"):
        if state in states:
            return None if state in ("sent", "delivered", "read") and _open(states) else state
    return None


def news(before: Sequence[OutgoingRow], after: Sequence[OutgoingRow], now_ms: int) -> MessageStatusChanged | None:
    """What to tell of a message whose rows these are, if anything."""
    status, recipients = message_status(after), _recipients(after)
    if status is None or (status, recipients) == (message_status(before), _recipients(before)):
        return None
    cause = next(row for row in _parts(after) if row.state == status)
    return MessageStatusChanged(
        message_id=cause.message_id,
        interaction_id=cause.interaction_id,
        domain=cause.domain,
        status=status,
        changed_at_ms=now_ms,
        reason=cause.reason,
        detail=cause.detail,
        recipients_failed=sum(each.state == "failed" for each in recipients) if len(recipients) > 1 else None,
        personal={"recipients": told_of(recipients)} if len(recipients) > 1 else {},
    )


def to_send_again(rows: Sequence[OutgoingRow]) -> list[OutgoingRow]:
    """The last row of each part that has failed, or of which nobody knows."""
    doubtful = {row.part for row in _parts(rows) if row.state in ("failed", "unknown")}
    last = {row.part: row for row in sorted(rows, key=lambda row: row.round)}
    return [row for part, row in sorted(last.items()) if part in doubtful]


def _parts(rows: Iterable[OutgoingRow]) -> list[OutgoingRow]:
    best: dict[int, OutgoingRow] = {}
    for row in rows:
        if row.part not in best or _BEST.index(row.state) > _BEST.index(best[row.part].state):
            best[row.part] = row
    return [best[part] for part in sorted(best)]


def _recipients(rows: Iterable[OutgoingRow]) -> list[Recipient]:
    return [each for row in _parts(rows) for each in row.recipients]


def _open(states: Iterable[State]) -> bool:
    return any(state in ("pending", "sending") for state in states)


def _advanced(
    row: OutgoingRow, state: State, now_ms: int, *, reason: str | None = None, detail: str | None = None
) -> OutgoingRow:
    if row.recipients:
        row = replace(row, recipients=in_doubt_are(row.recipients, state, reason))
        state = of_all(row.recipients)
        reason = row.recipients[0].reason if state == "failed" or len(row.recipients) == 1 else None
        detail = detail if reason else None
    explained = state == row.state and reason and not row.reason
    if RANK[state] <= RANK[row.state] and not explained:
        return row
    after = replace(row, state=state, changed_at_ms=now_ms, reason=reason, detail=detail)
    return _without_words(after) if state in ("delivered", "read") else after


def _failed(row: OutgoingRow, code: str, detail: str, now_ms: int) -> OutgoingRow:
    return _advanced(row, "failed", now_ms, reason=_code(code), detail=_text(detail))


def _for_one(row: OutgoingRow, report: StatusReport, address: str, now_ms: int) -> OutgoingRow:
    """Of one of several recipients, if it went to them."""
    reason = _code(report.code or "") if report.code or report.status == "failed" else None
    told = Recipient(address=address, state=report.status, reason=reason)
    if address.lower() not in {each.address.lower() for each in row.recipients}:
        return row
    row = replace(row, recipients=advanced(row.recipients, [told]))
    return _advanced(row, of_all(row.recipients), now_ms, detail=_text(report.detail or ""))


def _pending(row: OutgoingRow, due_at_ms: int, now_ms: int) -> OutgoingRow:
    return replace(row, state="pending", due_at_ms=due_at_ms, changed_at_ms=now_ms, lease_until_ms=None)


def _identified(row: OutgoingRow, provider_message_id: str | None) -> OutgoingRow:
    """The first id stays. PostgreSQL keeps no NUL."""
    if row.provider_message_id is not None or not provider_message_id or "\x00" in provider_message_id:
        return row
    return replace(row, provider_message_id=provider_message_id)


def _without_words(row: OutgoingRow) -> OutgoingRow:
    return replace(row, payload=None)


def _last_word(capabilities: Capabilities) -> bool:
    """Nothing is ever told after `sent`."""
    return not {"delivered", "read", "failed"} & set(capabilities.statuses)


def _spent(row: OutgoingRow, capabilities: Capabilities, now_ms: int) -> bool:
    return row.attempts >= capabilities.attempts_max or now_ms - row.created_at_ms >= GIVE_UP_MS


def _code(code: str) -> str:
    """As contracts want it."""
    return re.sub(r"[^a-z0-9_.-]+", "_", code.lower()).lstrip("_.-")[:64] or "provider_error"


def _text(detail: str) -> str | None:
    return detail.replace("\x00", "")[:500] or None
