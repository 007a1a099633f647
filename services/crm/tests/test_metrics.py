"""Figures from the router's events to the supervisor, on PostgreSQL: counted once, with the tasks behind them."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from contracts import Event, encode
from contracts.meter import Key
from contracts.metrics import COUNT_NAMES, COUNTING, FORMULAS, INTERVAL_MS, Counts
from contracts.metrics_oracle import Told, recounted
from contracts.metrics_story import DOMAIN, NINE_MS, Centre, busy_day
from contracts.topics import ROUTING_EVENTS
from contracts.written import (
    MessageEdited,
    MessageErased,
    MessagesMoved,
    MessageStatusChanged,
    Moved,
    WindowChanged,
)
from crm.app import application
from crm.consumers import reactions
from crm.metrics_consumer import GROUP, metrics_reactions
from crm.metrics_store import DAY_MS, MetricsStore, evidence_sweep
from crm.settings import CrmSettings
from crm.store import PostgresCrmStore
from servicekit.auth import Role
from servicekit.database import Database
from servicekit.ports import Record
from servicekit.run import Shell
from servicekit.statements import statements
from servicekit.store import EVERY_TENANT
from servicekit.sweep import SweepLimits
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tenants import unguarded_tables
from servicekit.testing.tokens import TokenIssuer
from servicekit.transactional import TransactionalProcessor

Json = dict[str, Any]  # Any: a document as a client sees it
ISSUER = TokenIssuer.generate()
SHELL = Shell(SystemClock(), SystemIds(), SystemChance(), MemoryLog({}), Telemetry("test"))
BEHIND = {
    "answered": "answered.v1",
    "wait_ms": "asa.v1",
    "within": "service_level.v1",
    "abandoned": "abandoned.v1",
    "moved_out": "overflow_rate.v1",
    "handled": "handled.v1",
    "handle_ms": "aht.v1",
}
DAY = {"from": "2026-01-01T09:00:00Z", "to": "2026-01-01T10:00:00Z"}


@dataclass(slots=True)
class Crm:
    """The API, the consumer and its partition."""

    client: httpx.AsyncClient
    database: Database
    application_url: str
    records: list[Record] = field(default_factory=list)

    async def read(self, told: Sequence[Told], *, batch: int = 50) -> None:
        """Consume these as the next records of the partition."""
        for tenant_id, data in told:
            self.records.append(self.landed(tenant_id, data, len(self.records)))
        await self.consume(self.records[-len(told) :], batch)

    async def consume(self, records: Sequence[Record], batch: int = 50) -> None:
        processor = TransactionalProcessor(
            group=GROUP,
            store=MetricsStore(self.database),
            reactions=metrics_reactions(),
            telemetry=SHELL.telemetry,
        )
        for first in range(0, len(records), batch):
            await processor.process(records[first : first + batch])

    def landed(self, tenant_id: str, data: object, offset: int, sequence: str | None = None) -> Record:
        event = Event(
            id=f"event-{offset}",
            source="/test",
            tenant_id=tenant_id,
            subject="it",
            time_ms=NINE_MS,
            data=data,
            sequence=sequence or f"0001-{offset:015d}-00000",
        )
        value, headers = encode(event)
        return Record(ROUTING_EVENTS.name, 0, offset, b"it", value, tuple(headers), NINE_MS)

    async def get(self, path: str, *roles: Role, tenant: str = "acme", **query: str | int) -> httpx.Response:
        token = ISSUER.token(subject="sue", tenant_id=tenant, roles=roles, now_ms=SHELL.clock.now_ms())
        return await self.client.get(path, params=query, headers={"authorization": f"Bearer {token}"})

    async def found(self, path: str, *, tenant: str = "acme", **query: str | int) -> Json:
        answer = await self.get(path, "supervisor", tenant=tenant, **{**DAY, **query})
        assert answer.status_code == 200, answer.text
        document: Json = answer.json()
        return document

    async def behind(self, formula: str, **query: Any) -> list[Json]:
        """All pages of the evidence."""
        page = await self.found("/metrics/tasks", formula=formula, limit=7, **query)
        lines: list[Json] = page["lines"]
        while page["next_cursor"] is not None:
            page = await self.found("/metrics/tasks", formula=formula, limit=7, cursor=page["next_cursor"], **query)
            lines += page["lines"]
        return lines

    async def kept(self) -> dict[Key, dict[str, int]]:
        """The table of intervals."""
        async with self.database.transaction(EVERY_TENANT) as tx:
            rows = await tx.all("SELECT * FROM metric_interval")
        names = ("tenant_id", "domain", "of", "name", "client", "channel", "at_ms")
        return {
            Key(**{name: row[name] for name in names}): Counts(**{name: row[name] for name in COUNT_NAMES}).plain()
            for row in rows
        }


@pytest.fixture
async def crm(postgres: FreshDatabase, tmp_path: Path) -> AsyncGenerator[Crm, None]:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(ISSUER.jwks()))
    async with migrated(postgres.admin_url, "crm") as kept:
        app = application(CrmSettings(jwks_url=f"file:{keys}"), SHELL, kept.database)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test/crm/v1") as client:
            yield Crm(client, kept.database, kept.application_url)


async def test_what_written_channels_tell_changes_no_figure(crm: Crm) -> None:
    """Edits, erasures, moves and statuses are no contacts, whichever group of the CRM reads them."""
    await crm.read(simple_hour().told)
    before = await crm.kept()
    place: Json = {"interaction_id": "answered-0", "domain": DOMAIN}
    one: Json = {**place, "message_id": "m-1"}
    moved = MessagesMoved(
        **place,
        to_interaction_id="answered-1",
        moved=(Moved(message_id="m-1", number=1),),
        reason="joined",
        agent_id="ana",
        moved_at_ms=NINE_MS,
    )
    news = [
        MessageStatusChanged(**one, status="read", changed_at_ms=NINE_MS),
        MessageEdited(**one, edited_at_ms=NINE_MS),
        MessageErased(**one, erased_at_ms=NINE_MS),
        WindowChanged(**place, opens_at_ms=1, closes_at_ms=2, basis="customer_message", changed_at_ms=NINE_MS),
        moved,
    ]
    stories = TransactionalProcessor(
        group="crm",
        store=PostgresCrmStore(crm.database),
        reactions=reactions(SHELL.clock),
        telemetry=SHELL.telemetry,
    )

    records = [replace(crm.landed("acme", data, offset), topic="messages") for offset, data in enumerate(news)]
    await stories.process(records)
    await crm.consume([replace(record, partition=9) for record in records])

    assert await crm.kept() == before != {}


def simple_hour() -> Centre:
    """Three contacts in a queue: answered after 10 s and after 40 s, and abandoned; one waits on."""
    centre = Centre()
    for number, seconds in enumerate((10, 40)):
        centre.queue(f"answered-{number}", client="shop")
        centre.wait(seconds)
        centre.answer(f"answered-{number}")
        centre.wait(100)
        centre.complete(f"answered-{number}")
    centre.wait(INTERVAL_MS / 1000)
    centre.queue("left", client="bank")
    centre.wait(30)
    centre.abandon("left")
    centre.queue("waits", client="bank")
    return centre


@pytest.mark.parametrize("batch", [1, 7, 1000])
async def test_pain_10_the_tables_hold_what_a_naive_recount_of_all_events_says(crm: Crm, batch: int) -> None:
    told = busy_day(Random(batch), 400).told

    await crm.read(told, batch=batch)

    assert await crm.kept() == recounted(told)


async def test_pain_10_events_that_come_twice_count_once(crm: Crm) -> None:
    """A new engine publishes again from its watermark: the same sequences at new offsets."""
    told = busy_day(Random(5), 200).told
    await crm.read(told)
    again = [
        crm.landed(tenant_id, data, len(told) + index, f"0001-{index:015d}-00000")
        for index, (tenant_id, data) in enumerate(told)
    ]

    await crm.consume([*crm.records[-20:], *again])

    assert await crm.kept() == recounted(told)


async def test_pain_10_the_tasks_behind_a_figure_add_up_to_it(crm: Crm) -> None:
    told = busy_day(Random(9), 300).told
    await crm.read(told)
    until = {"from": "2026-01-01T09:00:00Z", "to": "2026-01-08T09:00:00Z"}
    table = await crm.found("/metrics", by="queue", interval="1d", **until)
    for name, formula in BEHIND.items():
        lines = await crm.behind(formula, **until)

        figure = sum(line["counts"].get(name, 0) for line in table["lines"])
        assert sum(line["counts"].get(name, 0) for line in lines) == figure, name


async def test_figures_are_asked_by_queue_and_by_interval(crm: Crm) -> None:
    await crm.read(simple_hour().told)

    table = await crm.found("/metrics", by="queue", interval="15m")
    hour = await crm.found("/metrics", by="queue", interval="1h")

    first, second = table["lines"]
    assert (first["at_ms"], second["at_ms"]) == (NINE_MS, NINE_MS + INTERVAL_MS)
    assert (first["domain"], first["name"]) == (DOMAIN, "sales")
    assert first["figures"]["service_level.v1"] == {"numerator": 1, "denominator": 2, "ratio": 0.5}
    assert first["figures"]["asa.v1"]["ratio"] == 25_000
    assert second["figures"]["service_level.v1"] == {"numerator": 0, "denominator": 1, "ratio": 0.0}
    assert second["figures"]["aht.v1"] == {"numerator": 0, "denominator": 0, "ratio": None}
    [whole] = hour["lines"]
    assert whole["figures"]["service_level.v1"]["denominator"] == 3
    assert "occupancy.v1" not in whole["figures"]


async def test_figures_are_asked_by_client_by_channel_and_by_agent(crm: Crm) -> None:
    centre = simple_hour()
    centre.presence("ann", present=True)
    centre.state("ann", ready=True)
    centre.wait(60)
    centre.answer("waits")
    await crm.read(centre.told)

    clients = (await crm.found("/metrics", by="client", interval="1h"))["lines"]
    channels = (await crm.found("/metrics", by="channel", interval="1h"))["lines"]
    agents = (await crm.found("/metrics", by="agent", interval="1h"))["lines"]

    assert [(line["name"], line["counts"]["offered"]) for line in clients] == [("bank", 2), ("shop", 2)]
    assert [(line["name"], line["domain"], line["counts"]["offered"]) for line in channels] == [("webchat", None, 4)]
    [ann] = agents
    assert ann["figures"]["occupancy.v1"] == {"numerator": 200_000, "denominator": 260_000, "ratio": 200 / 260}
    assert "offered.v1" not in ann["figures"]


async def test_the_backlog_is_what_waits_at_the_end_of_each_interval_whenever_it_came(crm: Crm) -> None:
    centre = Centre()
    for number in range(3):
        centre.queue(f"t{number}")
    centre.wait(3600)
    centre.abandon("t0")
    centre.wait(900)
    centre.abandon("t1")
    await crm.read(centre.told)

    later = await crm.found("/metrics", **{"from": "2026-01-01T10:00:00Z", "to": "2026-01-01T11:00:00Z"})

    assert [line["figures"]["backlog.v1"]["numerator"] for line in later["lines"]] == [2, 1]


async def test_a_backlog_of_years_is_the_sum_of_few_rows(crm: Crm) -> None:
    """A contact a day, one that waits on, and one of the first day that is told last."""
    centre = Centre()
    centre.queue("waits")
    for day in range(500):
        centre.queue(f"t{day}", client="shop" if day % 3 else "bank")
        centre.wait(DAY_MS / 1000)
        centre.abandon(f"t{day}")
    late = Centre()
    late.queue("told-late")
    await crm.read([*centre.told, *late.told], batch=1000)

    centre.wait(INTERVAL_MS / 1000)
    async with crm.database.transaction("acme") as tx:
        sql = dict(statements("crm", "sql/metrics.sql"))["backlog"]
        asked = {"tenant": "acme", "counting": COUNTING, "by": "queue", "from_ms": centre.at_ms}
        [kept] = await tx.all(sql, **asked)
        [plan] = await tx.all("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, **asked)
        [naive] = await tx.all(
            "SELECT count(*) AS rows, sum(waits_begun - waits_ended) AS waiting FROM metric_interval"
        )

    assert naive["rows"] > 800
    assert rows_read(plan["QUERY PLAN"]) < 200
    assert kept["waiting"] == naive["waiting"] == 2


def rows_read(plan: Any) -> int:
    """By the scans of a plan, those thrown away too."""
    if isinstance(plan, list):
        return sum(map(rows_read, plan))
    if not isinstance(plan, dict):
        return 0
    here = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if "Relation Name" in plan else 0
    return here + sum(rows_read(each) for each in plan.values() if isinstance(each, list | dict))


async def test_a_figure_is_drilled_down_to_its_tasks(crm: Crm) -> None:
    await crm.read(simple_hour().told)

    met = await crm.found("/metrics/tasks", formula="service_level.v1")
    promised = await crm.found("/metrics/tasks", formula="service_level.v1", part="denominator")
    of_bank = await crm.found("/metrics/tasks", formula="offered.v1", client="bank")
    nobody = await crm.found("/metrics/tasks", formula="offered.v1", queue="help")

    assert [line["task_id"] for line in met["lines"]] == ["answered-0"]
    assert [line["task_id"] for line in promised["lines"]] == ["left", "answered-1", "answered-0"]
    assert [line["task_id"] for line in of_bank["lines"]] == ["waits", "left"]
    assert met["lines"][0]["agent_id"] == "ann"
    assert nobody["lines"] == []


async def test_old_evidence_goes_a_bounded_number_at_a_time_and_figures_stay(crm: Crm) -> None:
    for days in (40, 29):
        centre = Centre(SHELL.clock.now_ms() - days * DAY_MS)
        for number in range(4):
            centre.queue(f"t{days}-{number}")
        await crm.read([(tenant_id, data) for tenant_id in ("acme", "globex") for _, data in centre.told])
    figures = await crm.kept()

    sweep = evidence_sweep(crm.database, SweepLimits(rows_max=3), keep_days=30)
    steps = [await sweep.run_once() for _ in range(4)]

    async with crm.database.transaction(EVERY_TENANT) as tx:
        left = await tx.all("SELECT tenant_id, task_id FROM metric_entry ORDER BY tenant_id, task_id")
    assert steps == [3, 3, 2, 0]
    assert [tuple(row.values()) for row in left] == [
        (tenant_id, f"t29-{number}") for tenant_id in ("acme", "globex") for number in range(4)
    ]
    assert await crm.kept() == figures


async def test_evidence_says_how_far_back_it_reaches(crm: Crm) -> None:
    before_ms = SHELL.clock.now_ms()
    reach = [await crm.found("/metrics/tasks", formula="offered.v1")]
    for days in (10, 390, 410):
        centre = Centre(before_ms - days * DAY_MS)
        centre.queue(f"t{days}")
        await crm.read(centre.told)
        reach.append(await crm.found("/metrics/tasks", formula="offered.v1"))

    kept_ms = [each["kept_from_ms"] - before_ms for each in reach]
    assert kept_ms[1:3] == [-10 * DAY_MS, -390 * DAY_MS]  # what was deleted before the setting was raised is not kept
    assert all(found + days * DAY_MS in range(60_000) for found, days in ((kept_ms[0], 0), (kept_ms[3], 400)))


async def test_what_a_figure_means_can_be_asked(crm: Crm) -> None:
    formulas = (await crm.found("/metrics/formulas"))["formulas"]

    assert [each["name"] for each in formulas] == [each.name for each in FORMULAS]
    assert all(each["says"] for each in formulas)


async def test_another_tenant_sees_nothing_and_every_table_is_guarded(crm: Crm) -> None:
    await crm.read(simple_hour().told)

    assert (await crm.found("/metrics", tenant="globex"))["lines"] == []
    assert (await crm.found("/metrics/tasks", tenant="globex", formula="offered.v1"))["lines"] == []
    assert await unguarded_tables(application_url=crm.application_url, schema="crm") == []


@pytest.mark.parametrize("path", ["/metrics", "/metrics/tasks", "/metrics/formulas"])
async def test_agents_are_refused_and_integrators_are_not(crm: Crm, path: str) -> None:
    query = {**DAY, "formula": "offered.v1"}

    assert (await crm.get(path, "agent", **query)).status_code == 403
    assert (await crm.client.get(path, params=query)).status_code == 401
    assert (await crm.get(path, "integrator", **query)).status_code == 200


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/metrics", {"from": "2026-01-01T10:00:00Z", "to": "2026-01-01T09:00:00Z"}, 400),
        ("/metrics", {"from": "2026-01-01T09:00:00", "to": "2026-01-01T10:00:00"}, 422),
        ("/metrics", {"from": "2020-01-01T09:00:00Z", "to": "2026-01-01T10:00:00Z"}, 400),
        ("/metrics", {**DAY, "by": "weather"}, 422),
        ("/metrics/tasks", {**DAY, "formula": "magic.v1"}, 404),
        ("/metrics/tasks", {**DAY, "formula": "offered.v1", "part": "denominator"}, 400),
        ("/metrics/tasks", {**DAY, "formula": "offered.v1", "cursor": "x"}, 400),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(crm: Crm, path: str, query: Json, status: int) -> None:
    assert (await crm.get(path, "supervisor", **query)).status_code == status
