"""The open channel's simulated system, by requests made by hand."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from centralino.open_channel.signing import fault, signed
from centralino.providers.testing import Json, Rig, rigs
from httpx import Response
from jsonschema import Draft202012Validator
from servicekit.testing.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
SCHEMA = json.loads((Path(__file__).parents[3] / "docs/open-channel.schema.json").read_text())
OTHER = "whsec_" + b64encode(bytes(32)).decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made() -> AsyncGenerator[Rig]:
    async with rigs("open") as made:
        yield made["open"]


@pytest_asyncio.fixture(loop_scope="module")
async def one(made: Rig) -> Rig:
    await made.reset()
    return made


def secret_of(one: Rig, use: str = "outbound_secret") -> str:
    return one.simulated.vendor.secrets[use]


async def posted(one: Rig, to: str, webhook_id: str = "r1", *, secret: str = "", **rest: Any) -> Response:
    told = {"type": "message.sent", "reference": webhook_id, "customer": {"id": to}, "text": "hi", **rest}
    body = json.dumps({key: value for key, value in told.items() if value is not None}).encode()
    headers = signed(secret or secret_of(one), webhook_id, body, at_seconds=one.simulated.world.now_ms() // 1000)
    return await one.api("POST", "/messages", content=body, headers=headers)


async def sent(one: Rig) -> list[Json]:
    messages: list[Json] = (await one.control("GET", "/messages?side=centre"))["messages"]
    return messages


async def test_what_customers_do_is_told_as_the_schema_says_and_signed(one: Rig) -> None:
    said = await one.say("hello", phone="+43123", file={"name": "a.png", "mime": "image/png", "content": "AAAA"})
    await one.say("so", reply_to=said["id"])
    await one.control("POST", "/edit", {"message_id": said["id"], "text": "hullo"})
    await one.control("POST", "/unsend", {"message_id": said["id"]})
    await posted(one, said["customer"])
    await one.idle()
    bodies = [json.loads(each.body) for each in one.webhook.got]

    kinds = ["message.received", "message.received", "message.edited", "message.unsent", "message.status"]
    assert [body["type"] for body in bodies] == kinds
    for body in bodies:
        Draft202012Validator(SCHEMA).validate(body)
    for got in one.webhook.got:
        now = one.simulated.world.now_ms() // 1000
        assert fault(secret_of(one, "inbound_secret"), got.headers, got.body, now_seconds=now) == ""
        assert fault(secret_of(one), got.headers, got.body, now_seconds=now) != ""
    assert bodies[0]["customer"]["identifiers"] == [{"type": "phone", "value": "+43123"}]
    assert bodies[1]["reply_to"] == said["id"]


async def test_what_is_repeated_has_the_same_id_and_a_new_instant_is_signed(one: Rig) -> None:
    await one.control("PATCH", "/settings", {"time_scale": 1_000_000})
    one.webhook.answers.extend([(503, b"")] * 2)
    await one.say("hello")
    got = await one.webhook.take(3)

    assert len({(each.headers["webhook-id"], each.body) for each in got}) == 1


async def test_the_same_webhook_twice_is_one_message_with_one_answer(one: Rig) -> None:
    customer = (await one.say("hello"))["customer"]
    answers = [await posted(one, customer, webhook_id) for webhook_id in ("r1", "r1", "r2")]
    messages = await sent(one)

    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.json()["message_id"] for answer in answers] == [messages[0]["id"]] * 2 + [messages[1]["id"]]
    assert [message["reference"] for message in messages] == ["r1", "r2"]


async def test_while_the_first_is_under_way_a_repetition_is_told_so(one: Rig) -> None:
    customer = (await one.say("hello"))["customer"]
    await one.webhook.take()
    one.webhook.open.clear()  # the file's answer is held back
    files = [{"url": f"{one.webhook.url}/held.pdf", "name": "held.pdf"}]
    first = asyncio.create_task(posted(one, customer, files=files))
    await eventually(lambda: one.webhook.got)
    second = await posted(one, customer, files=files)
    one.webhook.open.set()

    assert (second.status_code, (await first).status_code) == (409, 200)
    assert len(await sent(one)) == 1
    assert (await posted(one, customer)).status_code == 200


async def test_what_was_refused_is_looked_at_anew(one: Rig) -> None:
    customer = (await one.say("hello"))["customer"]
    await one.control("POST", "/customers", {"customer": customer, "blocked": True})
    refused = await posted(one, customer)
    await one.control("POST", "/customers", {"customer": customer, "blocked": False})

    assert (refused.status_code, refused.json()) == (422, {"code": "recipient_opted_out"})
    assert (await posted(one, customer)).status_code == 200


@pytest.mark.parametrize(
    ("rest", "status", "code"),
    [
        ({"text": ""}, 422, "content_refused"),
        ({"text": "x" * 20_001}, 422, "content_refused"),
        ({"reference": None}, 422, "content_refused"),
        ({"customer": {"id": "nobody"}}, 404, "recipient_unknown"),
        ({"files": [{"url": "http://127.0.0.1:1/", "name": "a"}]}, 422, "content_refused"),
        ({"type": "message.liked"}, 200, None),
    ],
)
async def test_what_it_cannot_have_says_why(one: Rig, rest: Json, status: int, code: str | None) -> None:
    customer = (await one.say("hello"))["customer"]
    answer = await posted(one, customer, **rest)

    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert await sent(one) == []


async def test_only_what_is_signed_with_the_right_secret_is_read(one: Rig) -> None:
    customer = (await one.say("hello"))["customer"]
    answers = [await posted(one, customer, secret=each) for each in (OTHER, secret_of(one, "inbound_secret"))]
    unsigned = await one.api("POST", "/messages", content=b"{}")

    assert [answer.status_code for answer in (*answers, unsigned)] == [401] * 3
    assert await sent(one) == []


async def test_a_secret_of_ones_own_that_is_none_is_told() -> None:
    async with rigs("open") as made:
        one = made["open"]
        right = secret_of(one)
        one.simulated.vendor.secrets["outbound_secret"] = "secret"
        answer = await posted(one, "nobody", secret=right)

    assert (answer.status_code, answer.json()["detail"]) == (401, "a secret begins with `whsec_`")


async def test_nothing_else_is_there(one: Rig) -> None:
    answers = [await one.api("GET", path) for path in ("/messages", "/files/1", "/")]

    assert [answer.status_code for answer in answers] == [404] * 3
