"""Pure functions from what is and what came to what is then, and what to announce."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

from contracts.commands import (
    AddNote,
    ConnectAssignment,
    JoinInteraction,
    RequestCallback,
    ResendMessage,
    SendMessage,
    SplitInteraction,
)
from contracts.interactions import ActivityChanged, AttentionRequested, EndReason, InteractionEnded, InteractionStarted
from contracts.messages import MessageAnnounced, MessageFailed, MessageNoted, MessageReceived, MessageSent

from gatewaykit.domain.content import File
from gatewaykit.domain.records import (
    CHECK_MS,
    HISTORY_MS,
    PRESENCE_MS,
    QUIET_CHECK_MS,
    RECHECK_MS,
    Announced,
    Change,
    Conversation,
    Message,
    Opening,
    Said,
    Seat,
)

ASKED: Final = ".callback."
"""Between interaction and position in the id of a request for a callback."""


Request = ResendMessage | SplitInteraction | JoinInteraction
Command = SendMessage | AddNote | Request


def customer_says(before: Conversation, opening: Opening, said: Said, now_ms: int) -> Change:
    """The next message. The first starts the interaction; one that nobody would read asks for attention.

    Who was silent takes capacity of the agent again.
    """
    number = before.last_number + 1
    after = replace(
        before,
        last_number=number,
        customer_number=number,
        customer_message_id=said.message_id,
        active_at_ms=now_ms,
        gone_at_ms=None,
        silent=False,
        unanswered_since_ms=None,
        parked=False,
        state="waiting" if before.state == "open" else before.state,
    )
    received, message = taken(before, said, now_ms)
    announce: tuple[Announced, ...] = (received,)
    if number == 1:
        announce = (started(before, opening, said.text, now_ms), received)
    elif before.state == "open" or before.parked:
        asked = attention(before, f"{before.interaction_id}.m{number}", said.message_id, now_ms)
        announce = (received, asked)
    return Change(after, announce + back(before, now_ms), message)


def taken(before: Conversation, said: Said, now_ms: int) -> tuple[MessageReceived, Message]:
    """What is announced and kept of the customer's next message."""
    number = before.last_number + 1
    received = MessageReceived(
        message_id=said.message_id,
        interaction_id=before.interaction_id,
        domain=before.domain,
        channel=before.channel,
        number=number,
        received_at_ms=now_ms,
        personal={**said.personal, **_personal(said.text, said.files, said.html)},
        in_reply_to=said.in_reply_to,
        attributes=dict(said.attributes),
    )
    message = Message(
        tenant_id=before.tenant_id,
        interaction_id=before.interaction_id,
        number=number,
        message_id=said.message_id,
        sender="customer",
        text=said.text,
        at_ms=now_ms,
        client_message_id=said.client_message_id,
        address=before.address if said.provider_message_id else None,
        provider_message_id=said.provider_message_id,
        files=said.files,
        html=said.html,
    )
    return received, message


def agent_notes(before: Conversation, command: AddNote, text: str, now_ms: int) -> Change:
    """The next number, for a note among the agents. It has no place in the visitor's log, so that nothing can show it
    to them."""
    noted = MessageNoted(
        message_id=command.message_id,
        interaction_id=before.interaction_id,
        domain=before.domain,
        channel=before.channel,
        number=before.last_number + 1,
        agent_id=command.agent_id,
        assignment_id=command.assignment_id,
        noted_at_ms=now_ms,
        personal={"text": text},
    )
    return Change(replace(before, last_number=noted.number, active_at_ms=now_ms), (noted,))


