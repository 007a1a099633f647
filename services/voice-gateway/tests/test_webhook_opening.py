"""How a node of webhook telephony is opened from the settings."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from servicekit.errors import SettingsError
from servicekit.testing.virtual import VirtualClock
from voice_gateway.drivers.webhook.opening import Tokens, account_of


@dataclass
class Node:
    password_file: Path | None = None
    name: str = "twilio-1"
    url: str = ""
    user: str = "AC1"
    options: dict[str, str] = field(default_factory=lambda: {"caller_id": "+39061234567"})


def test_an_account_finds_its_webhooks_below_the_public_url() -> None:
    account = account_of(Node(), "https://voice.example/")

    assert account.base_url == "https://voice.example/voice/v1/webhooks/twilio-1"
    assert account.music_url == "https://voice.example/voice/v1/sounds/music.wav"
    assert (account.api_url, account.sip_domain) == ("https://api.twilio.com", None)


@pytest.mark.parametrize("node", [Node(user=""), Node(options={})])
def test_an_account_without_an_id_or_a_number_is_refused(node: Node) -> None:
    with pytest.raises(SettingsError, match="twilio-1"):
        account_of(node, "https://voice.example")


def test_a_changed_token_counts_without_a_restart_and_beside_the_one_before(tmp_path: Path) -> None:
    file, clock = tmp_path / "token", VirtualClock()
    file.write_text("first\n")
    tokens = Tokens(Node(password_file=file), clock)
    seen = [tokens()]
    file.write_text("second\nfirst\n")
    seen.append(tokens())
    clock.step(10_000)
    seen.append(tokens())
    file.unlink()
    clock.step(10_000)
    seen.append(tokens())

    assert seen == [["first"], ["first"], ["second", "first"], ["second", "first"]]


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_an_account_without_a_token_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)

    with pytest.raises(SettingsError):
        Tokens(Node(password_file=file), VirtualClock())
    with pytest.raises(SettingsError):
        Tokens(Node(), VirtualClock())
