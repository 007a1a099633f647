"""What agents, supervisors and admins may ask: customers, their stories, and the words in them.

The token's tenant decides what there is; an id of another tenant is as unknown as one that never was. Within the
tenant every agent may read everything; finer rules come with an issue of their own.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Final, NoReturn, TypeVar, cast

from fastapi import APIRouter, Depends, Path, Query
from servicekit.auth import Principal, require
from servicekit.database import Row
from servicekit.ports import Clock, Ids
from servicekit.problems import ProblemError
from starlette.requests import Request

from crm.domain import calls, cursors, routing
from crm.domain.calls import CallStep
from crm.domain.cursors import CURSOR_LENGTH_MAX, NEWEST, BadCursorError, Cursor
from crm.domain.routing import Task
from crm.models import (
    CallEntry,
    CallLine,
    CustomerChange,
    CustomerLine,
    CustomerPage,
    FailedMessageLine,
    FoundMessage,
    FoundPage,
    IdentifierLine,
    InteractionEntry,
    InteractionView,
    MessageEntry,
    MessageLine,
    MessagePage,
    Outcome,
    StepLine,
    TimelinePage,
    TranscriptLine,
    Transcripts,
    WindowLine,
)
from crm.views import CrmViews, View

PAGE_ROWS_MAX: Final = 200
QUERY_LENGTH_MAX: Final = 200
ROUTES: Final = APIRouter(tags=["customers"])
T = TypeVar("T")


async def _views(request: Request) -> CrmViews:
    return cast(CrmViews, request.app.state.views)  # set by app


async def _cursor(cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None) -> Cursor:
    if cursor is None:
        return NEWEST
    try:
        return cursors.decoded(cursor)
    except BadCursorError as error:
        raise ProblemError(400, "cursor_invalid", "Use a cursor as a page gave it.") from error


async def _clock(request: Request) -> Clock:
    return cast(Clock, request.app.state.clock)  # set by app


async def _ids(request: Request) -> Ids:
    return cast(Ids, request.app.state.ids)  # set by app


Reader = Annotated[Principal, Depends(require("agent", "supervisor", "admin"))]
Writer = Annotated[Principal, Depends(require("supervisor", "integrator"))]
Views = Annotated[CrmViews, Depends(_views)]
From = Annotated[Cursor, Depends(_cursor)]
Limit = Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX)]
Identity = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]


@ROUTES.get("/customers", summary="Customers")
async def customers(
    principal: Reader,
    views: Views,
    cursor: From,
    query: Annotated[str, Query(max_length=QUERY_LENGTH_MAX, description="Beginnings of words, all of them.")] = "",
    limit: Limit = 50,
) -> CustomerPage:
    """Found by name and identifiers, newest first."""
    async with views.of(principal.tenant_id) as view:
        rows, more = _cut(await view.customers(query, cursor, rows_max=limit + 1), limit)
        lines = await _customer_lines(view, rows)
    last = Cursor(rows[-1]["created_at_ms"], rows[-1]["customer_id"]) if more else None
    return CustomerPage(customers=lines, next_cursor=_text(last))


@ROUTES.get("/customers/{customer_id}", summary="A customer")
async def customer(principal: Reader, views: Views, customer_id: Identity) -> CustomerLine:
    """With everything that they are known by."""
    async with views.of(principal.tenant_id) as view:
        return await _customer_line(view, customer_id) or _unknown("customer")


@ROUTES.patch("/customers/{customer_id}", summary="Say what routing is to know of a customer")
async def change_customer(  # each by name
    principal: Writer,
    views: Views,
    clock: Annotated[Clock, Depends(_clock)],
    ids: Annotated[Ids, Depends(_ids)],
    customer_id: Identity,
    change: CustomerChange,
) -> CustomerLine:
    """Tier, language and labels; the router is told of them when the customer's next interaction begins."""
    async with views.of(principal.tenant_id) as view:
        before = await view.locked_profile(customer_id) or _unknown("customer")
        await view.change_profile(customer_id, replace(before, **change.model_dump(exclude_unset=True)))
        await view.audit(
            ids.new_id(),
            at_ms=clock.now_ms(),
            actor=principal.subject,
            action="customer.change",
            target=customer_id,
        )
        return await _customer_line(view, customer_id) or _unknown("customer")


