"""The event list: it gives the production `decide` what customers and agents would do, at virtual instants.

Whatever happens in the centre it learns from the facts that `decide` returns, as any reader of the journal would.
"""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Final

from contracts.agents import AgentStateChanged, CommandResult
from contracts.commands import AcceptOffer, CompleteTask, ConnectAssignment, EndTask, SetAgentState
from contracts.interactions import InteractionEnded
from contracts.offers import OfferExpired, OfferIssued, OfferRejected, OfferRescinded, OfferWithdrawn
from contracts.tasks import (
    TaskAbandoned,
    TaskAssigned,
    TaskCompleted,
    TaskQueued,
    TaskRequeued,
    TaskRerouted,
    TaskTransferredOut,
    TaskUnassigned,
)
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.inputs import CommandData, CommandInput, Input, InteractionInput, ServiceInput, TimersDue
from router.domain.state import State

from centralino.simulator.opening import TENANT, opening
from centralino.simulator.scenario import Scenario
from centralino.simulator.staff import Crew, Member, staff_of
from centralino.simulator.tally import DayTally, Scope, Tally
from centralino.simulator.traffic import Contact, Traffic

DAY_MS: Final = 86_400_000

Decides = Callable[[State, Input, int], list[Fact]]
"""`decide`, or what a test puts in its place."""


