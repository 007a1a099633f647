"""What the API and the sockets work with; `app.py` fills it."""

from dataclasses import dataclass

from gatewaykit.directory import Directory
from servicekit.ports import Clock
from servicekit.telemetry import Telemetry

from chat_gateway.live import Signals
from chat_gateway.metrics import ChatMetrics
from chat_gateway.origins import Origins
from chat_gateway.rooms import Rooms
from chat_gateway.settings import ChatSettings
from chat_gateway.store import ChatStore
from chat_gateway.tokens import VisitTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Opened once, shared by all requests and sockets of this replica."""

    settings: ChatSettings
    store: ChatStore
    signals: Signals
    rooms: Rooms
    directory: Directory
    tokens: VisitTokens
    origins: Origins
    clock: Clock
    telemetry: Telemetry
    metrics: ChatMetrics
