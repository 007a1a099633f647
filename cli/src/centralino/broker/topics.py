"""The topics of one data directory; `topics.json` says which exist, folders that it does not name are leftovers."""

import json
import re
import shutil
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

from aiokafka import errors

from centralino.broker.log import LogSettings, PartitionLog
from centralino.broker.segment import write_at_once

TOPIC_NAME = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
PARTITIONS_MAX = 1000  # in one topic
# Settings that only matter on a real cluster: taken, so that one topic list serves both.
IGNORED = {"min.insync.replicas", "compression.type", "segment.ms", "min.cleanable.dirty.ratio"}
IGNORED |= {"max.compaction.lag.ms", "min.compaction.lag.ms", "message.timestamp.type"}


class Topics:
    """Raises aiokafka's errors with the protocol's codes."""

    def __init__(self, directory: Path, defaults: LogSettings) -> None:
        self._directory, self._defaults = directory / "topics", defaults
        self._path = directory / "topics.json"
        self._settings: dict[str, LogSettings] = {}
        self._logs: dict[str, list[PartitionLog]] = {}
        self._producer_id = 0
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            stored = json.loads(self._path.read_text())
            self._producer_id = stored["producer_id"]
            for name, (partitions, settings) in stored["topics"].items():
                self._open(name, partitions, LogSettings(**settings))
        for path in self._directory.iterdir():
            if path.name not in self._logs:
                shutil.rmtree(path)

    def names(self) -> list[str]:
        return list(self._logs)

    def logs(self, name: str) -> list[PartitionLog]:
        if name not in self._logs:
            raise errors.UnknownTopicOrPartitionError
        return self._logs[name]

    def find(self, name: str, partition: int) -> PartitionLog | None:
        logs = self._logs.get(name, [])
        return logs[partition] if 0 <= partition < len(logs) else None

    def log(self, name: str, partition: int) -> PartitionLog:
        log = self.find(name, partition)
        if log is None:
            raise errors.UnknownTopicOrPartitionError
        return log

    def create(self, name: str, partitions: int, configs: dict[str, str], *, validate_only: bool) -> None:
        partitions = 1 if partitions == -1 else partitions
        if not TOPIC_NAME.fullmatch(name):
            raise errors.InvalidTopicError
        if name in self._logs:
            raise errors.TopicAlreadyExistsError
        if not 1 <= partitions <= PARTITIONS_MAX:
            raise errors.InvalidPartitionsError
        settings = _settings(self._defaults, configs)
        if not validate_only:
            self._open(name, partitions, settings)
            self._save()

    def delete(self, name: str) -> None:
        logs = self.logs(name)
        del self._logs[name], self._settings[name]
        self._save()
        shutil.rmtree(self._directory / name)
        for log in logs:
            log.wake()

    def next_producer_id(self) -> int:
        """Never given twice, over restarts too."""
        self._producer_id += 1
        self._save()
        return self._producer_id

    def expire(self) -> None:
        for logs in self._logs.values():
            for log in logs:
                log.expire(now_ms())

    def _open(self, name: str, partitions: int, settings: LogSettings) -> None:
        folder = self._directory / name
        self._logs[name] = [PartitionLog(folder / str(p), settings, now_ms()) for p in range(partitions)]
        self._settings[name] = settings

    def _save(self) -> None:
        topics = {name: (len(logs), asdict(self._settings[name])) for name, logs in self._logs.items()}
        content = json.dumps({"producer_id": self._producer_id, "topics": topics}, indent=1)
        write_at_once(self._path, content.encode())


def _settings(defaults: LogSettings, configs: dict[str, str]) -> LogSettings:
    known = {field.name.replace("_", "."): field for field in fields(LogSettings)}
    changes: dict[str, str | int] = {}
    for name, value in configs.items():
        if name not in known and name not in IGNORED:
            raise errors.InvalidConfigurationError
        if name in known:
            try:
                changes[known[name].name] = value if known[name].type is str else int(value)
            except ValueError as error:
                raise errors.InvalidConfigurationError from error
    if not set(str(changes.get("cleanup_policy", "delete")).split(",")) <= {"delete", "compact"}:
        raise errors.InvalidConfigurationError
    return replace(defaults, **changes)  # type: ignore[arg-type]  # checked against the fields just above


def now_ms() -> int:
    return time.time_ns() // 1_000_000
