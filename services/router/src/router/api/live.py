"""What the router's API keeps in and reads from Redis: leases, push streams, the engine's projection.

Keys of a domain share the hash tag `{<tenant>/<domain>}`. Nothing here is the only copy of anything but leases; the
streams that hold what people wrote are bounded and expire. Waits and failures: `servicekit.live`.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from contracts.tasks import Role
from servicekit.live import LiveAwayError, Redis, Scripts
from servicekit.together import Together

from router.api.models import AgentView, AssignmentView, DomainView, QueueView

SIGNALS: Final = "router:push"
TYPING: Final = "typing:"
What = Literal["tell", "take", "role", "release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushLimits:
    """The bounds of the push streams."""

    stream_entries_max: int = 1000
    stream_seconds: int = 600
    talk_entries_max: int = 500
    talk_seconds: int = 86_400
    seat_seconds: int = 8 * 86_400
    read_entries_max: int = 100
    look_back_entries_max: int = 200
    script_pushes_max: int = 32
    questions_max: int = 50


@dataclass(frozen=True, slots=True)
class Place:
    """A domain of a tenant."""

    tenant_id: str
    domain: str

    @property
    def tag(self) -> str:
        """How keys and signals name it."""
        return f"{self.tenant_id}/{self.domain}"

    def key(self, name: str) -> str:
        """A key under the domain's hash tag."""
        return f"r:{{{self.tag}}}:{name}"


@dataclass(frozen=True, slots=True)
class EventPush:
    """A routing event for an agent and perhaps `others`. take: the agent has a seat in the interaction from here on, by
    the assignment; role: another one; release: not any more; restore: the agent had it when Redis lost it."""

    place: Place
    what: What | Literal["restore"]
    agent_id: str
    sequence: str
    frame: str
    interaction_id: str = ""
    assignment_id: str = ""
    role: Role = "owner"
    others: tuple[str, ...] = ()

    def arguments(self) -> Sequence[str | int]:
        """For push_events.lua."""
        others = "|".join(self.others)
        return self.what, self.sequence, self.agent_id, self.frame, others, self.assignment_id, self.role


@dataclass(frozen=True, slots=True)
class MessagePush:
    """A message for all agents who have a seat in the interaction, and for later ones; or for `only` this agent."""

    place: Place
    interaction_id: str
    offset: int
    frame: str
    only: str | None = None
    also: str = ""
    """Another interaction whose agents are told too, though nothing is kept for later ones there."""
    erases: str = ""
    """A message whose words leave the talk."""
    window: str = ""
    """JSON: from now on the interaction's."""

    def arguments(self) -> Sequence[str | int]:
        """For push_messages.lua."""
        who = f"@{self.only}" if self.only else "all"
        return self.offset, self.frame, who, self.interaction_id, self.also, self.erases, self.window


@dataclass(frozen=True, slots=True)
class AboutPush:
    """What an interaction began with, as far as it is no personal data; nobody is told."""

    place: Place
    interaction_id: str
    known: Mapping[str, str]


Push = EventPush | MessagePush | AboutPush


@dataclass(frozen=True, slots=True)
class PushRead:
    """What an agent's stream answers; not `complete` means that frames which the device lacks are gone."""

    complete: bool
    last: int
    frames: Sequence[tuple[int, str]]


