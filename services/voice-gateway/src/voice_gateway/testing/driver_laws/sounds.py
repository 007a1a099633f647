"""What is played, and keys."""

from voice_gateway.domain.commands import HangUp, Play, SendKeys, StopPlaying
from voice_gateway.domain.events import KeyPressed, LegEnded, PlaybackEnded
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import NodeUnderTest, until_hears, until_seen
from voice_gateway.testing.phones import SOUND_SECONDS


async def sounds_are_heard_in_turn_and_then_the_music_again(node: NodeUnderTest) -> None:
    story = Story(node)
    anna = await story.caller()
    await story.room("wait", anna)
    await until_hears(node, anna={"music"})
    media = (node.sounds["hello"], node.sounds["goodbye"])
    playback_id = node.new_id()
    await story.do(Play(playback_id=playback_id, leg_id=anna, media=media))
    await until_hears(node, anna={"hello"})
    await until_hears(node, anna={"goodbye"})
    assert not node.told.of(PlaybackEnded)
    ended = await story.told.until(PlaybackEnded, playback_id=playback_id, within_seconds=3 * SOUND_SECONDS)
    assert ended.end == "played"
    await until_hears(node, anna={"music"})
    await story.do(Play(playback_id=playback_id, leg_id=anna, media=media))
    await node.lets_pass(0.5)

    assert node.phones.seen("anna").hears == {"music"}
    assert len(node.told.of(PlaybackEnded)) == 1


async def a_sound_is_heard_outside_of_rooms_and_by_the_one_leg(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, _ = await story.caller("anna"), await story.caller("bert")
    await story.do(Play(playback_id=node.new_id(), leg_id=anna, media=(node.sounds["hello"],)))

    await until_hears(node, anna={"hello"}, bert=set())


async def a_sound_in_a_talk_is_heard_by_the_one_leg(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"})
    await story.do(Play(playback_id=node.new_id(), leg_id=ada, media=(node.sounds["hello"],)))
    await until_seen(node, "ada", lambda seen: "hello" in seen.hears)

    assert "hello" not in node.phones.seen("anna").hears
    await until_hears(node, anna={"ada"}, ada={"anna"})


async def a_second_sound_ends_the_first(node: NodeUnderTest) -> None:
    story = Story(node)
    anna = await story.caller()
    await story.room("wait", anna)
    first, second = node.new_id(), node.new_id()
    await story.do(Play(playback_id=first, leg_id=anna, media=(node.sounds["hello"],) * 3))
    await until_hears(node, anna={"hello"})
    await story.do(Play(playback_id=second, leg_id=anna, media=(node.sounds["goodbye"],)))
    await until_hears(node, anna={"goodbye"})

    await story.told.until(PlaybackEnded, playback_id=second)
    ended = [(event.playback_id, event.end) for event in node.told.of(PlaybackEnded)]
    assert ended == [(first, "stopped"), (second, "played")]
    await until_hears(node, anna={"music"})


async def a_sound_is_stopped(node: NodeUnderTest) -> None:
    story = Story(node)
    anna = await story.caller()
    await story.room("wait", anna)
    playback_id = node.new_id()
    await story.do(Play(playback_id=playback_id, leg_id=anna, media=(node.sounds["hello"], node.sounds["goodbye"])))
    await until_seen(node, "anna", lambda seen: "hello" in seen.hears)
    await story.do(StopPlaying(playback_id=playback_id))

    assert (await story.told.until(PlaybackEnded, playback_id=playback_id, within_seconds=1)).end == "stopped"
    await until_hears(node, anna={"music"})
    assert not story.refused()


async def a_sound_ends_with_its_leg(node: NodeUnderTest) -> None:
    story = Story(node)
    anna = await story.caller()
    playback_id = node.new_id()
    await story.do(Play(playback_id=playback_id, leg_id=anna, media=(node.sounds["hello"],)))
    await until_seen(node, "anna", lambda seen: "hello" in seen.hears)
    await story.do(HangUp(leg_id=anna))
    await story.told.until(LegEnded, leg_id=anna)

    ended = await story.told.until(PlaybackEnded, playback_id=playback_id)
    assert ended.end != "played"
    await story.do(StopPlaying(playback_id=playback_id))
    assert not story.refused()


async def keys_come_in_order_before_and_after_a_room(node: NodeUnderTest) -> None:
    story = Story(node)
    anna = await story.caller()
    await node.phones.press("anna", "12")
    await story.told.until(KeyPressed, leg_id=anna, key="2")
    await story.room("wait", anna)
    await node.phones.press("anna", "*0")
    await story.told.until(KeyPressed, leg_id=anna, key="0")
    await story.room("talk", anna, await story.agent("ada"))
    await node.phones.press("anna", "#")
    await node.phones.press("ada", "9")
    if not story.can.hears_keys_in_talks:
        await node.lets_pass(2)
        assert [event.key for event in node.told.of(KeyPressed)] == list("12*0")
        return
    await story.told.until(KeyPressed, leg_id=anna, key="#")
    ada = await story.told.until(KeyPressed, key="9")

    assert [event.key for event in node.told.of(KeyPressed, leg_id=anna)] == list("12*0#")
    assert ada.leg_id != anna


async def a_key_ends_what_is_played_only_where_it_must(node: NodeUnderTest) -> None:
    story = Story(node)
    anna = await story.caller()
    await story.do(Play(playback_id=node.new_id(), leg_id=anna, media=(node.sounds["hello"],)))
    await until_seen(node, "anna", lambda seen: "hello" in seen.hears)
    await node.phones.press("anna", "1")
    await story.told.until(KeyPressed, leg_id=anna, key="1")

    assert (await story.told.until(PlaybackEnded)).end == ("stopped" if story.can.keys_stop_sounds else "played")


async def keys_are_sent_to_a_phone(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    await story.room("talk", anna, ada)
    await story.do(SendKeys(leg_id=anna, keys="15#"))
    await until_seen(node, "anna", lambda seen: seen.keys == "15#")

    assert node.phones.seen("ada").keys == ""
