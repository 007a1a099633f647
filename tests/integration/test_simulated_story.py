"""The real services in one process on fake ports and a virtual clock, dying on purpose: S1 to S6 hold.

The services: engines, chat gateway with its sockets, CRM consumers, the API's command path. Deaths come at awaits
between durable steps; appends to the log are lost, late or doubled; Redis goes away and may come back empty.
A failing seed tells its plan; `tell(plan_of(seed))` repeats it exactly.
"""

from dataclasses import replace
from functools import partial

import pytest
from centralino.proof.faults import report
from centralino.proof.simulation.services import KeptLog, World
from centralino.proof.simulation.story import plan_of, tell
from contracts.topics import MESSAGES
from servicekit.ports import Outgoing, Partition, Record
from servicekit.testing.memory_log import Faults
from typing_extensions import override

SEEDS = 20


class LosingLog(KeptLog):
    """Breaks its promise: acknowledges every tenth message and keeps none of those."""

    landed = 0

    @override
    def land(self, outgoing: Outgoing, partition: Partition) -> Record:
        self.landed += partition.topic == MESSAGES.name
        if partition.topic == MESSAGES.name and self.landed % 10 == 0:
            end = self.partitions[partition].end
            return Record(partition.topic, partition.number, end, outgoing.key, outgoing.value, outgoing.headers, 0)
        return super().land(outgoing, partition)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_dies_no_contact_and_no_message_is_lost_doubled_or_out_of_order(seed: int) -> None:
    plan = plan_of(seed)

    told = tell(plan)

    deaths = "\n".join(told.deaths)
    assert not told.faults, f"{plan}\n{deaths}\n{report(told.faults)}"


def test_a_seed_repeats_exactly() -> None:
    plan = plan_of(SEEDS)

    first, second = tell(plan), tell(plan)

    assert first.deaths, "the seed must be one where something dies"
    assert (first.fingerprint, first.deaths) == (second.fingerprint, second.deaths)


def test_the_story_finds_out_when_a_message_is_lost() -> None:
    calm = replace(plan_of(0), chats=10, death_risk=0.0, faults=Faults(), live_away_seconds=0.0, live_wiped=False)

    told = tell(calm, make_world=partial(World, log=LosingLog))

    assert "S6" in {fault.invariant for fault in told.faults}
