"""Who may send how much by SMTP, in all and from one IP address."""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from servicekit.ports import Clock

REMEMBERED_MAX: Final = 10_000
"""IP addresses whose rate is known; the one that sent longest ago is forgotten first."""
HELD_PART: Final = 4
"""One IP address may hold a quarter of the messages in memory."""
DATA_BYTES_PER_SECOND: Final = 1024
"""Who sends a message slower than that in the long run dawdles."""
_NETWORK_V6: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpLimits:
    """See the settings `smtp_*`."""

    message_bytes_max: int
    recipients_max: int
    connections_max: int
    connections_per_ip: int
    messages_per_connection: int
    messages_per_minute: int
    messages_held_max: int
    command_seconds: float
    data_seconds: float
    data_quiet_seconds: float
    accept_seconds: float
    trusted: tuple[IPv4Network | IPv6Network, ...] = ()


class Pace:
    """Until when a message that comes is waited for, in the loop's seconds: as long as it comes on, for a message that
    is waited for keeps others out. What comes buys time at DATA_BYTES_PER_SECOND, for `data_quiet_seconds` ahead at
    most; `data_seconds` is the end in any case."""

    def __init__(self, limits: SmtpLimits, now: float) -> None:
        self._quiet = limits.data_quiet_seconds
        self._end = now + limits.data_seconds
        self.deadline = min(self._end, now + self._quiet)

    def came(self, size_bytes: int, now: float) -> float:
        """So many bytes more; the new deadline."""
        self.deadline = min(self._end, now + self._quiet, self.deadline + size_bytes / DATA_BYTES_PER_SECOND)
        return self.deadline


class Turnstile:
    """Counts connections, messages in memory, and the rate of each IP address (of IPv6, each /64)."""

    def __init__(self, limits: SmtpLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._connections: Counter[str] = Counter()
        self._held_by: Counter[str] = Counter()
        self._full_at_ms: OrderedDict[str, float] = OrderedDict()

    @property
    def connections(self) -> int:
        """Open now."""
        return self._connections.total()

    @property
    def held(self) -> int:
        """Messages in memory now."""
        return self._held_by.total()

    def trusts(self, ip: str) -> bool:
        """It is our own mail server's."""
        try:
            address = ip_address(ip)
        except ValueError:
            return False
        return any(address in network for network in self._limits.trusted)

    def enter(self, ip: str) -> bool:
        """One more connection, if there may be one; `leave` it whatever the answer was."""
        key = _key(ip)
        self._connections[key] += 1
        few = self._connections[key] <= self._limits.connections_per_ip or self.trusts(ip)
        return few and self.connections <= self._limits.connections_max

    def leave(self, ip: str) -> None:
        """A connection is gone."""
        key = _key(ip)
        self._connections[key] -= 1
        if self._connections[key] <= 0:
            del self._connections[key]

    def hold(self, ip: str) -> bool:
        """One more message in memory, if there may be one; then `release` it. A message is held as long as its sender
        takes: no IP address may hold up all others."""
        key = _key(ip)
        few = self._held_by[key] < max(1, self._limits.messages_held_max // HELD_PART) or self.trusts(ip)
        if self.held >= self._limits.messages_held_max or not few:
            return False
        self._held_by[key] += 1
        return True

    def release(self, ip: str) -> None:
        """A message is gone from memory."""
        key = _key(ip)
        self._held_by[key] -= 1
        if self._held_by[key] <= 0:
            del self._held_by[key]

    def pass_one(self, ip: str) -> bool:
        """One more message of this IP address, if it has sent few enough: a bucket of a minute's messages."""
        if self.trusts(ip):
            return True
        now_ms, key = self._clock.now_ms(), _key(ip)
        full_at_ms = max(self._full_at_ms.pop(key, 0.0), float(now_ms))
        step_ms = 60_000 / self._limits.messages_per_minute
        good = full_at_ms + step_ms - now_ms <= 60_000
        self._full_at_ms[key] = full_at_ms + step_ms if good else full_at_ms
        if len(self._full_at_ms) > REMEMBERED_MAX:
            self._full_at_ms.popitem(last=False)
        return good


def _key(ip: str) -> str:
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    return str(IPv6Network((int(address), _NETWORK_V6), strict=False)) if address.version == 6 else ip
