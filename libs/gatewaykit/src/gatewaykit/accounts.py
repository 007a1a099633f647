"""Providers' accounts as provider files want them: configured, with their secrets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts.configuration import ChannelAddress

from gatewaykit.directory import Directory
from gatewaykit.domain.provider import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Finds accounts. Secrets are read anew each time, so that a rotated one counts at once; what is raised for a
    missing one passes through."""

    directory: Directory
    secrets: Callable[[str, Mapping[str, Sequence[str]]], Mapping[str, tuple[str, ...]]]
    """Of a tenant, by use: from their names, the current one first, to themselves."""
    api_url: Callable[[str, str], str]
    """Of a provider's channel, without a slash at the end."""
    webhook_url: Callable[[str, ChannelAddress], str]
    """Of a tenant's address."""

    def at(self, address: str) -> Account | None:
        """The account behind an address, if it has one."""
        found = self.directory.address(address)
        if found is None or found[1].account is None:
            return None
        tenant_id, configured = found
        account = found[1].account
        return Account(
            tenant_id=tenant_id,
            address=address,
            channel=configured.channel,
            provider=account.provider,
            account_id=account.account_id,
            api_url=self.api_url(account.provider, configured.channel),
            webhook_url=self.webhook_url(tenant_id, configured),
            secrets=self.secrets(tenant_id, account.secrets),
            options=account.options,
        )

    def of(self, tenant_id: str, provider: str, account_id: str) -> Account | None:
        """The account that the provider calls so."""
        address = self.directory.address_of(tenant_id, provider, account_id)
        return None if address is None else self.at(address)