def agent_says(
    before: Conversation,
    command: SendMessage,
    text: str,
    now_ms: int,
    *,
    files: Sequence[File] = (),
    personal: Mapping[str, object] | None = None,
) -> Change:
    """The next message, from an agent who may say it; `personal` is what it has beside text and files."""
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
        personal={**(personal or {}), **_personal(text, files)},
    )
    seat = seat_of(before, command.assignment_id, command.agent_id)
    message = Message(
        tenant_id=before.tenant_id,
        interaction_id=before.interaction_id,
        number=number,
        message_id=command.message_id,
        sender="agent",
        text=text,
        at_ms=now_ms,
        agent_name=seat.agent_name if seat else None,
        files=tuple(files),
    )
    check_at_ms = before.check_at_ms
    if before.idle_release_seconds is not None and not before.silent:
        check_at_ms = min(check_at_ms, now_ms + before.idle_release_seconds * 1000)
    after = replace(
        before, last_number=number, active_at_ms=now_ms, unanswered_since_ms=now_ms, check_at_ms=check_at_ms
    )
    if not before.awaits_answer or command.assignment_id != before.assignment_id:
        return Change(after, (sent,), message)
    connected = ConnectAssignment(
        assignment_id=command.assignment_id,
        interaction_id=before.interaction_id,
        domain=before.domain,
        reported_at_ms=now_ms,
    )
    return Change(replace(after, awaits_answer=False), (sent, connected), message)


def gateway_says(  # what is told, each by name
    before: Conversation,
    text: str,
    reason: str,
    *,
    message_id: str,
    now_ms: int,
    provider_message_id: str | None = None,
) -> Change:
    """The next message, from nobody in the conversation."""
    number = before.last_number + 1
    announced = MessageAnnounced(
        message_id=message_id,
        interaction_id=before.interaction_id,
        domain=before.domain,
        channel=before.channel,
        number=number,
        reason=reason,
        announced_at_ms=now_ms,
        personal={"text": text},
    )
    message = Message(
        tenant_id=before.tenant_id,
        interaction_id=before.interaction_id,
        number=number,
        message_id=message_id,
        sender="system",
        text=text,
        at_ms=now_ms,
        address=before.address if provider_message_id else None,
        provider_message_id=provider_message_id,
    )
    return Change(replace(before, last_number=number), (announced,), message)


def seat_of(conversation: Conversation, assignment_id: str, agent_id: str) -> Seat | None:
    """The agent's current place by this assignment."""
    seats = [*conversation.helpers, *([owner] if (owner := _owner(conversation)) else [])]
    return next((seat for seat in seats if (seat.assignment_id, seat.agent_id) == (assignment_id, agent_id)), None)


def may_say(conversation: Conversation, command: Command) -> bool | None:
    """Whether the command is of a current assignment whose role allows it: a consultant talks to the agents alone.

    None: this gateway has not read that far (design.md section 5). The event that gave the assignment its role concerns
    this very interaction, so its own last sequence tells.
    """
    seat = seat_of(conversation, command.assignment_id, command.agent_id)
    if seat and (seat.role != "consultant" or isinstance(command, AddNote)):
        return True
    if conversation.state == "ended" or conversation.routed_sequence >= command.assignment_sequence:
        return False
    return None


def refused(command: Command, *, reason: str, detail: str, now_ms: int) -> MessageFailed:
    """What an agent learns of a message that was not sent. To send one again, to split and to join are requests of
    their own, about messages that are part of the conversation: the request has failed."""
    return MessageFailed(
        message_id=command.request_id if isinstance(command, Request) else command.message_id,
        interaction_id=command.interaction_id,
        domain=command.domain,
        agent_id=command.agent_id,
        reason=reason,
        detail=detail,
        failed_at_ms=now_ms,
    )


def wants_callback(before: Conversation, now_ms: int) -> Change | None:
    """The customer who waits asks to be called back instead; None while there is no task that could become a callback.

    Asked again before the router has said anything of the conversation, it is the same request.
    """
    if before.state != "waiting" or before.task_id is None:
        return None
    asked = RequestCallback(
        request_id=f"{before.interaction_id}{ASKED}{before.routed_sequence}",
        interaction_id=before.interaction_id,
        domain=before.domain,
        requested_at_ms=now_ms,
    )
    return Change(before, (asked,))


def asked_for_callback(request_id: str) -> str | None:
    """The interaction whose customer asked by this request, if it is one of `wants_callback`."""
    interaction_id, asked, _ = request_id.partition(ASKED)
    return interaction_id if asked else None


