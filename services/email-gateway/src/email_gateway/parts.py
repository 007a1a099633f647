"""What the API works with; `app.py` fills it."""

from dataclasses import dataclass

from gatewaykit.directory import Directory
from servicekit.ports import Clock, Ids

from email_gateway.store import MailStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Opened once, shared by all requests of this replica."""

    store: MailStore
    directory: Directory
    clock: Clock
    ids: Ids
