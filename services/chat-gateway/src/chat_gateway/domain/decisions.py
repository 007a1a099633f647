"""What only a web chat decides: windows, and visitors who come and go."""

from dataclasses import replace

from contracts.messages import MessageDelivered
from gatewaykit.domain.decisions import abandon_ms
from gatewaykit.domain.records import CHECK_MS, Change, Conversation, Place

from chat_gateway.domain.records import Visit


def opened(visit: Visit, place: Place, now_ms: int) -> Conversation:
    """The conversation before its first message."""
    return Conversation(
        tenant_id=visit.tenant_id,
        interaction_id=visit.interaction_id,
        channel=place.channel,
        address=place.address,
        client=place.client,
        domain=place.domain,
        partition=place.partition,
        queue_hint=visit.queue,
        idle_close_seconds=place.idle_close_seconds,
        abandon_seconds=place.abandon_seconds,
        idle_release_seconds=place.idle_release_seconds,
        state="open",
        active_at_ms=now_ms,
        check_at_ms=now_ms + CHECK_MS,
    )


def delivered(before: Conversation, number: int, now_ms: int) -> Change:
    """The visitor's device has everything up to `number`; only news is announced."""
    if number <= before.delivered_number or number > before.last_number:
        return Change(before)
    news = MessageDelivered(
        interaction_id=before.interaction_id, domain=before.domain, number=number, delivered_at_ms=now_ms
    )
    return Change(replace(before, delivered_number=number), (news,))


def left(before: Conversation, now_ms: int) -> Change:
    """The visitor's last socket here is gone; looked at again when the visitor counts as having left."""
    if before.state == "ended" or before.gone_at_ms is not None:
        return Change(before)
    check_at_ms = min(before.check_at_ms, now_ms + abandon_ms(before))
    return Change(replace(before, gone_at_ms=now_ms, check_at_ms=check_at_ms))


def returned(before: Conversation) -> Change:
    """The visitor has a socket again."""
    return Change(replace(before, gone_at_ms=None))
