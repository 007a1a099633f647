"""The published form of a tenant's configuration: small keyed records (topic `config`, compacted)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import Code, Count, Id

RecordKind = Literal["domain", "queue", "agent", "channel", "version"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRecord:
    """One thing as it stands from `version` on; `value` none means it was removed.

    The record of kind `version` is written last: whoever has read it has read the whole version.
    """

    kind: RecordKind
    id: Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[a-z]+(:[A-Za-z0-9][A-Za-z0-9._:@/-]*)?$")]
    """`domain:<domain>`, `queue:<domain>/<queue>`, `agent:<agent>`, `channel:<address>` or `version`."""
    domain: Id | None
    version: Count
    value: dict[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationPart:
    """A record of a kind that came later: its own event, for readers of `config.record` know only their kinds."""

    kind: Code
    """`plan`, `rules`, `calendar`, `team`, `template`, `reply`, `prompt`, `flow`, `recording` or `extension`."""
    id: Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[a-z]+:[A-Za-z0-9][A-Za-z0-9._:@/-]*$")]
    """`plan:<domain>/<plan>`, `calendar:<domain>/<calendar>`, `team:<domain>/<team>`, `rules:<domain>`,
    `template:<domain>/<template>`, `reply:<domain>/<reply>`, `prompt:<domain>/<prompt>`, `flow:<domain>/<flow>`,
    `recording:<domain>` (its `policies` in their order), `extension:<domain>/<extension>`."""
    domain: Id
    version: Count
    value: dict[str, object] | None
