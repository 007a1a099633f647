"""docs/routing.md names a test for each feature of the router and each pain; they exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOMAIN = "services/router/tests/domain/"


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / "routing.md").read_text())
    missing = [
        f"{path}::{test}"
        for path, test in named
        if f"def {test}(" not in (ROOT / (path if "/" in path else DOMAIN + path)).read_text()
    ]

    assert len(named) > 40
    assert missing == []
