"""Chance that is the same for the same seed on every release of Python."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")
_MASK = 2**64 - 1


class Dice:
    """SplitMix64 (Steele, Lea, Flood 2014)."""

    def __init__(self, seed: int) -> None:
        """Any number will do."""
        self._state = seed & _MASK

    def below(self, bound: int) -> int:
        """From 0 up to, not including, the bound; 0 for bounds that leave nothing."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return (mixed ^ (mixed >> 31)) % bound if bound > 0 else 0

    def one(self, items: Sequence[Item]) -> Item:
        """One of them."""
        return items[self.below(len(items))]

    def size(self, largest: int) -> int:
        """Small ones are as likely as large ones."""
        return 1 + self.below(1 << self.below(max(1, largest.bit_length())))
