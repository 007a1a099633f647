"""Pure functions from what is and what came to what is then, and what to announce."""

from dataclasses import replace

from contracts.commands import SendMessage
from contracts.interactions import ActivityChanged, AttentionRequested, EndReason, InteractionEnded, InteractionStarted
from contracts.messages import MessageDelivered, MessageFailed, MessageReceived, MessageSent
from contracts.tasks import Then

from chat_gateway.domain.records import (
    CHECK_MS,
    HISTORY_MS,
    PRESENCE_MS,
    RECHECK_MS,
    Announced,
    Change,
    Conversation,
    Message,
    Place,
    Visit,
)


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


def customer_says(
    before: Conversation, visit: Visit, *, message_id: str, client_message_id: str, text: str, now_ms: int
) -> Change:
    """The next message. The first starts the interaction; one that nobody would read asks for attention.

    Who was silent takes capacity of the agent again.
    """
    number = before.last_number + 1
    after = replace(
        before,
        last_number=number,
        customer_number=number,
        customer_message_id=message_id,
        active_at_ms=now_ms,
        gone_at_ms=None,
        silent=False,
        state="waiting" if before.state == "open" else before.state,
    )
    received = MessageReceived(
        message_id=message_id,
        interaction_id=before.interaction_id,
        domain=before.domain,
        channel=before.channel,
        number=number,
        received_at_ms=now_ms,
        personal={"text": text},
    )
    announce: tuple[Announced, ...] = (received,)
    if number == 1:
        announce = (_started(before, visit, now_ms), received)
    elif before.state == "open":
        asked = _attention(before, f"{before.interaction_id}.m{number}", message_id, now_ms)
        announce = (received, asked)
    message = Message(
        tenant_id=before.tenant_id,
        interaction_id=before.interaction_id,
        number=number,
        message_id=message_id,
        sender="customer",
        text=text,
        at_ms=now_ms,
        client_message_id=client_message_id,
    )
    return Change(after, announce + _back(before, now_ms), message)


def agent_says(before: Conversation, command: SendMessage, text: str, now_ms: int) -> Change:
    """The next message, from the agent whose assignment is the current one."""
    number = before.last_number + 1
    sent = MessageSent(
        message_id=command.message_id,
        interaction_id=before.interaction_id,
        domain=before.domain,
        channel=before.channel,
        number=number,
        agent_id=command.agent_id,
        assignment_id=command.assignment_id,
        sent_at_ms=now_ms,
        personal={"text": text},
    )
    message = Message(
        tenant_id=before.tenant_id,
        interaction_id=before.interaction_id,
        number=number,
        message_id=command.message_id,
        sender="agent",
        text=text,
        at_ms=now_ms,
        agent_name=before.agent_name,
    )
    check_at_ms = before.check_at_ms
    if before.idle_release_seconds is not None and not before.silent:
        check_at_ms = min(check_at_ms, now_ms + before.idle_release_seconds * 1000)
    after = replace(before, last_number=number, active_at_ms=now_ms, check_at_ms=check_at_ms)
    return Change(after, (sent,), message)


def may_say(conversation: Conversation, command: SendMessage) -> bool | None:
    """Whether the command is the current assignment's; none: this gateway has not read that far (design.md section 5).

    The `task.assigned` that made the assignment concerns this very interaction, so its own last sequence tells.
    """
    current = (conversation.assignment_id, conversation.agent_id) == (command.assignment_id, command.agent_id)
    if conversation.state == "assigned" and current:
        return True
    if conversation.state == "ended" or conversation.routed_sequence >= command.assignment_sequence:
        return False
    return None


def refused(command: SendMessage, *, reason: str, detail: str, now_ms: int) -> MessageFailed:
    """What an agent learns of a message that was not sent."""
    return MessageFailed(
        message_id=command.message_id,
        interaction_id=command.interaction_id,
        domain=command.domain,
        agent_id=command.agent_id,
        reason=reason,
        detail=detail,
        failed_at_ms=now_ms,
    )


def queued(before: Conversation, task_id: str) -> Change:
    """A task waits for this interaction (again)."""
    if before.state == "ended":
        return Change(before)
    return Change(replace(_without_agent(before), state="waiting", task_id=task_id))


def assigned(
    before: Conversation, *, task_id: str, assignment_id: str, agent_id: str, agent_name: str | None, now_ms: int
) -> Change:
    """An agent has it.

    What was said of a silence was about the agent before. The router may read it only now, so it is taken back.
    """
    if before.state == "ended":
        return Change(before)
    after = replace(before, state="assigned", task_id=task_id, assignment_id=assignment_id, agent_id=agent_id)
    return Change(replace(after, agent_name=agent_name, active_at_ms=now_ms, silent=False), _back(before, now_ms))


def finished(
    before: Conversation, *, task_id: str, request_id: str, then: Then, seen_number: int | None, now_ms: int
) -> Change:
    """The agent is done with the task, or only with the conversation (wrap-up): both tell `then` and what was seen.

    Asks again when the customer said more than the agent had seen; none means that the agent's side does not tell,
    which counts as all. Also asks again when this was asked since the wrap-up began and no new task is known: the
    router may have joined that request to the task that ends now. A request for a task that exists joins it.
    """
    if before.state == "ended" or before.task_id != task_id:
        return Change(before)
    free = _without_agent(before)
    asked_since = before.state == "waiting"
    if asked_since or (seen_number is not None and before.customer_number > seen_number):
        asked = _attention(before, request_id, before.customer_message_id, now_ms)
        return Change(replace(free, state="waiting"), (asked,))
    if then == "close":
        return ended(before, "agent_closed", now_ms)
    return Change(replace(free, state="open"))


