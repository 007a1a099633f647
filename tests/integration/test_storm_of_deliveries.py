"""A small storm of providers' deliveries on real processes; `make bench ARGS=webhook_storm` lets the whole one pass."""

from pathlib import Path

import pytest

from benchmarks.webhook_storm.plan import Size
from benchmarks.webhook_storm.storm import pass_over

SIZE = Size(
    deliveries=750,
    rate=30,
    shuffle_seconds=5,
    kills=2,
    restarts=1,
    outage_seconds=3,
    real_kafka=False,
)


@pytest.mark.timeout(600)
def test_each_message_is_told_once_and_in_order_while_gateways_are_killed_and_kafka_goes(tmp_path: Path) -> None:
    passed = pass_over(SIZE, tmp_path)

    assert passed.faults == []
    assert [sent.acked for sent in passed.sent].count(None) == 0
    assert any(sent.attempts > 1 for sent in passed.sent)
