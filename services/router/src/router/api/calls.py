"""What agents, supervisors and integrators want of calls: commands to the voice gateway, by the assignment that they
are about. What became of them is told by events `call.*`."""

from collections.abc import Callable, Collection
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from contracts import Event
from contracts.call_commands import (
    AttachTranscript,
    DropLeg,
    MuteCall,
    PauseRecording,
    SendKeys,
    SuperviseCall,
    SupervisionMode,
)
from contracts.tasks import Role
from contracts.voice_parts import VOICE
from pydantic_core import to_json
from servicekit.auth import Principal
from servicekit.ports import Clock
from servicekit.problems import ProblemError
from servicekit.telemetry import traceparent

from router.api.acts import Act, Acts
from router.api.handlers import SOURCE, Desk, place_of
from router.api.live import ApiLive, Place
from router.api.models import AssignmentView
from router.api.models_calls import TranscriptWish
from router.api.named import Names
from router.api.store import Seat
from router.api.supervision import Supervision

NOT_A_CALL: Final = "This conversation is no call."
EVERY_ROLE: Final[tuple[Role, ...]] = ("owner", "participant", "consultant")
OWNER: Final[tuple[Role, ...]] = ("owner",)
WITH_THE_CUSTOMER: Final[tuple[Role, ...]] = ("owner", "participant")


