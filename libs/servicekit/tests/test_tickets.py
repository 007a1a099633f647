"""Tickets open one WebSocket, once."""

from collections.abc import AsyncGenerator

import pytest
from servicekit.auth import Principal
from servicekit.live import Redis, open_redis
from servicekit.tickets import Tickets

ADA = Principal(subject="a-1", tenant_id="acme", roles=frozenset({"agent"}), expires_at_ms=1, name="Ada")


@pytest.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis, None]:
    async with open_redis(redis_url) as redis:
        yield redis


async def test_a_ticket_is_good_once_and_for_thirty_seconds(redis: Redis) -> None:
    tickets = Tickets(redis, "router")
    ticket = await tickets.issue(ADA)
    (key,) = [key async for key in redis.scan_iter("ticket:router:*")]
    seconds_left = await redis.ttl(key)

    redeemed = [await tickets.redeem(ticket), await tickets.redeem(ticket)]

    assert redeemed == [ADA, None]
    assert 0 < seconds_left <= 30
    assert ticket.encode() not in key


async def test_a_ticket_of_another_service_or_a_made_up_one_is_refused(redis: Redis) -> None:
    ticket = await Tickets(redis, "router").issue(ADA)
    tickets = Tickets(redis, "chat")

    refused = [await tickets.redeem(ticket), await tickets.redeem("made up"), await tickets.redeem("x" * 1000)]

    assert refused == [None, None, None]
