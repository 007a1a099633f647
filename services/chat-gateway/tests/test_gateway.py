"""The whole gateway behind its front door: real sockets, PostgreSQL and Valkey; Kafka is the in-memory log."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import jwt
import pytest
from chat_gateway.app import Gateway, assemble
from chat_gateway.consumers import GROUP
from chat_gateway.consumers import TOPICS as CONSUMED
from chat_gateway.live import RedisSignals
from chat_gateway.store import ChatStore, ChatTransaction, PostgresChatStore
from chat_gateway.testing.backends import backends_of, settings_of
from chat_gateway.testing.client import open_window, page, token_of
from chat_gateway.testing.samples import ADDRESS, SHOP, assigned, completed, configuration, queued, spoken
from chat_gateway.testing.transfers import HELPER, asked, decided, given_up, joined
from contracts import Event, decode, encode
from contracts.commands import RequestCallback
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.messages import MessageAnnounced, MessageDelivered, MessageNoted, MessageReceived, MessageSent
from contracts.topics import ROUTING_INPUTS, TOPICS, dead_letter_topic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gatewaykit.domain.routed import NOT_CALLED
from servicekit.database import DatabaseAwayError
from servicekit.http_server import http_server
from servicekit.live import Redis, open_redis
from servicekit.outbox import PostgresOutbox
from servicekit.ports import Outgoing
from servicekit.run import Shell
from servicekit.store import Tenant
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.clients import AsyncClient, api_client
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.set_clock import NOW_MS
from servicekit.testing.virtual import SeededChance

IDENTITY = Ed25519PrivateKey.generate()
IDENTITY_PEM = IDENTITY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PARTITIONS = {topic.name: topic.partitions(4) for topic in TOPICS} | {
    dead_letter_topic(topic, GROUP): 1 for topic in CONSUMED
}


class LosingStore:
    """Commits and then loses the answer, `losses` times: what a crash between commit and ack looks like."""

    def __init__(self, store: ChatStore) -> None:
        self.losses = 0
        self.wakes = store.wakes
        self._store = store

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[ChatTransaction, None]:
        async with self._store.transaction(tenant) as transaction:
            yield transaction
        if self.losses and transaction.changed:
            self.losses -= 1
            raise DatabaseAwayError("lost on purpose")


@dataclass(frozen=True, slots=True)
class Replica:
    url: str
    gateway: Gateway
    store: LosingStore


class World:
    """Parts that all replicas share."""

    def __init__(self, kept: MigratedDatabase, redis: Redis, stack: AsyncExitStack) -> None:
        self.log = MemoryLog(PARTITIONS, clock=SystemClock(), chance=SeededChance(1))
        self.redis = redis
        self._kept = kept
        self._stack = stack

    async def replica(self, *, relays: bool = True, **settings: object) -> Replica:
        """One more gateway, running."""
        signals = RedisSignals(self.redis)
        store = LosingStore(PostgresChatStore(self._kept.database, signals.changed))
        shell = Shell(SystemClock(), SystemIds(), SystemChance(), self.log, Telemetry("chat-gateway"))
        backends = backends_of(store, PostgresOutbox(self._kept.database), signals)
        gateway = assemble(settings_of(**settings), shell, backends)
        loops = [loop for loop in gateway.loops if relays or loop.name != "outbox relay"]
        await self._stack.enter_async_context(running([loop.run for loop in loops]))
        url = await self._stack.enter_async_context(http_server(gateway.app, "127.0.0.1", 0, drain_seconds=1))
        await eventually(lambda: gateway.parts.directory.place(ADDRESS))
        return Replica(url, gateway, store)

    async def publish(self, *events: Event, partition: int = 0) -> None:
        async with self.log.writer("test") as writer:
            for event in events:
                value, headers = encode(event)
                topic, key = event.type.topic.name, event.subject.encode()
                await writer.append(
                    Outgoing(topic=topic, key=key, value=value, headers=tuple(headers), partition=partition)
                )

    def said(self, topic: str) -> list[object]:
        """The data in a topic, in order within each partition."""
        return [decode(record.value, record.headers).data for record in self.log.records(topic)]


@asynccontextmanager
async def running(duties: list[Callable[[asyncio.Event], object]]) -> AsyncGenerator[None, None]:
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(duty(stop)) for duty in duties]  # type: ignore[call-overload]  # coroutines
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*tasks)


@pytest.fixture
async def world(postgres: FreshDatabase, redis_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        kept = await stack.enter_async_context(migrated(postgres.admin_url, "chat_gateway", pool_size_max=10))
        redis = await stack.enter_async_context(open_redis(redis_url))
        made = World(kept, redis, stack)
        await made.publish(*configuration(identity_keys=(IDENTITY_PEM,)))
        yield made


def http(url: str, token: str) -> AsyncClient:
    client = api_client(url, token)
    client.headers["origin"] = SHOP
    return client


async def interaction_of(url: str) -> tuple[str, str]:
    _, opened = await open_window(url)
    return opened["window_token"], opened["interaction_id"]


async def test_a_conversation_from_the_first_word_to_the_end(world: World) -> None:
    replica = await world.replica()
    token, interaction = await interaction_of(replica.url)
    async with page(replica.url, token) as visitor:
        hello = visitor.frames[0]
        await visitor.say("hello", "client-0001")
        ack = await visitor.until("ack")
        await world.publish(queued(interaction_id=interaction, sequence=1))
        position = await visitor.until("position")
        await world.publish(assigned(interaction_id=interaction, sequence=2))
        await visitor.until("state", state="assigned", agent_name="Grace")
        await world.publish(spoken("how can I help?", interaction_id=interaction, sequence=2))
        answer = await visitor.until("message", **{"from": "agent"})
        await visitor.send({"type": "delivered", "number": 2})
        await world.publish(completed(interaction_id=interaction, sequence=3, seen_number=1))
        end = await visitor.until("state", state="ended")

    assert hello["queues"] == [{"id": "support-en", "name": "Support"}, {"id": "billing", "name": "Billing"}]
    assert (hello["state"], hello["number"]) == ("open", 0)
    assert ack == {"type": "ack", "client_message_id": "client-0001", "number": 1}
    assert position == {"type": "position", "position": 1, "queue": "support-en", "waiting": 1}
    assert (answer["number"], answer["text"], answer["agent_name"]) == (2, "how can I help?", "Grace")
    assert end["reason"] == "agent_closed"
    await eventually(lambda: len(world.said("interactions")) == 2)
    await eventually(lambda: any(isinstance(data, MessageDelivered) for data in world.said("messages")))
    messages = [data for data in world.said("messages") if isinstance(data, MessageReceived | MessageSent)]
    assert [(data.number, data.personal["text"]) for data in messages] == [(1, "hello"), (2, "how can I help?")]


async def test_nothing_that_agents_say_among_themselves_reaches_the_visitor(world: World) -> None:
    replica = await world.replica()
    token, interaction = await interaction_of(replica.url)
    secret = "do not tell: refund is possible"
    async with page(replica.url, token) as visitor:
        await visitor.say("hello", "client-0001")
        await visitor.until("ack")
        await world.publish(
            queued(interaction_id=interaction, sequence=1),
            assigned(interaction_id=interaction, sequence=2),
            asked(interaction_id=interaction, sequence=3),
            joined(interaction_id=interaction, sequence=4),
        )
        helper = partial(spoken, secret, interaction_id=interaction, task=2, agent_id=HELPER, sequence=4)
        owner = partial(spoken, interaction_id=interaction, sequence=2)
        await world.publish(helper(message_id="m-1", note=True))
        await world.publish(helper(message_id="m-2"))  # a consultant may not
        await world.publish(owner(secret, message_id="m-3", note=True))
        await world.publish(owner("one moment", message_id="m-4"))
        answer = await visitor.until("message", text="one moment")
        assert [each["agent_name"] for each in visitor.frames if each["type"] == "state" and "agent_name" in each] == [
            "Grace"
        ]
    async with page(replica.url, token) as again, http(replica.url, token) as client:
        await again.until("message", text="one moment")
        transcript = (await client.get("/chat/v1/windows/current/messages")).json()

    await eventually(lambda: sum(isinstance(data, MessageSent | MessageNoted) for data in world.said("messages")) == 3)
    taken = [type(data) for data in world.said("messages") if isinstance(data, MessageSent | MessageNoted)]
    assert [each.__name__ for each in taken] == ["MessageNoted", "MessageNoted", "MessageSent"]
    assert (answer["number"], transcript["last_number"]) == (4, 4)
    assert secret not in json.dumps([visitor.frames, again.frames, transcript])


async def test_the_last_words_reach_a_visitor_whose_queue_gives_up(world: World) -> None:
    replica = await world.replica()
    token, interaction = await interaction_of(replica.url)
    async with page(replica.url, token) as visitor:
        await visitor.say("hello", "client-0001")
        await visitor.until("ack")
        await world.publish(queued(interaction_id=interaction, sequence=1, expected_wait_ms=90_000))
        position = await visitor.until("position")
        await world.publish(given_up("message", interaction_id=interaction, sequence=2, message="We are closed."))
        said = await visitor.until("message", **{"from": "system"})
        end = await visitor.until("state", state="ended")

    assert position["expected_at_ms"] == NOW_MS + 1 + 90_000
    assert (said["number"], said["text"], end["reason"]) == (2, "We are closed.", "refused")
    await eventually(lambda: any(isinstance(data, MessageAnnounced) for data in world.said("messages")))
    assert [each.cause for each in world.said("interactions") if isinstance(each, InteractionEnded)] == ["overflowed"]


async def test_a_visitor_who_waits_asks_to_be_called_back_where_the_address_offers_it(world: World) -> None:
    await world.publish(*configuration(callbacks=True))
    replica = await world.replica()
    await eventually(lambda: (at := replica.gateway.parts.directory.place(ADDRESS)) and at.callbacks)
    token, interaction = await interaction_of(replica.url)
    async with page(replica.url, token) as visitor:
        await visitor.send({"type": "callback"})
        refused = await visitor.until("error")
        await visitor.say("hello", "client-0001")
        await visitor.until("ack")
        await world.publish(queued(interaction_id=interaction, sequence=1))
        await visitor.until("position")
        await visitor.send({"type": "callback"})
        await eventually(lambda: world.said(ROUTING_INPUTS.name))
        [wish] = world.said(ROUTING_INPUTS.name)
        assert isinstance(wish, RequestCallback)
        await world.publish(decided(wish.request_id, "task_assigned", sequence=2))
        told = await visitor.until("message", **{"from": "system"})

    assert (visitor.frames[0]["callbacks"], refused["code"]) == (True, "no_callback")
    assert wish.interaction_id == interaction
    assert told["text"] == NOT_CALLED


async def test_a_reconnect_at_another_replica_gets_what_was_missed_and_nothing_twice(world: World) -> None:
    one, other = await world.replica(), await world.replica()
    token, interaction = await interaction_of(one.url)
    async with page(one.url, token) as visitor:
        await visitor.say("hello", "client-0001")
        await visitor.until("ack")
    events = [queued(interaction_id=interaction, sequence=1), assigned(interaction_id=interaction, sequence=2)]
    await world.publish(*events, spoken("one", interaction_id=interaction, sequence=2))
    await world.publish(spoken("two", interaction_id=interaction, message_id="m-agent-2", sequence=2))
    async with page(other.url, token, after=1) as visitor:
        await visitor.until("message", number=3)
        numbers = [frame["number"] for frame in visitor.frames if frame["type"] == "message"]

    assert numbers == [2, 3]


async def test_two_tabs_at_two_replicas_both_see_every_message(world: World) -> None:
    one, other = await world.replica(), await world.replica()
    token, _ = await interaction_of(one.url)
    async with page(one.url, token) as here, page(other.url, token) as there:
        await here.say("hello", "client-0001")

        assert (await here.until("message"))["client_message_id"] == "client-0001"
        assert (await there.until("message"))["text"] == "hello"


async def test_a_position_from_the_future_is_answered_with_a_resync(world: World) -> None:
    replica = await world.replica()
    token = await token_of(replica.url)
    async with page(replica.url, token) as visitor:
        await visitor.say("hello", "client-0001")
        await visitor.until("ack")
    async with page(replica.url, token, after=99) as visitor:
        await visitor.until("resync")

        assert (await visitor.until("message"))["number"] == 1


async def test_an_answer_lost_after_the_commit_is_found_again_by_the_same_client_message_id(world: World) -> None:
    replica = await world.replica()
    token = await token_of(replica.url)
    replica.store.losses = 1
    async with page(replica.url, token) as visitor:
        await visitor.say("hello", "client-0001")
        code = await visitor.closed()
    async with page(replica.url, token) as visitor:
        await visitor.say("hello", "client-0001")
        ack = await visitor.until("ack")

    assert code == 1013
    assert ack["number"] == 1
    await eventually(lambda: len(world.said("messages")) == 1)
    assert [type(data) for data in world.said("interactions")] == [InteractionStarted]


async def test_what_was_acknowledged_before_a_crash_is_published_by_the_next_replica(world: World) -> None:
    dying = await world.replica(relays=False)
    token = await token_of(dying.url)
    async with page(dying.url, token) as visitor:
        for number in range(3):
            await visitor.say(f"word {number}", f"client-000{number}")
            await visitor.until("ack")
    before = world.said("messages")
    await world.replica()
    await eventually(lambda: len(world.said("messages")) == 3)

    assert before == []
    assert [data.number for data in world.said("messages") if isinstance(data, MessageReceived)] == [1, 2, 3]
    assert len(world.said("interactions")) == 1


async def test_bad_frames_are_refused_with_a_reason_and_the_socket_survives(world: World) -> None:
    replica = await world.replica()
    async with page(replica.url, await token_of(replica.url)) as visitor:
        for bad in (
            "{",
            "[]",
            '{"type":"dance"}',
            '{"type":"message","text":"x"}',
            '{"type":"delivered","number":"1"}',
        ):
            await visitor.send(bad)
            assert (await visitor.until("error"))["code"] == "bad_frame"
        for text in ("", "  ", "a\x00b", "\ud800"):
            await visitor.say(text, "client-0001")
            assert (await visitor.until("error"))["client_message_id"] == "client-0001"
        await visitor.say("x" * 4001, "client-0002")
        assert (await visitor.until("error"))["code"] == "text_too_long"
        await visitor.say("x" * 4000, "client-0003")

        assert (await visitor.until("ack"))["number"] == 1


async def test_too_many_bad_frames_close_the_socket(world: World) -> None:
    replica = await world.replica()
    async with page(replica.url, await token_of(replica.url)) as visitor:
        for _ in range(20):
            await visitor.send("{")

        assert await visitor.closed() == 4400


async def test_an_oversized_frame_closes_the_socket(world: World) -> None:
    replica = await world.replica()
    async with page(replica.url, await token_of(replica.url)) as visitor:
        await visitor.send("x" * 17_000)

        assert await visitor.closed() == 4413
        assert visitor.frames[-1]["code"] == "frame_too_large"


async def test_too_many_messages_are_refused_and_then_close_the_socket(world: World) -> None:
    replica = await world.replica(messages_burst=2, messages_per_minute=1)
    async with page(replica.url, await token_of(replica.url)) as visitor:
        for number in range(22):
            await visitor.say("hello", f"client-{number:04d}")

        assert await visitor.closed() == 4429
        acks = [frame["number"] for frame in visitor.frames if frame["type"] == "ack"]
        assert acks == [1, 2]


async def test_bad_expired_and_missing_tokens_close_with_4401(world: World) -> None:
    replica = await world.replica()
    token = await token_of(replica.url)
    for bad in ("", "nonsense", token[:-4] + "AAAA"):
        async with page(replica.url, bad, hello=False) as visitor:
            assert await visitor.closed() == 4401
            assert visitor.frames[0]["code"] == "token_invalid"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://["])
async def test_a_foreign_page_is_refused_at_the_socket_and_at_every_route(world: World, origin: str) -> None:
    replica = await world.replica()
    token = await token_of(replica.url)
    async with page(replica.url, token, origin=origin, hello=False) as visitor:
        assert await visitor.closed() == 4403
    code, refused = await open_window(replica.url, origin=origin)
    async with http(replica.url, token) as client:
        renewed = await client.post("/chat/v1/windows/renew", headers={"origin": origin})

    assert (code, refused["code"]) == (403, "origin_forbidden")
    assert renewed.status_code == 403
    assert "access-control-allow-origin" not in renewed.headers


async def test_a_listed_page_our_own_and_the_same_origin_may_chat(world: World) -> None:
    replica = await world.replica(allowed_origins="https://own.example, https://other.example")
    for origin in (SHOP, "https://own.example", replica.url):
        code, _ = await open_window(replica.url, origin=origin)
        assert code == 201
    async with http(replica.url, "none") as client:
        answer = await client.get(f"/chat/v1/addresses/{ADDRESS}")
    assert answer.headers["access-control-allow-origin"] == SHOP


async def test_one_address_cannot_open_windows_without_end(world: World) -> None:
    replica = await world.replica(windows_burst=2, windows_per_minute=1)
    codes = [(await open_window(replica.url))[0] for _ in range(3)]

    assert codes == [201, 201, 429]


async def test_a_window_at_an_unknown_address_or_queue_is_refused(world: World) -> None:
    replica = await world.replica()
    wrong: list[dict[str, Any]] = [
        {"address": "webchat:nowhere"},
        {"queue": "vip"},
        {"attributes": {"a": "x" * 1100}},
        {"unknown": 1},
    ]
    codes = [(await open_window(replica.url, **each))[0] for each in wrong]

    assert codes == [404, 422, 422, 422]


async def test_what_a_page_says_of_its_visitor_holds_no_control_characters(world: World) -> None:
    replica = await world.replica()
    wrong: list[dict[str, Any]] = [
        {"name": "Ada\x00"},
        {"email": "a\x00da@example.org"},
        {"attributes": {"page": "ca\x00rt"}},
        {"attributes": {"pa\nge": "cart"}},
    ]
    refused = [await open_window(replica.url, **each) for each in wrong]
    code, _ = await open_window(replica.url, attributes={"page": "first\nsecond"})

    assert [status for status, _ in refused] == [422] * len(wrong)
    assert all("control characters" in answer["faults"][0]["message"] for _, answer in refused)
    assert code == 201


async def test_a_signed_customer_is_known_as_verified_and_a_returning_visitor_by_the_pages_memory(world: World) -> None:
    replica = await world.replica()
    now = SystemClock().now_ms() // 1000
    signed = jwt.encode({"sub": "customer-7", "iat": now, "exp": now + 60}, IDENTITY, algorithm="EdDSA")
    forged = jwt.encode({"sub": "customer-7", "iat": now, "exp": now + 60}, Ed25519PrivateKey.generate(), "EdDSA")
    expired = jwt.encode({"sub": "customer-7", "iat": now - 60, "exp": now - 1}, IDENTITY, algorithm="EdDSA")
    refused = [(await open_window(replica.url, identity_token=token))[1]["code"] for token in (forged, expired)]
    _, verified = await open_window(replica.url, identity_token=signed)
    _, returning = await open_window(replica.url, visitor_id="visitor-0123456789", email="ada@example.org")
    for window in (verified, returning):
        async with page(replica.url, window["window_token"]) as visitor:
            await visitor.say("hello", "client-0001")
            await visitor.until("ack")
    await eventually(lambda: len(world.said("interactions")) == 2)

    found = [
        data.personal["identifiers"] for data in world.said("interactions") if isinstance(data, InteractionStarted)
    ]
    assert refused == ["token_invalid", "identity_expired"]
    assert [{"type": "external", "value": "customer-7", "verified": True}] in found
    assert [
        {"type": "webchat", "value": "visitor-0123456789", "verified": False},
        {"type": "email", "value": "ada@example.org", "verified": False},
    ] in found


async def test_renewal_keeps_the_interaction_and_the_transcript_is_the_visitors_own(world: World) -> None:
    replica = await world.replica()
    token, interaction = await interaction_of(replica.url)
    other, _ = await interaction_of(replica.url)
    async with page(replica.url, token) as visitor:
        await visitor.say("hello", "client-0001")
        await visitor.until("ack")
    async with http(replica.url, token) as client:
        renewed = (await client.post("/chat/v1/windows/renew")).json()
        mine = (await client.get("/chat/v1/windows/current/messages")).json()
        behind = (await client.get("/chat/v1/windows/current/messages?after=1")).json()
        beyond = await client.get(f"/chat/v1/windows/current/messages?after={2**31}")
    async with http(replica.url, other) as client:
        foreign = (await client.get("/chat/v1/windows/current/messages")).json()
    async with http(replica.url, "nonsense") as client:
        refused = await client.get("/chat/v1/windows/current/messages")

    assert renewed["interaction_id"] == interaction
    assert [(each["number"], each["from"], each["text"]) for each in mine["messages"]] == [(1, "customer", "hello")]
    assert (behind["messages"], behind["last_number"]) == ([], 1)
    assert foreign["messages"] == []
    assert (beyond.status_code, refused.status_code) == (422, 401)


async def test_the_agents_typing_reaches_the_page(world: World) -> None:
    replica = await world.replica()
    token, interaction = await interaction_of(replica.url)
    async with page(replica.url, token) as visitor:
        typed = asyncio.create_task(visitor.until("typing"))
        while not typed.done():
            await world.redis.publish(f"typing:{{{interaction}}}", '{"from": "agent"}')
            await asyncio.wait([typed], timeout=0.1)

        assert (await typed) == {"type": "typing"}


async def test_the_customers_end_is_shown_and_announced(world: World) -> None:
    replica = await world.replica()
    async with page(replica.url, await token_of(replica.url)) as visitor:
        await visitor.say("hello", "client-0001")
        await visitor.until("ack")
        await visitor.send({"type": "end"})
        state = await visitor.until("state", state="ended")
        await visitor.say("more", "client-0002")
        error = await visitor.until("error")

    assert state["reason"] == "customer_left"
    assert (error["code"], error["client_message_id"]) == ("ended", "client-0002")


async def test_a_silent_page_is_closed(world: World) -> None:
    replica = await world.replica(socket_idle_seconds=5)
    async with page(replica.url, await token_of(replica.url)) as visitor:
        assert await visitor.closed() == 4408


async def test_a_stopping_gateway_sends_its_visitors_away_with_a_hint(world: World) -> None:
    replica = await world.replica()
    token = await token_of(replica.url)
    async with page(replica.url, token) as visitor:
        await replica.gateway.drain()
        code = await visitor.closed()
    async with page(replica.url, token, hello=False) as late:
        late_code = await late.closed()

    assert (code, late_code) == (1012, 1012)
    assert 500 <= visitor.frames[-1]["reconnect_after_ms"] <= 5000


async def test_one_visitor_has_a_bounded_number_of_sockets(world: World) -> None:
    replica = await world.replica()
    token = await token_of(replica.url)
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(page(replica.url, token))
        async with page(replica.url, token, hello=False) as sixth:
            assert await sixth.closed() == 4429


async def test_a_lost_signal_is_made_up_for_by_looking(world: World) -> None:
    replica = await world.replica()
    token, interaction = await interaction_of(replica.url)
    async with page(replica.url, token) as visitor:
        await visitor.say("hello", "client-0001")
        await visitor.until("ack")
        async with replica.gateway.parts.store.transaction("acme") as tx:
            conversation = await tx.lock_conversation("acme", interaction)
            assert conversation is not None
            await tx.save_conversation(conversation)
            tx.changed.clear()  # nobody is told

        await eventually(lambda: [room.revision for room in replica.gateway.parts.rooms.all()] == [2])