@ROUTES.get("/customers/{customer_id}/timeline", summary="A customer's story")
async def timeline(
    principal: Reader, views: Views, customer_id: Identity, cursor: From, limit: Limit = 50
) -> TimelinePage:
    """Interactions with their outcome, messages, and what happened on calls, newest first."""
    async with views.of(principal.tenant_id) as view:
        if await view.customer(customer_id) is None:
            _unknown("customer")
        found = await view.timeline(
            customer_id, cursor, rows_max=limit + 1, confidential=_may_know_who_listens(principal)
        )
        return await _story(view, found, limit)


@ROUTES.get("/interactions/{interaction_id}", summary="An interaction")
async def interaction(principal: Reader, views: Views, interaction_id: Identity) -> InteractionView:
    """With its customer, what became of its last task, and what the router did on the way there."""
    async with views.of(principal.tenant_id) as view:
        found = await view.interaction(interaction_id) or _unknown("interaction")
        tasks = await view.last_tasks([interaction_id])
        failed = await view.failed_messages(interaction_id)
        steps = await view.steps(interaction_id)
        happened = await view.call_steps(interaction_id, confidential=_may_know_who_listens(principal))
        window = await view.window(interaction_id)
        continued_by = await view.continued_by(interaction_id)
        whose = await _customer_line(view, found.customer_id) if found.customer_id else None
    return InteractionView(
        interaction_id=found.interaction_id,
        domain=found.domain,
        client=found.client,
        channel=found.channel,
        address=found.address,
        language=found.language,
        attributes=found.attributes,
        state="open" if found.ended_at_ms is None else "ended",
        started_at_ms=found.started_at_ms,
        ended_at_ms=found.ended_at_ms,
        end_reason=found.end_reason,
        end_cause=found.end_cause,
        customer=whose,
        outcome=_outcome(tasks.get(interaction_id)),
        story=[
            StepLine.model_validate({**asdict(step), "summary": sentence})
            for step, sentence in zip(steps, routing.sentences(steps), strict=True)
        ],
        call=[_call_line(step) for step in happened],
        failed_messages=[FailedMessageLine.model_validate(row) for row in failed],
        window=WindowLine.model_validate(dict(window)) if window else None,
        continues=found.continues,
        continued_by=list(continued_by),
    )


@ROUTES.get("/interactions/{interaction_id}/chain", summary="The story of a chain of interactions")
async def chain(
    principal: Reader, views: Views, interaction_id: Identity, cursor: From, limit: Limit = 50
) -> TimelinePage:
    """As a customer's story: of the interaction, and of those before and after it that go on from one another."""
    async with views.of(principal.tenant_id) as view:
        if await view.interaction(interaction_id) is None:
            _unknown("interaction")
        found = await view.chain(
            interaction_id, cursor, rows_max=limit + 1, confidential=_may_know_who_listens(principal)
        )
        return await _story(view, found, limit)


@ROUTES.get("/interactions/{interaction_id}/transcripts", summary="What was said on a call")
async def transcripts(principal: Reader, views: Views, interaction_id: Identity) -> Transcripts:
    """By those who wrote it down, at most 20."""
    async with views.of(principal.tenant_id) as view:
        found = await view.transcripts(interaction_id)
        if not found and await view.interaction(interaction_id) is None:
            _unknown("interaction")
    return Transcripts(transcripts=[TranscriptLine.model_validate(asdict(each)) for each in found])


