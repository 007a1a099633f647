"""A clock for tests that ask what happens at a certain instant."""

from typing import Final

NOW_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00Z."""


class SetClock:
    """Stands still until it is set; who sleeps sets it on."""

    def __init__(self, at_ms: int = NOW_MS) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        """See Clock."""
        return self.at_ms

    async def sleep(self, seconds: float) -> None:
        """See Clock; the time passes at once."""
        self.at_ms += round(seconds * 1000)
