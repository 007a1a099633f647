"""What agents, supervisors and integrators want of a call (topic `commands.voice`).

Each counts while the assignment that it names does, as `message.send`; what is not done is told by
`call.command_refused`.
"""

from dataclasses import dataclass, field
from typing import Literal

from contracts.fields import Code, Id, InstantMs, Personal

SupervisionMode = Literal["spy", "whisper", "barge", "take_over", "over"]
"""spy: hears all and is heard by nobody; whisper: the agent alone hears them; barge: everybody does; take_over: they
talk instead of the agent, whose phone leaves; over: they leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendKeys:
    """The agent presses keys for the customer's side to hear, of a machine perhaps: `personal.keys`, 0 to 9, A to D,
    `*` and `#`."""

    command_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """Sequence of the event that gave the assignment its role: a gateway that has not read so far waits."""
    requested_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteCall:
    """Nobody hears the agent, or (`muted` false) they do again."""

    command_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """As in `call.send_keys`."""
    requested_at_ms: InstantMs
    muted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecording:
    """What is said is not recorded, card data perhaps, or (`paused` false) is again."""

    command_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """As in `call.send_keys`."""
    requested_at_ms: InstantMs
    paused: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DropLeg:
    """The agent who answers for the task puts somebody out of the talk; the customer is put out by `task.end`."""

    command_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """As in `call.send_keys`."""
    leg_id: Id
    requested_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperviseCall:
    """A supervisor has their phone put into an agent's talk; asked again with another mode it changes to that."""

    command_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    """Whose talk it is."""
    assignment_id: Id
    assignment_sequence: Id
    """As in `call.send_keys`."""
    supervisor_id: Id
    """Whose phone rings: an agent of the configuration."""
    mode: SupervisionMode
    announced: bool
    """The agent is told; the configuration decides."""
    requested_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachTranscript:
    """An integrator has written down what was said, of a call that may be over: `personal.text`, or
    `personal.segments`, as in `call.transcript_attached`. It needs no assignment."""

    command_id: Id
    interaction_id: Id
    domain: Id
    transcript_id: Id
    language: Code
    requested_at_ms: InstantMs
    by: Id
    """Who attaches it."""
    recording_id: Id | None = None
    personal: Personal = field(default_factory=dict)
