"""The agents of a domain, by what they offer and how much room they have; the base of the lanes."""

from typing import Final

from router.domain.agent import Agent
from router.domain.gates import Gates
from router.domain.heaps import Bucket, Heads
from router.domain.lane_parts import ELIGIBLE, Kind, Profile, Signature, Standing, bar_of, idles, seen_by
from router.domain.need import Need, Offering, Size, has_room, satisfies

_NOWHERE: Final[dict[Size, dict[int, Heads]]] = {}
UNUSED_MAX: Final = 512
"""So many signatures are kept that nothing in line asks for; then the one that has not been used for the longest goes.
Whatever agents ask for in transfers, what an agent's change costs stays bounded."""


class Roster:
    """Takes notice of agents when asked the next question, and links profiles with signatures."""

    __slots__ = (
        "_changed", "_filed", "_groups", "_idle", "_kinds", "_lanes", "_moved", "_profile_numbers", "_profiles",
        "_signature_numbers", "_signatures", "_signatures_made", "_standings", "_unused", "gates",
    )  # fmt: skip

    def __init__(self, gates: Gates | None = None) -> None:
        self.gates = gates or Gates()
        self._signatures: dict[int, Signature] = {}  # no number comes twice
        self._signature_numbers: dict[Need, int] = {}
        self._signatures_made = 0
        self._unused: dict[int, None] = {}  # signatures without a task in line, the longest unused first
        self._lanes: dict[int, Bucket] = {}
        self._profiles: list[Profile] = []
        self._profile_numbers: dict[Offering, int] = {}
        self._groups: list[Bucket] = []
        self._kinds: list[Kind] = []
        self._standings: dict[str, Standing] = {}  # as counted
        self._filed: dict[str, Standing] = {}  # as the groups have them
        self._moved: dict[str, Standing] = {}  # counted, not filed yet
        self._changed: dict[str, Agent] = {}
        self._idle = 0

    def agent_changed(self, agent: Agent) -> None:
        """The agent is new, or their skills, load, state or presence changed."""
        self._changed[agent.agent_id] = agent

    def agent_removed(self, agent: Agent) -> None:
        """The agent is not of this domain any more."""
        self._changed.pop(agent.agent_id, None)
        self._moved.pop(agent.agent_id, None)
        filed = self._filed.pop(agent.agent_id, None)
        if filed is not None:
            self._leave(filed)
        counted = self._standings.pop(agent.agent_id, None)
        if counted is not None:
            self._count(counted, -1)

    # Agents

    def _count_agents(self) -> None:
        if not self._changed:
            return
        for agent in self._changed.values():
            if agent.profile < 0:
                self._profile_of(agent)
            old = self._standings.get(agent.agent_id)
            new = Standing(
                agent.profile, bar_of(agent), agent.room, agent.load, agent.idle_since_ms, agent.turn, agent.agent_id
            )
            if new == old:
                continue
            self._standings[agent.agent_id] = self._moved[agent.agent_id] = new
            if old is None or old.profile != new.profile:
                self._count(new, 1)
                if old is not None:
                    self._count(old, -1)
                continue
            self._idle += idles(new) - idles(old)
            if (old.bar, old.room) != (new.bar, new.room):
                self._recount(old, new)
        self._changed.clear()

    def _file_agents(self) -> None:
        """Later than counting, so that an agent who is offered a task at once is never filed in between."""
        for agent_id, new in self._moved.items():
            old = self._filed.get(agent_id)
            if new != old:
                if old is not None:
                    self._leave(old)
                self._filed[agent_id] = new
                self._enter(new)
        self._moved.clear()

    def _profile_of(self, agent: Agent) -> Profile:
        if agent.profile < 0:
            offering = agent.offering
            number = self._profile_numbers.get(offering)
            if number is None:
                number = self._profile_numbers[offering] = len(self._profiles)
                profile = Profile(offering, dict(agent.skills))
                self._profiles.append(profile)
                for signature in self._signatures.values():
                    self._link(profile, signature)
            agent.profile = number
        return self._profiles[agent.profile]

    def _enter(self, standing: Standing) -> None:
        """Into the groups, and to the top of the signatures if first there."""
        for kind in self._kinds:
            self._enter_group(standing, kind)

    def _enter_group(self, standing: Standing, kind: Kind) -> None:
        room = standing.room
        if standing.bar != ELIGIBLE or room[0] <= 0:
            return
        profile = self._profiles[standing.profile]
        number = profile.groups.get((room, kind))
        if number is None:
            number = profile.groups[room, kind] = len(self._groups)
            self._groups.append(Bucket())
        group = self._groups[number]
        rank = standing.rank(kind)
        group.add(rank)
        if group.head() == rank:
            for size, tops in profile.tops.get(kind, _NOWHERE).items():
                if has_room(room, size):
                    for heads in tops.values():
                        heads.post(number, rank)

    def _leave(self, standing: Standing) -> None:
        groups = self._profiles[standing.profile].groups
        for kind in self._kinds:
            number = groups.get((standing.room, kind))
            if number is not None:
                self._groups[number].discard(standing.agent_id)

    # Who can serve what

    def _link(self, profile: Profile, signature: Signature) -> None:
        size = signature.need.size
        if not satisfies(profile.offering, profile.skills, signature.need):
            return
        signature.profiles.append(profile)
        profile.signatures.setdefault(size, {})[signature.number] = signature
        score = signature.score(profile)
        top = signature.idle.get(score)
        if top is None:
            top = signature.idle[score] = Heads(self._groups)
        profile.tops.setdefault(signature.kind, {}).setdefault(size, {})[signature.number] = top
        head = self._lanes[signature.number].head()
        lanes = profile.lanes.setdefault(size, Heads(self._lanes))
        if head is not None:
            lanes.post(signature.number, head)
        for (bar, room), agents in profile.standings.items():
            signature.counts[seen_by(bar, room, size)] += agents
        for (room, kind), number in profile.groups.items():
            rank = self._groups[number].head() if kind == signature.kind and has_room(room, size) else None
            if rank is not None:
                top.post(number, rank)

    def _used(self, signature: Signature, change: int) -> None:
        """A task of this signature comes into line, or leaves it."""
        signature.tasks += change
        if signature.tasks:
            self._unused.pop(signature.number, None)
            return
        self._unused[signature.number] = None
        if len(self._unused) > UNUSED_MAX:
            self._drop(self._signatures[next(iter(self._unused))])

    def _drop(self, signature: Signature) -> None:
        size, number = signature.need.size, signature.number
        for profile in signature.profiles:
            del profile.signatures[size][number]
            del profile.tops[signature.kind][size][number]
            profile.lanes[size].forget(number)
        del self._signatures[number], self._signature_numbers[signature.need], self._lanes[number]
        del self._unused[number]

    def _fits(self, standing: Standing, signature: Signature) -> bool:
        profile = self._profiles[standing.profile]
        eligible = standing.bar == ELIGIBLE and has_room(standing.room, signature.need.size)
        return eligible and satisfies(profile.offering, profile.skills, signature.need)

    def _count(self, standing: Standing, change: int) -> None:
        profile = self._profiles[standing.profile]
        key = (standing.bar, standing.room)
        profile.standings[key] = profile.standings.get(key, 0) + change
        self._idle += change * idles(standing)
        for size, signatures in profile.signatures.items():
            place = seen_by(standing.bar, standing.room, size)
            for signature in signatures.values():
                signature.counts[place] += change

    def _recount(self, old: Standing, new: Standing) -> None:
        """`_count` for both, without touching signatures that see no difference."""
        profile = self._profiles[new.profile]
        profile.standings[old.bar, old.room] -= 1
        key = (new.bar, new.room)
        profile.standings[key] = profile.standings.get(key, 0) + 1
        for size, signatures in profile.signatures.items():
            before, after = seen_by(old.bar, old.room, size), seen_by(new.bar, new.room, size)
            if before != after:
                for signature in signatures.values():
                    signature.counts[before] -= 1
                    signature.counts[after] += 1
