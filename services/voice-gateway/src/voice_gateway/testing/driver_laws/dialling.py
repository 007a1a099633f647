"""Legs that we dial."""

from voice_gateway.domain.commands import Dial, HangUp
from voice_gateway.domain.events import LegAnswered, LegEnded, LegRinging
from voice_gateway.domain.words import Number, Party, Phone
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import NodeUnderTest, until_seen


async def a_dialled_phone_rings_and_is_picked_up(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.dials(await story.target("ada", "rings"))
    await story.told.until(LegRinging, leg_id=leg_id)
    await until_seen(node, "ada", lambda seen: seen.rings)
    assert not node.told.of(LegAnswered)
    await node.phones.answer("ada")

    await story.told.until(LegAnswered, leg_id=leg_id)
    await until_seen(node, "ada", lambda seen: seen.talks and not seen.rings)


async def a_number_outside_is_dialled_and_shows_who_calls(node: NodeUnderTest) -> None:
    story = Story(node)
    to = await story.outside("bert", "rings")
    leg_id = node.new_id()
    headers = (("X-Campaign", "spring"),)
    shown = Party(number=node.number)
    await story.do(Dial(leg_id=leg_id, to=to, ring_seconds=20, shown=shown, headers=headers))
    invited = (await until_seen(node, "bert", lambda seen: seen.rings and seen.invited)).invited

    assert invited is not None
    assert invited.number == node.number
    assert (("x-campaign", "spring") in [(name.lower(), value) for name, value in invited.headers]) == story.can.headers
    assert not invited.answers_itself


async def a_phone_is_asked_to_answer_by_itself(node: NodeUnderTest) -> None:
    story = Story(node)
    to = await story.target("ada", "rings")
    await story.do(Dial(leg_id=node.new_id(), to=to, ring_seconds=20, answers_itself=True))
    seen = await until_seen(node, "ada", lambda seen: seen.rings and seen.invited)

    assert seen.invited is not None
    assert seen.invited.answers_itself == story.can.headers


async def a_busy_phone_is_busy(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.dials(await story.outside("bert", "busy"))

    assert (await story.ended(leg_id, "busy", by_us=False)).sip_code in (486, None)


async def a_phone_declines(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.dials(await story.outside("bert", "declines"))

    assert (await story.ended(leg_id, "declined", by_us=False)).sip_code in (603, None)


async def an_agent_declines_by_hand(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.dials(await story.target("ada", "rings"))
    await until_seen(node, "ada", lambda seen: seen.rings)
    await node.phones.decline("ada")

    await story.ended(leg_id, "declined", by_us=False)


async def a_phone_that_nobody_picks_up_is_given_up(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.dials(await story.target("ada", "rings"), ring_seconds=2)
    await until_seen(node, "ada", lambda seen: seen.rings)
    ended = await story.ended(leg_id, "no_answer", by_us=False)

    [rang] = node.told.of(LegRinging, leg_id=leg_id)
    assert 1_000 <= ended.at_ms - rang.at_ms <= 6_000
    await until_seen(node, "ada", lambda seen: not seen.rings)


async def a_phone_that_is_off_is_unavailable(node: NodeUnderTest) -> None:
    story = Story(node)

    leg_id = await story.dials(await story.target("ada", "unavailable"))
    await story.ended(leg_id, "unavailable", by_us=False)


async def nobody_is_at_a_number_or_phone_that_is_not_there(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.dials(Number(number="+390600000"))
    await story.ended(leg_id, "unknown_number", by_us=False)
    if story.can.provisions:
        leg_id = await story.dials(Phone(endpoint_id=node.new_id()))
        assert (await story.told.until(LegEnded, leg_id=leg_id)).cause in ("unavailable", "unknown_number")


async def we_give_up_while_it_rings(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.dials(await story.target("ada", "rings"))
    await until_seen(node, "ada", lambda seen: seen.rings)
    await story.do(HangUp(leg_id=leg_id))

    await story.ended(leg_id, "cancelled", by_us=True)
    await until_seen(node, "ada", lambda seen: not seen.rings)


async def who_was_dialled_hangs_up(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.agent("ada")
    await node.phones.hang_up("ada")

    await story.ended(leg_id, "hung_up", by_us=False)


async def a_leg_that_has_ended_is_not_dialled_again_under_its_id(node: NodeUnderTest) -> None:
    story = Story(node)
    to = await story.target("ada", "rings")
    leg_id = await story.dials(to)
    await until_seen(node, "ada", lambda seen: seen.rings)
    await node.phones.decline("ada")
    await story.told.until(LegEnded, leg_id=leg_id)
    await story.dials(to)
    await until_seen(node, "ada", lambda seen: seen.rings)
    await node.phones.decline("ada")
    await until_seen(node, "ada", lambda seen: not seen.rings)
    await story.do(Dial(leg_id=leg_id, to=to, ring_seconds=20))
    await node.lets_pass(0.5)

    assert not node.phones.seen("ada").rings
    assert len(node.told.of(LegEnded, leg_id=leg_id)) == 1


async def a_person_and_a_machine_are_told_apart(node: NodeUnderTest) -> None:
    story = Story(node)
    for phone, greeting in (("anna", "person"), ("bert", "machine")):
        to = await node.phones.outside(phone, greeting="machine" if greeting == "machine" else "person")
        leg_id = node.new_id()
        await story.do(Dial(leg_id=leg_id, to=to, ring_seconds=20, detects_machines=True))
        answered = await story.told.until(LegAnswered, leg_id=leg_id, within_seconds=20)
        wanted = "human" if greeting == "person" else "machine"
        assert answered.by == (wanted if story.can.detects_machines else "unknown"), phone


async def who_is_not_listened_to_first_is_unknown(node: NodeUnderTest) -> None:
    story = Story(node)
    leg_id = await story.agent("ada")

    assert node.told.of(LegAnswered, leg_id=leg_id)[0].by == "unknown"
