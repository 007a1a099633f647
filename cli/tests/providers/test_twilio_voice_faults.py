"""Webhook telephony when something goes wrong: lost answers, repeated callbacks, forged requests, restarts."""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from centralino.providers.twilio_rest import RestFault
from centralino.providers.wire import Parcel
from centralino.voice_conformance import NODE, NUMBER, PUBLIC, TwilioNode
from servicekit.testing.virtual import run_virtual
from voice_gateway.domain.commands import (
    Answer,
    Dial,
    Hold,
    Join,
    Leave,
    OpenRoom,
    PauseRecording,
    Play,
    Record,
    StopRecording,
)
from voice_gateway.domain.events import (
    DriverLost,
    KeyPressed,
    LegAnswered,
    LegEnded,
    LegIncoming,
    LegRinging,
    RecordingReady,
    RoomJoined,
)
from voice_gateway.domain.words import Number
from voice_gateway.testing.driver_laws.story import ANNA, Story
from voice_gateway.testing.node import until_hears, until_seen

HOOKS: Final = f"{PUBLIC}/voice/v1/webhooks/{NODE}"
Tale = Callable[[TwilioNode, Story], Awaitable[None]]


def told(tale: Tale) -> TwilioNode:
    """Run it in virtual time; the node, for what is left of it."""
    made: list[TwilioNode] = []

    async def story() -> None:
        one = TwilioNode()
        made.append(one)
        await one.start()
        try:
            await tale(one, Story(one))
        finally:
            await one.close()

    run_virtual(story())
    return made[0]


def dials(node: TwilioNode) -> int:
    """How often somebody was called."""
    return sum(method == "POST" and path.endswith("/Participants.json") for method, path in node.rest.asked)


def test_a_dial_whose_answer_is_lost_is_found_and_not_said_again() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        to = await story.outside("bert", "rings")
        node.rest.faults.append(RestFault(kind="lost", only="Participants"))
        node.voice.telling.trouble.shuffle_within_ms = 60_000
        await node.driver.do(Dial(leg_id="leg", to=to, ring_seconds=60))
        await node.driver.do(Dial(leg_id="leg", to=to, ring_seconds=60))
        await until_seen(node, "bert", lambda seen: seen.rings)
        await node.phones.answer("bert")
        await story.told.until(LegAnswered, leg_id="leg")
        assert not node.told.of(LegEnded)

    assert dials(told(tale)) == 1


def test_a_dial_that_nobody_knows_of_is_given_up_and_never_repeated() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        to = await story.outside("bert")
        node.rest.faults.append(RestFault(kind="not_taken", only="Participants"))
        await node.driver.do(Dial(leg_id="leg", to=to, ring_seconds=20))
        assert (await story.told.until(LegEnded, leg_id="leg")).cause == "failed"
        await node.driver.do(Dial(leg_id="leg", to=to, ring_seconds=20))

    assert dials(told(tale)) == 1


def test_a_call_that_turns_up_after_it_was_given_up_is_ended() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        node.rest.faults.append(RestFault(kind="not_taken", only="Participants"))
        to = await story.outside("bert", "rings")
        await node.driver.do(Dial(leg_id="leg", to=to, ring_seconds=20))
        await story.told.until(LegEnded, leg_id="leg")
        request = next(each for each in node.http.requests if each.url.endswith("/Participants.json"))
        await node.http.send(request, timeout_seconds=1, bytes_max=10_000)
        await node.voice.telling.idle()
        await node.lets_pass(1)
        assert [call.status for call in node.voice.lines.calls.values()] == ["canceled"]
        assert len(node.told.of(LegEnded)) == 1
        assert not node.told.of(LegRinging)

    told(tale)


def test_a_recording_whose_answer_is_lost_is_one() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        anna, ada = await story.caller("anna"), await story.agent("ada")
        room_id = await story.room("talk", anna, ada)
        node.rest.faults.append(RestFault(kind="lost", only="Recordings"))
        await node.driver.do(Record(recording_id="r", room_id=room_id))
        await node.lets_pass(2)
        await node.driver.do(StopRecording(recording_id="r"))
        ready = await story.told.until(RecordingReady, recording_id="r")
        assert 1.5 <= ready.seconds <= 2.5
        await node.lets_pass(1)
        assert len(node.voice.lines.tapes) == 1
        await node.driver.forget_recording("r")
        assert not node.voice.lines.tapes

    told(tale)


