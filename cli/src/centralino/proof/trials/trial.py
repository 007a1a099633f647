"""Trials: plans carried out in the middle of a story, one after the other on one stack, and the verdicts."""

import asyncio
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import httpx
from servicekit.testing.eventually import eventually
from servicekit.testing.kafka_jars import KafkaNode, kafka_node
from servicekit.testing.virtual import SeededChance

from centralino.backends import remove_postgres_data
from centralino.proof.checker import find_faults
from centralino.proof.clients import NO_CERTIFICATES
from centralino.proof.faults import Fault
from centralino.proof.history import History
from centralino.proof.journal import epochs, void_batches
from centralino.proof.lag import caught_up_at_ms, lag_faults
from centralino.proof.leftovers import events
from centralino.proof.projection import current_again_ms, due_positions, projection_faults
from centralino.proof.requests import ambiguous
from centralino.proof.running import Running, running_stack
from centralino.proof.story import Story
from centralino.proof.tenant import DOMAIN
from centralino.proof.timing import Bounds, Trouble, next_offer_ms, timing_faults
from centralino.proof.trials.plan import ENGINES, Plan
from centralino.proof.trials.probe import Probe
from centralino.proof.trials.strike import Striker
from centralino.proof.trials.watch import Watch

ARRIVALS_PER_SECOND: Final = 4.0
IGNORE_ODDS: Final = 0.12
"""Enough offers run into their time-out that at any moment one is due soon."""
STORY_SECONDS_MAX: Final = 240.0
EMPTIED_SECONDS: Final = 10.0
"""Within which the views are there again after Redis was emptied."""
CHATS_PER_AGENT: Final = 4
LAST_EVENTS: Final = 5
QUIET_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is told, on which Kafka, and how patiently it is judged."""

    chats: int = 40
    real_kafka: bool = False
    patience: float = 1.0


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What came of a plan. Times are milliseconds after the blow; none: it never came, or there is no such thing."""

    plan: Plan
    real_kafka: bool
    faults: list[str] = field(default_factory=list)
    error: str | None = "it did not come to its end"
    """Why the trial could not be carried out to its end."""
    seconds: float = 0.0
    trouble_ms: int | None = None
    """Until every part ran and was ready again."""
    next_offer_ms: int | None = None
    views_ms: int | None = None
    """Until the views in Redis were current again."""
    caught_up_ms: int | None = None
    """Until every reader had come to the end once."""
    requests: int = 0
    ambiguous: int = 0
    take_overs: int = 0
    void_batches: int = 0

    @property
    def sound(self) -> bool:
        """Whether every promise was kept."""
        return not self.faults and self.error is None

    def as_json(self) -> dict[str, object]:
        """For a line of the report."""
        return asdict(self)


