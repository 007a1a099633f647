"""What stands around the measurements: their page."""

import re
from pathlib import Path

from benchmarks.__main__ import measurements

ROOT = Path(__file__).parents[1]


def test_the_page_of_the_benchmarks_lists_every_measurement() -> None:
    page = (ROOT / "docs/benchmarks.md").read_text()
    _, _, table = page.partition("| measurement | question | section |\n|---|---|---|\n")
    rows, _, _ = table.partition("\n\n")

    assert sorted(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == sorted(measurements())
