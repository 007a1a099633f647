"""The simulated providers of `centralino up`: one process, before the sample tenant's addresses in the chat gateway."""

import asyncio
import os
import signal
from collections.abc import Mapping
from functools import partial
from typing import Final

from servicekit.http_server import Receive, Scope, Send, http_server

from centralino.home import Home, write_private
from centralino.providers.catalogue import VENDORS, configuration, made
from centralino.providers.server import providers_server
from centralino.providers.simulated import Simulated
from centralino.sample import TENANT

NAME: Final = "providers"
SEED: Final = "CENTRALINO_SIMULATORS_SEED"
WEBHOOK: Final = "CENTRALINO_SIMULATORS_WEBHOOK"


def address_of(name: str) -> str:
    """The sample tenant's, of a provider."""
    return f"{name}:{TENANT}"


def seed_of(home: Home) -> int:
    """Whose secrets nobody else has."""
    return int(home.secret("simulators-seed")[:15], 16)


def environment(home: Home, gateway: str) -> Mapping[str, str]:
    """Of the process; `gateway` is the origin of the chat gateway."""
    return {SEED: str(seed_of(home)), WEBHOOK: f"{gateway}/chat/v1/webhooks/{address_of('{provider}')}"}


def provider_urls(origin: str) -> dict[str, str]:
    """Where the simulated APIs are, by provider and channel."""
    return {f"{vendor.provider}/{vendor.channel}": f"{origin}/{name}" for name, vendor in VENDORS.items()}


def write_secrets(home: Home) -> str:
    """Give the sample tenant the simulated accounts' secrets; returns the folder of all tenants'."""
    folder = home.folder / "tenants"
    for name in VENDORS:
        vendor = Simulated(partial(made, name), seed=seed_of(home)).vendor
        account: dict[str, dict[str, list[str]]] = configuration(vendor)["account"]  # type: ignore[assignment]  # JSON
        for use, [secret] in account["secrets"].items():
            write_private(folder / TENANT / secret, vendor.secrets[use])
    return str(folder)


async def serve() -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host, port = os.environ["CENTRALINO_HOST"], int(os.environ["CENTRALINO_PORT"])
    seed, webhook = int(os.environ[SEED]), os.environ[WEBHOOK]
    async with (
        providers_server([*VENDORS], webhook=webhook, host=host, port=port, seed=seed),
        http_server(_healthy, host, int(os.environ["CENTRALINO_HEALTH_PORT"]), drain_seconds=1),
    ):
        await stop.wait()


async def _healthy(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


if __name__ == "__main__":
    asyncio.run(serve())
