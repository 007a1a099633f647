"""The files of the development broker: faults of the disk, retention, compaction, producers' state."""

import resource
import tempfile
from pathlib import Path

import pytest
from aiokafka import errors
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from centralino.broker.batch import parse, records_of
from centralino.broker.log import PRODUCERS_MAX, LogSettings, PartitionLog
from centralino.broker.offsets import STALE_LINES_MAX, CommittedOffsets
from centralino.broker.segment import DamagedLogError
from hypothesis import given, settings
from hypothesis import strategies as st

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
DEFAULTS = LogSettings()
COMPACTED = LogSettings(cleanup_policy="compact", segment_bytes=200)
Pair = tuple[bytes | None, bytes | None]


def batch_of(*pairs: Pair, producer_id: int = -1, sequence: int = -1, at_ms: int = NOW_MS, codec: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, producer_id, 0 if producer_id >= 0 else -1, sequence, 1_000_000)
    for index, (key, value) in enumerate(pairs):
        builder.append(index, at_ms, key, value, [("header", b"kept")])
    return bytes(builder.build())


def opened(directory: Path, settings: LogSettings = DEFAULTS, now_ms: int = NOW_MS) -> PartitionLog:
    return PartitionLog(directory, settings, now_ms)


def append(log: PartitionLog, *values: bytes, at_ms: int = NOW_MS) -> list[int]:
    return [log.append(batch_of((b"key", value), at_ms=at_ms), at_ms) for value in values]


def contents(log: PartitionLog) -> list[tuple[int, bytes | None, bytes | None]]:
    """Read as a consumer does, batch by batch."""
    found, offset = [], log.start_offset
    while data := log.read(offset, 1, at_least_one=True):
        header = parse(data)
        assert header is not None
        assert header.size == len(data)
        found += [(r.offset, r.key, r.value) for r in records_of(data) or () if r.offset >= offset]
        offset = header.end_offset
    return found


def last_file(directory: Path) -> Path:
    return max(directory.glob("*.log"))


@pytest.mark.parametrize("torn", [b"\0" * 8, b"\0" * 200, batch_of((b"k", b"v"))[:-3]])
def test_a_torn_tail_is_cut_and_the_log_goes_on(tmp_path: Path, torn: bytes) -> None:
    append(opened(tmp_path), b"0", b"1", b"2")
    size = last_file(tmp_path).stat().st_size
    with last_file(tmp_path).open("ab") as file:
        file.write(torn)

    log = opened(tmp_path)

    assert last_file(tmp_path).stat().st_size == size
    assert append(log, b"3") == [3]
    assert [value for _, _, value in contents(log)] == [b"0", b"1", b"2", b"3"]


def test_a_damaged_closed_segment_is_refused(tmp_path: Path) -> None:
    small = LogSettings(segment_bytes=200)
    append(opened(tmp_path, small), *[b"x" * 50] * 6)
    first = min(tmp_path.glob("*.log"))
    content = bytearray(first.read_bytes())
    content[-1] ^= 0xFF
    first.write_bytes(content)

    with pytest.raises(DamagedLogError, match="damaged at byte"):
        opened(tmp_path, small)


def test_a_full_disk_refuses_the_append_and_leaves_the_log_whole(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, b"0")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (last_file(tmp_path).stat().st_size + 10, limits[1]))
    try:
        with pytest.raises(errors.KafkaStorageError):
            append(log, b"lost")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert append(log, b"1") == [1]
    assert contents(opened(tmp_path)) == [(0, b"key", b"0"), (1, b"key", b"1")]


def test_retention_by_bytes_drops_the_oldest_segments_and_keeps_the_bound(tmp_path: Path) -> None:
    small = LogSettings(segment_bytes=1000, retention_bytes=3000)
    log = opened(tmp_path, small)
    append(log, *[b"x" * 100] * 200)
    again = opened(tmp_path, small)

    assert sum(path.stat().st_size for path in tmp_path.glob("*.log")) <= 3000 + 2 * 1000
    assert 0 < log.start_offset == again.start_offset
    assert [offset for offset, _, _ in contents(again)] == list(range(again.start_offset, 200))
    with pytest.raises(errors.OffsetOutOfRangeError):
        again.read(again.start_offset - 1, 100, at_least_one=True)


def test_retention_by_age_drops_records_and_never_reuses_their_offsets(tmp_path: Path) -> None:
    hourly = LogSettings(retention_ms=HOUR_MS)
    log = opened(tmp_path, hourly)
    append(log, b"old", b"old")
    log.expire(NOW_MS + HOUR_MS)
    kept_to_the_hour = log.start_offset
    log.expire(NOW_MS + HOUR_MS + 1)

    assert (kept_to_the_hour, log.start_offset, log.end_offset) == (0, 2, 2)
    assert append(opened(tmp_path, hourly), b"new") == [2]


def test_without_limits_nothing_expires(tmp_path: Path) -> None:
    log = opened(tmp_path, LogSettings(retention_ms=-1, retention_bytes=-1, segment_bytes=200))
    append(log, *[b"x" * 50] * 10)
    log.expire(NOW_MS * 2)

    assert len(contents(log)) == 10


