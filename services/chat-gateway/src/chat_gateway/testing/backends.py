"""What the gateway works on in tests: settings, and parts in memory."""

from pathlib import Path
from typing import Any

from gatewaykit.outgoings import Outgoings
from gatewaykit.testing.memory_blobs import MemoryBlobs
from servicekit.store import Outbox
from servicekit.system import SystemClock
from servicekit.telemetry import Telemetry
from servicekit.testing.fake_http import FakeHttp, programmed

from chat_gateway.app import Backends
from chat_gateway.live import Signals
from chat_gateway.metrics import ProviderMetrics
from chat_gateway.receiving import Receiving
from chat_gateway.settings import ChatSettings
from chat_gateway.store import ChatStore
from chat_gateway.testing.signals import MemorySignals
from chat_gateway.typing_hints import TypingHints

PUBLIC_URL = "https://chat.example"


def settings_of(**more: Any) -> ChatSettings:  # Any: whatever settings take
    """What has no default, and whatever else."""
    values: dict[str, Any] = {
        "visitor_secret": "a-secret-of-thirty-two-characters",
        "file_link_secrets": "another-secret-of-thirty-two-characters",
        "files_url": "file:///nowhere",
        "secrets_path": Path("/nowhere"),
        "public_url": PUBLIC_URL,
    }
    return ChatSettings.model_validate(values | more)


def backends_of(store: ChatStore, outbox: Outbox, signals: Signals, **more: Any) -> Backends:
    """The store and nobody else's server; `more` replaces parts."""

    async def resolve(host: str, port: int) -> list[str]:
        return [host]

    parts: dict[str, Any] = {"http": FakeHttp(programmed()), "resolve": resolve, "blobs": MemoryBlobs()}
    return Backends(store=store, outbox=outbox, signals=signals, **(parts | more))


def receiving_of(store: ChatStore, telemetry: Telemetry, *, at_once: int) -> Receiving:
    """What takes deliveries, and nothing around it."""
    clock, metrics = SystemClock(), ProviderMetrics(telemetry)
    typing = TypingHints(store, MemorySignals(clock), metrics)
    return Receiving(store, Outgoings(), clock, metrics, typing, at_once=at_once)
