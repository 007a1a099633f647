"""A node's owner counts everybody's tasks, and knows where its own calls stand."""

from typing import Any, Final, cast

from contracts import Event
from contracts.tasks import TaskAbandoned, TaskQueued
from servicekit.ports import Record
from servicekit.telemetry import Telemetry
from servicekit.testing.set_clock import SetClock
from voice_gateway.commits import Commits
from voice_gateway.domain.driver import Capabilities
from voice_gateway.inputs import Input
from voice_gateway.live_calls import LiveCalls
from voice_gateway.resolving import Resolving, VoiceDirectory
from voice_gateway.routed import RouterSide, Steps
from voice_gateway.testing.owning import DOMAIN, NOW_MS, TENANT, call_of

RECORD: Final = Record("t", 0, 0, None, None, (), 0)


def test_the_place_of_a_call_follows_what_becomes_of_others_calls() -> None:
    side = RouterSide(
        "n1",
        LiveCalls("n1"),
        cast(Commits, None),  # nothing is written
        Resolving(VoiceDirectory()),
        can=Capabilities,
        is_outbound=False,
        clock=SetClock(),
        telemetry=Telemetry("test"),
    )
    for number in (1, 2):
        came(side, queued(number))
    assert [side.place_of(call_of("i", task_id=f"t{number}")) for number in (1, 2, 3)] == [1, 2, None]

    left = TaskAbandoned(
        task_id="t1",
        interaction_id="i1",
        domain=DOMAIN,
        queue="sales",
        reason="customer_left",
        abandoned_at_ms=NOW_MS,
        waited_ms=0,
    )
    came(side, left)
    assert side.place_of(call_of("i", task_id="t2")) == 1


def came(side: RouterSide, data: Any) -> None:  # Any: data of any event
    event = Event(id="e", source="/router", tenant_id=TENANT, subject="i", time_ms=1, data=data, sequence="1")
    side.came(Input(record=RECORD, event=event, read_at_ms=1), cast(Steps, None))  # no call goes on


def queued(number: int) -> TaskQueued:
    return TaskQueued(
        task_id=f"t{number}",
        interaction_id=f"i{number}",
        domain=DOMAIN,
        client="shop",
        channel="voice",
        queue="sales",
        priority=5,
        cost=1,
        requirements=(),
        queued_at_ms=NOW_MS + number,
        position=number,
    )
