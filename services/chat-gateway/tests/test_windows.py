"""Chat windows open at web-chat addresses alone, although the gateway knows those of providers as well."""

from dataclasses import replace

import httpx
from chat_gateway import api
from chat_gateway.app import assemble
from chat_gateway.limits import Limits
from chat_gateway.testing import MemoryChatStore, MemorySignals
from chat_gateway.testing.backends import backends_of, settings_of
from chat_gateway.testing.samples import ADDRESS, DOMAIN, configuration
from contracts.configuration import WEB_CHAT
from contracts.configuration_records import ConfigurationRecord
from gatewaykit.directory import Directory
from servicekit.run import Shell
from servicekit.telemetry import Telemetry
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.set_clock import SetClock
from servicekit.testing.virtual import SeededChance, SeededIds
from servicekit.web import create_app

PROVIDERS = "whatsapp:acme"


def directory() -> Directory:
    known = Directory([WEB_CHAT], ["whatsapp"])
    value: dict[str, object] = {
        "address": PROVIDERS,
        "channel": "whatsapp",
        "client": "shop",
        "domain": DOMAIN,
        "queue": "support-en",
        "account": {"provider": "whatsapp", "account_id": "pn-1"},
    }
    configured = ConfigurationRecord(kind="channel", id=f"channel:{PROVIDERS}", domain=DOMAIN, version=1, value=value)
    for data in [*(event.data for event in configuration()), configured]:
        assert isinstance(data, ConfigurationRecord)
        known.apply("acme", data)
    known.complete = True
    return known


async def test_a_providers_address_opens_no_chat_window() -> None:
    clock, telemetry = SetClock(), Telemetry("chat-gateway")
    signals = MemorySignals(clock)
    store = MemoryChatStore(signals.changed)
    shell = Shell(clock, SeededIds(), SeededChance(1), MemoryLog({}), telemetry)
    gateway = assemble(settings_of(), shell, backends_of(store, store.database.outbox, signals))
    parts, limits = replace(gateway.parts, directory=directory()), Limits(clock, burst=10, every_ms=1)
    app = create_app("test", "/chat/v1", routers=[api.create_router(parts, shell.ids, limits)], telemetry=telemetry)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.example") as client:
        opened = [await client.post("/chat/v1/windows", json={"address": each}) for each in (ADDRESS, PROVIDERS)]
        seen = [await client.get(f"/chat/v1/addresses/{each}") for each in (ADDRESS, PROVIDERS)]

    assert parts.directory.place(PROVIDERS) is not None
    assert [each.status_code for each in opened] == [201, 404]
    assert [each.status_code for each in seen] == [200, 404]
