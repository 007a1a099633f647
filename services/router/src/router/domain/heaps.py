"""Lazy heaps: what left stays in the heap until it reaches the top, so that leaving costs nothing."""

from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

Key = tuple[float, int, str]
"""Order within a bucket, smallest first; the last part is the member's id, so keys are unique."""

SLACK: Final = 32


class Bucket:
    """Members ordered by their key, with constant-time leaving."""

    __slots__ = ("_heap", "keys")

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self._heap: list[Key] = []

    def add(self, key: Key) -> None:
        """Add a member that is not in the bucket."""
        self.keys[key[2]] = key
        heappush(self._heap, key)
        if len(self._heap) > 2 * len(self.keys) + SLACK:
            self._heap = list(self.keys.values())
            heapify(self._heap)

    def discard(self, member: str) -> None:
        """Take the member out if it is in."""
        self.keys.pop(member, None)

    def head(self) -> Key | None:
        """The smallest key, none when empty; amortised O(log n)."""
        heap = self._heap
        keys = self.keys
        while heap:
            key = heap[0]
            if keys.get(key[2]) == key:
                return key
            heappop(heap)
        return None


class Heads:
    """A heap over the heads of many buckets.

    An entry is a lower bound of its bucket's head: leaving a bucket only raises its head, so that is found out on
    reading; whoever adds a member that becomes the head must `post` it.
    """

    __slots__ = ("_buckets", "_heap", "_posted")

    def __init__(self, buckets: list[Bucket] | dict[int, Bucket]) -> None:
        self._buckets = buckets
        self._posted: dict[int, Key] = {}
        self._heap: list[tuple[Key, int]] = []

    def post(self, number: int, head: Key) -> None:
        """Bucket `number` has a head as small as this."""
        known = self._posted.get(number)
        if known is not None and known <= head:
            return
        self._posted[number] = head
        heappush(self._heap, (head, number))
        if len(self._heap) > 2 * len(self._posted) + SLACK:
            self._heap = [(key, bucket) for bucket, key in self._posted.items()]
            heapify(self._heap)

    def forget(self, number: int) -> None:
        """The bucket is not to be asked again, or not before it is posted anew."""
        self._posted.pop(number, None)

    def best(self) -> Key | None:
        """The smallest head of all buckets; amortised O(log of the number of buckets)."""
        heap = self._heap
        posted = self._posted
        while heap:
            key, number = heap[0]
            if posted.get(number) != key:  # a smaller bound was posted since
                heappop(heap)
                continue
            head = self._buckets[number].head()
            if head == key:
                return key
            if head is None:
                del posted[number]
                heappop(heap)
            else:
                posted[number] = head
                heapreplace(heap, (head, number))
        return None
