"""What laws have in common: callers, agents, rooms, and commands that come twice."""

from typing import Final

from voice_gateway.domain.commands import (
    Answer,
    Command,
    Dial,
    Join,
    OpenRoom,
    Provision,
    SendKeys,
)
from voice_gateway.domain.events import CommandRefused, LegAnswered, LegEnded, LegIncoming, RoomJoined
from voice_gateway.domain.words import EndCause, Party, Phone, RoomKind, Target
from voice_gateway.testing.node import NodeUnderTest, until_seen
from voice_gateway.testing.phones import Greeting, Manner

TOY: Final = "a-toy-of-a-secret"
ANNA: Final = Party(number="+390698765")


class Story:
    """Hands for a law."""

    def __init__(self, node: NodeUnderTest) -> None:
        self.node = node
        self.told = node.told
        self.phones = node.phones
        self.can = node.driver.capabilities

    async def do(self, *commands: Command) -> None:
        """Give each command twice, in order. Not keys: they have no id, and would be heard twice."""
        for command in commands:
            await self.node.driver.do(command)
            if not isinstance(command, SendKeys):
                await self.node.driver.do(command)

    async def refuses(self, *commands: Command) -> None:
        """Each of these is refused, with a reason."""
        for command in commands:
            await self.node.driver.do(command)
            refused = await self.told.until(CommandRefused, command=command)
            assert refused.reason, f"{command} is refused without a reason"

    def refused(self) -> list[Command]:
        """All commands that were refused."""
        return [event.command for event in self.told.of(CommandRefused)]

    async def arrives(
        self, phone: str = "anna", caller: Party = ANNA, headers: tuple[tuple[str, str], ...] = ()
    ) -> str:
        """A call of this phone; the id of its leg."""
        known = {event.leg_id for event in self.told.of(LegIncoming)}
        await self.phones.call(phone, self.node.number, caller, headers)
        await self.told.until_true(lambda: len(self.told.of(LegIncoming)) > len(known), "new LegIncoming")
        [leg_id] = {event.leg_id for event in self.told.of(LegIncoming)} - known
        return leg_id

    async def caller(self, phone: str = "anna") -> str:
        """A call that we have answered; the id of its leg."""
        leg_id = await self.arrives(phone)
        await self.do(Answer(leg_id=leg_id))
        await self.told.until(LegAnswered, leg_id=leg_id)
        await until_seen(self.node, phone, lambda seen: seen.talks)
        return leg_id

    async def agent(self, phone: str = "ada") -> str:
        """An agent's phone that we have dialled and that is answered; the id of its leg."""
        leg_id = await self.dials(await self.target(phone))
        await self.told.until(LegAnswered, leg_id=leg_id)
        return leg_id

    async def target(self, phone: str, manner: Manner = "answers") -> Target:
        """How to dial an agent's phone: provisioned by us, or a number where that cannot be."""
        if not self.can.provisions:
            return await self.phones.outside(phone, manner)
        endpoint_id = f"{phone}-{self.node.new_id()}"
        await self.do(Provision(endpoint_id=endpoint_id, password=TOY))
        assert await self.phones.register(phone, endpoint_id, TOY, manner), f"{phone} may not register"
        return Phone(endpoint_id=endpoint_id)

    async def outside(self, phone: str, manner: Manner = "answers", greeting: Greeting = "none") -> Target:
        """How to dial a phone behind the trunk."""
        return await self.phones.outside(phone, manner, greeting=greeting)

    async def dials(self, to: Target, ring_seconds: int = 20) -> str:
        """Dial; the id of the leg."""
        leg_id = self.node.new_id()
        await self.do(Dial(leg_id=leg_id, to=to, ring_seconds=ring_seconds))
        return leg_id

    async def room(self, kind: RoomKind, *leg_ids: str) -> str:
        """A new room with these legs in it; its id."""
        room_id = self.node.new_id()
        await self.do(OpenRoom(room_id=room_id, kind=kind))
        await self.joins(room_id, *leg_ids)
        return room_id

    async def joins(self, room_id: str, *leg_ids: str) -> None:
        """Put legs into a room."""
        for leg_id in leg_ids:
            await self.do(Join(room_id=room_id, leg_id=leg_id))
            await self.told.until(RoomJoined, room_id=room_id, leg_id=leg_id)

    async def ended(self, leg_id: str, cause: EndCause, *, by_us: bool) -> LegEnded:
        """The leg is over, for this cause as far as the node can tell."""
        ended = await self.told.until(LegEnded, leg_id=leg_id)
        assert (ended.cause, ended.by_us) == (self.node.told_as.get(cause, cause), by_us)
        return ended
