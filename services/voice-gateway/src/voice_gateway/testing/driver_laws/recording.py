"""What a recording holds, by its sound."""

import pytest

from voice_gateway.domain.commands import CloseRoom, Hold, Mute, PauseRecording, Record, StopRecording
from voice_gateway.domain.events import CommandRefused, RecordingReady
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import NodeUnderTest, until_hears
from voice_gateway.testing.phones import NAMES
from voice_gateway.testing.tones import seconds_of


async def a_room_is_recorded_and_the_paused_part_is_absent(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada, eve = await story.caller("anna"), await story.agent("ada"), await story.agent("eve")
    room_id = await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"}, ada={"anna"})
    recording_id = node.new_id()
    await story.do(Record(recording_id=recording_id, room_id=room_id))
    await node.lets_pass(1)
    if not story.can.pauses_recordings:
        await story.refuses(PauseRecording(recording_id=recording_id, paused=True))
        return
    await story.do(PauseRecording(recording_id=recording_id, paused=True))
    other_id = await story.room("talk", anna, eve)
    await until_hears(node, anna={"eve"})
    await story.joins(room_id, eve)
    await until_hears(node, ada={"eve"})
    await node.lets_pass(1)
    await story.joins(other_id, eve)
    await story.joins(room_id, anna)
    await until_hears(node, anna={"ada"}, ada={"anna"})
    await story.do(PauseRecording(recording_id=recording_id, paused=False))
    await node.lets_pass(1)
    heard = await _stopped(story, recording_id)

    assert heard["eve"] == 0, "what was said while it was paused"
    assert heard["anna"] >= 1.5
    assert heard["ada"] >= 1.5
    assert heard["all"] <= 3.5


async def a_recording_of_a_room_holds_all_of_it_from_its_begin_on(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    room_id = await story.room("talk", anna)
    recording_id = node.new_id()
    await story.do(Record(recording_id=recording_id, room_id=room_id))
    await node.lets_pass(1)
    await story.joins(room_id, ada)
    await until_hears(node, anna={"ada"}, ada={"anna"})
    await node.lets_pass(1)
    await story.do(Mute(leg_id=anna, muted=True))
    await until_hears(node, ada=set())
    await node.lets_pass(1)
    heard = await _stopped(story, recording_id)

    assert heard["ada"] >= 1.5
    assert heard["ada"] <= heard["all"] - 0.5
    assert heard["anna"] >= 1
    assert heard["anna"] <= heard["all"] - 0.5


async def a_recording_ends_with_its_room(node: NodeUnderTest) -> None:
    story = Story(node)
    room_id = await story.room("talk", await story.caller("anna"), await story.agent("ada"))
    recording_id = node.new_id()
    await until_hears(node, anna={"ada"}, ada={"anna"})
    await story.do(Record(recording_id=recording_id, room_id=room_id))
    await node.lets_pass(1)
    await story.do(CloseRoom(room_id=room_id))
    await story.told.until(RecordingReady, recording_id=recording_id)

    assert (await _heard(node, recording_id))["anna"] >= 0.5


async def a_leg_is_recorded_until_its_key_or_its_time_or_its_end(node: NodeUnderTest) -> None:
    story = Story(node)
    anna = await story.caller("anna")
    by_key, by_time, by_end = node.new_id(), node.new_id(), node.new_id()
    if not story.can.records_legs:
        await story.refuses(Record(recording_id=by_key, leg_id=anna))
        return
    await story.do(Record(recording_id=by_key, leg_id=anna, ends_with_key="#"))
    await node.lets_pass(1)
    await node.phones.press("anna", "1")
    await node.lets_pass(0.5)
    assert not node.told.of(RecordingReady)
    await node.phones.press("anna", "#")
    await story.told.until(RecordingReady, recording_id=by_key)
    await story.do(Record(recording_id=by_time, leg_id=anna, seconds_max=2))
    ready = await story.told.until(RecordingReady, recording_id=by_time, within_seconds=6)
    assert 1.5 <= ready.seconds <= 2.5
    await story.do(Record(recording_id=by_end, leg_id=anna))
    await node.lets_pass(1)
    await node.phones.hang_up("anna")
    await story.told.until(RecordingReady, recording_id=by_end)

    for recording_id in (by_key, by_time, by_end):
        heard = await _heard(node, recording_id)
        assert heard["anna"] >= 0.5, recording_id


async def a_recording_of_a_leg_holds_what_it_says_alone(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    if not story.can.records_legs:
        return
    await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"}, ada={"anna"})
    recording_id = node.new_id()
    await story.do(Record(recording_id=recording_id, leg_id=anna))
    await node.lets_pass(1)
    heard = await _stopped(story, recording_id)

    assert heard["anna"] >= 0.5
    assert heard["ada"] == 0


async def a_recording_of_a_leg_is_silent_while_nobody_hears_it(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    if not story.can.records_legs:
        return
    await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"}, ada={"anna"})
    recording_id = node.new_id()
    await story.do(Record(recording_id=recording_id, leg_id=anna))
    await node.lets_pass(1)
    await story.do(Mute(leg_id=anna, muted=True))
    await node.lets_pass(1)
    await story.do(Hold(leg_id=anna, held=True), Mute(leg_id=anna, muted=False))
    await node.lets_pass(1)
    await story.do(Hold(leg_id=anna, held=False))
    await node.lets_pass(1)
    heard = await _stopped(story, recording_id)

    assert 1.5 <= heard["anna"] <= 2.5
    assert heard["all"] >= 3.5


async def what_cannot_be_recorded_is_refused(node: NodeUnderTest) -> None:
    story = Story(node)

    await story.refuses(
        Record(recording_id=node.new_id(), room_id=node.new_id()),
        Record(recording_id=node.new_id(), leg_id=node.new_id()),
        PauseRecording(recording_id=node.new_id(), paused=True),
    )


async def _stopped(story: Story, recording_id: str) -> dict[str, float]:
    await story.do(StopRecording(recording_id=recording_id))
    ready = await story.told.until(RecordingReady, recording_id=recording_id)
    await story.do(StopRecording(recording_id=recording_id))
    heard = await _heard(story.node, recording_id)
    assert abs(heard["all"] - ready.seconds) <= 0.5
    assert len(story.told.of(RecordingReady, recording_id=recording_id)) == 1
    assert not story.told.of(CommandRefused)
    await story.node.driver.forget_recording(recording_id)
    await story.node.driver.forget_recording(recording_id)
    with pytest.raises(LookupError):
        await _heard(story.node, recording_id)
    return heard


async def _heard(node: NodeUnderTest, recording_id: str) -> dict[str, float]:
    bytes_of_it = b"".join([chunk async for chunk in node.driver.recording(recording_id)])
    return seconds_of(bytes_of_it, {name: node.tone(name) for name in NAMES})