def test_callbacks_that_come_late_and_again_tell_nothing_new() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        leg_id = await story.agent("ada")
        room_id = await story.room("talk", leg_id)
        await node.phones.hang_up("ada")
        await story.told.until(LegEnded, leg_id=leg_id)
        await node.voice.telling.idle()
        before = [*node.told.events]
        for each in reversed([*node.voice.telling.told]):
            node.voice.telling.tell(each.url, each.form)
        await node.voice.telling.idle()
        assert node.told.events == before
        assert node.told.of(RoomJoined, room_id=room_id)

    told(tale)


def test_a_join_that_is_older_than_the_leave_counts_for_nothing() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        ada, eve = await story.agent("ada"), await story.agent("eve")
        room_id = await story.room("talk", eve, ada)
        waiting = await story.room("wait", ada)
        await node.voice.telling.idle()
        joins = [each for each in node.voice.telling.told if each.form.get("StatusCallbackEvent") == "participant-join"]
        node.refuses = lambda url: "/rooms" in url
        await node.driver.do(Join(room_id=room_id, leg_id=ada))
        await node.lets_pass(0.1)
        node.refuses = lambda url: False
        for each in joins:
            node.voice.telling.tell(each.url, each.form)
        await node.voice.telling.idle()
        assert [each.room_id for each in node.told.of(RoomJoined, leg_id=ada)] == [room_id, waiting]
        await node.lets_pass(5)
        assert [each.room_id for each in node.told.of(RoomJoined, leg_id=ada)] == [room_id, waiting, room_id]

    told(tale)


def test_a_call_may_be_moved_before_twilio_has_heard_our_answer() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        node.answer_seconds = 0.5
        leg_id = await story.arrives()
        await node.driver.do(Answer(leg_id=leg_id))
        await node.driver.do(OpenRoom(room_id="wait", kind="wait"))
        await story.told.until(LegAnswered, leg_id=leg_id)
        await node.driver.do(Join(room_id="wait", leg_id=leg_id))
        await story.told.until(RoomJoined, leg_id=leg_id)
        await until_hears(node, anna={"music"})
        assert not story.refused()

    told(tale)


def test_keys_that_are_told_again_were_pressed_once() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        leg_id = await story.caller("anna")
        sid = next(iter(node.voice.lines.calls))
        parcel = node.voice.telling.parcel(f"{HOOKS}/legs/{leg_id}?keys=", {"CallSid": sid, "Digits": "12"}, "once")
        assert [await node.posted(parcel), await node.posted(parcel)] == [200, 200]
        assert [each.key for each in node.told.of(KeyPressed)] == ["1", "2"]

    told(tale)


def test_a_recording_that_was_begun_twice_is_kept_once() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        anna = await story.caller("anna")
        node.rest.faults.append(RestFault(kind="not_taken", only="Recordings"))
        await node.driver.do(Record(recording_id="r", leg_id=anna))
        await node.lets_pass(1)
        late = next(each for each in node.http.requests if each.url.endswith("/Recordings.json"))
        await node.http.send(late, timeout_seconds=1, bytes_max=10_000)
        assert len(node.voice.lines.tapes) == 2
        await node.lets_pass(2)
        await node.driver.do(StopRecording(recording_id="r"))
        ready = await story.told.until(RecordingReady, recording_id="r")
        assert 2 <= ready.seconds <= 3.5
        lengths = sorted(tape.seconds for tape in node.voice.lines.tapes.values())
        assert lengths[0] < 0.5 < lengths[1]

    told(tale)


def test_a_pause_that_twilio_refuses_is_refused_and_the_next_one_counts() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        anna, ada = await story.caller("anna"), await story.agent("ada")
        room_id = await story.room("talk", anna, ada)
        await story.do(Record(recording_id="r", room_id=room_id))
        await story.told.until_true(lambda: node.voice.lines.tapes, "a recording")
        pause = PauseRecording(recording_id="r", paused=True)
        node.rest.faults.append(RestFault(kind="forbidden", only="Recordings"))
        await story.refuses(pause)
        [tape] = node.voice.lines.tapes.values()
        assert tape.status == "in-progress"
        await node.driver.do(pause)
        assert tape.status == "paused"

    told(tale)


