"""Things go wrong for a while, as planned; then everything works again. And what can be seen of it afterwards."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from contracts.topics import ROUTING_JOURNAL, ROUTING_SNAPSHOTS
from router.engine.owner import Owner
from router.engine.takeover import load_fold
from router.engine.views import all_views
from servicekit.ports import Record
from servicekit.testing.memory_log import Faults
from servicekit.testing.virtual import VirtualClock

from centralino.proof.faults import Fault
from centralino.proof.simulation.plan import ClockStep, Freeze, Plan
from centralino.proof.simulation.process import Process
from centralino.proof.simulation.services import World

PROJECTION_SECONDS_MAX: Final = 30.0
LOOK_SECONDS: Final = 1.0
Engine = Process[Sequence[Owner]]


class Trouble:
    """Run it beside the story; `over` is set when everything works again."""

    def __init__(
        self,
        plan: Plan,
        world: World,
        processes: Sequence[Process[Any]],  # Any: each serves another thing
        engines: Sequence[Engine],
        clocks: Sequence[VirtualClock],
    ) -> None:
        self.over = asyncio.Event()
        self._plan = plan
        self._world = world
        self._processes = processes
        self._engines = engines
        self._clocks = clocks

    async def run(self) -> None:
        """All of the plan."""
        self._world.log.faults = self._plan.faults
        for process in self._processes:
            process.set_risk(self._plan.death_risk)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._world.clock.sleep(self._plan.trouble_seconds))
            group.create_task(self._save_live())
            group.create_task(self._lose_live())
            for freeze in self._plan.freezes:
                group.create_task(self._freeze(freeze))
            for step in self._plan.clock_steps:
                group.create_task(self._set_clock(step))
        self._world.log.faults = Faults()
        for process in self._processes:
            process.set_risk(0)
        self.over.set()

    async def _save_live(self) -> None:
        await self._world.clock.sleep(self._plan.live_saved_at_seconds)
        self._world.live.save()

    async def _lose_live(self) -> None:
        plan, world = self._plan, self._world
        await world.clock.sleep(plan.live_away_at_seconds)
        world.live.away = world.signals.away = plan.live_away_seconds > 0
        await world.clock.sleep(plan.live_away_seconds)
        world.live.away = world.signals.away = False
        if plan.live_comes_back == "wiped":
            world.live.wipe()
        elif plan.live_comes_back == "rolled back":
            world.live.roll_back()
        world.happened[f"Redis {plan.live_comes_back}"] += 1

    async def _freeze(self, freeze: Freeze) -> None:
        """Of the engine that owns anything: any partition of it is frozen with it."""
        await self._world.clock.sleep(freeze.at_seconds)
        for engine in self._engines:
            life = engine.life
            if life is not None and any(owner.reign for owner in life.service):
                life.doom.freeze()
                self._world.happened["owner frozen"] += 1
                await self._world.clock.sleep(freeze.seconds)
                life.doom.thaw()
                return

    async def _set_clock(self, step: ClockStep) -> None:
        await self._world.clock.sleep(step.at_seconds)
        self._clocks[step.engine].step(step.milliseconds)
        self._world.happened["clock forwards" if step.milliseconds > 0 else "clock backwards"] += 1


async def projection_faults(world: World, place: str, partition: int) -> list[Fault]:
    """L3: what Redis shows equals the fold of the journal, at the latest after a while."""
    waited_seconds = 0.0
    while True:
        async with world.log.reader("proof") as reader:
            fold = await load_fold(reader, partition)
        wanted, shown = all_views(fold.state, fold.sequences).get(place, {}), world.live.views(place)
        wrong = [
            f"{kind} {name}"
            for kind, views in shown.items()
            for name in {*views, *wanted.get(kind, {})}
            if views.get(name) != wanted.get(kind, {}).get(name)
        ]
        if not wrong:
            return []
        if waited_seconds >= PROJECTION_SECONDS_MAX:
            return [Fault("L3", place, f"Redis shows {', '.join(sorted(wrong))} otherwise than the journal")]
        waited_seconds += LOOK_SECONDS
        await world.clock.sleep(LOOK_SECONDS)


def journal_happened(kept: Sequence[Record], partition: int) -> Counter[str]:
    """Take-overs, and batches that the fold rule voids: of zombies (an old epoch) or after a loss or repeat."""
    happened: Counter[str] = Counter()
    epoch, number = -1, 0
    for record in kept:
        happened["snapshot chunk"] += record.topic == ROUTING_SNAPSHOTS.name
        if record.topic != ROUTING_JOURNAL.name or record.partition != partition:
            continue
        entry = json.loads(record.value or b"")
        if entry["kind"] == "epoch":
            epoch, number = record.offset, 0
            happened["take-over"] += 1
        elif entry["epoch"] != epoch:
            happened["zombie's batch"] += 1
        elif entry["number"] != number + 1:
            happened["void batch"] += 1
        else:
            number += 1
    return happened
