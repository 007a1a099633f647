"""What a caller hears when the router finds no agent: both decide here as they do in their services."""

from collections import deque
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from contracts.calendars import Calendar
from contracts.commands import ConnectAssignment, RequestCallback, RequestTask
from contracts.configuration import Domain
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.routing_parts import Destination, Step
from router.domain.inputs import InteractionInput, RequestInput, ServiceInput
from router.testing.parts import DOMAIN, address, plan, queue
from router.testing.story import TENANT, Story
from voice_gateway.domain.advance import advance
from voice_gateway.domain.call import Call, Terms
from voice_gateway.domain.commands import Command, HangUp, Play, Record
from voice_gateway.domain.events import KeyPressed, LegAnswered, LegEnded, LegIncoming, PlaybackEnded, RecordingReady
from voice_gateway.domain.facts import CallArrived, Fact, NodeTold, Routed, TimerDue
from voice_gateway.domain.flow_plan import Announcements, CallbackOffer, FlowPlan, Voicemail
from voice_gateway.domain.words import WITHHELD, Party

PLAN: Final = FlowPlan(
    announcements=Announcements(every_seconds=30),
    callback=CallbackOffer(key="5"),
    voicemail=Voicemail(queue="messages"),
)
ANNA: Final = Party(number="+39333")
OFFICE: Final = Calendar.model_validate(  # the story begins on a Tuesday at 22:13:20
    {"id": "office", "domain": DOMAIN, "time_zone": "UTC", "weekly": {"tue": [["23:13", "24:00"]]}}
)


class Line:
    """A call and the router; whatever is played is heard to its end at once."""

    def __init__(self, caller: Party = ANNA, overflow: Destination | None = None, **settings: Any) -> None:
        self.router = Story()
        steps = [Step(after_seconds=60, overflow=overflow)] if overflow else [Step(after_seconds=3600)]
        self.router.configure(
            Domain(id=DOMAIN),
            OFFICE,
            plan("waiting", *steps),
            queue("help", **{"plan": "waiting", **settings}),
            queue("messages"),
            address("help", callbacks=True),
        )
        self.call: Call | None = None
        self.heard: list[str] = []
        self.words: list[str] = []
        self.said: list[Any] = []
        self._facts = deque[Fact]()
        self._sequence = 0
        incoming = LegIncoming(leg_id="leg", called="39021", caller=caller, at_ms=0)
        terms = Terms(tenant_id=TENANT, domain=DOMAIN, client="shop", address="web:main", flow=PLAN)
        self.happens(CallArrived(leg=incoming, terms=terms))
        self.happens(NodeTold(event=LegAnswered(leg_id="leg", at_ms=1)))

    def happens(self, fact: Fact) -> None:
        """And all that comes of it."""
        self._facts.append(fact)
        self._settle()

    def _settle(self) -> None:
        while self._facts:
            step = advance(self.call, self._facts.popleft(), self.router.now_ms)
            self.call = step.call
            for command in step.commands:
                self._do(command)
            for said in step.messages:
                self.said.append(said.data)
                self._tell_router(said.data)

    def _do(self, command: Command) -> None:
        match command:
            case Play(playback_id=playback_id, media=(media,)):
                parts = urlsplit(media.uri)
                self.heard.append(parts.path.rpartition("/")[2])
                self.words += parse_qs(parts.query).get("text", [])
                self._facts.append(NodeTold(event=PlaybackEnded(playback_id=playback_id, end="played", at_ms=2)))
            case Record(recording_id=recording_id):
                self.recording_id = recording_id
            case HangUp(leg_id=leg_id):
                self._facts.append(NodeTold(event=LegEnded(leg_id=leg_id, cause="hung_up", by_us=True, at_ms=3)))
            case _:
                pass

    def _tell_router(self, data: object) -> None:
        match data:
            case InteractionStarted() | InteractionEnded():
                self._routed(self.router.give(InteractionInput(TENANT, data)))
            case RequestCallback() | RequestTask():
                self._routed(self.router.give(RequestInput(TENANT, data)))
            case ConnectAssignment():
                self._routed(self.router.give(ServiceInput(TENANT, data)))
            case _:
                pass

    def _routed(self, happened: list[object]) -> None:
        for data in happened:
            self._sequence += 1
            self._facts.append(Routed(data=data, sequence=f"{self._sequence:09}"))

    def waits(self, seconds: int) -> None:
        """Second by second."""
        for _ in range(seconds):
            self._routed(self.router.wait(1))
            timers = dict(self.call.timers) if self.call else {}
            for name in (each for each, due_ms in timers.items() if due_ms <= self.router.now_ms):
                self.happens(TimerDue(name=name))
            self._settle()

    def press(self, keys: str) -> None:
        for key in keys:
            self.happens(NodeTold(event=KeyPressed(leg_id="leg", key=key, at_ms=4)))

    @property
    def ended(self) -> InteractionEnded:
        """How, once."""
        (ended,) = [data for data in self.said if isinstance(data, InteractionEnded)]
        return ended

    def tasks(self) -> list[tuple[str, str, str]]:
        """Those of the router that are not over: kind, queue, state."""
        return [(task.kind, task.queue, task.state) for task in self.router.domain.tasks.values()]


