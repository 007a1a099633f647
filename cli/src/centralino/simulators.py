"""The simulated providers of `centralino up` and of deploy/docker/demo.yml: one process, before the sample tenant's
addresses in the chat gateway."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from servicekit.http_server import AsgiApp, Receive, Scope, Send, http_server

from centralino.home import Home, write_private
from centralino.providers.catalogue import VENDORS, configuration, made
from centralino.providers.server import providers_server
from centralino.providers.simulated import Simulated
from centralino.providers.twilio_server import THREADS_MAX, TwilioAccount
from centralino.providers.twilio_voice import ACCOUNT_SID, SIP_DOMAIN
from centralino.providers.vendor import derived
from centralino.sample import TENANT

NAME: Final = "providers"
VOICE: Final = "twilio-voice"
"""What the simulated account of webhook telephony is below."""
VOICE_NUMBER: Final = "+12025550100"
"""The sample tenant's."""
VOICE_WEBHOOKS: Final = "CENTRALINO_SIMULATORS_VOICE_WEBHOOKS"
"""Where the voice gateway has those of its node, if there is one."""
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


def environment(home: Home, gateway: str, voice: str) -> Mapping[str, str]:
    """Of the process; `gateway` and `voice` are the origins of the chat and the voice gateway."""
    return {
        SEED: str(seed_of(home)),
        WEBHOOK: f"{gateway}/chat/v1/webhooks/{address_of('{provider}')}",
        VOICE_WEBHOOKS: f"{voice}/voice/v1/webhooks/{VOICE}",
    }


def voice_node(home: Home, origin: str) -> Mapping[str, object]:
    """The simulated account as a node of the voice gateway; `origin` is that of the simulators."""
    token = home.folder / "voice" / VOICE
    write_private(token, derived(seed_of(home), "twilio auth_token"))
    return {
        "name": VOICE,
        "driver": "twilio",
        "url": f"{origin}/{VOICE}",
        "user": ACCOUNT_SID,
        "password_file": str(token),
        "options": {"caller_id": VOICE_NUMBER, "sip_domain": SIP_DOMAIN},
    }


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
        _voice(seed) as mounted,
        providers_server(
            [*VENDORS],
            webhook=webhook,
            host=host,
            port=port,
            seed=seed,
            url=os.environ.get(URL),
            mounted=mounted,
        ),
        http_server(_healthy, host, int(os.environ["CENTRALINO_HEALTH_PORT"]), drain_seconds=1),
    ):
        await stop.wait()


@asynccontextmanager
async def _voice(seed: int) -> AsyncGenerator[Mapping[str, AsgiApp]]:
    """Every user of the SIP domain has a phone."""
    if VOICE_WEBHOOKS not in os.environ:
        yield {}
        return
    with ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="twilio") as pool:
        account = TwilioAccount(os.environ[VOICE_WEBHOOKS], pool=pool, number=VOICE_NUMBER, seed=seed)
        account.voice.lend = account.phones.lend
        try:
            yield {VOICE: account.application()}
        finally:
            await account.voice.close()


async def _healthy(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


if __name__ == "__main__":
    asyncio.run(serve())
