"""What a lint rule finds. A rule is a function from a valid configuration, and who serves what in it, to findings."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from centralino.config.documents import Source
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

    def told(self, source: Source) -> str:
        """For people: a line that begins with its mark and its place."""
        mark = "!" if self.severity == "error" else "~"
        said = f"{self.severity}: {source.named(self.path)}: {self.message}; {self.advice}"
        return f"{mark} {source.place(self.path)}: {said}{'' if said.endswith('?') else '.'}"

    def as_json(self, source: Source) -> dict[str, str]:
        """For programs."""
        return {
            "severity": self.severity,
            "rule": self.rule,
            "path": self.path,
            "place": source.place(self.path),
            "message": self.message,
            "advice": self.advice,
        }


Rule = Callable[[Serving], Iterable[Finding]]


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