class Driver:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario, decides: Decides = decide) -> None:
        self.tally = Tally(scenario)
        self._scenario = scenario
        self._decide = decides
        self._tenant = scenario.tenant
        self._traffics = [Traffic(each, self._tenant, scenario.day.periods) for each in scenario.contacts]
        self._opening = opening(self._tenant, [name for group in scenario.groups for name in group.members])
        self._numbers = count(1)
        self._state = State()
        self._now_ms = 0
        self._day_ms = 0
        self._events: list[tuple[int, int, Callable[..., None], object]] = []
        """Instant, number (so that ties go in order), what happens, to whom."""
        self._new_offers: deque[str] = deque()
        self._offers: dict[str, OfferIssued] = {}
        self._assignments: dict[str, Contact] = {}
        self._contacts: dict[str, Contact] = {}
        self._crews: list[Crew] = []
        self._members: dict[str, Member] = {}
        self._day = DayTally(scenario.day.periods)
        self._readers: dict[type, Callable[..., None]] = {
            AgentStateChanged: self._state_changed,
            CommandResult: self._answered,
            OfferExpired: self._offer_over,
            OfferIssued: self._offered,
            OfferRejected: self._offer_over,
            OfferRescinded: self._offer_over,
            OfferWithdrawn: self._offer_over,
            TaskAbandoned: self._abandoned,
            TaskAssigned: self._assigned,
            TaskCompleted: self._completed,
            TaskQueued: self._queued,
            TaskRequeued: self._unassigned,
            TaskRerouted: self._rerouted,
            TaskTransferredOut: self._transferred_out,
            TaskUnassigned: self._unassigned,
        }

    def run(self) -> Tally:
        """Every day, one after the other."""
        day = self._scenario.day
        empty = day.starts == "empty"
        for number in range(self._scenario.days):
            self._day_ms = int(day.first.timestamp() * 1000) + number * (DAY_MS if empty else day.seconds * 1000)
            if empty or number == 0:
                self._begin()
            self._open(number)
            while self._step(self._day_ms + day.seconds * 1000):
                pass
            if empty or number == self._scenario.days - 1:
                self._drain()
            self._close()
        return self.tally

    # Days

    def _begin(self) -> None:
        """A centre of which nothing is known yet."""
        self._now_ms = self._day_ms
        self._state = State()
        for kept in (self._events, self._offers, self._assignments, self._contacts):
            kept.clear()
        self._crews, self._members = staff_of(self._scenario.groups, self._tenant)
        for given in self._opening:
            self._give(given)

    def _open(self, number: int) -> None:
        """Agents take their places, and the day's contacts are set going."""
        day = self._scenario.day
        self._day = DayTally(day.periods, counted=number >= day.warmup_days)
        for crew in self._crews:
            rows = [self._day.row(("group", crew.name), period) for period in range(day.periods)]
            rows[: day.warmup_periods] = [[0, 0, 0, 0] for _ in range(day.warmup_periods)]
            crew.begin(self._day_ms, rows, day.period_seconds * 1000)
        for member in self._members.values():
            self._plan(member)
        for traffic in self._traffics:
            traffic.open(self._scenario.seed, number, day)
            self._await_next(traffic)

    def _plan(self, member: Member) -> None:
        """The member's shifts; whose shift ends with the day stays for those who still wait."""
        shifts = member.crew.shifts
        ready = not shifts or any(shift.from_seconds == 0 for shift in shifts)
        if ready != member.ready:
            self._set_ready((member, ready))
        for shift in shifts:
            for seconds, ready in ((shift.from_seconds, True), (shift.to_seconds, False)):
                if 0 < seconds < self._scenario.day.seconds:
                    self._at(self._day_ms + seconds * 1000, self._set_ready, (member, ready))

    def _step(self, until_ms: int) -> bool:
        """The next thing before this instant: timers of the router, or an event. False when there is none."""
        at_ms = self._events[0][0] if self._events else until_ms
        due_ms = self._state.next_due_ms()
        if due_ms is not None and due_ms <= at_ms and due_ms < until_ms:
            self._now_ms = max(self._now_ms, due_ms)
            self._give(TimersDue())
        elif at_ms < until_ms:
            self._now_ms, _, happens, subject = heappop(self._events)
            happens(subject)
        else:
            return False
        return True

    def _drain(self) -> None:
        """Nobody arrives any more: who is there is served, leaves, or is given up after 24 hours."""
        until_ms = self._day_ms + self._scenario.day.seconds * 1000 + DAY_MS
        while self._contacts and self._step(until_ms):
            pass
        for contact in self._contacts.values():
            self._over(contact)

    def _close(self) -> None:
        for crew in self._crews:
            crew.advance(self._day_ms + self._scenario.day.seconds * 1000)
        self._day.over = True
        self.tally.settle(self._day)

    # What customers and agents do

    def _await_next(self, traffic: Traffic) -> None:
        instant = traffic.next_arrival()
        if instant is not None:
            self._at(self._day_ms + instant, self._arrive, traffic)

    def _arrive(self, traffic: Traffic) -> None:
        self.tally.contacts += 1
        self._await_next(traffic)
        period = (self._now_ms - self._day_ms) // (self._scenario.day.period_seconds * 1000)
        contact = traffic.arrive(self._now_ms, self._day, period)
        self._count(contact, ("contacts", traffic.spec.name))
        if self._scenario.lines is not None and len(self._contacts) >= self._scenario.lines:
            contact.block()
            return
        name = f"{traffic.spec.name}-{self.tally.contacts}"
        self._contacts[name] = contact
        self._day.open += 1
        self._give(InteractionInput(TENANT, traffic.started(name, self._now_ms)))
        if contact.patience_ms is not None and contact.in_line:
            self._at(self._now_ms + contact.patience_ms, self._lose_patience, name)

    def _lose_patience(self, name: str) -> None:
        contact = self._contacts.get(name)
        if contact is not None and contact.in_line:
            ended = InteractionEnded(
                interaction_id=name,
                domain=contact.traffic.domain,
                reason="customer_left",
                ended_at_ms=self._now_ms,
            )
            self._give(InteractionInput(TENANT, ended))

    def _ring(self, offer_id: str) -> None:
        offer = self._offers.get(offer_id)
        if offer is None:  # accepted in the same decision, by the router itself
            return
        ring = self._members[offer.agent_id].crew.ring
        contact = self._contacts.get(offer.interaction_id)
        if ring is None or contact is None:
            self._accept(offer_id)
        else:
            self._at(self._now_ms + contact.traffic.ring_ms(ring), self._accept, offer_id)

    def _accept(self, offer_id: str) -> None:
        offer = self._offers.get(offer_id)
        if offer is not None:
            accepted = AcceptOffer(
                command_id=self._new_id(), domain=offer.domain, agent_id=offer.agent_id, offer_id=offer_id
            )
            self._command(accepted)

    def _connect(self, assigned: TaskAssigned) -> None:
        report = ConnectAssignment(
            assignment_id=assigned.assignment_id,
            interaction_id=assigned.interaction_id,
            domain=assigned.domain,
            reported_at_ms=self._now_ms,
        )
        self._give(ServiceInput(TENANT, report))

    def _end(self, assigned: TaskAssigned) -> None:
        contact = self._assignments.get(assigned.assignment_id)
        if contact is not None and contact.wrapup_ms:
            ended = EndTask(
                command_id=self._new_id(),
                domain=assigned.domain,
                agent_id=assigned.agent_id,
                assignment_id=assigned.assignment_id,
            )
            self._command(ended)
            self._at(self._now_ms + contact.wrapup_ms, self._complete, assigned)
        else:
            self._complete(assigned)

    def _complete(self, assigned: TaskAssigned) -> None:
        if assigned.assignment_id in self._assignments:  # else the router's own wrap-up timer was first
            completed = CompleteTask(
                command_id=self._new_id(),
                domain=assigned.domain,
                agent_id=assigned.agent_id,
                assignment_id=assigned.assignment_id,
            )
            self._command(completed)

    def _set_ready(self, wanted: tuple[Member, bool]) -> None:
        member, ready = wanted
        command = SetAgentState(
            command_id=self._new_id(),
            domain=member.domain,
            agent_id=member.agent_id,
            state="ready" if ready else "not_ready",
        )
        self._command(command)

    # What the facts say

    def _give(self, given: Input) -> None:
        readers = self._readers
        for fact in self._decide(self._state, given, self._now_ms):
            reader = readers.get(type(fact.data))
            if reader is not None:
                reader(fact.data)
        while self._new_offers:
            self._ring(self._new_offers.popleft())

    def _queued(self, data: TaskQueued) -> None:
        contact = self._contacts.get(data.interaction_id)
        if contact is not None:
            contact.cost = data.cost
            if len(contact.rows) == 1:  # counted, and in its first queue
                self._count(contact, ("queue", data.queue))

    def _offered(self, data: OfferIssued) -> None:
        self._offers[data.offer_id] = data
        self._new_offers.append(data.offer_id)

    def _offer_over(self, data: OfferExpired | OfferRejected | OfferRescinded | OfferWithdrawn) -> None:
        self._offers.pop(data.offer_id, None)

    def _assigned(self, data: TaskAssigned) -> None:
        self._offers.pop(data.offer_id, None)
        contact = self._assignments[data.assignment_id] = self._contacts[data.interaction_id]
        member = self._members[data.agent_id]
        member.change(self._now_ms, assignments=1, units=contact.cost)
        contact.answer(self._now_ms)
        if data.respond_by_ms is not None:  # nobody goes astray here
            self._at(self._now_ms, self._connect, data)
        service_ms = contact.by_group_ms.get(member.crew.name, contact.service_ms)
        self._at(self._now_ms + service_ms, self._end, data)

    def _unassigned(self, data: TaskRequeued | TaskUnassigned | TaskCompleted) -> None:
        self._free(data.assignment_id, data.agent_id)

    def _free(self, assignment_id: str, agent_id: str) -> None:
        contact = self._assignments.pop(assignment_id)
        self._members[agent_id].change(self._now_ms, assignments=-1, units=-contact.cost)

    def _completed(self, data: TaskCompleted) -> None:
        self._unassigned(data)
        self._over(self._contacts.pop(data.interaction_id))

    def _abandoned(self, data: TaskAbandoned) -> None:
        contact = self._contacts.pop(data.interaction_id)
        contact.abandon(self._now_ms)
        self._over(contact)

    def _rerouted(self, data: TaskRerouted) -> None:
        if data.kind != "contact":  # who is to be called back waits for nothing
            self._contacts[data.interaction_id].divert()

    def _transferred_out(self, data: TaskTransferredOut) -> None:
        if data.assignment_id is not None and data.agent_id is not None:
            self._free(data.assignment_id, data.agent_id)
        if data.to != "handed_over":  # to another task of the same contact
            contact = self._contacts.pop(data.interaction_id)
            contact.divert()
            self._over(contact)

    def _state_changed(self, data: AgentStateChanged) -> None:
        self._members[data.agent_id].change(self._now_ms, ready=data.state == "ready")

    def _answered(self, data: CommandResult) -> None:
        self.tally.refused += data.outcome == "refused"

    def _count(self, contact: Contact, scope: Scope) -> None:
        if contact.day.counted and contact.period >= self._scenario.day.warmup_periods:
            contact.count_in(contact.day.row(scope, contact.period), self.tally.waits(scope))

    def _over(self, contact: Contact) -> None:
        contact.day.open -= 1
        self.tally.settle(contact.day)

    # Tools

    def _at(self, at_ms: int, happens: Callable[..., None], subject: object) -> None:
        heappush(self._events, (at_ms, next(self._numbers), happens, subject))

    def _command(self, data: CommandData) -> None:
        self._give(CommandInput(TENANT, data))

    def _new_id(self) -> str:
        return f"command-{next(self._numbers)}"
