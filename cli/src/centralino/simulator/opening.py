"""What makes an empty router the configured centre: the inputs that the engine's shell would give."""

from collections.abc import Iterator, Sequence
from typing import Final

from contracts.configuration import TenantConfiguration
from router.api.configuration import changed_records, document_hash
from router.domain.inputs import ConfigurationStep, Input, LeasesRead, PresenceObserved

TENANT: Final = "simulated"
_STEP_RECORDS_MAX: Final = 200
_SEEN_MAX: Final = 256


def opening(tenant: TenantConfiguration, present: Sequence[str]) -> list[Input]:
    """Configuration by domain, then a heartbeat of each agent who will work at any time."""
    inputs: list[Input] = list(_steps(tenant))
    inputs.append(LeasesRead(readable=True))
    wanted = set(present)
    for domain in tenant.domains:
        seen = [agent.id for agent in tenant.agents if agent.domain == domain.id and agent.id in wanted]
        for start in range(0, len(seen), _SEEN_MAX):
            part = tuple(seen[start : start + _SEEN_MAX])
            inputs.append(PresenceObserved(tenant_id=TENANT, domain=domain.id, seen=part))
    return inputs


def _steps(tenant: TenantConfiguration) -> Iterator[ConfigurationStep]:
    records = changed_records(1, tenant, None, {domain.id: 0 for domain in tenant.domains})
    version = document_hash(tenant)
    for domain in tenant.domains:
        own = [record for record in records if record.domain == domain.id]
        for start in range(0, len(own), _STEP_RECORDS_MAX):
            yield ConfigurationStep(
                tenant_id=TENANT,
                domain=domain.id,
                version=1,
                hash=version,
                records=tuple(own[start : start + _STEP_RECORDS_MAX]),
                last=start + _STEP_RECORDS_MAX >= len(own),
            )
