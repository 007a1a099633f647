"""Fakes and samples for tests and simulated stories: memory twins of store and signals, a configuration, a visitor."""

from chat_gateway.testing.memory import MemoryChatStore
from chat_gateway.testing.signals import MemorySignals

__all__ = ["MemoryChatStore", "MemorySignals"]
