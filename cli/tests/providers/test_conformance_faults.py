"""What a provider's channel does when the provider fails: nothing is lost, and nothing reaches a customer twice."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from centralino.conformance import Bench, Stage, bench, stage, who_can
from centralino.providers.catalogue import VENDORS
from contracts.messages import MessageFailed, MessageSent
from servicekit.testing.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVERY = [*VENDORS]
KNOWN_BY_THEIR_WORDS = ("instagram",)
"""Its echoes name no reference of ours, but come with the words."""
UNANSWERED = ({"kind": "reset"}, {"kind": "error"}, {"kind": "timeout"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here() -> AsyncGenerator[Stage]:
    async with stage(EVERY) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def one(here: Stage, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench]:
    async with bench(here, request.param, tmp_path) as made:
        yield made


@pytest.mark.parametrize("one", EVERY, indirect=True)
async def test_what_the_provider_does_not_want_yet_goes_later_and_once(one: Bench) -> None:
    message = await one.first()
    await one.control("POST", "/faults", {"kind": "too_many", "after_seconds": 1})
    await one.written.write(message.interaction_id, "m1", "one")
    await one.written.write(message.interaction_id, "m2", "two")
    await eventually(one.written.hurry)
    got = await one.got(2)

    assert [each["text"] for each in got] == ["one", "two"]
    assert await one.becomes("m2", "sent", "delivered")
    assert "unknown" not in one.statuses("m1")


@pytest.mark.parametrize("one", EVERY, indirect=True)
@pytest.mark.parametrize("fault", [*UNANSWERED, {"kind": "garbage"}], ids=lambda fault: fault["kind"])
async def test_what_was_taken_without_an_answer_reaches_the_customer_once(one: Bench, fault: dict[str, str]) -> None:
    message = await one.first()
    await one.write_into({**fault, "accepted": True}, message)
    await one.got()
    known = one.provider.capabilities
    resolved = known.idempotent or known.echoes or one.name in KNOWN_BY_THEIR_WORDS
    status = await one.becomes("m1", *(("sent", "delivered") if resolved else ("unknown", "sent", "delivered")))
    await one.written.write(message.interaction_id, "m2", "two")
    await one.becomes("m2", "sent", "delivered")
    await one.idle()

    assert [each["text"] for each in await one.got(2)] == ["one", "two"]
    assert resolved or status == "unknown"


@pytest.mark.parametrize("one", EVERY, indirect=True)
@pytest.mark.parametrize("fault", UNANSWERED, ids=lambda fault: fault["kind"])
async def test_what_was_perhaps_not_taken_goes_again_only_when_an_agent_says_so(
    one: Bench, fault: dict[str, str]
) -> None:
    message = await one.first()
    await one.write_into({**fault, "accepted": False}, message)
    if one.provider.capabilities.idempotent:
        await one.becomes("m1", "sent", "delivered")
    else:
        await one.becomes("m1", "unknown")
        assert not (await one.control("GET", "/messages?side=centre"))["messages"]
        await one.written.write_again(message.interaction_id, "m1")
        await one.becomes("m1", "sent", "delivered")

    assert len(await one.got()) == 1


@pytest.mark.parametrize("one", who_can("window"), indirect=True)
async def test_beyond_the_window_the_agent_is_told(one: Bench) -> None:
    message = await one.first()
    await one.control("POST", "/customers", {"customer": "Ann", "wrote_seconds_ago": 8 * 86_400})
    await one.written.write(message.interaction_id, "m1", "too late")
    await one.becomes("m1", "failed")

    assert not (await one.control("GET", "/messages?side=centre"))["messages"]
    assert len(one.written.announced(MessageSent)) == 1


@pytest.mark.parametrize("one", who_can("template"), indirect=True)
async def test_a_template_goes_beyond_the_window(one: Bench) -> None:
    message = await one.first()
    await one.control("POST", "/customers", {"customer": "Ann", "wrote_seconds_ago": 2 * 86_400})
    known = one.simulated.vendor.templates[-1]
    names = [f"v{number}" for number in range(known.variables)]
    one.written.template(
        "hello",
        {
            "address": one.name,
            "name": known.name,
            "language": known.language,
            "text": "Hello " + " ".join(f"{{{name}}}" for name in names),
            "options": {"content_sid": known.name},
        },
    )
    await one.written.write(message.interaction_id, "m1", template="hello", variables=names)
    await eventually(lambda: bool(one.statuses("m1") or one.written.announced(MessageFailed)))

    assert one.written.announced(MessageFailed) == []
    assert await one.becomes("m1", "sent", "delivered")
    assert len(await one.got()) == 1


@pytest.mark.parametrize("one", EVERY, indirect=True)
async def test_many_messages_go_in_order_and_not_faster_than_the_provider_wants(one: Bench) -> None:
    message = await one.first()
    count = one.provider.capabilities.pair_burst + 1 if one.provider.capabilities.pair_every_ms < 2000 else 2
    for number in range(count):
        await one.written.write(message.interaction_id, f"m{number}", f"{number}")
    got = await one.got(count)
    calls = [each for each in (await one.control("GET", "/calls"))["calls"] if each["is_send"]]

    assert [each["text"] for each in got] == [f"{number}" for number in range(count)]
    assert 429 not in {each["status"] for each in calls}
    assert len(calls) == count
