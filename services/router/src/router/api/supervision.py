"""What supervisors may do to agents, tasks and queues: commands like all others, each with its audit row (S10)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from contracts.agents import CommandResult
from contracts.commands import (
    CancelCallback,
    ClockAgent,
    FinishTask,
    MoveTransfer,
    OverrideQueue,
    RequestCallback,
    RequestTask,
    RerouteTask,
    SetAgentState,
    TransferTask,
    UnparkTask,
)
from servicekit.auth import Principal
from servicekit.ports import Clock
from servicekit.problems import ProblemError

from router.api.acts import Act, Acts, command_audit
from router.api.handlers import Desk, checked, looks_over
from router.api.models import (
    AgentsStateChoice,
    CallbackWish,
    Finish,
    InDomain,
    Override,
    Rerouting,
    TaskWish,
    TransferWish,
)
from router.api.named import Names
from router.api.store import ApiStore, Seat
from router.domain.inputs import CommandData, RequestData

AboutAgent = SetAgentState | ClockAgent | TransferTask | MoveTransfer
Decided = tuple[str, CommandResult | None]
"""The command's id, which is the first one's for a repeat; and its result, none when it took longer than the wait."""
CLOCKS_DIFFER_MS: Final = 60_000
"""So far behind ours a caller's clock may be, and so late a retry."""
DUE_AHEAD_MS_MAX: Final = 366 * 86_400_000


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of the caller's tenant, and its partition."""

    tenant_id: str
    domain: str
    partition: int


@dataclass(frozen=True, slots=True)
class _Order:
    """A command, as what it is audited, and where it goes; `subject`: its order key, the caller unless given."""

    action: str
    target: str
    partition: int
    command: CommandData
    subject: str | None = None


