"""What an agent may say by a channel, and in which parts it goes."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from contracts.channel_parts import Template
from gatewaykit.domain.composing import ALWAYS, Composed, Refusal, Words, composed, templated, window_now, words_of
from gatewaykit.domain.content import File, TemplateUse, Window
from gatewaykit.domain.outgoing import Part
from gatewaykit.domain.provider import Capabilities
from gatewaykit.testing.conversation_laws import PHOTO
from hypothesis import given
from hypothesis import strategies as st
from servicekit.testing.set_clock import NOW_MS

HOUR_MS = 3_600_000
CHANNEL = Capabilities(
    text_max=20,
    caption_max=10,
    file_types=("image/*", "audio/ogg", "application/pdf"),
    file_bytes_max=100,
    templates=True,
    window_hours=24,
    human_agent_hours=168,
)
OPEN = Window(opens_at_ms=NOW_MS - HOUR_MS, closes_at_ms=NOW_MS + 1, basis="customer_message")
SOUND = replace(PHOTO, blob_id="b2", mime="audio/ogg")
TEMPLATE = Template(
    id="hello",
    domain="acme.main",
    address="whatsapp:acme",
    name="hello_1",
    language="en",
    text="Hello {name}, {{{what}}} is here, {name}.",
    options={"namespace": "n"},
)


def go(text: str = "", *files: File, window: Window | None = OPEN, channel: Capabilities = CHANNEL) -> list[Part] | str:
    """The parts, or the reason."""
    done = composed(Words(text=text, files=files), channel, window, NOW_MS)
    return done.reason if isinstance(done, Refusal) else list(done.parts)


def test_a_text_goes_with_the_first_file_where_it_may_and_else_before_it() -> None:
    other = replace(PHOTO, blob_id="b3")

    assert go("hi") == [Part(text="hi")]
    assert go("hi", PHOTO, other) == [Part(text="hi", file=PHOTO), Part(file=other)]
    assert go("longer than ten", PHOTO) == [Part(text="longer than ten"), Part(file=PHOTO)]
    assert go("hi", SOUND, PHOTO) == [Part(text="hi"), Part(file=SOUND), Part(file=PHOTO)]
    assert go("  ", PHOTO) == [Part(file=PHOTO)]


def test_what_the_channel_does_not_carry_is_refused_by_name() -> None:
    assert go("x" * 20) == [Part(text="x" * 20)]
    assert go("x" * 21) == "text_too_long"
    assert go(" ") == "text_invalid"
    assert go("hi", replace(PHOTO, mime="video/mp4")) == "file_not_allowed"
    assert go("hi", replace(PHOTO, size_bytes=101)) == "file_too_large"
    assert go("hi", PHOTO, channel=replace(CHANNEL, file_types=())) == "file_not_allowed"


def test_free_words_go_only_while_the_window_is_open() -> None:
    closed = replace(OPEN, closes_at_ms=NOW_MS)
    machine = replace(CHANNEL, human_agent_hours=None)
    blocked = Window(opens_at_ms=NOW_MS, closes_at_ms=NOW_MS, basis="blocked")
    free = replace(CHANNEL, window_hours=None)

    assert go("hi", window=closed) == [Part(text="hi")]  # a person may answer for a week
    assert go("hi", window=closed, channel=machine) == "window_closed"
    assert go("hi", window=None) == "window_closed"
    assert go("hi", window=None, channel=free) == [Part(text="hi")]
    assert go("hi", window=blocked, channel=free) == "blocked"
    use = TemplateUse(name="hola", language="es", variables=())
    assert composed(Words(text="Hola", template=use), CHANNEL, blocked, NOW_MS) == Refusal(
        "blocked", "The customer has blocked this channel."
    )


def test_the_window_that_is_told_to_the_provider_is_the_one_that_allows_it() -> None:
    closed = replace(OPEN, closes_at_ms=NOW_MS)
    week_ms = closed.opens_at_ms + 168 * HOUR_MS

    assert window_now(OPEN, CHANNEL, NOW_MS) == OPEN
    assert window_now(closed, CHANNEL, NOW_MS) == Window(
        opens_at_ms=closed.opens_at_ms, closes_at_ms=week_ms, basis="human_agent"
    )
    assert window_now(closed, CHANNEL, week_ms) is None
    assert window_now(None, replace(CHANNEL, window_hours=None), NOW_MS) == ALWAYS


def test_a_template_goes_although_the_window_is_closed_with_its_variables_in_their_places() -> None:
    words = templated(TEMPLATE, {"variables": ["Ada", "it"], "text": "ignored"})
    assert isinstance(words, Words)
    done = composed(words, CHANNEL, None, NOW_MS)
    assert isinstance(done, Composed)

    assert done.text == "Hello Ada, {it} is here, Ada."
    (part,) = done.parts
    assert part.text == done.text
    assert part.template is not None
    assert (part.template.name, part.template.language) == ("hello_1", "en")
    assert (part.template.variables, part.template.attributes) == (("Ada", "it"), {"namespace": "n"})


@pytest.mark.parametrize("given", [None, [], ["Ada"], ["Ada", ""], ["Ada", 7], ["a", "b", "c"], {"name": "Ada"}, "ab"])
def test_a_template_with_other_variables_is_refused(given: object) -> None:
    refusal = templated(TEMPLATE, {"variables": given})

    assert isinstance(refusal, Refusal)
    assert refusal.reason == "variables_wrong"


def test_a_template_has_no_files_and_needs_a_channel_that_carries_it() -> None:
    with_file = templated(TEMPLATE, {"variables": ["a", "b"], "files": [asdict(PHOTO)]})
    words = templated(TEMPLATE, {"variables": ["a", "b"]})
    assert isinstance(words, Words)
    nowhere = composed(words, replace(CHANNEL, templates=False), OPEN, NOW_MS)

    assert isinstance(with_file, Refusal)
    assert isinstance(nowhere, Refusal)
    assert (with_file.reason, nowhere.reason) == ("file_not_allowed", "template_not_allowed")


def test_the_answered_message_is_named_by_the_first_part() -> None:
    done = composed(Words(text="longer than ten", files=(PHOTO,), reply_to="p1"), CHANNEL, OPEN, NOW_MS)
    assert isinstance(done, Composed)

    assert [part.reply_to for part in done.parts] == ["p1", None]


def test_files_are_read_as_they_are_announced() -> None:
    assert words_of({"text": "hi", "files": [asdict(PHOTO)]}) == Words(text="hi", files=(PHOTO,))
    assert words_of({}) == Words(text="")


@pytest.mark.parametrize(
    ("personal", "reason"),
    [
        ({"text": 7}, "text_invalid"),
        ({"text": "a\0"}, "text_invalid"),
        ({"files": "none"}, "files_invalid"),
        ({"files": 7}, "files_invalid"),
        ({"files": ["b1"]}, "files_invalid"),
        ({"files": [asdict(PHOTO)] * 11}, "files_invalid"),
        ({"files": [asdict(PHOTO) | {"size_bytes": True}]}, "files_invalid"),
        ({"files": [asdict(PHOTO) | {"size_bytes": -1}]}, "files_invalid"),
        ({"files": [asdict(PHOTO) | {"blob_id": ""}]}, "files_invalid"),
        ({"files": [asdict(PHOTO) | {"inline_id": 7}]}, "files_invalid"),
    ],
)
def test_what_is_no_message_is_refused(personal: dict[str, Any], reason: str) -> None:
    refusal = words_of(personal)

    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FILES = st.lists(st.sampled_from([PHOTO, SOUND, replace(PHOTO, mime="application/pdf")]), max_size=4)


@given(st.fixed_dictionaries({"text": JSON, "files": JSON, "variables": JSON}))
def test_whatever_a_command_holds_it_is_read_or_refused(personal: dict[str, Any]) -> None:
    assert isinstance(words_of(personal), Words | Refusal)
    assert isinstance(templated(TEMPLATE, personal), Words | Refusal)


@given(st.text(max_size=30), FILES)
def test_every_word_and_file_goes_once_and_in_order(text: str, files: list[File]) -> None:
    done = composed(Words(text=text, files=tuple(files)), CHANNEL, OPEN, NOW_MS)
    if isinstance(done, Refusal):
        assert len(text) > CHANNEL.text_max or not (text.strip() or files)
        return

    assert [part.file for part in done.parts if part.file] == files
    assert [part.text for part in done.parts if part.text] == ([text] if text.strip() else [])
    assert all(not part.file or len(part.text) <= CHANNEL.caption_max for part in done.parts)
    assert done.parts[0].text == (text if text.strip() else "")
