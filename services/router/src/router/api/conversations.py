"""What agents do in written conversations: the same calls for every channel, checked by what the channel can carry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from contracts import Event
from contracts.channel_limits import ChannelLimits, limits_of
from contracts.channel_parts import Template
from contracts.commands import AddNote, JoinInteraction, ResendMessage, SendMessage, SplitInteraction
from contracts.configuration import ChannelAddress
from contracts.envelope import adapter_of
from contracts.placeholders import filled
from contracts.topics import command_topic
from contracts.voice_parts import VOICE
from contracts.written import WindowChanged
from servicekit.ports import Clock
from servicekit.problems import ProblemError
from servicekit.telemetry import traceparent

from router.api.handlers import SOURCE, Desk, place_of
from router.api.live import ApiLive
from router.api.models import AssignmentView
from router.api.models_written import (
    ChannelView,
    FileLimits,
    MessageRequest,
    ReplyView,
    TemplateView,
    WindowView,
)
from router.api.named import Names, Written
from router.api.store import Seat
from router.api.uploads import Uploads
from router.api.written import check, fitting_language, free_text

ANY_LANGUAGE: Final = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """An assignment's, with what is known of its channel."""

    assignment: AssignmentView
    limits: ChannelLimits
    written: Written
    address: ChannelAddress | None
    """As configured."""
    client: str | None
    language: str | None
    window: WindowChanged | None

    @property
    def provider(self) -> str | None:
        """Of the address's account."""
        account = self.address.account if self.address else None
        return account.provider if account else None


class Conversations:
    """Messages, what channels can carry, texts to choose from."""

    def __init__(self, desk: Desk, live: ApiLive, names: Names, uploads: Uploads, clock: Clock) -> None:
        self._desk = desk
        self._live = live
        self._names = names
        self._uploads = uploads
        self._clock = clock

    async def of(self, seat: Seat, assignment_id: str) -> Conversation:
        """The agent's own. Raises ProblemError as `Desk.assignment`."""
        assignment = await self._desk.assignment(seat, assignment_id)
        about = await self._live.about(place_of(seat), assignment.interaction_id)
        named = await self._names.of(seat.tenant_id)
        address = _address(named.written, seat.domain, assignment, about.get("address"))
        provider = address.account.provider if address and address.account else None
        window = about.get("window")
        return Conversation(
            assignment=assignment,
            limits=limits_of(assignment.channel, provider),
            written=named.written,
            address=address,
            client=about.get("client") or (address.client if address else None),
            language=about.get("language") or None,
            window=_window(window) if window else None,
        )

    async def channel(self, seat: Seat, assignment_id: str) -> ChannelView:
        """What the conversation's channel can carry now."""
        found = await self.of(seat, assignment_id)
        free = free_text(found.limits, found.window, self._clock.now_ms())
        limits = found.limits
        return ChannelView(
            channel=found.assignment.channel,
            address=found.address.address if found.address else None,
            provider=found.provider,
            text_max=limits.text_max,
            caption_max=limits.caption_max,
            html_max=limits.html_max,
            subject=limits.subject,
            files=FileLimits(
                types=list(limits.file_types),
                bytes_max=limits.file_bytes_max,
                count_max=limits.files_max if limits.file_types else 0,
            ),
            templates=limits.templates,
            template_needed=limits.templates and free.now is False and not free.blocked,
            free_text=free.now,
            free_text_until_ms=free.until_ms,
            modes=list(limits.modes),
            replies=limits.replies,
            threads=limits.threads,
            statuses=list(limits.statuses),
            window=_window_view(limits, found.window),
        )

    async def templates(self, seat: Seat, assignment_id: str, language: str | None) -> list[TemplateView]:
        """Those of the conversation's address, in the customer's language if that is known, or in the one asked for."""
        found = await self.of(seat, assignment_id)
        wanted = _wanted(found, language)
        return [
            TemplateView(
                id=each.id,
                name=each.name,
                language=each.language,
                text=each.text,
                subject=each.subject,
                html=each.html,
                variables=each.variables(),
            )
            for each in _templates(found, seat.domain)
            if fitting_language(each.language, wanted)
        ]

    async def replies(self, seat: Seat, assignment_id: str, language: str | None) -> list[ReplyView]:
        """Those for the conversation's channel, queue and language, filled with what is known here."""
        found = await self.of(seat, assignment_id)
        wanted, channel, queue = _wanted(found, language), found.assignment.channel, found.assignment.queue
        values = self._values(seat, found)
        views = []
        for each in found.written.replies:
            fits = (not each.channels or channel in each.channels) and (not each.queues or queue in each.queues)
            if each.domain == seat.domain and fits and fitting_language(each.language, wanted):
                told = filled(each.text, values)
                views.append(ReplyView(id=each.id, name=each.name, text=told.text, missing=told.missing))
        return views

    async def say(self, seat: Seat, assignment_id: str, message: MessageRequest) -> None:
        """Ask the gateway to take a message or a note of the conversation. Raises ProblemError."""
        found = await self.of(seat, assignment_id)
        _raise_unless_talking(found, to_customer=message.visibility == "customer")
        if found.assignment.channel == VOICE:
            raise ProblemError(409, "channel_has_no_messages", "Nothing is written in a call.")
        if message.visibility == "internal":
            note: dict[str, Any] = {"message_id": message.message_id, "personal": {"text": message.text}}
            await self._tell(seat, found, AddNote, message.message_id, **note)
            return
        template = next((each for each in _templates(found, seat.domain) if each.id == message.template), None)
        free = free_text(found.limits, found.window, self._clock.now_ms())
        check(message, found.limits, free, channel=found.assignment.channel, template=template)
        personal = _personal(message, template)
        if message.files:
            conversation = (found.assignment.interaction_id, found.assignment.channel, found.limits)
            personal["files"] = await self._uploads.taken(seat, message.files, *conversation)
        await self._tell(
            seat,
            found,
            SendMessage,
            message.message_id,
            message_id=message.message_id,
            in_reply_to=message.in_reply_to,
            template=message.template,
            mode=message.mode,
            personal=personal,
        )

    async def resend(self, seat: Seat, assignment_id: str, message_id: str, request_id: str) -> None:
        """Have the gateway send again what failed, or may not have been sent. Raises ProblemError."""
        found = await self.of(seat, assignment_id)
        _raise_unless_talking(found, to_customer=True)
        await self._tell(seat, found, ResendMessage, request_id, request_id=request_id, message_id=message_id)

    async def split(self, seat: Seat, assignment_id: str, message_ids: Sequence[str], request_id: str) -> None:
        """Make messages a conversation of their own. Raises ProblemError."""
        found = await self._threaded(seat, assignment_id)
        ids = tuple(dict.fromkeys(message_ids))
        await self._tell(seat, found, SplitInteraction, request_id, request_id=request_id, message_ids=ids)

    async def join(self, seat: Seat, assignment_id: str, interaction_id: str, request_id: str) -> None:
        """Put what was said in another conversation into this one. Raises ProblemError."""
        found = await self._threaded(seat, assignment_id)
        if interaction_id == found.assignment.interaction_id:
            raise ProblemError(422, "same_interaction", "A conversation cannot be joined with itself: name another.")
        joined = {"request_id": request_id, "joined_interaction_id": interaction_id}
        await self._tell(seat, found, JoinInteraction, request_id, **joined)

    async def _threaded(self, seat: Seat, assignment_id: str) -> Conversation:
        found = await self.of(seat, assignment_id)
        _raise_unless_talking(found, to_customer=True)
        if not found.limits.threads:
            detail = f"A customer has one conversation at a time by {found.assignment.channel}: there is nothing to do."
            raise ProblemError(409, "channel_has_no_threads", detail)
        return found

    async def _tell(
        self,
        seat: Seat,
        found: Conversation,
        command: type,
        event_id: str,
        **fields: Any,  # Any: the command's own fields
    ) -> None:
        """Append a command to the topic of the conversation's gateway."""
        assignment, now_ms = found.assignment, self._clock.now_ms()
        data = command(
            interaction_id=assignment.interaction_id,
            domain=seat.domain,
            agent_id=seat.agent_id,
            assignment_id=assignment.assignment_id,
            assignment_sequence=assignment.sequence,
            requested_at_ms=now_ms,
            **fields,
        )
        event = Event(
            id=event_id,
            source=SOURCE,
            tenant_id=seat.tenant_id,
            subject=assignment.interaction_id,
            time_ms=now_ms,
            data=data,
            traceparent=traceparent(),
        )
        await self._desk.append(event, key=assignment.interaction_id, topic=command_topic(assignment.channel))

    def _values(self, seat: Seat, found: Conversation) -> dict[str, str]:
        zone = ZoneInfo(found.written.zones.get(seat.domain, "UTC"))
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).astimezone(zone)
        queue = found.assignment.queue
        known = {
            "agent_name": seat.name,
            "client": found.client,
            "queue": found.written.queue_names.get((seat.domain, queue), queue),
            "address": found.address.address if found.address else None,
            "date": now.date().isoformat(),
        }
        return {name: value for name, value in known.items() if value is not None}