class Supervision:
    """Supervisors' acts. Every one is noted before it is asked for."""

    def __init__(self, store: ApiStore, names: Names, desk: Desk, acts: Acts, clock: Clock) -> None:
        self._store = store
        self._names = names
        self._desk = desk
        self._acts = acts
        self._clock = clock

    async def set_state(self, principal: Principal, agent_id: str, choice: AgentsStateChoice, act: Act) -> Decided:
        """A supervisor chooses an agent's state, at once unless they say otherwise."""

        def command(seat: Seat) -> AboutAgent:
            return SetAgentState(
                command_id=act.command_id,
                domain=seat.domain,
                agent_id=agent_id,
                state=choice.state,
                reason_code=choice.reason_code,
                when=choice.when,
                by=principal.subject,
            )

        return await self._to_agent(principal, agent_id, "agent.set_state", command, act)

    async def drain(self, principal: Principal, agent_id: str, act: Act) -> Decided:
        """No new work; not ready once what the agent has is done."""

        def command(seat: Seat) -> AboutAgent:
            return SetAgentState(
                command_id=act.command_id,
                domain=seat.domain,
                agent_id=agent_id,
                state="not_ready",
                when="when_free",
                by=principal.subject,
            )

        return await self._to_agent(principal, agent_id, "agent.drain", command, act)

    async def clock_agent(self, principal: Principal, agent_id: str, act: Act, *, clocked_in: bool) -> Decided:
        """An agent's shift begins or ends by a supervisor's hand."""

        def command(seat: Seat) -> AboutAgent:
            return ClockAgent(
                command_id=act.command_id,
                domain=seat.domain,
                agent_id=agent_id,
                clocked_in=clocked_in,
                by=principal.subject,
            )

        return await self._to_agent(principal, agent_id, "agent.clock", command, act)

    async def reassign(
        self, principal: Principal, agent_id: str, assignment_id: str, wish: TransferWish, act: Act
    ) -> Decided:
        """An agent's conversation goes to somebody else; the agent stays until that one has accepted."""

        def command(seat: Seat) -> AboutAgent:
            return transfer_of(seat, assignment_id, wish, act.command_id, by=principal.subject)

        return await self._to_agent(principal, agent_id, "task.reassign", command, act, target=assignment_id)

    async def cancel_transfer(self, principal: Principal, agent_id: str, transfer_id: str, act: Act) -> Decided:
        """What an agent has asked for is taken back; the agent keeps the conversation."""

        def command(seat: Seat) -> AboutAgent:
            return MoveTransfer(
                command_id=act.command_id,
                domain=seat.domain,
                agent_id=agent_id,
                transfer_id=transfer_id,
                move="cancel",
                by=principal.subject,
            )

        return await self._to_agent(principal, agent_id, "transfer.cancel", command, act, target=transfer_id)

    async def unpark(self, principal: Principal, task_id: str, wish: InDomain, act: Act) -> Decided:
        """A parked task waits again, for the agent who parked it first."""
        domain = await self.domain(principal, wish.domain)
        command = UnparkTask(
            command_id=act.command_id,
            domain=domain.domain,
            agent_id=principal.subject,
            task_id=task_id,
            by=principal.subject,
        )
        return await self._order(principal, _Order("task.unpark", task_id, domain.partition, command), act)

    async def reroute(self, principal: Principal, task_id: str, wish: Rerouting, act: Act) -> Decided:
        """A waiting task goes to another queue, to one agent, up or down."""
        domain = await self.domain(principal, wish.domain)
        command = RerouteTask(
            command_id=act.command_id,
            domain=domain.domain,
            task_id=task_id,
            by=principal.subject,
            queue=wish.queue,
            to_agent_id=wish.agent_id,
            priority=wish.priority,
            band=wish.band,
        )
        return await self._order(principal, _Order("task.reroute", task_id, domain.partition, command), act)

    async def finish(self, principal: Principal, task_id: str, wish: Finish, act: Act) -> Decided:
        """A task that is stuck ends."""
        domain = await self.domain(principal, wish.domain)
        command = FinishTask(
            command_id=act.command_id,
            domain=domain.domain,
            task_id=task_id,
            by=principal.subject,
            disposition=wish.disposition,
        )
        return await self._order(principal, _Order("task.finish", task_id, domain.partition, command), act)

    async def override(self, principal: Principal, queue: str | None, wish: Override, act: Act) -> Decided:
        """A queue, or all of a domain, is closed at once, opened again, or has another priority."""
        domain = await self.domain(principal, wish.domain)
        command = OverrideQueue(
            command_id=act.command_id,
            domain=domain.domain,
            by=principal.subject,
            queue=queue,
            closed=wish.closed,
            message=wish.message,
            priority=wish.priority,
            until_ms=wish.until_ms,
        )
        target = f"{domain.domain}/{queue or '*'}"
        return await self._order(principal, _Order("queue.override", target, domain.partition, command), act)

    async def request_task(self, principal: Principal, wish: TaskWish) -> None:
        """A callback, a case, a call to dial; the same request id again asks for nothing more.

        Raises ProblemError 422 for what the configuration does not name, and for a time that cannot be meant.
        """
        domain = await self.domain(principal, wish.domain)
        self._check_due(wish.due_at_ms)
        await self._check_names(domain, wish)
        request = RequestTask(
            request_id=wish.request_id,
            interaction_id=wish.interaction_id or wish.request_id,
            domain=domain.domain,
            kind=wish.kind,
            client=wish.client,
            channel=wish.channel,
            queue=wish.queue,
            requested_at_ms=self._clock.now_ms(),
            due_at_ms=wish.due_at_ms,
            agent_id=wish.agent_id,
            agent_only_seconds=wish.agent_only_seconds,
            priority=wish.priority,
            labels=tuple(wish.labels),
            language=wish.language,
            by=principal.subject,
        )
        await self._ask(principal, domain, "task.request", request)

    async def request_callback(self, principal: Principal, interaction_id: str, wish: CallbackWish) -> None:
        """The waiting customer keeps the place in line and is called back. Raises ProblemError 422 as above."""
        domain = await self.domain(principal, wish.domain)
        self._check_due(wish.due_at_ms)
        request = RequestCallback(
            request_id=wish.request_id,
            interaction_id=interaction_id,
            domain=domain.domain,
            requested_at_ms=self._clock.now_ms(),
            due_at_ms=wish.due_at_ms,
            by=principal.subject,
        )
        await self._ask(principal, domain, "callback.request", request)

    async def cancel_callback(
        self, principal: Principal, interaction_id: str, act: Act, *, domain: str | None, task_id: str | None
    ) -> Decided:
        """The customer does not want to be called any more."""
        place = await self.domain(principal, domain)
        command = CancelCallback(
            command_id=act.command_id,
            domain=place.domain,
            interaction_id=interaction_id,
            by=principal.subject,
            task_id=task_id,
        )
        return await self._order(principal, _Order("callback.cancel", interaction_id, place.partition, command), act)

    async def seat(self, principal: Principal, agent_id: str) -> Seat:
        """Where an agent of the caller's tenant works. Raises ProblemError 404."""
        async with self._store.transaction(principal.tenant_id) as transaction:
            seat = await transaction.seat(agent_id)
        if seat is None:
            raise ProblemError(404, "agent_unknown", "The active configuration has no agent of this name.")
        return seat

    async def _to_agent(
        self,
        principal: Principal,
        agent_id: str,
        action: str,
        make: Callable[[Seat], AboutAgent],
        act: Act,
        *,
        target: str | None = None,
    ) -> Decided:
        seat = await self.seat(principal, agent_id)
        order = _Order(action, target or agent_id, seat.partition, make(seat), subject=agent_id)
        return await self._order(principal, order, act)

    async def _order(self, principal: Principal, order: _Order, act: Act) -> Decided:
        """Raises ProblemError for a refusal too."""
        command_id = await self._acts.command(principal, order.action, order.target, order.command, act.key)
        command = replace(order.command, command_id=command_id)
        result = await self._desk.decided(
            principal.tenant_id, order.partition, order.subject or principal.subject, command
        )
        if result is None:
            return command_id, None
        async with self._store.transaction(principal.tenant_id) as transaction:
            await transaction.audit_outcome(command_audit(command_id), result)
        return command_id, checked(result)

    async def _ask(self, principal: Principal, domain: Domain, action: str, request: RequestData) -> None:
        await self._acts.request(principal, action, request)
        await self._desk.ask(domain.tenant_id, domain.partition, request.request_id, request)

    def _check_due(self, due_at_ms: int | None) -> None:
        if due_at_ms is None:
            return
        ahead_ms = due_at_ms - self._clock.now_ms()
        if ahead_ms < -CLOCKS_DIFFER_MS:
            raise ProblemError(
                422, "due_past", "due_at_ms is in the past. Leave it out for at once; it is milliseconds."
            )
        if ahead_ms > DUE_AHEAD_MS_MAX:
            raise ProblemError(422, "due_too_far", "due_at_ms is more than a year ahead.")

    async def _check_names(self, domain: Domain, wish: TaskWish) -> None:
        named = await self._names.of(domain.tenant_id)
        if wish.client not in named.clients:
            raise _unknown("client", wish.client)
        in_domain = (("queue", wish.queue, named.queues), ("channel", wish.channel, named.channels))
        for kind, name, known in (*in_domain, ("agent", wish.agent_id, named.agents)):
            if name is not None and (domain.domain, name) not in known:
                raise _unknown(kind, name)

    async def domain(self, principal: Principal, named: str | None) -> Domain:
        """The domain that is named, or the only one. Raises ProblemError 422 with what to do, and as `Desk.seat`."""
        places = await self._places(principal)
        if named is None and len(places) == 1:
            named = next(iter(places))
        if named is None or named not in places:
            raise ProblemError(422, "domain_unknown", f"Name one of your domains: {', '.join(sorted(places))}.")
        return Domain(principal.tenant_id, named, places[named])

    async def _places(self, principal: Principal) -> dict[str, int]:
        """Domains that are the caller's business, with their partitions."""
        if not looks_over(principal):
            seat = await self._desk.seat(principal)
            return {seat.domain: seat.partition}
        async with self._store.transaction(principal.tenant_id) as transaction:
            return await transaction.places()


def _unknown(kind: str, name: str) -> ProblemError:
    detail = f"The active configuration of the domain names no {kind} {name!r}."
    return ProblemError(422, f"unknown_{kind}", detail)


def transfer_of(
    seat: Seat, assignment_id: str, wish: TransferWish, command_id: str, *, by: str | None = None
) -> TransferTask:
    """The command of a transfer."""
    return TransferTask(
        command_id=command_id,
        domain=seat.domain,
        agent_id=seat.agent_id,
        assignment_id=assignment_id,
        kind=wish.kind,
        queue=wish.queue,
        to_agent_id=wish.agent_id,
        requirements=tuple(wish.requirements),
        escalate=wish.escalate,
        priority_add=wish.priority_add,
        forced=wish.forced,
        by=by,
    )
