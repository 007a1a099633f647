"""What the active configuration of a tenant names, so that a request can be refused before it is asked for."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.channel_parts import CannedReply, Template
from contracts.configuration import ChannelAddress, TenantConfiguration

from router.api.store import ApiStore

TENANTS_MAX: Final = 200

InDomains = frozenset[tuple[str, str]]
"""Domain and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the configuration says of conversations in writing."""

    addresses: tuple[ChannelAddress, ...] = ()
    templates: tuple[Template, ...] = ()
    replies: tuple[CannedReply, ...] = ()
    zones: Mapping[str, str] = field(default_factory=dict)
    """Time zone by domain."""
    queue_names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By domain and queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What the configuration says of calls."""

    phones: frozenset[str] = frozenset()
    """Agents who have one."""
    clients_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Those whom an agent serves; who is not named serves all."""
    announced: Mapping[str, bool] = field(default_factory=dict)
    """By domain: whether agents are told that a supervisor listens."""
    channel_of: Mapping[str, str] = field(default_factory=dict)
    """By address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Names of one version."""

    version: int
    clients: frozenset[str]
    queues: InDomains
    channels: InDomains
    """Of addresses, agents and the domain's own settings."""
    agents: InDomains
    written: Written
    calls: Called = Called()


class Names:
    """Those of the tenants that asked lately; a document, which may be large, is read once a version."""

    def __init__(self, store: ApiStore) -> None:
        self._store = store
        self._kept: OrderedDict[str, Named] = OrderedDict()

    async def of(self, tenant_id: str) -> Named:
        """Names of the active version; nothing has a name before the first."""
        async with self._store.transaction(tenant_id) as transaction:
            version = await transaction.active_version()
            kept = self._kept.pop(tenant_id, None)
            if kept is None or kept.version != version:
                active = await transaction.active()
                kept = _named(active.line.version, active.configuration) if active else NOTHING
        self._kept[tenant_id] = kept
        if len(self._kept) > TENANTS_MAX:
            self._kept.popitem(last=False)
        return kept


NOTHING: Final = Named(
    version=0, clients=frozenset(), queues=frozenset(), channels=frozenset(), agents=frozenset(), written=Written()
)


def _named(version: int, configuration: TenantConfiguration) -> Named:
    channels = {(each.domain, each.channel) for each in configuration.channels}
    channels |= {(agent.domain, channel) for agent in configuration.agents for channel in agent.channels}
    for domain in configuration.domains:
        used = [*domain.costs, *domain.offer_timeouts, *domain.interruptible, *domain.keep_on_agent_loss]
        channels |= {(domain.id, channel) for channel in used}
    return Named(
        version=version,
        clients=frozenset(configuration.clients),
        queues=frozenset((queue.domain, queue.id) for queue in configuration.queues),
        channels=frozenset(channels),
        agents=frozenset((agent.domain, agent.id) for agent in configuration.agents),
        written=Written(
            addresses=tuple(configuration.channels),
            templates=tuple(configuration.templates),
            replies=tuple(configuration.replies),
            zones={domain.id: domain.time_zone for domain in configuration.domains},
            queue_names={(queue.domain, queue.id): queue.name for queue in configuration.queues},
        ),
        calls=Called(
            phones=frozenset(agent.id for agent in configuration.agents if agent.phone),
            clients_of={agent.id: frozenset(agent.clients) for agent in configuration.agents if agent.clients},
            announced={domain.id: domain.supervision.announced for domain in configuration.domains},
            channel_of={channel.address: channel.channel for channel in configuration.channels},
        ),
    )
