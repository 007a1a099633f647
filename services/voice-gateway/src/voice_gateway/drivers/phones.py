"""The other side of a simulated node: customers' and agents' phones."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from voice_gateway.domain.events import HoldChanged, LegIncoming, TransferRequested
from voice_gateway.domain.words import Party, RefusedBecause, TransferForm
from voice_gateway.drivers.exchange import Exchange, Invitation, Leg, Manner


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A phone as it is now."""

    rings: bool
    talks: bool
    keys: str
    """That were sent to it in this call."""
    invited: Invitation | None
    refused: RefusedBecause | None
    transferred: bool | None


class Phones:
    """All phones of a node. A phone is known by its name: a number, or the endpoint of an agent."""

    def __init__(self, node: str, exchange: Exchange, now: Callable[[Callable[[], None]], None]) -> None:
        self._node = node
        self._exchange = exchange
        self._now = now
        self._calls = 0

    def behave(self, phone: str, manner: Manner, *, machine: bool = False) -> None:
        """What a phone does that is dialled, and whether a machine answers."""
        self._exchange.manners[phone] = manner
        (self._exchange.machines.add if machine else self._exchange.machines.discard)(phone)

    def may_register(self, endpoint_id: str, password: str) -> bool:
        """Whether a phone that says this may be this endpoint."""
        return self._exchange.passwords.get(endpoint_id) == password

    def call(self, phone: str, number: str, caller: Party, headers: tuple[tuple[str, str], ...] = ()) -> str:
        """A customer dials one of our numbers; the id of the leg."""
        self._calls += 1
        leg_id = uuid5(NAMESPACE_URL, f"leg:{self._node}/{self._calls}").hex

        def act() -> None:
            self._exchange.refused.pop(phone, None)
            self._exchange.legs[leg_id] = Leg(leg_id=leg_id, phone=phone, ours=False)
            at_ms = self._exchange.now_ms
            self._exchange.tell(LegIncoming(leg_id=leg_id, called=number, caller=caller, headers=headers, at_ms=at_ms))

        self._now(act)
        return leg_id

    def line(self, phone: str) -> Line:
        """All that it shows."""
        self._now(lambda: None)
        mine = [leg for leg in self._exchange.legs.values() if leg.phone == phone]
        return Line(
            rings=any(leg.ours and not leg.answered for leg in mine),
            talks=any(leg.answered for leg in mine),
            keys="".join(leg.keys for leg in mine),
            invited=next((leg.invitation for leg in mine), None),
            refused=self._exchange.refused.get(phone),
            transferred=next((leg.transferred for leg in mine), None),
        )

    def answer(self, phone: str) -> None:
        """It rings, and is picked up."""
        self._ringing(phone, lambda leg: self._exchange.answer(leg.leg_id))

    def decline(self, phone: str) -> None:
        """It rings, and nobody wants to answer."""
        self._ringing(phone, lambda leg: self._exchange.end(leg.leg_id, "declined", sip_code=603))

    def hang_up(self, phone: str) -> None:
        """Whoever holds it is done."""
        self._each(phone, lambda leg: self._exchange.end(leg.leg_id, "hung_up" if leg.answered else "cancelled"))

    def press(self, phone: str, keys: str) -> None:
        """Keys are pressed, one after the other."""
        self._each(phone, lambda leg: self._exchange.press(leg.leg_id, keys))

    def hold(self, phone: str, *, held: bool) -> None:
        """Its own hold button."""

        def act(leg: Leg) -> None:
            leg.holds = held
            self._exchange.tell(HoldChanged(leg_id=leg.leg_id, held=held, at_ms=self._exchange.now_ms))

        self._each(phone, act)

    def transfer(self, phone: str, to: str, form: TransferForm = "blind") -> None:
        """Its own transfer button."""

        def act(leg: Leg) -> None:
            exchange = self._exchange
            transfer_id = uuid5(NAMESPACE_URL, f"transfer:{leg.leg_id}/{to}/{exchange.now_ms}").hex
            leg.transfer_id, leg.transferred = transfer_id, None
            asked = TransferRequested(
                transfer_id=transfer_id, leg_id=leg.leg_id, form=form, to=to, at_ms=exchange.now_ms
            )
            exchange.tell(asked)

        self._each(phone, act)

    def hears(self, phone: str) -> frozenset[str]:
        """All that it hears now."""
        self._now(lambda: None)
        mine = [leg.leg_id for leg in self._exchange.legs.values() if leg.phone == phone]
        return frozenset().union(*(self._exchange.hears(leg_id) for leg_id in mine))

    def _ringing(self, phone: str, act: Callable[[Leg], None]) -> None:
        self._each(phone, lambda leg: act(leg) if leg.ours and not leg.answered else None)

    def _each(self, phone: str, act: Callable[[Leg], None]) -> None:
        def acts() -> None:
            for leg in [leg for leg in self._exchange.legs.values() if leg.phone == phone]:
                act(leg)

        self._now(acts)
