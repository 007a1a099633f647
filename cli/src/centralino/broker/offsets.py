"""Committed offsets: one line of JSON for each commit, rewritten with the last ones only when it has grown."""

import json
from pathlib import Path

from centralino.broker.segment import write_at_once

Key = tuple[str, str, int]  # group, topic, partition
STALE_LINES_MAX = 50_000


class CommittedOffsets:
    """A commit is in the kernel before it is acknowledged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[Key, tuple[int, str]] = {}
        for line in path.read_bytes().splitlines() if path.exists() else []:
            try:
                group, topic, partition, offset, note = json.loads(line)
            except ValueError:
                continue  # torn by a crash or a full disk: that commit was never acknowledged
            self._values[group, topic, partition] = offset, note
        self._rewrite()

    def commit(self, key: Key, offset: int, note: str) -> None:
        self._values[key] = offset, note
        with self._path.open("ab", buffering=0) as file:
            file.write(_line(key, self._values[key]))
        self._lines += 1
        if self._lines > STALE_LINES_MAX + len(self._values):
            self._rewrite()

    def get(self, key: Key) -> tuple[int, str]:
        """Offset and note; -1 and nothing when there is none."""
        return self._values.get(key, (-1, ""))

    def of_group(self, group: str) -> list[tuple[str, int]]:
        return [(topic, partition) for owner, topic, partition in self._values if owner == group]

    def groups(self) -> set[str]:
        return {group for group, _, _ in self._values}

    def forget_topic(self, name: str) -> None:
        """A new topic of the same name must not inherit offsets."""
        self._values = {key: value for key, value in self._values.items() if key[1] != name}
        self._rewrite()

    def _rewrite(self) -> None:
        write_at_once(self._path, b"".join(_line(key, value) for key, value in self._values.items()))
        self._lines = len(self._values)


def _line(key: Key, value: tuple[int, str]) -> bytes:
    return json.dumps([*key, *value]).encode() + b"\n"
