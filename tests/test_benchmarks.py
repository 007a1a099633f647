"""What stands around the measurements: their page, and the rounds that are kept."""

import re
from pathlib import Path

from benchmarks.__main__ import measurements
from benchmarks.pipeline.figures import set_aside

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
