"""The WebSockets of agents and supervisors, over real Redis."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from contracts import Event
from contracts.agents import AgentStateChanged
from contracts.messages import MessageFailed, MessageReceived
from contracts.tasks import TaskAssigned, TaskCompleted
from router.api.live import TYPING, EventPush, MessagePush, Place
from router.api.testing import TOPIC_PARTITIONS, RunningApi, append, running_api
from servicekit.auth import Role
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

Json = dict[str, Any]


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path) as running:
        await running.configure()
        await running.project("ann")
        yield running


async def ticket(api: RunningApi, subject: str = "ann", role: Role = "agent", **claims: Any) -> str:
    async with api.client(api.token(subject, role, **claims)) as client:
        answer = await client.post("/socket-tickets")
        return str(answer.json()["ticket"])


@asynccontextmanager
async def socket(api: RunningApi, path: str = "agent-socket", **query: Any) -> AsyncGenerator[ClientConnection]:
    query.setdefault("ticket", await ticket(api))
    words = "&".join(f"{name}={value}" for name, value in query.items())
    url = api.url.replace("http:", "ws:")
    async with connect(f"{url}/router/v1/{path}?{words}") as connection:
        yield connection


async def frame(connection: ClientConnection) -> Json:
    received: Json = json.loads(await asyncio.wait_for(connection.recv(), 5))
    return received


async def close_code(connection: ClientConnection) -> int | None:
    await asyncio.wait_for(connection.wait_closed(), 5)
    return connection.close_code


def state_changed(api: RunningApi, at_ms: int) -> AgentStateChanged:
    return AgentStateChanged(
        agent_id="ann",
        domain=api.place.domain,
        state="ready",
        reason_code=None,
        cause="command",
        changed_at_ms=at_ms,
    )


def assigned(api: RunningApi, interaction_id: str, agent_id: str = "ann") -> TaskAssigned:
    return TaskAssigned(
        task_id=f"{interaction_id}.t1",
        interaction_id=interaction_id,
        domain=api.place.domain,
        queue="help",
        channel="webchat",
        assignment_id=f"{interaction_id}.t1.o1.a",
        offer_id=f"{interaction_id}.t1.o1",
        agent_id=agent_id,
        assigned_at_ms=1,
        waited_ms=1,
    )


def completed(api: RunningApi, interaction_id: str) -> TaskCompleted:
    return TaskCompleted(
        task_id=f"{interaction_id}.t1",
        interaction_id=interaction_id,
        domain=api.place.domain,
        queue="help",
        assignment_id=f"{interaction_id}.t1.o1.a",
        agent_id="ann",
        reason="completed_by_agent",
        disposition=None,
        then="close",
        seen_number=None,
        completed_at_ms=2,
        handled_ms=1,
    )


async def say(api: RunningApi, interaction_id: str, number: int) -> None:
    data = MessageReceived(
        message_id=f"{interaction_id}.{number}",
        interaction_id=interaction_id,
        domain=api.place.domain,
        channel="webchat",
        number=number,
        received_at_ms=number,
        personal={"text": f"message {number}"},
    )
    await write(api, data, interaction_id)


async def write(api: RunningApi, data: object, interaction_id: str) -> None:
    event = Event(id="m", source="/chat", tenant_id=api.tenant_id, subject=interaction_id, time_ms=0, data=data)
    async with api.log.writer("gateway") as writer:
        await append(writer, event, key=interaction_id)


async def pushed(api: RunningApi, count: int) -> None:
    """Until the agent's stream has so many frames."""

    async def there() -> bool:
        return bool(await api.redis.xlen(api.place.key("push:ann")) >= count)

    await eventually(there)


async def frames_of(api: RunningApi) -> list[bytes]:
    """What Ann's stream holds."""
    entries: Any = await api.redis.xrange(api.place.key("push:ann"))
    return [fields[b"frame"] for _, fields in entries]


async def test_what_happens_to_the_agent_arrives_in_order_with_rising_numbers(api: RunningApi) -> None:
    async with socket(api) as connection:
        hello = await frame(connection)
        for at_ms in (1, 2, 3):
            await api.engine.publish(api.tenant_id, state_changed(api, at_ms))
        frames = [await frame(connection) for _ in range(3)]

    first = frames[0]["sequence"]
    assert (hello["type"], hello["data"]["resumed"]) == ("hello", False)
    assert [each["type"] for each in frames] == ["agent.state_changed"] * 3
    assert [each["data"]["changed_at_ms"] for each in frames] == [1, 2, 3]
    assert [each["sequence"] for each in frames] == [first, first + 1, first + 2]


