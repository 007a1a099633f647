"""What stands around the measurements: their page, and the rounds that are kept."""

import re
from pathlib import Path

from contracts import decode
from contracts.interactions import InteractionStarted
from router.domain.rules import ContactFacts, compile_rules

from benchmarks.__main__ import measurements
from benchmarks.pipeline.centre import rules
from benchmarks.pipeline.figures import set_aside
from benchmarks.pipeline.job import Inputs

ROOT = Path(__file__).parents[1]


def test_the_page_of_the_benchmarks_lists_every_measurement() -> None:
    page = (ROOT / "docs/benchmarks.md").read_text()
    _, _, table = page.partition("| measurement | question | section |\n|---|---|---|\n")
    rows, _, _ = table.partition("\n\n")

    assert sorted(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == sorted(measurements())


def test_rounds_of_before_are_kept_beside_those_of_a_new_run(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.rounds.jsonl"
    asides = [set_aside(path)]
    for text in ("a long record", "a quick look"):
        path.write_text(text)
        asides.append(set_aside(path))

    assert asides == [None, tmp_path / "pipeline.rounds.1.jsonl", tmp_path / "pipeline.rounds.2.jsonl"]
    assert [aside.read_text() for aside in asides if aside] == ["a long record", "a quick look"]
    assert not path.exists()


def test_the_rules_of_the_job_match_and_leave_its_answer_as_it_is() -> None:
    record = Inputs(1_000).started(0, 0)
    started = decode(record.value, record.headers).data
    assert isinstance(started, InteractionStarted)
    contact = ContactFacts(
        channel=started.channel,
        address=started.address,
        client=started.client,
        hour=12,
        weekday=3,
        date="2026-11-25",
        text=str(started.personal["text"]),
        queue_hint=started.queue_hint or "",
        language=started.language or "",
        attributes=started.attributes,
    )

    said = compile_rules(rules(0)).classify(contact)

    assert said.rules == ("long", "checkout", "rest-of-sales", "shop")
    assert (said.queue, said.requirements, said.priority, said.band, said.language) == (None, None, None, 0, None)
    assert not said.failed
