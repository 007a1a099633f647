"""Opens the driver of an Asterisk, as the settings name it.

`url` is its HTTP server; `user` and the `password_file` are of its ari.conf. Options: `app`, the Stasis application of
its dialplan (centralino); `trunk`, the endpoint that numbers are dialled by (trunk).
"""

from collections.abc import Mapping
from typing import Final, Protocol

from pydantic import SecretStr
from servicekit.errors import SettingsError
from servicekit.ports import Chance, Clock, Http, Sockets

from voice_gateway.domain.driver import Sink
from voice_gateway.drivers.asterisk.ari import AriSettings
from voice_gateway.drivers.asterisk.driver import AsteriskDriver, AsteriskSettings

USER: Final = "centralino"


class Node(Protocol):
    """Of the settings."""

    @property
    def name(self) -> str:
        """Of the node."""
        ...

    @property
    def url(self) -> str:
        """Of its HTTP server."""
        ...

    @property
    def user(self) -> str:
        """Of ARI."""
        ...

    def password(self) -> str:
        """Raises SettingsError."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """See above."""
        ...


def asterisk_settings(node: Node) -> AsteriskSettings:
    """What the driver needs of a node. Raises SettingsError."""
    if not node.url.startswith(("http://", "https://")):
        raise SettingsError(f"CENTRALINO_VOICE_NODES: node {node.name} needs the url of its HTTP server.")
    ari = AriSettings(
        url=node.url,
        user=node.user or USER,
        password=SecretStr(node.password()),
        app=node.options.get("app", USER),
    )
    return AsteriskSettings(ari=ari, trunk=node.options.get("trunk", "trunk"))


def asterisk_driver(
    node: Node, sink: Sink, *, http: Http, sockets: Sockets, clock: Clock, chance: Chance
) -> AsteriskDriver:
    """The driver of a node; whoever opens it runs it. Raises SettingsError."""
    settings = asterisk_settings(node)
    return AsteriskDriver(node.name, settings, sink, http=http, sockets=sockets, clock=clock, chance=chance)
