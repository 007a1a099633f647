"""Who hears whom on a node without telephony."""

from servicekit.testing.virtual import VirtualClock
from voice_gateway.domain.commands import Answer, Dial, HangUp, Join, Monitor, OpenRoom
from voice_gateway.domain.events import Event, LegAnswered, LegEnded
from voice_gateway.domain.words import Number, Party
from voice_gateway.drivers.simulated import SimulatedDriver


class Heard:
    """Keeps what a driver tells."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        """See Sink."""
        self.events.append(event)


async def test_caller_and_agent_hear_one_another_and_a_whisper_reaches_the_agent_alone() -> None:
    sink = Heard()
    node = SimulatedDriver("n1", sink, VirtualClock())
    for phone in ("ada", "eve"):
        node.phones.behave(phone, "answers")
    leg_id = node.phones.call("anna", "+390612345", Party(number="anna"))

    for command in (
        Answer(leg_id=leg_id),
        OpenRoom(room_id="r", kind="talk"),
        Join(room_id="r", leg_id=leg_id),
        Dial(leg_id="a", to=Number(number="ada"), ring_seconds=20),
        Join(room_id="r", leg_id="a"),
        Dial(leg_id="s", to=Number(number="eve"), ring_seconds=20),
        Monitor(leg_id="s", of_leg_id="a", mode="whisper"),
    ):
        await node.do(command)
        await node.do(command)

    heard = {phone: node.phones.hears(phone) for phone in ("anna", "ada", "eve")}
    assert heard == {"anna": {"ada"}, "ada": {"anna", "eve"}, "eve": {"anna", "ada"}}
    assert [event.leg_id for event in sink.events if isinstance(event, LegAnswered)] == [leg_id, "a", "s"]

    await node.do(HangUp(leg_id="a"))
    ended = [event for event in sink.events if isinstance(event, LegEnded)]
    assert [(event.leg_id, event.by_us) for event in ended] == [("a", True)]
    assert node.phones.hears("anna") == frozenset()
