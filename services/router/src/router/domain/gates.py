"""What may stand closed while agents are free: the cap of a client, and the agents kept back for inbound work."""

from dataclasses import dataclass, field

from contracts.routing_parts import ClientShare

from router.domain.need import OPEN, Gate


@dataclass(slots=True)
class Gates:
    """The units that tasks of each client hold, against what the configuration grants."""

    shares: dict[str, ClientShare] = field(default_factory=dict)
    reserve: int = 0
    units: dict[str, int] = field(default_factory=dict)
    total: int = 0
    blocked: set[Gate] = field(default_factory=set)
    """Gates that were closed at some instant of the input that is being decided: to be tried again once open."""

    def configure(self, shares: list[ClientShare], reserve: int) -> bool:
        """Take new rules; answers whether tasks may have another gate now."""
        before = self._kinds()
        self.shares = {share.client: share for share in shares}
        self.reserve = reserve
        return self._kinds() != before

    def _kinds(self) -> tuple[dict[str, bool], bool]:
        return {client: share.units_max is not None for client, share in self.shares.items()}, self.reserve > 0

    def closable(self, gate: Gate) -> bool:
        """Whether the gate can be closed at all."""
        share = self.shares.get(gate[0])
        return gate[1] or (share is not None and share.units_max is not None)

    def gate_of(self, client: str, direction: str) -> Gate:
        """The gate that a task comes through."""
        if not self.shares and not self.reserve:
            return OPEN
        return (client if client in self.shares else "", self.reserve > 0 and direction == "outbound")

    def held(self, client: str, units: int) -> None:
        """Tasks of the client hold so many units more, or fewer."""
        self.units[client] = self.units.get(client, 0) + units
        self.total += units

    def opens(self, gate: Gate, cost: int, idle: int) -> bool:
        """Whether a task of this cost may pass while `idle` ready agents hold nothing."""
        client, outbound = gate
        if outbound and idle <= self.reserve:
            return False
        share = self.shares.get(client)
        return share is None or share.units_max is None or self.units.get(client, 0) + cost <= share.units_max

    def below_minimum(self, gate: Gate) -> bool:
        """Whether the gate's client has less than its share of the units in use."""
        share = self.shares.get(gate[0])
        return share is not None and self.units.get(gate[0], 0) * 100 < share.minimum_percent * self.total
