"""The client of ARI, and the driver on it, in a world without sockets and in virtual time."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from pydantic import SecretStr
from servicekit.errors import RetryLaterError
from servicekit.ports import HttpNotSentError, HttpReply, HttpRequest, HttpUnknownError
from servicekit.testing.fake_http import FakeHttp
from servicekit.testing.fake_sockets import FakeSockets
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual
from voice_gateway.domain.commands import (
    Answer,
    Dial,
    HangUp,
    OpenRoom,
    Play,
    Record,
    StopPlaying,
    StopRecording,
    StopStream,
)
from voice_gateway.domain.events import CommandRefused, DriverLost, DriverRecovered, LegEnded, LegIncoming
from voice_gateway.domain.words import Media, Phone
from voice_gateway.drivers.asterisk import ari as module
from voice_gateway.drivers.asterisk.ari import Ari, AriSettings, Ask
from voice_gateway.drivers.asterisk.driver import AsteriskDriver, AsteriskSettings
from voice_gateway.drivers.asterisk.names import leg_of, recorder_channel, stream_ear
from voice_gateway.testing.node import Told

SETTINGS = AriSettings(url="http://node:8088", user="centralino", password=SecretStr("secret"))
Answers = Callable[[HttpRequest], HttpReply | Exception]


def reply(status: int = 200, body: object = None) -> HttpReply:
    return HttpReply(status=status, headers={}, body=b"" if body is None else json.dumps(body).encode())


def nothing_there(request: HttpRequest) -> HttpReply:
    """An Asterisk without channels that does all it is asked."""
    return reply(200, []) if request.method == "GET" else reply(204)


class World:
    """A driver, and the Asterisk that it sees."""

    def __init__(self, answers: Answers = nothing_there) -> None:
        self.answers = answers
        self.slow: Callable[[HttpRequest], Awaitable[HttpReply]] | None = None
        self.told = Told()
        self.sockets = FakeSockets()
        self.http = FakeHttp(self._answer)
        self.driver = AsteriskDriver(
            "n1",
            AsteriskSettings(ari=SETTINGS),
            self.told,
            http=self.http,
            sockets=self.sockets,
            clock=VirtualClock(),
            chance=SeededChance(1),
        )
        self.stop = asyncio.Event()

    async def _answer(self, request: HttpRequest) -> HttpReply:
        if self.slow is not None:
            return await self.slow(request)
        answer = self.answers(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def says(self, kind: str, channel_id: str = "1.1", state: str = "Ring", **more: object) -> None:
        caller = {"number": "100", "name": ""}
        channel = {"id": channel_id, "state": state, "caller": caller, "dialplan": {"exten": "+39"}}
        self.sockets.say(json.dumps({"type": kind, "channel": channel, "args": ["in", "+3906"], **more}))

    def asked(self, method: str, part: str) -> list[str]:
        return [each.url for each in self.http.requests if each.method == method and part in each.url]


def lived(story: Callable[[World], Awaitable[None]], answers: Answers = nothing_there) -> None:
    """The story with a driver that is connected."""

    async def all_of_it() -> None:
        world = World(answers)
        running = asyncio.create_task(world.driver.run(world.stop))
        await world.driver.connected()
        await story(world)
        world.stop.set()
        await running

    run_virtual(all_of_it())


@pytest.mark.parametrize(
    "answer",
    [
        HttpNotSentError("x"),
        HttpUnknownError("x"),
        reply(503),
        reply(401),
        HttpReply(status=200, headers={}, body=b"<"),
    ],
)
def test_no_answer_of_asterisks_is_for_later(answer: HttpReply | Exception) -> None:
    async def story(world: World) -> None:
        world.answers = lambda _: answer
        with pytest.raises(RetryLaterError):
            await world.driver.do(OpenRoom(room_id="r", kind="talk"))
        assert not world.told.events

    lived(story)


def test_what_asterisk_will_not_do_is_refused_with_its_reason_and_what_is_done_is_not() -> None:
    async def story(world: World) -> None:
        world.says("StasisStart")
        leg_id = leg_of("n1", "1.1")
        await world.told.until(LegIncoming, leg_id=leg_id)
        world.answers = lambda _: reply(409, {"message": "already there"})
        await world.driver.do(OpenRoom(room_id="r", kind="talk"))
        assert not world.told.of(CommandRefused)
        await world.driver.do(Answer(leg_id=leg_id))
        world.answers = lambda _: reply(404, {"message": "no such channel"})
        await world.driver.do(HangUp(leg_id=leg_id))

        assert [event.reason for event in world.told.of(CommandRefused)] == ["409 already there"]

    lived(story)


@pytest.mark.parametrize("status", [404, 409])
def test_a_recording_that_is_over_or_just_ending_is_stopped(status: int) -> None:
    async def story(world: World) -> None:
        world.answers = lambda _: reply(status, {"message": "not recording"})
        await world.driver.do(StopRecording(recording_id="r"))

        assert not world.told.events

    lived(story)


def test_a_recording_is_given_once_it_runs_since_before_it_cannot_be_paused() -> None:
    async def story(world: World) -> None:
        recording = asyncio.create_task(world.driver.do(Record(recording_id="r", room_id="a")))
        await VirtualClock().sleep(1)
        assert world.asked("POST", "/record?name=r")
        assert not recording.done()
        world.sockets.say(json.dumps({"type": "RecordingStarted", "recording": {"name": "r"}}))
        await VirtualClock().sleep(0.1)

        assert recording.done()

    lived(story)


def test_a_dial_that_asterisk_cannot_make_is_a_leg_that_ended() -> None:
    async def story(world: World) -> None:
        world.answers = lambda _: reply(500, {"error": "Allocation failed"})
        dial = Dial(leg_id="a", to=Phone(endpoint_id="ada"), ring_seconds=20)
        await world.driver.do(dial)
        await world.driver.do(dial)

        assert [(event.leg_id, event.cause) for event in world.told.of(LegEnded)] == [("a", "unavailable")]

    lived(story)


def test_a_dial_that_nobody_has_answered_is_asked_again_and_its_leg_is_known() -> None:
    async def story(world: World) -> None:
        dial = Dial(leg_id="a", to=Phone(endpoint_id="ada"), ring_seconds=20)
        world.answers = lambda _: HttpUnknownError("x")
        with pytest.raises(RetryLaterError):
            await world.driver.do(dial)
        world.says("ChannelDestroyed", "leg-a.", cause=17, tech_cause=486)
        ended = await world.told.until(LegEnded)

        assert (ended.leg_id, ended.cause) == ("a", "busy")
        world.answers = nothing_there
        await world.driver.do(dial)
        assert len(world.asked("POST", "/channels?")) == 1, "it would ring once more"

    lived(story)


def test_a_lost_connection_is_told_once_and_its_return_with_how_things_stand() -> None:
    async def story(world: World) -> None:
        world.says("StasisStart")
        await world.told.until(LegIncoming)
        world.sockets.refuses = True
        world.sockets.cut()
        await world.told.until(DriverLost)
        with pytest.raises(RetryLaterError):
            await world.driver.do(HangUp(leg_id="a"))
        await asyncio.wait_for(_connections(world, 20), 60)
        world.sockets.refuses = False
        recovered = await world.told.until(DriverRecovered)

        assert recovered.snapshot.legs == ()
        assert (len(world.told.of(DriverLost)), len(world.told.of(DriverRecovered))) == (1, 1)

    lived(story)


async def _connections(world: World, wanted: int) -> None:
    """It tries again and again, and not without a pause: time must pass for them to come."""
    clock, began = VirtualClock(), len(world.sockets.asked)
    began_ms = clock.now_ms()
    while len(world.sockets.asked) - began < wanted:
        await clock.sleep(0.01)
    assert clock.now_ms() - began_ms >= 1000 * (wanted - 6) * module.PAUSE_SECONDS_MAX / 2


def test_what_listened_and_is_used_no_more_is_ended_when_the_node_is_met_again() -> None:
    recorders = [recorder_channel("over"), recorder_channel("runs")]

    def answers(request: HttpRequest) -> HttpReply:
        if "/recordings/live/" in request.url:
            return reply(200 if "/runs" in request.url else 404, {})
        if request.url.endswith("/channels"):
            return reply(200, [{"id": each, "state": "Up"} for each in (*recorders, stream_ear("s"))])
        return nothing_there(request)

    async def story(world: World) -> None:
        ended = [url.rpartition("/")[2].partition("?")[0] for url in world.asked("DELETE", "/channels/")]
        assert ended == [recorders[0], stream_ear("s")]
        assert (await world.driver.snapshot()).legs == ()

    lived(story, answers)


def test_a_call_that_came_while_nobody_listened_comes_in_once() -> None:
    dialplan = {"app_name": "Stasis", "app_data": "centralino,in,+3906", "exten": "+3906"}
    rings = {"id": "1.1", "state": "Ring", "caller": {"number": "100", "name": ""}, "dialplan": dialplan}
    talks = {**rings, "id": "1.2", "state": "Up"}

    def answers(request: HttpRequest) -> HttpReply:
        return reply(200, [rings, talks]) if request.url.endswith("/channels") else nothing_there(request)

    async def story(world: World) -> None:
        [first] = world.told.of(LegIncoming)
        world.says("StasisStart")
        world.says("StasisStart", "1.3")
        await world.told.until(LegIncoming, leg_id=leg_of("n1", "1.3"))

        assert len(world.told.of(LegIncoming)) == 2
        assert (first.leg_id, first.called, first.caller.number) == (leg_of("n1", "1.1"), "+3906", "100")

    lived(story, answers)


def test_nothing_of_a_stream_is_left_at_the_node() -> None:
    async def story(world: World) -> None:
        world.answers = lambda request: reply(200, {"channels": []}) if request.method == "GET" else reply(204)
        await world.driver.do(StopStream(stream_id="s"))

        gone = [url.rpartition("/ari/")[2].partition("?")[0] for url in world.asked("DELETE", "")]
        assert {"bridges/stream-s.", "channels/stream-s."} < set(gone)
        assert "asterisk/config/dynamic/res_websocket_client/websocket_client/stream-s." in gone

    lived(story)


def test_an_event_that_is_not_understood_is_passed_over() -> None:
    async def story(world: World) -> None:
        world.sockets.say("no JSON")
        world.sockets.say(json.dumps({"type": "ChannelDestroyed"}))
        world.sockets.say(json.dumps({"type": "PlaybackFinished", "playback": None}))
        world.says("StasisStart")

        await world.told.until(LegIncoming)
        assert not world.told.of(DriverLost)

    lived(story)


def test_a_snapshot_that_is_older_than_a_call_does_not_forget_it() -> None:
    async def story(world: World) -> None:
        world.says("StasisStart")
        leg_id = (await world.told.until(LegIncoming)).leg_id
        snapshot = await world.driver.snapshot()
        await world.driver.do(Answer(leg_id=leg_id))
        world.says("ChannelDestroyed", cause=16)
        await world.told.until(LegEnded, leg_id=leg_id)

        assert snapshot.legs == ()
        assert not world.told.of(CommandRefused)

    lived(story)


def test_a_leg_that_is_being_dialled_while_the_connection_is_renewed_is_not_forgotten() -> None:
    async def story(world: World) -> None:
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def slow(request: HttpRequest) -> HttpReply:
            if request.url.startswith("http://node:8088/ari/channels?"):
                asked.set()
                await may_answer.wait()
            return nothing_there(request)

        world.slow = slow
        dialling = asyncio.create_task(world.driver.do(Dial(leg_id="a", to=Phone(endpoint_id="ada"), ring_seconds=20)))
        await asked.wait()
        world.sockets.cut()
        await world.told.until(DriverRecovered)
        may_answer.set()
        await dialling
        world.says("ChannelDestroyed", "leg-a.", cause=17)

        assert (await world.told.until(LegEnded)).leg_id == "a"

    lived(story)


def test_who_took_the_application_over_is_left_alone_for_a_while() -> None:
    async def story(world: World) -> None:
        world.sockets.say(json.dumps({"type": "ApplicationReplaced"}))
        lost = await world.told.until(DriverLost)
        began_ms, clock = lost.at_ms, VirtualClock()
        await world.told.until(DriverRecovered, within_seconds=60)

        assert lost.replaced
        assert clock.now_ms() - began_ms >= 1000 * module.REPLACED_SECONDS / 2

    lived(story)


def test_no_more_requests_than_its_bound_are_under_way() -> None:
    async def story() -> None:
        under_way: set[str] = set()
        most = 0

        async def slow(request: HttpRequest) -> HttpReply:
            nonlocal most
            under_way.add(request.url)
            most = max(most, len(under_way))
            await VirtualClock().sleep(1)
            under_way.discard(request.url)
            return reply(204)

        http = FakeHttp(slow)
        ari = Ari(SETTINGS, http=http, sockets=FakeSockets(), clock=VirtualClock(), chance=SeededChance(1))
        asks = [Ask(method="POST", path=("channels", str(number), "ring")) for number in range(100)]
        await asyncio.gather(*(ari.ask(ask) for ask in asks))

        assert (most, len(http.requests)) == (module.IN_FLIGHT_MAX, 100)

    run_virtual(story())


def test_names_go_into_an_address_as_they_are() -> None:
    async def story(world: World) -> None:
        await world.driver.do(OpenRoom(room_id="a/b?c", kind="talk"))

        assert world.asked("POST", "/ari/bridges/room-a%2Fb%3Fc?type=mixing%2Cdtmf_events")

    lived(story)


def test_a_second_sound_stops_the_first_and_one_given_again_is_not_played_again() -> None:
    async def story(world: World) -> None:
        world.says("StasisStart", state="Up")
        leg_id = leg_of("n1", "1.1")
        await world.told.until(LegIncoming)
        first = Play(playback_id="p1", leg_id=leg_id, media=(Media(uri="sound:a"),))
        for play in (first, first, Play(playback_id="p2", leg_id=leg_id, media=(Media(uri="sound:b"),))):
            await world.driver.do(play)
        await world.driver.do(StopPlaying(playback_id="p2"))

        assert len(world.asked("POST", "/play/p1")) == len(world.asked("POST", "/play/p2")) == 1
        assert [url.rpartition("/")[2] for url in world.asked("DELETE", "/playbacks/")] == ["p1", "p2"]

    lived(story)
