"""What senders waited: in calm weather, while something was broken, over all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.report import Report
from benchmarks.webhook_storm.sender import Sent
from benchmarks.webhook_storm.storm import Passed, Struck

NORMAL_MS: Final = 250
FAULT_MS: Final = 1000
IN_FLIGHT_SECONDS: Final = 0.5
"""An answer of a killed gateway may be read so long afterwards."""


@dataclass(frozen=True, slots=True)
class Window:
    """While something is broken: of a gateway until it acknowledges again, of the broker until all is published that
    was acknowledged before it came back."""

    kind: str
    since: float
    until: float

    def holds(self, sent: Sent) -> bool:
        """Whether the delivery waited in it at any time."""
        return sent.due <= self.until and (sent.acked is None or sent.acked >= self.since)


def windows(passed: Passed) -> list[Window]:
    """All of them in order of their beginning."""
    found: list[Window] = []
    for number, struck in enumerate(passed.struck):
        if struck.blow.kind == "kill":
            found.append(Window("kill", struck.at, _back(passed.sent, struck)))
        elif struck.blow.kind == "stop_kafka":
            back = next(each for each in passed.struck[number:] if each.blow.kind == "start_kafka")
            found.append(Window("kafka", struck.at, max(back.until, _caught_up(passed, back.until))))
    return found


def tell(report: Report, passed: Passed) -> None:
    """Figures of each kind of weather, and of what it took."""
    broken = windows(passed)
    parts = {
        "normal": [sent for sent in passed.sent if not any(window.holds(sent) for window in broken)],
        "fault": [sent for sent in passed.sent if any(window.holds(sent) for window in broken)],
        "kill": _held(passed.sent, [window for window in broken if window.kind == "kill"]),
        "kafka": _held(passed.sent, [window for window in broken if window.kind == "kafka"]),
        "whole": list(passed.sent),
    }
    goals = {"normal": f"<= {NORMAL_MS}", "fault": f"<= {FAULT_MS}"}
    for name, some in parts.items():
        waits = sorted((sent.acked - sent.due) * 1000 for sent in some if sent.acked is not None)
        report.write(f"webhook_storm.{name}.deliveries", len(some), "")
        for share in (50, 99) if waits else ():
            wait = waits[min(len(waits) - 1, len(waits) * share // 100)]
            report.write(f"webhook_storm.{name}.p{share}", wait, "ms", goals.get(name, "") if share == 99 else "")
        report.write(f"webhook_storm.{name}.max", waits[-1] if waits else 0, "ms")
    for window in broken:
        report.write(f"webhook_storm.{window.kind}.lasted", window.until - window.since, "s")
    _tell_work(report, passed)


def _tell_work(report: Report, passed: Passed) -> None:
    sent = passed.sent
    report.write("webhook_storm.rate", len(sent) / (sent[-1].due - sent[0].due or 1), "1/s")
    report.write("webhook_storm.unacknowledged", sum(each.acked is None for each in sent), "", "0")
    report.write("webhook_storm.attempts", sum(each.attempts for each in sent), "")
    report.write("webhook_storm.attempts.busy", sum(each.busy for each in sent), "")
    report.write("webhook_storm.attempts.broken", sum(each.broken for each in sent), "")
    report.write("webhook_storm.messages", len(passed.published), "")
    report.write("webhook_storm.repeats", passed.repeats, "")
    report.write("webhook_storm.s6.faults", len(passed.faults), "", "0")
    for name, load in zip(("before", "after"), passed.loads, strict=True):
        report.write(f"webhook_storm.load.{name}", load, "")


def _held(sent: Iterable[Sent], some: Sequence[Window]) -> list[Sent]:
    return [each for each in sent if any(window.holds(each) for window in some)]


def _back(sent: Sequence[Sent], struck: Struck) -> float:
    """When the killed replica first acknowledged again."""
    since, replica = struck.at + IN_FLIGHT_SECONDS, struck.blow.replica
    acks = [each.acked for each in sent if each.replica == replica and each.acked is not None and each.acked > since]
    return min(acks, default=float("inf"))


def _caught_up(passed: Passed, back: float) -> float:
    """When the last of what was acknowledged before the broker was back was handed to it."""
    handed = [
        passed.published[text]
        for sent, says in zip(passed.sent, passed.says, strict=True)
        if sent.acked is not None and sent.acked <= back
        for text in says
        if text in passed.published
    ]
    return max(handed, default=back)
