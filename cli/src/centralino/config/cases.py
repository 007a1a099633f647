"""Plays a routing case on the production `decide`, under a virtual clock.

It knows inputs and facts and never looks into the state, but for when a timer is due. So what a document may say is
played as soon as the router does it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Any, Final

from contracts.agents import CommandResult
from contracts.commands import (
    AcceptOffer,
    CompleteTask,
    CustomerFacts,
    EndTask,
    OverrideQueue,
    RejectOffer,
    SetAgentState,
)
from contracts.configuration import TenantConfiguration
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.offers import OfferIssued
from contracts.registry import BY_DATA
from contracts.tasks import TaskAssigned, TaskQueued
from router.api.configuration import changed_records, document_hash
from router.domain.decide import decide
from router.domain.facts import is_public
from router.domain.inputs import (
    CommandData,
    CommandInput,
    ConfigurationStep,
    FactsInput,
    Input,
    InteractionInput,
    LeasesRead,
    PresenceObserved,
    TimersDue,
)
from router.domain.state import State

from centralino.config.case_files import Action, Case, Contact, Customer, GivenAgent, domains_of
from centralino.config.errors import ConfigError

TENANT: Final = "case"
STEP_RECORDS_MAX: Final = 200
HELD: Final = "held."
"""How ids of conversations begin that agents have already."""
SUPERVISOR: Final = "supervisor"
SECOND_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Happened:
    """A public fact about a contact; `at_ms` counts from the beginning of the case."""

    at_ms: int
    event: str
    data: Any  # Any: one of the data classes of routing.events


@dataclass(slots=True)
class Played:
    """What came of a case: facts by contact, and what agents could not do."""

    facts: dict[str, list[Happened]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)


def play(configuration: TenantConfiguration, case: Case) -> Played:
    """Play the case to its end. Raises ConfigError when the router cannot do what is given."""
    scenario = Scenario(configuration, case)
    scenario.prepare()
    scenario.run()
    return scenario.played


class Scenario:
    """A tenant's router over virtual time."""

    def __init__(self, configuration: TenantConfiguration, case: Case) -> None:
        self.played = Played({contact.id: [] for contact in case.contacts})
        self._configuration = configuration
        self._case = case
        self._state = State()
        self._begins_ms = int(case.starts_at.timestamp() * 1000)
        self._now_ms = self._begins_ms - SECOND_MS * (len(case.agents) + 1)
        self._domains = {agent.id: agent.domain for agent in configuration.agents}
        self._addresses = {channel.address: channel for channel in configuration.channels}
        self._agenda: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = 0
        self._contacts: dict[str, str] = {}  # by task
        self._offers: dict[tuple[str, str], str] = {}  # the newest of an agent and a contact
        self._assignments: dict[tuple[str, str], str] = {}

    def prepare(self) -> None:
        """Before the case begins: the document holds, and agents come on duty one second after the other."""
        self._configure()
        self._give(LeasesRead(readable=True))
        duty = self._case.duty()
        for agent, given in duty.items():
            if given.holds:
                self._load(agent, given)
        for agent, given in duty.items():
            self._now_ms += SECOND_MS
            if given.present:
                self._presence(agent, is_seen=True)
            self._set_state(agent, given.state)
        for contact in self._case.contacts:
            self._at(contact.at, partial(self._start, contact))
            if contact.customer is not None:
                self._at(contact.at + contact.customer.after, partial(self._tell, contact, contact.customer))
            if contact.leaves_at is not None:
                self._at(contact.leaves_at, partial(self._end, contact.id, self._domain_of(contact)))
        for action in self._case.actions:
            self._at(action.at, partial(self._act, action))

    def run(self) -> None:
        """Everything at its time until the case ends; what is due by itself comes before what people do just then."""
        until_ms = self._begins_ms + round(_end_of(self._case) * SECOND_MS)
        while True:
            due_ms = self._state.next_due_ms()
            next_ms = self._agenda[0][0] if self._agenda else None
            first_ms = min((each for each in (due_ms, next_ms) if each is not None), default=None)
            if first_ms is None or first_ms > until_ms:
                return
            self._now_ms = max(self._now_ms, first_ms)
            if due_ms == first_ms:
                self._give(TimersDue())
            else:
                heappop(self._agenda)[2]()

    def _configure(self) -> None:
        places = {domain.id: 0 for domain in self._configuration.domains}
        records = changed_records(1, self._configuration, None, places)
        for domain in places:
            mine = [record for record in records if record.domain == domain]
            for start in range(0, len(mine), STEP_RECORDS_MAX):
                piece = tuple(mine[start : start + STEP_RECORDS_MAX])
                self._give(
                    ConfigurationStep(
                        tenant_id=TENANT,
                        domain=domain,
                        version=1,
                        hash=document_hash(self._configuration),
                        records=piece,
                        last=start + STEP_RECORDS_MAX >= len(mine),
                    )
                )

    def _load(self, agent: str, given: GivenAgent) -> None:
        """The agent, alone on duty, takes conversations by whatever address leads to them."""
        self._presence(agent, is_seen=True)
        self._set_state(agent, "ready")
        for _ in range(given.holds):
            if not any(self._holds(agent, contact) for contact in self._ways_to(agent)):
                raise ConfigError(
                    f"{self._case.name}: {agent} cannot hold {given.holds} conversations: no address leads to one more."
                )
        self._set_state(agent, "not_ready")

    def _ways_to(self, agent: str) -> Iterator[Contact]:
        for channel in self._configuration.channels:
            if channel.domain == self._domains[agent]:
                for queue in dict.fromkeys([channel.queue, *channel.queues]):
                    self._numbers += 1
                    yield Contact(id=f"{HELD}{self._numbers}", address=channel.address, queue=queue)

    def _holds(self, agent: str, contact: Contact) -> bool:
        self._start(contact)
        offer = self._offers.get((agent, contact.id))
        if offer is not None and (agent, contact.id) not in self._assignments:
            self._accept(agent, offer)
        if (agent, contact.id) in self._assignments:
            return True
        self._end(contact.id, self._domain_of(contact))
        return False

    def _start(self, contact: Contact) -> None:
        address = self._addresses[contact.address]
        started = InteractionStarted(
            interaction_id=contact.id,
            domain=address.domain,
            client=address.client,
            channel=contact.channel or address.channel,
            address=contact.address,
            started_at_ms=self._now_ms,
            queue_hint=contact.queue,
            language=contact.language,
            attributes=contact.attributes,
            personal=contact.personal,
        )
        self._give(InteractionInput(TENANT, started))

    def _tell(self, contact: Contact, customer: Customer) -> None:
        facts = CustomerFacts(
            interaction_id=contact.id,
            domain=self._domain_of(contact),
            known=customer.known,
            found_at_ms=self._now_ms,
            tier=customer.tier,
            language=customer.language,
            last_agent_id=customer.last_agent,
            labels=tuple(customer.labels),
        )
        self._give(FactsInput(TENANT, facts))

    def _end(self, contact: str, domain: str) -> None:
        ended = InteractionEnded(
            interaction_id=contact, domain=domain, reason="customer_left", ended_at_ms=self._now_ms
        )
        self._give(InteractionInput(TENANT, ended))

    def _act(self, action: Action) -> None:
        agent, about = action.agent or "", (action.agent or "", action.contact or "")
        refusal = None
        match action.does:
            case "close" | "reopen":
                refusal = self._override(action)
            case "ready" | "not_ready":
                refusal = self._set_state(agent, action.does)
            case "lost" | "seen":
                self._presence(agent, is_seen=action.does == "seen")
            case "accept":
                refusal = self._accept(agent, self._offers.get(about, "none"))
            case "reject":
                refusal = self._command(RejectOffer, agent, offer_id=self._offers.get(about, "none"))
            case "end":
                refusal = self._command(EndTask, agent, assignment_id=self._assignments.get(about, "none"))
            case "complete":
                refusal = self._complete(agent, self._assignments.get(about, "none"))
        if refusal is not None:
            what = " ".join(filter(None, [action.agent, action.does, action.contact, action.queue]))
            self.played.refusals.append(f"{action.at:g} {what}: {refusal}")

    def _set_state(self, agent: str, state: str) -> str | None:
        return self._command(SetAgentState, agent, state=state)

    def _accept(self, agent: str, offer: str) -> str | None:
        return self._command(AcceptOffer, agent, offer_id=offer)

    def _complete(self, agent: str, assignment: str) -> str | None:
        return self._command(CompleteTask, agent, assignment_id=assignment)

    def _override(self, action: Action) -> str | None:
        return self._order(
            OverrideQueue,
            domain=domains_of(action, self._configuration)[0],
            by=SUPERVISOR,
            queue=action.queue,
            closed=action.does == "close",
            message=action.message,
        )

    def _command(self, make: Callable[..., CommandData], agent: str, **values: str) -> str | None:
        return self._order(make, domain=self._domains[agent], agent_id=agent, **values)

    def _order(self, make: Callable[..., CommandData], **values: object) -> str | None:
        """Why it was refused, or none."""
        self._numbers += 1
        data = make(command_id=f"command-{self._numbers}", **values)
        results = [each for each in self._give(CommandInput(TENANT, data)) if isinstance(each, CommandResult)]
        refusal = results[0].refusal
        return refusal.detail if refusal else None

    def _presence(self, agent: str, *, is_seen: bool) -> None:
        seen, gone = ((agent,), ()) if is_seen else ((), (agent,))
        self._give(PresenceObserved(tenant_id=TENANT, domain=self._domains[agent], seen=seen, gone=gone))

    def _domain_of(self, contact: Contact) -> str:
        return self._addresses[contact.address].domain

    def _at(self, seconds: float, do: Callable[[], object], *, after_ms: int | None = None) -> None:
        """Of the case, or after an instant."""
        self._numbers += 1
        from_ms = self._begins_ms if after_ms is None else after_ms
        heappush(self._agenda, (from_ms + round(seconds * SECOND_MS), self._numbers, do))

    def _give(self, given: Input) -> Sequence[object]:
        happened = [fact.data for fact in decide(self._state, given, self._now_ms)]
        for data in happened:
            if is_public(data):
                self._take(data)
        return happened

    def _take(self, data: Any) -> None:  # Any: one of the data classes of routing.events
        if isinstance(data, TaskQueued):
            self._contacts[data.task_id] = data.interaction_id
        contact = self._contacts.get(getattr(data, "task_id", ""))
        if contact is None:
            return
        if contact in self.played.facts:
            event = Happened(self._now_ms - self._begins_ms, BY_DATA[type(data)].name, data)
            self.played.facts[contact].append(event)
        if isinstance(data, OfferIssued):
            self._offers[data.agent_id, contact] = data.offer_id
            self._follow(self._case.accept_after, contact, partial(self._accept, data.agent_id, data.offer_id))
        if isinstance(data, TaskAssigned):
            self._assignments[data.agent_id, contact] = data.assignment_id
            self._follow(self._case.complete_after, contact, partial(self._complete, data.agent_id, data.assignment_id))

    def _follow(self, seconds: float | None, contact: str, do: Callable[[], object]) -> None:
        """What agents do by themselves; who is too late is no fault of the case."""
        if seconds is not None and contact in self.played.facts:
            self._at(seconds, do, after_ms=self._now_ms)


def _end_of(case: Case) -> float:
    """In seconds."""
    if case.until is not None:
        return case.until
    lines = [line for expected in case.expect.values() for line in expected.timeline or ()]
    times = [float(line.partition(" ")[0]) for line in lines]
    times += [contact.at for contact in case.contacts] + [action.at for action in case.actions]
    return max([*times, *(contact.leaves_at or 0 for contact in case.contacts)])
