"""Contact types ready to be drawn from, and contacts while they are under way."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from contracts.configuration import ChannelAddress, TenantConfiguration
from contracts.interactions import InteractionStarted

from centralino.simulator.chance import Sampler, arrivals, sampler, stream
from centralino.simulator.figures import Histogram
from centralino.simulator.scenario import ContactType, Day
from centralino.simulator.tally import (
    ABANDONED,
    ABANDONED_LATE,
    ABANDONED_MS,
    ANSWERED,
    ANSWERED_MS,
    BLOCKED,
    DELAYED,
    DIVERTED,
    IN_TARGET,
    OFFERED,
    DayTally,
    Row,
)


@dataclass(slots=True, kw_only=True)
class Contact:
    """One contact until it is over; what it will take is drawn when it arrives."""

    traffic: "Traffic"
    arrived_ms: int
    day: DayTally
    period: int
    patience_ms: int | None
    service_ms: int
    by_group_ms: dict[str, int]
    wrapup_ms: int
    cost: int = 1
    in_line: bool = True
    """The customer waits: neither answered nor given to somebody else."""
    rows: list[Row] = field(default_factory=list)
    waits: list[Histogram] = field(default_factory=list)

    def count_in(self, row: Row, waits: Histogram) -> None:
        """The contact is one of these from now on."""
        row[OFFERED] += 1
        self.rows.append(row)
        self.waits.append(waits)

    def answer(self, now_ms: int) -> None:
        """An agent has accepted; only the first time counts, and not of who is called back."""
        if not self.in_line:
            return
        self.in_line = False
        wait_ms = now_ms - self.arrived_ms
        for row in self.rows:
            row[ANSWERED] += 1
            row[IN_TARGET] += wait_ms < self.traffic.target_ms
            row[DELAYED] += wait_ms > 0
            row[ANSWERED_MS] += wait_ms
        for waits in self.waits:
            waits.add(wait_ms)

    def block(self) -> None:
        """There was no line for the contact."""
        for row in self.rows:
            row[BLOCKED] += 1

    def divert(self) -> None:
        """The router has given the contact to a callback, a voicemail or a message, unless an agent had it.

        A callback is handled later, and takes an agent as long as an answered contact does.
        """
        if self.in_line:
            self.in_line = False
            for row in self.rows:
                row[DIVERTED] += 1

    def abandon(self, now_ms: int) -> None:
        """The customer has left before an agent accepted."""
        wait_ms = now_ms - self.arrived_ms
        for row in self.rows:
            row[ABANDONED] += 1
            row[DELAYED] += 1
            row[ABANDONED_LATE] += wait_ms >= self.traffic.target_ms
            row[ABANDONED_MS] += wait_ms


class Traffic:
    """One contact type."""

    def __init__(self, spec: ContactType, tenant: TenantConfiguration, periods: int) -> None:
        address = next((each for each in tenant.channels if each.address == spec.address), None)
        self.spec = spec
        self.target_ms = round(spec.in_target_seconds * 1000)
        self.domain = address.domain if address else spec.domain or tenant.domains[0].id
        self._address = address or ChannelAddress(
            address=f"simulated:{spec.name}",  # unknown to the router, which then goes by the queue alone
            channel=spec.channel,
            client=tenant.clients[0],
            domain=self.domain,
            queue=spec.queue or "none",
        )
        self._rates = spec.per_hour if isinstance(spec.per_hour, list) else [spec.per_hour] * periods
        self._patience = sampler(spec.patience) if spec.patience else None
        self._wrapup = sampler(spec.wrapup) if spec.wrapup else None
        self._service = sampler(spec.service)
        self._by_group = {group: sampler(service) for group, service in spec.service_by_group.items()}
        self._streams: dict[str, Random] = {}
        self._instants: Iterator[int] = iter(())

    def open(self, seed: int, number: int, day: Day) -> None:
        """Day `number` begins, with streams of its own."""
        groups = (f"service/{group}" for group in self._by_group)
        purposes = ("arrivals", "patience", "service", "wrapup", "ring", *groups)
        self._streams = {purpose: stream(seed, number, self.spec.name, purpose) for purpose in purposes}
        self._instants = arrivals(self._streams["arrivals"], self._rates, day.period_seconds)

    def next_arrival(self) -> int | None:
        """When the day's next contact arrives, in milliseconds of the day."""
        return next(self._instants, None)

    def arrive(self, now_ms: int, day: DayTally, period: int) -> Contact:
        """A contact, with all that it will take."""
        streams = self._streams
        return Contact(
            traffic=self,
            arrived_ms=now_ms,
            day=day,
            period=period,
            patience_ms=self._patience(streams["patience"]) if self._patience else None,
            service_ms=self._service(streams["service"]),
            by_group_ms={group: draw(streams[f"service/{group}"]) for group, draw in self._by_group.items()},
            wrapup_ms=self._wrapup(streams["wrapup"]) if self._wrapup else 0,
        )

    def started(self, name: str, now_ms: int) -> InteractionStarted:
        """How the gateway announces the contact."""
        spec, address = self.spec, self._address
        return InteractionStarted(
            interaction_id=name,
            domain=address.domain,
            client=address.client,
            channel=address.channel,
            address=address.address,
            started_at_ms=now_ms,
            queue_hint=spec.queue,
            language=spec.language,
            attributes=spec.attributes,
        )

    def ring_ms(self, ring: Sampler) -> int:
        """How long an agent takes to accept."""
        return ring(self._streams["ring"])