def test_an_answer_that_is_none_of_twilios_ends_no_recording_but_its_own() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        anna, ada = await story.caller("anna"), await story.agent("ada")
        room_id = await story.room("talk", anna)
        for recording_id in ("r", "s"):
            await story.do(Record(recording_id=recording_id, room_id=room_id))
        await node.driver.do(Leave(room_id=room_id, leg_id=anna))
        await node.lets_pass(2)
        node.rest.faults.extend(RestFault(kind="no_json", only="Recordings") for _ in range(8))
        await story.joins(room_id, anna, ada)
        await node.lets_pass(5)
        assert not node.rest.faults
        for recording_id in ("r", "s"):
            await node.driver.do(StopRecording(recording_id=recording_id))
            assert (await story.told.until(RecordingReady, recording_id=recording_id)).seconds >= 1

    told(tale)


def test_who_is_held_before_the_talk_is_held_in_it() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        anna, ada = await story.caller("anna"), await story.agent("ada")
        await node.driver.do(Hold(leg_id=anna, held=True))
        await story.room("talk", anna, ada)
        await until_hears(node, anna={"music"}, ada=set())
        await node.driver.do(Hold(leg_id=anna, held=False))
        await until_hears(node, anna={"ada"}, ada={"anna"})

    told(tale)


def test_an_answer_that_is_told_before_the_ringing_is_one_answer() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        to = await story.outside("bert", "rings")
        node.refuses = lambda url: True
        await node.driver.do(Dial(leg_id="leg", to=to, ring_seconds=20))
        await node.voice.telling.idle()
        node.refuses = lambda url: False
        sid = next(iter(node.voice.lines.calls))
        for status in ("in-progress", "ringing", "initiated", "in-progress"):
            form = {"CallSid": sid, "CallStatus": status, "SequenceNumber": "0"}
            node.voice.telling.tell(f"{HOOKS}/status?leg=leg", form)
            await node.voice.telling.idle()
        assert [type(each) for each in node.told.events] == [LegAnswered]

    told(tale)


@pytest.mark.parametrize("signature", ["wrong"])
def test_forged_requests_change_nothing(signature: str) -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        leg_id = await story.caller("anna")
        before = [*node.told.events]
        sid = next(iter(node.voice.lines.calls))
        node.voice.telling.trouble.signature = signature
        for what in ("calls", f"legs/{leg_id}?keys=", "status", "rooms", "recordings", "fallback", "nonsense"):
            form = {"CallSid": sid, "CallStatus": "completed", "Digits": "1", "To": NUMBER, "From": "+1"}
            assert await node.posted(node.voice.telling.parcel(f"{HOOKS}/{what}", form)) == 401
        assert node.told.events == before

    told(tale)


def test_a_request_of_another_account_is_refused_though_it_is_signed() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        parcel = node.voice.telling.parcel(f"{HOOKS}/calls", {"AccountSid": "AC" + "9" * 32, "CallSid": "CA1"})
        assert await node.posted(parcel) == 403
        assert not node.told.events

    told(tale)


def test_what_is_too_large_or_for_no_node_of_ours_is_refused() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        large = node.voice.telling.parcel(f"{HOOKS}/calls", {"CallSid": "x" * 70_000})
        elsewhere = node.voice.telling.parcel(f"{PUBLIC}/voice/v1/webhooks/another/calls", {"CallSid": "CA1"})
        assert await node.posted(large) == 413
        assert await node.posted(elsewhere) == 503
        assert await node.posted(Parcel(url=f"{HOOKS}/calls", body=b"{}")) == 401

    told(tale)


