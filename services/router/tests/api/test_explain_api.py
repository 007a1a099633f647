"""Explanations over HTTP, answered by what an owner runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from contracts.configuration import Domain
from router.api.live import PushLimits
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from router.domain.state import State, key_of
from router.engine.live import RedisEngineLive
from router.engine.questions import Questions
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story
from servicekit.auth import Role
from servicekit.system import SystemChance, SystemClock
from servicekit.testing.memory_log import MemoryLog


@dataclass(slots=True)
class Desk:
    api: RunningApi
    told: Story

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[None]:
        """An engine answers for the tenant's domain, with what the story tells."""
        place = self.api.place
        [domain] = self.told.state.domains.values()
        state = State(domains={key_of(place.tenant_id, place.domain): domain})
        answering = Questions(RedisEngineLive(self.api.redis), SystemClock(), lambda: state)
        task = asyncio.create_task(answering.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def get(self, path: str, *roles: Role, subject: str = "sue") -> tuple[int, dict[str, object]]:
        async with self.api.client(self.api.token(subject, *roles)) as client:
            answer = await client.get(path)
        return answer.status_code, answer.json() | {"retry_after": answer.headers.get("retry-after")}


@pytest_asyncio.fixture
async def desk(redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    told = Story(now_ms=SystemClock().now_ms(), checker=None)
    told.configure(
        Domain(id=DOMAIN),
        queue("help", "billing:2"),
        address("help"),
        agent("ann", "billing:3"),
        agent("bob", "billing:1"),
    )
    told.on_duty("ann", "bob")
    log = MemoryLog(TOPIC_PARTITIONS, clock=SystemClock(), chance=SystemChance())
    async with running_api(log, redis_url=redis_url, admin_url=postgres_url, folder=tmp_path) as api:
        await api.configure()
        yield Desk(api, told)


async def test_supervisors_and_integrators_are_told_why_a_task_waits(desk: Desk) -> None:
    desk.told.start("i1")
    desk.told.start("i2")
    async with desk.owner():
        status, found = await desk.get("/tasks/i2.t1/explain", "supervisor")
        by_integrator, _ = await desk.get("/tasks/i2.t1/explain", "integrator")
        by_admin, _ = await desk.get("/tasks/i2.t1/explain", "admin")

    assert (status, by_integrator, by_admin) == (200, 200, 403)
    assert found["summary"] == "0 of 2 eligible: 1 lacks billing>=2, 1 at capacity"
    assert (found["position"], found["plan"]) == (1, "0 s: billing>=2")


async def test_agents_are_told_about_tasks_of_their_own_alone(desk: Desk) -> None:
    desk.told.start("i1")
    async with desk.owner():
        own, found = await desk.get("/tasks/i1.t1/explain", "agent", subject="ann")
        anothers, problem = await desk.get("/tasks/i1.t1/explain", "agent", subject="bob")

    assert (own, anothers) == (200, 404)
    assert str(found["summary"]).startswith("offered to ann")
    assert problem["code"] == "task_not_live"


async def test_who_refused_a_task_is_told_to_supervisors_and_not_to_agents(desk: Desk) -> None:
    desk.told.configure(agent("bob", "billing:3"))
    desk.told.start("i1")
    desk.told.reject("ann", "i1.t1.o1")
    async with desk.owner():
        _, to_supervisor = await desk.get("/tasks/i1.t1/explain", "supervisor")
        status, to_agent = await desk.get("/tasks/i1.t1/explain", "agent", subject="bob")

    assert "ann" in str(to_supervisor["refused_by"])
    assert (status, to_agent["refused_by"]) == (200, [])


async def test_a_task_that_has_ended_leads_to_the_crms_timeline(desk: Desk) -> None:
    async with desk.owner():
        status, problem = await desk.get("/tasks/i1.t1/explain", "supervisor")

    assert status == 404
    assert "read the timeline of its interaction in the CRM" in str(problem["detail"])


async def test_agents_ask_about_themselves_and_supervisors_about_anybody(desk: Desk) -> None:
    async with desk.owner():
        of_another, _ = await desk.get("/agents/ann/explain", "agent", subject="bob")
        own, found = await desk.get("/agents/bob/explain", "agent", subject="bob")
        by_supervisor, _ = await desk.get("/agents/bob/explain", "supervisor")
        unknown, _ = await desk.get("/agents/nobody/explain", "supervisor")

    assert (of_another, own, by_supervisor, unknown) == (403, 200, 200, 404)
    assert found["summary"] == "ready; nothing waits that they could serve"


async def test_where_a_task_might_go_is_told_to_agents_too(desk: Desk) -> None:
    async with desk.owner():
        status, found = await desk.get("/queues/help/availability?channel=webchat", "agent", subject="bob")
        _, of_own = await desk.get("/queues/help/availability", "agent", subject="ann")
        _, overseen = await desk.get("/queues/help/availability", "supervisor", subject="ann")
        of_agent, other = await desk.get("/agents/ann/availability", "agent", subject="bob")
        unknown, _ = await desk.get("/queues/nowhere/availability", "supervisor")
        elsewhere, _ = await desk.get("/queues/help/availability?domain=elsewhere", "supervisor")

    assert (status, of_agent, unknown, elsewhere) == (200, 200, 404, 404)
    assert (found["open"], found["at_work"], found["free"]) == (True, 1, 1)
    assert [(each["at_work"], each["free"]) for each in (of_own, overseen)] == [(0, 0), (1, 1)]
    assert other["summary"] == "ann is at work and free"


async def test_another_tenants_task_is_not_there(desk: Desk) -> None:
    desk.told.start("i1")
    async with desk.owner(), desk.api.client(desk.api.token("eve", "supervisor", tenant_id="other")) as client:
        answer = await client.get("/tasks/i1.t1/explain")

    assert answer.status_code == 404


async def test_without_an_owner_who_answers_it_may_be_tried_again(desk: Desk) -> None:
    status, problem = await desk.get("/tasks/i1.t1/explain", "supervisor")

    assert (status, problem["code"], problem["retry_after"]) == (503, "engine_silent", "1")


async def test_no_more_than_a_bounded_number_of_questions_wait_for_an_owner(desk: Desk) -> None:
    for _ in range(PushLimits().questions_max):
        assert await desk.api.live.ask(desk.api.place, b"{}", 5)

    assert not await desk.api.live.ask(desk.api.place, b"{}", 5)
