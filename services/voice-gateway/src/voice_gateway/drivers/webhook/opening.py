"""Opens the driver of a node of webhook telephony, as the settings name it.

`user` is the Account SID; `password_file` holds its auth token on the first line and, while it is changed, the one
before on the second. Options: `caller_id`, a number of the account's that is shown where nothing else is; `music_url`,
what is heard where no music is named; `sip_domain` and `credential_list` (CL...), where agents' phones register.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from servicekit.errors import SettingsError
from servicekit.ports import Clock, Http
from servicekit.run import Shell

from voice_gateway.domain.driver import Sink
from voice_gateway.drivers.webhook.driver import WebhookDriver
from voice_gateway.drivers.webhook.kept import Keeper
from voice_gateway.drivers.webhook.lines import Account

API_URL: Final = "https://api.twilio.com"
LOOK_MS: Final = 10_000
"""How often the tokens' file is read again: a changed one counts without a restart."""


class Node(Protocol):
    """Of the settings."""

    @property
    def name(self) -> str:
        """Of the node."""
        ...

    @property
    def url(self) -> str:
        """Of the provider's API; empty: Twilio's own."""
        ...

    @property
    def user(self) -> str:
        """The account's id."""
        ...

    @property
    def password_file(self) -> Path | None:
        """Its tokens."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """See above."""
        ...


class Tokens:
    """Read from their file. Raises SettingsError if there is none at first."""

    def __init__(self, node: Node, clock: Clock) -> None:
        if node.password_file is None:
            raise SettingsError(f"CENTRALINO_VOICE_NODES: node {node.name} needs a password_file.")
        self._node = node.name
        self._path = node.password_file
        self._clock = clock
        self._read_at_ms = clock.now_ms()
        self._tokens = self._read()
        if not self._tokens:
            raise SettingsError(f"CENTRALINO_VOICE_NODES: the password_file of node {node.name} cannot be read.")

    def __call__(self) -> Sequence[str]:
        """The current one first; those of before while the file cannot be read."""
        now_ms = self._clock.now_ms()
        if now_ms - self._read_at_ms >= LOOK_MS:
            self._read_at_ms = now_ms
            self._tokens = self._read() or self._tokens
        return self._tokens

    def _read(self) -> Sequence[str]:
        try:
            lines = self._path.read_text().splitlines()
        except OSError:
            return ()
        return [line.strip() for line in lines if line.strip()]


def account_of(node: Node, public_url: str) -> Account:
    """The account of a node; `public_url` is where Twilio finds the gateway. Raises SettingsError."""
    if not node.user or not node.options.get("caller_id"):
        raise SettingsError(f"CENTRALINO_VOICE_NODES: node {node.name} needs a user and the option caller_id.")
    ours = f"{public_url.rstrip('/')}/voice/v1"
    return Account(
        node=node.name,
        account_sid=node.user,
        base_url=f"{ours}/webhooks/{node.name}",
        music_url=node.options.get("music_url", f"{ours}/sounds/music.wav"),
        caller_id=node.options["caller_id"],
        sip_domain=node.options.get("sip_domain"),
        credential_list=node.options.get("credential_list"),
        api_url=node.url or API_URL,
    )


def webhook_driver(
    node: Node, sink: Sink, *, shell: Shell, http: Http, keeper: Keeper, public_url: str
) -> WebhookDriver:
    """The driver of a node; whoever opens it runs it and the keeper. Raises SettingsError."""
    return WebhookDriver(
        account_of(node, public_url),
        sink,
        http=http,
        clock=shell.clock,
        chance=shell.chance,
        keeper=keeper,
        tokens=Tokens(node, shell.clock),
    )
