"""What every provider's channel has to do, shown on its simulator: the same for each."""

import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from centralino.conformance import Bench, Stage, bench, content, stage, who_can
from centralino.providers.catalogue import VENDORS, configuration
from chat_gateway.testing.samples import TENANT
from contracts.interactions import InteractionStarted
from contracts.messages import MessageAnnounced, MessageFailed, MessageSent
from contracts.written import MessageEdited, MessageErased, MessageFilesChanged, WindowChanged
from servicekit.testing.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
EVERY = [*VENDORS]
STATUSES = ("sent", "delivered", "read")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here() -> AsyncGenerator[Stage]:
    async with stage(EVERY) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def one(here: Stage, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench]:
    async with bench(here, request.param, tmp_path) as made:
        yield made


@pytest.mark.parametrize("one", EVERY, indirect=True)
async def test_a_conversation_goes_both_ways(one: Bench) -> None:
    message = await one.first("Gr\u00fc\u00dfe")
    await one.written.write(message.interaction_id, "m1", "Hello & <welcome>")
    [got] = await one.got()
    vendor = one.simulated.vendor
    furthest = next((word for word in ("delivered", "sent") if word in vendor.can), "sent")
    await one.becomes("m1", furthest)
    if "read" in vendor.can:
        await one.control("POST", "/status", {"message_id": got["id"], "status": "read"})
        await one.becomes("m1", "read")
    await one.say("Thanks")
    await eventually(lambda: len(one.received()) == 2)

    assert got["text"] == "Hello & <welcome>"
    assert one.texts() == ["Gr\u00fc\u00dfe", "Thanks"]
    assert [each.number for each in one.received()] == [1, 3]
    assert len(one.written.announced(InteractionStarted)) == len({each.interaction_id for each in one.received()}) == 1
    assert len(await one.got()) == 1
    told = one.statuses("m1")
    assert told == sorted(set(told), key=("unknown", *STATUSES).index)


@pytest.mark.parametrize("one", EVERY, indirect=True)
async def test_what_is_delivered_twice_is_taken_once(one: Bench) -> None:
    await one.control("PATCH", "/settings", {"concurrency": 4})
    for number in range(5):
        await one.say(f"{number}", delivery={"copies": 3})
    told = await one.idle()

    assert {each["status"] for each in told} == {200}
    assert sorted(one.texts()) == ["0", "1", "2", "3", "4"]
    assert [each.number for each in one.received()] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("one", EVERY, indirect=True)
async def test_shuffled_deliveries_of_several_customers_are_all_taken(one: Bench) -> None:
    await one.control("PATCH", "/settings", {"shuffle_within_ms": 300, "duplicate_share": 0.3, "concurrency": 8})
    wanted = {(customer, f"{customer} {number}") for customer in ("Ann", "Bob", "Cid") for number in range(5)}
    for customer, text in sorted(wanted):
        await one.say(text, customer)
    told = await one.idle()

    assert {each["status"] for each in told} == {200}
    assert sorted(one.texts()) == sorted(text for _, text in wanted)
    assert len(one.written.announced(InteractionStarted)) == 3


@pytest.mark.parametrize("one", EVERY, indirect=True)
async def test_reports_out_of_order_take_no_status_back(one: Bench) -> None:
    message, can = await one.first(), one.simulated.vendor.can
    told = [word for word in STATUSES if word in can]
    shuffled = {"shuffle_within_ms": 300, "duplicate_share": 0.5, "concurrency": 8}
    await one.control("PATCH", "/settings", {**shuffled, "statuses": told})
    for number in range(4):
        await one.written.write(message.interaction_id, f"m{number}", "one")
        await one.becomes(f"m{number}", (told or ["sent"])[-1])
    answers = await one.idle()

    assert {each["status"] for each in answers} == {200}
    for number in range(4):
        seen = one.statuses(f"m{number}")
        assert seen == sorted(set(seen), key=STATUSES.index)


@pytest.mark.parametrize("one", who_can("batch"), indirect=True)
async def test_a_batch_is_taken_whole(one: Bench) -> None:
    await one.control("PATCH", "/settings", {"batch_max": 100})
    one.front.open.clear()
    for number in range(30):
        await one.say(f"{number}", f"Customer {number % 3}")
    one.front.open.set()
    told = await one.idle()

    assert max(len(each["deliveries"]) for each in told) > 1
    assert len(one.received()) == 30


@pytest.mark.parametrize("one", EVERY, indirect=True)
@pytest.mark.parametrize("signature", ["wrong", "missing", "tampered"])
async def test_nothing_unsigned_has_an_effect(one: Bench, signature: str) -> None:
    if signature == "tampered" and "signed_body" not in one.simulated.vendor.can:
        pytest.skip("the provider signs nothing")
    await one.say("forged", delivery={"signature": signature})
    [told] = await one.idle()

    assert told["status"] in {401, 403}
    assert "signature" not in told["answer"]
    assert one.written.announced() == []


@pytest.mark.parametrize("one", EVERY, indirect=True)
async def test_while_a_secret_is_changed_the_one_before_counts(one: Bench, tmp_path: Path) -> None:
    account: Any = configuration(one.simulated.vendor)["account"]
    (tmp_path / TENANT / "next").write_text("the next secret")
    secrets = {use: ["next", *names] for use, names in account["secrets"].items()}
    one.written.address(one.name, one.simulated.vendor.channel, {**account, "secrets": secrets})
    await one.say("signed with the one before")
    [told] = await one.idle()

    assert (told["status"], one.texts()) == (200, ["signed with the one before"])


