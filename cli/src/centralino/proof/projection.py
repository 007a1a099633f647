"""L3: the views in Redis against those that `folded_views` makes from the journal."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final

from servicekit.ports import Record

from centralino.proof.faults import Fault
from centralino.proof.folded_views import FoldedViews
from centralino.proof.history import History
from centralino.proof.journal import Batch, Epoch, counted
from centralino.proof.samples import Sample, View, Views
from centralino.proof.timing import Bounds, Trouble

BEHIND_MS: Final = 2000
"""A view is still counted as current when what it lacks is younger."""


def projection_faults(
    history: History, samples: Sequence[Sample], domain: str, trouble: Trouble, bounds: Bounds
) -> Iterator[Fault]:
    """Views that differ from the fold at their own position, or that stay gone or behind for too long."""
    yield from _differences(history, samples, domain)
    due = due_positions(history, domain)
    current_ms = current_again_ms(due, samples, trouble)
    if current_ms is None:
        yield Fault("L3", "Redis", "the views were never current again after the trouble, or not in the end")
    elif current_ms - trouble.calm_at_ms > bounds.ms(bounds.projection_seconds):
        yield Fault(
            "L3", "Redis", f"the views were current again {current_ms - trouble.calm_at_ms} ms after the trouble"
        )


def due_positions(history: History, domain: str) -> list[tuple[int, int]]:
    """When each batch with something to show was appended, and its offset."""
    return [
        (entry.appended_at_ms, entry.position.offset)
        for entry in _entries(history.journal, domain)
        if isinstance(entry, Batch) and any(not name.startswith("internal.") for _, name, _ in entry.facts)
    ]


def current_again_ms(due: Sequence[tuple[int, int]], samples: Sequence[Sample], trouble: Trouble) -> int | None:
    """From which moment after the blow on the views were there, and never behind the journal again; none: never."""
    after = [sample for sample in samples if sample.at_ms > trouble.struck_at_ms]
    current = takewhile(lambda sample: _is_current(due, sample), reversed(after))
    return min((sample.at_ms for sample in current), default=None)


def _differences(history: History, samples: Sequence[Sample], domain: str) -> Iterator[Fault]:
    known = sorted((s for s in samples if s.position is not None), key=lambda s: (s.position or 0, s.at_ms))
    folded, entries, shown = FoldedViews(history, domain), _entries(history.journal, domain), set[str]()
    entry = next(entries, None)
    for sample in known:
        while entry is not None and entry.position.offset <= (sample.position or 0):
            folded.take(entry)
            entry = next(entries, None)
        for difference in _compared(folded.views(), sample.views):
            if difference not in shown:
                shown.add(difference)
                yield Fault("L3", f"Redis at {sample.position}", difference)


def _compared(expected: Views, found: Mapping[str, Mapping[str, View]]) -> Iterator[str]:
    for kind, views in expected.items():
        for name in sorted(views.keys() | found[kind].keys()):
            told, kept = views.get(name), found[kind].get(name)
            if told == kept:
                continue
            if told is None or kept is None:
                yield f"{kind} {name} is {'shown and not folded' if told is None else 'folded and not shown'}"
                continue
            fields = sorted(key for key in told.keys() | kept.keys() if told.get(key) != kept.get(key))
            yield f"{kind} {name}: " + ", ".join(f"{key} is {kept.get(key)}, not {told.get(key)}" for key in fields)


def _is_current(due: Sequence[tuple[int, int]], sample: Sample) -> bool:
    """Whether the views hold every batch that was appended more than a moment before."""
    newest = max((offset for at_ms, offset in due if at_ms < sample.at_ms - BEHIND_MS), default=-1)
    return sample.position is not None and sample.position >= newest


def _entries(journal: Sequence[Record], domain: str) -> Iterator[Epoch | Batch]:
    """Those of the domain's partition."""
    entries = list(counted(journal))
    home = {
        entry.partition
        for entry in entries
        if isinstance(entry, Batch) and any(data.get("domain") == domain for _, _, data in entry.facts)
    }
    return (entry for entry in entries if entry.partition in home)
