"""Providers' addresses, accounts and templates as the configuration tells them."""

import asyncio
from typing import Any

import pytest
from contracts import Event, encode
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord, RecordKind
from contracts.topics import CONFIG
from gatewaykit.accounts import Accounts
from gatewaykit.configuration_reader import ConfigurationReader
from gatewaykit.directory import Directory
from servicekit.ports import Outgoing
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual

ADDRESS = "whatsapp:acme"


def record(kind: RecordKind, name: str, value: dict[str, object] | None) -> ConfigurationRecord:
    return ConfigurationRecord(kind=kind, id=f"{kind}:{name}", domain="acme.main", version=1, value=value)


def address(account_id: str = "pn-1", **more: object) -> ConfigurationRecord:
    value: dict[str, object] = {
        "address": ADDRESS,
        "channel": "whatsapp",
        "client": "shop",
        "domain": "acme.main",
        "queue": "support",
        "reopen_seconds": 3600,
        "account": {
            "provider": "whatsapp",
            "account_id": account_id,
            "secrets": {"app_secret": ["app-2", "app-1"]},
            "options": {"version": "v23"},
        },
    }
    return record("channel", ADDRESS, value | more)


def template(**more: object) -> ConfigurationPart:
    value: dict[str, object] = {
        "id": "hello",
        "domain": "acme.main",
        "address": ADDRESS,
        "name": "hello_1",
        "language": "en",
        "text": "Hello {name}",
    }
    return ConfigurationPart(
        kind="template", id="template:acme.main/hello", domain="acme.main", version=1, value=value | more
    )


def directory(
    *records: ConfigurationRecord | ConfigurationPart, providers: tuple[str, ...] = ("whatsapp",)
) -> Directory:
    known = Directory(["webchat"], providers)
    for each in (record("domain", "acme.main", {"partition": 2}), *records):
        known.apply("acme", each)
    return known


def accounts(known: Directory) -> Accounts:
    return Accounts(
        directory=known,
        secrets=lambda tenant_id, names: {
            use: tuple(f"{tenant_id}/{name}" for name in each) for use, each in names.items()
        },
        api_url=lambda provider, channel: f"https://{provider}.example",
        webhook_url=lambda tenant_id, configured: f"https://gateway.example/{tenant_id}/{configured.address}",
    )


def test_an_address_of_a_provider_of_ours_has_a_place_and_an_account_with_its_secrets() -> None:
    known = directory(address())
    place, account = known.place(ADDRESS), accounts(known).at(ADDRESS)

    assert place is not None
    assert (place.channel, place.reopen_seconds) == ("whatsapp", 3600)
    assert account is not None
    assert (account.account_id, account.api_url) == ("pn-1", "https://whatsapp.example")
    assert account.webhook_url == "https://gateway.example/acme/whatsapp:acme"
    assert account.secrets == {"app_secret": ("acme/app-2", "acme/app-1")}
    assert account == accounts(known).of("acme", "whatsapp", "pn-1")


@pytest.mark.parametrize("value", [{"account": None}, {"account": "x"}, {"account": {"provider": "line"}}])
def test_other_providers_addresses_are_other_gateways(value: dict[str, Any]) -> None:
    known = directory(address(), address(**value))

    assert known.place(ADDRESS) is None
    assert accounts(known).of("acme", "whatsapp", "pn-1") is None


def test_a_changed_account_is_found_by_its_new_id_alone_and_by_no_other_tenant() -> None:
    known = accounts(directory(address(), address("pn-2")))

    assert known.of("acme", "whatsapp", "pn-1") is None
    assert known.of("other", "whatsapp", "pn-2") is None
    assert known.of("acme", "whatsapp", "pn-2") is not None
    assert known.at("whatsapp:none") is None


def test_a_template_is_known_until_it_is_removed_and_stays_when_a_newer_one_is_not_understood(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = directory(template(colour="red"), template(text=7))
    kept = known.template("acme", "acme.main", "hello")
    gone = ConfigurationPart(kind="template", id="template:acme.main/hello", domain="acme.main", version=2, value=None)
    known.apply("acme", gone)

    assert kept is not None
    assert (kept.name, kept.text) == ("hello_1", "Hello {name}")
    assert caplog.messages == ["template_not_understood"]
    assert known.template("acme", "acme.main", "hello") is None


def test_templates_are_read_from_the_log() -> None:
    async def story() -> Directory:
        clock, chance = VirtualClock(), SeededChance(0)
        log, known, stop = MemoryLog({CONFIG.name: 1}, clock=clock, chance=chance), directory(), asyncio.Event()
        event = Event(
            id="1", source="/router/api", tenant_id="acme", subject="acme/template/hello", time_ms=1, data=template()
        )
        value, headers = encode(event)
        async with log.writer("test") as writer:
            await writer.append(
                Outgoing(topic=CONFIG.name, key=b"key", value=value, headers=tuple(headers), partition=0)
            )
        reader = asyncio.create_task(ConfigurationReader("test", log, known, clock, chance).run(stop))
        await eventually(lambda: known.complete)
        stop.set()
        await reader
        return known

    assert run_virtual(story()).template("acme", "acme.main", "hello") is not None
