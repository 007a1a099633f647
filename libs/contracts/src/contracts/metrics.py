"""Metrics: what is counted, and the named, versioned formulas over it. `contracts.meter` counts
routing events.

A figure is a quotient of two whole numbers, and both are kept: quotients cannot be added up, numbers can. A formula
never changes its meaning; another meaning is another version beside it.
"""

from dataclasses import dataclass, fields
from itertools import compress
from operator import attrgetter
from typing import Final, Literal, Self

COUNTING: Final = 1
"""Version of the rules in `contracts.metering` by which `Counts` come about."""
INTERVAL_MS: Final = 900_000
"""Counts are kept for every quarter of an hour, UTC."""

Unit = Literal["number", "share", "milliseconds", "times"]


@dataclass(slots=True, kw_only=True)
class Counts:
    """What happened in an interval, in a queue or to an agent. Adding those of two intervals gives those of both.

    *Contacts* are tasks of kind `contact` that no consult made; callbacks, cases, dials and consults are counted apart.
    *Waiting* of a contact runs from when the customer came (a transfer's: from when the transfer was asked for; in a
    closed queue: from when it opened) to the first assignment that the contact got in this queue.
    """

    offered: int = 0
    """Contacts that entered the queue: new ones, transfers into it, and those that came over from another queue."""
    offered_by_transfer: int = 0
    """Of those offered: made by a transfer."""
    offered_by_move: int = 0
    """Of those offered: came over from another queue (overflow, a rule, a supervisor)."""
    answered: int = 0
    """Contacts that got an agent for the first time in this queue; an auto-accepted offer counts as any other."""
    wait_ms: int = 0
    """Waiting of those answered."""
    abandoned: int = 0
    """Contacts whose customer left before the first agent, short ones not included."""
    abandoned_wait_ms: int = 0
    """Waiting of those abandoned."""
    short_abandoned: int = 0
    """Contacts whose customer left within the queue's `short_abandon_seconds`."""
    moved_out: int = 0
    """Contacts that went over to another queue before an agent had them."""
    called_back: int = 0
    """Contacts that became a callback before an agent had them."""
    passed_out: int = 0
    """Contacts that left the router before an agent had them: voicemail, closing message, ended by a supervisor."""
    promised: int = 0
    """Of those answered and those abandoned (short ones not): the queue had a service level then."""
    within: int = 0
    """Of those promised: answered, after a wait of at most the service level's seconds."""
    forecast: int = 0
    """Of those answered: an expected wait had been told at the beginning."""
    forecast_error_ms: int = 0
    """Of those forecast: distance between the wait that was expected and the one that came, either way."""
    forecast_bias_ms: int = 0
    """Of those forecast: expected less what came; below zero: customers were told too little."""
    others_offered: int = 0
    """Callbacks, cases, dials and consults that entered the queue."""
    others_assigned: int = 0
    """Assignments of callbacks, cases, dials and consults."""
    assigned_again: int = 0
    """Assignments of contacts that had been answered in this queue before."""
    left_again: int = 0
    """Contacts whose customer left after an answer had come to nothing, and before the next."""
    requeued: int = 0
    """Assignments that ended because the agent was lost or removed."""
    unassigned: int = 0
    """Assignments that ended for another reason before the work was done: parked, connection failed, no
    response."""
    handled: int = 0
    """Assignments that ended with the work done or handed over, whatever the kind of task."""
    handle_ms: int = 0
    """Time of all assignments that ended, from acceptance to the end of wrap-up; of requeued ones too."""
    hold_ms: int = 0
    """Of it, on hold."""
    wrapup_ms: int = 0
    """Of it, wrap-up."""
    handed_over: int = 0
    """Of those handled: ended by a completed transfer, cold or warm."""
    waits_begun: int = 0
    """Tasks of any kind that began to wait in the queue, or to wait again."""
    waits_ended: int = 0
    """Tasks of any kind that stopped waiting in the queue."""
    offers: int = 0
    """Offers to agents; of parallel offers each one."""
    offers_accepted: int = 0
    """Accepted, by the agent or for them."""
    offers_rejected: int = 0
    """Declined."""
    offers_expired: int = 0
    """Left unanswered."""
    offers_taken_back: int = 0
    """Rescinded or withdrawn, as those that another agent's acceptance ended."""
    busy_ms: int = 0
    """Time of an agent with at least one assignment or wrap-up: of several at once it counts once."""
    task_ms: int = 0
    """The same time, counted once for each assignment and wrap-up."""
    idle_ms: int = 0
    """Time of an agent who is ready and present and has no assignment or wrap-up; a live offer changes nothing."""

    def add(self, other: Self) -> None:
        """Take in the counts of another interval, or of another part of the same."""
        for name in COUNT_NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def plain(self) -> dict[str, int]:
        """What is not zero, by name."""
        counts = _all_counts(self)
        return dict(compress(zip(COUNT_NAMES, counts, strict=True), counts))


