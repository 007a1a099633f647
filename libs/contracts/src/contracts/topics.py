"""Topic names, and for each what decides the partition. Nothing else in the platform spells a topic's name."""

from dataclasses import dataclass
from typing import Final, Literal

PartitionRule = Literal["domain", "interaction", "single"]
"""domain: the number that configuration gives the domain, set by the producer; interaction: Kafka's default
partitioner over the key (the interaction id); single: one partition."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as `centralino up` and operators create it."""

    name: str
    rule: PartitionRule
    compacted: bool = False
    internal: bool = False
    retention_hours: int = 8 * 24

    def partitions(self, domain_partitions: int) -> int:
        """How many partitions the topic has where domains are spread over `domain_partitions`."""
        return 1 if self.rule == "single" else domain_partitions


INTERACTIONS: Final = Topic("interactions", "domain")
MESSAGES: Final = Topic("messages", "interaction")
ROUTING_INPUTS: Final = Topic("routing.inputs", "domain")
# The journal is shortened by delete-records only, and snapshots by tombstones: never by age.
ROUTING_JOURNAL: Final = Topic("routing.journal", "domain", internal=True, retention_hours=-1)
ROUTING_SNAPSHOTS: Final = Topic("routing.snapshots", "domain", compacted=True, internal=True)
ROUTING_EVENTS: Final = Topic("routing.events", "domain")
COMMANDS_CHAT: Final = Topic("commands.chat", "interaction")
COMMANDS_EMAIL: Final = Topic("commands.email", "interaction")
COMMANDS_VOICE: Final = Topic("commands.voice", "interaction")
CONFIG: Final = Topic("config", "single", compacted=True)

TOPICS: Final = (
    INTERACTIONS,
    MESSAGES,
    ROUTING_INPUTS,
    ROUTING_JOURNAL,
    ROUTING_SNAPSHOTS,
    ROUTING_EVENTS,
    COMMANDS_CHAT,
    COMMANDS_EMAIL,
    COMMANDS_VOICE,
    CONFIG,
)
_OF_CHANNEL: Final = {"email": COMMANDS_EMAIL, "voice": COMMANDS_VOICE}


def command_topic(channel: str) -> Topic:
    """Where the gateway of a channel reads what agents ask of it."""
    return _OF_CHANNEL.get(channel, COMMANDS_CHAT)


def dead_letter_topic(topic: str, group: str) -> str:
    """Where group `group` parks records of `topic` that it can never handle; one partition, kept 30 days."""
    return f"{topic}.{group}.dlq"
