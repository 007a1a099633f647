"""Each simulated vendor, asked by requests that are written by hand from the vendor's documents."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio
from centralino.providers.catalogue import VENDORS
from centralino.providers.testing import Json, Rig, rigs
from httpx import Response
from servicekit.testing.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
Many = dict[str, Rig]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def every() -> AsyncGenerator[Many]:
    async with rigs(*VENDORS) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def many(every: Many) -> Many:
    for each in every.values():
        await each.reset()
    return every


def secret(one: Rig, use: str) -> str:
    return one.simulated.vendor.secrets[use]


def bearer(one: Rig, use: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret(one, use)}"}


async def somebody(one: Rig) -> str:
    """Who has written, so that they may be answered."""
    said = await one.say("hello")
    await one.idle()
    one.webhook.got.clear()
    return str(said["customer"])


async def hook(one: Rig) -> Json:
    [got] = await one.webhook.take()
    value = json.loads(got.body)
    assert isinstance(value, dict)
    return value


async def whatsapp_text(one: Rig, to: str, **more: object) -> Response:
    body = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "hi"}, **more}
    return await one.api("POST", "/v25.0/106540352242922/messages", json=body, headers=bearer(one, "access_token"))


async def test_whatsapp_sends_a_text_and_reports_it(many: Many) -> None:
    one = many["whatsapp"]
    customer = await somebody(one)
    phone = one.simulated.world.customers[customer].phone
    assert phone is not None
    answer = await whatsapp_text(one, phone, biz_opaque_callback_data="r-1")
    told = answer.json()
    status = (await hook(one))["entry"][0]["changes"][0]["value"]["statuses"][0]

    assert told["contacts"] == [{"input": phone, "wa_id": phone[1:], "user_id": customer}]
    assert told["messages"][0]["id"].startswith("wamid.")
    assert (status["id"], status["status"]) == (told["messages"][0]["id"], "sent")
    assert (status["recipient_id"], status["biz_opaque_callback_data"]) == (phone[1:], "r-1")


async def test_whatsapp_tells_of_a_message_as_its_page_shows_it(many: Many) -> None:
    one = many["whatsapp"]
    said = await one.say("Gr\u00fc\u00df/dich", phone="+16505551234", name="Ann")
    [got] = await one.webhook.take()
    value = json.loads(got.body)["entry"][0]["changes"][0]
    digest = hmac.new(secret(one, "app_secret").encode(), got.body, hashlib.sha256).hexdigest()

    assert got.headers["x-hub-signature-256"] == f"sha256={digest}"
    assert rb"Gr\u00fc\u00df\/dich" in got.body  # Meta escapes letters and slashes before it signs
    assert value["field"] == "messages"
    assert value["value"]["metadata"]["phone_number_id"] == "106540352242922"
    assert value["value"]["contacts"][0]["wa_id"] == "16505551234"
    assert value["value"]["messages"][0] == {
        "from": "16505551234",
        "from_user_id": said["customer"],
        "id": said["id"],
        "timestamp": value["value"]["messages"][0]["timestamp"],
        "type": "text",
        "text": {"body": "Gr\u00fc\u00df/dich"},
    }


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"messaging_product": "other"}, 400, 100),
        ({"text": {"body": ""}}, 400, 100),
        ({"text": {"body": "x" * 4097}}, 400, 100),
        ({"type": "template", "template": {"name": "x", "language": {"code": "en"}}}, 404, 132001),
        ({"type": "template", "template": {"name": "order_update", "language": {"code": "en"}}}, 400, 132000),
        ({"type": "hologram"}, 400, 131051),
    ],
)
async def test_whatsapp_refuses_by_number(many: Many, more: Json, status: int, code: int) -> None:
    one = many["whatsapp"]
    answer = await whatsapp_text(one, await somebody(one), **more)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_whatsapp_limits_a_pair_to_45_at_once(many: Many) -> None:
    one = many["whatsapp"]
    customer = await somebody(one)
    answers = [await whatsapp_text(one, customer) for _ in range(46)]

    assert [answer.status_code for answer in answers] == [200] * 45 + [400]
    assert answers[-1].json()["error"]["code"] == 131056


async def test_whatsapp_reports_a_file_that_it_cannot_have(many: Many) -> None:
    one = many["whatsapp"]
    image = {"type": "image", "image": {"link": f"{one.webhook.url}/nothing"}}
    customer = await somebody(one)
    one.webhook.answer = (404, b"")
    answer = await whatsapp_text(one, customer, **image)
    one.webhook.answer = (200, b"")
    await eventually(lambda: [got for got in one.webhook.got if b"131053" in got.body])

    assert answer.status_code == 200


async def test_messenger_checks_the_proof_of_the_secret(many: Many) -> None:
    one = many["messenger"]
    customer = await somebody(one)
    body = {"recipient": {"id": customer}, "messaging_type": "RESPONSE", "message": {"text": "hi"}}
    headers, path = bearer(one, "access_token"), "/v25.0/me/messages"
    key, token = secret(one, "app_secret").encode(), secret(one, "access_token").encode()
    proof = hmac.new(key, token, hashlib.sha256).hexdigest()
    right = await one.api("POST", path, params={"appsecret_proof": proof}, json=body, headers=headers)
    wrong = await one.api("POST", path, params={"appsecret_proof": "0"}, json=body, headers=headers)
    echo = (await hook(one))["entry"][0]["messaging"][0]

    assert right.json() == {"recipient_id": customer, "message_id": echo["message"]["mid"]}
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, 100)
    assert echo["message"]["is_echo"]
    assert echo["sender"] == {"id": one.simulated.vendor.account_id}


@pytest.mark.parametrize(
    ("more", "code", "subcode"),
    [
        ({"messaging_type": "OTHER"}, 100, None),
        ({"message": {}}, 100, 2018034),
        ({"message": {"text": "x" * 2001}}, 100, None),
        ({"recipient": {"id": "1"}}, 100, 2018001),
    ],
)
async def test_messenger_refuses_by_number(many: Many, more: Json, code: int, subcode: int | None) -> None:
    one = many["messenger"]
    body = {"recipient": {"id": await somebody(one)}, "messaging_type": "RESPONSE", "message": {"text": "hi"}, **more}
    answer = await one.api("POST", "/v25.0/me/messages", json=body, headers=bearer(one, "access_token"))
    error = answer.json()["error"]

    assert (answer.status_code, error["code"], error.get("error_subcode")) == (400, code, subcode)


async def test_instagram_counts_bytes_and_echoes_no_metadata(many: Many) -> None:
    one = many["instagram"]
    body = {"recipient": {"id": await somebody(one)}, "messaging_type": "RESPONSE", "message": {"text": "\u00e9" * 501}}
    headers = bearer(one, "access_token")
    long = await one.api("POST", "/v25.0/me/messages", json=body, headers=headers)
    body["message"] = {"text": "\u00e9" * 500, "metadata": "r-1"}
    right = await one.api("POST", "/v25.0/me/messages", json=body, headers=headers)
    echo = (await hook(one))["entry"][0]["messaging"][0]["message"]

    assert (long.status_code, right.status_code) == (400, 200)
    assert "metadata" not in echo


def bot(one: Rig, method: str) -> str:
    return f"/bot{secret(one, 'bot_token')}/{method}"


async def test_telegram_sends_and_limits_a_chat(many: Many) -> None:
    one = many["telegram"]
    chat = int(await somebody(one))
    answers = [await one.api("POST", bot(one, "sendMessage"), json={"chat_id": chat, "text": "hi"}) for _ in range(4)]
    first = answers[0].json()

    assert first["ok"]
    assert first["result"]["chat"] == {"id": chat, "first_name": "Ann", "type": "private"}
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["parameters"]["retry_after"] >= 1


@pytest.mark.parametrize(
    ("method", "body", "status", "words"),
    [
        ("sendMessage", {"chat_id": 1, "text": "hi"}, 400, "chat not found"),
        ("sendMessage", {"chat_id": 1, "text": " "}, 400, "message text is empty"),
        ("sendMessage", {"chat_id": 1, "text": "x" * 4097}, 400, "message is too long"),
        ("sendTelepathy", {}, 404, "Not Found"),
        ("getFile", {"file_id": "1"}, 400, "wrong file_id"),
        ("setWebhook", {"url": "http://centre.example/"}, 400, "HTTPS URL must be provided"),
    ],
)
async def test_telegram_refuses_in_words(many: Many, method: str, body: Json, status: int, words: str) -> None:
    one = many["telegram"]
    answer = await one.api("POST", bot(one, method), json=body)

    assert (answer.status_code, answer.json()["error_code"]) == (status, status)
    assert words in answer.json()["description"]


async def test_telegram_tells_only_what_was_asked_for_and_with_the_secret(many: Many) -> None:
    one = many["telegram"]
    asked = {"url": one.webhook.url, "secret_token": "s-1", "allowed_updates": ["edited_message"]}
    answer = await one.api("POST", bot(one, "setWebhook"), json=asked)
    said = await one.say("hello")
    await one.control("POST", "/edit", {"message_id": said["id"], "text": "hallo"})
    [got] = await one.webhook.take()

    assert answer.json()["result"] is True
    assert said["deliveries"] == []
    assert got.headers["x-telegram-bot-api-secret-token"] == "s-1"
    assert json.loads(got.body)["edited_message"]["text"] == "hallo"


async def test_telegram_takes_a_file_in_parts(many: Many) -> None:
    one = many["telegram"]
    chat = await somebody(one)
    files = {"photo": ("\u00e9.png", b"\x89PNG", "image/png")}
    data = {"chat_id": chat, "caption": "h\u00e9"}
    answer = await one.api("POST", bot(one, "sendPhoto"), data=data, files=files)
    told = (await one.control("GET", "/messages?side=centre"))["messages"][0]

    assert answer.status_code == 200
    assert told["text"] == "h\u00e9"
    assert told["file"]["sha256"] == hashlib.sha256(b"\x89PNG").hexdigest()


def twilio_path(one: Rig) -> str:
    return f"/2010-04-01/Accounts/{one.simulated.vendor.account_id}/Messages.json"


async def twilio_post(one: Rig, form: dict[str, str]) -> Response:
    auth = (one.simulated.vendor.account_id, secret(one, "auth_token"))
    return await one.api("POST", twilio_path(one), data=form, auth=auth)


async def test_twilio_answers_and_calls_back_signed(many: Many) -> None:
    one = many["twilio-sms"]
    form = {"To": await somebody(one), "From": "+18005550100", "Body": "hi"}
    answer = await twilio_post(one, {**form, "StatusCallback": f"{one.webhook.url}?reference=r%2B1"})
    [got] = await one.webhook.take()
    told = dict(parse_qsl(got.body.decode()))
    text = got.url + "".join(name + told[name] for name in sorted(told))
    signature = base64.b64encode(hmac.new(secret(one, "auth_token").encode(), text.encode(), "sha1").digest())

    assert answer.status_code == 201
    assert answer.json()["status"] == "queued"
    assert (told["MessageSid"], told["MessageStatus"]) == (answer.json()["sid"], "sent")
    assert got.url.endswith("?reference=r%2B1")
    assert got.headers["x-twilio-signature"] == signature.decode()


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"From": "+18005550100", "Body": "hi"}, 21604),
        ({"To": "Ann", "From": "+18005550100", "Body": "hi"}, 21211),
        ({"To": "+14158675309", "Body": "hi"}, 21603),
        ({"To": "+14158675309", "From": "+1", "Body": "hi"}, 21606),
        ({"To": "+14158675309", "From": "+18005550100"}, 21602),
        ({"To": "+14158675309", "From": "+18005550100", "Body": "x" * 1601}, 21617),
    ],
)
async def test_twilio_refuses_by_number(many: Many, form: dict[str, str], code: int) -> None:
    answer = await twilio_post(many["twilio-sms"], form)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_twilio_refuses_to_write_after_a_stop(many: Many) -> None:
    one = many["twilio-sms"]
    customer = await somebody(one)
    await one.control("POST", "/customers", {"customer": customer, "blocked": True})
    [got] = await one.webhook.take()
    answer = await twilio_post(one, {"To": customer, "From": "+18005550100", "Body": "hi"})

    assert dict(parse_qsl(got.body.decode()))["OptOutType"] == "STOP"
    assert answer.json()["code"] == 21610


async def test_slack_posts_and_tells_of_it(many: Many) -> None:
    one = many["slack"]
    user = await somebody(one)
    body = {"channel": user, "text": "a &amp; b", "metadata": {"event_type": "x", "event_payload": {"reference": "r"}}}
    headers = bearer(one, "bot_token")
    answer = (await one.api("POST", "/chat.postMessage", json=body, headers=headers)).json()
    echo, metadata = [await hook(one), await hook(one)]

    assert answer["ok"]
    assert answer["channel"] == f"D{user[1:]}"
    assert (echo["event"]["ts"], echo["event"]["bot_id"]) == (answer["ts"], "B0SIMULATED")
    assert metadata["event"]["type"] == "message_metadata_posted"
    assert metadata["event"]["metadata"] == body["metadata"]
    assert (await one.control("GET", "/messages?side=centre"))["messages"][0]["text"] == "a & b"


@pytest.mark.parametrize(
    ("body", "error"),
    [({"text": "hi"}, "channel_not_found"), ({"channel": "D1"}, "no_text"), ({"text": "x" * 40_001}, "msg_too_long")],
)
async def test_slack_refuses_in_words(many: Many, body: Json, error: str) -> None:
    one = many["slack"]
    answer = await one.api("POST", "/chat.postMessage", json=body, headers=bearer(one, "bot_token"))

    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})


async def test_slack_signs_the_time_and_the_body(many: Many) -> None:
    one = many["slack"]
    await one.say("hi")
    [got] = await one.webhook.take()
    text = f"v0:{got.headers['x-slack-request-timestamp']}:".encode() + got.body
    digest = hmac.new(secret(one, "signing_secret").encode(), text, hashlib.sha256).hexdigest()

    assert got.headers["x-slack-signature"] == f"v0={digest}"


async def line_push(one: Rig, body: Json, **headers: str) -> Response:
    given = {**bearer(one, "access_token"), **headers}
    return await one.api("POST", "/v2/bot/message/push", json=body, headers=given)


async def test_line_takes_a_retry_key_once(many: Many) -> None:
    one = many["line"]
    body = {"to": await somebody(one), "messages": [{"type": "text", "text": "hi"}]}
    key = {"X-Line-Retry-Key": "123e4567-e89b-12d3-a456-426614174000"}
    first, second = [await line_push(one, body, **key) for _ in range(2)]
    bad = await line_push(one, body, **{"X-Line-Retry-Key": "1"})

    assert (first.status_code, second.status_code, bad.status_code) == (200, 409, 400)
    assert second.headers["x-line-accepted-request-id"] == first.headers["x-line-request-id"]
    assert second.json()["sentMessages"] == first.json()["sentMessages"]
    assert len((await one.control("GET", "/messages?side=centre"))["messages"]) == 1


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"messages": [{"type": "text", "text": ""}]}, "messages[0].text"),
        ({"messages": [{"type": "text", "text": "x" * 5001}]}, "messages[0].text"),
        ({"messages": [{"type": "image", "originalContentUrl": "https://a"}]}, "messages[0].previewImageUrl"),
        ({"messages": []}, "messages"),
    ],
)
async def test_line_says_where_a_fault_is(many: Many, body: Json, where: str) -> None:
    one = many["line"]
    answer = await line_push(one, {"to": await somebody(one), **body})

    assert (answer.status_code, answer.json()["details"][0]["property"]) == (400, where)


async def test_line_says_of_a_redelivery_that_it_is_one(many: Many) -> None:
    one = many["line"]
    await one.control("PATCH", "/settings", {"time_scale": 1_000_000})
    one.webhook.answers.append((500, b""))
    await one.say("hello")
    first, second = (json.loads(got.body)["events"][0] for got in await one.webhook.take(2))

    assert [each["deliveryContext"]["isRedelivery"] for each in (first, second)] == [False, True]
    assert first["webhookEventId"] == second["webhookEventId"]


async def viber(one: Rig, method: str, body: Json) -> Json:
    headers = {"x-viber-auth-token": secret(one, "auth_token")}
    told = (await one.api("POST", f"/{method}", content=json.dumps(body), headers=headers)).json()
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 0),
        ({"receiver": "nobody"}, 5),
        ({"text": ""}, 4),
        ({"type": "picture"}, 4),
        ({"sender": {}}, 4),
        ({"text": "x" * 7001}, 3),
        ({"text": "\U0001f600" * 6000}, 3),
    ],
)
async def test_viber_answers_by_number(many: Many, more: Json, status: int) -> None:
    one = many["viber"]
    body = {"receiver": await somebody(one), "type": "text", "text": "hi", "sender": {"name": "A"}, **more}

    assert (await viber(one, "send_message", body))["status"] == status


async def test_viber_asks_a_webhook_before_it_trusts_it(many: Many) -> None:
    one = many["viber"]
    one.webhook.answers.append((404, b""))
    wanted = {"url": one.webhook.url, "event_types": ["seen"]}
    refused = await viber(one, "set_webhook", wanted)
    taken = await viber(one, "set_webhook", wanted)
    first = await hook(one)

    assert (refused["status"], taken["status"], first["event"]) == (1, 0, "webhook")


@pytest.mark.parametrize(("seconds", "status"), [(60, 200), (0, 404)])
async def test_a_files_url_expires(many: Many, seconds: int, status: int) -> None:
    one = many["viber"]
    await one.control("PATCH", "/settings", {"media_seconds": seconds})
    await one.say(file={"name": "a.txt", "mime": "text/plain", "content": "aGVsbG8="})
    url = (await hook(one))["message"]["media"]

    assert (await one.client.get(url)).status_code == status