def ended(before: Conversation, reason: EndReason, now_ms: int, *, cause: str | None = None) -> Change:
    """Over, for good; a second end changes nothing."""
    if before.state == "ended":
        return Change(before)
    end = InteractionEnded(
        interaction_id=before.interaction_id, domain=before.domain, reason=reason, ended_at_ms=now_ms, cause=cause
    )
    after = replace(
        without_agent(before),
        state="ended",
        end_reason=reason,
        end_cause=cause,
        helpers=(),
        check_at_ms=now_ms + max(HISTORY_MS, before.reopen_seconds * 1000),
        ended_at_ms=now_ms,
    )
    return Change(after, (end,))


def looked_at(before: Conversation, *, present: bool | None, now_ms: int) -> Change:
    """What the timers do. `present` none: nobody can say, so nobody is declared gone. Who writes by a provider is
    never there, and never gone.

    Silence counts only while the customer does not wait for us: in line the customer had the last word.
    """
    gone_at_ms = before.gone_at_ms
    if before.counterpart is not None:
        present = None
    if present is not None:
        gone_at_ms = None if present else before.gone_at_ms or now_ms
    deadlines = [now_ms + _check_ms(before, present=present)]
    if gone_at_ms is not None and present is not None:
        if now_ms - gone_at_ms >= abandon_ms(before):
            return ended(before, "customer_left", now_ms)
        deadlines.append(gone_at_ms + abandon_ms(before))
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


def _check_ms(before: Conversation, *, present: bool | None) -> int:
    if before.counterpart is not None:
        return QUIET_CHECK_MS
    return RECHECK_MS if present is None else CHECK_MS


def _silent_at_ms(before: Conversation) -> int | None:
    """When the customer counts as silent: only while it is for them to speak, not while the agent seeks an answer."""
    if before.idle_release_seconds is None or before.silent or before.state != "assigned":
        return None
    if before.unanswered_since_ms is None:
        return None
    return before.unanswered_since_ms + before.idle_release_seconds * 1000


def back(before: Conversation, now_ms: int) -> tuple[Announced, ...]:
    """What takes back a silence that the router was told."""
    return (_activity(before, now_ms, active=True),) if before.silent else ()


def _activity(conversation: Conversation, now_ms: int, *, active: bool) -> ActivityChanged:
    return ActivityChanged(
        interaction_id=conversation.interaction_id, domain=conversation.domain, active=active, changed_at_ms=now_ms
    )


def abandon_ms(conversation: Conversation) -> int:
    """How long somebody is missed before they have left."""
    return max(conversation.abandon_seconds * 1000, PRESENCE_MS)


def without_agent(conversation: Conversation) -> Conversation:
    """Nobody owns it."""
    return replace(conversation, assignment_id=None, agent_id=None, agent_name=None, parked=False)


def _owner(conversation: Conversation) -> Seat | None:
    kept = conversation
    if kept.state != "assigned" or not (kept.task_id and kept.assignment_id and kept.agent_id):
        return None
    return Seat(
        assignment_id=kept.assignment_id,
        task_id=kept.task_id,
        agent_id=kept.agent_id,
        agent_name=kept.agent_name,
        role="owner",
    )


def _personal(text: str, files: Sequence[File], html: str | None = None) -> dict[str, object]:
    told: dict[str, object] = {"text": text, "files": [asdict(file) for file in files] or None, "html": html}
    return {name: value for name, value in told.items() if value is not None}


def started(conversation: Conversation, opening: Opening, text: str, now_ms: int) -> InteractionStarted:
    """With the customer's first words, by which the router classifies."""
    personal: dict[str, object] = {"identifiers": opening.identifiers, "text": text}
    if opening.name:
        personal["name"] = opening.name
    if conversation.subject:
        personal["subject"] = conversation.subject
    return InteractionStarted(
        interaction_id=conversation.interaction_id,
        domain=conversation.domain,
        client=conversation.client,
        channel=conversation.channel,
        address=conversation.address,
        started_at_ms=now_ms,
        queue_hint=opening.queue,
        language=opening.language,
        attributes=opening.attributes,
        personal=personal,
    )


def attention(conversation: Conversation, request_id: str, message_id: str, now_ms: int) -> AttentionRequested:
    """Ask the router for an agent."""
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
