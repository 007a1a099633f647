"""Which event types exist: their data, their topics and who may write them."""

from dataclasses import dataclass
from typing import Final

from contracts import agents, commands, interactions, messages, offers, tasks
from contracts.configuration_records import ConfigurationRecord
from contracts.topics import (
    COMMANDS_CHAT,
    CONFIG,
    INTERACTIONS,
    MESSAGES,
    ROUTING_EVENTS,
    ROUTING_INPUTS,
    Topic,
)

GATEWAYS: Final = ("chat-gateway",)
ENGINE: Final = ("router-engine",)
API: Final = ("router-api",)


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event; `data` is the frozen dataclass that its JSON data fill."""

    name: str
    data: type
    topic: Topic
    writers: tuple[str, ...]


EVENT_TYPES: Final = (
    EventType("interaction.started", interactions.InteractionStarted, INTERACTIONS, GATEWAYS),
    EventType("interaction.updated", interactions.InteractionUpdated, INTERACTIONS, GATEWAYS),
    EventType("interaction.attention_requested", interactions.AttentionRequested, INTERACTIONS, GATEWAYS),
    EventType("interaction.ended", interactions.InteractionEnded, INTERACTIONS, GATEWAYS),
    EventType("message.received", messages.MessageReceived, MESSAGES, GATEWAYS),
    EventType("message.sent", messages.MessageSent, MESSAGES, GATEWAYS),
    EventType("message.delivered", messages.MessageDelivered, MESSAGES, GATEWAYS),
    EventType("message.failed", messages.MessageFailed, MESSAGES, GATEWAYS),
    EventType("task.queued", tasks.TaskQueued, ROUTING_EVENTS, ENGINE),
    EventType("task.assigned", tasks.TaskAssigned, ROUTING_EVENTS, ENGINE),
    EventType("task.requeued", tasks.TaskRequeued, ROUTING_EVENTS, ENGINE),
    EventType("task.wrapup_started", tasks.WrapupStarted, ROUTING_EVENTS, ENGINE),
    EventType("task.completed", tasks.TaskCompleted, ROUTING_EVENTS, ENGINE),
    EventType("task.abandoned", tasks.TaskAbandoned, ROUTING_EVENTS, ENGINE),
    EventType("offer.issued", offers.OfferIssued, ROUTING_EVENTS, ENGINE),
    EventType("offer.accepted", offers.OfferAccepted, ROUTING_EVENTS, ENGINE),
    EventType("offer.rejected", offers.OfferRejected, ROUTING_EVENTS, ENGINE),
    EventType("offer.expired", offers.OfferExpired, ROUTING_EVENTS, ENGINE),
    EventType("offer.rescinded", offers.OfferRescinded, ROUTING_EVENTS, ENGINE),
    EventType("decision.recorded", offers.DecisionRecorded, ROUTING_EVENTS, ENGINE),
    EventType("agent.state_changed", agents.AgentStateChanged, ROUTING_EVENTS, ENGINE),
    EventType("agent.presence_changed", agents.AgentPresenceChanged, ROUTING_EVENTS, ENGINE),
    EventType("command.result", agents.CommandResult, ROUTING_EVENTS, ENGINE),
    EventType("config.applied", agents.ConfigurationApplied, ROUTING_EVENTS, ENGINE),
    EventType("offer.accept", commands.AcceptOffer, ROUTING_INPUTS, API),
    EventType("offer.reject", commands.RejectOffer, ROUTING_INPUTS, API),
    EventType("agent.set_state", commands.SetAgentState, ROUTING_INPUTS, API),
    EventType("task.end", commands.EndTask, ROUTING_INPUTS, API),
    EventType("task.complete", commands.CompleteTask, ROUTING_INPUTS, API),
    EventType("config.activate", commands.ActivateConfiguration, ROUTING_INPUTS, API),
    EventType("message.send", commands.SendMessage, COMMANDS_CHAT, API),
    EventType("config.record", ConfigurationRecord, CONFIG, API),
)

BY_NAME: Final = {entry.name: entry for entry in EVENT_TYPES}
BY_DATA: Final = {entry.data: entry for entry in EVENT_TYPES}
