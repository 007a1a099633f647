"""What a run has left behind: topics from their first offset on, tables, and what customers were promised."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from contracts import Event, MalformedEventError, decode
from contracts.messages import MessageAnnounced, MessageNoted, MessageReceived, MessageSent
from contracts.topics import CONFIG, INTERACTIONS, MESSAGES, ROUTING_EVENTS, ROUTING_INPUTS, ROUTING_JOURNAL
from servicekit.ports import Partition, Record


@dataclass(frozen=True, slots=True)
class Stood:
    """An event and where it stands."""

    at: Partition
    offset: int
    event: Event
    appended_at_ms: int
    """When its writer handed it over, by the record."""

    @property
    def place(self) -> str:
        """Topic, partition and offset, as faults name them."""
        return f"{self.at.topic}[{self.at.number}]@{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of a conversation, as the topic, a table or a customer has it; customers know no `message_id`."""

    interaction_id: str
    number: int
    sender: Literal["customer", "agent", "system"]
    text: str
    message_id: str | None = None
    internal: bool = False
    """Between agents: a number without a place in the visitor's log."""


Outcome = Literal["ok", "failed", "unknown"]
RequestKind = Literal["ready", "accept", "reject", "complete", "say", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One try of somebody to get something done, and how it went. Tries under one key ask for the same."""

    who: str
    kind: RequestKind
    about: str
    """The agent, offer, assignment or message it is about."""
    key: str
    asked_at_ms: int
    answered_at_ms: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Rows of the gateway and of the CRM; `crm_tasks` is the state of each task by its id."""

    gateway: Sequence[Said]
    crm: Sequence[Said]
    crm_tasks: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that the checker looks at. Every sequence is in order of offsets within each partition."""

    journal: Sequence[Record]
    routing: Sequence[Stood]
    interactions: Sequence[Stood]
    messages: Sequence[Stood]
    configuration: Sequence[Stood]
    inputs: Sequence[Stood] = ()
    """What the engine was asked."""
    malformed: Sequence[str]
    """Records of these topics that are no events, by topic, partition and offset."""
    dead_letters: Sequence[str]
    accepted: Sequence[Said]
    """What the gateway acknowledged to customers."""
    requests: Sequence[Request] = ()
    """What customers and agents asked for."""
    tables: Tables


def read_history(
    records: Mapping[str, Sequence[Record]],
    *,
    dead_letters: Sequence[str],
    accepted: Sequence[Said],
    tables: Tables,
    requests: Sequence[Request] = (),
) -> History:
    """The history in the records of each topic."""
    malformed: list[str] = []
    return History(
        journal=records[ROUTING_JOURNAL.name],
        routing=list(read_events(records[ROUTING_EVENTS.name], malformed)),
        interactions=list(read_events(records[INTERACTIONS.name], malformed)),
        messages=list(read_events(records[MESSAGES.name], malformed)),
        configuration=list(read_events([record for record in records[CONFIG.name] if record.value], malformed)),
        inputs=list(read_events(records.get(ROUTING_INPUTS.name, ()), malformed)),
        malformed=malformed,
        dead_letters=dead_letters,
        accepted=accepted,
        requests=requests,
        tables=tables,
    )


_SENDERS: Final[Mapping[type, Literal["customer", "agent", "system"]]] = {
    MessageReceived: "customer",
    MessageSent: "agent",
    MessageNoted: "agent",
    MessageAnnounced: "system",
}
Spoken = MessageReceived | MessageSent | MessageNoted | MessageAnnounced


def said(data: Spoken) -> Said:
    """The message that the event tells of."""
    return Said(
        interaction_id=data.interaction_id,
        number=data.number,
        sender=_SENDERS[type(data)],
        text=text_of(data.personal),
        message_id=data.message_id,
        internal=isinstance(data, MessageNoted),
    )


def text_of(personal: Mapping[str, object]) -> str:
    """The words; a message that is only a file has none."""
    return str(personal.get("text") or "")


def read_events(records: Iterable[Record], malformed: list[str]) -> Iterator[Stood]:
    """The event of each record; the places of those that are none are added to `malformed`."""
    for record in records:
        try:
            yield Stood(record.at, record.offset, decode(record.value, record.headers), record.timestamp_ms)
        except MalformedEventError:
            malformed.append(f"{record.topic}[{record.partition}]@{record.offset}")
