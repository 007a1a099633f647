"""docs/routing.md names tests for each feature of the router and each pain: every row has some, and they can be run."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "routing.md").read_text()
DOMAIN = "services/router/tests/domain/"
NAMED = re.compile(r"`([\w/-]+\.py::test_\w+)`")


def test_every_row_names_a_test_unless_it_says_no() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.endswith("| test |")]

    assert len(rows) > 40
    assert [row for row in rows if not NAMED.search(row.rpartition(" | ")[2]) and "| no: " not in row] == []


def test_every_test_that_the_page_names_is_collected() -> None:
    named = sorted({name if "/" in name else DOMAIN + name for name in NAMED.findall(PAGE)})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=55, check=False)
    collected = {line.partition("[")[0] for line in answer.stdout.splitlines()}

    assert [name for name in named if name not in collected] == [], answer.stderr