async def test_open_sockets_are_counted(api: RunningApi) -> None:
    def count() -> float | None:
        return api.registry.get_sample_value("centralino_push_sockets")

    async with socket(api), socket(api):
        await eventually(lambda: count() == 2, timeout_seconds=10)
    await eventually(lambda: count() == 0, timeout_seconds=10)


async def test_a_reconnect_misses_nothing_and_doubles_nothing(api: RunningApi) -> None:
    await api.engine.publish(api.tenant_id, assigned(api, "i1"))
    async with api.client(api.token("ann", "agent")) as ann:
        after = (await ann.get("/me")).json()["push_sequence"]
    seen: list[Json] = []

    async def talk() -> None:
        for number in range(1, 61):
            await say(api, "i1", number)

    talking = asyncio.create_task(talk())
    while not any(each["type"] == "message.received" and each["data"]["number"] == 60 for each in seen):
        async with socket(api, after=after) as connection:
            hello = await frame(connection)
            assert hello["data"]["resumed"] or not seen
            for _ in range(7):
                got = await frame(connection)
                seen.append(got)
                after = got["sequence"]
                if got["type"] == "message.received" and got["data"]["number"] == 60:
                    break
            connection.transport.abort()  # the network breaks mid-stream
    await talking

    numbers = [each["data"]["number"] for each in seen if each["type"] == "message.received"]
    assert numbers == list(range(1, 61))
    sequences = [each["sequence"] for each in seen]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


async def test_many_pushes_at_once_are_kept_in_order_for_each_agent_of_each_domain(api: RunningApi) -> None:
    other = Place(api.tenant_id, "other")
    pushes = [
        EventPush(place, "tell", agent_id, sequence=f"0001-{number:015}-00000", frame=f'{{"n":{number}}}')
        for number in range(30)
        for place, agent_id in ((api.place, "ann"), (other, "ann"), (api.place, "bob"))
        if (number + (agent_id == "bob")) % 2 == 0
    ]
    assert await api.live.push([*pushes, *pushes]) == [True] * len(pushes) + [False] * len(pushes)

    for place, agent_id, first in ((api.place, "ann", 0), (other, "ann", 0), (api.place, "bob", 1)):
        entries: Any = await api.redis.xrange(place.key(f"push:{agent_id}"))
        assert [json.loads(fields[b"frame"])["n"] for _, fields in entries] == list(range(first, 30, 2))


async def test_a_routing_event_that_comes_again_is_not_pushed_again(api: RunningApi) -> None:
    await api.engine.publish(api.tenant_id, state_changed(api, 1))
    await api.engine.publish(api.tenant_id, state_changed(api, 1), again=True)
    await api.engine.publish(api.tenant_id, state_changed(api, 2))
    await pushed(api, 2)
    frames = await frames_of(api)

    assert [json.loads(each)["data"]["changed_at_ms"] for each in frames] == [1, 2]


@pytest.mark.parametrize("spoken_first", [True, False])
async def test_whoever_is_assigned_gets_the_talk_whichever_topic_is_read_first(
    api: RunningApi, *, spoken_first: bool
) -> None:
    place, live = api.place, api.live
    sequence, frame = "0001-000000000000007-00000", '{"type":"task.assigned"}'
    take = EventPush(place, "take", "ann", sequence=sequence, frame=frame, interaction_id="i1", assignment_id="a1")
    said = [MessagePush(place, "i1", offset=n, frame=f'{{"m":{n}}}') for n in (0, 1, 0, 1)]
    if not spoken_first:
        await live.push([take])
    new = await live.push(said)
    if spoken_first:
        await live.push([take])
    repeated = await live.push([take])
    frames = await frames_of(api)

    assert new == [True, True, False, False]
    assert repeated == [False]
    assert frames == [b'{"type":"task.assigned"}', b'{"m":0}', b'{"m":1}']


