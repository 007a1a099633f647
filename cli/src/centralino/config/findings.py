"""What a lint rule finds. A rule is a function from a valid configuration, and who serves what in it, to findings."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from centralino.config.serving import Serving

NAMED_MAX: Final = 3
"""Names that one message shows."""
Severity = Literal["error", "warning"]
"""error: customers will wait in vain; warning: it works, but hardly as meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`path` is a JSON Pointer into the document, `advice` says what to do."""

    rule: str
    severity: Severity
    path: str
    message: str
    advice: str


Rule = Callable[[Serving], Iterable[Finding]]


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
