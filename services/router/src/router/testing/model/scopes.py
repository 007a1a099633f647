"""The small worlds that are searched whole at every run. Each is small in what it is not about."""

from collections.abc import Mapping
from typing import Final

from router.testing.model.protocol import Scope

SCOPES: Final[Mapping[str, Scope]] = {
    # Three engines over one journal: two zombies at once.
    "journal": Scope(engines=3, accepts=False, kinds=frozenset({"doubled", "overtaken"})),
    # Two contacts, two agents, from the arrival to the assignment.
    "story": Scope(kinds=frozenset({"doubled", "overtaken"})),
    # An offer that expires while its engine is a zombie, whose batches also come twice and out of order.
    "expiry": Scope(contacts=1, offers=2, faults=2, kinds=frozenset({"doubled", "overtaken"})),
    "reader": Scope(engines=3, accepts=False, kinds=frozenset({"unknown event", "reader restarts"})),
    "redis": Scope(accepts=False, redis=True, faults=2, kinds=frozenset({"roll-back"})),
    "presence": Scope(contacts=1, accepts=False, presence=True, in_flight=1, kinds=frozenset({"device"})),
    "commands": Scope(contacts=1, engines=1, offers=2, faults=2, kinds=frozenset({"repeated"})),
    "snapshot": Scope(contacts=1, faults=2, snapshot=True, kinds=frozenset({"torn", "doubled"})),
}