async def test_a_later_owner_does_not_see_what_failed_for_the_former(api: RunningApi) -> None:
    failed = MessageFailed(
        message_id="m9",
        interaction_id="i1",
        domain=api.place.domain,
        agent_id="bob",
        reason="too_long",
        detail="Too long.",
        failed_at_ms=1,
    )
    await write(api, failed, "i1")
    await say(api, "i1", 1)
    talk = api.place.key("talk:i1")

    async def kept() -> bool:
        return bool(await api.redis.xlen(talk) == 2)

    await eventually(kept)
    await api.engine.publish(api.tenant_id, assigned(api, "i1"))
    await pushed(api, 2)
    frames = await frames_of(api)

    assert [json.loads(each)["type"] for each in frames] == ["task.assigned", "message.received"]
    assert 0 < await api.redis.ttl(talk) <= 86_400
    assert 60 <= await api.redis.ttl(api.place.key("push:ann")) <= 600


async def test_a_completed_conversation_is_no_longer_pushed(api: RunningApi) -> None:
    await api.engine.publish(api.tenant_id, assigned(api, "i1"))
    await api.engine.publish(api.tenant_id, completed(api, "i1"))
    await pushed(api, 2)
    await say(api, "i1", 1)

    async def kept() -> bool:
        return bool(await api.redis.xlen(api.place.key("talk:i1")) == 1)

    await eventually(kept)

    assert await api.redis.xlen(api.place.key("push:ann")) == 2


async def test_frames_that_are_gone_lead_to_a_resync(api: RunningApi) -> None:
    await api.engine.publish(api.tenant_id, state_changed(api, 1))
    await pushed(api, 1)
    async with socket(api, after=17) as connection:
        hello, resync = await frame(connection), await frame(connection)

    assert not hello["data"]["resumed"]
    assert resync["type"] == "resync"


async def test_a_wiped_redis_leads_to_a_resync_and_the_desk_brings_the_talk_back(api: RunningApi) -> None:
    await api.engine.publish(api.tenant_id, assigned(api, "i1"))
    await pushed(api, 1)
    async with socket(api) as connection:
        await frame(connection)
        await api.redis.delete(*[key async for key in api.redis.scan_iter(f"{api.place.key('')}*")])
        await say(api, "i1", 1)

        async def kept() -> bool:
            return bool(await api.redis.xlen(api.place.key("talk:i1")) == 1)

        await eventually(kept)
        resync = await frame(connection)
        while resync["type"] != "resync":
            resync = await frame(connection)
        await api.project("ann", assignments=[api.assignment("i1")])
        async with api.client(api.token("ann", "agent")) as ann:
            await ann.get("/me")
        said = await frame(connection)
        await say(api, "i1", 2)
        next_said = await frame(connection)

    assert (said["type"], said["data"]["number"]) == ("message.received", 1)
    assert next_said["data"]["number"] == 2


async def test_the_desk_s_number_repeats_what_the_projection_does_not_show_yet(api: RunningApi) -> None:
    await api.project("ann", position=1)
    for at_ms in (1, 2, 3):
        await api.engine.publish(api.tenant_id, state_changed(api, at_ms))
    await pushed(api, 3)
    async with api.client(api.token("ann", "agent")) as ann:
        behind = (await ann.get("/me")).json()["push_sequence"]
        await api.project("ann", position=3)
        level = (await ann.get("/me")).json()["push_sequence"]

    assert level - behind == 2


async def test_a_ticket_opens_one_socket(api: RunningApi) -> None:
    once = await ticket(api)
    async with socket(api, ticket=once) as connection:
        await frame(connection)
    async with socket(api, ticket=once) as again:
        code = await close_code(again)

    assert code == 4401


async def test_sockets_are_for_agents_of_the_tenant_and_live_views_for_supervisors(api: RunningApi) -> None:
    codes = []
    for path, opened_by in (
        ("agent-socket", await ticket(api, "sue", "supervisor")),
        ("agent-socket", await ticket(api, "ann", "agent", tenant_id="rival")),
        ("live-socket", await ticket(api)),
    ):
        async with socket(api, path, ticket=opened_by) as connection:
            codes.append(await close_code(connection))

    assert codes == [4403, 4403, 4403]


async def test_pages_of_other_origins_are_refused(api: RunningApi) -> None:
    url = f"{api.url.replace('http:', 'ws:')}/router/v1/agent-socket?ticket={await ticket(api)}"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, origin="https://evil.example"):  # type: ignore[arg-type]  # a NewType of str
            pass

    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", 4400),
        ('{"type":"dance"}', 4400),
        (b"\x00", 4400),
        ('{"type":"bye","x":"' + "x" * 17_000 + '"}', 4413),
    ],
)
async def test_bad_frames_close_the_socket(api: RunningApi, text: str | bytes, code: int) -> None:
    async with socket(api) as connection:
        await connection.send(text)
        closed_with = await close_code(connection)

    assert closed_with == code


