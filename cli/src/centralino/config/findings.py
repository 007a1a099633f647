"""What a lint rule finds. A rule is a function from a valid configuration, and who serves what in it, to findings."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from centralino.config.serving import Serving

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
