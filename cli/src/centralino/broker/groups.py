"""Consumer groups, the classic protocol: members join, their leader assigns, heartbeats keep them (in memory only).

After a restart members are unknown, so they join again; committed offsets are in the file of `offsets`.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass, field

from aiokafka import errors

MEMBERS_MAX = 100
SESSION_TIMEOUT_SECONDS_MIN, SESSION_TIMEOUT_SECONDS_MAX = 1.0, 1800.0
FIRST_JOIN_DELAY_SECONDS = 0.1  # members that start together share one first rebalance

Joined = tuple[int, str, str, str, list[tuple[str, bytes]]]  # generation, protocol, leader, own id, all for the leader


class GroupMaxSizeReachedError(errors.BrokerResponseError):
    """The group has as many members as this broker allows; aiokafka has no class for it."""

    errno = 81


@dataclass
class Member:
    """One consumer; `joining` and `syncing` are its request that waits for the others."""

    client_id: str
    protocols: dict[str, bytes]
    session_timeout_seconds: float
    rebalance_timeout_seconds: float
    expires_at: float = 0.0
    joining: asyncio.Future[Joined] | None = None
    syncing: asyncio.Future[bytes] | None = None
    assignment: bytes = b""

    def refuse(self, error: errors.BrokerResponseError) -> None:
        for waiting in (self.joining, self.syncing):
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
        self.joining = self.syncing = None

    def touch(self) -> None:
        self.expires_at = time.monotonic() + self.session_timeout_seconds

    @property
    def expired(self) -> bool:
        return self.joining is None and self.syncing is None and self.expires_at < time.monotonic()


@dataclass
class Group:
    """States have Kafka's names: Empty, PreparingRebalance, CompletingRebalance, Stable.

    Refusals are aiokafka's errors, whose `errno` is the protocol's code.
    """

    state: str = "Empty"
    generation: int = 0
    protocol_type: str = ""
    protocol: str = ""
    leader: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    _timer: asyncio.TimerHandle | None = None

    async def join(self, member_id: str, protocol_type: str, member: Member) -> Joined:
        """Wait until all known members joined or the longest rebalance time-out passed."""
        self._check_join(member_id, protocol_type, member)
        member_id = member_id or f"{member.client_id}-{uuid.uuid4()}"
        if member_id in self.members:  # its earlier request has lost its reader
            self.members[member_id].refuse(errors.UnknownMemberIdError())
        joining: asyncio.Future[Joined] = asyncio.get_running_loop().create_future()
        member.joining = joining
        self.members[member_id] = member
        self.protocol_type = protocol_type
        if self.state != "PreparingRebalance":
            self._prepare()
        elif all(other.joining for other in self.members.values()) and self.generation:
            self._complete()
        return await joining

    async def sync(self, member_id: str, generation: int, assignments: dict[str, bytes]) -> bytes:
        """The leader brings everybody's assignment, the others wait for it."""
        member = self._member(member_id, generation)
        if self.state == "PreparingRebalance":
            raise errors.RebalanceInProgressError
        if member_id == self.leader and self.state == "CompletingRebalance":
            self.state = "Stable"
            for name, other in self.members.items():
                other.assignment = assignments.get(name, b"")
                other.touch()
                if other.syncing is not None and not other.syncing.done():
                    other.syncing.set_result(other.assignment)
                other.syncing = None
        if self.state == "Stable":
            return member.assignment
        syncing: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        member.syncing = syncing
        return await syncing

    def heartbeat(self, member_id: str, generation: int) -> None:
        self._member(member_id, generation)
        if self.state == "PreparingRebalance":
            raise errors.RebalanceInProgressError

    def check_commit(self, member_id: str, generation: int) -> None:
        """A member may commit until it has joined anew; without a group membership only while the group is empty."""
        if generation < 0 and not self.members:
            return
        self._member(member_id, generation)
        if self.state == "CompletingRebalance":
            raise errors.RebalanceInProgressError

    def leave(self, member_id: str) -> None:
        if member_id not in self.members:
            raise errors.UnknownMemberIdError
        self._remove([member_id])

    def expire(self) -> None:
        """Drop members that have not been heard of for their session time-out."""
        self._remove([name for name, member in self.members.items() if member.expired])

    def _member(self, member_id: str, generation: int) -> Member:
        """A current member, whose life this prolongs."""
        if member_id not in self.members:
            raise errors.UnknownMemberIdError
        if generation != self.generation:
            raise errors.IllegalGenerationError
        self.members[member_id].touch()
        return self.members[member_id]

    def _check_join(self, member_id: str, protocol_type: str, member: Member) -> None:
        others = [other for name, other in self.members.items() if name != member_id]
        if member_id and member_id not in self.members:
            raise errors.UnknownMemberIdError
        if not SESSION_TIMEOUT_SECONDS_MIN <= member.session_timeout_seconds <= SESSION_TIMEOUT_SECONDS_MAX:
            raise errors.InvalidSessionTimeoutError
        common = set(member.protocols).intersection(*(other.protocols for other in others))
        if not common or (others and protocol_type != self.protocol_type):
            raise errors.InconsistentGroupProtocolError
        if len(others) >= MEMBERS_MAX:
            raise GroupMaxSizeReachedError

    def _remove(self, member_ids: list[str]) -> None:
        for member_id in member_ids:
            self.members.pop(member_id).refuse(errors.UnknownMemberIdError())
        if member_ids and self.state != "PreparingRebalance":
            self._prepare()
        elif member_ids and all(member.joining for member in self.members.values()):
            self._complete()

    def _prepare(self) -> None:
        first = self.state == "Empty"
        self.state = "PreparingRebalance"
        for member in self.members.values():
            if member.syncing is not None:
                member.refuse(errors.RebalanceInProgressError())
        timeouts = [member.rebalance_timeout_seconds for member in self.members.values()]
        delay = FIRST_JOIN_DELAY_SECONDS if first else max(timeouts, default=0.0)
        self._timer = asyncio.get_running_loop().call_later(delay, self._complete)
        if not first and all(member.joining for member in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        """Those who have joined make the next generation; the others are out."""
        if self._timer is not None:
            self._timer.cancel()
        self.members = {name: member for name, member in self.members.items() if member.joining}
        self.generation += 1
        if not self.members:
            self.state, self.leader, self.protocol = "Empty", "", ""
            return
        self.state = "CompletingRebalance"
        self.leader = self.leader if self.leader in self.members else next(iter(self.members))
        everybody = list(self.members.values())
        choices = self.members[self.leader].protocols
        self.protocol = next(name for name in choices if all(name in member.protocols for member in everybody))
        roster = [(name, member.protocols[self.protocol]) for name, member in self.members.items()]
        for name, member in self.members.items():
            seen = roster if name == self.leader else []
            if member.joining is not None and not member.joining.done():
                member.joining.set_result((self.generation, self.protocol, self.leader, name, seen))
            member.joining = None
            member.touch()
