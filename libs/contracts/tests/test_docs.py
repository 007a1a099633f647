"""The page about events is that of the models."""

from pathlib import Path

from contracts.docs import PAGE, page
from contracts.registry import EVENT_TYPES
from contracts.topics import TOPICS

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_models_say() -> None:
    assert (ROOT / PAGE).read_text() == page(), "run make docs"


def test_the_page_names_every_topic_and_every_type() -> None:
    headings = [line for line in page().splitlines() if line.startswith("##")]

    assert [line for line in headings if line.startswith("## Topic")] == [
        f"## Topic `{topic.name}`" for topic in TOPICS
    ]
    assert {f"### `{entry.name}`" for entry in EVENT_TYPES} <= set(headings)
