"""What Kafka brings to a node's owner, as facts about calls: what the router decided, what people ask for."""

from collections.abc import Callable
from typing import Any, Final, Protocol

from contracts import Event
from contracts.agents import CommandResult
from contracts.call_commands import AttachTranscript, SuperviseCall
from contracts.calls import CallCommandRefused, TranscriptAttached
from contracts.commands import ConnectAssignment
from contracts.registry import EVENT_TYPES
from contracts.tasks import TaskAssigned
from contracts.topics import COMMANDS_VOICE, ROUTING_EVENTS
from servicekit.ports import Clock
from servicekit.telemetry import Telemetry, log

from voice_gateway.commits import Commits
from voice_gateway.domain.call import Call, UnknownFormError, call_from_json
from voice_gateway.domain.driver import Capabilities
from voice_gateway.domain.facts import Asked, CallArrived, DialAsked, Fact, Routed
from voice_gateway.domain.ids import derived
from voice_gateway.domain.places import Places
from voice_gateway.domain.step import Said, interaction_of
from voice_gateway.inputs import Input
from voice_gateway.live_calls import Key, Live, LiveCalls
from voice_gateway.resolving import Resolving

LOG: Final = log("routed")
NUMBER_UNKNOWN: Final = "number_unknown"
_WANTED: Final = frozenset(
    each.name
    for each in EVENT_TYPES
    if each.topic == COMMANDS_VOICE
    or (each.topic == ROUTING_EVENTS and each.name.split(".")[0] in ("task", "assignment", "transfer", "command"))
)


class Steps(Protocol):
    """Takes facts; a Reign."""

    def step(self, live: Live, fact: Fact) -> None:
        """Something has happened to a call."""
        ...

    def begin(self, fact: CallArrived | DialAsked) -> Live | None:
        """A call begins."""
        ...


def is_wanted(type_name: str) -> bool:
    """Whether events of this type may be about calls."""
    return type_name in _WANTED


class RouterSide:
    """See the module. `is_outbound`: this node's owner speaks for calls that no node has had."""

    def __init__(
        self,
        node: str,
        calls: LiveCalls,
        commits: Commits,
        resolving: Resolving,
        *,
        can: Callable[[], Capabilities],
        is_outbound: bool,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._node = node
        self._calls = calls
        self._commits = commits
        self._resolving = resolving
        self._can = can
        self._is_outbound = is_outbound
        self._clock = clock
        self._telemetry = telemetry
        self._places = Places()

    def place_of(self, call: Call) -> int | None:
        """Where in line its task stands; none: it does not wait, or nobody knows."""
        return None if call.task_id is None else self._places.of(call.terms.tenant_id, call.task_id)

    def came(self, taken: Input, steps: Steps) -> None:
        """An event has come; most are about other nodes' calls, or about no calls."""
        event = taken.event
        if event is None:
            return
        data: Any = event.data
        self._places.heard(event.tenant_id, data)
        key = event.tenant_id, _interaction_of(data)
        live = self._calls.get(key)
        if live is not None and not live.call.over:
            with self._telemetry.span(f"handle {event.type.name}", traceparent=event.traceparent):
                self._about(live, event, steps)
        elif isinstance(data, TaskAssigned) and taken.may_be_over:
            self._call_back(data, event, taken, steps)
        elif event.type.topic == COMMANDS_VOICE and self._speaks_for(taken):
            self._asked_of_none(key, data, taken)

    def _about(self, live: Live, event: Event, steps: Steps) -> None:
        data: Any = event.data
        if event.type.topic == ROUTING_EVENTS:
            agent_id = data.agent_id if isinstance(data, TaskAssigned) else None
            phone = self._resolving.phone(event.tenant_id, agent_id) if agent_id else None
            if agent_id:
                self._commits.note_agent(live.key, agent_id)
            steps.step(live, Routed(data=data, sequence=event.sequence or "", phone=phone))
        else:
            supervisor = data.supervisor_id if isinstance(data, SuperviseCall) else None
            phone = self._resolving.phone(event.tenant_id, supervisor) if supervisor else None
            steps.step(live, Asked(data=data, phone=phone))

    def _call_back(self, data: TaskAssigned, event: Event, taken: Input, steps: Steps) -> None:
        """An agent has accepted to call a customer, whom the call before names."""
        before = _call_of(taken)
        if not self._speaks_for(taken):
            return
        if taken.kept is not None:
            self._commits.note_agent((event.tenant_id, data.interaction_id), data.agent_id)
        if before is None or not before.customer.number:
            self._not_dialled(event, data)
            return
        steps.begin(
            DialAsked(
                data=data,
                sequence=event.sequence or "",
                phone=self._resolving.phone(event.tenant_id, data.agent_id),
                customer=before.customer,
                terms=self._resolving.terms_of(before.terms.address, self._can()) or before.terms,
            )
        )

    def _not_dialled(self, event: Event, data: TaskAssigned) -> None:
        failed = ConnectAssignment(
            assignment_id=data.assignment_id,
            interaction_id=data.interaction_id,
            domain=data.domain,
            reported_at_ms=self._clock.now_ms(),
            failure=NUMBER_UNKNOWN,
        )
        said = Said(data=failed, event_id=derived(data.assignment_id, NUMBER_UNKNOWN))
        self._commits.say((event.tenant_id, data.interaction_id), data.domain, said)

    def _speaks_for(self, taken: Input) -> bool:
        """Whether it is for this owner to answer: the call was its node's, or nobody's."""
        return self._is_outbound if taken.kept is None else taken.kept.node == self._node

    def _asked_of_none(self, key: Key, data: Any, taken: Input) -> None:  # Any: a command of any type
        """Of a call that is over, or that never was: only a transcript still has its place."""
        if isinstance(data, AttachTranscript) and taken.kept is not None:
            self._attach(key, data)
            return
        refused = CallCommandRefused(
            interaction_id=data.interaction_id,
            domain=data.domain,
            command_id=data.command_id,
            reason="interaction_unknown" if taken.kept is None else "interaction_ended",
            refused_at_ms=self._clock.now_ms(),
            agent_id=getattr(data, "supervisor_id", None) or getattr(data, "agent_id", None),
        )
        self._commits.say(key, data.domain, Said(data=refused, event_id=derived(key[1], data.command_id, "refused")))

    def _attach(self, key: Key, data: AttachTranscript) -> None:
        """To a call that is over: there is nothing to decide."""
        attached = TranscriptAttached(
            interaction_id=data.interaction_id,
            domain=data.domain,
            transcript_id=data.transcript_id,
            language=data.language,
            attached_at_ms=self._clock.now_ms(),
            recording_id=data.recording_id,
            personal=data.personal,
        )
        self._commits.say(key, data.domain, Said(data=attached, event_id=derived(key[1], data.command_id)))


def _interaction_of(data: Any) -> str:  # Any: data of any event
    """The router's answer to what a call asked names it by the command alone."""
    if isinstance(data, CommandResult):
        return interaction_of(data.command_id) or ""
    return str(getattr(data, "interaction_id", ""))


def _call_of(taken: Input) -> Call | None:
    if taken.kept is None:
        return None
    try:
        return call_from_json(taken.kept.state.encode())
    except (UnknownFormError, ValueError):
        LOG.exception("call_not_understood", extra={"interaction_id": taken.kept.interaction_id})
        return None