@ROUTES.get("/interactions/{interaction_id}/messages", summary="A conversation")
async def messages(
    principal: Reader,
    views: Views,
    interaction_id: Identity,
    after: Annotated[int, Query(ge=0, le=2**53 - 1, description="Number of the last message seen.")] = 0,
    limit: Limit = 50,
) -> MessagePage:
    """What was said, in order. Messages may be here a moment before their interaction is."""
    async with views.of(principal.tenant_id) as view:
        found, more = _cut(await view.messages(interaction_id, after=after, rows_max=limit + 1), limit)
        if not found and await view.interaction(interaction_id) is None:
            _unknown("interaction")
    lines = [MessageLine.model_validate({**row, "has_html": row["html"] is not None}) for row in found]
    return MessagePage(messages=lines, next_after=found[-1]["number"] if more else None)


@ROUTES.get("/search", summary="Search in messages")
async def search(
    principal: Reader,
    views: Views,
    cursor: From,
    q: Annotated[str, Query(min_length=1, max_length=QUERY_LENGTH_MAX, description="Words, all of them.")],
    limit: Limit = 50,
) -> FoundPage:
    """Messages that have all the words, newest first. Case and accents do not count."""
    async with views.of(principal.tenant_id) as view:
        rows, more = _cut(await view.found_messages(q, cursor, rows_max=limit + 1), limit)
    lines = [FoundMessage.model_validate(dict(row)) for row in rows]
    return FoundPage(messages=lines, next_cursor=_text(_place(rows[-1]) if more else None))


async def _story(view: View, found: Sequence[Row], limit: int) -> TimelinePage:
    rows, more = _cut(found, limit)
    tasks = await view.last_tasks({row["interaction_id"] for row in rows if row["number"] == 0})
    entries = [_entry(row, tasks.get(row["interaction_id"])) for row in rows]
    return TimelinePage(entries=entries, next_cursor=_text(_place(rows[-1]) if more else None))


async def _customer_line(view: View, customer_id: str) -> CustomerLine | None:
    row = await view.customer(customer_id)
    return (await _customer_lines(view, [row]))[0] if row else None


async def _customer_lines(view: View, rows: Sequence[Row]) -> list[CustomerLine]:
    held = await view.identifiers([row["customer_id"] for row in rows])
    return [
        CustomerLine(
            customer_id=row["customer_id"],
            name=row["name"],
            created_at_ms=row["created_at_ms"],
            identifiers=[IdentifierLine.model_validate(dict(each)) for each in held.get(row["customer_id"], ())],
            tier=row["tier"],
            language=row["language"],
            labels=row["labels"],
        )
        for row in rows
    ]


def _may_know_who_listens(principal: Principal) -> bool:
    """Agents are told what the configuration announces, by events alone."""
    return bool(principal.roles & {"supervisor", "admin"})


def _call_line(step: CallStep) -> CallLine:
    return CallLine(
        at_ms=step.at_ms, summary=calls.sentence(step.type, step.told), type=step.type, told=dict(step.told)
    )


def _entry(row: Row, task: Task | None) -> InteractionEntry | MessageEntry | CallEntry:
    if row["event_id"] is not None:
        return CallEntry.model_validate({**row, "summary": calls.sentence(row["type"], row["told"])})
    if row["number"]:
        return MessageEntry.model_validate({**row, "summary": row["text"]})
    is_over = row["ended_at_ms"] is not None
    return InteractionEntry(
        at_ms=row["at_ms"],
        summary=routing.summary(row["channel"], task, is_over=is_over),
        interaction_id=row["interaction_id"],
        channel=row["channel"],
        state="ended" if is_over else "open",
        end_reason=row["end_reason"],
        continues=row["continues"],
        outcome=_outcome(task),
    )


def _outcome(task: Task | None) -> Outcome | None:
    return Outcome.model_validate(asdict(task)) if task else None


def _cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """The page, and whether there is more: one row more than the limit was asked for."""
    return rows[:limit], len(rows) > limit


def _place(row: Row) -> Cursor:
    return Cursor(row["at_ms"], row["interaction_id"], row["number"])


def _text(cursor: Cursor | None) -> str | None:
    return cursors.encoded(cursor) if cursor else None


def _unknown(what: str) -> NoReturn:
    raise ProblemError(404, f"{what}_unknown", f"There is no such {what}.")
