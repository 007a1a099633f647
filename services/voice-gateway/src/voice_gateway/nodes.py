"""Opens the drivers of nodes, as the settings name them."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from servicekit.database import Database
from servicekit.errors import SettingsError
from servicekit.ports import Clock, Http
from servicekit.run import Shell
from servicekit.socket_client import SocketClient
from typing_extensions import override

from voice_gateway.domain.commands import Command, Dial
from voice_gateway.domain.driver import Driver, Sink
from voice_gateway.domain.words import Phone
from voice_gateway.drivers.asterisk.opening import asterisk_driver, asterisk_settings
from voice_gateway.drivers.simulated import SimulatedDriver
from voice_gateway.drivers.webhook.opening import Tokens, account_of, webhook_driver
from voice_gateway.owner import OpenDriver, running
from voice_gateway.provider_things import PostgresKeeper
from voice_gateway.settings import VoiceNode

_OF_SOUNDS: Final = frozenset({"sounds_folder", "sounds_folder_there", "sounds_url"})
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "simulated": _OF_SOUNDS,
    "asterisk": _OF_SOUNDS | {"app", "trunk"},
    "twilio": _OF_SOUNDS | {"caller_id", "music_url", "sip_domain", "credential_list"},
}


def check_nodes(nodes: Sequence[VoiceNode], *, public_url: str, clock: Clock) -> None:
    """Whether each can be opened: a fault is told before any of them is taken. Raises SettingsError."""
    if not nodes:
        raise SettingsError("CENTRALINO_VOICE_NODES: it names no node.")
    for node in nodes:
        if unknown := sorted(node.options.keys() - _OPTIONS[node.driver]):
            raise SettingsError(
                f"CENTRALINO_VOICE_NODES: node {node.name} has unknown options: {', '.join(unknown)}; "
                f"its driver reads {', '.join(sorted(_OPTIONS[node.driver]))}."
            )
        if node.driver == "asterisk":
            asterisk_settings(node)
        if node.driver == "twilio":
            account_of(node, public_url)
            Tokens(node, clock)


class SimulatedNode(SimulatedDriver):
    """A simulated node at which every agent has a phone: it rings until somebody presses its button, or answers itself
    where the configuration says so."""

    @override
    async def do(self, command: Command) -> None:
        """See Driver."""
        if isinstance(command, Dial) and isinstance(command.to, Phone):
            self.phones.behave(command.to.endpoint_id, "answers" if command.answers_itself else "rings")
        await super().do(command)


def opener(shell: Shell, *, http: Http, database: Database, public_url: str) -> OpenDriver:
    """For the owners of a process."""

    @asynccontextmanager
    async def opened(node: VoiceNode, sink: Sink) -> AsyncGenerator[Driver]:
        if node.driver == "twilio":
            keeper = PostgresKeeper(database, node.name, shell.clock)
            webhook = webhook_driver(node, sink, shell=shell, http=http, keeper=keeper, public_url=public_url)
            async with running(keeper.run), running(webhook.run):
                yield webhook
            return
        if node.driver == "asterisk":
            sockets, clock, chance = SocketClient(), shell.clock, shell.chance
            asterisk = asterisk_driver(node, sink, http=http, sockets=sockets, clock=clock, chance=chance)
            async with running(asterisk.run):
                yield asterisk
            return
        # Its calls end with the process: the next one's are others.
        driver = SimulatedNode(f"{node.name}/{shell.ids.new_id()}", sink, shell.clock)
        async with running(driver.run):
            yield driver

    return opened
