"""What becomes of messages reaches whoever has a seat, bounded in the talk."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from contracts import Event
from contracts.messages import MessageReceived
from contracts.written import (
    MessageEdited,
    MessageErased,
    MessagesMoved,
    MessageStatusChanged,
    Moved,
    WindowChanged,
)
from router.api.consumers import FRAME_CHARACTERS_MAX, TEXT_CUT
from router.api.live import EventPush
from router.api.testing import TOPIC_PARTITIONS, RunningApi, append, running_api
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase

Json = dict[str, Any]


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path) as running:
        await running.configure()
        yield running


async def write(api: RunningApi, data: Any) -> None:
    event = Event(id="e", source="/test", tenant_id=api.tenant_id, subject=data.interaction_id, time_ms=0, data=data)
    async with api.log.writer("test") as writer:
        await append(writer, event, key=data.interaction_id)


def received(api: RunningApi, number: int, interaction_id: str = "i1", **personal: object) -> MessageReceived:
    return MessageReceived(
        message_id=f"m{number}",
        interaction_id=interaction_id,
        domain=api.place.domain,
        channel="whatsapp",
        number=number,
        received_at_ms=1,
        personal=personal or {"text": f"secret {number}"},
    )


async def seat(api: RunningApi, agent_id: str, interaction_id: str, *, number: int) -> None:
    take = EventPush(
        api.place,
        "take",
        agent_id,
        sequence=f"0001-{number:015d}-00000",
        frame='{"type":"task.assigned"}',
        interaction_id=interaction_id,
        assignment_id=f"{interaction_id}.{agent_id}",
    )
    await api.live.push([take])


async def frames(api: RunningApi, agent_id: str, *, count: int) -> list[Json]:
    """All that the agent was told, once there are so many."""

    async def there() -> list[Json] | None:
        entries: Any = await api.redis.xrange(api.place.key(f"push:{agent_id}"))
        found = [json.loads(fields[b"frame"]) for _, fields in entries]
        return found if len(found) >= count else None

    found = await eventually(there)
    assert found is not None
    return found


def status(api: RunningApi) -> MessageStatusChanged:
    return MessageStatusChanged(
        message_id="m2", interaction_id="i1", domain=api.place.domain, status="read", changed_at_ms=3
    )


async def test_what_becomes_of_messages_is_told_to_who_has_a_seat_then_and_later(api: RunningApi) -> None:
    domain = api.place.domain
    window = WindowChanged(
        interaction_id="i1", domain=domain, opens_at_ms=1, closes_at_ms=9, basis="customer_message", changed_at_ms=1
    )
    edited = MessageEdited(
        message_id="m1", interaction_id="i1", domain=domain, edited_at_ms=2, personal={"text": "better"}
    )
    await seat(api, "ann", "i1", number=1)
    for data in (received(api, 1), status(api), edited, window):
        await write(api, data)
    told = await frames(api, "ann", count=5)
    await seat(api, "bob", "i1", number=2)
    later = await frames(api, "bob", count=5)

    types = ["task.assigned", "message.received", "message.status_changed", "message.edited", "window.changed"]
    assert [frame["type"] for frame in told] == types
    assert later == told
    assert json.loads((await api.live.about(api.place, "i1"))["window"])["closes_at_ms"] == 9


async def test_words_that_were_taken_back_leave_the_talk(api: RunningApi) -> None:
    erased = MessageErased(message_id="m1", interaction_id="i1", domain=api.place.domain, erased_at_ms=2)
    await seat(api, "ann", "i1", number=1)
    for data in (received(api, 1), received(api, 2), erased, received(api, 3)):
        await write(api, data)
    await frames(api, "ann", count=5)
    await seat(api, "bob", "i1", number=2)
    later = await frames(api, "bob", count=4)

    said = [(frame["type"], frame["data"].get("message_id")) for frame in later[1:]]
    assert said == [("message.received", "m2"), ("message.erased", "m1"), ("message.received", "m3")]
    assert "secret 1" not in json.dumps(later)


async def test_moved_messages_are_told_in_both_conversations_and_once_to_who_has_both(api: RunningApi) -> None:
    moved = MessagesMoved(
        interaction_id="i1",
        to_interaction_id="i2",
        domain=api.place.domain,
        moved=(Moved(message_id="m1", number=1),),
        reason="split",
        agent_id="ann",
        moved_at_ms=1,
    )
    await seat(api, "ann", "i1", number=1)
    await seat(api, "ann", "i2", number=2)
    await seat(api, "bob", "i2", number=3)
    await write(api, moved)
    await write(api, received(api, 2))
    both, one = await frames(api, "ann", count=4), await frames(api, "bob", count=2)

    assert [frame["type"] for frame in both[2:]] == ["message.moved", "message.received"]
    assert [frame["type"] for frame in one[1:]] == ["message.moved"]


async def test_a_long_mail_is_told_without_what_is_long_in_it(api: RunningApi) -> None:
    await seat(api, "ann", "i1", number=1)
    html = "x" * FRAME_CHARACTERS_MAX
    await write(api, received(api, 1, text="t" * (TEXT_CUT + 1), html=html, quoted=html, subject="Tent"))
    await write(api, received(api, 2, text="t", html="<p>t</p>"))
    _, long, short = await frames(api, "ann", count=3)

    assert long["data"]["personal"] == {"text": "t" * TEXT_CUT, "subject": "Tent", "shortened": True}
    assert short["data"]["personal"] == {"text": "t", "html": "<p>t</p>"}