def abandoned(before: Conversation, task_id: str) -> Change:
    """The waiting task is gone; the interaction's end is the usual cause, and then nothing is left to do."""
    if before.state == "ended" or before.task_id != task_id:
        return Change(before)
    return Change(replace(_without_agent(before), state="open"))


def delivered(before: Conversation, number: int, now_ms: int) -> Change:
    """The visitor's device has everything up to `number`; only news is announced."""
    if number <= before.delivered_number or number > before.last_number:
        return Change(before)
    news = MessageDelivered(
        interaction_id=before.interaction_id, domain=before.domain, number=number, delivered_at_ms=now_ms
    )
    return Change(replace(before, delivered_number=number), (news,))


def ended(before: Conversation, reason: EndReason, now_ms: int) -> Change:
    """Over, for good; a second end changes nothing."""
    if before.state == "ended":
        return Change(before)
    end = InteractionEnded(
        interaction_id=before.interaction_id, domain=before.domain, reason=reason, ended_at_ms=now_ms
    )
    after = replace(_without_agent(before), state="ended", end_reason=reason, check_at_ms=now_ms + HISTORY_MS)
    return Change(after, (end,))


def left(before: Conversation, now_ms: int) -> Change:
    """The visitor's last socket here is gone; looked at again when the visitor counts as having left."""
    if before.state == "ended" or before.gone_at_ms is not None:
        return Change(before)
    check_at_ms = min(before.check_at_ms, now_ms + _abandon_ms(before))
    return Change(replace(before, gone_at_ms=now_ms, check_at_ms=check_at_ms))


def returned(before: Conversation) -> Change:
    """The visitor has a socket again."""
    return Change(replace(before, gone_at_ms=None))


def looked_at(before: Conversation, *, present: bool | None, now_ms: int) -> Change:
    """What the timers do. `present` none: nobody can say, so nobody is declared gone.

    Silence counts only while the customer does not wait for us: in line the customer had the last word.
    """
    gone_at_ms = before.gone_at_ms
    if present is not None:
        gone_at_ms = None if present else before.gone_at_ms or now_ms
    deadlines = [now_ms + (RECHECK_MS if present is None else CHECK_MS)]
    if gone_at_ms is not None and present is not None:
        if now_ms - gone_at_ms >= _abandon_ms(before):
            return ended(before, "customer_left", now_ms)
        deadlines.append(gone_at_ms + _abandon_ms(before))
    if before.state != "waiting":
        idle_at_ms = before.active_at_ms + before.idle_close_seconds * 1000
        if now_ms >= idle_at_ms:
            return ended(before, "idle", now_ms)
        deadlines.append(idle_at_ms)
    after = replace(before, gone_at_ms=gone_at_ms)
    silent_at_ms = _silent_at_ms(before)
    if silent_at_ms is not None and now_ms < silent_at_ms:
        deadlines.append(silent_at_ms)
    elif silent_at_ms is not None:
        silence = _activity(before, now_ms, active=False)
        return Change(replace(after, silent=True, check_at_ms=min(deadlines)), (silence,))
    return Change(replace(after, check_at_ms=min(deadlines)))


def _silent_at_ms(before: Conversation) -> int | None:
    """When the customer counts as silent: only while it is for them to speak, not while the agent seeks an answer."""
    spoken_to = before.state == "assigned" and before.last_number > before.customer_number
    if before.idle_release_seconds is None or before.silent or not spoken_to:
        return None
    return before.active_at_ms + before.idle_release_seconds * 1000


def _back(before: Conversation, now_ms: int) -> tuple[Announced, ...]:
    return (_activity(before, now_ms, active=True),) if before.silent else ()


def _activity(conversation: Conversation, now_ms: int, *, active: bool) -> ActivityChanged:
    return ActivityChanged(
        interaction_id=conversation.interaction_id, domain=conversation.domain, active=active, changed_at_ms=now_ms
    )


def _abandon_ms(conversation: Conversation) -> int:
    return max(conversation.abandon_seconds * 1000, PRESENCE_MS)


def _without_agent(conversation: Conversation) -> Conversation:
    return replace(conversation, assignment_id=None, agent_id=None, agent_name=None)


def _started(conversation: Conversation, visit: Visit, now_ms: int) -> InteractionStarted:
    personal: dict[str, object] = {"identifiers": visit.identifiers}
    if visit.name:
        personal["name"] = visit.name
    return InteractionStarted(
        interaction_id=conversation.interaction_id,
        domain=conversation.domain,
        client=conversation.client,
        channel=conversation.channel,
        address=conversation.address,
        started_at_ms=now_ms,
        queue_hint=visit.queue,
        language=visit.language,
        attributes=visit.attributes,
        personal=personal,
    )


def _attention(conversation: Conversation, request_id: str, message_id: str, now_ms: int) -> AttentionRequested:
    return AttentionRequested(
        interaction_id=conversation.interaction_id,
        domain=conversation.domain,
        client=conversation.client,
        channel=conversation.channel,
        address=conversation.address,
        request_id=request_id,
        message_id=message_id,
        requested_at_ms=now_ms,
        queue_hint=conversation.queue_hint,
    )
