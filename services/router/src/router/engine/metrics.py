"""What the engine counts and measures; wraps the parts, which know nothing of it."""

from servicekit.telemetry import Telemetry


class EngineMetrics:
    """Prometheus metrics of an engine process, by partition."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.owned = telemetry.gauge("engine_owned", "1 while this engine owns the partition.", "partition")
        self.take_overs = telemetry.counter("engine_take_overs", "Epochs begun.", "partition")
        self.step_downs = telemetry.counter("engine_step_downs", "Epochs ended early.", "partition", "reason")
        self.void_batches = telemetry.counter("engine_void_batches", "Batches that the fold rule voids.", "partition")
        self.batches = telemetry.counter("engine_batches", "Batches confirmed.", "partition")
        self.facts = telemetry.counter("engine_facts", "Facts confirmed.", "partition")
        self.publish_behind = telemetry.gauge(
            "engine_publish_behind_batches", "Confirmed batches not published yet.", "partition"
        )
        self.projection_behind = telemetry.gauge(
            "engine_projection_behind_domains", "Domains whose views are older than the journal.", "partition"
        )
        self.snapshots = telemetry.counter("engine_snapshots", "Snapshots named or failed.", "partition", "outcome")
