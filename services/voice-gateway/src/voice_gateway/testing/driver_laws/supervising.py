"""Supervisors: whom they hear, and who hears them."""

from voice_gateway.domain.commands import HangUp, Join, Leave, Monitor, Mute
from voice_gateway.domain.events import LegAnswered, LegEnded, RoomLeft
from voice_gateway.domain.words import MonitorMode
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import NodeUnderTest, until_hears, until_seen


async def who_spies_hears_all_and_is_heard_by_nobody(node: NodeUnderTest) -> None:
    _, _, _ = await _supervised(Story(node), "spy")

    await until_hears(node, anna={"ada"}, ada={"anna"}, eve={"anna", "ada"})


async def a_whisper_is_heard_by_the_one_leg_alone(node: NodeUnderTest) -> None:
    story = Story(node)
    if not story.can.whispers:
        leg_id = await story.agent("eve")
        await story.refuses(Monitor(leg_id=leg_id, of_leg_id=await story.agent("ada"), mode="whisper"))
        return
    await _supervised(story, "whisper")

    await until_hears(node, anna={"ada"}, ada={"anna", "eve"}, eve={"anna", "ada"})


async def who_barges_in_is_heard_by_all(node: NodeUnderTest) -> None:
    await _supervised(Story(node), "barge")

    await until_hears(node, anna={"ada", "eve"}, ada={"anna", "eve"}, eve={"anna", "ada"})


async def the_mode_changes_in_mid_talk(node: NodeUnderTest) -> None:
    story = Story(node)
    eve, ada, _ = await _supervised(story, "spy")
    await until_hears(node, anna={"ada"}, ada={"anna"}, eve={"anna", "ada"})
    if story.can.whispers:
        await story.do(Monitor(leg_id=eve, of_leg_id=ada, mode="whisper"))
        await until_hears(node, anna={"ada"}, ada={"anna", "eve"}, eve={"anna", "ada"})
    await story.do(Monitor(leg_id=eve, of_leg_id=ada, mode="barge"))
    await until_hears(node, anna={"ada", "eve"}, ada={"anna", "eve"}, eve={"anna", "ada"})
    await story.do(Monitor(leg_id=eve, of_leg_id=ada, mode="spy"))

    await until_hears(node, anna={"ada"}, ada={"anna"}, eve={"anna", "ada"})


async def a_supervisor_takes_over(node: NodeUnderTest) -> None:
    story = Story(node)
    eve, ada, room_id = await _supervised(story, "barge")
    await story.do(Join(room_id=room_id, leg_id=eve), Leave(room_id=room_id, leg_id=ada))
    await until_hears(node, anna={"eve"}, ada=set(), eve={"anna"})
    await story.do(HangUp(leg_id=ada))

    await story.told.until(LegEnded, leg_id=ada)
    await until_hears(node, anna={"eve"}, eve={"anna"})


async def a_supervisor_hangs_up_and_the_talk_goes_on(node: NodeUnderTest) -> None:
    story = Story(node)
    eve, _, _ = await _supervised(story, "barge")
    await until_hears(node, anna={"ada", "eve"})
    await node.phones.hang_up("eve")
    await story.ended(eve, "hung_up", by_us=False)

    await until_hears(node, anna={"ada"}, ada={"anna"})


async def a_supervisor_hears_nothing_once_the_watched_leg_is_gone(node: NodeUnderTest) -> None:
    story = Story(node)
    eve, ada, _ = await _supervised(story, "spy")
    await node.phones.hang_up("ada")
    await story.told.until(LegEnded, leg_id=ada)

    await until_hears(node, anna=set(), eve=set())
    assert not node.told.of(LegEnded, leg_id=eve), "its leg is not ours to end"
    await story.refuses(Monitor(leg_id=eve, of_leg_id=ada, mode="spy"))


async def who_rings_neither_supervises_nor_is_supervised(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    await story.room("talk", anna, ada)
    eve = await story.dials(await story.target("eve", "rings"))
    await until_seen(node, "eve", lambda seen: seen.rings)
    await story.refuses(
        Monitor(leg_id=eve, of_leg_id=ada, mode="barge"), Monitor(leg_id=ada, of_leg_id=eve, mode="barge")
    )
    await node.phones.answer("eve")
    await story.told.until(LegAnswered, leg_id=eve)
    await node.lets_pass(4)  # longer than any driver waits before it looks whether all is as it should be

    await until_hears(node, anna={"ada"}, ada={"anna"}, eve=set())


async def a_supervisor_comes_out_of_another_room(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada, eve = await story.caller("anna"), await story.agent("ada"), await story.agent("eve")
    bert = await story.caller("bert")
    await story.room("talk", anna, ada)
    other = await story.room("talk", bert, eve)
    await until_hears(node, bert={"eve"}, eve={"bert"})
    await story.do(Monitor(leg_id=eve, of_leg_id=ada, mode="spy"))

    await story.told.until(RoomLeft, room_id=other, leg_id=eve)
    await until_hears(node, anna={"ada"}, ada={"anna"}, bert=set(), eve={"anna", "ada"})


async def who_has_listened_is_heard_as_a_supervisor(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada, eve = await story.caller("anna"), await story.agent("ada"), await story.agent("eve")
    room_id = await story.room("talk", anna, ada)
    await story.do(Join(room_id=room_id, leg_id=eve, hearing="listen"))
    await until_hears(node, anna={"ada"}, eve={"anna", "ada"})
    await story.do(Monitor(leg_id=eve, of_leg_id=ada, mode="barge"))

    await until_hears(node, anna={"ada", "eve"}, ada={"anna", "eve"}, eve={"anna", "ada"})


async def a_whisper_is_heard_while_nobody_else_is(node: NodeUnderTest) -> None:
    """The agent has the customer on hold, or the customer is muted."""
    story = Story(node)
    if not story.can.whispers:
        return
    anna, ada, eve = await story.caller("anna"), await story.agent("ada"), await story.agent("eve")
    talking, waiting = await story.room("talk", anna, ada), await story.room("wait")
    await story.do(Monitor(leg_id=eve, of_leg_id=ada, mode="whisper"))
    await until_hears(node, anna={"ada"}, ada={"anna", "eve"}, eve={"anna", "ada"})
    await story.joins(waiting, anna)
    await until_hears(node, anna={"music"}, ada={"eve"}, eve={"ada"})
    await story.joins(talking, anna)
    await until_hears(node, anna={"ada"}, ada={"anna", "eve"}, eve={"anna", "ada"})
    await story.do(Mute(leg_id=anna, muted=True))
    await until_hears(node, anna={"ada"}, ada={"eve"}, eve={"ada"})
    await story.do(Mute(leg_id=anna, muted=False))

    await until_hears(node, anna={"ada"}, ada={"anna", "eve"}, eve={"anna", "ada"})


async def _supervised(story: Story, mode: MonitorMode) -> tuple[str, str, str]:
    """Anna talks with Ada, and Eve is at it; the legs of Eve and Ada, and the room."""
    anna, ada, eve = await story.caller("anna"), await story.agent("ada"), await story.agent("eve")
    room_id = await story.room("talk", anna, ada)
    await until_hears(story.node, anna={"ada"}, ada={"anna"})
    await story.do(Monitor(leg_id=eve, of_leg_id=ada, mode=mode))
    return eve, ada, room_id
