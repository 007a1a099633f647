"""What the settings say of nodes is looked at before any of them is taken."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from servicekit.errors import SettingsError
from servicekit.testing.virtual import VirtualClock
from voice_gateway.nodes import check_nodes
from voice_gateway.settings import VoiceNode

ROME = {"name": "rome-1", "driver": "asterisk", "url": "http://asterisk:8088"}
ACCOUNT = {"name": "twilio-1", "driver": "twilio", "user": "AC1", "options": {"caller_id": "+390212345678"}}
SIMULATED = {"name": "simulated", "driver": "simulated"}


def check(*nodes: Mapping[str, object]) -> None:
    told = [VoiceNode.model_validate(node) for node in nodes]
    check_nodes(told, public_url="https://voice.example", clock=VirtualClock())


@pytest.fixture
def password(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "password").write_text("s3cret\n")
    return {"password_file": tmp_path / "password"}


def test_nodes_that_can_be_opened_are_taken(password: dict[str, object]) -> None:
    sounds = {"options": {"trunk": "carrier", "sounds_folder": "/sounds"}}
    check(SIMULATED, {**ROME, **password, **sounds}, {**ACCOUNT, **password})


def test_no_node_is_none_that_serves() -> None:
    with pytest.raises(SettingsError, match="names no node"):
        check()


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (ROME, "rome-1 needs a password_file"),
        (ROME | {"password_file": "/nowhere"}, "password_file of node rome-1 cannot be read"),
        (ROME | {"url": "asterisk"}, "rome-1 needs the url"),
        (ACCOUNT, "twilio-1 needs a password_file"),
        (ACCOUNT | {"options": {}}, "twilio-1 needs a user and the option caller_id"),
        (ROME | {"options": {"trunkk": "carrier"}}, "rome-1 has unknown options: trunkk; its driver reads app, "),
        (ACCOUNT | {"options": {"app": "centralino"}}, "twilio-1 has unknown options: app"),
    ],
)
def test_a_node_that_cannot_be_opened_is_named_beside_good_ones(node: Mapping[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        check(SIMULATED, node)
