"""The simulated providers of `centralino up` and of deploy/docker/demo.yml: one process, before the sample tenant's
addresses in the chat gateway."""

import asyncio
import os
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
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
URL: Final = "CENTRALINO_SIMULATORS_URL"
"""Where the gateway finds the process, if not where it listens."""
SECRETS: Final = "CENTRALINO_SIMULATORS_SECRETS"
"""The folder of the tenants' secrets, if the process is to fill it."""


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


def secrets_of(home: Home) -> str:
    """The folder of all tenants' secrets, with those of the simulated accounts."""
    folder = home.folder / "tenants"
    write_secrets(folder, seed_of(home))
    return str(folder)


def write_secrets(folder: Path, seed: int) -> None:
    """Give the sample tenant the simulated accounts' secrets."""
    for name in VENDORS:
        vendor = Simulated(partial(made, name), seed=seed).vendor
        account: dict[str, dict[str, list[str]]] = configuration(vendor)["account"]  # type: ignore[assignment]  # JSON
        for use, [secret] in account["secrets"].items():
            write_private(folder / TENANT / secret, vendor.secrets[use])


async def serve() -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host, port = os.environ["CENTRALINO_HOST"], int(os.environ["CENTRALINO_PORT"])
    seed, webhook = int(os.environ[SEED]), os.environ[WEBHOOK]
    if SECRETS in os.environ:
        write_secrets(Path(os.environ[SECRETS]), seed)
    async with (
        providers_server([*VENDORS], webhook=webhook, host=host, port=port, seed=seed, url=os.environ.get(URL)),
        http_server(_healthy, host, int(os.environ["CENTRALINO_HEALTH_PORT"]), drain_seconds=1),
    ):
        await stop.wait()


async def _healthy(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


if __name__ == "__main__":
    asyncio.run(serve())
