"""The pages about events and about metrics are those of the models."""

from pathlib import Path

from contracts import metrics_docs
from contracts.docs import PAGE, page
from contracts.metrics import COUNT_NAMES, FORMULAS
from contracts.registry import EVENT_TYPES
from contracts.topics import TOPICS

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_models_say() -> None:
    assert (ROOT / PAGE).read_text() == page(), "run make docs"
    assert (ROOT / metrics_docs.PAGE).read_text() == metrics_docs.page(), "run make docs"


def test_the_page_of_metrics_says_what_every_formula_and_every_count_means() -> None:
    text = metrics_docs.page()

    assert {f"### `{formula.name}`: {formula.title}" for formula in FORMULAS} <= set(text.splitlines())
    assert all(f"| `{name}` | " in text for name in COUNT_NAMES)


def test_the_page_names_every_topic_and_every_type() -> None:
    headings = [line for line in page().splitlines() if line.startswith("##")]

    assert [line for line in headings if line.startswith("## Topic")] == [
        f"## Topic `{topic.name}`" for topic in TOPICS
    ]
    assert {f"### `{entry.name}`" for entry in EVENT_TYPES} <= set(headings)