def test_a_call_that_finds_nobody_hears_music_until_the_gateway_is_back() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        node.refuses = lambda url: "/calls" in url
        await node.phones.call("anna", NUMBER, ANNA)
        await until_hears(node, anna={"music"})
        node.refuses = lambda url: False
        incoming = await story.told.until(LegIncoming)
        await node.driver.do(Answer(leg_id=incoming.leg_id))
        await node.driver.do(OpenRoom(room_id="talk", kind="talk"))
        await story.told.until(LegAnswered)
        await story.joins("talk", incoming.leg_id, await story.agent("ada"))
        await until_hears(node, anna={"ada"}, ada={"anna"})
        assert len(node.told.of(LegIncoming)) == 1

    told(tale)


def test_nobody_hears_music_for_ever() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        node.refuses = lambda url: "/calls" in url
        await node.phones.call("anna", NUMBER, ANNA)
        await until_seen(node, "anna", lambda seen: seen.talks)
        await until_seen(node, "anna", lambda seen: not seen.talks, within_seconds=600)
        assert not node.told.of(LegIncoming)

    told(tale)


def test_a_talk_outlives_the_driver_and_is_controlled_by_the_next() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        anna, ada = await story.caller("anna"), await story.agent("ada")
        waiting = await story.room("wait")
        room_id = await story.room("talk", anna, ada)
        await node.driver.do(Record(recording_id="r", room_id=room_id))
        await node.kill()
        await node.lets_pass(5)
        await until_hears(node, anna={"ada"}, ada={"anna"})
        await node.restart()
        snapshot = await node.driver.snapshot()
        assert {leg.leg_id: leg.room_id for leg in snapshot.legs} == {anna: room_id, ada: room_id}
        assert set(snapshot.rooms) == {waiting, room_id}
        await node.driver.do(Join(room_id=waiting, leg_id=anna))
        await until_hears(node, anna={"music"}, ada=set())
        await node.driver.do(StopRecording(recording_id="r"))
        await story.told.until(RecordingReady, recording_id="r")
        assert len(node.told.of(LegIncoming)) == 1

    told(tale)


def test_a_call_that_ended_while_the_driver_was_gone_is_told() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        anna = await story.caller("anna")
        await node.kill()
        node.served = False
        await node.phones.hang_up("anna")
        await node.voice.telling.idle()
        node.served = True
        await node.restart()
        await story.told.until(LegEnded, leg_id=anna)

    told(tale)


def test_lost_callbacks_are_made_up_for_by_looking() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        anna, ada = await story.caller("anna"), await story.agent("ada")
        node.refuses = lambda url: "/status" in url or "/rooms" in url
        room_id = await story.room("talk", anna, ada)
        await until_hears(node, anna={"ada"}, ada={"anna"})
        await node.phones.hang_up("ada")
        await story.told.until(LegEnded, leg_id=ada)
        assert node.told.of(RoomJoined, room_id=room_id, leg_id=ada)
        assert not node.told.of(DriverLost)

    told(tale)


def test_a_new_token_counts_beside_the_one_before() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        node.tokens[:] = ["the next one", node.voice.token]
        anna = await story.caller("anna")
        node.voice.tokens_before, node.voice.token = [], "the next one"
        node.voice.telling.token = "the next one"
        await story.room("wait", anna)
        await until_hears(node, anna={"music"})

    told(tale)


def test_a_number_that_twilio_refuses_is_the_end_of_its_leg() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        await node.driver.do(Dial(leg_id="leg", to=Number(number="0000"), ring_seconds=20))
        assert (await story.told.until(LegEnded, leg_id="leg")).cause == "unknown_number"

    told(tale)


@pytest.mark.parametrize("number", ["sip:anna@elsewhere.example", "client:anna", "+390612;x", "nonsense", ""])
def test_a_number_that_is_none_is_not_dialled(number: str) -> None:
    """It may be what a caller said of themselves, who is called back."""

    async def tale(node: TwilioNode, story: Story) -> None:
        await story.refuses(Dial(leg_id="leg", to=Number(number=number), ring_seconds=20))
        assert dials(node) == 0

    told(tale)


def test_many_sounds_are_told_by_an_address_where_a_document_has_no_room() -> None:
    async def tale(node: TwilioNode, story: Story) -> None:
        anna = await story.caller("anna")
        media = (node.sounds["hello"],) * 150
        await node.driver.do(Play(playback_id="p", leg_id=anna, media=media))
        await until_hears(node, anna={"hello"})

    told(tale)