async def test_a_flood_of_frames_closes_the_socket(api: RunningApi) -> None:
    async with socket(api) as connection:
        with suppress(ConnectionClosed):
            for _ in range(1000):
                await connection.send('{"type":"heartbeat"}')
        code = await close_code(connection)

    assert code == 4429


async def test_one_agent_has_a_bounded_number_of_sockets_whatever_their_devices(api: RunningApi) -> None:
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(socket(api, device=f"d{number}")) for number in range(10)]
        for connection in connections:
            await frame(connection)
        async with socket(api, device="d10") as refused:
            refused_with = await close_code(refused)
        await connections[0].close()
        async with socket(api, device="d10") as late:
            hello = await frame(late)

    assert (refused_with, refused.close_reason) == (4429, "too many sockets are open")
    assert hello["type"] == "hello"


async def test_a_replica_has_a_bounded_number_of_sockets_of_all_kinds(
    redis_url: str, postgres: FreshDatabase, tmp_path: Path
) -> None:
    log, admin_url = MemoryLog(TOPIC_PARTITIONS), postgres.admin_url
    async with running_api(log, redis_url=redis_url, admin_url=admin_url, folder=tmp_path, sockets_max=1) as api:
        await api.configure()
        async with socket(api, "live-socket", ticket=await ticket(api, "sue", "supervisor")) as first:
            await frame(first)
            async with socket(api) as second:
                code = await close_code(second)

    assert code == 4429


async def test_a_socket_ends_with_its_token(api: RunningApi) -> None:
    now_ms = SystemClock().now_ms()
    short = await ticket(api, "ann", "agent", lifetime_seconds=2, now_ms=now_ms)
    async with socket(api, ticket=short) as connection:
        code = await close_code(connection)

    assert code == 4401


async def test_an_open_socket_is_presence_until_the_client_says_bye(api: RunningApi) -> None:
    leases = api.place.key("leases")

    async def held() -> bool:
        return await api.redis.zscore(leases, "ann|desktop/tab1") is not None

    async def given_back() -> bool:
        return not await held()

    async with socket(api, device="tab1") as connection:
        await eventually(held)
        connection.transport.abort()
    async with socket(api, device="tab1") as connection:
        await frame(connection)
        kept_after_abort = await held()
        await connection.send('{"type":"bye"}')

    assert kept_after_abort
    assert await eventually(given_back)


async def test_typing_goes_both_ways_for_the_owner_only(api: RunningApi) -> None:
    await api.engine.publish(api.tenant_id, assigned(api, "i1"))
    await pushed(api, 1)
    await api.project("ann", assignments=[api.assignment("i1")])
    async with api.redis.pubsub(ignore_subscribe_messages=True) as heard, socket(api) as connection:
        await heard.psubscribe(f"{TYPING}*")
        await frame(connection)
        await connection.send('{"type":"typing","interaction_id":"i2"}')
        await connection.send('{"type":"typing","interaction_id":"i1"}')

        async def told() -> Any:
            return await heard.get_message(timeout=0.2)

        agent_typing = await eventually(told)
        await api.redis.publish(f"{TYPING}{{i1}}", json.dumps({"from": "customer"}))
        customer_typing = await frame(connection)
        while customer_typing["type"] != "typing":
            customer_typing = await frame(connection)

    assert (agent_typing["channel"], json.loads(agent_typing["data"])) == (b"typing:{i1}", {"from": "agent"})
    assert customer_typing["data"] == {"interaction_id": "i1", "from": "customer"}


async def test_a_supervisor_sees_the_live_view_and_its_changes(api: RunningApi) -> None:
    async with socket(api, "live-socket", ticket=await ticket(api, "sue", "supervisor")) as connection:
        first = await frame(connection)
        await api.project("bob", position=5, state="not_ready")
        second = await frame(connection)

    assert [agent["agent_id"] for agent in first["data"]["domains"][0]["agents"]] == ["ann"]
    assert [agent["agent_id"] for agent in second["data"]["domains"][0]["agents"]] == ["ann", "bob"]
