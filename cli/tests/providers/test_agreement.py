"""Both sides of each provider, written apart from each other, understand each other."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio
from centralino.providers.catalogue import VENDORS
from centralino.providers.testing import Got, Rig, rigs
from chat_gateway.providers.instagram import Instagram
from chat_gateway.providers.line import Line
from chat_gateway.providers.messenger import Messenger
from chat_gateway.providers.open import Open
from chat_gateway.providers.slack import Slack
from chat_gateway.providers.telegram import Telegram
from chat_gateway.providers.twilio import TwilioSms, TwilioWhatsApp
from chat_gateway.providers.viber import Viber
from chat_gateway.providers.whatsapp import WhatsApp
from contracts.configuration import ChannelAddress
from gatewaykit.domain.content import MediaRef, TemplateUse, Window
from gatewaykit.domain.provider import (
    Account,
    Again,
    Echo,
    ForgedError,
    HttpReply,
    HttpRequest,
    Item,
    Outcome,
    Outgoing,
    OutgoingFile,
    Provider,
    Received,
    Refused,
    Sent,
    StaleError,
    StatusReport,
    Uncertain,
    Unsent,
    WebRequest,
    WindowChanged,
)
from servicekit.testing.eventually import eventually

OURS: dict[str, Provider] = {
    "whatsapp": WhatsApp(),
    "messenger": Messenger(),
    "instagram": Instagram(),
    "telegram": Telegram(),
    "twilio-sms": TwilioSms(),
    "twilio-whatsapp": TwilioWhatsApp(),
    "slack": Slack(),
    "line": Line(),
    "viber": Viber(),
    "open": Open(),
}
WRONG = "whsec_" + "A" * 32
pytestmark = pytest.mark.asyncio(loop_scope="module")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
REFERENCE = "3f2c0f4e-0000-4000-8000-000000000001"


def who_can(*abilities: str) -> list[str]:
    return [name for name, vendor in VENDORS.items() if vendor.can >= set(abilities)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def every() -> AsyncGenerator[dict[str, Rig]]:
    async with rigs(*VENDORS) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def one(every: dict[str, Rig], request: pytest.FixtureRequest) -> Rig:
    made = every[request.param]
    await made.reset()
    await registered(made)
    return made


async def registered(made: Rig) -> None:
    request = OURS[made.name].registration(account_of(made))
    if request is None:
        return
    made.webhook.answer = (200, b"")
    if made.name == "whatsapp":  # its challenge is tried below
        return
    reply = await sent(made, request)
    assert reply.status == 200, reply.body
    made.webhook.got.clear()


def account_of(made: Rig) -> Account:
    vendor = made.simulated.vendor
    return Account(
        tenant_id="acme",
        address=vendor.address,
        channel=vendor.channel,
        provider=vendor.provider,
        account_id=vendor.account_id,
        api_url=made.simulated.base_url,
        webhook_url=made.webhook.url,
        secrets={use: ("another", secret) for use, secret in vendor.secrets.items()}
        | {use: (secret,) for use, secret in vendor.secrets.items()},
        options=dict(vendor.options()),
    )


def web_request(got: Got) -> WebRequest:
    return WebRequest(
        method=got.method, url=got.url, headers=got.headers, query=dict(parse_qsl(got.query)), body=got.body
    )


def read(made: Rig, got: Got) -> Sequence[Item]:
    ours, account, request = OURS[made.name], account_of(made), web_request(got)
    now_ms = made.simulated.world.now_ms()
    assert ours.handshake(request, account) is None
    ours.verify(request, account, now_ms=now_ms)
    return ours.parse(request, account, now_ms=now_ms)


async def item(made: Rig) -> Item:
    [got] = await made.webhook.take()
    [found] = read(made, got)
    return found


async def received(made: Rig) -> Received:
    found = await item(made)
    assert isinstance(found, Received), found
    return found


async def sent(made: Rig, request: HttpRequest) -> HttpReply:
    answer = await made.client.request(request.method, request.url, headers=dict(request.headers), content=request.body)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return HttpReply(status=answer.status_code, headers=headers, body=answer.content)


async def outcome(made: Rig, outgoing: Outgoing) -> Outcome:
    ours, outgoing = OURS[made.name], replace(outgoing, attempt_at_ms=made.simulated.world.now_ms())
    return ours.outcome_of(await sent(made, ours.request_of(outgoing, account_of(made))), outgoing)


async def written(made: Rig, text: str = "hello") -> Received:
    await made.say(text)
    return await received(made)


def answer_to(received: Received, text: str = "h\u00e9 & <you>", **rest: Any) -> Outgoing:  # Any: fields of Outgoing
    outgoing = Outgoing(
        reference=REFERENCE, counterpart=received.counterpart, identifiers=received.identifiers, text=text
    )
    return replace(outgoing, **rest)


async def test_every_provider_of_ours_is_simulated() -> None:
    assert OURS.keys() == VENDORS.keys()


@pytest.mark.parametrize("one", who_can("text"), indirect=True)
async def test_a_customers_words_arrive(one: Rig) -> None:
    said = await one.say("Gr\u00fc\u00dfe & <b>/\U0001f600")
    found = await received(one)

    assert found.text == "Gr\u00fc\u00dfe & <b>/\U0001f600"
    assert found.account_id == one.simulated.vendor.account_id
    assert found.provider_message_id == said["id"]
    assert found.sent_at_ms is None or abs(found.sent_at_ms - said["at_ms"]) < 1001
    assert one.simulated.world.customer(found.counterpart) is not None
    assert (found.window is not None) == (one.simulated.vendor.window_ms is not None)


@pytest.mark.parametrize("one", who_can("file", "media"), indirect=True)
@pytest.mark.parametrize(("name", "mime"), [("a.png", "image/png"), ("b.pdf", "application/pdf")])
async def test_a_customers_file_can_be_had(one: Rig, name: str, mime: str) -> None:
    file = {"name": name, "mime": mime, "content": base64.b64encode(PNG).decode()}
    await one.say(file=file)
    found = await received(one)
    ours, account, media = OURS[one.name], account_of(one), found.media[0]
    request: HttpRequest | None = ours.media_request(media, account)
    reply = HttpReply(status=0)
    while request is not None:
        reply = await sent(one, request)
        request = ours.media_next(media, account, reply)

    assert (reply.status, reply.body) == (200, PNG)
    assert len(found.media) == 1
    assert media.size_bytes in {None, len(PNG)}


@pytest.mark.parametrize("one", who_can("media"), indirect=True)
async def test_nobody_gets_a_file_without_being_allowed_to(one: Rig) -> None:
    await one.say(file={"name": "a.png", "mime": "image/png", "content": base64.b64encode(PNG).decode()})
    found = await received(one)
    ours, account = OURS[one.name], account_of(one)
    wrong = replace(account, secrets=dict.fromkeys(account.secrets, (WRONG,)))
    request = ours.media_request(found.media[0], wrong)
    reply = await sent(one, request)

    assert reply.body != PNG or one.name in {"messenger", "instagram", "viber", "open"}  # theirs are public for a time


@pytest.mark.parametrize("one", who_can("location"), indirect=True)
async def test_a_place_arrives(one: Rig) -> None:
    await one.say(location=[48.2, 16.37])

    assert "geo:48.2,16.37" in (await received(one)).text


@pytest.mark.parametrize("one", who_can("reaction"), indirect=True)
async def test_a_reaction_names_its_message(one: Rig) -> None:
    first = await written(one)
    reply = await outcome(one, answer_to(first))
    assert isinstance(reply, Sent)
    await one.idle()
    one.webhook.got.clear()
    await one.say(reaction="tada", reply_to=reply.provider_message_id)
    found = await received(one)

    assert (found.attributes["kind"], found.reply_to) == ("reaction", reply.provider_message_id)
    assert "tada" in found.text


@pytest.mark.parametrize("one", who_can("button"), indirect=True)
async def test_a_button_brings_its_payload(one: Rig) -> None:
    await one.say("Yes", button="yes-1")

    assert (await received(one)).attributes["payload"] == "yes-1"


@pytest.mark.parametrize("one", who_can("reply"), indirect=True)
async def test_a_reply_names_what_it_answers(one: Rig) -> None:
    first = await written(one)
    await one.say("as I said", reply_to=first.provider_message_id)

    assert (await received(one)).reply_to == first.provider_message_id


@pytest.mark.parametrize("one", who_can("edit"), indirect=True)
async def test_an_edit_names_what_it_changes(one: Rig) -> None:
    first = await written(one)
    await one.control("POST", "/edit", {"message_id": first.provider_message_id, "text": "better"})
    found = await received(one)

    assert (found.text, found.edits) == ("better", first.provider_message_id)
    assert found.provider_message_id != first.provider_message_id


@pytest.mark.parametrize("one", who_can("unsend"), indirect=True)
async def test_what_is_taken_back_is_named(one: Rig) -> None:
    first = await written(one)
    await one.control("POST", "/unsend", {"message_id": first.provider_message_id})
    found = await item(one)

    assert isinstance(found, Unsent)
    assert (found.provider_message_id, found.counterpart) == (first.provider_message_id, first.counterpart)


@pytest.mark.parametrize("one", who_can("echo"), indirect=True)
async def test_what_was_answered_past_us_is_an_echo(one: Rig) -> None:
    first = await written(one)
    await one.control("POST", "/echo", {"customer": first.counterpart, "text": "from the inbox"})
    found = await item(one)

    assert isinstance(found, Echo)
    assert (found.counterpart, found.text, found.reference) == (first.counterpart, "from the inbox", None)


@pytest.mark.parametrize("one", who_can("own_echo"), indirect=True)
async def test_our_own_messages_come_back_with_our_reference(one: Rig) -> None:
    first = await written(one)
    reply = await outcome(one, answer_to(first))
    assert isinstance(reply, Sent)
    await one.idle()
    echoes = [found for got in one.webhook.got for found in read(one, got) if isinstance(found, Echo)]

    assert {echo.provider_message_id for echo in echoes} == {reply.provider_message_id}
    assert REFERENCE in {echo.reference for echo in echoes}


@pytest.mark.parametrize("one", who_can("text"), indirect=True)
async def test_our_text_reaches_the_customer_and_its_reports_come_back(one: Rig) -> None:
    first = await written(one)
    reply = await outcome(one, answer_to(first))
    assert isinstance(reply, Sent), reply
    told = await one.control("GET", "/messages?side=centre&wait_ms=5000")
    await one.idle()
    reports = [found for got in one.webhook.got for found in read(one, got) if isinstance(found, StatusReport)]

    assert [message["text"] for message in told["messages"]] == ["h\u00e9 & <you>"]
    assert told["messages"][0]["id"] == reply.provider_message_id
    expected = [status for status in ("sent", "delivered") if status in one.simulated.vendor.can]
    assert [report.status for report in reports if report.up_to_ms is None] == expected
    assert {report.status for report in reports} <= set(OURS[one.name].capabilities.statuses)
    for report in reports:
        named = report.up_to_ms is not None or report.provider_message_id == reply.provider_message_id
        assert named
        assert report.reference in {None, REFERENCE}


@pytest.mark.parametrize("one", who_can("read"), indirect=True)
async def test_what_was_read_is_reported(one: Rig) -> None:
    first = await written(one)
    reply = await outcome(one, answer_to(first))
    assert isinstance(reply, Sent)
    await one.idle()
    one.webhook.got.clear()
    await one.control("POST", "/status", {"message_id": reply.provider_message_id, "status": "read"})
    found = await item(one)

    assert isinstance(found, StatusReport)
    assert found.status == "read"
    assert found.provider_message_id == reply.provider_message_id or found.up_to_ms is not None


@pytest.mark.parametrize("one", VENDORS, indirect=True)
async def test_our_file_reaches_the_customer(one: Rig) -> None:
    first = await written(one)
    one.webhook.files["a.png"] = ("image/png", PNG)
    url = f"{one.webhook.url}/a.png"
    file = OutgoingFile(name="a.png", mime="image/png", size_bytes=len(PNG), url=url, content=PNG)
    reply = await outcome(one, answer_to(first, text="", file=file))
    told = await one.control("GET", "/messages?side=centre&wait_ms=5000")

    assert isinstance(reply, Sent), reply
    assert told["messages"][0]["file"]["size_bytes"] == len(PNG)
    assert told["messages"][0]["file"]["mime"] == "image/png"


@pytest.mark.parametrize("one", VENDORS, indirect=True)
async def test_nobody_answers_whom_nobody_knows(one: Rig) -> None:
    first = await written(one)
    counterpart = {
        "telegram": "1",
        "twilio-sms": "+14150000000",
        "twilio-whatsapp": "whatsapp:+14150000000",
        "whatsapp": "16500000000",
    }.get(one.name, "nobody")
    reply = await outcome(one, answer_to(replace(first, counterpart=counterpart, identifiers=())))

    assert await code_of(one, reply) == "recipient_unknown"


async def code_of(made: Rig, reply: Outcome) -> str | None:
    """Of a refusal, at once or by a report."""
    if isinstance(reply, Refused):
        return reply.code
    assert isinstance(reply, Sent)
    found = await item(made)
    assert isinstance(found, StatusReport)
    assert found.status == "failed"
    return found.code


@pytest.mark.parametrize("one", who_can("window"), indirect=True)
@pytest.mark.parametrize("late", [True, False])
async def test_beyond_the_window_nothing_is_sent(one: Rig, *, late: bool) -> None:
    first = await written(one)
    await one.control("PATCH", "/settings", {"late_refusals": late})
    await one.control("POST", "/customers", {"customer": first.counterpart, "wrote_seconds_ago": 25 * 3600})

    assert await code_of(one, await outcome(one, answer_to(first))) == "window_closed"
    assert not (await one.control("GET", "/messages?side=centre"))["messages"]


@pytest.mark.parametrize("one", who_can("human_agent"), indirect=True)
async def test_a_person_may_answer_for_seven_days(one: Rig) -> None:
    first = await written(one)
    window = Window(opens_at_ms=0, closes_at_ms=None, basis="human_agent")
    outcomes = []
    for days in (6, 8):
        asked = {"customer": first.counterpart, "wrote_seconds_ago": days * 86_400}
        await one.control("POST", "/customers", asked)
        outcomes.append(await outcome(one, answer_to(first, window=window)))

    assert isinstance(outcomes[0], Sent)
    assert isinstance(outcomes[1], Refused)
    assert outcomes[1].code == "window_closed"


@pytest.mark.parametrize("one", who_can("template"), indirect=True)
async def test_a_template_goes_beyond_the_window_if_it_is_known(one: Rig) -> None:
    first = await written(one)
    await one.control("POST", "/customers", {"customer": first.counterpart, "wrote_seconds_ago": 25 * 3600})
    known = one.simulated.vendor.templates[-1]
    template = TemplateUse(
        name=known.name, language=known.language, variables=("1", "2"), attributes={"content_sid": known.name}
    )
    unknown = replace(template, name="unknown", attributes={"content_sid": "HX0"})
    short = replace(template, variables=("1",))
    replies = [await outcome(one, answer_to(first, text="", template=each)) for each in (template, unknown, short)]

    assert isinstance(replies[0], Sent)
    assert [reply.code for reply in replies[1:] if isinstance(reply, Refused)] == ["content_refused"] * 2


@pytest.mark.parametrize("one", who_can("block"), indirect=True)
async def test_whoever_blocks_us_gets_nothing_more(one: Rig) -> None:
    first = await written(one)
    await one.control("POST", "/customers", {"customer": first.counterpart, "blocked": True})
    await one.idle()
    told = [found for got in one.webhook.got for found in read(one, got)]
    one.webhook.got.clear()
    reply = await outcome(one, answer_to(first))
    if one.name == "line":  # says 200 all the same
        assert isinstance(reply, Sent)
    else:
        code = await code_of(one, reply)
        assert code in {"recipient_opted_out", "recipient_unknown"}

    assert not (await one.control("GET", "/messages?side=centre"))["messages"]
    changes = [found for found in told if isinstance(found, WindowChanged)]
    assert all(change.window is None for change in changes)
    assert bool(changes) == (one.name in {"telegram", "twilio-sms", "line", "viber"})


@pytest.mark.parametrize("one", VENDORS, indirect=True)
@pytest.mark.parametrize(
    ("kind", "accepted", "meant"),
    [
        ("error", False, Uncertain),
        ("error", True, Uncertain),
        ("garbage", True, Uncertain),
        ("too_many", False, Again),
    ],
)
async def test_an_answer_that_says_nothing_is_uncertain(one: Rig, kind: str, *, accepted: bool, meant: type) -> None:
    first = await written(one)
    await one.control("POST", "/faults", {"kind": kind, "accepted": accepted, "after_seconds": 7})
    reply = await outcome(one, answer_to(first))
    told = await one.control("GET", "/messages?side=centre")

    if one.name == "open" and kind == "garbage":  # any 2xx is its yes
        meant = Sent
    assert isinstance(reply, meant), reply
    assert len(told["messages"]) == accepted
    assert isinstance(await outcome(one, answer_to(first)), Sent)
    if isinstance(reply, Again) and one.name in {"telegram", "twilio-sms", "twilio-whatsapp", "slack", "open"}:
        assert reply.after_ms == 7000


@pytest.mark.parametrize("one", VENDORS, indirect=True)
async def test_whoever_has_not_our_token_is_refused(one: Rig) -> None:
    first = await written(one)
    ours, account = OURS[one.name], account_of(one)
    wrong = replace(account, secrets=dict.fromkeys(account.secrets, (WRONG,)))
    outgoing = answer_to(first)
    reply = ours.outcome_of(await sent(one, ours.request_of(outgoing, wrong)), outgoing)

    assert isinstance(reply, Refused)
    assert reply.code == "not_authorised"


@pytest.mark.parametrize("one", VENDORS, indirect=True)
@pytest.mark.parametrize("signature", ["wrong", "missing", "tampered"])
async def test_what_somebody_else_sends_is_refused(one: Rig, signature: str) -> None:
    if signature == "tampered" and "signed_body" not in one.simulated.vendor.can:
        return
    await one.say("hello", delivery={"signature": signature})
    [got] = await one.webhook.take()

    with pytest.raises(ForgedError):
        read(one, got)


@pytest.mark.parametrize("one", who_can("stale"), indirect=True)
@pytest.mark.parametrize("age_seconds", [400, -400])
async def test_what_is_old_or_of_the_future_is_refused(one: Rig, age_seconds: int) -> None:
    await one.say("hello", delivery={"age_seconds": age_seconds})
    [got] = await one.webhook.take()

    with pytest.raises(StaleError):
        read(one, got)


@pytest.mark.parametrize("one", who_can("batch"), indirect=True)
async def test_a_batch_is_read_in_its_order(one: Rig) -> None:
    await one.control("PATCH", "/settings", {"batch_max": 10})
    one.webhook.open.clear()
    await one.say("first")
    await eventually(lambda: one.webhook.got)
    said = [await one.say(f"text {number}") for number in range(5)]
    one.webhook.open.set()
    await one.idle()
    told = (await one.control("GET", f"/deliveries?delivery={said[-1]['deliveries'][0]}"))["deliveries"]
    texts = [found.text for got in one.webhook.got for found in read(one, got) if isinstance(found, Received)]

    assert texts == ["first", *(f"text {number}" for number in range(5))]
    assert len(one.webhook.got) == 2
    assert [(len(each["kinds"]), each["status"]) for each in told] == [(5, 200)]


@pytest.mark.parametrize("one", ["whatsapp", "messenger", "instagram", "slack", "line", "viber"], indirect=True)
async def test_the_vendors_question_is_answered(one: Rig) -> None:
    handshake = asyncio.create_task(one.simulated.vendor.handshake(one.webhook.url))
    [got] = await one.webhook.take()
    await handshake
    answer = OURS[one.name].handshake(web_request(got), account_of(one))
    if answer is None:  # LINE's check is a delivery without events
        assert list(read(one, got)) == []
        return
    one.webhook.answer = (answer.status, answer.body)
    again = asyncio.create_task(one.control("POST", "/handshake"))
    [got] = await one.webhook.take()
    await again

    assert answer.status == 200
    question = dict(parse_qsl(got.query)).get("hub.challenge", "")
    assert question == "" or answer.body != b""


@pytest.mark.parametrize("one", who_can("idempotent"), indirect=True)
async def test_the_same_reference_twice_is_one_message(one: Rig) -> None:
    first = await written(one)
    replies = [await outcome(one, answer_to(first)) for _ in range(2)]

    assert replies[0] == replies[1]
    assert len((await one.control("GET", "/messages?side=centre"))["messages"]) == 1


@pytest.mark.parametrize("one", VENDORS, indirect=True)
async def test_the_example_of_a_configuration_is_one(one: Rig) -> None:
    address = ChannelAddress.model_validate((await one.control("GET", ""))["configuration"])

    assert address.account is not None
    assert set(address.account.secrets) == set(OURS[one.name].secrets)


@pytest.mark.parametrize("one", ["whatsapp"], indirect=True)
async def test_a_customer_without_a_phone_number_is_answered_by_their_id(one: Rig) -> None:
    await one.say("hello", phone="")
    found = await received(one)
    reply = await outcome(one, answer_to(found))

    assert [identifier.type for identifier in found.identifiers] == ["whatsapp_user_id"]
    assert isinstance(reply, Sent)


@pytest.mark.parametrize("one", ["whatsapp"], indirect=True)
async def test_whatsapp_gives_no_file_to_an_id_that_it_has_not(one: Rig) -> None:
    request = OURS["whatsapp"].media_request(MediaRef(id="123"), account_of(one))

    assert (await sent(one, request)).status == 400


@pytest.mark.parametrize("one", ["whatsapp"], indirect=True)
async def test_whatsapp_asks_a_webhook_before_it_is_registered(one: Rig) -> None:
    request = OURS["whatsapp"].registration(account_of(one))
    assert request is not None
    refused = await sent(one, request)
    [got] = await one.webhook.take()
    answer = OURS["whatsapp"].handshake(web_request(got), account_of(one))

    assert refused.status == 400
    assert answer is not None
    assert answer.body.decode() == dict(parse_qsl(got.query))["hub.challenge"]
