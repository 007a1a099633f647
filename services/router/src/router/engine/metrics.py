"""What the engine counts and measures, and what is asked of the partitions it owns when Prometheus looks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from contracts.metrics import Counts
from contracts.tasks import TaskAssigned
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from servicekit.ports import Clock
from servicekit.telemetry import NAMESPACE, Telemetry
from typing_extensions import override

from router.domain.state import DomainState
from router.domain.task import TaskState
from router.engine.deciding import Sealed

if TYPE_CHECKING:
    from router.engine.owner import Owner
    from router.engine.reign import Reign

QUEUES_MAX: Final = 200
"""Queues of a process that have a label of their own; the others are summed up as queue `other`."""
OTHER: Final = ("other", "other", "other")
RECENT: Final = ("offered", "answered", "abandoned", "short_abandoned", "promised", "within")
"""Counts of docs/metrics-formulas.md; the service level is `within` over `promised`."""
STATES: Final[tuple[TaskState, ...]] = ("waiting", "offered", "assigned", "wrapup")


class EngineMetrics:
    """Prometheus metrics of an engine process, by partition."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._registry = telemetry.registry
        self.owned = telemetry.gauge("engine_owned", "1 while this engine owns the partition.", "partition")
        self.take_overs = telemetry.counter("engine_take_overs", "Epochs begun.", "partition")
        self.step_downs = telemetry.counter("engine_step_downs", "Epochs ended early.", "partition", "reason")
        self.void_batches = telemetry.counter("engine_void_batches", "Batches that the fold rule voids.", "partition")
        self.batches = telemetry.counter("engine_batches", "Batches confirmed.", "partition")
        self.facts = telemetry.counter("engine_facts", "Facts confirmed, by type of event.", "partition", "type")
        self.snapshots = telemetry.counter("engine_snapshots", "Snapshots named or failed.", "partition", "outcome")
        self.decisions_seconds = telemetry.histogram(
            "engine_decision_seconds", "From a batch's oldest input in Kafka to its confirmation.", "partition"
        )
        self.waits_seconds = telemetry.histogram("engine_wait_seconds", "How long a task waited until its assignment.")

    def expect(self, label: str) -> None:
        """Tell of a partition before it is owned: that nobody owns it shows only where somebody says so, and of a
        series that begins at 1 Prometheus sees no increase.
        """
        self.owned.labels(label).set(0)
        for metric in (self.take_overs, self.void_batches, self.decisions_seconds):
            metric.labels(label)

    def confirmed(self, label: str, sealed: Sealed, now_ms: int) -> None:
        """A batch counts."""
        self.batches.labels(label).inc()
        for name, count in Counter(name for _, name, _ in sealed.record.facts).items():
            self.facts.labels(label, name).inc(count)
        for event in sealed.confirmed.events:
            if isinstance(event.fact.data, TaskAssigned):
                self.waits_seconds.observe(event.fact.data.waited_ms / 1000)
        if sealed.oldest_input_ms is not None:
            self.decisions_seconds.labels(label).observe(max(0, now_ms - sealed.oldest_input_ms) / 1000)

    def watch(self, owners: Sequence["Owner"], clock: Clock) -> None:
        """Tell of the partitions that these own whenever the metrics are asked for."""
        self._registry.register(_OwnedPartitions(owners, clock))


class _OwnedPartitions(Collector):
    """What stands in the state of the partitions that this engine owns."""

    def __init__(self, owners: Sequence["Owner"], clock: Clock) -> None:
        self._owners = owners
        self._clock = clock

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All at one moment: nothing is decided meanwhile."""
        owned = [(owner.partition, owner.reign) for owner in self._owners if owner.reign is not None]
        now_ms = self._clock.now_ms()
        yield from _of_partitions(owned, now_ms)
        yield from _of_queues([domain for _, reign in owned for domain in reign.decider.state.domains.values()], now_ms)


def _of_partitions(owned: Iterable[tuple[int, "Reign"]], now_ms: int) -> Iterator[GaugeMetricFamily]:
    inbox = _gauge("engine_inbox_inputs", "Inputs read and not decided yet.", "partition")
    publish = _gauge("engine_publish_behind_batches", "Confirmed batches not published yet.", "partition")
    behind = _gauge("engine_projection_behind_domains", "Domains whose views are older than the journal.", "partition")
    age = _gauge("engine_projection_age_seconds", "For how long the oldest such views have been so.", "partition")
    for number, reign in owned:
        since_ms = reign.projection.behind_since_ms()
        inbox.add_metric([str(number)], reign.waiting_inputs())
        publish.add_metric([str(number)], reign.publisher.behind_batches)
        behind.add_metric([str(number)], reign.projection.unwritten_domains())
        age.add_metric([str(number)], 0 if since_ms is None else max(0, now_ms - since_ms) / 1000)
    yield from (inbox, publish, behind, age)


def _of_queues(domains: Iterable[DomainState], now_ms: int) -> Iterator[GaugeMetricFamily]:
    tasks = _gauge("engine_tasks", "Live tasks.", "tenant", "domain", "queue", "state")
    oldest = _gauge(
        "engine_oldest_waiting_seconds", "For how long the first in line waits.", "tenant", "domain", "queue"
    )
    recent = _gauge("engine_recent_contacts", "Contacts of the last half hour.", "tenant", "domain", "queue", "count")
    lately: dict[tuple[str, str, str], Counts] = {}
    counts: dict[tuple[str, str, str], dict[TaskState, int]] = {}
    ages: dict[tuple[str, str, str], float] = {}
    for domain in domains:
        for name, line in domain.queues.items():
            own = (domain.tenant_id, domain.domain, name)
            key = own if len(counts) < QUEUES_MAX else OTHER
            summed = counts.setdefault(key, dict.fromkeys(STATES, 0))
            for state, count in line.counts.items():
                summed[state] += count
            since_ms = line.oldest_queued_at_ms
            waited = 0.0 if since_ms is None else max(0, now_ms - since_ms) / 1000
            ages[key] = max(ages.get(key, 0.0), waited)
            lately.setdefault(key, Counts()).add(line.measured.lately(now_ms))
    for key, summed in counts.items():
        oldest.add_metric(list(key), ages[key])
        for state in STATES:
            tasks.add_metric([*key, state], summed[state])
        for name in RECENT:
            recent.add_metric([*key, name], getattr(lately[key], name))
    yield from (tasks, oldest, recent)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", text, labels=labels)
