"""A configuration written down: always in the same order, without what is a default anyway."""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

import yaml
from contracts.configuration import TenantConfiguration
from typing_extensions import override

from centralino.config.keys import ORDERED_PARTS, name_of

Form = Literal["yaml", "json"]
WIDTH: Final = 120


def exported(configuration: TenantConfiguration, form: Form) -> str:
    """The document as text that `plan` finds no change in; things by name, but where their order means something."""
    document: Mapping[str, Any] = configuration.model_dump(mode="json", exclude_defaults=True)  # Any: JSON
    ordered = {
        part: items if part in ORDERED_PARTS else sorted(items, key=lambda item: str(name_of(part, item)))
        for part, items in document.items()
    }
    if form == "json":
        return json.dumps(ordered, indent=2, ensure_ascii=False) + "\n"
    # The library quotes what YAML 1.1 would take for something else than text, which is more than `texts` does.
    return str(yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH))


class _Dumper(yaml.CSafeDumper):
    """Without anchors: what is equal is written twice."""

    @override
    def ignore_aliases(self, _: object) -> bool:
        """Always."""
        return True
