"""`centralino journal rerun`: what is said, and the exit code."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from centralino.journal import lines_of, rerun_all
from contracts.interactions import InteractionStarted
from router.domain.decide import decide
from router.domain.facts import Fact
from router.domain.inputs import Input, InteractionInput
from router.domain.state import State
from router.engine.journal import journal_of
from router.engine.rerun import GONE, Difference, Report
from router.engine.story import Story, open_story
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.virtual import run_virtual


def told(telling: Callable[[Story], Awaitable[None]]) -> None:
    async def run() -> None:
        async with open_story() as story:
            await story.configure(agents={"ann": {"billing": 3}})
            await telling(story)

    run_virtual(run())


def test_an_identical_journal_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    async def telling(story: Story) -> None:
        story.start_engine()
        await story.customer_arrives("i1")
        await asyncio.sleep(5)

        assert await rerun_all(story.log, None, start=None, end=None) == 0

    told(telling)
    assert capsys.readouterr().out.endswith("facts: identical\n")


def test_a_journal_that_another_release_decides_otherwise_is_said_with_both_facts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def other(state: State, given: Input, now_ms: int) -> list[Fact]:
        """Takes everybody for a customer of the same client."""
        if isinstance(given, InteractionInput) and isinstance(given.data, InteractionStarted):
            given = InteractionInput(given.tenant_id, replace(given.data, client="bank"))
        return decide(state, given, now_ms)

    async def telling(story: Story) -> None:
        story.start_engine(decide=other)
        await story.customer_arrives("i1")
        await asyncio.sleep(5)

        assert await rerun_all(story.log, None, start=None, end=None) == 1

    told(telling)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("DIFFERENT")
    assert "input interactions@0" in lines[1]
    assert '"client":"bank"' in lines[2]
    assert '"client":"acme"' in lines[3]


def test_a_journal_without_beginning_is_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    async def telling(story: Story) -> None:
        story.start_engine()
        await asyncio.sleep(5)
        async with story.log.admin() as admin:
            await admin.delete_before(journal_of(0), 2)

        assert await rerun_all(story.log, None, start=None, end=None) == 2

    told(telling)
    assert "JournalGapError: partition 0 begins at offset 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stretch", "sentence"),
    [
        ({"start": 99999}, "Nothing was decided again, so nothing was compared."),
        ({"start": 0, "end": 1}, "Nothing was decided again, so nothing was compared."),
        ({"start": 100, "end": 20}, "--from 100 is not before --to 20: nothing stands between them."),
        ({"partition": 9}, "There is no partition 9: those of routing.journal are 0 to 0."),
        ({"partition": -1}, "There is no partition -1: those of routing.journal are 0 to 0."),
    ],
)
def test_a_stretch_in_which_nothing_is_compared_is_trouble(
    capsys: pytest.CaptureFixture[str], stretch: dict[str, int], sentence: str
) -> None:
    async def telling(story: Story) -> None:
        story.start_engine()
        await story.customer_arrives("i1")
        await asyncio.sleep(5)

        given = {"partition": None, "start": None, "end": None} | stretch
        assert await rerun_all(story.log, given["partition"], start=given["start"], end=given["end"]) == 2

    told(telling)
    said = capsys.readouterr()
    assert said.err == f"{sentence}\n"
    assert "identical" not in said.out


def test_kafka_without_a_journal_is_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(rerun_all(MemoryLog({"other": 1}), None, start=None, end=None)) == 2
    assert capsys.readouterr().err == "There is no topic routing.journal: is this the router's Kafka?\n"


def test_a_partition_without_a_journal_is_passed_over() -> None:
    assert lines_of(3, Report()) == [
        "partition 3: 0 batches, 0 decisions, 0 facts: nothing to compare: the journal is empty"
    ]
    assert lines_of(3, Report(journal=(4, 9)))[0].endswith("in the offsets asked for; the journal has 4 to 8")


def test_what_could_not_be_decided_again_is_counted() -> None:
    report = Report(batches=3, decisions=7, facts=9)
    report.skipped[GONE] = 2
    report.difference = Difference(offset=4, source="timers", number=2, recorded="acme a {}", decided=None)

    assert lines_of(1, report) == [
        "partition 1: 3 batches, 7 decisions, 9 facts: DIFFERENT",
        "  not decided again: 2 inputs that their topics have dropped",
        "  offset 4, input timers, its fact 2",
        "  recorded: acme a {}",
        "  now:      no such fact",
    ]
