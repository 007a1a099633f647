"""What somebody who writes by a provider does to a conversation.

The rule: their message joins their open conversation at the address, else it opens one. Nobody is present or leaves:
a conversation ends by an agent, by the router, or by silence.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

from contracts.interactions import InteractionUpdated
from contracts.written import MessageEdited, MessageErased, WindowChanged

from gatewaykit.domain.content import File, Identifier, Window
from gatewaykit.domain.decisions import customer_says, gateway_says, taken
from gatewaykit.domain.provider import Capabilities, Echo, IdentityChanged, Received
from gatewaykit.domain.records import QUIET_CHECK_MS, Change, Conversation, Message, Opening, Place, Said

SENT_ELSEWHERE: Final = "sent_elsewhere"
"""Why a message is announced that a person sent from the vendor's own inbox."""
IDENTIFIERS_MAX: Final = 20
ATTRIBUTES_MAX: Final = 31
ATTRIBUTE_LENGTH_MAX: Final = 500
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


def is_aside(item: Received) -> bool:
    """A thumb under a message, a machine's answer: part of the story, and no reason to call an agent."""
    return item.attributes.get("kind") in ("reaction", "automatic")


def said_by(item: Received, files: Sequence[File], *, message_id: str, in_reply_to: str | None) -> Said:
    """The message as it is kept."""
    return Said(
        message_id=message_id,
        provider_message_id=item.provider_message_id,
        text=storable(item.text),
        files=tuple(files),
        in_reply_to=in_reply_to,
        attributes=_attributes(item.attributes),
        html=None if item.html is None else storable(item.html),
        personal=item.personal,
    )


def opened(
    place: Place, item: Received, *, interaction_id: str, previous: Conversation | None, now_ms: int
) -> Conversation:
    """The conversation before its first message; `previous` is the counterpart's that ended last."""
    return Conversation(
        tenant_id=place.tenant_id,
        interaction_id=interaction_id,
        channel=place.channel,
        address=place.address,
        client=place.client,
        domain=place.domain,
        partition=place.partition,
        queue_hint=None,
        idle_close_seconds=place.idle_close_seconds,
        abandon_seconds=place.abandon_seconds,
        idle_release_seconds=place.idle_release_seconds,
        state="open",
        active_at_ms=now_ms,
        check_at_ms=now_ms + min(QUIET_CHECK_MS, place.idle_close_seconds * 1000),
        counterpart=item.counterpart,
        subject=storable(item.subject or "") or None,
        continues=_continued(place, previous, now_ms),
        reopen_seconds=place.reopen_seconds,
        reply_window=_still_open(previous, now_ms),
    )


def received(before: Conversation, item: Received, said: Said, now_ms: int) -> Change:
    """The customer's message, or the edit that came before it, and what it tells beside its words: by what else they
    are known, a window."""
    known = _joined(before.identifiers, item.identifiers)
    attributes = dict(said.attributes)
    if before.continues:
        attributes["continues"] = before.continues
    opening = Opening(
        identifiers=[asdict(each) for each in known],
        name=storable(item.name or "") or None,
        language=_language(item.language),
        attributes=attributes,
    )
    change = customer_says(replace(before, identifiers=known), opening, said, now_ms)
    if change.message and item.edits is not None:  # older edits may follow
        edited_at_ms = now_ms if item.sent_at_ms is None else item.sent_at_ms
        change = replace(change, message=replace(change.message, edited_at_ms=edited_at_ms))
    announce = change.announce
    if before.last_number and known != before.identifiers:
        announce = (*announce, _updated(change.conversation, now_ms))
    return _with_window(replace(change, announce=announce), _window_of(before, item, now_ms), now_ms)


def reacted(before: Conversation, said: Said, now_ms: int) -> Change:
    """What is said aside takes a number; nobody has to answer it."""
    event, message = taken(before, said, now_ms)
    return Change(replace(before, last_number=event.number, active_at_ms=now_ms), (event,), message)


def edited(before: Conversation, message: Message, text: str, *, at_ms: int, now_ms: int) -> Change | None:
    """The customer's words are others now. None: an older edit than the last, or the message was taken back.

    Providers tell whole seconds, so that within one the order of arrival counts.
    """
    last_ms = message.edited_at_ms
    if message.erased_at_ms is not None or message.sender != "customer":
        return None
    if last_ms is not None:
        if at_ms // 1000 < last_ms // 1000:
            return None
        at_ms = max(at_ms, last_ms + 1)  # events of two edits are two
    news = MessageEdited(
        message_id=message.message_id,
        interaction_id=before.interaction_id,
        domain=before.domain,
        edited_at_ms=at_ms,
        personal={"text": storable(text)},
    )
    after = before if before.state == "ended" else replace(before, active_at_ms=now_ms)
    return Change(after, (news,), changed=replace(message, text=storable(text), edited_at_ms=at_ms))


def erased(before: Conversation, message: Message, now_ms: int) -> Change | None:
    """The customer took it back: nothing of it stays here. None: that was done already."""
    if message.erased_at_ms is not None or message.sender != "customer":
        return None
    news = MessageErased(
        message_id=message.message_id,
        interaction_id=before.interaction_id,
        domain=before.domain,
        erased_at_ms=now_ms,
    )
    gone = replace(message, text="", html=None, files=(), erased_at_ms=now_ms)
    return Change(before, (news,), changed=gone)


