"""Opens the drivers of nodes, as the settings name them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from servicekit.database import Database
from servicekit.ports import Http
from servicekit.run import Shell
from servicekit.socket_client import SocketClient
from typing_extensions import override

from voice_gateway.domain.commands import Command, Dial
from voice_gateway.domain.driver import Driver, Sink
from voice_gateway.domain.words import Phone
from voice_gateway.drivers.asterisk.opening import asterisk_driver
from voice_gateway.drivers.simulated import SimulatedDriver
from voice_gateway.drivers.webhook.opening import webhook_driver
from voice_gateway.owner import OpenDriver, running
from voice_gateway.provider_things import PostgresKeeper
from voice_gateway.settings import VoiceNode


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