def _raise_unless_talking(found: Conversation, *, to_customer: bool) -> None:
    if found.assignment.state != "assigned":
        raise ProblemError(409, "assignment_over", "The conversation of this assignment is over.")
    if found.assignment.role == "consultant" and to_customer:
        raise ProblemError(409, "role_forbids", "A consultant talks to the agents only: send it as internal.")


def _address(written: Written, domain: str, assignment: AssignmentView, told: str | None) -> ChannelAddress | None:
    """The one that the conversation began at; not known any more (Redis was lost): the channel's that leads to the
    queue, if there is one, else the channel's first. The gateway, which knows, checks what is sent anyway."""
    of_channel = [each for each in written.addresses if (each.domain, each.channel) == (domain, assignment.channel)]
    if told:
        return next((each for each in of_channel if each.address == told), None)
    leading = [each for each in of_channel if assignment.queue in (each.queue, *each.queues)]
    return next(iter(leading or of_channel), None)


def _templates(found: Conversation, domain: str) -> list[Template]:
    address = found.address.address if found.address else None
    return [each for each in found.written.templates if (each.domain, each.address) == (domain, address)]


def _wanted(found: Conversation, language: str | None) -> str | None:
    return None if language == ANY_LANGUAGE else language or found.language


def _personal(message: MessageRequest, template: Template | None) -> dict[str, object]:
    """With the words that the customer reads, which of a template are its own; its variables in their order. The
    gateway makes a template's subject and HTML."""
    words: dict[str, object] = {"text": message.text}
    if template is not None:
        values = [message.variables[name] for name in template.variables()]
        words = {"text": filled(template.text, message.variables).text, "variables": values}
    mail: Mapping[str, object] = {
        "to": message.to,
        "cc": message.cc,
        "bcc": message.bcc,
        "subject": message.subject,
        "html": message.html,
    }
    return words | {name: value for name, value in mail.items() if value}


def _window(text: str) -> WindowChanged:
    return cast(WindowChanged, adapter_of(WindowChanged).validate_json(text))  # the adapter's own type


def _window_view(limits: ChannelLimits, window: WindowChanged | None) -> WindowView:
    if window is None:
        return WindowView(basis="always" if limits.window_hours is None else "unknown")
    return WindowView(basis=window.basis, opens_at_ms=window.opens_at_ms, closes_at_ms=window.closes_at_ms)
