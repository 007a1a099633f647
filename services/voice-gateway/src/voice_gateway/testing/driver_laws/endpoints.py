"""Agents' phones, that we make known and forget."""

from typing import Final

from voice_gateway.domain.commands import Provision, Withdraw
from voice_gateway.domain.events import LegAnswered, LegEnded
from voice_gateway.domain.words import Phone
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import NodeUnderTest

FIRST: Final = "a-toy-of-a-secret"
SECOND: Final = "another-toy"


async def a_phone_registers_with_its_own_password_alone(node: NodeUnderTest) -> None:
    story = Story(node)
    endpoint_id = node.new_id()
    provision = Provision(endpoint_id=endpoint_id, password=FIRST)
    if not story.can.provisions:
        await story.refuses(provision)
        return
    assert not await node.phones.register("ada", endpoint_id, FIRST)
    await story.do(provision)
    assert not await node.phones.register("ada", endpoint_id, "guessed")
    assert await node.phones.register("ada", endpoint_id, FIRST)
    await story.do(Provision(endpoint_id=endpoint_id, password=SECOND))
    assert not await node.phones.register("ada", endpoint_id, FIRST)
    assert await node.phones.register("ada", endpoint_id, SECOND)

    leg_id = await story.dials(Phone(endpoint_id=endpoint_id))
    await story.told.until(LegAnswered, leg_id=leg_id)


async def a_withdrawn_phone_is_not_there(node: NodeUnderTest) -> None:
    story = Story(node)
    if not story.can.provisions:
        await story.refuses(Withdraw(endpoint_id=node.new_id()))
        return
    endpoint_id = node.new_id()
    await story.do(Provision(endpoint_id=endpoint_id, password=FIRST))
    assert await node.phones.register("ada", endpoint_id, FIRST)
    await story.do(Withdraw(endpoint_id=endpoint_id))
    leg_id = await story.dials(Phone(endpoint_id=endpoint_id))

    assert (await story.told.until(LegEnded, leg_id=leg_id)).cause in ("unavailable", "unknown_number")
    assert not await node.phones.register("ada", endpoint_id, FIRST)


async def a_browser_is_provisioned_where_it_can_be(node: NodeUnderTest) -> None:
    story = Story(node)
    provision = Provision(endpoint_id=node.new_id(), password=FIRST, browser=True)
    if not story.can.browsers:
        await story.refuses(provision)
        return
    await story.do(provision)
    await node.lets_pass(0.5)

    assert not story.refused()