def window_told(before: Conversation, window: Window | None, now_ms: int, *, at_ms: int | None = None) -> Change:
    """The provider says until when the customer may be written to; none: they have blocked us, at this instant."""
    blocked_at_ms = now_ms if at_ms is None else min(at_ms, now_ms)
    blocked = Window(opens_at_ms=blocked_at_ms, closes_at_ms=blocked_at_ms, basis="blocked")
    return _with_window(Change(before), window or blocked, now_ms)


def window_refused(before: Conversation, capabilities: Capabilities, *, tried_at_ms: int, now_ms: int) -> Change:
    """The provider took nothing of what it was handed then, for the customer may not be written to any more: what we
    have kept is wrong. What the customer did since counts, and a refusal that is told again changes nothing. Where the
    time that people alone have was refused too, that has ended (basis `human_agent`).
    """
    standing = before.reply_window
    if standing is None or standing.basis in ("always", "blocked") or standing.opens_at_ms > tried_at_ms:
        return Change(before)
    if standing.closes_at_ms is None or standing.closes_at_ms > tried_at_ms:
        closes_at_ms = now_ms if standing.closes_at_ms is None else min(standing.closes_at_ms, now_ms)
        closed = replace(standing, closes_at_ms=closes_at_ms)
    elif capabilities.human_agent_hours is not None and standing.basis != "human_agent":
        closed = replace(standing, closes_at_ms=now_ms, basis="human_agent")
    else:
        return Change(before)
    return Change(before) if closed == standing else _changed_to(Change(before), closed, now_ms)


def renamed(before: Conversation, item: IdentityChanged, now_ms: int) -> Change:
    """They are written to under the new name, and by no number that may be somebody else's by now."""
    gone = {*item.gone, *(each.type for each in item.identifiers)}
    kept = [each for each in before.identifiers if each.type not in gone]
    after = replace(before, counterpart=item.to, identifiers=_joined(item.identifiers, kept))
    return Change(after, (_updated(after, now_ms),))


def sent_elsewhere(before: Conversation, echo: Echo, *, message_id: str, now_ms: int) -> Change:
    """A person answered past us: it is part of what was said."""
    change = gateway_says(
        before,
        storable(echo.text),
        SENT_ELSEWHERE,
        message_id=message_id,
        now_ms=now_ms,
        provider_message_id=echo.provider_message_id,
    )
    return replace(change, conversation=replace(change.conversation, active_at_ms=now_ms))


def storable(text: str) -> str:
    """Without NUL, which PostgreSQL does not keep."""
    return text.replace("\x00", "")


def _with_window(change: Change, window: Window | None, now_ms: int) -> Change:
    before = change.conversation
    prevails = window is not None and _prevails(window, before.reply_window)
    return _changed_to(change, window, now_ms) if window and prevails else change


def _changed_to(change: Change, window: Window, now_ms: int) -> Change:
    before = change.conversation
    news = WindowChanged(
        interaction_id=before.interaction_id,
        domain=before.domain,
        opens_at_ms=window.opens_at_ms,
        closes_at_ms=window.closes_at_ms,
        basis=window.basis,
        changed_at_ms=now_ms,
    )
    return replace(change, conversation=replace(before, reply_window=window), announce=(*change.announce, news))


def _prevails(window: Window, standing: Window | None) -> bool:
    """The one that closes later does; of a block and a reason to write, the later."""
    if standing is None:
        return True
    if "blocked" in (standing.basis, window.basis):
        return window.basis != standing.basis and window.opens_at_ms >= standing.opens_at_ms
    if standing.closes_at_ms is None:
        return False
    return window.closes_at_ms is None or window.closes_at_ms > standing.closes_at_ms


def _window_of(before: Conversation, item: Received, now_ms: int) -> Window | None:
    """Who writes does not block us, even where messages open no window."""
    blocked = before.reply_window is not None and before.reply_window.basis == "blocked"
    if item.window is None and blocked:
        at_ms = now_ms if item.sent_at_ms is None else item.sent_at_ms
        return Window(opens_at_ms=at_ms, closes_at_ms=None, basis="always")
    return item.window


def _still_open(previous: Conversation | None, now_ms: int) -> Window | None:
    window = previous.reply_window if previous else None
    if window is None or (window.closes_at_ms is not None and window.closes_at_ms <= now_ms):
        return None
    return window


def _continued(place: Place, previous: Conversation | None, now_ms: int) -> str | None:
    if previous is None or previous.ended_at_ms is None:
        return None
    within = now_ms - previous.ended_at_ms < place.reopen_seconds * 1000
    return previous.interaction_id if within else None


def _joined(known: Sequence[Identifier], told: Sequence[Identifier]) -> tuple[Identifier, ...]:
    """Each once, and verified if it ever was."""
    joined = {(each.type, each.value): each for each in known}
    for each in told:
        before = joined.get((each.type, each.value))
        joined[each.type, each.value] = before if before and before.verified else each
    return tuple(joined.values())[:IDENTIFIERS_MAX]


def _updated(conversation: Conversation, now_ms: int) -> InteractionUpdated:
    return InteractionUpdated(
        interaction_id=conversation.interaction_id,
        domain=conversation.domain,
        updated_at_ms=now_ms,
        personal={"identifiers": [asdict(each) for each in conversation.identifiers]},
    )


def _attributes(told: Mapping[str, str]) -> dict[str, str]:
    """As many and as long as an event takes."""
    return {name: value[:ATTRIBUTE_LENGTH_MAX] for name, value in list(told.items())[:ATTRIBUTES_MAX]}


def _language(told: str | None) -> str | None:
    """`pt_BR` is `pt-br`; what is no code is not told."""
    code = (told or "").lower().replace("_", "-")
    return code if _CODE.fullmatch(code) else None
