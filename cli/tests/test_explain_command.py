"""`centralino explain`: an answer of the router's API as people read it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from centralino.app import run
from centralino.config.terminal import Terminal
from centralino.explained import tell
from contracts.configuration import Domain
from contracts.routing_parts import Destination, Step
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from router.domain.explain import explain_task
from router.testing.parts import DOMAIN, address, agent, plan, queue, skill
from router.testing.story import Story
from servicekit.testing.memory_log import MemoryLog


def explained(*, waited_seconds: int) -> str:
    told = Story()
    steps = plan(
        "patient",
        Step(after_seconds=30, requirements=[skill("es:2")]),
        Step(after_seconds=300, overflow=Destination(to="voicemail")),
    )
    told.configure(
        Domain(id=DOMAIN), steps, queue("help", "es:4", plan="patient"), address("help"), agent("ann", "es:3")
    )
    told.start("i1")
    told.wait(waited_seconds)
    return msgspec.json.encode(explain_task(told.domain, "i1.t1", told.now_ms)).decode()


def said(raw: str, *, as_json: bool = False) -> list[str]:
    lines: list[str] = []
    tell(raw, Terminal(say=lines.append), as_json=as_json)
    return lines


def test_a_waiting_task_is_told_with_its_timeline_and_its_agents() -> None:
    assert said(explained(waited_seconds=10)) == [
        "i1.t1: 0 of 1 eligible: 1 lacks es>=4; relaxes in 20 s to es>=2",
        "",
        "  queue      help",
        "  channel    webchat",
        "  client     shop",
        "  state      waiting",
        "  waited     10 s",
        "  asks       es>=4",
        "  priority   5, band 0",
        "  position   1",
        "  version    1 of the configuration",
        "Timeline",
        "  x      0 s      10 s ago  es>=4",
        "        30 s       in 20 s  es>=2",
        "       300 s      in 290 s  overflow to voicemail",
        "Agents: 0 of 1 eligible",
        "  1 lacks es>=4",
        "Asked, and how many of all agents lack it",
        "      0  channel webchat",
        "      0  client shop",
        "      0  direction inbound",
        "      1  requirement es>=4",
    ]


def test_programs_get_the_answer_as_it_is() -> None:
    raw = explained(waited_seconds=0)

    assert said(raw, as_json=True) == [raw]


@pytest.fixture
async def api(redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(log, redis_url=redis_url, admin_url=postgres_url, folder=tmp_path) as running:
        await running.configure()
        yield running


async def test_an_engine_that_does_not_answer_is_said_in_a_sentence(
    api: RunningApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text(api.token("sue", "supervisor"))
    arguments = ["explain", "i1.t1", "--router", api.url, "--token-file", str(tmp_path / "token")]

    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(run, arguments, [])

    assert ended.value.code == 2
    assert "The engine that knows did not answer in time. Try again." in capsys.readouterr().err
