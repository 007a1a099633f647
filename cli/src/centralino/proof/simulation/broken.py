"""Worlds that break one promise each, to show that the stories would find out. Each breaks it at a port."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

from chat_gateway.store import ChatTransaction
from chat_gateway.testing import MemoryChatStore
from chat_gateway.testing.memory import MemoryChatTransaction
from contracts.topics import MESSAGES, ROUTING_EVENTS, ROUTING_JOURNAL
from crm.testing import MemoryCrmStore, MemoryCrmTransaction
from crm.transaction import CrmTransaction
from router.engine.live import Views
from router.engine.testing import MemoryEngineLive
from servicekit.ports import AppendUnknownError, LogWriter, Outgoing, Partition, Record
from servicekit.store import Tenant
from typing_extensions import override

from centralino.proof.simulation.services import KeptLog, World


class LosingLog(KeptLog):
    """Acknowledges every tenth message and keeps none of those."""

    landed = 0

    @override
    def land(self, outgoing: Outgoing, partition: Partition) -> Record:
        self.landed += partition.topic == MESSAGES.name
        if partition.topic == MESSAGES.name and self.landed % 10 == 0:
            end = self.partitions[partition].end
            return Record(partition.topic, partition.number, end, outgoing.key, outgoing.value, outgoing.headers, 0)
        return super().land(outgoing, partition)


class UnfencedLog(KeptLog):
    """Says of each batch that it landed right behind the one before."""

    @override
    def land(self, outgoing: Outgoing, partition: Partition) -> Record:
        record = super().land(outgoing, partition)
        entry = json.loads(record.value or b"{}") if partition.topic == ROUTING_JOURNAL.name else {}
        return replace(record, offset=entry["epoch"] + entry["number"]) if "number" in entry else record


class TrustingLog(KeptLog):
    """Takes the engines' events whose publishing is unknown for published."""

    @override
    @asynccontextmanager
    async def writer(self, name: str) -> AsyncGenerator[LogWriter]:
        async with super().writer(name) as writer:
            yield _TrustingWriter(writer)


class _TrustingWriter:
    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        if outgoing.topic != ROUTING_EVENTS.name:
            return await self._writer.send(outgoing)
        try:
            return _Trusted(outgoing, await self._writer.send(outgoing))
        except AppendUnknownError:
            return _Trusted(outgoing)

    async def append(self, outgoing: Outgoing) -> Record:
        return await (await self.send(outgoing))

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        for appended in [await self.send(each) for each in outgoing]:
            await appended


class _Trusted:
    """An acknowledgement, come what may."""

    def __init__(self, outgoing: Outgoing, appended: Awaitable[Record] | None = None) -> None:
        self._outgoing = outgoing
        self._appended = appended

    def __await__(self) -> Generator[Any, None, Record]:  # Any: the event loop's own
        return self._wait().__await__()

    async def _wait(self) -> Record:
        with suppress(AppendUnknownError):
            if self._appended is not None:
                return await self._appended
        out = self._outgoing
        return Record(out.topic, out.partition or 0, 0, out.key, out.value, out.headers, 0)


class UncheckedLive(MemoryEngineLive):
    """Says that views were written which stood elsewhere."""

    @override
    async def project(
        self, domain: str, epoch: str, before: int, after: int, views: Views
    ) -> Literal["written", "gap", "stale"]:
        await super().project(domain, epoch, before, after, views)
        return "written"


class ForgetfulChats(MemoryChatStore):
    """Its inbox recognises no repeat."""

    @override
    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[ChatTransaction, None]:
        async with self.database.transaction(tenant, _ForgetfulTransaction) as transaction:
            yield transaction
        if transaction.changed:
            await self._committed(transaction.changed)


class _ForgetfulTransaction(MemoryChatTransaction):
    @override
    async def first_time(self, source: str, message_id: str) -> bool:
        return True


class ForgetfulCrm(MemoryCrmStore):
    """Keeps its place in no topic, so that it handles repeats again."""

    @override
    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[CrmTransaction]:
        return self.database.transaction(tenant, _ForgetfulCrmTransaction)


class _ForgetfulCrmTransaction(MemoryCrmTransaction):
    @override
    async def advance(self, group: str, partition: Partition, next_offset: int, sequence: str | None = None) -> bool:
        await super().advance(group, partition, next_offset, sequence)
        return True


BROKEN: Final[Mapping[str, Callable[[int], World]]] = {
    "an acknowledged message is not kept": partial(World, log=LosingLog),
    "no fence": partial(World, log=UnfencedLog),
    "unknown is taken for done": partial(World, log=TrustingLog),
    "no check of the projection's position": partial(World, live=UncheckedLive),
    "the inbox recognises no repeat": partial(World, chats=ForgetfulChats),
    "no consumers' rule": partial(World, crm=ForgetfulCrm),
}
"""What is broken, and a world in which it is."""
