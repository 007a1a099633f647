"""Reads a partition's inputs by assignment, without a group, from where the journal says, and makes them decidable."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from contracts import Event, MalformedEventError, UnknownTypeError, decode
from contracts.commands import ActivateConfiguration, CustomerFacts
from contracts.topics import INTERACTIONS, ROUTING_INPUTS
from servicekit.dead_letters import DeadLetters
from servicekit.errors import RejectError
from servicekit.ports import LogReader, LogWriter, Outgoing, Partition, Record
from servicekit.telemetry import log

from router.domain.inputs import (
    CommandData,
    CommandInput,
    FactsInput,
    InteractionData,
    InteractionInput,
    RequestData,
    RequestInput,
    ServiceData,
    ServiceInput,
)
from router.domain.state import State
from router.engine.configuration import Configuration, ConfigurationMissingError
from router.engine.inbox import Given, Inbox, cause_of

LOG: Final = log("engine.inputs")
INPUT_TOPICS: Final = (INTERACTIONS, ROUTING_INPUTS)
GROUP: Final = "router-engine"
READ_RECORDS_MAX: Final = 500
READ_SECONDS: Final = 0.5
ATTEMPTS_MAX: Final = 3

Failures = Counter[tuple[str, int, int]]
"""How often deciding the record at topic, partition, offset has failed."""


class InputReader:
    """Every input that is accepted reaches the inbox in the order of its topic, with its cause.

    Malformed records and those that deciding failed on three times go to the dead-letter topic; unknown types are
    passed over; an input of a domain that lives elsewhere goes there unchanged, so under the same id. Whatever is not
    confirmed while doing so ends this owner's epoch, and the next one reads the record again.
    """

    def __init__(
        self,
        *,
        partition: int,
        reader: LogReader,
        forwards: LogWriter,
        dead_letters: DeadLetters,
        configuration: Configuration,
        state: Callable[[], State],
        failures: Failures,
    ) -> None:
        self._partition = partition
        self._reader = reader
        self._forwards = forwards
        self._dead_letters = dead_letters
        self._configuration = configuration
        self._state = state
        self._failures = failures
        self._config_is_fresh = False
        for topic in INPUT_TOPICS:
            dead_letters.expect(topic.name)

    async def run(self, inbox: Inbox, positions: dict[tuple[str, int], int]) -> None:
        """Read on for ever. The inbox's bound is what slows this down."""
        await self._configuration.refresh()
        await self._seek(positions)
        while True:
            records = await self._reader.read(records_max=READ_RECORDS_MAX, timeout_seconds=READ_SECONDS)
            self._config_is_fresh = False
            for record in records:
                for given in await self._given(record):
                    await inbox.put(given)

    async def _seek(self, positions: dict[tuple[str, int], int]) -> None:
        assignment: dict[Partition, int] = {}
        partitions = [Partition(topic.name, self._partition) for topic in INPUT_TOPICS]
        bounds = await asyncio.gather(*map(self._reader.bounds, partitions))
        for partition, (first, _) in zip(partitions, bounds, strict=True):
            position = positions.get((partition.topic, self._partition), first)
            if position < first:
                LOG.error("inputs_expired_unread", extra={"topic": partition.topic, "from": position, "to": first})
            assignment[partition] = max(first, position)
        await self._reader.assign(assignment)

    async def _given(self, record: Record) -> list[Given]:
        if self._failures and self._failures[record.topic, record.partition, record.offset] >= ATTEMPTS_MAX:
            await self._dead_letters.write(record, RejectError("deciding_failed"))
            return _passed(record)
        try:
            event = decode(record.value, record.headers)
        except UnknownTypeError:
            return _passed(record)
        except MalformedEventError as error:
            await self._dead_letters.write(record, error)
            return _passed(record)
        home = await self._home_of(event)
        if home is not None and home != self._partition:
            await self._forward(record, home)
            return _passed(record)
        if isinstance(event.data, ActivateConfiguration):
            return await self._switch(event, event.data, record) or _passed(record)
        return decidable(event, record) or _passed(record)

    async def _home_of(self, event: Event) -> int | None:
        """The partition of the event's domain. For an unknown one `config` is read on, at most once a read."""
        domain = getattr(event.data, "domain", None)
        if not isinstance(domain, str):
            return None
        home = self._configuration.partition_of(event.tenant_id, domain)
        if home is None and not self._config_is_fresh:
            await self._configuration.refresh()
            self._config_is_fresh = True
            home = self._configuration.partition_of(event.tenant_id, domain)
        return home

    async def _switch(self, event: Event, wanted: ActivateConfiguration, record: Record) -> list[Given]:
        """The steps of a configuration; only the last moves the cause, so a take-over in between begins them anew."""
        await self._configuration.refresh()
        domain = self._state().find(event.tenant_id, wanted.domain)
        try:
            steps = self._configuration.steps(event.tenant_id, wanted, domain)
        except ConfigurationMissingError:
            await self._dead_letters.write(record, RejectError("configuration_missing"))
            return []
        return [
            Given(
                input=step,
                record=record,
                cause=cause_of(record) if step.last else None,
                event_id=event.id,
                traceparent=event.traceparent,
            )
            for step in steps
        ]

    async def _forward(self, record: Record, home: int) -> None:
        await self._forwards.append(
            Outgoing(topic=record.topic, key=record.key, value=record.value, headers=record.headers, partition=home)
        )
        LOG.info("input_forwarded", extra={"topic": record.topic, "offset": record.offset, "to_partition": home})


def _passed(record: Record) -> list[Given]:
    """Nothing to decide; the position moves on."""
    return [Given(cause=cause_of(record))]


def decidable(event: Event, record: Record) -> list[Given]:
    """The event's input; nothing for a type that is not decided about. A configuration's switch has steps instead."""
    given_input: InteractionInput | CommandInput | RequestInput | FactsInput | ServiceInput
    if isinstance(event.data, InteractionData):
        given_input = InteractionInput(event.tenant_id, event.data)
    elif isinstance(event.data, CommandData):
        given_input = CommandInput(event.tenant_id, event.data)
    elif isinstance(event.data, CustomerFacts):
        given_input = FactsInput(event.tenant_id, event.data)
    elif isinstance(event.data, ServiceData):
        given_input = ServiceInput(event.tenant_id, event.data)
    elif isinstance(event.data, RequestData):
        given_input = RequestInput(event.tenant_id, event.data)
    else:
        return []
    return [
        Given(
            input=given_input,
            record=record,
            cause=cause_of(record),
            event_id=event.id,
            traceparent=event.traceparent,
        )
    ]