def judge_plans(plans: Sequence[Plan], size: Size, folder: Path) -> list[Verdict]:
    """Carry plans out one after the other on one stack, with all its data and logs in `folder`.

    The stack ends with the first plan that breaks a promise, so there may be fewer verdicts than plans, but one at
    least; then the folder stays, else it is removed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that is killed on purpose is no news
    verdicts: list[Verdict] = []
    try:
        with ExitStack() as stack:
            node = stack.enter_context(kafka_node(folder / "kafka")) if size.real_kafka else None
            given = ["--engines", str(ENGINES), *(["--kafka", node.url] if node else [])]
            running = stack.enter_context(running_stack(folder, given=given))
            asyncio.run(_Trials(size, running, node, verdicts).run(plans))
    except Exception as error:  # noqa: BLE001 - whatever it was, the trial has no sound end
        if not verdicts:
            verdicts.append(Verdict(plan=plans[0], real_kafka=size.real_kafka))
        verdicts[-1].error = _innermost(error)[:2000]
    if all(verdict.sound for verdict in verdicts):
        remove_postgres_data(folder / "data")
        shutil.rmtree(folder, ignore_errors=True)
    return verdicts


@dataclass(slots=True)
class _Trials:
    size: Size
    running: Running
    node: KafkaNode | None
    verdicts: list[Verdict]

    async def run(self, plans: Sequence[Plan]) -> None:
        """Until one is not sound."""
        story = Story(
            home=self.running.home,
            addresses=self.running.addresses,
            chats=self.size.chats,
            agents=max(4, self.size.chats // CHATS_PER_AGENT),
            arrivals_per_second=ARRIVALS_PER_SECOND,
            ignore_odds=IGNORE_ODDS,
            seconds_max=STORY_SECONDS_MAX,
            chance=SeededChance(plans[0].seed),
        )
        watch = Watch(addresses=self.running.addresses)
        async with story.opened(), asyncio.TaskGroup() as watching, httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
            looks = [watching.create_task(watch.watch_views()), watching.create_task(watch.watch_lags())]
            probe = Probe(stack=self.running, client=client)
            await eventually(probe.find_partition, timeout_seconds=QUIET_SECONDS_MAX)
            for plan in plans:
                striker = Striker(stack=self.running, plan=plan, probe=probe, node=self.node)
                self.verdicts.append(Verdict(plan=plan, real_kafka=self.size.real_kafka))
                await self._try(striker, story, watch)
                if not self.verdicts[-1].sound:
                    break
            for look in looks:
                look.cancel()

    async def _try(self, striker: Striker, story: Story, watch: Watch) -> None:
        plan, verdict, began_at_ms = striker.plan, self.verdicts[-1], story.clock.now_ms()
        troubles: list[Trouble] = []

        async def strike() -> None:
            troubles.append(await striker.strike())

        watch.forget()
        try:
            await story.tell(strike, at_share=plan.at_share)
        except TimeoutError:
            if not troubles:
                raise TimeoutError(f"the plan was not carried out within {STORY_SECONDS_MAX:.0f} s") from None
        with suppress(AssertionError):  # what is not quiet is told below
            await eventually(watch.quiet, timeout_seconds=QUIET_SECONDS_MAX)
        bounds = Bounds(patience=self.size.patience)
        if plan.kind == "empty":
            bounds = replace(bounds, projection_seconds=EMPTIED_SECONDS)
        histories: list[History] = []

        def judge(history: History) -> list[Fault]:
            histories.append(history)
            return _settled_faults(watch, troubles[0], bounds, history)

        faults = await story.faults(judge)
        history = histories[-1]
        faults += timing_faults(history, troubles[0], bounds, since_ms=began_at_ms)
        faults += _endless(story, history)
        verdict.faults, verdict.error = [str(fault) for fault in faults], None
        verdict.seconds = round((story.clock.now_ms() - began_at_ms) / 1000, 1)
        asked = [request for request in history.requests if request.asked_at_ms >= began_at_ms]
        verdict.requests, verdict.ambiguous = len(asked), ambiguous(asked)
        verdict.take_overs = sum(epoch.appended_at_ms >= began_at_ms for epoch in epochs(history.journal))
        self._measure(history, watch, troubles[0])

    def _measure(self, history: History, watch: Watch, trouble: Trouble) -> None:
        verdict, struck_at_ms = self.verdicts[-1], trouble.struck_at_ms
        verdict.trouble_ms = trouble.calm_at_ms - struck_at_ms
        verdict.next_offer_ms = next_offer_ms(history, struck_at_ms)
        current_ms = current_again_ms(due_positions(history, DOMAIN), watch.samples, trouble)
        verdict.views_ms = _since(struck_at_ms, current_ms)
        verdict.caught_up_ms = _since(struck_at_ms, caught_up_at_ms(watch.lags, trouble))
        verdict.void_batches = void_batches(history.journal) - sum(each.void_batches for each in self.verdicts[:-1])


def _settled_faults(watch: Watch, trouble: Trouble, bounds: Bounds, history: History) -> list[Fault]:
    """What may still come right."""
    return [
        *find_faults(history, finished=True),
        *projection_faults(history, watch.samples, DOMAIN, trouble, bounds),
        *lag_faults(watch.lags, trouble, bounds),
    ]


def _endless(story: Story, history: History) -> Iterator[Fault]:
    """Chats that had no end, with the last that is known of them."""
    for customer in story.customers:
        if not customer.over:
            known = "; ".join(events(history, customer.interaction_id)[-LAST_EVENTS:])
            yield Fault("L1", customer.interaction_id, f"had no end within {STORY_SECONDS_MAX:.0f} s. Last: {known}")


def _since(struck_at_ms: int, at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms - struck_at_ms


def _innermost(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_innermost(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"
