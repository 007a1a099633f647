"""The gateway with all its providers' channels on memory parts, and agents who answer by them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from contracts import Event, decode, encode
from contracts.commands import ResendMessage, SendMessage
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord, RecordKind
from contracts.tasks import TaskAssigned
from gatewaykit.agent_messages import AgentMessages
from gatewaykit.domain.records import Conversation
from gatewaykit.outgoings import Outgoings
from gatewaykit.routing import Routing
from gatewaykit.testing.memory_blobs import MemoryBlobs
from gatewaykit.writing import Writing
from servicekit.database import DatabaseAwayError
from servicekit.ports import Http, Record
from servicekit.run import Shell
from servicekit.store import EVERY_TENANT, Tenant
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.virtual import SeededChance
from servicekit.transactional import TransactionalProcessor

from chat_gateway.app import assemble
from chat_gateway.carriers import PROVIDERS
from chat_gateway.consumers import GROUP, reactions
from chat_gateway.store import ChatTransaction
from chat_gateway.testing.backends import backends_of, settings_of
from chat_gateway.testing.memory import MemoryChatStore
from chat_gateway.testing.samples import AGENT, DOMAIN, TENANT, routed, sequence_text
from chat_gateway.testing.signals import MemorySignals

SEQUENCE = 7


class Interrupted:
    """The store; with `away` it cannot be reached, and until it is `open` none goes on; `begun` counts."""

    def __init__(self, store: MemoryChatStore) -> None:
        self.away = False
        self.begun = 0
        self.open = asyncio.Event()
        self.open.set()
        self.wakes = store.wakes
        self._store = store

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[ChatTransaction, None]:
        """See ChatStore."""
        if self.away:
            raise DatabaseAwayError("away on purpose")
        self.begun += 1
        await self.open.wait()
        async with self._store.transaction(tenant) as transaction:
            yield transaction


class WrittenGateway:
    """Its application, its loops for sending and fetching, and what Kafka would bring it, fed by hand."""

    def __init__(self, http: Http, secrets_path: Path, **settings: Any) -> None:  # Any: whatever settings take
        clock = SystemClock()
        self.clock, self.blobs = clock, MemoryBlobs()
        self.store = MemoryChatStore(self._committed)
        shell = Shell(
            clock, SystemIds(), SystemChance(), MemoryLog({}, clock=clock, chance=SeededChance(1)), Telemetry("chat")
        )
        self.interrupted = Interrupted(self.store)
        backends = backends_of(
            self.interrupted, self.store.database.outbox, MemorySignals(clock), http=http, blobs=self.blobs
        )
        self.settings = settings_of(secrets_path=secrets_path, **settings)
        self.gateway = assemble(self.settings, shell, backends)
        self.directory = self.gateway.parts.directory
        self.directory.complete = True
        capabilities = {key: provider.capabilities for key, provider in PROVIDERS.items()}
        writing = Writing[ChatTransaction](self.directory, capabilities, Outgoings())
        self._processor = TransactionalProcessor(
            group=GROUP,
            store=self.store,
            reactions=reactions(Routing(self.directory, clock, writing), AgentMessages(clock, writing)),
            telemetry=Telemetry("fed"),
        )
        self._offsets: dict[str, int] = {}
        self.configure("domain", DOMAIN, {"id": DOMAIN, "partition": 0})

    def configure(self, kind: RecordKind, name: str, value: Mapping[str, object] | None) -> None:
        """As topic `config` brings it; without a value it is gone."""
        whole = None if value is None else dict(value)
        record = ConfigurationRecord(kind=kind, id=f"{kind}:{name}", domain=DOMAIN, version=1, value=whole)
        self.directory.apply(TENANT, record)

    def address(self, name: str, channel: str, account: Mapping[str, object]) -> None:
        """Configure one."""
        self.configure(
            "channel",
            name,
            {
                "address": name,
                "channel": channel,
                "client": "shop",
                "domain": DOMAIN,
                "queue": "support",
                "account": account,
            },
        )

    def template(self, name: str, value: Mapping[str, object]) -> None:
        """Configure one."""
        whole = {"id": name, "domain": DOMAIN, **value}
        part = ConfigurationPart(kind="template", id=f"template:{DOMAIN}/{name}", domain=DOMAIN, version=1, value=whole)
        self.directory.apply(TENANT, part)

    async def run(self) -> None:
        """Send and fetch until cancelled."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for loop in self.gateway.loops:
                if loop.name in ("send messages", "fetch files"):
                    tasks.create_task(loop.run(stop))

    async def assign(self, interaction_id: str) -> None:
        """The sample agent has it."""
        data = TaskAssigned(
            task_id=f"{interaction_id}.t1",
            interaction_id=interaction_id,
            domain=DOMAIN,
            queue="support",
            channel="any",
            assignment_id=f"{interaction_id}.t1.o1.a",
            offer_id=f"{interaction_id}.t1.o1",
            agent_id=AGENT,
            assigned_at_ms=self.clock.now_ms(),
            waited_ms=10,
            role="owner",
        )
        await self.feed(routed(data, data.task_id, SEQUENCE))

    async def write(self, interaction_id: str, message_id: str, text: str = "", **more: Any) -> None:  # Any: JSON
        """The sample agent writes; `files` and `variables` are personal, the rest are fields of the command."""
        personal: dict[str, Any] = {name: more.pop(name) for name in ("files", "variables") if name in more}
        data = SendMessage(
            message_id=message_id,
            **self._fence(interaction_id),
            personal={"text": text, **personal} if text else personal,
            **more,
        )
        await self.feed(self._command(data, message_id))

    async def write_again(self, interaction_id: str, message_id: str) -> None:
        """The sample agent has sent again what failed or is unknown."""
        data = ResendMessage(message_id=message_id, request_id=f"again-{message_id}", **self._fence(interaction_id))
        await self.feed(self._command(data, data.request_id))

    def _fence(self, interaction_id: str) -> dict[str, Any]:  # Any: fields of several types
        return {
            "interaction_id": interaction_id,
            "domain": DOMAIN,
            "agent_id": AGENT,
            "assignment_id": f"{interaction_id}.t1.o1.a",
            "assignment_sequence": sequence_text(SEQUENCE),
            "requested_at_ms": self.clock.now_ms(),
        }

    def _command(self, data: SendMessage | ResendMessage, name: str) -> Event:
        return Event(
            id=name,
            source="/router/api",
            tenant_id=TENANT,
            subject=data.interaction_id,
            time_ms=self.clock.now_ms(),
            data=data,
        )

    async def feed(self, event: Event) -> None:
        """As Kafka brings it."""
        value, headers = encode(event)
        topic = event.type.topic.name
        offset = self._offsets[topic] = self._offsets.get(topic, -1) + 1
        record = Record(topic, 0, offset, event.subject.encode(), value, tuple(headers), self.clock.now_ms())
        await self._processor.process([record])

    def announced(self, *kinds: type) -> list[Any]:  # Any: the data of any of the kinds
        """The data of what is in the outbox, of these types."""
        told = [decode(row.outgoing.value, row.outgoing.headers).data for row in self.store.database.outbox.rows]
        return [data for data in told if isinstance(data, kinds)] if kinds else told

    def conversations(self, address: str) -> Sequence[Conversation]:
        """Of the address, oldest first."""
        return [each for each in self.store.database.tables.conversations.values() if each.address == address]

    def hurry(self) -> bool:
        """What was put off is due now, as if the time had passed; false if nothing was put off."""
        tables, now_ms = self.store.database.tables, self.clock.now_ms()
        later = [key for key, row in tables.outgoings.items() if row.state == "pending" and row.due_at_ms > now_ms]
        for key in later:
            tables.outgoings[key] = replace(tables.outgoings[key], due_at_ms=now_ms)
        for triple, rate in tables.rates.items():
            tables.rates[triple] = replace(rate, blocked_until_ms=0)
        return bool(later)

    async def states(self, message_id: str) -> list[str]:
        """Of the parts of a message of ours."""
        async with self.store.transaction(EVERY_TENANT) as tx:
            return [row.state for row in await tx.parts_of(TENANT, message_id, lock=False)]

    async def _committed(self, _: object) -> None:
        return None