COUNT_NAMES: Final = tuple(field.name for field in fields(Counts))
_all_counts: Final = attrgetter(*COUNT_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A figure as it is kept: `numerator` alone for a number, else over `denominator`."""

    numerator: int
    denominator: int | None = None

    @property
    def ratio(self) -> float | None:
        """The quotient; none of a number, and none when the denominator is zero: then nobody can say."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A figure: the sum of some counts, over the sum of others."""

    name: str
    title: str
    unit: Unit
    says: str
    """What exactly counts."""
    numerator: tuple[str, ...]
    less: tuple[str, ...] = ()
    """Taken from the numerator."""
    denominator: tuple[str, ...] = ()
    of: tuple[Literal["queue", "agent"], ...] = ("queue",)

    def value(self, counts: Counts) -> Value:
        """The figure of these counts."""
        numerator = sum(getattr(counts, name) for name in self.numerator)
        numerator -= sum(getattr(counts, name) for name in self.less)
        denominator = sum(getattr(counts, name) for name in self.denominator) if self.denominator else None
        return Value(numerator=numerator, denominator=denominator)


_BOTH: Final[tuple[Literal["queue", "agent"], ...]] = ("queue", "agent")

FORMULAS: Final = (
    Formula(
        name="offered.v1",
        title="Offered",
        unit="number",
        says="Contacts that entered the queue. A contact counts once in each queue that it enters: a transfer makes a "
        "contact of its own and counts in the queue where it waits, one that overflows counts in both queues, one "
        "that comes back counts again. A requeue, a longer wait on other terms, and parallel offers count "
        "nothing. Callbacks, cases, dials and consults do not count. Customers of a day, without transfers and "
        "overflow: offered, less offered_by_transfer and offered_by_move.",
        numerator=("offered",),
    ),
    Formula(
        name="answered.v1",
        title="Answered",
        unit="number",
        says="Contacts that got an agent for the first time in this queue, when they got one. An auto-accepted offer "
        "is an answer; of parallel offers only the accepted one is. The answer after a requeue, after parking or "
        "after a failed connection is not counted again. Of an agent: those that they answered.",
        numerator=("answered",),
        of=_BOTH,
    ),
    Formula(
        name="abandoned.v1",
        title="Abandoned",
        unit="number",
        says="Contacts whose customer left while waiting or offered, before the first agent in this queue, later than "
        "the queue's `short_abandon_seconds`. Overflow, a callback, voicemail and a closing message are no "
        "abandons.",
        numerator=("abandoned",),
    ),
    Formula(
        name="service_level.v1",
        title="Service level",
        unit="share",
        says="Contacts answered within the queue's `service_level.within_seconds`, of those answered or abandoned "
        "while the queue had a service level. An abandon counts as not met however soon it came, but a short "
        "abandon does not count at all. The wait is the customer's: overflow does not set it back; a transfer's "
        "contact waits from the transfer on. What became a callback, overflowed out or left to voicemail or a "
        "message is in neither number: the queue that answers in the end is judged. The seconds are those in "
        "force when the contact was answered or left.",
        numerator=("within",),
        denominator=("promised",),
    ),
    Formula(
        name="asa.v1",
        title="Average speed of answer",
        unit="milliseconds",
        says="Mean waiting of the contacts answered: from when the customer came to the first assignment in this "
        "queue, offers that came to nothing included, time in other queues before an overflow included, time "
        "before a closed queue opened not included; of a transfer's contact from the transfer on. Of an agent: of "
        "those that they answered.",
        numerator=("wait_ms",),
        denominator=("answered",),
        of=_BOTH,
    ),
    Formula(
        name="abandon_rate.v1",
        title="Abandon rate",
        unit="share",
        says="Contacts abandoned, of those answered or abandoned. Short abandons are in neither number.",
        numerator=("abandoned",),
        denominator=("answered", "abandoned"),
    ),
    Formula(
        name="short_abandon.v1",
        title="Short abandons",
        unit="share",
        says="Contacts whose customer left within the queue's `short_abandon_seconds`, of those answered or abandoned, "
        "short ones included.",
        numerator=("short_abandoned",),
        denominator=("answered", "abandoned", "short_abandoned"),
    ),
    Formula(
        name="overflow_rate.v1",
        title="Given up by the queue",
        unit="share",
        says="Contacts that left the queue before an agent had them and without being abandoned - to another queue, a "
        "callback, voicemail, a closing message, or ended by a supervisor - of all contacts that left its line.",
        numerator=("moved_out", "called_back", "passed_out"),
        denominator=("answered", "abandoned", "short_abandoned", "moved_out", "called_back", "passed_out"),
    ),
    Formula(
        name="aht.v1",
        title="Average handle time",
        unit="milliseconds",
        says="Talk, hold and wrap-up over handled. The time is that of all assignments that ended, from acceptance to "
        "the end of wrap-up, of all kinds of tasks and of consulted agents; time before a requeue or parking "
        "counts, so that no work is lost. Handled are assignments that ended with the work done or handed over: a "
        "transferred contact is handled by each of its agents, a requeued or parked one by the agent who finished "
        "it, a consult that ends without taking over by nobody. Of several tasks at once each counts its whole "
        "time. It stands in the interval in which the assignment ended.",
        numerator=("handle_ms",),
        denominator=("handled",),
        of=_BOTH,
    ),
    Formula(
        name="handled.v1",
        title="Handled",
        unit="number",
        says="Assignments that ended with the work done or handed over to another agent, when wrap-up ended.",
        numerator=("handled",),
        of=_BOTH,
    ),
    Formula(
        name="transfer_rate.v1",
        title="Transfer rate",
        unit="share",
        says="Assignments that a completed transfer ended, cold or warm, of those handled. It counts for the queue and "
        "the agent who handed over. Consults and conferences that did not change the owner, overflow, requeues "
        "and transfers that failed or were cancelled do not count.",
        numerator=("handed_over",),
        denominator=("handled",),
        of=_BOTH,
    ),
    Formula(
        name="backlog.v1",
        title="Backlog",
        unit="number",
        says="Tasks of every kind that wait at the end of the interval, offered and deferred ones included: those that "
        "ever began to wait, less those that stopped, counted from the first event. A sum over all intervals up "
        "to it.",
        numerator=("waits_begun",),
        less=("waits_ended",),
    ),
    Formula(
        name="expected_wait_error.v1",
        title="Error of the expected wait",
        unit="milliseconds",
        says="Mean distance, either way, between the wait that was told when a contact was queued and the wait that "
        "came, of contacts answered for which one was told.",
        numerator=("forecast_error_ms",),
        denominator=("forecast",),
    ),
    Formula(
        name="expected_wait_bias.v1",
        title="Bias of the expected wait",
        unit="milliseconds",
        says="Mean of the wait that was told less the wait that came, of the same contacts: below zero, customers were "
        "told too little.",
        numerator=("forecast_bias_ms",),
        denominator=("forecast",),
    ),
    Formula(
        name="occupancy.v1",
        title="Occupancy",
        unit="share",
        says="Time handling over time handling and idle ready. Handling is time with at least one assignment or "
        "wrap-up, counted once however many there are, and whatever the agent's state; idle ready is time ready "
        "and present without any. A live offer alone is idle time. Time not ready or not reachable without work "
        "is in neither number. Time is cut at the ends of intervals; a stretch counts when it ends, at the "
        "agent's next change.",
        numerator=("busy_ms",),
        denominator=("busy_ms", "idle_ms"),
        of=("agent",),
    ),
    Formula(
        name="concurrency.v1",
        title="Tasks at once",
        unit="times",
        says="How many tasks an agent has in hand while handling any: time counted for each task over time counted "
        "once.",
        numerator=("task_ms",),
        denominator=("busy_ms",),
        of=("agent",),
    ),
    Formula(
        name="offer_acceptance.v1",
        title="Offers accepted",
        unit="share",
        says="Offers accepted, of those accepted, rejected or left to expire. Offers that were taken back are in "
        "neither number, among them parallel ones that another agent was quicker to accept.",
        numerator=("offers_accepted",),
        denominator=("offers_accepted", "offers_rejected", "offers_expired"),
        of=_BOTH,
    ),
)

BY_NAME: Final = {formula.name: formula for formula in FORMULAS}
