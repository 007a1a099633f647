"""The simulated node as the laws of drivers see it; its time is virtual, in a VirtualLoop."""

import asyncio
from typing import Final

from servicekit.testing.virtual import SeededIds, VirtualClock

from voice_gateway.domain.words import EndCause, Media, Number, Party, RefusedBecause
from voice_gateway.drivers.exchange import Invitation
from voice_gateway.drivers.simulated import SimulatedDriver
from voice_gateway.drivers.tones import tone_of
from voice_gateway.testing.node import Told
from voice_gateway.testing.phones import SOUNDS, Greeting, Invited, Manner, Seen

_SOUND: Final = "sound:"


class SimulatedNode:
    """See NodeUnderTest."""

    number: Final = "+390612345"

    def __init__(self) -> None:
        self.told = Told()
        self._clock = VirtualClock()
        self.driver = SimulatedDriver("under-test", self.told, self._clock)
        self.phones = SimulatedPhones(self.driver)
        self.sounds = {name: Media(uri=_SOUND + name) for name in SOUNDS}
        self.told_as: dict[EndCause, EndCause] = {}
        self.refuses_as: dict[RefusedBecause, RefusedBecause] = {}
        self._ids = SeededIds()
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """See NodeUnderTest."""
        self._running = asyncio.create_task(self.driver.run(self._stop))

    async def close(self) -> None:
        """See NodeUnderTest."""
        self._stop.set()
        if self._running is not None:
            await self._running

    def new_id(self) -> str:
        """See NodeUnderTest."""
        return self._ids.new_id()

    async def lets_pass(self, seconds: float) -> None:
        """See NodeUnderTest."""
        await self._clock.sleep(seconds)

    async def lose(self) -> None:
        """See NodeUnderTest."""
        self.driver.lose("the test cut it off")

    async def regain(self) -> None:
        """See NodeUnderTest."""
        self.driver.regain()

    def tone(self, name: str) -> int:
        """See NodeUnderTest."""
        return tone_of(self.phones.known_as(name))

    def bot_url(self) -> str:
        """See NodeUnderTest; nothing listens there."""
        return "wss://bot.example"


class SimulatedPhones:
    """See Phones. The node knows an agent's phone by its endpoint, the laws by its name."""

    def __init__(self, driver: SimulatedDriver) -> None:
        self._phones = driver.phones
        self._endpoints: dict[str, str] = {}

    def known_as(self, phone: str) -> str:
        """The node's name for a phone."""
        return self._endpoints.get(phone, phone)

    async def outside(self, phone: str, manner: Manner = "answers", *, greeting: Greeting = "none") -> Number:
        """See Phones."""
        self._phones.behave(phone, manner, machine=greeting == "machine")
        return Number(number=phone)

    async def register(self, phone: str, endpoint_id: str, password: str, manner: Manner = "answers") -> bool:
        """See Phones."""
        if not self._phones.may_register(endpoint_id, password):
            return False
        self._endpoints[phone] = endpoint_id
        self._phones.behave(endpoint_id, manner)
        return True

    async def call(self, phone: str, number: str, caller: Party, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """See Phones."""
        self._phones.call(phone, number, caller, headers)

    async def answer(self, phone: str) -> None:
        """See Phones."""
        self._phones.answer(self.known_as(phone))

    async def decline(self, phone: str) -> None:
        """See Phones."""
        self._phones.decline(self.known_as(phone))

    async def hang_up(self, phone: str) -> None:
        """See Phones."""
        self._phones.hang_up(self.known_as(phone))

    async def press(self, phone: str, keys: str) -> None:
        """See Phones."""
        self._phones.press(self.known_as(phone), keys)

    async def hold(self, phone: str, *, held: bool) -> None:
        """See Phones."""
        self._phones.hold(self.known_as(phone), held=held)

    async def transfer(self, phone: str, to: str) -> None:
        """See Phones."""
        self._phones.transfer(self.known_as(phone), to)

    def seen(self, phone: str) -> Seen:
        """See Phones."""
        names = {endpoint_id: name for name, endpoint_id in self._endpoints.items()}
        line = self._phones.line(self.known_as(phone))
        heard = (each.removeprefix(_SOUND) for each in self._phones.hears(self.known_as(phone)))
        return Seen(
            rings=line.rings,
            talks=line.talks,
            hears=frozenset(names.get(each, each) for each in heard),
            keys=line.keys,
            invited=_invited(line.invited),
            refused=line.refused,
            transferred=line.transferred,
        )


def _invited(told: Invitation | None) -> Invited | None:
    if told is None:
        return None
    return Invited(number=told.shown.number, headers=told.headers, answers_itself=told.answers_itself)
