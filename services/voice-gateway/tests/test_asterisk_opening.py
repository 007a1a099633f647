"""A node of the settings becomes what the driver needs."""

from pathlib import Path

import pytest
from servicekit.errors import SettingsError
from voice_gateway.drivers.asterisk.opening import asterisk_settings
from voice_gateway.settings import VoiceNode


def node(tmp_path: Path, **more: object) -> VoiceNode:
    password = tmp_path / "ari"
    password.write_text("secret\n")
    told = {"name": "rome-1", "driver": "asterisk", "url": "http://asterisk:8088", "password_file": password}
    return VoiceNode.model_validate({**told, **more})


def test_what_is_not_said_is_as_deploy_asterisk_has_it(tmp_path: Path) -> None:
    settings = asterisk_settings(node(tmp_path))

    assert (settings.ari.user, settings.ari.app, settings.trunk) == ("centralino", "centralino", "trunk")
    assert settings.ari.password.get_secret_value() == "secret"
    assert "secret" not in repr(settings)


def test_options_are_taken(tmp_path: Path) -> None:
    settings = asterisk_settings(node(tmp_path, user="gw", options={"app": "other", "trunk": "carrier"}))

    assert (settings.ari.user, settings.ari.app, settings.trunk) == ("gw", "other", "carrier")


@pytest.mark.parametrize("wrong", [{"url": ""}, {"url": "asterisk:8088"}, {"password_file": None}])
def test_what_it_needs_is_asked_for(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="rome-1"):
        asterisk_settings(node(tmp_path, **wrong))
