"""The real clock, ids and chance; only a service's `app.py` and the run shell create them."""

import asyncio
import os
import random
import time
from typing import Final

_VERSION_7: Final = 0x7 << 76
_VARIANT: Final = 0b10 << 62


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run for so long."""
        await asyncio.sleep(seconds)


class SystemIds:
    """Time-ordered identifiers (RFC 9562 section 5.7): 48 bits of milliseconds, then 74 random bits."""

    def new_id(self) -> str:
        """32 lower-case hex digits."""
        millis = (time.time_ns() // 1_000_000) & (2**48 - 1)
        noise = int.from_bytes(os.urandom(10), "big")
        bits = (millis << 80) | _VERSION_7 | ((noise >> 62 & 0xFFF) << 64) | _VARIANT | (noise & (2**62 - 1))
        return f"{bits:032x}"


class SystemChance:
    """Randomness for jitter; not for secrets."""

    def uniform(self, a: float, b: float) -> float:
        """A number between a and b."""
        return random.uniform(a, b)  # noqa: S311 - jitter, not a secret
