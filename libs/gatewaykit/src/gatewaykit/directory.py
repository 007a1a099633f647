"""What the gateway knows of the tenants' configuration, as topic `config` tells it."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from contracts.channel_parts import Template
from contracts.configuration import ChannelAddress
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from pydantic import ValidationError
from servicekit.telemetry import log

from gatewaykit.domain.records import Place

LOG: Final = log("directory")

Value = Mapping[str, Any]  # Any: a record's value is whatever its kind says


class Directory:
    """Addresses of the gateway's channels and providers, domains' partitions, queues' and agents' names, templates;
    complete once `complete` is set."""

    def __init__(self, channels: Collection[str], providers: Collection[str] = ()) -> None:
        self._channels = channels
        self._providers = providers
        self.complete = False
        self._addresses: dict[str, tuple[str, ChannelAddress]] = {}
        self._not_understood: set[str] = set()
        self._queues: dict[tuple[str, str], str] = {}
        self._agents: dict[tuple[str, str], str] = {}
        self._partitions: dict[tuple[str, str], int] = {}
        self._accounts: dict[tuple[str, str, str], str] = {}
        self._templates: dict[tuple[str, str], Template] = {}

    def apply(self, tenant_id: str, record: ConfigurationRecord | ConfigurationPart) -> None:
        """Take a record; a later one of the same id replaces it."""
        name = record.id.removeprefix(f"{record.kind}:")
        if record.kind == "channel":
            self._apply_address(tenant_id, name, record.value)
        elif record.kind == "domain":
            _keep(self._partitions, (tenant_id, name), record.value and record.value.get("partition"))
        elif record.kind == "queue":
            _keep(self._queues, (tenant_id, name), record.value and record.value.get("name"))
        elif record.kind == "agent":
            _keep(self._agents, (tenant_id, name), record.value and record.value.get("name"))
        elif record.kind == "template":
            self._apply_template((tenant_id, name), record.value)

    def place(self, address: str) -> Place | None:
        """Where an address leads, if it is configured whole."""
        found = self.address(address)
        if found is None:
            return None
        tenant_id, configured = found
        partition = self._partitions.get((tenant_id, configured.domain))
        if partition is None:
            return None
        return Place(
            tenant_id=tenant_id,
            channel=configured.channel,
            address=address,
            client=configured.client,
            domain=configured.domain,
            partition=partition,
            idle_close_seconds=configured.idle_close_seconds,
            abandon_seconds=configured.abandon_seconds,
            idle_release_seconds=configured.idle_release_seconds,
            callbacks=configured.callbacks,
            reopen_seconds=configured.reopen_seconds,
        )

    def address(self, address: str) -> tuple[str, ChannelAddress] | None:
        """The tenant of an address and its entry in the channel registry."""
        return self._addresses.get(address)

    def address_of(self, tenant_id: str, provider: str, account_id: str) -> str | None:
        """The address of a provider's account."""
        return self._accounts.get((tenant_id, provider, account_id))

    def accounts_of(self, tenant_id: str) -> list[str]:
        """The tenant's addresses that have a provider's account; several may have the same, as Twilio's numbers do."""
        return [
            address for address, (tenant, found) in self._addresses.items() if tenant == tenant_id and found.account
        ]

    def template(self, tenant_id: str, domain: str, template_id: str) -> Template | None:
        """A text that may be sent as it is, but for its variables."""
        return self._templates.get((tenant_id, f"{domain}/{template_id}"))

    def all_addresses(self) -> list[tuple[str, ChannelAddress]]:
        """Every configured address with its tenant."""
        return list(self._addresses.values())

    def queues(self, address: str) -> list[dict[str, str]]:
        """The queues that a visitor of the address may choose from: id and name, the usual one first."""
        found = self.address(address)
        if found is None:
            return []
        tenant_id, configured = found
        ids = dict.fromkeys([configured.queue, *configured.queues])
        return [{"id": queue, "name": self._queue_name(tenant_id, configured.domain, queue)} for queue in ids]

    def agent_name(self, tenant_id: str, agent_id: str) -> str | None:
        """What customers may call the agent."""
        return self._agents.get((tenant_id, agent_id))

    def origins(self) -> set[str]:
        """Every origin that some address allows: what browsers are told (CORS) before an address is known."""
        return {origin for _, configured in self._addresses.values() for origin in configured.origins}

    def _queue_name(self, tenant_id: str, domain: str, queue: str) -> str:
        return self._queues.get((tenant_id, f"{domain}/{queue}"), queue)

    def _apply_address(self, tenant_id: str, address: str, value: Value | None) -> None:
        holder = self._addresses.get(address)
        if holder and holder[0] != tenant_id:
            # An address belongs to whoever had it first; nobody takes over another tenant's customers.
            LOG.error("address_of_another_tenant", extra={"tenant_id": tenant_id, "holder_id": holder[0]})
            return
        if value is None or not self._ours(value):
            self._replace(tenant_id, address, None)
            self._not_understood.discard(address)
            return
        try:
            configured = ChannelAddress.model_validate(value, extra="ignore")  # a newer release may say more
        except ValidationError:
            # What was understood last goes on: a window that cannot open helps nobody.
            if address not in self._not_understood:
                self._not_understood.add(address)
                LOG.exception("address_not_understood", extra={"tenant_id": tenant_id})
            return
        self._not_understood.discard(address)
        self._replace(tenant_id, address, configured)

    def _ours(self, value: Value) -> bool:
        account = value.get("account")
        provider = account.get("provider") if isinstance(account, Mapping) else None
        return value.get("channel") in self._channels or provider in self._providers

    def _replace(self, tenant_id: str, address: str, configured: ChannelAddress | None) -> None:
        _, before = self._addresses.pop(address, (tenant_id, None))
        if before and before.account:
            key = (tenant_id, before.account.provider, before.account.account_id)
            if self._accounts.get(key) == address:
                del self._accounts[key]
        if configured:
            self._addresses[address] = (tenant_id, configured)
            if configured.account:
                self._accounts[tenant_id, configured.account.provider, configured.account.account_id] = address

    def _apply_template(self, key: tuple[str, str], value: Value | None) -> None:
        try:
            template = None if value is None else Template.model_validate(value, extra="ignore")
        except ValidationError:
            LOG.exception("template_not_understood", extra={"tenant_id": key[0]})
            return
        _keep(self._templates, key, template)


def _keep(table: dict[tuple[str, str], Any], key: tuple[str, str], value: object) -> None:  # Any: each table's own
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
