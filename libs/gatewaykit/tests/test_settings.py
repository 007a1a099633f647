from pathlib import Path

import pytest
from gatewaykit.file_blobs import FileBlobs
from gatewaykit.s3_blobs import S3Blobs
from gatewaykit.settings import FileSettings, blobs_of
from servicekit.errors import SettingsError
from servicekit.settings import ServiceSettings, read_settings
from servicekit.system import SystemIds
from servicekit.testing.fake_http import FakeHttp, programmed
from servicekit.testing.set_clock import SetClock

GOOD = {"FILES_URL": "file:///var/files", "FILE_LINK_SECRETS": "n" * 32, "SECRETS_PATH": "/secrets"}


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> FileSettings:
    for name, value in {**GOOD, **values}.items():
        monkeypatch.setenv(f"CENTRALINO_{name}", value)
    return read_settings(FileSettings)


def test_the_url_chooses_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    http = FakeHttp(programmed())
    folder = settings(monkeypatch, FETCH_HOSTS="simulator:8099, inner.example,")
    assert isinstance(blobs_of(folder, http, SetClock(), SystemIds()), FileBlobs)
    assert folder.fetch_hosts_allowed == {"simulator:8099", "inner.example"}

    with pytest.raises(SettingsError, match="S3_ACCESS_KEY_ID"):
        blobs_of(settings(monkeypatch, FILES_URL="s3://files"), http, SetClock(), SystemIds())
    bucket = settings(monkeypatch, FILES_URL="s3://files", S3_ACCESS_KEY_ID="AKIA", S3_SECRET_ACCESS_KEY="hush")
    assert isinstance(blobs_of(bucket, http, SetClock(), SystemIds()), S3Blobs)


@pytest.mark.parametrize(("name", "value"), [("FILES_URL", "ftp://hush"), ("FILE_LINK_SECRETS", "hush, hush")])
def test_a_wrong_setting_is_named_and_not_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"CENTRALINO_{name}") as caught:
        settings(monkeypatch, **{name: value})

    assert "hush" not in str(caught.value)


def test_two_link_secrets_are_two_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    both = settings(monkeypatch, FILE_LINK_SECRETS="n" * 32 + ", " + "o" * 32)

    assert both.link_keys
    assert "nnn" not in repr(both)


def test_the_readme_names_every_setting() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    own = FileSettings.model_fields.keys() - ServiceSettings.model_fields.keys()

    assert [name for name in sorted(own) if f"`CENTRALINO_{name.upper()}`" not in readme] == []
