"""Variables in texts of the configuration: `{name}` stands for one, `{{` and `}}` for braces."""

import re
from collections.abc import Mapping
from typing import Final

from contracts.part import Part

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]{0,63})\}")

OF_THE_PLATFORM: Final = ("agent_name", "client", "queue", "address", "date")
"""What the router's API knows when an agent takes a canned reply; `date` is that of the domain (ISO 8601)."""
OF_THE_CUSTOMER: Final = ("customer_name", "customer_email", "customer_phone")
"""What only the CRM knows: whoever shows the reply fills them."""


class Filled(Part):
    """A text whose variables are filled as far as they are known; `missing` are the others, which still stand in it."""

    text: str
    missing: list[str]


def variables_in(text: str) -> list[str]:
    """The names of the variables, each once, in the order of their first place."""
    return list(dict.fromkeys(found[1] for found in _TOKEN.finditer(text) if found[1]))


def filled(text: str, values: Mapping[str, str]) -> Filled:
    """The text with the values in their places. While something is missing, braces stay as they are written, so that
    the rest can be filled later; a value is never read as a variable."""
    missing = [name for name in variables_in(text) if name not in values]

    def put(found: re.Match[str]) -> str:
        if found[1]:
            value = values.get(found[1])
            if value is None:
                return found[0]
            return value.replace("{", "{{").replace("}", "}}") if missing else value
        return found[0] if missing else found[0][0]

    return Filled(text=_TOKEN.sub(put, text), missing=missing)
