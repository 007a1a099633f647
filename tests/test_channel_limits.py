"""The table of what channels can carry says what each provider's file says."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import cast

import chat_gateway.providers
import pytest
from contracts.channel_limits import CHANNELS, PROVIDERS, ChannelLimits, limits_of
from gatewaykit.domain.provider import Capabilities, Provider

SHARED = {field.name for field in fields(ChannelLimits)} & {field.name for field in fields(Capabilities)}


def providers() -> Iterator[type[Provider]]:
    for module in pkgutil.iter_modules(chat_gateway.providers.__path__):
        name = f"{chat_gateway.providers.__name__}.{module.name}"
        for _, found in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if found.__module__ == name and isinstance(getattr(found, "capabilities", None), Capabilities):
                yield cast(type[Provider], found)  # whatever has capabilities is one


ALL = list(providers())


@pytest.mark.parametrize("provider", ALL, ids=lambda provider: provider.__name__)
def test_the_table_says_what_the_provider_file_says(provider: type[Provider]) -> None:
    limits = PROVIDERS[provider.name, provider.channel]

    told = {name: getattr(limits, name) for name in SHARED}
    assert told == {name: getattr(provider.capabilities, name) for name in SHARED}
    assert set(limits.secrets) == set(provider.secrets)
    assert set(limits.secrets_optional) == set(provider.secrets_optional)
    assert set(limits.options) == set(provider.options)


def test_the_provider_files_name_the_options_and_secrets_that_they_read() -> None:
    read = re.compile(r"""account\.(options|secrets?)(?:\[|\.get\(|\()["'](\w+)["']""")
    folder = Path(chat_gateway.providers.__path__[0])
    found = {match for file in folder.glob("*.py") for match in read.findall(file.read_text())}
    uses = {use for provider in ALL for use in (*provider.secrets, *provider.secrets_optional)}

    assert {name for kind, name in found if kind == "options"} == {name for each in ALL for name in each.options}
    assert {name for kind, name in found if kind != "options"} | {"shared_key"} == uses


def test_the_table_has_every_provider_and_no_other() -> None:
    assert {(provider.name, provider.channel) for provider in ALL} == set(PROVIDERS)
    assert len(SHARED) == 9


def test_a_channel_without_a_provider_of_ours_is_told_from_one_with() -> None:
    assert limits_of("whatsapp", "twilio").text_max == 1600
    assert limits_of("whatsapp", "whatsapp").text_max == 4096
    assert limits_of("email", None) == CHANNELS["email"]
    assert limits_of("kiosk", None).file_types == ()