def test_a_queue_that_gives_up_to_voicemail_takes_a_message_which_becomes_a_task() -> None:
    line = Line(overflow=Destination(to="voicemail"))
    line.waits(61)
    assert line.heard[-2:] == ["voicemail", "beep"]

    line.happens(NodeTold(event=RecordingReady(recording_id=line.recording_id, seconds=9, at_ms=5)))
    assert line.heard[-1] == "voicemail_taken"
    assert (line.ended.reason, line.ended.cause) == ("refused", "overflowed")
    assert line.tasks() == [("callback", "messages", "waiting")]


def test_whoever_hangs_up_after_the_message_has_left_it() -> None:
    line = Line(overflow=Destination(to="voicemail"))
    line.waits(61)
    line.happens(NodeTold(event=LegEnded(leg_id="leg", cause="hung_up", at_ms=5)))
    line.happens(NodeTold(event=RecordingReady(recording_id=line.recording_id, seconds=9, at_ms=6)))

    assert line.tasks() == [("callback", "messages", "waiting")]
    assert line.ended.cause == "overflowed"


def test_whoever_presses_the_key_is_called_back_and_keeps_the_place() -> None:
    line = Line()
    line.waits(10)
    line.press("51")

    assert line.heard == ["position", "callback_offer", "callback_confirm", "callback_made"]
    assert line.tasks() == [("callback", "help", "waiting")]
    assert line.ended.reason == "customer_left"


def test_a_callback_that_the_router_refuses_is_told() -> None:
    line = Line()
    line.press("5")
    (task_id,) = line.router.domain.tasks
    line.router.finish(task_id)  # of which the call has not heard yet
    line.press("1")

    assert line.heard[-1] == "callback_refused"


@pytest.mark.parametrize(("caller", "heard"), [(ANNA, "callback_made"), (WITHHELD, "nobody")])
def test_a_queue_that_makes_callbacks_says_so_to_whom_it_can_call(caller: Party, heard: str) -> None:
    line = Line(caller, overflow=Destination(to="callback", message="We call you.", otherwise="Call again tomorrow."))
    line.waits(61)

    assert (line.heard[-1], line.words) == (heard, ["We call you." if caller is ANNA else "Call again tomorrow."])
    assert line.ended.interaction_id
    assert len(line.tasks()) == (caller is ANNA)


def test_whoever_comes_while_it_is_closed_is_told_and_may_be_called_back_at_the_opening() -> None:
    line = Line(calendar="office")
    assert line.heard == ["closed", "callback_offer"]
    line.press("51")
    assert line.heard[-1] == "callback_made"
    assert line.tasks() == [("callback", "help", "waiting")]

    silent = Line(calendar="office")
    silent.waits(7)
    assert silent.heard[-1] == "goodbye"
    assert (silent.ended.cause, silent.tasks()) == ("closed", [])


def test_a_supervisor_who_closes_speaks_to_all_who_wait() -> None:
    line = Line()
    line.router.override("help", closed=True, message="The building is on fire.")
    line.waits(1)

    assert line.words == ["The building is on fire."]
    assert line.ended.reason == "refused"
