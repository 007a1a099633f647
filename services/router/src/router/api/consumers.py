"""The group `router-push`: what happens to an agent, and what is said to them, goes to their stream in Redis.

Pushes are idempotent: a routing event is refused by its sequence, a message by its offset, in the scripts
that append.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from contracts import Event
from contracts.agents import (
    AgentAdherenceChanged,
    AgentBackedOff,
    AgentClocked,
    AgentPresenceChanged,
    AgentStateChanged,
    AgentStatePending,
    CommandResult,
)
from contracts.assignments import (
    AssignmentCapacityChanged,
    AssignmentConnected,
    AssignmentHeld,
    AssignmentRetrieved,
    AssignmentRoleChanged,
    TransferChanged,
)
from contracts.calls import (
    CallCommandRefused,
    CallMeasured,
    LegAnswered,
    LegEnded,
    LegRinging,
    LegStarted,
    MenuChosen,
    RecordingChanged,
    Supervised,
    SurveyAnswered,
)
from contracts.envelope import adapter_of
from contracts.interactions import InteractionStarted
from contracts.messages import (
    MessageAnnounced,
    MessageDelivered,
    MessageFailed,
    MessageNoted,
    MessageReceived,
    MessageSent,
)
from contracts.offers import OfferAccepted, OfferExpired, OfferIssued, OfferRejected, OfferRescinded, OfferWithdrawn
from contracts.tasks import (
    TaskAssigned,
    TaskCompleted,
    TaskRequeued,
    TaskTransferredOut,
    TaskUnassigned,
    WrapupStarted,
)
from contracts.topics import INTERACTIONS, MESSAGES, ROUTING_EVENTS
from contracts.written import (
    MessageEdited,
    MessageErased,
    MessageFilesChanged,
    MessagesMoved,
    MessageStatusChanged,
    WindowChanged,
)
from servicekit.consume import Delivery, Reactions
from servicekit.errors import RejectError
from servicekit.telemetry import traceparent

from router.api.live import AboutPush, EventPush, MessagePush, Place, Push, What

GROUP: Final = "router-push"
TOPICS: Final = (ROUTING_EVENTS.name, MESSAGES.name, INTERACTIONS.name)
FRAME_CHARACTERS_MAX: Final = 65_536
"""Of a message; a longer one is pushed without what is long in it, which the CRM keeps."""
TEXT_CUT: Final = 20_000

_TELL: Final = (
    OfferIssued,
    OfferAccepted,
    OfferRejected,
    OfferExpired,
    OfferRescinded,
    OfferWithdrawn,
    AgentStateChanged,
    AgentStatePending,
    AgentBackedOff,
    AgentClocked,
    AgentAdherenceChanged,
    AgentPresenceChanged,
    AssignmentConnected,
    AssignmentHeld,
    AssignmentRetrieved,
    AssignmentCapacityChanged,
    CommandResult,
)
_MESSAGES: Final = (
    MessageReceived,
    MessageSent,
    MessageNoted,
    MessageAnnounced,
    MessageDelivered,
    MessageFailed,
    MessageStatusChanged,
    MessageEdited,
    MessageErased,
    MessageFilesChanged,
    MessagesMoved,
    WindowChanged,
)
_LEGS: Final = (LegStarted, LegRinging, LegAnswered, LegEnded)
_CALLS: Final = (MenuChosen, RecordingChanged, SurveyAnswered, CallMeasured)


Handler = Callable[[Delivery[Any]], Awaitable[Push | None]]  # Any: one handler serves several types of data


def reactions() -> Reactions:
    """What each event asks ApiLive.push for."""
    table = Reactions()
    for told in _TELL:
        table.on(told, _telling())
    table.on(WrapupStarted, _wrapup_started)
    table.on(TransferChanged, _transfer_changed)
    table.on(AssignmentRoleChanged, _telling("role"))
    table.on(TaskAssigned, _telling("take"))
    table.on(TaskRequeued, _telling("release"))
    table.on(TaskUnassigned, _telling("release"))
    table.on(TaskTransferredOut, _telling("release"))
    table.on(TaskCompleted, _telling("release"))
    for said in _MESSAGES:
        table.on(said, _pass_on)
    for happened in _CALLS:
        table.on(happened, _pass_on)
    for leg in _LEGS:
        table.on(leg, _leg)
    table.on(Supervised, _supervised)
    table.on(CallCommandRefused, _command_refused)
    table.on(InteractionStarted, _about)
    return table


def frame_of(event: Event) -> str:
    """The event as a frame, without the number that the stream gives it.

    `traceparent`, where the event belongs to a trace, is for the header of what the client answers with.
    """
    data = adapter_of(event.type.data).dump_python(event.data, mode="json")
    frame = {"type": event.type.name, "data": data}
    if context := traceparent():
        frame["traceparent"] = context
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def _telling(what: What = "tell") -> Handler:
    async def tell(delivery: Delivery[Any]) -> Push | None:  # Any: see Handler; all have agent_id and domain
        if delivery.data.agent_id is None:
            return None
        seat: dict[str, Any] = {}  # Any: fields of EventPush
        if what != "tell":
            seat = {"interaction_id": delivery.data.interaction_id, "assignment_id": delivery.data.assignment_id}
        if what in ("take", "role"):
            seat["role"] = delivery.data.role
        return _pushed(delivery, what, delivery.data.agent_id, **seat)

    return tell


async def _wrapup_started(delivery: Delivery[WrapupStarted]) -> Push | None:
    """The conversation goes on without an agent who has handed it over."""
    return await _telling("release" if delivery.data.handed_over_to is not None else "tell")(delivery)


async def _transfer_changed(delivery: Delivery[TransferChanged]) -> Push:
    """To both of its agents."""
    data = delivery.data
    others = (data.to_agent_id,) if data.to_agent_id not in (None, data.from_agent_id) else ()
    return _pushed(delivery, "tell", data.from_agent_id, others=others)


def _pushed(delivery: Delivery[Any], what: What, agent_id: str, **more: Any) -> EventPush:  # Any: see Handler
    if delivery.event.sequence is None:
        raise RejectError("no_sequence")
    return EventPush(
        Place(delivery.event.tenant_id, delivery.data.domain),
        what,
        agent_id,
        sequence=delivery.event.sequence,
        frame=frame_of(delivery.event),
        **more,
    )


async def _pass_on(delivery: Delivery[Any]) -> Push:  # Any: see Handler; all have interaction_id and domain
    data, frame = delivery.data, frame_of(delivery.event)
    if len(frame) > FRAME_CHARACTERS_MAX and hasattr(data, "personal"):
        frame = _shortened(delivery.event)
    return MessagePush(
        Place(delivery.event.tenant_id, data.domain),
        data.interaction_id,
        offset=delivery.record.offset,
        frame=frame,
        only=data.agent_id if isinstance(data, MessageFailed | CallCommandRefused) else None,
        also=data.to_interaction_id if isinstance(data, MessagesMoved) else "",
        erases=data.message_id if isinstance(data, MessageErased) else "",
        window=adapter_of(WindowChanged).dump_json(data).decode() if isinstance(data, WindowChanged) else "",
    )


async def _leg(delivery: Delivery[Any]) -> Push | None:  # Any: one of _LEGS
    """A supervisor's phone says that somebody listens, which `call.supervised` tells to those who may know."""
    return None if delivery.data.party == "supervisor" else await _pass_on(delivery)


async def _supervised(delivery: Delivery[Supervised]) -> Push | None:
    return await _pass_on(delivery) if delivery.data.announced else None


async def _command_refused(delivery: Delivery[CallCommandRefused]) -> Push | None:
    """To who had asked; an integrator's asks nobody's stream."""
    return await _pass_on(delivery) if delivery.data.agent_id is not None else None


def _shortened(event: Event) -> str:
    """Without HTML and what an e-mail repeats, and with the beginning of the text; `personal.shortened` says so."""
    personal: dict[str, object] = getattr(event.data, "personal", {})
    kept = {name: value for name, value in personal.items() if name not in ("html", "quoted")}
    if isinstance(text := kept.get("text"), str):
        kept["text"] = text[:TEXT_CUT]
    data: Any = event.data  # Any: one of several dataclasses with this field
    return frame_of(replace(event, data=replace(data, personal={**kept, "shortened": True})))


async def _about(delivery: Delivery[InteractionStarted]) -> Push:
    data = delivery.data
    known = {"address": data.address, "client": data.client, "language": data.language or ""}
    return AboutPush(Place(delivery.event.tenant_id, data.domain), data.interaction_id, known)