@pytest.mark.parametrize("one", who_can("stale"), indirect=True)
@pytest.mark.parametrize("age_seconds", [400, -400])
async def test_nothing_that_was_signed_at_another_time_has_an_effect(one: Bench, age_seconds: int) -> None:
    await one.say("old", delivery={"age_seconds": age_seconds})
    [told] = await one.idle()

    assert told["status"] == 403
    assert one.written.announced() == []


@pytest.mark.parametrize("one", who_can("handshake"), indirect=True)
async def test_the_provider_is_told_that_the_address_is_ours(one: Bench) -> None:
    assert (await one.control("POST", "/handshake"))["fault"] in {"", None}


@pytest.mark.parametrize("one", who_can("handshake"), indirect=True)
async def test_nobody_else_is_told_that_the_address_is_ours(one: Bench) -> None:
    one.simulated.vendor.secrets = dict.fromkeys(one.simulated.vendor.secrets, "another")

    assert (await one.control("POST", "/handshake"))["fault"]


@pytest.mark.parametrize("one", EVERY, indirect=True)
async def test_what_could_not_be_taken_comes_again_and_is_taken_once(one: Bench) -> None:
    await one.control("PATCH", "/settings", {"time_scale": 1000})
    one.front.refusals += [503, 503]
    await one.say("late")
    told = await one.idle()

    repeated = bool(one.simulated.vendor.retries_seconds)
    assert [each["status"] for each in told] == ([503, 503, 200] if repeated else [503])
    assert len(one.received()) == int(repeated)


@pytest.mark.parametrize("one", who_can("file", "media"), indirect=True)
async def test_a_customers_file_is_fetched_and_kept(one: Bench) -> None:
    await one.say("look", file={"name": "a.png", "mime": "image/png", "content": content(PNG)})
    await eventually(lambda: bool(one.written.announced(MessageFilesChanged)))
    [news] = one.written.announced(MessageFilesChanged)
    [message] = one.received()
    [file] = news.personal["files"]
    kept = await one.written.blobs.get(TENANT, file["blob_id"])

    assert message.attributes["files_pending"] == "1"
    assert (news.message_id, news.fetched, news.pending, news.failed) == (message.message_id, 1, 0, 0)
    assert (file["mime"], file["size_bytes"], file["sha256"]) == ("image/png", 108, hashlib.sha256(PNG).hexdigest())
    assert kept == PNG


@pytest.mark.parametrize("one", EVERY, indirect=True)
async def test_an_agents_file_reaches_the_customer(one: Bench) -> None:
    message = await one.first()
    kept = await one.written.blobs.put(TENANT, "up-1", PNG, bytes_max=1000)
    file = {"blob_id": "up-1", "name": "a.png", "mime": kept.mime, "size_bytes": 108, "sha256": kept.sha256}
    await one.written.write(message.interaction_id, "m1", "see", files=[file])
    await eventually(lambda: len(one.statuses("m1")) > 0)
    got = [each for each in await one.got() if "file" in each]

    assert [each["file"]["sha256"] for each in got] == [kept.sha256]
    assert one.written.announced(MessageFailed) == []


@pytest.mark.parametrize("one", who_can("edit"), indirect=True)
async def test_an_edit_changes_the_words(one: Bench) -> None:
    said = await one.say("helo")
    await one.idle()
    await one.control("POST", "/edit", {"message_id": said["id"], "text": "hello"})
    await one.idle()
    [edit] = one.written.announced(MessageEdited)

    assert edit.personal["text"] == "hello"
    assert len(one.received()) == 1


@pytest.mark.parametrize("one", who_can("unsend"), indirect=True)
async def test_what_is_taken_back_is_erased_with_its_file(one: Bench) -> None:
    said = await one.say(file={"name": "a.png", "mime": "image/png", "content": content(PNG)})
    await eventually(lambda: bool(one.written.announced(MessageFilesChanged)))
    await one.control("POST", "/unsend", {"message_id": said["id"]})
    await eventually(lambda: not one.written.blobs.kept)

    assert [each.message_id for each in one.written.announced(MessageErased)] == [one.received()[0].message_id]


@pytest.mark.parametrize("one", who_can("echo"), indirect=True)
async def test_what_was_answered_past_us_is_part_of_the_conversation(one: Bench) -> None:
    message = await one.first()
    await one.control("POST", "/echo", {"customer": "Ann", "text": "from the inbox"})
    await one.idle()
    [told] = one.written.announced(MessageAnnounced)

    assert (told.interaction_id, told.reason) == (message.interaction_id, "sent_elsewhere")


@pytest.mark.parametrize("one", who_can("own_echo"), indirect=True)
async def test_an_echo_of_ours_is_no_second_message(one: Bench) -> None:
    message = await one.first()
    await one.written.write(message.interaction_id, "m1", "hi")
    await one.got()
    await one.idle()

    assert one.written.announced(MessageAnnounced) == []
    assert len(one.written.announced(MessageSent)) == 1


@pytest.mark.parametrize("one", who_can("block"), indirect=True)
async def test_nothing_reaches_whoever_blocks_us(one: Bench) -> None:
    message = await one.first()
    before = len(await one.idle())
    await one.control("POST", "/customers", {"customer": "Ann", "blocked": True})
    is_told = len(await one.idle()) > before
    told = [each.basis for each in one.written.announced(WindowChanged)]
    await one.written.write(message.interaction_id, "m1", "hi")
    await eventually(lambda: bool(one.statuses("m1") or one.written.announced(MessageFailed)))
    await one.idle()

    refused = [each.reason for each in one.written.announced(MessageFailed)]
    assert ("blocked" in told) == is_told
    assert refused == (["blocked"] if is_told else [])
    assert not (await one.control("GET", "/messages?side=centre"))["messages"]
    if not refused:
        assert await one.becomes("m1", "failed")
