"""How the things of a configuration document are named: by these names they are told apart, never by their place."""

from collections.abc import Mapping
from typing import Any, Final

ORDERED_PARTS: Final = frozenset({"rules", "recording"})
"""Lists of the document in which the order means something."""


def kind_of(part: str) -> str:
    """What one thing of a part is called: `agent` for `agents`."""
    return {"replies": "reply"}.get(part, part.removesuffix("s"))


def name_of(part: str, item: object) -> str | None:
    """The name within the tenant, as the records of topic `config` have it: `support/billing` for a queue; none when
    the item has not the form of one."""
    if isinstance(item, str):
        return item
    if not isinstance(item, Mapping):
        return None
    values: Mapping[str, Any] = item  # Any: not yet checked
    own = values.get("address" if part == "channels" else "id")
    if not isinstance(own, str):
        return None
    domain = values.get("domain")
    alone = part in {"agents", "channels"} or not isinstance(domain, str)
    return own if alone else f"{domain}/{own}"
