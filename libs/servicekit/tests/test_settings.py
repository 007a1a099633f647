from pathlib import Path

import pytest
from pydantic import ValidationError
from servicekit.errors import SettingsError
from servicekit.settings import ServiceSettings, read_settings
from servicekit.system import SystemClock, SystemIds

README = Path(__file__).parents[1] / "README.md"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRALINO_PORT", "8123")

    assert read_settings(ServiceSettings).port == 8123


def test_settings_do_not_change_after_they_were_read() -> None:
    settings = read_settings(ServiceSettings)

    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # that is the point


def test_each_fault_is_a_sentence_without_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRALINO_PORT", "70000")
    monkeypatch.setenv("CENTRALINO_LOG_LEVEL", "hunter2")
    with pytest.raises(SettingsError) as refused:
        read_settings(ServiceSettings)

    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == [
        "CENTRALINO_PORT",
        "CENTRALINO_LOG_LEVEL",
    ]
    assert "hunter2" not in str(refused.value)


def test_every_setting_stands_in_the_readme_with_its_default() -> None:
    text = README.read_text()
    missing = [
        name
        for name, field in ServiceSettings.model_fields.items()
        if f"`CENTRALINO_{name.upper()}` | {field.default} |" not in text
    ]

    assert missing == []


def test_ids_are_version_7_and_follow_the_clock() -> None:
    ids = SystemIds()
    first = ids.new_id()
    second = next(later for later in iter(ids.new_id, "") if later[:12] != first[:12])

    assert first[12] == "7"
    assert first[16] in "89ab"
    assert first < second
    assert abs(int(first[:12], 16) - SystemClock().now_ms()) < 5000
    assert len({ids.new_id() for _ in range(10_000)}) == 10_000
