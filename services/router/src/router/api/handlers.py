"""What agents and supervisors may do. Commands go through the log; their results come back by `routing.events`."""

import asyncio
from typing import Final

from contracts import Event
from contracts.agents import CommandResult
from contracts.commands import SetAgentState
from contracts.configuration import Disposition
from contracts.topics import Topic
from servicekit.auth import Principal
from servicekit.ports import AppendUnknownError, Clock
from servicekit.problems import ProblemError
from servicekit.telemetry import log, traceparent

from router.api.acts import audit_of
from router.api.command_log import CommandLog
from router.api.live import ApiLive, Place
from router.api.live_figures import occupancy_of, with_figures, with_occupancy
from router.api.models import AgentView, AssignmentView, DomainLive, Live, Me, StateChoice
from router.api.results import Results
from router.api.seats import Seats
from router.api.store import ApiStore, Seat
from router.domain.inputs import CommandData, RequestData

LOG: Final = log("router.api")
SOURCE: Final = "/router/api"
PROJECTION_PAUSES_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.4)
"""An assignment that was just made may not be projected yet."""


class Desk:
    """The work of agents, and of supervisors on agents."""

    def __init__(
        self,
        store: ApiStore,
        seats: Seats,
        live: ApiLive,
        commands: CommandLog,
        results: Results,
        clock: Clock,
        *,
        wait_seconds: float,
    ) -> None:
        self._store = store
        self._seats = seats
        self._live = live
        self._commands = commands
        self._results = results
        self._clock = clock
        self._wait_seconds = wait_seconds

    async def seat(self, principal: Principal) -> Seat:
        """Where the caller works. Raises ProblemError 403 for somebody who is no agent of the configuration."""
        seat = await self._seats.of(principal.tenant_id, principal.subject)
        if seat is None:
            raise ProblemError(403, "not_an_agent", "The active configuration has no agent of this name.")
        return seat

    async def me(self, seat: Seat) -> Me:
        """The agent's desk as projected; what is newer comes after `push_sequence`."""
        place = place_of(seat)
        start = await self._live.push_start(place, seat.agent_id)
        view = await self._live.agent_view(place, seat.agent_id) or await self._blank(place, seat)
        assignments = await self._live.assignments(place, view.assignments)
        for assignment in assignments:
            if assignment.state == "assigned":
                await self._live.restore_seat(place, assignment)
        domain = await self._live.domain(place)
        return Me(
            agent_id=seat.agent_id,
            name=seat.name,
            domain=seat.domain,
            state=view.state,
            reason_code=view.reason_code,
            pending_state=view.pending_state,
            pending_reason_code=view.pending_reason_code,
            presence=view.presence,
            clocked_in=view.clocked_in,
            held=view.held,
            capacity=view.capacity,
            not_ready_reasons=domain.not_ready_reasons,
            offers=view.offers,
            assignments=assignments,
            push_sequence=start,
        )

    async def dispositions(self, seat: Seat) -> list[Disposition]:
        """What the agent may choose from when completing a task."""
        async with self._store.transaction(seat.tenant_id) as transaction:
            return await transaction.dispositions(seat.domain)

    async def submit(self, seat: Seat, command: CommandData) -> CommandResult | None:
        """`decided` by and about the agent of the seat. Raises ProblemError for a refusal too."""
        result = await self.decided(seat.tenant_id, seat.partition, seat.agent_id, command)
        return checked(result) if result else None

    async def decided(self, tenant_id: str, partition: int, subject: str, command: CommandData) -> CommandResult | None:
        """Append a command and wait for its result; none when it takes longer than the wait. `subject`: its order key.

        Raises ProblemError 503 when nobody can say whether the command was kept.
        """
        with self._results.expected(tenant_id, command.command_id) as result:
            await self.ask(tenant_id, partition, command.command_id, command, subject=subject)
            try:
                async with asyncio.timeout(self._wait_seconds):
                    return await result
            except TimeoutError:
                return None

    async def ask(
        self,
        tenant_id: str,
        partition: int,
        event_id: str,
        data: CommandData | RequestData,
        *,
        subject: str | None = None,
    ) -> None:
        """Append what is asked of the engine. Raises ProblemError 503 when nobody can say whether it was kept."""
        event = Event(
            id=event_id,
            source=SOURCE,
            tenant_id=tenant_id,
            subject=subject or event_id,
            time_ms=self._clock.now_ms(),
            data=data,
            traceparent=traceparent(),
        )
        await self.append(event, key=event.subject, partition=partition)

    async def append(self, event: Event, *, key: str, partition: int | None = None, topic: Topic | None = None) -> None:
        """Append to the topic, or to its type's own. Raises ProblemError 503 when nobody can say if it was kept."""
        try:
            await self._commands.append(event, key=key, partition=partition, topic=topic)
        except AppendUnknownError as error:
            LOG.warning("command_unknown", extra={"type": event.type.name})
            detail = "Nobody can say whether this was kept. Try again with the same Idempotency-Key (or message id)."
            raise ProblemError(503, "outcome_unknown", detail).with_headers(retry_after="1") from error

    async def result(self, principal: Principal, command_id: str) -> CommandResult:
        """The result of a command or request that this replica has read, for supervisors and whoever asked for it.

        Raises ProblemError 404, or the refusal.
        """
        result = self._results.known(principal.tenant_id, command_id)
        if result is None or not await self._tells(principal, result):
            raise ProblemError(404, "result_unknown", "No result of this command is known here yet.")
        return checked(result)

    async def typing(self, seat: Seat, assignment_id: str) -> None:
        """The agent is typing in the assignment's conversation."""
        assignment = await self.assignment(seat, assignment_id)
        if assignment.role != "consultant":  # whom the customer does not see
            await self._live.typing(assignment.interaction_id)

    async def assignment(self, seat: Seat, assignment_id: str) -> AssignmentView:
        """The agent's own assignment. Raises ProblemError: 404, also for another agent's; 503 after a loss of Redis."""
        for pause_seconds in (*PROJECTION_PAUSES_SECONDS, None):
            found = await self._live.assignments(place_of(seat), [assignment_id])
            if found and found[0].agent_id == seat.agent_id:
                return found[0]
            if found or pause_seconds is None:
                break
            await self._clock.sleep(pause_seconds)
        await self._raise_unless_projected(place_of(seat))
        raise ProblemError(404, "assignment_gone", "This agent has no such assignment.")

    async def set_state(self, seat: Seat, choice: StateChoice, command_id: str) -> CommandResult | None:
        """The agent is ready, or not."""
        command = SetAgentState(
            command_id=command_id,
            domain=seat.domain,
            agent_id=seat.agent_id,
            state=choice.state,
            reason_code=choice.reason_code,
            when=choice.when,
        )
        return await self.submit(seat, command)

    async def places(self, tenant_id: str) -> list[Place]:
        """The tenant's domains."""
        async with self._store.transaction(tenant_id) as transaction:
            return [Place(tenant_id, domain) for domain in sorted(await transaction.places())]

    async def live(self, places: list[Place]) -> Live:
        """Queues and agents of the domains, as projected."""
        domains = []
        for place in places:
            now_ms = self._clock.now_ms()
            queues = [with_figures(view, now_ms) for view in await self._live.queues(place)]
            agents = [with_occupancy(view, now_ms) for view in await self._live.agents(place)]
            live = DomainLive(domain=place.domain, queues=queues, agents=agents, occupancy=occupancy_of(agents))
            domains.append(live)
        return Live(domains=domains)

    async def _tells(self, principal: Principal, result: CommandResult) -> bool:
        """Whether the caller may know the result; the audit learns of it too."""
        async with self._store.transaction(principal.tenant_id) as transaction:
            audit_id = await audit_of(transaction, result)
            if audit_id is not None:
                await transaction.audit_outcome(audit_id, result)
            if "supervisor" in principal.roles or result.agent_id == principal.subject:
                return True
            return audit_id is not None and await transaction.audited_actor(audit_id) == principal.subject

    async def _blank(self, place: Place, seat: Seat) -> AgentView:
        await self._raise_unless_projected(place)
        return AgentView(agent_id=seat.agent_id, state="not_ready", presence="absent", held=0, capacity=0)

    async def _raise_unless_projected(self, place: Place) -> None:
        if not await self._live.is_projected(place):
            problem = ProblemError(503, "view_rebuilding", "The engine has not shown this domain yet. Try again.")
            raise problem.with_headers(retry_after="1")


def looks_over(caller: Principal) -> bool:
    """Whether all domains of the tenant are the caller's business; an agent's is their own."""
    return bool(caller.roles & {"supervisor", "integrator"})


def place_of(seat: Seat) -> Place:
    """The domain of a seat."""
    return Place(seat.tenant_id, seat.domain)


def checked(result: CommandResult) -> CommandResult:
    """The result of a command that was done. Raises ProblemError for a refused one."""
    refusal = result.refusal
    if refusal is not None:
        raise ProblemError(refusal.http_status, refusal.code, refusal.detail, command_id=result.command_id)
    return result
