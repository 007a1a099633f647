"""What supervisors, admins and integrators may ask of the past: figures, and the tasks behind them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, cast

from contracts.metrics import BY_NAME, COUNTING, FORMULAS
from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field
from servicekit.auth import Principal, require
from servicekit.problems import ProblemError
from starlette.requests import Request

from crm.domain import cursors
from crm.domain.cursors import CURSOR_LENGTH_MAX, NEWEST, BadCursorError, Cursor
from crm.domain.figures import By, Grain, Interval, Line, grain_of, lines_of
from crm.metrics_store import MetricsViews

ROWS_MAX: Final = 5_000
PAGE_ROWS_MAX: Final = 200
METRICS_ROUTES: Final = APIRouter(prefix="/metrics", tags=["metrics"])


class FigureView(BaseModel):
    """Both numbers, so that figures can be added up, and the ratio: none when nobody can say."""

    numerator: int
    denominator: int | None
    ratio: float | None


class MetricsLine(BaseModel):
    """A queue, an agent, a client or a channel during one interval in which something happened."""

    at_ms: int = Field(description="When the interval begins, UTC.")
    domain: str | None = Field(description="Of a queue or an agent.")
    name: str
    figures: dict[str, FigureView] = Field(description="By the formula's name and version.")
    counts: dict[str, int] = Field(description="What the figures are made of; zeros are left out.")


class MetricsTable(BaseModel):
    """Figures in the order of time. Whole intervals: `from` and `to` are widened to them."""

    by: By
    interval: Interval
    from_ms: int
    to_ms: int
    counting: int = Field(description="Version of the rules of counting.")
    lines: list[MetricsLine]


class FormulaView(BaseModel):
    """What a figure means."""

    name: str
    title: str
    unit: str
    says: str
    numerator: list[str]
    less: list[str]
    denominator: list[str]
    of: list[str]


class Formulas(BaseModel):
    """All of them."""

    formulas: list[FormulaView]


class EvidenceLine(BaseModel):
    """An event that added to the figure."""

    at_ms: int
    task_id: str
    domain: str
    queue: str
    client: str
    channel: str
    agent_id: str | None
    counts: dict[str, int] = Field(description="All that the event added.")


class Evidence(BaseModel):
    """What stands behind a figure, newest first."""

    lines: list[EvidenceLine]
    next_cursor: str | None = Field(description="For the next page; none on the last one.")
    kept_from_ms: int = Field(
        description="What stood behind figures before is not kept: deleted, now or soon, or never counted."
    )


async def _views(request: Request) -> MetricsViews:
    return cast(MetricsViews, request.app.state.metrics_views)  # set by app


async def _cursor(cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None) -> Cursor:
    try:
        return NEWEST if cursor is None else cursors.decoded(cursor)
    except BadCursorError as error:
        raise ProblemError(400, "cursor_invalid", "Use a cursor as a page gave it.") from error


Begin = Annotated[AwareDatetime, Query(alias="from", description="An instant with its offset from UTC (RFC 3339).")]
End = Annotated[AwareDatetime, Query(alias="to", description="Not included.")]
Name = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]*$")]


async def _span(begin: Begin, end: End) -> tuple[int, int]:
    return (int(begin.timestamp() * 1000), int(end.timestamp() * 1000))


async def _where(
    domain: Name = None, queue: Name = None, client: Name = None, channel: Name = None, agent: Name = None
) -> Mapping[str, str | None]:
    return {"domain": domain, "queue": queue, "client": client, "channel": channel, "agent": agent}


Reader = Annotated[Principal, Depends(require("supervisor", "admin", "integrator"))]
Views = Annotated[MetricsViews, Depends(_views)]
Span = Annotated[tuple[int, int], Depends(_span)]
Where = Annotated[Mapping[str, str | None], Depends(_where)]
From = Annotated[Cursor, Depends(_cursor)]


@METRICS_ROUTES.get("", summary="Figures of queues, agents, clients or channels")
async def metrics(
    principal: Reader, views: Views, span: Span, by: By = "queue", interval: Interval = "15m"
) -> MetricsTable:
    """What each figure means: `/metrics/formulas`. An interval in which nothing happened has no line."""
    grain = _grain(by, interval, span)
    async with views.of(principal.tenant_id) as view:
        rows = await view.intervals(grain, rows_max=ROWS_MAX + 1)
        waiting = await view.backlog(by, from_ms=grain.from_ms) if by != "agent" and rows else {}
    if len(rows) > ROWS_MAX:
        detail = f"That is more than {ROWS_MAX} lines. Ask for longer intervals, or for less time."
        raise ProblemError(400, "range_too_large", detail)
    lines = [_line(each) for each in lines_of(by, rows, waiting)]
    return MetricsTable(
        by=by, interval=interval, from_ms=grain.from_ms, to_ms=grain.to_ms, counting=COUNTING, lines=lines
    )


@METRICS_ROUTES.get("/formulas", summary="What each figure means")
async def formulas(principal: Reader) -> Formulas:
    """Named and versioned; a formula never changes its meaning."""
    found = [
        FormulaView(
            name=each.name,
            title=each.title,
            unit=each.unit,
            says=each.says,
            numerator=list(each.numerator),
            less=list(each.less),
            denominator=list(each.denominator),
            of=list(each.of),
        )
        for each in FORMULAS
    ]
    return Formulas(formulas=found)


@METRICS_ROUTES.get("/tasks", summary="The tasks behind a figure")
async def tasks(
    principal: Reader,
    views: Views,
    span: Span,
    where: Where,
    cursor: From,
    formula: Annotated[str, Query(max_length=64)],
    part: Literal["numerator", "denominator"] = "numerator",
    limit: Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX)] = 50,
) -> Evidence:
    """Each event that added to it, with its task. Whole quarters of an hour, as figures are; agents' time has none."""
    names, grain = _names(formula, part), _grain("queue", "15m", span)
    async with views.of(principal.tenant_id) as view:
        rows = await view.entries(names, grain, where, cursor, rows_max=limit + 1)
        kept_from_ms = await views.evidence_from_ms(view)
    page, more = rows[:limit], len(rows) > limit
    last = Cursor(page[-1]["at_ms"], page[-1]["key"], page[-1]["part"]) if more else None
    lines = [EvidenceLine.model_validate(dict(row)) for row in page]
    return Evidence(lines=lines, next_cursor=cursors.encoded(last) if last else None, kept_from_ms=kept_from_ms)


def _grain(by: By, interval: Interval, span: tuple[int, int]) -> Grain:
    try:
        return grain_of(by, interval, from_ms=span[0], to_ms=span[1])
    except ValueError as error:
        raise ProblemError(400, "range_invalid", f"{error}.") from error


def _names(formula: str, part: str) -> Sequence[str]:
    known = BY_NAME.get(formula)
    if known is None:
        raise ProblemError(404, "formula_unknown", "There is no formula of this name and version.")
    names = known.denominator if part == "denominator" else (*known.numerator, *known.less)
    if not names:
        raise ProblemError(400, "part_unknown", "This figure is a number and has no denominator.")
    return names


def _line(line: Line) -> MetricsLine:
    figures = {
        name: FigureView(numerator=value.numerator, denominator=value.denominator, ratio=value.ratio)
        for name, value in line.figures.items()
    }
    return MetricsLine(
        at_ms=line.at_ms, domain=line.domain, name=line.name, figures=figures, counts=line.counts.plain()
    )