class ApiLive:
    """Redis, as the API uses it. The casts below say that `open_redis` answers bytes."""

    def __init__(self, redis: Redis, limits: PushLimits = PushLimits()) -> None:
        scripts = Scripts("router.api")
        self.redis = redis
        self._together = Together(redis)
        self._limits = limits
        self._heartbeat = scripts.load("heartbeat")
        self._push_events = scripts.load("push_events")
        self._push_messages = scripts.load("push_messages")
        self._push_read = scripts.load("push_read")
        self._push_start = scripts.load("push_start")
        self._ask = scripts.load("ask")

    async def heartbeat(self, place: Place, agent_id: str, device: str, *, alive: bool = True) -> None:
        """Renew the lease of an agent's device (`<kind>/<id>`), or give it back."""
        arguments = [f"{agent_id}|{device}", "alive" if alive else "bye"]
        await self._together.run(self._heartbeat, [place.key("leases")], arguments)

    async def push(self, pushes: Sequence[Push]) -> list[bool]:
        """Append frames to agents' streams, in order within a domain; False for each repeat.

        Those of a domain that are of one kind share scripts. One script follows the other: what a later one appended
        would make an earlier one a repeat.
        """
        shares: defaultdict[tuple[Place, type[Push]], list[int]] = defaultdict(list)
        for index, each in enumerate(pushes):
            shares[each.place, type(each)].append(index)
        answers = await asyncio.gather(
            *(self._push(place, [pushes[index] for index in indices]) for (place, _), indices in shares.items())
        )
        new = [False] * len(pushes)
        for indices, appended in zip(shares.values(), answers, strict=True):
            for index, count in zip(indices, appended, strict=True):
                new[index] = count > 0
        return new

    async def about(self, place: Place, interaction_id: str) -> dict[str, str]:
        """What is known of an interaction: `address`, `client`, `language`, `window` (JSON); empty once lost."""
        found = await self._hash(place.key(f"about:{interaction_id}"))
        return {name.decode(): value.decode() for name, value in found.items()}

    async def restore_seat(self, place: Place, assignment: AssignmentView) -> None:
        """After a loss of Redis: the agent has the seat again and gets what was said since."""
        lost = EventPush(
            place,
            "restore",
            assignment.agent_id,
            sequence="",
            frame="",
            interaction_id=assignment.interaction_id,
            assignment_id=assignment.assignment_id,
            role=assignment.role,
        )
        await self._push(place, [lost])

    async def push_read(self, place: Place, agent_id: str, after: int | None) -> PushRead:
        """The frames after a number; without one only the last number."""
        reply = await self._together.run(
            self._push_read,
            _stream(place, agent_id),
            ["" if after is None else after, self._limits.read_entries_max, self._limits.stream_seconds * 1000],
        )
        complete, last, found = cast(tuple[int, bytes, list[bytes]], reply)  # what push_read.lua returns
        frames = [(int(number), frame.decode()) for number, frame in zip(found[::2], found[1::2], strict=True)]
        return PushRead(complete == 1, int(last), frames)

    async def push_start(self, place: Place, agent_id: str) -> int:
        """The number to read from so that the projection, read afterwards, and the stream leave no gap."""
        reply = await self._push_start(
            self.redis,
            [*_stream(place, agent_id), place.key("meta")],
            [self._limits.look_back_entries_max, self._limits.stream_seconds * 1000],
        )
        return int(cast(bytes, reply))

    async def agent_view(self, place: Place, agent_id: str) -> AgentView | None:
        """The agent in the engine's projection."""
        raw = await self.redis.hget(place.key("agents"), agent_id)
        return AgentView.model_validate_json(raw) if raw else None

    async def is_projected(self, place: Place) -> bool:
        """Whether the engine's projection of the domain is there at all."""
        return bool(await self.redis.exists(place.key("meta")))

    async def assignments(self, place: Place, assignment_ids: Sequence[str]) -> list[AssignmentView]:
        """Those of the assignments that the projection has."""
        if not assignment_ids:
            return []
        found = await self.redis.hmget(place.key("assignments"), list(assignment_ids))
        return [AssignmentView.model_validate_json(raw) for raw in found if raw]

    async def positions(self, places: Sequence[Place]) -> list[bytes | None]:
        """How far each domain's projection is; it changes whenever a view does."""
        return [cast(bytes | None, await self.redis.hget(place.key("meta"), "position")) for place in places]

    async def domain(self, place: Place) -> DomainView:
        """What the engine has configured of the domain; version 0 while no view says so."""
        raw = await self.redis.hget(place.key("domains"), place.domain)
        return DomainView.model_validate_json(raw) if raw else DomainView(domain=place.domain, version=0)

    async def queues(self, place: Place) -> list[QueueView]:
        """The queues of the domain, by name."""
        rows = await self._hash(place.key("queues"))
        return [QueueView.model_validate_json(rows[name]) for name in sorted(rows)]

    async def agents(self, place: Place) -> list[AgentView]:
        """The agents of the domain, by id."""
        rows = await self._hash(place.key("agents"))
        return [AgentView.model_validate_json(rows[name]) for name in sorted(rows)]

    async def talks_to_customer(self, place: Place, agent_id: str, interaction_id: str) -> bool:
        """Whether the agent has a seat in the interaction that the customer sees."""
        seats = cast(list[bytes], await self.redis.hvals(place.key(f"seats:{interaction_id}")))
        return any(seat.decode() in (f"owner {agent_id}", f"participant {agent_id}") for seat in seats)

    async def typing(self, interaction_id: str) -> None:
        """Tell whoever shows the conversation to the customer that the agent is typing."""
        await self.redis.publish(f"{TYPING}{{{interaction_id}}}", json.dumps({"from": "agent"}))

    async def ask(self, place: Place, question: bytes, wait_seconds: float) -> bool:
        """Ask the engine that owns the domain; False when too many questions wait there."""
        keys, waits_ms = [place.key("questions")], round(wait_seconds * 1000)
        return await self._together.run(self._ask, keys, [question, waits_ms, self._limits.questions_max]) == 1

    async def answer(self, question_id: str, wait_seconds: float) -> bytes | None:
        """The next answer to a question; none when it does not come in time. It takes a connection meanwhile."""
        # Redis takes 0 for no time-out at all.
        found = await self.redis.blpop([f"r:answer:{question_id}"], timeout=max(0.01, wait_seconds))
        return cast(tuple[bytes, bytes], found)[1] if found else None

    async def _hash(self, key: str) -> Mapping[bytes, bytes]:
        return cast(Mapping[bytes, bytes], await self.redis.hgetall(key))

    async def _push(self, place: Place, pushes: Sequence[Push]) -> list[int]:
        """How many frames each appended."""
        abouts = [each for each in pushes if isinstance(each, AboutPush)]
        if abouts:
            await self._keep_about(place, abouts)
            return [0] * len(pushes)
        told = [each for each in pushes if not isinstance(each, AboutPush)]
        appended: list[int] = []
        for first in range(0, len(told), self._limits.script_pushes_max):
            appended += await self._push_some(place, told[first : first + self._limits.script_pushes_max])
        return appended

    async def _keep_about(self, place: Place, abouts: Sequence[AboutPush]) -> None:
        pipeline = self.redis.pipeline(transaction=False)
        for each in abouts:
            key = place.key(f"about:{each.interaction_id}")
            for name, value in each.known.items():
                pipeline.hset(key, name, value)
            pipeline.expire(key, self._limits.seat_seconds)
        await pipeline.execute()

    async def _push_some(self, place: Place, pushes: Sequence[EventPush | MessagePush]) -> list[int]:
        limits = self._limits
        of_events = isinstance(pushes[0], EventPush)
        keys = [place.key("pushed-sequence")] if of_events else []
        arguments: list[str | int] = [
            place.key(""),
            SIGNALS,
            f"{place.tag}|",
            limits.stream_entries_max,
            limits.stream_seconds * 1000,
            limits.seat_seconds * 1000,
            limits.talk_entries_max,
            limits.talk_seconds * 1000,
        ]
        for each in pushes:
            keys += [place.key(f"seats:{each.interaction_id}"), place.key(f"talk:{each.interaction_id}")]
            arguments += each.arguments()
        script = self._push_events if of_events else self._push_messages
        return cast(list[int], await self._together.run(script, keys, arguments))


def _stream(place: Place, agent_id: str) -> list[str]:
    return [place.key(f"push:{agent_id}"), place.key(f"pushed:{agent_id}")]


__all__ = [
    "SIGNALS",
    "TYPING",
    "AboutPush",
    "ApiLive",
    "EventPush",
    "LiveAwayError",
    "MessagePush",
    "Place",
    "Push",
    "PushLimits",
    "PushRead",
    "What",
]
