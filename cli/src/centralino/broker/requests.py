"""What the broker answers to each request: one method for each API, with aiokafka's schemas of the pinned versions."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import errors
from aiokafka.protocol import admin, commit, coordination, fetch, group, metadata, offset, produce, transaction
from aiokafka.protocol.api import RequestStruct

from centralino.broker.groups import Group, Member
from centralino.broker.offsets import CommittedOffsets
from centralino.broker.topics import Topics, now_ms

Fields = Any  # aiokafka's schemas set the fields of a request by name at run time
Rows = list[tuple[object, ...]]
ByTopic = list[tuple[str, Rows]]
Answer = tuple[object, ...] | None  # the fields of the response in order; None: no response is wanted
Handler = Callable[[Fields, str], Awaitable[Answer]]
NODE, CLUSTER, NO_THROTTLE = 0, "centralino-development", 0
EARLIEST, LATEST = -2, -1
FETCH_BYTES_MAX = 16 * 2**20
FETCH_WAIT_SECONDS_MAX = 60
REBALANCE_SECONDS_MAX = 1800
NOTE_LENGTH_MAX = 4096  # Kafka's default for the metadata of a commit


@dataclass(frozen=True)
class Api:
    """A method answers in the newest version; the older ones, which librdkafka looks for, only lack fields."""

    handle: Handler
    versions: dict[int, type[RequestStruct]]

    def encode(self, version: int, fields: tuple[object, ...]) -> bytes:
        newest = self.versions[max(self.versions)].RESPONSE_TYPE.SCHEMA.names
        named, response = dict(zip(newest, fields, strict=True)), self.versions[version].RESPONSE_TYPE
        return response(*[named[name] for name in response.SCHEMA.names]).encode()


class Requests:
    """Holds the state of the broker; `table` maps an API's key to what serves it."""

    def __init__(self, topics: Topics, offsets: CommittedOffsets, address: tuple[str, int]) -> None:
        self._topics, self._offsets, self._address = topics, offsets, address
        self._groups: dict[str, Group] = {}
        served: list[tuple[Handler, *tuple[type[RequestStruct], ...]]] = [
            (self._api_versions, admin.ApiVersionRequest_v0),
            (self._metadata, metadata.MetadataRequest_v4),
            (self._produce, produce.ProduceRequest_v3),
            (self._fetch, fetch.FetchRequest_v4),
            (self._list_offsets, offset.OffsetRequest_v1, offset.OffsetRequest_v2),
            (self._init_producer_id, transaction.InitProducerIdRequest_v0),
            (self._find_coordinator, coordination.FindCoordinatorRequest_v0, coordination.FindCoordinatorRequest_v1),
            (self._join_group, group.JoinGroupRequest_v0, group.JoinGroupRequest_v1, group.JoinGroupRequest_v2),
            (self._sync_group, group.SyncGroupRequest_v0, group.SyncGroupRequest_v1),
            (self._heartbeat, group.HeartbeatRequest_v0, group.HeartbeatRequest_v1),
            (self._leave_group, group.LeaveGroupRequest_v0, group.LeaveGroupRequest_v1),
            (self._commit_offsets, commit.OffsetCommitRequest_v2, commit.OffsetCommitRequest_v3),
            (
                self._fetch_offsets,
                commit.OffsetFetchRequest_v1,
                commit.OffsetFetchRequest_v2,
                commit.OffsetFetchRequest_v3,
            ),
            (self._list_groups, admin.ListGroupsRequest_v1),
            (self._create_topics, admin.CreateTopicsRequest_v1),
            (self._delete_topics, admin.DeleteTopicsRequest_v1),
            (self._delete_records, admin.DeleteRecordsRequest_v1),
        ]
        self.table = {
            schemas[0].API_KEY: Api(handler, {schema.API_VERSION: schema for schema in schemas})
            for handler, *schemas in served
        }

    def expire(self) -> None:
        """Housekeeping: dead members, empty groups, old records."""
        for name, members in list(self._groups.items()):
            members.expire()
            if members.state == "Empty":
                del self._groups[name]
        self._topics.expire()

    def versions(self) -> list[tuple[int, int, int]]:
        """Produce is said to begin at 0, as Kafka 4 says without serving it: else librdkafka does not compress."""
        oldest = {key: min(api.versions) for key, api in self.table.items()} | {produce.ProduceRequest_v3.API_KEY: 0}
        return [(key, oldest[key], max(api.versions)) for key, api in self.table.items()]

    async def _api_versions(self, _request: Fields, _client_id: str) -> Answer:
        return 0, self.versions()

    async def _metadata(self, request: Fields, _client_id: str) -> Answer:
        """Never creates a topic, whatever the client allows: production does not either."""
        names = self._topics.names() if request.topics is None else request.topics
        topics = [self._topic_metadata(name) for name in names]
        return NO_THROTTLE, [(NODE, *self._address, None)], CLUSTER, NODE, topics

    def _topic_metadata(self, name: str) -> tuple[object, ...]:
        if name not in self._topics.names():
            return errors.UnknownTopicOrPartitionError.errno, name, False, []
        return 0, name, False, [(0, p, NODE, [NODE], [NODE]) for p in range(len(self._topics.logs(name)))]

    async def _produce(self, request: Fields, _client_id: str) -> Answer:
        def append(topic: str, partition: int, batch: bytes | None) -> tuple[object, ...]:
            return self._topics.log(topic, partition).append(batch or b"", now_ms()), -1

        answers = _each(request.topics, append, refused=(-1, -1))
        return (answers, NO_THROTTLE) if request.required_acks else None

    async def _fetch(self, request: Fields, _client_id: str) -> Answer:
        """Answer at once with `min_bytes` or an error, else when an append brings them or the wait is over."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        deadline = loop.time() + min(request.max_wait_time / 1000, FETCH_WAIT_SECONDS_MAX)
        timer = loop.call_at(deadline, arrived.set)
        wanted = [self._topics.find(topic, p) for topic, partitions in request.topics for p, *_ in partitions]
        logs = [log for log in wanted if log is not None]
        for log in logs:
            log.waiters.add(arrived)
        try:
            while True:
                arrived.clear()
                answers, size, failed = self._read(request)
                if failed or size >= request.min_bytes or loop.time() >= deadline:
                    return NO_THROTTLE, answers
                await arrived.wait()
        finally:
            timer.cancel()
            for log in logs:
                log.waiters.discard(arrived)

    def _read(self, request: Fields) -> tuple[ByTopic, int, bool]:
        """Within the bytes asked for, except that the first batch always goes out whole (KIP-74)."""
        size, room = 0, min(request.max_bytes, FETCH_BYTES_MAX)

        def read(topic: str, partition: int, start: int, bytes_max: int) -> tuple[object, ...]:
            nonlocal size
            log = self._topics.log(topic, partition)
            data = log.read(start, max(min(bytes_max, room - size), 0), at_least_one=not size)
            size += len(data)
            return log.end_offset, log.end_offset, None, data

        answers = _each(request.topics, read, refused=(-1, -1, None, b""))
        return answers, size, any(code for _, rows in answers for _, code, *_ in rows)

    async def _list_offsets(self, request: Fields, _client_id: str) -> Answer:
        def find(topic: str, partition: int, timestamp_ms: int) -> tuple[object, ...]:
            log = self._topics.log(topic, partition)
            if timestamp_ms in (EARLIEST, LATEST):
                return -1, log.end_offset if timestamp_ms == LATEST else log.start_offset
            return log.first_since(timestamp_ms)

        return NO_THROTTLE, _each(request.topics, find, refused=(-1, -1))

    async def _init_producer_id(self, request: Fields, _client_id: str) -> Answer:
        if request.transactional_id is not None:
            return NO_THROTTLE, errors.TransactionalIdAuthorizationFailed.errno, -1, -1
        return NO_THROTTLE, 0, self._topics.next_producer_id(), 0

    async def _find_coordinator(self, _request: Fields, _client_id: str) -> Answer:
        return NO_THROTTLE, 0, None, NODE, *self._address

    async def _join_group(self, request: Fields, client_id: str) -> Answer:
        rebalance_ms = getattr(request, "rebalance_timeout", request.session_timeout)  # version 0 has one time-out
        rebalance_seconds = min(rebalance_ms / 1000, REBALANCE_SECONDS_MAX)
        member = Member(client_id, dict(request.group_protocols), request.session_timeout / 1000, rebalance_seconds)
        try:
            joined = await self._group(request.group).join(request.member_id, request.protocol_type, member)
        except errors.BrokerResponseError as error:
            return NO_THROTTLE, error.errno, -1, "", "", request.member_id, []
        return NO_THROTTLE, 0, *joined

    async def _sync_group(self, request: Fields, _client_id: str) -> Answer:
        members, assignments = self._group(request.group), dict(request.group_assignment)
        try:
            assigned = await members.sync(request.member_id, request.generation_id, assignments)
        except errors.BrokerResponseError as error:
            return NO_THROTTLE, error.errno, b""
        return NO_THROTTLE, 0, assigned

    async def _heartbeat(self, request: Fields, _client_id: str) -> Answer:
        heartbeat = self._group(request.group).heartbeat
        return NO_THROTTLE, _code(heartbeat, request.member_id, request.generation_id)

    async def _leave_group(self, request: Fields, _client_id: str) -> Answer:
        return NO_THROTTLE, _code(self._group(request.group).leave, request.member_id)

    async def _commit_offsets(self, request: Fields, _client_id: str) -> Answer:
        name, generation = request.consumer_group, request.consumer_group_generation_id

        def write(topic: str, partition: int, position: int, note: str | None) -> tuple[object, ...]:
            self._group(name).check_commit(request.consumer_id, generation)
            if len(note or "") > NOTE_LENGTH_MAX:
                raise errors.OffsetMetadataTooLargeError
            self._topics.log(topic, partition)  # refuses an unknown one
            self._offsets.commit((name, topic, partition), position, note or "")
            return ()

        return NO_THROTTLE, _each(request.topics, write, refused=())

    async def _fetch_offsets(self, request: Fields, _client_id: str) -> Answer:
        name, wanted = request.consumer_group, request.topics
        if wanted is None:
            wanted = [(topic, [partition]) for topic, partition in self._offsets.of_group(name)]
        answers = [(t, [(p, *self._offsets.get((name, t, p)), 0) for p in partitions]) for t, partitions in wanted]
        return NO_THROTTLE, answers, 0

    async def _list_groups(self, _request: Fields, _client_id: str) -> Answer:
        names = self._offsets.groups() | set(self._groups)
        return NO_THROTTLE, 0, [(name, self._group(name).protocol_type or "consumer") for name in sorted(names)]

    async def _create_topics(self, request: Fields, _client_id: str) -> Answer:
        def create(name: str, partitions: int, configs: list[tuple[str, str]]) -> None:
            self._topics.create(name, partitions, dict(configs), validate_only=request.validate_only)

        wanted = request.create_topic_requests
        return ([(name, _code(create, name, number, configs), None) for name, number, _, _, configs in wanted],)

    async def _delete_topics(self, request: Fields, _client_id: str) -> Answer:
        def delete(name: str) -> None:
            self._topics.delete(name)
            self._offsets.forget_topic(name)

        return NO_THROTTLE, [(name, _code(delete, name)) for name in request.topics]

    async def _delete_records(self, request: Fields, _client_id: str) -> Answer:
        def delete(topic: str, partition: int, before: int) -> tuple[object, ...]:
            return (self._topics.log(topic, partition).delete_before(before),)

        answers = _each(request.topics, delete, refused=(-1,))
        return NO_THROTTLE, [(topic, [(p, low, code) for p, code, low in rows]) for topic, rows in answers]

    def _group(self, name: str) -> Group:
        return self._groups.setdefault(name, Group())


def _each(
    topics: list[tuple[str, Rows]], handle: Callable[..., tuple[object, ...]], *, refused: tuple[object, ...]
) -> ByTopic:
    """Per topic and partition: the partition, an error's code, and what `handle` gives (or `refused` with an error)."""

    def answer(topic: str, partition: object, *rest: object) -> tuple[object, ...]:
        try:
            return partition, 0, *handle(topic, partition, *rest)
        except errors.BrokerResponseError as error:
            return partition, error.errno, *refused

    return [(topic, [answer(topic, *row) for row in rows]) for topic, rows in topics]


def _code(act: Callable[..., None], *arguments: object) -> int:
    try:
        act(*arguments)
    except errors.BrokerResponseError as error:
        return int(error.errno)
    return 0
