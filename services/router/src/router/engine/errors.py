"""Why an engine stops owning a partition."""

from servicekit.ports import Record


class StepDownError(Exception):
    """The engine gave the partition up and dropped its state; whoever holds the lease takes over from the journal."""


class FencedError(StepDownError):
    """A batch did not land right after the owner's previous record: another writer came in."""


class LeaseLostError(StepDownError):
    """Another engine holds the lease of the partition."""


class StaleProjectionError(StepDownError):
    """The Redis projection was written by an owner with a later epoch."""


class DecisionFailedError(StepDownError):
    """Deciding an input raised: a bug. The state is dropped; after three take-overs the input is parked."""

    def __init__(self, record: Record | None) -> None:
        super().__init__(f"{record.topic}[{record.partition}]@{record.offset}" if record else "timer or presence")
        self.record = record


class BatchTooLargeError(DecisionFailedError):
    """The effect of one input does not fit into one journal record: a bug, the domain should have split it."""


class JournalDamagedError(Exception):
    """A journal record cannot be read by this release. Restore it, or start the release that wrote it."""


class JournalGapError(Exception):
    """The journal's beginning is gone and no good snapshot covers the gap. Restore `routing.snapshots`, or start the
    release that wrote them."""


class GenerationRefusedError(Exception):
    """The journal is empty, but snapshots or events of an earlier one exist. If it was created anew on purpose, raise
    CENTRALINO_JOURNAL_GENERATION above the earlier generation; otherwise restore the journal."""
