"""A domain to talk to, over time."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal  # Any: further fields of events and targets, named by the test

from contracts import commands
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord, RecordKind
from contracts.interactions import (
    ActivityChanged,
    AttentionRequested,
    InteractionEnded,
    InteractionStarted,
    InteractionUpdated,
)
from contracts.tasks import TransferKind

from router.domain.decide import decide
from router.domain.fold import begin_epoch
from router.domain.inputs import (
    CommandData,
    CommandInput,
    ConfigurationStep,
    FactsInput,
    Input,
    InteractionInput,
    LeasesRead,
    PresenceObserved,
    RequestInput,
    ServiceInput,
    TimersDue,
)
from router.domain.queue import required
from router.domain.snapshot import dump, load
from router.domain.state import DomainState, State
from router.testing.checker import Checker
from router.testing.parts import DOMAIN, Later, Part, later_record_of, record_of, skill

TENANT: Final = "acme"
REPEATS_MAX: Final = 100  # inputs at one instant: more than the bounded work of any story needs


@dataclass(slots=True)
class Story:
    """One domain over time. Each method gives an input and returns the data of the facts that it led to.

    Everything that happens goes through the checker; with `reruns` each input is also decided a second time, from
    the reloaded snapshot of the state before, and has to lead to the same facts.
    """

    now_ms: int = 1_700_000_000_000
    state: State = field(default_factory=State)
    checker: Checker | None = field(default_factory=Checker)
    reruns: bool = False
    version: int = 0
    commands_given: int = 0

    @property
    def domain(self) -> DomainState:
        """The domain, as it stands now."""
        return self.state.find(TENANT, DOMAIN)

    def give(self, given: Input) -> list[object]:
        """Decide about any input."""
        before = dump(self.state) if self.reruns else None
        facts = decide(self.state, given, self.now_ms)
        if before is not None:
            assert decide(load(before), given, self.now_ms) == facts, "a re-run decides otherwise"
        if self.checker is not None:
            for fact in facts:
                self.checker.read(fact, self.now_ms)
            self.checker.check(self.state)
        return [fact.data for fact in facts]

    def wait(self, seconds: float) -> list[object]:
        """Let time pass; due timers are inputs, each at its time."""
        until_ms = self.now_ms + int(seconds * 1000)
        happened, times = list[object](), Counter[int]()
        while (due_ms := self.state.next_due_ms()) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            times[due_ms] += 1
            assert times[due_ms] < REPEATS_MAX, "a timer comes again and again"
            happened += self.give(TimersDue())
        self.now_ms = until_ms
        if self.checker is not None:
            self.checker.check_times()
        return happened

    def take_over(self) -> None:
        """Another owner: an epoch record."""
        begin_epoch(self.state)
        if self.checker is not None:
            begin_epoch(self.checker.state)

    # Configuration

    def configure(self, *parts: Part | Later, removed: str = "") -> list[object]:
        """A new version with these parts changed, and what is named by kind and id removed (`agent:ann queue:...`)."""
        self.version += 1
        records: list[ConfigurationRecord | ConfigurationPart] = [
            later_record_of(part, self.version) if isinstance(part, Later) else record_of(part, self.version)
            for part in parts
        ]
        for name in removed.split():
            kind: RecordKind = name.partition(":")[0]  # type: ignore[assignment]  # the test names a kind
            records.append(ConfigurationRecord(kind=kind, id=name, domain=DOMAIN, version=self.version, value=None))
        return self.give(
            ConfigurationStep(
                tenant_id=TENANT,
                domain=DOMAIN,
                version=self.version,
                hash=f"hash-{self.version}",
                records=tuple(records),
                last=True,
            )
        )

    # Agents

    def seen(self, *agent_ids: str) -> list[object]:
        """Fresh heartbeats."""
        return self.give(PresenceObserved(tenant_id=TENANT, domain=DOMAIN, seen=agent_ids))

    def alive(self, agent_id: str, *devices: str) -> list[object]:
        """Fresh heartbeats of these devices of the agent (`<kind>/<id>`), and of no other."""
        if not devices:
            return self.gone(agent_id)
        return self.give(
            PresenceObserved(tenant_id=TENANT, domain=DOMAIN, seen=(agent_id,), devices=((agent_id, devices),))
        )

    def gone(self, *agent_ids: str) -> list[object]:
        """No heartbeat within the lease length."""
        return self.give(PresenceObserved(tenant_id=TENANT, domain=DOMAIN, gone=agent_ids))

    def leases(self, *, readable: bool) -> list[object]:
        """Whether the leases could be read."""
        return self.give(LeasesRead(readable))

    def on_duty(self, *agent_ids: str) -> list[object]:
        """Present and ready."""
        happened = self.leases(readable=True)
        for agent_id in agent_ids:
            happened += self.seen(agent_id) + self.set_state(agent_id, ready=True)
        return happened

    # Interactions

    def start(
        self,
        interaction_id: str,
        *,
        queue: str | None = None,
        channel: str = "webchat",
        client: str = "shop",
        text: str = "",
        **known: Any,
    ) -> list[object]:
        """A customer comes by the address `web:main`; `known` are further fields of the event."""
        started = InteractionStarted(
            interaction_id=interaction_id,
            domain=DOMAIN,
            client=client,
            channel=channel,
            address="web:main",
            started_at_ms=self.now_ms,
            queue_hint=queue,
            personal={"text": text},
            **known,
        )
        return self.give(InteractionInput(TENANT, started))

    def facts(self, interaction_id: str, *, known: bool = True, **facts: Any) -> list[object]:
        """What the CRM tells of the interaction's customer."""
        told = commands.CustomerFacts(
            interaction_id=interaction_id, domain=DOMAIN, known=known, found_at_ms=self.now_ms, **facts
        )
        return self.give(FactsInput(TENANT, told))

    def update(self, interaction_id: str, **attributes: str) -> list[object]:
        """More is known of the conversation."""
        updated = InteractionUpdated(
            interaction_id=interaction_id, domain=DOMAIN, updated_at_ms=self.now_ms, attributes=attributes
        )
        return self.give(InteractionInput(TENANT, updated))

    def attention(self, interaction_id: str, request_id: str) -> list[object]:
        """The customer needs an agent again."""
        requested = AttentionRequested(
            interaction_id=interaction_id,
            domain=DOMAIN,
            client="shop",
            channel="webchat",
            address="web:main",
            request_id=request_id,
            message_id=f"message-{request_id}",
            requested_at_ms=self.now_ms,
        )
        return self.give(InteractionInput(TENANT, requested))

    def end(self, interaction_id: str) -> list[object]:
        """The customer is gone."""
        ended = InteractionEnded(
            interaction_id=interaction_id, domain=DOMAIN, reason="customer_left", ended_at_ms=self.now_ms
        )
        return self.give(InteractionInput(TENANT, ended))

    # Commands

    def accept(self, agent_id: str, offer_id: str, *, command_id: str | None = None) -> list[object]:
        """The agent takes the offer."""
        return self._command(
            lambda known: commands.AcceptOffer(command_id=known, domain=DOMAIN, agent_id=agent_id, offer_id=offer_id),
            command_id,
        )

    def reject(self, agent_id: str, offer_id: str) -> list[object]:
        """The agent declines."""
        return self._command(
            lambda known: commands.RejectOffer(command_id=known, domain=DOMAIN, agent_id=agent_id, offer_id=offer_id)
        )

    def set_state(
        self, agent_id: str, *, ready: bool, when: Literal["when_free", "now"] = "now", reason: str | None = None
    ) -> list[object]:
        """The agent chooses a state."""
        return self._command(
            lambda known: commands.SetAgentState(
                command_id=known,
                domain=DOMAIN,
                agent_id=agent_id,
                state="ready" if ready else "not_ready",
                reason_code=reason,
                when=when,
            )
        )

    def end_task(self, agent_id: str, assignment_id: str, **rest: Any) -> list[object]:
        """The agent ends the conversation."""
        return self._command(
            lambda known: commands.EndTask(
                command_id=known,
                domain=DOMAIN,
                agent_id=agent_id,
                assignment_id=assignment_id,
                then="keep_open",
                seen_number=3,
                **rest,
            )
        )

    def complete(self, agent_id: str, assignment_id: str, *, disposition: str | None = None) -> list[object]:
        """The agent is done."""
        return self._command(
            lambda known: commands.CompleteTask(
                command_id=known,
                domain=DOMAIN,
                agent_id=agent_id,
                assignment_id=assignment_id,
                disposition=disposition,
            )
        )

    def hold(self, agent_id: str, assignment_id: str, *, held: bool = True) -> list[object]:
        """The customer goes on hold, or comes back."""
        return self._command(
            lambda known: commands.HoldTask(
                command_id=known, domain=DOMAIN, agent_id=agent_id, assignment_id=assignment_id, held=held
            )
        )

    def park(self, agent_id: str, assignment_id: str, *, seconds: float | None = None) -> list[object]:
        """The agent puts the task aside for so long, or until something happens."""
        until_ms = None if seconds is None else self.now_ms + int(seconds * 1000)
        return self._command(
            lambda known: commands.ParkTask(
                command_id=known, domain=DOMAIN, agent_id=agent_id, assignment_id=assignment_id, until_ms=until_ms
            )
        )

    def unpark(self, agent_id: str, task_id: str, *, by: str | None = None) -> list[object]:
        """The agent takes it up again, or a supervisor does."""
        return self._command(
            lambda known: commands.UnparkTask(
                command_id=known, domain=DOMAIN, agent_id=agent_id, task_id=task_id, by=by
            )
        )

    def transfer(
        self, agent_id: str, assignment_id: str, *skills: str, kind: TransferKind = "cold", **target: Any
    ) -> list[object]:
        """The owner asks another: `queue`, `to_agent_id`, skills as `skill` reads them, or `escalate`."""
        return self._command(
            lambda known: commands.TransferTask(
                command_id=known,
                domain=DOMAIN,
                agent_id=agent_id,
                assignment_id=assignment_id,
                kind=kind,
                requirements=required(map(skill, skills)),
                **target,
            )
        )

    def move(
        self, agent_id: str, transfer_id: str, move: Literal["complete", "conference", "cancel"], by: str | None = None
    ) -> list[object]:
        """The owner, or a supervisor, moves the transfer on."""
        return self._command(
            lambda known: commands.MoveTransfer(
                command_id=known, domain=DOMAIN, agent_id=agent_id, transfer_id=transfer_id, move=move, by=by
            )
        )

    def connect(self, assignment_id: str, *, failure: str | None = None) -> list[object]:
        """The gateway has connected customer and agent, or could not."""
        now_ms = self.now_ms
        report = commands.ConnectAssignment(
            assignment_id=assignment_id, interaction_id="", domain=DOMAIN, reported_at_ms=now_ms, failure=failure
        )
        return self.give(ServiceInput(TENANT, report))

    def clock(self, agent_id: str, *, clocked_in: bool) -> list[object]:
        """The agent begins or ends a shift."""
        return self._command(
            lambda known: commands.ClockAgent(command_id=known, domain=DOMAIN, agent_id=agent_id, clocked_in=clocked_in)
        )

    def activity(self, interaction_id: str, *, active: bool) -> list[object]:
        """The customer has fallen silent, or is back."""
        told = ActivityChanged(interaction_id=interaction_id, domain=DOMAIN, active=active, changed_at_ms=self.now_ms)
        return self.give(InteractionInput(TENANT, told))

    # Requests and supervisors

    def request(self, request_id: str, *, queue: str = "chats", in_seconds: float = 0, **fields: Any) -> list[object]:
        """A task that no customer asks for just now: a callback, unless `kind` says otherwise."""
        requested = commands.RequestTask(
            **{
                "request_id": request_id,
                "interaction_id": f"of-{request_id}",
                "domain": DOMAIN,
                "kind": "callback",
                "client": "shop",
                "channel": "voice",
                "queue": queue,
                "requested_at_ms": self.now_ms,
                "due_at_ms": self.now_ms + int(in_seconds * 1000) if in_seconds else None,
                **fields,
            }
        )
        return self.give(RequestInput(TENANT, requested))

    def callback(self, interaction_id: str, *, request_id: str, in_seconds: float = 0) -> list[object]:
        """The waiting customer hangs up and wants to be called."""
        requested = commands.RequestCallback(
            request_id=request_id,
            interaction_id=interaction_id,
            domain=DOMAIN,
            requested_at_ms=self.now_ms,
            due_at_ms=self.now_ms + int(in_seconds * 1000) if in_seconds else None,
        )
        return self.give(RequestInput(TENANT, requested))

    def cancel_callback(
        self, interaction_id: str, *, command_id: str | None = None, task_id: str | None = None
    ) -> list[object]:
        """The customer does not want to be called any more."""
        return self._command(
            lambda known: commands.CancelCallback(
                command_id=known, domain=DOMAIN, interaction_id=interaction_id, by="sue", task_id=task_id
            ),
            command_id,
        )

    def override(self, queue: str | None = None, *, for_seconds: float = 0, **fields: Any) -> list[object]:
        """A supervisor overrides a queue, or all of them."""
        until_ms = self.now_ms + int(for_seconds * 1000) if for_seconds else None
        return self._command(
            lambda known: commands.OverrideQueue(
                command_id=known, domain=DOMAIN, by="sue", queue=queue, until_ms=until_ms, **fields
            )
        )

    def reroute(self, task_id: str, **fields: Any) -> list[object]:
        """A supervisor moves a task."""
        return self._command(
            lambda known: commands.RerouteTask(command_id=known, domain=DOMAIN, task_id=task_id, by="sue", **fields)
        )

    def finish(self, task_id: str, **fields: Any) -> list[object]:
        """A supervisor ends a task."""
        return self._command(
            lambda known: commands.FinishTask(command_id=known, domain=DOMAIN, task_id=task_id, by="sue", **fields)
        )

    def _command(self, make: Callable[[str], CommandData], command_id: str | None = None) -> list[object]:
        self.commands_given += 1
        return self.give(CommandInput(TENANT, make(command_id or f"command-{self.commands_given}")))
