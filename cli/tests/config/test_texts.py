"""How files become values: nothing turns into something else, and nothing grows without bound."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from centralino.config.errors import ConfigError
from centralino.config.texts import FILE_BYTES_MAX, read_json, read_text, read_yaml


def test_words_times_and_dates_stay_text() -> None:
    text = "[no, on, y, 17:00, 2026-12-24, 0x1F, 017, 1_000, .5, =, 'true', !!str 5]"

    assert read_yaml("a", text).value == [
        *["no", "on", "y", "17:00", "2026-12-24", "0x1F", "017", "1_000", ".5", "=", "true", "5"]
    ]


def test_numbers_truth_and_nothing_are_read_as_such() -> None:
    assert read_yaml("a", "[5, -3, 1.5, true, False, null, ~, ]").value == [5, -3, 1.5, True, False, None, None]
    assert read_yaml("a", "# nothing but a comment\n").value is None


def test_a_value_knows_its_line() -> None:
    text = read_yaml("a.yaml", "agents:\n  - id: ana\n    skills:\n      es: 5\n")

    assert text.place("/agents/0/skills/es") == "a.yaml:4"
    assert text.place("/agents/0/skills/fr/x") == "a.yaml:3"
    assert text.place("/queues") == "a.yaml"


def test_anchors_and_merged_mappings_are_taken_and_what_is_said_there_wins() -> None:
    text = "a: &usual {capacity: 3, domain: main}\nb: {<<: *usual, capacity: 2}\nc: {<<: [{x: 1}, {x: 2}]}"

    assert read_yaml("a", text).value == {
        "a": {"capacity": 3, "domain": "main"},
        "b": {"capacity": 2, "domain": "main"},
        "c": {"x": 1},
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", "a:3: 'a' stands twice here."),
        ("a: !!python/object/apply:os.system [id]", "a:1: the tag"),
        ("a: !secret x", "a:1: the tag '!secret' is not taken here."),
        ("a: *nobody", "a:1: this is no YAML: found undefined alias."),
        ("a: [", "this is no YAML"),
        ("a: 1\n---\nb: 2", "found another document"),
        ("5: x", "a:1: a key must be text: put it in quotes."),
        ("? [x]\n: 1", "a key must be text"),
        ("<<: 5", "'<<' takes mappings only"),
        ("a: !!int five", "'five' is not what its tag says"),
        ("a: \x01", "this is no YAML"),
        ("&all [*all]", "more than 32 deep"),
        ("[" * 40 + "]" * 40, "more than 32 deep"),
        ("[" * 100_000, "this is no YAML"),
    ],
)
def test_what_is_not_taken_is_told_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_yaml("a", text)

    assert sentence in str(refused.value)


def test_a_billion_laughs_end_soon() -> None:
    laughs = ["a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    laughs += [f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]" for before, after in pairwise("abcdefghi")]
    began = time.monotonic()
    with pytest.raises(ConfigError, match="aliases make more than 100000 values"):
        read_yaml("a", "\n".join(laughs))

    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1, "a": 2}', "'a' stands twice in one object"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ('{\n"a": }', "a:2: this is no JSON"),
        ("[" * 100_000, "more than 32 deep"),
    ],
)
def test_wrong_json_is_told(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_json("a", text)

    assert sentence in str(refused.value)


def test_a_private_key_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("clients: [x]\n# -----BEGIN EC PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:2: a private key stands here"):
        read_text(file)


def test_a_file_that_is_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    binary.write_bytes(b"\xff\xfe")
    for file, sentence in ((large, "8 MiB"), (binary, "no UTF-8"), (tmp_path / "gone.yaml", "cannot be read")):
        with pytest.raises(ConfigError, match=sentence):
            read_text(file)
