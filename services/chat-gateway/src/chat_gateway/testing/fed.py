"""The gateway's handlers on memory parts, fed by hand."""

from collections.abc import Collection
from functools import partial

from contracts import Event, decode, encode
from contracts.configuration import WEB_CHAT
from contracts.configuration_records import ConfigurationRecord
from gatewaykit.agent_messages import AgentMessages
from gatewaykit.directory import Directory
from gatewaykit.domain.records import Conversation, Place
from gatewaykit.routing import Routing
from gatewaykit.timers import Timers
from servicekit.ports import Record
from servicekit.telemetry import Telemetry
from servicekit.testing.set_clock import NOW_MS, SetClock
from servicekit.transactional import TransactionalProcessor

from chat_gateway import handlers
from chat_gateway.consumers import GROUP, reactions
from chat_gateway.domain.records import Visit
from chat_gateway.loops import present
from chat_gateway.testing import MemoryChatStore, MemorySignals
from chat_gateway.testing.samples import configuration, place, visit


class FedGateway:
    """Handlers, memory store and signals without any loop: the test feeds and looks."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.signals = MemorySignals(self.clock)
        self.store = MemoryChatStore(self._committed)
        self.timers = Timers(self.store, partial(present, self.signals), self.clock)
        self.woken: list[str] = []
        directory = Directory([WEB_CHAT])
        for event in configuration():
            assert isinstance(event.data, ConfigurationRecord)
            directory.apply(event.tenant_id, event.data)
        self.processor = TransactionalProcessor(
            group=GROUP,
            store=self.store,
            reactions=reactions(Routing(directory, self.clock), AgentMessages(self.clock)),
            telemetry=Telemetry("test"),
        )
        self._offsets: dict[str, int] = {}

    async def _committed(self, interaction_ids: Collection[str]) -> None:
        self.woken += interaction_ids

    async def say(
        self, client_message_id: str = "c1", *, window: Visit | None = None, at: Place | None = None, text: str = "hi"
    ) -> int:
        """The visitor says something; its number."""
        used = window or visit()
        async with self.store.transaction(used.tenant_id) as tx:
            return await handlers.accept_message(
                tx,
                used,
                at or place(),
                client_message_id=client_message_id,
                text=text,
                now_ms=self.clock.now_ms(),
            )

    async def feed(self, *events: Event) -> None:
        """As Kafka brings them, each with its own offset."""
        for event in events:
            record = self.record(event)
            await self.processor.process([record])

    def record(self, event: Event) -> Record:
        """The event as the next record of its topic."""
        value, headers = encode(event)
        topic = event.type.topic.name
        offset = self._offsets.get(topic, 0)
        self._offsets[topic] = offset + 1
        return Record(topic, 0, offset, event.subject.encode(), value, tuple(headers), NOW_MS)

    def announced(self) -> list[object]:
        """The data of everything in the outbox."""
        return [decode(row.outgoing.value, row.outgoing.headers).data for row in self.store.database.outbox.rows]

    def kinds(self) -> list[type]:
        """Of `announced`."""
        return [type(data) for data in self.announced()]

    def conversation(self) -> Conversation:
        """The sample visitor's."""
        return self.store.database.tables.conversations["acme", "i1"]