def test_deleted_records_stay_deleted_after_a_restart(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, *[b"x"] * 5)
    partly = log.delete_before(3), opened(tmp_path).start_offset
    wholly = log.delete_before(-1), opened(tmp_path).start_offset

    assert (partly, wholly) == ((3, 3), (5, 5))
    assert append(opened(tmp_path), b"next") == [5]
    with pytest.raises(errors.PolicyViolationError):
        opened(tmp_path / "other", COMPACTED).delete_before(0)


def test_deleted_records_are_not_found_by_their_time(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, b"0", b"1", at_ms=NOW_MS)
    log.append(batch_of((b"k", b"2"), (b"k", b"3"), at_ms=NOW_MS + 1), NOW_MS)
    found = [log.first_since(NOW_MS)]
    for start in (2, 3, -1):
        log.delete_before(start)
        found.append(log.first_since(NOW_MS))

    assert found == [(NOW_MS, 0), (NOW_MS + 1, 2), (NOW_MS + 1, 3), (-1, -1)]


def test_of_too_many_producers_the_one_that_was_silent_longest_is_forgotten(tmp_path: Path) -> None:
    log = opened(tmp_path)

    def write(producer_id: int, sequence: int = 0) -> int:
        return log.append(batch_of((b"k", b"v"), producer_id=producer_id, sequence=sequence), NOW_MS)

    for producer_id in range(PRODUCERS_MAX):
        write(producer_id)
    write(0, sequence=1)
    newcomer = write(PRODUCERS_MAX)

    assert write(0) == 0, "known: it wrote again"
    assert write(1) == newcomer + 1, "forgotten: its repeated batch is taken for a new one"


def test_a_repeated_batch_is_known_after_a_restart(tmp_path: Path) -> None:
    first = batch_of((b"k", b"0"), (b"k", b"1"), producer_id=7, sequence=0)
    second = batch_of((b"k", b"2"), producer_id=7, sequence=2)
    log = opened(tmp_path)
    log.append(first, NOW_MS)
    log.append(second, NOW_MS)
    again = opened(tmp_path)

    assert (again.append(first, NOW_MS), again.append(second, NOW_MS), again.end_offset) == (0, 2, 3)
    with pytest.raises(errors.OutOfOrderSequenceNumber):
        again.append(batch_of((b"k", b"9"), producer_id=7, sequence=9), NOW_MS)


def test_compaction_keeps_offsets_headers_and_the_last_sequence_of_a_producer(tmp_path: Path) -> None:
    log = opened(tmp_path, COMPACTED)
    log.append(batch_of((b"a", b"0"), (b"b", b"1"), (b"a", b"2"), codec=1), NOW_MS)
    superseded = batch_of((b"b", b"3"), producer_id=7, sequence=0)
    log.append(superseded, NOW_MS)
    log.append(batch_of((b"b", b"4")), NOW_MS)
    opened(tmp_path, COMPACTED)
    again = opened(tmp_path, COMPACTED)

    assert contents(again) == [(2, b"a", b"2"), (4, b"b", b"4")]
    assert (records_of(again.read(0, 1, at_least_one=True)) or [])[0].headers == [("header", b"kept")]
    assert again.append(superseded, NOW_MS) == 3
    assert again.append(batch_of((b"b", b"5"), producer_id=7, sequence=1), NOW_MS) == 5


def test_a_tombstone_is_kept_for_slow_readers_and_then_goes(tmp_path: Path) -> None:
    log = opened(tmp_path, COMPACTED)
    append(log, b"value")
    log.append(batch_of((b"key", None)), NOW_MS)
    log.append(batch_of((b"other", b"value")), NOW_MS)
    day_ms = 24 * HOUR_MS

    assert contents(opened(tmp_path, COMPACTED, NOW_MS + day_ms)) == [(1, b"key", None), (2, b"other", b"value")]
    assert contents(opened(tmp_path, COMPACTED, NOW_MS + day_ms + 1)) == [(2, b"other", b"value")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.binary(max_size=40)), min_size=1))
)
def test_compaction_keeps_exactly_the_last_value_of_each_key(batches: list[list[Pair]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        log = opened(Path(directory), COMPACTED)
        for pairs in batches:
            log.append(batch_of(*pairs), NOW_MS)
        before = contents(log)
        newest = {key: (offset, key, value) for offset, key, value in before}
        expected = sorted(last for last in newest.values() if last[2] is not None)
        later_ms = NOW_MS + 25 * HOUR_MS
        once, twice = opened(Path(directory), COMPACTED, later_ms), opened(Path(directory), COMPACTED, later_ms)

        assert contents(once) == contents(twice) == expected
        assert twice.end_offset == log.end_offset


def test_the_file_of_committed_offsets_stays_bounded_and_survives_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "offsets.jsonl"
    offsets = CommittedOffsets(path)
    for number in range(STALE_LINES_MAX + 3):
        offsets.commit(("group", "topic", 0), number, "")
    with path.open("ab") as file:
        file.write(b'["group", "topic", 0, 1')

    assert CommittedOffsets(path).get(("group", "topic", 0)) == (STALE_LINES_MAX + 2, "")
    assert path.stat().st_size < 1000
