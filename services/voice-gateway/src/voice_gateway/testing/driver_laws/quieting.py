"""Mute and hold, ours and the phone's own; the phone's own transfer."""

from voice_gateway.domain.commands import AnswerTransfer, Hold, Mute
from voice_gateway.domain.events import HoldChanged, TransferRequested
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import NodeUnderTest, until_hears, until_seen


async def who_is_muted_hears_and_is_not_heard(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"}, ada={"anna"})
    await story.do(Mute(leg_id=ada, muted=True))
    await until_hears(node, anna=set(), ada={"anna"})
    await story.do(Mute(leg_id=ada, muted=False))

    await until_hears(node, anna={"ada"}, ada={"anna"})


async def who_is_held_hears_music_and_is_not_heard(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada, eve = await story.caller("anna"), await story.agent("ada"), await story.agent("eve")
    await story.room("talk", anna, ada, eve)
    await until_hears(node, anna={"ada", "eve"})
    await story.do(Hold(leg_id=anna, held=True))
    await until_hears(node, anna={"music"}, ada={"eve"}, eve={"ada"})
    await story.do(Hold(leg_id=anna, held=False))

    await until_hears(node, anna={"ada", "eve"}, ada={"anna", "eve"}, eve={"anna", "ada"})
    assert not node.told.of(HoldChanged), "it was ours, not the phone's"


async def who_is_muted_and_held_is_still_muted_afterwards(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    await story.room("talk", anna, ada)
    await story.do(Mute(leg_id=anna, muted=True), Hold(leg_id=anna, held=True))
    await until_hears(node, anna={"music"}, ada=set())
    await story.do(Hold(leg_id=anna, held=False))

    await until_hears(node, anna={"ada"}, ada=set())


async def a_phone_holds_its_other_side(node: NodeUnderTest) -> None:
    """What the other side hears meanwhile is the owner's to say."""
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"})
    await node.phones.hold("ada", held=True)
    if not story.can.hears_holds:
        await node.lets_pass(1)
        assert not node.told.of(HoldChanged)
        return
    await story.told.until(HoldChanged, leg_id=ada, held=True)
    await until_seen(node, "anna", lambda seen: "ada" not in seen.hears)
    await node.phones.hold("ada", held=False)
    await story.told.until(HoldChanged, leg_id=ada, held=False)

    await until_hears(node, anna={"ada"}, ada={"anna"})
    assert len(node.told.of(HoldChanged)) == 2


async def a_phone_asks_to_give_its_call_away_and_nothing_happens_by_itself(node: NodeUnderTest) -> None:
    story = Story(node)
    anna, ada = await story.caller("anna"), await story.agent("ada")
    await story.room("talk", anna, ada)
    await until_hears(node, anna={"ada"})
    await node.phones.transfer("ada", "4711")
    if not story.can.hears_holds:
        await node.lets_pass(1)
        assert not node.told.of(TransferRequested)
        return
    asked = await story.told.until(TransferRequested, leg_id=ada)
    assert (asked.form, asked.to) == ("blind", "4711")
    await until_hears(node, anna={"ada"}, ada={"anna"})
    await story.do(AnswerTransfer(transfer_id=asked.transfer_id, accepted=True))

    await until_seen(node, "ada", lambda seen: seen.transferred is True)


async def a_phone_is_told_that_its_transfer_is_refused(node: NodeUnderTest) -> None:
    story = Story(node)
    if not story.can.hears_holds:
        await story.refuses(AnswerTransfer(transfer_id=node.new_id(), accepted=False))
        return
    anna, ada = await story.caller("anna"), await story.agent("ada")
    await story.room("talk", anna, ada)
    await node.phones.transfer("ada", "4711")
    asked = await story.told.until(TransferRequested, leg_id=ada)
    await story.do(AnswerTransfer(transfer_id=asked.transfer_id, accepted=False))

    await until_seen(node, "ada", lambda seen: seen.transferred is False)
    await until_hears(node, anna={"ada"}, ada={"anna"})
