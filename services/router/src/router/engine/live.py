"""What the engine keeps in Redis: its lease of a partition, and views of what the journal says. All is rebuildable."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from servicekit.live import Redis, Scripts
from servicekit.together import Together

Kind = Literal["agents", "queues", "assignments", "domains"]
KINDS: Final[tuple[Kind, ...]] = ("agents", "queues", "assignments", "domains")
Views = dict[Kind, dict[str, bytes | None]]
"""JSON of a view by kind and id; none: there is no such thing any more."""
USUAL_KIND: Final = "desktop"
"""Of a device that does not say its kind."""
STAGED_FIELDS_MAX: Final = 500
STAGING_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Leases:
    """Which devices (`<kind>/<id>`, sorted) of which agents have a fresh heartbeat.

    `known` is false when the domain's keys are gone: Redis was wiped.
    """

    known: bool
    devices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class EngineLive(Protocol):
    """Every method raises LiveAwayError when Redis is away; then what was asked may or may not be done."""

    async def hold(self, partition: int, owner: str, lease_ms: int) -> bool:
        """Take or renew the lease; False while another owner holds it."""
        ...

    async def release(self, partition: int, owner: str) -> None:
        """Give the lease back; does nothing if another owner holds it."""
        ...

    async def project(
        self, domain: str, epoch: str, before: int, after: int, views: Views
    ) -> Literal["written", "gap", "stale"]:
        """Change the domain's views if they stand at `before` of this epoch.

        stale: an owner of a later epoch wrote them; gap: they stand elsewhere or are gone.
        """
        ...

    async def rewrite(self, domain: str, epoch: str, position: int, views: Views) -> Literal["written", "stale"]:
        """Replace the domain's views, whatever stood there, unless an owner of a later epoch wrote them."""
        ...

    async def read_leases(self, domain: str, lease_ms: int) -> Leases:
        """Devices whose last heartbeat is not older than `lease_ms` by Redis's clock; older ones are removed."""
        ...

    async def take_questions(self, domain: str, questions_max: int) -> Sequence[bytes]:
        """What is asked of the domain's owner, the oldest first; those whose asker waits no longer are dropped."""
        ...

    async def answer(self, question_id: str, answer: bytes, kept_ms: int) -> None:
        """Answer a question; several owners may answer one that was asked of several domains."""
        ...


class RedisEngineLive:
    """EngineLive in Redis or Valkey; all keys of a domain share a hash tag."""

    def __init__(self, redis: Redis) -> None:
        scripts = Scripts("router.engine")
        self._redis = redis
        self._together = Together(redis)
        self._hold = scripts.load("hold")
        self._release = scripts.load("release")
        self._project = scripts.load("project")
        self._stage = scripts.load("stage")
        self._swap = scripts.load("swap")
        self._leases = scripts.load("leases")
        self._questions = scripts.load("questions")
        self._answer = scripts.load("answer")

    async def hold(self, partition: int, owner: str, lease_ms: int) -> bool:
        """Take or renew the lease."""
        return await self._hold(self._redis, [_lease_key(partition)], [owner, lease_ms]) == 1

    async def release(self, partition: int, owner: str) -> None:
        """Give the lease back."""
        await self._release(self._redis, [_lease_key(partition)], [owner])

    async def project(
        self, domain: str, epoch: str, before: int, after: int, views: Views
    ) -> Literal["written", "gap", "stale"]:
        """One script: check of the position, and the change. Domains that change together share a pipeline."""
        arguments: list[str | bytes | int] = [epoch, before, after]
        for kind in KINDS:
            changed = views.get(kind, {})
            gone = [name for name, view in changed.items() if view is None]
            kept = _flat(changed)
            arguments += [len(gone), *gone, len(kept), *kept]
        keys = [_key(domain, "meta"), *(_key(domain, kind) for kind in KINDS)]
        return _said(await self._together.run(self._project, keys, arguments))

    async def rewrite(self, domain: str, epoch: str, position: int, views: Views) -> Literal["written", "stale"]:
        """Fill keys beside the live ones, in pieces so that Redis is never blocked for long; then swap them."""
        staged = [_key(domain, f"{kind}:{epoch}") for kind in KINDS]
        await self._redis.delete(*staged)
        for kind, key in zip(KINDS, staged, strict=True):
            flat = _flat(views.get(kind, {}))
            for start in range(0, len(flat), 2 * STAGED_FIELDS_MAX):
                await self._stage(self._redis, [key], [STAGING_MS, *flat[start : start + 2 * STAGED_FIELDS_MAX]])
        keys = [_key(domain, "meta"), *staged, *(_key(domain, kind) for kind in KINDS)]
        return "written" if _said(await self._swap(self._redis, keys, [epoch, position])) == "written" else "stale"

    async def read_leases(self, domain: str, lease_ms: int) -> Leases:
        """By Redis's clock, as the heartbeats are written."""
        reply = await self._leases(self._redis, [_key(domain, "leases"), _key(domain, "meta")], [lease_ms])
        assert isinstance(reply, list)  # noqa: S101 - what leases.lua returns
        known, *members = reply
        return Leases(known == 1, devices_of(member.decode() for member in members))

    async def take_questions(self, domain: str, questions_max: int) -> Sequence[bytes]:
        """By Redis's clock. Domains that are looked at together share a pipeline."""
        reply = await self._together.run(self._questions, [_key(domain, "questions")], [questions_max])
        assert isinstance(reply, list)  # noqa: S101 - what questions.lua returns
        return reply

    async def answer(self, question_id: str, answer: bytes, kept_ms: int) -> None:
        """Under a key of the question's own, for whoever waits there."""
        await self._together.run(self._answer, [f"r:answer:{question_id}"], [answer, kept_ms])


def devices_of(members: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Devices by agent; members of the set are `<agent>|<kind>/<device>`, the API of release 0.1.0 names no kind."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for member in members:
        agent_id, _, device = member.rpartition("|")
        found[agent_id].add(device if "/" in device else f"{USUAL_KIND}/{device}")
    return {agent_id: tuple(sorted(devices)) for agent_id, devices in found.items()}


def _flat(views: Mapping[str, bytes | None]) -> list[str | bytes]:
    return [part for name, view in views.items() if view is not None for part in (name, view)]


def _said(reply: object) -> Literal["written", "gap", "stale"]:
    return "written" if reply == b"written" else "gap" if reply == b"gap" else "stale"


def _lease_key(partition: int) -> str:
    return f"engine:lease:{partition}"


def _key(domain: str, name: str) -> str:
    return f"r:{{{domain}}}:{name}"
