"""The node as a whole: how it stands, who keeps its legs alive, what happens when it cannot be reached; streams."""

import pytest
from servicekit.errors import RetryLaterError

from voice_gateway.domain.commands import HangUp, KeepAlive, OpenRoom, StopStream, StreamMedia
from voice_gateway.domain.events import DriverLost, DriverRecovered, LegEnded, LegIncoming, LegSeen
from voice_gateway.domain.words import Party
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import NodeUnderTest, until_hears, until_seen


async def a_snapshot_shows_all_legs_and_rooms(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, bert, ada = await story.caller("anna"), await story.arrives("bert"), await story.agent("ada")
    eve = await story.dials(await story.target("eve", "rings"))
    await until_seen(node, "eve", lambda seen: seen.rings)
    talking = await story.room("talk", anna, ada)
    waiting = await story.room("wait")
    snapshot = await node.driver.snapshot()

    assert {leg.leg_id: leg for leg in snapshot.legs} == {
        anna: LegSeen(leg_id=anna, answered=True, ours=False, room_id=talking),
        bert: LegSeen(leg_id=bert, answered=not story.can.rings, ours=False),
        ada: LegSeen(leg_id=ada, answered=True, ours=True, room_id=talking),
        eve: LegSeen(leg_id=eve, answered=False, ours=True),
    }
    assert set(snapshot.rooms) == {talking, waiting}


async def what_is_over_is_in_no_snapshot(node: NodeUnderTest) -> None:
    story = Story(node)
    anna = await story.caller("anna")
    await story.do(HangUp(leg_id=anna))
    await story.told.until(LegEnded, leg_id=anna)

    assert (await node.driver.snapshot()).legs == ()


async def a_leg_that_is_kept_alive_no_more_ends_by_itself(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, bert = await story.caller("anna"), await story.caller("bert")
    kept = KeepAlive(leg_ids=(anna, bert), seconds=3)
    if not story.can.keeps_alive:
        await story.refuses(kept)
        return
    await story.do(kept)
    await node.lets_pass(2)
    await story.do(KeepAlive(leg_ids=(anna, node.new_id()), seconds=3))
    await story.ended(bert, "lost", by_us=False)
    assert not node.told.of(LegEnded, leg_id=anna)
    await story.ended(anna, "lost", by_us=False)

    await until_seen(node, "anna", lambda seen: not seen.talks)
    assert not story.refused()


async def calls_go_on_while_the_node_cannot_be_reached(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada, bert = await story.caller("anna"), await story.agent("ada"), await story.caller("bert")
    talking = await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"}, ada={"anna"})
    await node.lose()
    await story.told.until(DriverLost)
    for asked in (node.driver.do(HangUp(leg_id=anna)), node.driver.snapshot(), node.driver.forget_recording("r")):
        with pytest.raises(RetryLaterError):
            await asked
    await node.phones.hang_up("bert")
    await until_hears(node, anna={"ada"}, ada={"anna"})
    await node.regain()
    recovered = await story.told.until(DriverRecovered, within_seconds=20)

    assert {leg.leg_id: leg.room_id for leg in recovered.snapshot.legs} == {anna: talking, ada: talking}
    assert recovered.snapshot.rooms == (talking,)
    assert len(node.told.of(DriverLost)) == len(node.told.of(DriverRecovered)) == 1
    await story.do(HangUp(leg_id=bert), HangUp(leg_id=anna))
    await story.ended(anna, "hung_up", by_us=True)
    assert len(node.told.of(LegIncoming)) == 2, "known legs do not come in again"


async def calls_come_in_again_once_the_node_is_back(node: NodeUnderTest) -> None:
    story = Story(node)
    await node.lose()
    await story.told.until(DriverLost)
    await node.regain()
    await story.told.until(DriverRecovered, within_seconds=20)
    anna = await story.caller("anna")
    room_id = node.new_id()
    await story.do(OpenRoom(room_id=room_id, kind="wait"))
    await story.joins(room_id, anna)

    await until_hears(node, anna={"music"})
    assert await story.arrives("bert", Party(number="+390611111")) != anna


async def a_bot_hears_a_leg_and_is_heard_by_it(node: NodeUnderTest) -> None:
    story = Story(node)
    anna = await story.caller("anna")
    stream = StreamMedia(stream_id=node.new_id(), leg_id=anna, url=node.bot_url())
    if not story.can.streams:
        await story.refuses(stream)
        return
    await story.do(stream)
    await until_hears(node, anna={"bot"}, bot={"anna"})
    await story.do(StopStream(stream_id=stream.stream_id))
    await until_hears(node, anna=set())

    assert node.phones.seen("anna").talks
