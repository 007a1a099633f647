"""Which event types exist: their data, their topics and who may write them."""

from dataclasses import dataclass
from typing import Final

from contracts import (
    agents,
    assignments,
    call_commands,
    calls,
    commands,
    interactions,
    messages,
    offers,
    queues,
    tasks,
    written,
)
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from contracts.topics import (
    COMMANDS_CHAT,
    COMMANDS_EMAIL,
    COMMANDS_VOICE,
    CONFIG,
    INTERACTIONS,
    MESSAGES,
    ROUTING_EVENTS,
    ROUTING_INPUTS,
    Topic,
)

WRITTEN: Final = ("chat-gateway", "email-gateway")
VOICE: Final = ("voice-gateway",)
GATEWAYS: Final = WRITTEN + VOICE
ENGINE: Final = ("router-engine",)
API: Final = ("router-api",)
CRM: Final = ("crm",)


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event; `data` is the frozen dataclass that its JSON data fill."""

    name: str
    data: type
    topic: Topic
    writers: tuple[str, ...]
    also: tuple[Topic, ...] = ()
    """Further topics that it stands in: the same command goes to the gateway of the interaction's channel."""


EVENT_TYPES: Final = (
    EventType("interaction.started", interactions.InteractionStarted, INTERACTIONS, GATEWAYS),
    EventType("interaction.updated", interactions.InteractionUpdated, INTERACTIONS, GATEWAYS),
    EventType("interaction.activity_changed", interactions.ActivityChanged, INTERACTIONS, GATEWAYS),
    EventType("interaction.attention_requested", interactions.AttentionRequested, INTERACTIONS, GATEWAYS),
    EventType("interaction.ended", interactions.InteractionEnded, INTERACTIONS, GATEWAYS),
    EventType("message.received", messages.MessageReceived, MESSAGES, WRITTEN),
    EventType("message.sent", messages.MessageSent, MESSAGES, WRITTEN),
    EventType("message.noted", messages.MessageNoted, MESSAGES, WRITTEN),
    EventType("message.announced", messages.MessageAnnounced, MESSAGES, WRITTEN),
    EventType("message.delivered", messages.MessageDelivered, MESSAGES, WRITTEN),
    EventType("message.failed", messages.MessageFailed, MESSAGES, WRITTEN),
    EventType("message.status_changed", written.MessageStatusChanged, MESSAGES, WRITTEN),
    EventType("message.edited", written.MessageEdited, MESSAGES, WRITTEN),
    EventType("message.erased", written.MessageErased, MESSAGES, WRITTEN),
    EventType("message.files_changed", written.MessageFilesChanged, MESSAGES, WRITTEN),
    EventType("message.moved", written.MessagesMoved, MESSAGES, WRITTEN),
    EventType("window.changed", written.WindowChanged, MESSAGES, WRITTEN),
    EventType("call.leg_started", calls.LegStarted, MESSAGES, VOICE),
    EventType("call.leg_ringing", calls.LegRinging, MESSAGES, VOICE),
    EventType("call.leg_answered", calls.LegAnswered, MESSAGES, VOICE),
    EventType("call.leg_ended", calls.LegEnded, MESSAGES, VOICE),
    EventType("call.keys_pressed", calls.KeysPressed, MESSAGES, VOICE),
    EventType("call.menu_chosen", calls.MenuChosen, MESSAGES, VOICE),
    EventType("call.recording_changed", calls.RecordingChanged, MESSAGES, VOICE),
    EventType("call.recording_ready", calls.RecordingReady, MESSAGES, VOICE),
    EventType("call.recording_removed", calls.RecordingRemoved, MESSAGES, VOICE),
    EventType("call.transcript_attached", calls.TranscriptAttached, MESSAGES, VOICE),
    EventType("call.survey_answered", calls.SurveyAnswered, MESSAGES, VOICE),
    EventType("call.supervised", calls.Supervised, MESSAGES, VOICE),
    EventType("call.measured", calls.CallMeasured, MESSAGES, VOICE),
    EventType("call.command_refused", calls.CallCommandRefused, MESSAGES, VOICE),
    EventType("task.queued", tasks.TaskQueued, ROUTING_EVENTS, ENGINE),
    EventType("task.rerouted", tasks.TaskRerouted, ROUTING_EVENTS, ENGINE),
    EventType("task.deferred", tasks.TaskDeferred, ROUTING_EVENTS, ENGINE),
    EventType("task.resumed", tasks.TaskResumed, ROUTING_EVENTS, ENGINE),
    EventType("task.assigned", tasks.TaskAssigned, ROUTING_EVENTS, ENGINE),
    EventType("task.requeued", tasks.TaskRequeued, ROUTING_EVENTS, ENGINE),
    EventType("task.unassigned", tasks.TaskUnassigned, ROUTING_EVENTS, ENGINE),
    EventType("task.wrapup_started", tasks.WrapupStarted, ROUTING_EVENTS, ENGINE),
    EventType("task.completed", tasks.TaskCompleted, ROUTING_EVENTS, ENGINE),
    EventType("task.abandoned", tasks.TaskAbandoned, ROUTING_EVENTS, ENGINE),
    EventType("task.transferred_out", tasks.TaskTransferredOut, ROUTING_EVENTS, ENGINE),
    EventType("assignment.connected", assignments.AssignmentConnected, ROUTING_EVENTS, ENGINE),
    EventType("assignment.held", assignments.AssignmentHeld, ROUTING_EVENTS, ENGINE),
    EventType("assignment.retrieved", assignments.AssignmentRetrieved, ROUTING_EVENTS, ENGINE),
    EventType("assignment.capacity_changed", assignments.AssignmentCapacityChanged, ROUTING_EVENTS, ENGINE),
    EventType("assignment.role_changed", assignments.AssignmentRoleChanged, ROUTING_EVENTS, ENGINE),
    EventType("transfer.changed", assignments.TransferChanged, ROUTING_EVENTS, ENGINE),
    EventType("offer.issued", offers.OfferIssued, ROUTING_EVENTS, ENGINE),
    EventType("offer.accepted", offers.OfferAccepted, ROUTING_EVENTS, ENGINE),
    EventType("offer.rejected", offers.OfferRejected, ROUTING_EVENTS, ENGINE),
    EventType("offer.expired", offers.OfferExpired, ROUTING_EVENTS, ENGINE),
    EventType("offer.rescinded", offers.OfferRescinded, ROUTING_EVENTS, ENGINE),
    EventType("offer.withdrawn", offers.OfferWithdrawn, ROUTING_EVENTS, ENGINE),
    EventType("decision.recorded", offers.DecisionRecorded, ROUTING_EVENTS, ENGINE),
    EventType("agent.state_changed", agents.AgentStateChanged, ROUTING_EVENTS, ENGINE),
    EventType("agent.state_pending", agents.AgentStatePending, ROUTING_EVENTS, ENGINE),
    EventType("agent.backed_off", agents.AgentBackedOff, ROUTING_EVENTS, ENGINE),
    EventType("agent.clocked", agents.AgentClocked, ROUTING_EVENTS, ENGINE),
    EventType("agent.adherence_changed", agents.AgentAdherenceChanged, ROUTING_EVENTS, ENGINE),
    EventType("agent.presence_changed", agents.AgentPresenceChanged, ROUTING_EVENTS, ENGINE),
    EventType("queue.overridden", queues.QueueOverridden, ROUTING_EVENTS, ENGINE),
    EventType("alert.changed", queues.AlertChanged, ROUTING_EVENTS, ENGINE),
    EventType("command.result", agents.CommandResult, ROUTING_EVENTS, ENGINE),
    EventType("config.applied", agents.ConfigurationApplied, ROUTING_EVENTS, ENGINE),
    EventType("offer.accept", commands.AcceptOffer, ROUTING_INPUTS, API),
    EventType("offer.reject", commands.RejectOffer, ROUTING_INPUTS, API),
    EventType("agent.set_state", commands.SetAgentState, ROUTING_INPUTS, API),
    EventType("task.end", commands.EndTask, ROUTING_INPUTS, API + VOICE),
    EventType("task.complete", commands.CompleteTask, ROUTING_INPUTS, API),
    EventType("task.hold", commands.HoldTask, ROUTING_INPUTS, API + VOICE),
    EventType("task.park", commands.ParkTask, ROUTING_INPUTS, API),
    EventType("task.unpark", commands.UnparkTask, ROUTING_INPUTS, API),
    EventType("task.transfer", commands.TransferTask, ROUTING_INPUTS, API + GATEWAYS),
    EventType("transfer.move", commands.MoveTransfer, ROUTING_INPUTS, API + VOICE),
    EventType("task.reroute", commands.RerouteTask, ROUTING_INPUTS, API),
    EventType("task.finish", commands.FinishTask, ROUTING_INPUTS, API),
    EventType("queue.override", commands.OverrideQueue, ROUTING_INPUTS, API),
    EventType("agent.clock", commands.ClockAgent, ROUTING_INPUTS, API),
    EventType("task.requested", commands.RequestTask, ROUTING_INPUTS, API + GATEWAYS + CRM),
    EventType("callback.requested", commands.RequestCallback, ROUTING_INPUTS, API + GATEWAYS),
    EventType("callback.cancel", commands.CancelCallback, ROUTING_INPUTS, API + GATEWAYS),
    EventType("assignment.connect", commands.ConnectAssignment, ROUTING_INPUTS, GATEWAYS),
    EventType("customer.facts", commands.CustomerFacts, ROUTING_INPUTS, CRM),
    EventType("config.activate", commands.ActivateConfiguration, ROUTING_INPUTS, API),
    EventType("message.send", commands.SendMessage, COMMANDS_CHAT, API, also=(COMMANDS_EMAIL,)),
    EventType("message.note", commands.AddNote, COMMANDS_CHAT, API, also=(COMMANDS_EMAIL,)),
    EventType("message.resend", commands.ResendMessage, COMMANDS_CHAT, API, also=(COMMANDS_EMAIL,)),
    EventType("interaction.split", commands.SplitInteraction, COMMANDS_EMAIL, API, also=(COMMANDS_CHAT,)),
    EventType("interaction.join", commands.JoinInteraction, COMMANDS_EMAIL, API, also=(COMMANDS_CHAT,)),
    EventType("call.send_keys", call_commands.SendKeys, COMMANDS_VOICE, API),
    EventType("call.mute", call_commands.MuteCall, COMMANDS_VOICE, API),
    EventType("call.pause_recording", call_commands.PauseRecording, COMMANDS_VOICE, API),
    EventType("call.drop_leg", call_commands.DropLeg, COMMANDS_VOICE, API),
    EventType("call.supervise", call_commands.SuperviseCall, COMMANDS_VOICE, API),
    EventType("call.attach_transcript", call_commands.AttachTranscript, COMMANDS_VOICE, API),
    EventType("config.record", ConfigurationRecord, CONFIG, API),
    EventType("config.part", ConfigurationPart, CONFIG, API),
)

BY_NAME: Final = {entry.name: entry for entry in EVENT_TYPES}
BY_DATA: Final = {entry.data: entry for entry in EVENT_TYPES}