class Calls:
    """Agents in their own calls, supervisors in agents', integrators after them."""

    def __init__(
        self, desk: Desk, supervision: Supervision, acts: Acts, names: Names, live: ApiLive, clock: Clock
    ) -> None:
        self._desk = desk
        self._supervision = supervision
        self._acts = acts
        self._names = names
        self._live = live
        self._clock = clock

    async def send_keys(self, seat: Seat, assignment_id: str, keys: str, command_id: str) -> None:
        """The other side hears keys. Raises ProblemError, as all of these."""
        await self._own(
            seat, assignment_id, WITH_THE_CUSTOMER, SendKeys, command_id=command_id, personal={"keys": keys}
        )

    async def mute(self, seat: Seat, assignment_id: str, command_id: str, *, muted: bool) -> None:
        """Nobody hears the agent, or they do again."""
        await self._own(seat, assignment_id, EVERY_ROLE, MuteCall, command_id=command_id, muted=muted)

    async def pause_recording(self, seat: Seat, assignment_id: str, command_id: str, *, paused: bool) -> None:
        """What is said is not recorded, or is again."""
        await self._own(seat, assignment_id, WITH_THE_CUSTOMER, PauseRecording, command_id=command_id, paused=paused)

    async def drop_leg(self, seat: Seat, assignment_id: str, leg_id: str, command_id: str) -> None:
        """Somebody is put out of the talk, by the agent who answers for it."""
        await self._own(seat, assignment_id, OWNER, DropLeg, command_id=command_id, leg_id=leg_id)

    async def supervise(
        self, principal: Principal, agent_id: str, assignment_id: str, mode: SupervisionMode, act: Act
    ) -> str:
        """A supervisor's phone is put into an agent's talk, or (`over`) leaves it; the command's id."""
        seat = await self._supervision.seat(principal, agent_id)
        assignment = await self._desk.assignment(seat, assignment_id)
        _raise_unless_talking(assignment)
        named = await self._names.of(seat.tenant_id)
        if mode != "over":
            await self._raise_unless_may_listen(principal, seat, assignment)
        command = SuperviseCall(
            command_id=act.command_id,
            interaction_id=assignment.interaction_id,
            domain=seat.domain,
            agent_id=agent_id,
            assignment_id=assignment_id,
            assignment_sequence=assignment.sequence,
            supervisor_id=principal.subject,
            mode=mode,
            announced=named.calls.announced.get(seat.domain, True),
            requested_at_ms=self._clock.now_ms(),
        )
        return await self._audited(principal, "call.supervise", assignment_id, command, act.key)

    async def attach_transcript(self, principal: Principal, interaction_id: str, wish: TranscriptWish, act: Act) -> str:
        """What was said is kept with the call, which may be over; the command's id."""
        domain = await self._supervision.domain(principal, wish.domain)
        about = await self._live.about(Place(domain.tenant_id, domain.domain), interaction_id)
        named = await self._names.of(domain.tenant_id)
        # Redis knows calls of the last days: of an older one the gateway alone can tell.
        if named.calls.channel_of.get(about.get("address", ""), VOICE) != VOICE:
            raise ProblemError(409, "not_a_call", NOT_A_CALL)
        said = wish.model_dump(include={"text", "segments"}, exclude_none=True)
        command = AttachTranscript(
            command_id=act.command_id,
            interaction_id=interaction_id,
            domain=domain.domain,
            transcript_id=wish.transcript_id,
            language=wish.language,
            requested_at_ms=self._clock.now_ms(),
            by=principal.subject,
            recording_id=wish.recording_id,
            personal=said,
        )
        # The audit has no words, and other words are another act.
        key = None if act.key is None else f"{act.key}\n{sha256(to_json(said)).hexdigest()}"
        return await self._audited(principal, "call.attach_transcript", interaction_id, command, key)

    async def _own(
        self,
        seat: Seat,
        assignment_id: str,
        roles: Collection[Role],
        make: Callable[..., object],
        **fields: Any,  # Any: the command's own fields
    ) -> None:
        """A command of the agent's, by an assignment of theirs in which they have one of the roles."""
        assignment = await self._desk.assignment(seat, assignment_id)
        _raise_unless_talking(assignment)
        if assignment.role not in roles:
            raise ProblemError(409, "role_forbids", f"In this call you are {assignment.role}: ask its owner.")
        command = make(
            interaction_id=assignment.interaction_id,
            domain=seat.domain,
            agent_id=seat.agent_id,
            assignment_id=assignment_id,
            assignment_sequence=assignment.sequence,
            requested_at_ms=self._clock.now_ms(),
            **fields,
        )
        await self._tell(seat.tenant_id, assignment.interaction_id, fields["command_id"], command)

    async def _audited(
        self, principal: Principal, action: str, target: str, command: SuperviseCall | AttachTranscript, key: str | None
    ) -> str:
        command_id = await self._acts.command(principal, action, target, command, key)
        asked = replace(command, command_id=command_id)
        await self._tell(principal.tenant_id, command.interaction_id, command_id, asked)
        return command_id

    async def _tell(self, tenant_id: str, interaction_id: str, command_id: str, command: object) -> None:
        event = Event(
            id=command_id,
            source=SOURCE,
            tenant_id=tenant_id,
            subject=interaction_id,
            time_ms=self._clock.now_ms(),
            data=command,
            traceparent=traceparent(),
        )
        await self._desk.append(event, key=interaction_id)

    async def _raise_unless_may_listen(self, principal: Principal, seat: Seat, assignment: AssignmentView) -> None:
        """Supervisors are called as agents are, and hear calls of those clients alone that they serve."""
        calls = (await self._names.of(seat.tenant_id)).calls
        if principal.subject == seat.agent_id:
            raise ProblemError(422, "own_call", "This call is yours: there is nothing to listen to.")
        if principal.subject not in calls.phones:
            detail = "The active configuration has no phone for you: add one to your entry among its agents."
            raise ProblemError(409, "no_phone", detail)
        clients = calls.clients_of.get(principal.subject)
        about = await self._live.about(place_of(seat), assignment.interaction_id)
        if clients is not None and about.get("client") not in clients:
            raise ProblemError(403, "client_forbidden", "This call is of a client whom you do not serve.")


def _raise_unless_talking(assignment: AssignmentView) -> None:
    if assignment.channel != VOICE:
        raise ProblemError(409, "not_a_call", NOT_A_CALL)
    if assignment.state != "assigned":
        raise ProblemError(409, "assignment_over", "The call of this assignment is over.")
