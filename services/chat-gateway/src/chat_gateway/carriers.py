"""Which provider carries an address, with the account behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from gatewaykit.accounts import Accounts
from gatewaykit.directory import Directory
from gatewaykit.domain.provider import Account, Provider
from gatewaykit.secrets import Secrets
from servicekit.errors import RetryLaterError

from chat_gateway.providers.instagram import Instagram
from chat_gateway.providers.line import API_URL as LINE_URL
from chat_gateway.providers.line import Line
from chat_gateway.providers.messenger import Messenger
from chat_gateway.providers.open import Open
from chat_gateway.providers.slack import Slack
from chat_gateway.providers.telegram import Telegram
from chat_gateway.providers.twilio import TwilioSms, TwilioWhatsApp
from chat_gateway.providers.viber import Viber
from chat_gateway.providers.whatsapp import WhatsApp
from chat_gateway.settings import PREFIX, ChatSettings

_ALL: Final[tuple[Provider, ...]] = (
    WhatsApp(),
    Messenger(),
    Instagram(),
    Telegram(),
    TwilioSms(),
    TwilioWhatsApp(),
    Slack(),
    Line(),
    Viber(),
    Open(),
)
PROVIDERS: Final[Mapping[tuple[str, str], Provider]] = {(each.name, each.channel): each for each in _ALL}
"""By name and channel: Twilio has two."""
API_URLS: Final[Mapping[str, str]] = {
    "whatsapp": "https://graph.facebook.com",
    "messenger": "https://graph.facebook.com",
    "instagram": "https://graph.facebook.com",
    "telegram": "https://api.telegram.org",
    "twilio": "https://api.twilio.com",
    "slack": "https://slack.com/api",
    "line": LINE_URL,
    "viber": "https://chatapi.viber.com/pa",
}


class AccountIncompleteError(RetryLaterError):
    """The configuration names not every secret that the provider needs; an operator must act."""


@dataclass(frozen=True, slots=True)
class Carried:
    """An account and who carries it."""

    provider: Provider
    account: Account


class Carriers:
    """Finds providers by address. What is configured may change at any time, so nothing is remembered."""

    def __init__(self, directory: Directory, accounts: Accounts) -> None:
        self._directory = directory
        self._accounts = accounts

    def provider(self, tenant_id: str, address: str) -> Provider | None:
        """Without the account's secrets; none: the address is no provider's of ours (yet)."""
        found = self._directory.address(address)
        if found is None or found[0] != tenant_id or found[1].account is None:
            return None
        return PROVIDERS.get((found[1].account.provider, found[1].channel))

    def at(self, address: str) -> Carried | None:
        """Raises SecretMissingError and AccountIncompleteError."""
        return self._carried(self._accounts.at(address))

    def of(self, tenant_id: str, provider: str, account_id: str) -> Carried | None:
        """By what the provider calls the account; raises as `at`."""
        return self._carried(self._accounts.of(tenant_id, provider, account_id))

    def _carried(self, account: Account | None) -> Carried | None:
        provider = PROVIDERS.get((account.provider, account.channel)) if account else None
        if account is None or provider is None:
            return None
        missing = [use for use in provider.secrets if use not in account.secrets]
        if missing:
            raise AccountIncompleteError(f"tenant {account.tenant_id}: {account.provider} needs {', '.join(missing)}")
        return Carried(provider, account)


def carriers_of(directory: Directory, settings: ChatSettings, secrets: Secrets) -> Carriers:
    """As the settings say."""

    def api_url(provider: str, channel: str) -> str:
        urls = settings.provider_urls
        return urls.get(f"{provider}/{channel}") or urls.get(provider) or API_URLS.get(provider, "")

    accounts = Accounts(
        directory=directory,
        secrets=secrets.by_use,
        api_url=api_url,
        webhook_url=lambda _, configured: webhook_url(settings, configured.address),
    )
    return Carriers(directory, accounts)


def webhook_url(settings: ChatSettings, address: str) -> str:
    """Where the provider is to deliver."""
    return f"{settings.public_url}{PREFIX}/webhooks/{quote(address, safe=':@+')}"
