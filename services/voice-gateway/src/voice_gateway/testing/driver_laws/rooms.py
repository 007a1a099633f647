"""Who hears whom, by rooms alone."""

from voice_gateway.domain.commands import CloseRoom, HangUp, Join, Leave, OpenRoom
from voice_gateway.domain.events import LegEnded, RoomJoined, RoomLeft
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import NodeUnderTest, until_hears, until_seen


async def who_waits_hears_music_and_not_who_else_waits(node: NodeUnderTest) -> None:
    story = Story(node)
    await story.room("wait", await story.caller("anna"), await story.caller("bert"))

    await until_hears(node, anna={"music"}, bert={"music"})


async def two_in_a_room_hear_one_another(node: NodeUnderTest) -> None:
    story = Story(node)
    await story.room("talk", await story.caller("anna"), await story.agent("ada"))

    await until_hears(node, anna={"ada"}, ada={"anna"})


async def three_in_a_room_hear_one_another(node: NodeUnderTest) -> None:
    story = Story(node)
    await story.room("talk", await story.caller("anna"), await story.agent("ada"), await story.agent("eve"))

    await until_hears(node, anna={"ada", "eve"}, ada={"anna", "eve"}, eve={"anna", "ada"})


async def two_rooms_do_not_hear_one_another(node: NodeUnderTest) -> None:
    story = Story(node)
    await story.room("talk", await story.caller("anna"), await story.agent("ada"))
    await story.room("talk", await story.caller("bert"), await story.agent("eve"))

    await until_hears(node, anna={"ada"}, ada={"anna"}, bert={"eve"}, eve={"bert"})


async def a_leg_moves_from_room_to_room(node: NodeUnderTest) -> None:
    """The wait room, a talk, back to music while the agent asks another, and back again."""
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    waiting = await story.room("wait", anna)
    await until_hears(node, anna={"music"})
    talking = await story.room("talk", ada, anna)
    await until_hears(node, anna={"ada"}, ada={"anna"})
    left = await story.told.until(RoomLeft, room_id=waiting, leg_id=anna)
    [joined] = node.told.of(RoomJoined, room_id=talking, leg_id=anna)
    assert node.told.events.index(left) < node.told.events.index(joined)

    await story.joins(waiting, anna)
    await story.told.until(RoomLeft, room_id=talking, leg_id=anna)
    await story.joins(talking, await story.agent("eve"))
    await until_hears(node, anna={"music"}, ada={"eve"}, eve={"ada"})
    await story.joins(talking, anna)
    await until_hears(node, anna={"ada", "eve"}, ada={"anna", "eve"}, eve={"anna", "ada"})


async def who_leaves_a_room_hears_nothing_and_is_not_heard(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada, eve = await story.caller("anna"), await story.agent("ada"), await story.agent("eve")
    room_id = await story.room("talk", anna, ada, eve)
    await until_hears(node, anna={"ada", "eve"})
    await story.do(Leave(room_id=room_id, leg_id=ada))

    await story.told.until(RoomLeft, room_id=room_id, leg_id=ada)
    await until_hears(node, anna={"eve"}, ada=set(), eve={"anna"})


async def who_listens_hears_and_is_not_heard_until_it_may(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada, eve = await story.caller("anna"), await story.agent("ada"), await story.agent("eve")
    room_id = await story.room("talk", anna, ada)
    await story.do(Join(room_id=room_id, leg_id=eve, hearing="listen"))
    await until_hears(node, anna={"ada"}, ada={"anna"}, eve={"anna", "ada"})
    await story.do(Join(room_id=room_id, leg_id=eve))

    await until_hears(node, anna={"ada", "eve"}, ada={"anna", "eve"}, eve={"anna", "ada"})


async def a_hang_up_leaves_the_other_alone_in_silence(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    room_id = await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"})
    await node.phones.hang_up("ada")
    await story.told.until(LegEnded, leg_id=ada)

    assert node.told.of(RoomLeft, room_id=room_id, leg_id=ada)
    await until_hears(node, anna=set())
    assert node.phones.seen("anna").talks


async def a_closed_room_leaves_its_legs_in_silence(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    room_id = await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"})
    await story.do(CloseRoom(room_id=room_id))
    await story.told.until(RoomLeft, room_id=room_id, leg_id=anna)
    await story.told.until(RoomLeft, room_id=room_id, leg_id=ada)
    await until_hears(node, anna=set(), ada=set())
    await story.refuses(Join(room_id=room_id, leg_id=anna))

    await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"}, ada={"anna"})


async def nobody_joins_before_it_is_answered_or_a_room_that_is_not_there(node: NodeUnderTest) -> None:
    story = Story(node)
    ada = await story.dials(await story.target("ada", "rings"))
    await until_seen(node, "ada", lambda seen: seen.rings)
    room_id = node.new_id()
    await story.do(OpenRoom(room_id=room_id, kind="talk"))

    await story.refuses(Join(room_id=room_id, leg_id=ada), Join(room_id=node.new_id(), leg_id=await story.caller()))
    assert not node.told.of(RoomJoined)
    await story.do(HangUp(leg_id=ada))
