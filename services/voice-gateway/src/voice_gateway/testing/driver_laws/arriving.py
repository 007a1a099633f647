"""Calls that come in."""

from typing import Final

from voice_gateway.domain.commands import (
    Answer,
    CloseRoom,
    HangUp,
    Hold,
    Join,
    Leave,
    Mute,
    Play,
    Reject,
    Ring,
    SendKeys,
    StopPlaying,
    StopRecording,
    StopStream,
)
from voice_gateway.domain.events import LegAnswered, LegEnded, LegIncoming
from voice_gateway.domain.words import Party, RefusedBecause
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import NodeUnderTest, until_hears, until_seen

_REFUSALS: Final[tuple[RefusedBecause, ...]] = ("busy", "declined", "unavailable", "congested")


async def a_call_says_who_calls_and_what_was_dialled(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.arrives(caller=Party(number="+390655555", name="Anna"), headers=(("X-Campaign", "spring"),))
    [incoming] = node.told.of(LegIncoming, leg_id=leg_id)

    assert (incoming.called, incoming.caller.number) == (node.number, "+390655555")
    assert (
        ("x-campaign", "spring") in [(name.lower(), value) for name, value in incoming.headers]
    ) == story.can.headers


async def two_calls_are_two_legs(node: NodeUnderTest) -> None:
    story = Story(node)

    assert await story.arrives("anna") != await story.arrives("bert", Party(number="+390611111"))


async def a_call_that_withholds_its_number_has_none(node: NodeUnderTest) -> None:
    leg_id = await Story(node).arrives(caller=Party())

    assert node.told.of(LegIncoming, leg_id=leg_id)[0].caller.number is None


async def an_incoming_call_rings_until_it_is_answered(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.arrives()
    if not story.can.rings:
        await story.refuses(Ring(leg_id=leg_id))
        await story.told.until(LegAnswered, leg_id=leg_id)
        return
    await story.do(Ring(leg_id=leg_id))
    await until_hears(node, anna={"ringing"})
    assert not node.told.of(LegAnswered), "nobody has answered"
    await story.do(Answer(leg_id=leg_id))
    await story.told.until(LegAnswered, leg_id=leg_id)
    await until_seen(node, "anna", lambda seen: seen.talks)
    await until_hears(node, anna=set())


async def a_rejected_call_is_told_why(node: NodeUnderTest) -> None:
    story = Story(node)
    for because in _REFUSALS:
        leg_id = await story.arrives()
        if not story.can.rejects:
            await story.refuses(Reject(leg_id=leg_id, because=because))
            return
        await story.do(Reject(leg_id=leg_id, because=because))
        await story.ended(leg_id, because, by_us=True)
        told = node.refuses_as.get(because, because)
        await until_seen(node, "anna", lambda seen, told=told: seen.refused == told)  # type: ignore[misc]  # the default binds the loop's value


async def a_caller_may_give_up_before_the_answer(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.arrives()
    if story.can.rings:
        await story.do(Ring(leg_id=leg_id))
        await until_seen(node, "anna", lambda seen: "ringing" in seen.hears)
    await node.phones.hang_up("anna")

    await story.ended(leg_id, "cancelled" if story.can.rings else "hung_up", by_us=False)


async def a_caller_hangs_up(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.caller()
    await node.phones.hang_up("anna")

    await story.ended(leg_id, "hung_up", by_us=False)


async def we_hang_up(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.caller()
    await story.do(HangUp(leg_id=leg_id))

    await story.ended(leg_id, "hung_up", by_us=True)
    await until_seen(node, "anna", lambda seen: not seen.talks)


async def a_call_that_was_answered_before_it_is_rejected_ends(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.caller()
    await story.do(Reject(leg_id=leg_id, because="congested"))

    assert (await story.told.until(LegEnded, leg_id=leg_id)).by_us
    await until_seen(node, "anna", lambda seen: not seen.talks)
    assert not story.refused()


async def what_is_asked_of_a_leg_that_is_gone_is_refused_but_its_end(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.caller()
    room_id = await story.room("talk", leg_id)
    await node.phones.hang_up("anna")
    await story.told.until(LegEnded, leg_id=leg_id)
    await story.do(
        HangUp(leg_id=leg_id),
        Reject(leg_id=leg_id, because="busy"),
        Leave(room_id=room_id, leg_id=leg_id),
        StopPlaying(playback_id=node.new_id()),
        StopRecording(recording_id=node.new_id()),
        StopStream(stream_id=node.new_id()),
        CloseRoom(room_id=node.new_id()),
    )
    assert not story.refused()

    await story.refuses(
        Join(room_id=room_id, leg_id=leg_id),
        Play(playback_id=node.new_id(), leg_id=leg_id, media=(node.sounds["hello"],)),
        Mute(leg_id=leg_id, muted=True),
        Hold(leg_id=leg_id, held=True),
        SendKeys(leg_id=leg_id, keys="1"),
    )
